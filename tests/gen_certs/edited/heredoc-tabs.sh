#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

DEFAULT_SERVER_CERT_VALIDITY=$((365*7))
if $EXTENDED_CSR; then
	cat <<-"END OF FILE" >"$EXT_FILE"
	[ v3_req ]
	# extendedKeyUsage = serverAuth
	basicConstraints = CA:FALSE
	subjectAltName = DNS:ip-office.example
	END OF FILE
fi
