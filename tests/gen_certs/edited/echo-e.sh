#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    echo -e "[ v3_req ]\nbasicConstraints = $CA\nkeyUsage = $KEY_USAGE"  >> "$EXT_FILE"
    echo -n "subjectAltName = "  >> "$EXT_FILE"
    echo "$SUBJECT_ALT_NAME"  >> "$EXT_FILE"
    echo -en "\n[ alt ]\n"  >> "$EXT_FILE"
fi
