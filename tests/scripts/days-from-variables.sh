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
# expect: 6 script-days
# expect: 8 script-days
# expect: 10 script-days
# note: line 11: -days $1 cannot be told
# note: line 12: -days $(cat days) cannot be told
