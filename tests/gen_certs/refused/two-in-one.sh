#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    echo -e "[ v3_req ]\nbasicConstraints = $CA\n[ alt_names ]\nDNS = ip-office.example" >> $EXT_FILE
fi
