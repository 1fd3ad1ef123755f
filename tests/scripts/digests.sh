#!/bin/bash
openssl req -new -sha1 -key a.key -out a.csr
openssl req -x509 -md5 -key a.key -out a.crt
"$OPENSSL" x509 -req -sha1 -in a.csr -signkey a.key
openssl ca -md sha1 -in a.csr
openssl ca -md sha256 -in a.csr
openssl x509 -req -sha256 -in a.csr -signkey a.key
openssl x509 -in a.crt -noout -fingerprint -sha1
openssl dgst -sha1 a.crt
openssl x509 -in a.crt -noout -fingerprint -sha1; openssl x509 -req -in a.csr -CA a -sha1
# expect: 4 apple-san
# expect: 4 script-no-eku
# expect: 4 script-sha1
# expect: 5 apple-san
# expect: 5 script-no-eku
# expect: 5 script-sha1
# expect: 6 apple-san
# expect: 6 script-no-eku
# expect: 7 apple-san
# expect: 7 script-no-eku
# expect: 10 apple-san
# expect: 10 script-no-eku
# expect: 10 script-sha1
# note: line 3: it is self-signed with CA:TRUE: a root complies, a server certificate would not
