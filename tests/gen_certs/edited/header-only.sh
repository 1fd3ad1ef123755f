#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY="2555"
if [[ ${EXTENDED_CSR} == true ]]; then
    echo "[ v3_req ]" > ${EXT_FILE} # from here on
    add_the_rest() { printf 'basicConstraints = %s\nsubjectAltName = %s\n' "$CA" "$SUBJECT_ALT_NAME" >> "${EXT_FILE}"; }
    add_the_rest
fi
