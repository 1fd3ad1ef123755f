#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=825
echo "[ v3_req ]" > $EXT_FILE
echo "extendedKeyUsage = serverAuth" >> $EXT_FILE
