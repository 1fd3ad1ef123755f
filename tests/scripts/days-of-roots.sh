#!/bin/sh
openssl req -x509 -new -key ca.key -days 3650 -extensions v3_ca -out ca.crt
openssl req -x509 -key ca.key -days 7300 -addext "basicConstraints = critical,CA:TRUE" -out ca.crt
openssl x509 -req -in sub.csr -CA ca.crt -CAkey ca.key -days 3650 -extfile ext.cnf -extensions "v3_intermediate_ca"
# note: line 4: the content of ext.cnf is unknown
