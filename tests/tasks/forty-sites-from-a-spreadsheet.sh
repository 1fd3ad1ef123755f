#!/bin/sh
# Forty sites stand in a spreadsheet. Excel saves it with semicolons, CRLF and a byte order mark, and the cities have
# umlauts; saved as plain "CSV", the umlauts are not UTF-8.
set -eu

{
  printf '\357\273\277Name;SAN;Org;Locality;Days;P12\r\n'
  site=1
  while [ $site -le 40 ]; do
    case $((site % 4)) in
      0) city=Köln ;; 1) city=Düsseldorf ;; 2) city='Schwäbisch Gmünd' ;; *) city=Weißwasser ;;
    esac
    printf 'pbx-%s.example.com;"10.1.%s.5, sip-%s.example.com";"Müller & Söhne; Telefonbau";%s;;%s\r\n' \
      $site $site $site "$city" "$([ $site -le 2 ] && echo compat || echo no)"
    site=$((site + 1))
  done
  printf ';;;;;\r\n'
} > sites.csv

opensslgen root --cn "Müller & Söhne CA" --key-type p-256

# Saved in the wrong form: nothing is made, and the answer says how to save it.
iconv -f UTF-8 -t CP1252//TRANSLIT sites.csv > ansi.csv || sed '1s/^\xef\xbb\xbf//' sites.csv | iconv -f UTF-8 -t CP1252 > ansi.csv
if opensslgen batch ansi.csv --key-type p-256 2> complaint; then exit 3; fi
grep -q "CSV UTF-8" complaint
test ! -e pki/issued/pbx-1.example.com.crt

# Two of them want a .p12, and there is no password: nothing is made either.
if opensslgen batch sites.csv --key-type p-256 2> complaint < /dev/null; then exit 4; fi
grep -q "OPENSSLGEN_P12_PASSWORD" complaint
test ! -e pki/issued/pbx-1.example.com.crt

export OPENSSLGEN_P12_PASSWORD="battery staple"
opensslgen batch sites.csv --key-type p-256 > answer
tail -n 1 answer
test "$(find pki/issued -name 'pbx-*.crt' | wc -l)" -eq 40 || exit 5
test "$(find pki/private -name '*.p12' | wc -l)" -eq 2 || exit 6
openssl x509 -noout -subject -nameopt utf8,sep_comma_plus -in pki/issued/pbx-4.example.com.crt > subject
grep -q "Müller & Söhne; Telefonbau" subject
grep -q "Köln" subject
openssl verify -CAfile pki/ca.crt pki/issued/pbx-*.example.com.crt | grep -vc ': OK$' > bad || true
test "$(cat bad)" -eq 0 || exit 7
opensslgen audit -q pki/issued/

# Nothing is left to do. Then one site moves, and only its certificate is issued again.
opensslgen batch sites.csv --key-type p-256 --check
sed 's/10\.1\.7\.5/10.9.9.9/' sites.csv > moved.csv
opensslgen batch moved.csv --key-type p-256 > answer
test "$(grep -c '^made\|^Made\|pbx-7\.' answer)" -ge 1 || exit 8
openssl x509 -noout -text -in pki/issued/pbx-7.example.com.crt | grep -q "IP Address:10.9.9.9"
opensslgen batch moved.csv --key-type p-256 --check
