#!/bin/bash
KEY=$(openssl genrsa 1024)
CERTIFICATE="$(
    openssl req -x509 -sha1 -key <(echo "$KEY") \
        -days 3650
)"
if ! openssl x509 -req -days 3650 -CA ca.crt > a.crt; then
    exit 1
fi
make() { openssl genrsa 1024 > "$1"; }
# expect: 2 script-small-key
# expect: 7 apple-san
# expect: 7 script-no-eku
# expect: 7 script-days
# note: line 4: it is self-signed with CA:TRUE: a root complies, a server certificate would not
