#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=825
if $EXTENDED_CSR; then
    cat <<EOF > $EXT_FILE
[ v3_req ]
basicConstraints = $CA
subjectAltName = $SUBJECT_ALT_NAME
EOF
    echo "extendedKeyUsage = 1.3.6.1.5.5.7.3.1 , 1.3.6.1.5.5.7.3.2 # both" >> $EXT_FILE
fi
