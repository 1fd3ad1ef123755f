#!/bin/sh
DEFAULT_SERVER_CERT_VALIDITY=820
echo "[ v3_req ]" > $F
echo "extendedKeyUsage = client[2JAuth‮" >> $F
openssl x509 -req -CA ca.crt -days "3650[2J"
# expect: 5 apple-san
# expect: 5 script-no-eku
# note: line 4: the extended key usage client\u{1B}[2JAuth\u{202E} cannot be determined
