#!/bin/bash
# A stand-in, written for opensslgen's tests after the fragments that the post prints; the vendor's script is not public.

# don't be misled by [ v3_req ] here, nor by extendedKeyUsage = serverAuth
usage() {
    cat <<-EOF
	[ v3_req ]
	extendedKeyUsage = serverAuth isn't here
	DEFAULT_SERVER_CERT_VALIDITY=1
	EOF
    echo "it's \"DEFAULT_SERVER_CERT_VALIDITY=1\"
DEFAULT_SERVER_CERT_VALIDITY=1
[ v3_req ]"
    awk -F'"' '
DEFAULT_SERVER_CERT_VALIDITY=1 { print "it" }'
}
NAME="$(echo 'a"b' | sed -e "s/[\"']//g" -e 's/b/'"b"'/')"
WORD=${NAME#"a"}   COUNT=$(( (1 << 2) + ${#NAME} )) # echo "
case "$WORD" in
    if | "then") echo "it's";;
    *[!b]*) echo 'no' # don't
        ;;
esac
LIST=(if "fi" 'do' # not a word
    $(case x in x) echo "esac";; esac) `echo "case"`)
DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years

if $EXTENDED_CSR; then # )
        echo "[ v3_req ]"                                     >> $EXT_FILE
        echo "basicConstraints = $CA"                         >> $EXT_FILE
        echo "keyUsage = $KEY_USAGE"                          >> $EXT_FILE
        echo "subjectAltName = $SUBJECT_ALT_NAME"             >> $EXT_FILE
        echo "subjectKeyIdentifier   = hash"                  >> $EXT_FILE
fi
