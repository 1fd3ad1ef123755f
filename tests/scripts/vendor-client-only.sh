#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=820
echo "[ v3_req ]" > $EXT_FILE
echo "extendedKeyUsage = clientAuth" >> $EXT_FILE
# expect: 4 script-no-eku
