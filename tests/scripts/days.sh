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
# expect: 2 apple-san
# expect: 2 script-no-eku
# expect: 3 apple-san
# expect: 3 script-no-eku
# expect: 3 script-days
# expect: 4 apple-san
# expect: 4 script-no-eku
# expect: 7 script-days
# expect: 8 apple-san
# expect: 8 script-no-eku
# expect: 8 script-days
# note: line 9: it is self-signed with CA:TRUE: a root complies, a server certificate would not
