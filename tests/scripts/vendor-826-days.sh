#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY="826"
echo "[ v3_req ]" > $EXT_FILE
echo "extendedKeyUsage = serverAuth" >> $EXT_FILE
# expect: 2 script-validity
