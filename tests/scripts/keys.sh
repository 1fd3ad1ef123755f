#!/bin/sh
BITS=1024
openssl genrsa -out a.key 1024
openssl genrsa -des3 -passout pass:4096 -out b.key "1024"
openssl genrsa -out 1024 2048
openssl genrsa -out c.key $BITS
openssl genrsa -out d.key
openssl req -new -newkey rsa:1024 -nodes -keyout e.key
openssl req -new -newkey rsa:4096 -nodes -keyout f.key
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:512 -out g.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256
openssl req -new -newkey "rsa:$BITS" -nodes
openssl ecparam -name prime256v1 -genkey
# expect: 3 script-small-key
# expect: 4 script-small-key
# expect: 6 script-small-key
# expect: 8 script-small-key
# expect: 10 script-small-key
# expect: 12 script-small-key
