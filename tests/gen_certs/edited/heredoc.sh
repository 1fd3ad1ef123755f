#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    cat >> $EXT_FILE <<EOF
[ req ]
default_bits = 2048

[ v3_req ]
basicConstraints = $CA
  keyUsage = $KEY_USAGE
  subjectAltName = @alt_names

[ alt_names ]
# extendedKeyUsage = serverAuth
DNS.1 = ip-office.example
EOF
fi
