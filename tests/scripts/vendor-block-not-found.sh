#!/bin/bash
DEFAULT_SERVER_CERT_VALIDITY=$YEARS
write_section v3_req
# note: line 2: DEFAULT_SERVER_CERT_VALIDITY cannot be told
# note: line 2: the place that writes the section [ v3_req ]
