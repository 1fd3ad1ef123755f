#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=820
echo "[ v3_req ]" > $EXT_FILE
echo "extendedKeyUsage = serverAuth" >> $OTHER_FILE
# expect: 3 script-no-eku
