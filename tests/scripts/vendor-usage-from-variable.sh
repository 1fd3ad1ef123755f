#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=820
EKU=serverAuth,clientAuth
BAD="clientAuth"
echo "[ v3_req ]" > $A
echo "extendedKeyUsage = $EKU" >> $A
echo "[ v3_req ]" > $B
echo "extendedKeyUsage = ${BAD}" >> $B
echo "[ v3_req ]" > $C
echo "extendedKeyUsage = $1" >> $C
# expect: 8 script-no-eku
# note: line 10: the extended key usage $1 cannot be determined
