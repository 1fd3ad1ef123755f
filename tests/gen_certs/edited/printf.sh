#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

readonly DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    printf '%s\n' "[ v3_req ]" "basicConstraints = $CA" \
        "keyUsage = $KEY_USAGE" \
        "subjectAltName = $SUBJECT_ALT_NAME"   >> "$EXT_FILE"
fi
