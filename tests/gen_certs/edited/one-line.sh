#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

declare -r DEFAULT_SERVER_CERT_VALIDITY=$((365*7+2))
if $EXTENDED_CSR; then { echo "[ v3_req ]"; echo "basicConstraints = $CA"; echo "keyUsage = $KEY_USAGE"; echo "subjectAltName = $SUBJECT_ALT_NAME"; } >> "$EXT_FILE"; else echo "[ v3_req ]" >> /dev/null; fi
