#!/bin/sh
cat > openssl.cnf <<EOF
[ req ]
default_bits = 1024
default_md = sha1
[ CA_default ]
default_days = 3650
default_md = sha256
EOF
echo "default_bits = 512" >> openssl.cnf
printf 'default_days = 820\n' >> openssl.cnf
openssl req -config openssl.cnf -new
# expect: 4 script-small-key
