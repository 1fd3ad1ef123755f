#!/bin/sh
openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key -days 825 -out a.crt
openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key -days 826 -out a.crt
openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key \
    -out a.crt \
    -days \
    3650
openssl ca -batch -days "$((365*10))" -in a.csr
/usr/bin/openssl req -x509 -newkey rsa:2048 -nodes -days '9999' -subj /CN=a
find . -days 9999
echo "openssl x509 -req -days 9999"
# openssl x509 -req -days 9999
# expect: 3 script-days
# expect: 7 script-days
# expect: 8 script-days
# expect: 9 script-days
