#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=820 # DEFAULT_SERVER_CERT_VALIDITY=9999
echo "[ v3_req ]" > $EXT_FILE
# echo "extendedKeyUsage = serverAuth" >> $EXT_FILE
echo "keyUsage = digitalSignature # extendedKeyUsage = serverAuth" >> $EXT_FILE
# expect: 3 script-no-eku
