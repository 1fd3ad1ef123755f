#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=2555; { echo "[ v3_req ]"; echo "basicConstraints = $CA"; echo "subjectAltName = $SUBJECT_ALT_NAME"; } >> $EXT_FILE; true
