#!/bin/sh
DAYS=3650
FEW=365
FROM_CALLER=${2:-1825}
readonly YEARS=$((2*365))
openssl x509 -req -CA ca.crt -days $DAYS
openssl x509 -req -CA ca.crt -days "${FEW}"
openssl x509 -req -CA ca.crt -days "$FROM_CALLER"
openssl x509 -req -CA ca.crt -days $YEARS
openssl x509 -req -CA ca.crt -days ${VALID:-900}
openssl x509 -req -CA ca.crt -days "$1"
openssl x509 -req -CA ca.crt -days "$(cat days)"
# expect: 6 apple-san
# expect: 6 script-no-eku
# expect: 6 script-days
# expect: 7 apple-san
# expect: 7 script-no-eku
# expect: 8 apple-san
# expect: 8 script-no-eku
# expect: 8 script-days
# expect: 9 apple-san
# expect: 9 script-no-eku
# expect: 10 apple-san
# expect: 10 script-no-eku
# expect: 10 script-days
# expect: 11 apple-san
# expect: 11 script-no-eku
# expect: 12 apple-san
# expect: 12 script-no-eku
