DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years
    if $EXTENDED_CSR; then
        echo "[ v3_req ]"                                     >> $EXT_FILE
        echo "basicConstraints = $CA"                         >> $EXT_FILE
        echo "keyUsage = $KEY_USAGE"                          >> $EXT_FILE
        echo "subjectAltName = $SUBJECT_ALT_NAME"             >> $EXT_FILE
        echo "subjectKeyIdentifier   = hash"                  >> $EXT_FILE
    else
        :
    fi
# expect: 1 script-validity
# expect: 3 script-no-eku
