#!/usr/bin/env bash
set -euo pipefail
openssl req -new -newkey rsa:2048 -nodes -sha256 -keyout a.key -out a.csr -subj "/CN=pbx.example.com"
openssl x509 -req -in a.csr -CA ca.crt -CAkey ca.key -sha256 -days 820 -out a.crt -extfile - <<EOF
subjectAltName = DNS:pbx.example.com
extendedKeyUsage = serverAuth
EOF
