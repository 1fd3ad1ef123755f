#!/bin/sh
# The section is good, but what another machine does with it is not known.
cat > e <<X
[ v3_req ]
basicConstraints=CA:FALSE
extendedKeyUsage=serverAuth
subjectAltName=DNS:a.example.com
X
openssl req -new -newkey rsa:2048 -nodes -keyout k -subj /CN=a -out r
scp e r host: && ssh host openssl x509 -req -days 3650 -extfile e -extensions v3_req -in r -CA ca -CAkey cak -out c
# note: line 10: what ssh host openssl x509
