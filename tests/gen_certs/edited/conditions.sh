#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then
    echo "[ v3_req ]" >> $EXT_FILE
    echo "basicConstraints = $CA" >> $EXT_FILE
    if [ -n "$KEY_USAGE" ]; then
        echo "keyUsage = $KEY_USAGE" >> $EXT_FILE
    fi
    [ -z "$SUBJECT_ALT_NAME" ] || echo "subjectAltName = $SUBJECT_ALT_NAME" >> $EXT_FILE
    echo "writing $EXT_FILE"
    echo "subjectKeyIdentifier = hash" >> $EXT_FILE
    for name in $ALT_NAMES; do
        echo "DNS = $name" >> $EXT_FILE
    done
    wc -l < $EXT_FILE >> /dev/null
    echo "# the end" >> $EXT_FILE
fi
