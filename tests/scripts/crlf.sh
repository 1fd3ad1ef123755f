#!/bin/sh
openssl genrsa 1024
openssl x509 -req -sha1 \
  -CA ca.crt -days 9999
# expect: 2 script-small-key
# expect: 3 apple-san
# expect: 3 script-no-eku
# expect: 3 script-sha1
# expect: 4 script-days
