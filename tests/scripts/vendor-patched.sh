DEFAULT_SERVER_CERT_VALIDITY=$((820)) # 820 days
    if $EXTENDED_CSR; then
        echo "[ v3_req ]"                                     >> $EXT_FILE
        echo "subjectAltName = $SUBJECT_ALT_NAME"             >> $EXT_FILE
        echo "extendedKeyUsage   = serverAuth,clientAuth"     >> $EXT_FILE
    else
        :
    fi
