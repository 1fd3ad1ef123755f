#!/bin/sh
# How many words the date has is not known, so the function may well come to its end.
read_day() {
    set -- $1
    [ $# -eq 5 ] || exit 1
    day=$4
}
validity="-days 820"
if openssl x509 -help 2>&1 | grep -q -e -not_after; then
    read_day "$(date -u '+%b %e %H:%M:%S %Y') GMT"
    validity="-not_after $((day + 1))0101000000Z"
fi
printf 'subjectAltName=DNS:pbx.example.com\nextendedKeyUsage=serverAuth\n' > e
openssl req -new -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=pbx.example.com
openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key $validity -extfile e -out s.crt -sha256
# note: line 15: its validity from now to $((day + 1))0101000000Z depends on
