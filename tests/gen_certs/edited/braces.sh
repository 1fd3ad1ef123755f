#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    {
        echo "[ v3_req ]"
        echo "basicConstraints = $CA"
        # whose value may be empty
        echo "keyUsage = $KEY_USAGE"

        echo "subjectAltName = $SUBJECT_ALT_NAME"
        echo "subjectKeyIdentifier   = hash"
    } >> "$EXT_FILE"
fi
