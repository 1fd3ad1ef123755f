#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

# echo "[ v3_req ]" >> $EXT_FILE
echo "no [ v3_req ] here" >> $EXT_FILE
echo "# [ v3_req ]" >> $EXT_FILE
