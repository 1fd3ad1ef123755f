#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=820
echo "[ v3_req ]" > $EXT_FILE
if [ -n "$SERVER" ]; then
    echo "extendedKeyUsage = serverAuth" >> $EXT_FILE
fi
# expect: 5 script-no-eku
