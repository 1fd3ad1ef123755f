#!/bin/sh
# opensslgen wrapper: stands in front of openssl and corrects the server certificates that scripts make.
#
# Install it as `openssl` in a directory of its own, and put that directory first in the PATH of the service or cron job
# that starts the script. Of the calls that make a certificate (req -x509, x509 -req, ca) it corrects what Apple's
# published rules refuse, on a private copy of the extension file or config, and logs each change:
#   - extendedKeyUsage without serverAuth      becomes serverAuth,clientAuth
#   - a validity of more than 825 days         becomes 820 days
#   - a signature with SHA-1, MD5 and the like becomes one with SHA-256
#   - no authorityKeyIdentifier                gets one
# CA certificates, and what may be one, stay as they are. Every other call goes to the real openssl at once.
# Needs a shell, awk, cat and sed; to record calls, mkfifo as well.

og_openssl=''  # the real openssl; empty: the next one in the PATH
og_fix=yes     # yes: correct certificates
og_log=syslog  # where changes are logged: syslog, stderr, the path of a file, or record (with the call)
og_names=''    # subjectAltName for certificates without one, such as DNS:pbx.example.com,IP:10.0.0.5
og_version=''  # what `openssl version` prints; empty: it is asked
og_record=''   # folder that calls are recorded in; empty: none

og_days=820
og_longest=825 # Apple, support page 103769

# Each name begins with og_: a variable of the caller's environment would reach openssl with our value.

og_is_wrapper() { # FILE
    # Whatever shell its first line names.
    { IFS= read -r og_first && IFS= read -r og_second; } 2>/dev/null <"$1" || return 1
    case $og_first$og_second in '#!'*'# opensslgen wrapper:'*) ;; *) return 1 ;; esac
}

og_find_openssl() {
    og_rest=$PATH:
    while [ -n "$og_rest" ]; do
        og_openssl=${og_rest%%:*}
        og_openssl=${og_openssl:-.}/openssl
        og_rest=${og_rest#*:}
        if [ -f "$og_openssl" ] && [ -x "$og_openssl" ] && ! og_is_wrapper "$og_openssl"; then
            return
        fi
    done
    echo 'openssl: not found behind the opensslgen wrapper' >&2
    exit 127
}

if [ -z "$og_openssl" ] || og_is_wrapper "$og_openssl"; then
    og_find_openssl
fi

# ---- What does the call make?

og_makes='' og_self=no og_option='' og_has_x509=no og_new=no og_signs=no
case ${1-} in
    req | x509 | ca) og_command=$1 ;;
    '')
        # Up to 1.1.1 openssl reads commands from standard input.
        [ -z "$og_record" ] || echo 'openssl reads its commands from standard input' 2>/dev/null >"$og_record/$$.unseen"
        exec "$og_openssl"
        ;;
    *) exec "$og_openssl" "$@" ;;
esac

og_takes_value() { # OPTION
    case $og_command:$1 in
        *:in | *:out | *:inform | *:outform | *:keyform | *:days | *:passin | *:extensions | *:sigopt | *:vfyopt) ;;
        *:engine | *:provider | *:provider-path | *:provparam | *:propquery | *:rand | *:writerand | *:subj) ;;
        *:not_before | *:not_after | *:nameopt | *:set_serial | *:certopt) ;;
        x509:signkey | x509:key | x509:CA | x509:CAkey | x509:CAform | x509:CAkeyform | x509:CAserial) ;;
        x509:extfile | x509:copy_extensions | x509:force_pubkey | x509:set_issuer | x509:set_subject | x509:ext) ;;
        x509:checkend | x509:checkhost | x509:checkemail | x509:checkip | x509:dateopt) ;;
        x509:addtrust | x509:addreject | x509:setalias) ;;
        req:key | req:keyout | req:passout | req:config | req:section | req:addext | req:reqexts | req:newkey) ;;
        req:pkeyopt | req:reqopt | req:keygen_engine | req:CA | req:CAkey | req:copy_extensions) ;;
        ca:config | ca:name | ca:section | ca:ss_cert | ca:spkac | ca:outdir | ca:cert | ca:certform | ca:keyfile) ;;
        ca:key | ca:startdate | ca:enddate | ca:md | ca:policy | ca:extfile | ca:revoke | ca:crl_reason) ;;
        ca:crldays | ca:crlhours | ca:crlsec | ca:crlexts | ca:crl_lastupdate | ca:crl_nextupdate | ca:status) ;;
        ca:valid | ca:dateopt | ca:crl_hold | ca:crl_compromise | ca:crl_CA_compromise) ;;
        *) return 1 ;;
    esac
}

og_is_weak() { # DIGEST
    case $1 in
        sha | sha1 | SHA1 | sha-1 | SHA-1 | md2 | MD2 | md4 | MD4 | md5 | MD5 | mdc2 | MDC2 | dss | dss1) ;;
        ripemd | ripemd160 | RIPEMD160 | rmd160 | RSA-SHA1 | RSA-MD5 | RSA-SHA1-2) ;;
        *) return 1 ;;
    esac
}

og_in='' og_out='' og_outform=PEM og_inform=PEM og_extfile='' og_extensions='' og_config='' og_base='' og_given_days=''
og_end='' og_digest='' og_digest_given=no og_copy='' og_quiet=no
og_add_ca=none og_add_eku='' og_add_san=no og_add_aki=no og_last=no
og_new_end=no og_start=''

og_look() { # OPTION VALUE: notes an option with its value
    case $1 in
        in) og_in=$2 ;;
        out) og_out=$2 ;;
        inform) og_inform=$2 ;;
        outform) og_outform=$2 ;;
        days) og_given_days=$2 ;;
        not_after | enddate) og_end=$2 ;;
        not_before | startdate) og_start=$2 ;;
        extfile) og_extfile=$2 ;;
        extensions) og_extensions=$2 ;;
        config) og_config=$2 ;;
        section | name) og_base=$2 ;;
        copy_extensions) og_copy=$2 ;;
        md) og_digest=$2 og_digest_given=yes ;;
        newkey) og_new=yes ;;
        signkey) og_self=yes og_signs=yes ;;
        key) [ "$og_command" != x509 ] || og_self=yes og_signs=yes ;;
        CA) og_issuer=yes og_signs=yes ;;
        spkac | ss_cert) og_signs=yes ;;
        addext)
            og_value=${2#*=}
            case ${2%%=*} in
                *basicConstraints* | *2.5.29.19*)
                    case $og_value in *[Cc][Aa]*:*[TtYy]*) og_add_ca=true ;; *) og_add_ca=false ;; esac ;;
                *extendedKeyUsage* | *2.5.29.37*) og_add_eku=$og_value ;;
                *subjectAltName* | *2.5.29.17*) og_add_san=yes ;;
                *authorityKeyIdentifier* | *2.5.29.35*) og_add_aki=yes ;;
                *keyUsage* | *2.5.29.15*) case $og_value in *keyCertSign*) og_add_ca=true ;; esac ;;
            esac
            ;;
    esac
}

og_issuer=no og_renews=yes og_words=$#
while [ "$og_words" -gt 0 ]; do
    og_word=$1
    shift
    set -- "$@" "$og_word"
    og_words=$((og_words - 1))
    if [ -n "$og_option" ]; then
        og_look "$og_option" "$og_word"
        og_option=''
        continue
    fi
    if [ "$og_last" = yes ]; then
        og_in=${og_in:-$og_word}
        continue
    fi
    og_option=${og_word#-}
    og_option=${og_option#-}
    case $og_word in
        -*=*)
            og_value=${og_option#*=}
            og_option=${og_option%%=*}
            if og_takes_value "$og_option"; then
                og_look "$og_option" "$og_value"
            fi
            og_option=''
            continue
            ;;
        -?*) ;;
        *)
            og_option=''
            [ "$og_command" != ca ] || [ "$og_word" = ca ] || og_signs=yes og_in=${og_in:-$og_word}
            ;;
    esac
    if og_takes_value "$og_option"; then
        continue
    fi
    case $og_option in
        x509) og_has_x509=yes ;;
        new) og_new=yes og_renews=no ;;
        noout) og_quiet=yes ;;
        selfsign) og_self=yes ;;
        req) og_renews=no ;;
        infiles) og_last=yes og_signs=yes ;;
        gencrl | updatedb) og_quiet=yes ;;
        x509toreq) og_makes=request ;;
        sha* | SHA* | md[245] | MD[245] | mdc2 | dss1 | dss | ripemd* | rmd160 | sm3 | sm3-* | blake2*)
            og_digest=$og_option og_digest_given=yes
            ;;
    esac
    og_option=''
done

case $og_command in
    req)
        if [ "$og_has_x509" = yes ] || [ "$og_issuer" = yes ]; then
            og_makes=certificate
            [ "$og_issuer" = yes ] || og_self=yes
        elif [ "$og_new" = yes ]; then
            og_makes=request
        fi
        ;;
    x509) [ "$og_signs$og_makes" != yes ] || og_makes=certificate ;;
    ca) [ "$og_signs" = no ] && [ -z "$og_in" ] || og_makes=certificate ;;
esac
if [ -z "$og_makes" ] || [ "$og_quiet" = yes ]; then
    exec "$og_openssl" "$@"
fi
if [ "$og_makes" = request ] && [ -z "$og_record" ]; then
    exec "$og_openssl" "$@"
fi

# ---- The extension file or config as it is now

og_source='' og_option=''
case $og_command in
    req) og_source=$og_config og_option=config ;;
    ca)
        # An extension file takes the place of the config's section.
        if [ -n "$og_extfile" ]; then og_source=$og_extfile og_option=extfile; else og_source=$og_config og_option=config; fi
        ;;
    x509) og_source=$og_extfile og_option=extfile ;;
esac
if [ -z "$og_source" ] && [ "$og_option" = config ]; then
    og_source=${OPENSSL_CONF-}
    if [ -z "$og_source" ] && [ "$og_fix" = yes ] && [ "$og_makes" = certificate ]; then
        og_source=$("$og_openssl" version -d)
        og_source=${og_source#*\"}
        og_source=${og_source%\"*}/openssl.cnf
        [ -f "$og_source" ] || og_source=''
    fi
fi
og_text='' og_pass_text=no og_fixes=''
og_newline='
'
if [ -n "$og_source" ] && [ -r "$og_source" ]; then
    if [ ! -f "$og_source" ]; then
        # What can be read only once is passed on as it was read.
        og_pass_text=yes
    fi
    if [ "$og_pass_text" = yes ] || { [ "$og_fix" = yes ] && [ "$og_makes" = certificate ]; } || [ -n "$og_record" ]; then
        og_text=$(cat <"$og_source")
    fi
fi
og_read=$og_text

# ---- What is to be corrected

og_change() { # WHAT
    og_fixes=$og_fixes$1$og_newline
}

og_line() { # SECTION LINE: adds a line to a section, where the last one of a name counts
    og_text=$og_text$og_newline"[ $1 ]$og_newline$2$og_newline"
    og_pass_text=yes
}

og_is_long() { # DAYS
    case $1 in '' | *[!0-9]* | 0*) return 1 ;; esac
    [ "${#1}" -gt 9 ] || [ "$1" -gt "$og_longest" ]
}

# Sets og_ahead to the days from today to a date as openssl writes it, [YY]YYMMDDHHMMSSZ; fails if it is not one.
og_days_ahead() { # DATE
    og_date=${1%Z}
    case $og_date in *[!0-9]* | '') return 1 ;; esac
    case ${#og_date} in
        14) ;;
        12) case $og_date in [5-9]*) return 1 ;; *) og_date=20$og_date ;; esac ;;
        *) return 1 ;;
    esac
    og_ahead=$(date -u +%Y%m%d | awk -v end="$og_date" '
    function day(text,    y, m) { # of the Julian calendar of astronomers, up to a constant
        y = substr(text, 1, 4) + 0
        m = substr(text, 5, 2) + 0
        if (m < 3) { y--; m += 12 }
        return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m - 457) / 5) + substr(text, 7, 2)
    }
    { print day(end) - day($0) }')
}

# Reads a config, and answers with a line each: the section of extensions, whether it is there, basicConstraints (true,
# false, none, unknown), extendedKeyUsage, whether there are a subjectAltName, an authorityKeyIdentifier and keyCertSign,
# default_days, default_md, copy_extensions, the section of the command, and whether other files are included.
og_facts() { # config | extfile: what is read from standard input
    OG_COMMAND=$og_command OG_OPTION=$1 OG_EXTENSIONS=$og_extensions OG_BASE=$og_base LC_ALL=C awk '
    function trim(s) { sub(/^[ \t\r]+/, "", s); sub(/[ \t\r]+$/, "", s); return s }
    function variable(name, section,    at) {
        at = index(name, "::")
        if (at) { section = substr(name, 1, at - 1); name = substr(name, at + 2) }
        if (section == "ENV") return name in ENVIRON ? ENVIRON[name] : UNKNOWN
        if ((section, name) in value) return value[section, name]
        return ("default", name) in value ? value["default", name] : UNKNOWN
    }
    function expand(s, section,    out, c, quote, name, close_, i) {
        out = ""
        for (i = 1; i <= length(s); i++) {
            c = substr(s, i, 1)
            if (c == "\\") { i++; out = out substr(s, i, 1); continue }
            if (quote != "") { if (c == quote) quote = ""; else out = out c; continue }
            if (c == "\"" || c == "\047" || c == "`") { quote = c; continue }
            if (c == "#") break
            if (c != "$") { out = out c; continue }
            close_ = substr(s, i + 1, 1)
            close_ = close_ == "{" ? "}" : close_ == "(" ? ")" : ""
            if (close_ != "") i++
            name = ""
            while (substr(s, i + 1, 1) ~ /[A-Za-z0-9_]/ || substr(s, i + 1, 2) == "::") {
                if (substr(s, i + 1, 1) == ":") { name = name "::"; i += 2 }
                else { name = name substr(s, i + 1, 1); i++ }
            }
            if (close_ != "") i++
            out = out variable(name, section)
        }
        return trim(out)
    }
    function asked(section, name) {
        if ((section, name) in value) return value[section, name]
        return ("default", name) in value ? value["default", name] : ""
    }
    function extension(name, oid,    found) {
        found = (used, name) in value ? value[used, name] : (used, oid) in value ? value[used, oid] : ""
        if (found ~ /^@/) found = list[substr(found, 2)] == "" ? UNKNOWN : list[substr(found, 2)]
        if (found ~ /^(critical *, *)?(DER|ASN1):/) found = UNKNOWN
        return found
    }
    function yes(is) { return is ? "yes" : "no" }
    BEGIN { UNKNOWN = "<unknown>"; section = "default"; present["default"] = 1 }
    NR == 1 { sub(/^\357\273\277/, "") }
    {
        if (held != "") { $0 = held $0; held = "" }
        if (match($0, /\\+\r?$/) && length(substr($0, RSTART)) % 2 == 1 && $0 !~ /\r$/) {
            held = substr($0, 1, length($0) - 1)
            next
        }
        line = trim($0)
        if (line == "" || line ~ /^#/) next
        if (line ~ /^\.include/) { included = 1; next }
        if (line ~ /^\[/) {
            sub(/^\[/, "", line)
            sub(/\].*$/, "", line)
            section = trim(line)
            present[section] = 1
            next
        }
        at = index(line, "=")
        if (!at) next
        key = trim(substr(line, 1, at - 1))
        where = section
        if ((colons = index(key, "::")) > 0) { where = substr(key, 1, colons - 1); key = substr(key, colons + 2) }
        text = expand(trim(substr(line, at + 1)), where)
        value[where, key] = text
        list[where] = list[where] (list[where] == "" ? "" : ",") key ":" text
    }
    END {
        command = ENVIRON["OG_COMMAND"]
        used = ENVIRON["OG_EXTENSIONS"]
        base = ENVIRON["OG_BASE"]
        if (ENVIRON["OG_OPTION"] == "extfile") {
            if (used == "") used = ("default", "extensions") in value ? value["default", "extensions"] : "default"
        } else {
            if (base == "") base = command == "ca" ? asked("ca", "default_ca") : "req"
            if (used == "") used = asked(base, "x509_extensions")
        }
        constraints = extension("basicConstraints", "2.5.29.19")
        usage = extension("extendedKeyUsage", "2.5.29.37")
        key_usage = extension("keyUsage", "2.5.29.15")
        print used
        print yes(used in present)
        if (index(constraints key_usage, UNKNOWN)) print "unknown"
        else if (constraints == "") print "none"
        else print constraints ~ /(^|,) *CA *: *([Tt][Rr][Uu][Ee]|[Yy]|[Yy][Ee][Ss]) *(,|$)/ ? "true" : "false"
        print usage
        print yes(extension("subjectAltName", "2.5.29.17") != "")
        print yes(extension("authorityKeyIdentifier", "2.5.29.35") != "")
        print yes(key_usage ~ /keyCertSign|Certificate Sign/)
        print asked(base, "default_days")
        print asked(base, "default_md")
        print asked(base, "copy_extensions")
        print base
        print yes(included)
    }'
}

# Sets og_usage to an extendedKeyUsage that has serverAuth and clientAuth; fails if nothing is to be done, or cannot be.
og_better_usage() { # EXTENDED-KEY-USAGE
    og_usage='' og_critical=''
    case $1 in
        *"<unknown>"*) return 1 ;;
        *serverAuth* | *1.3.6.1.5.5.7.3.1,* | *1.3.6.1.5.5.7.3.1 | *'TLS Web Server Authentication'*) return 1 ;;
    esac
    og_rest=$1,
    while [ -n "$og_rest" ]; do
        og_part=${og_rest%%,*}
        og_rest=${og_rest#*,}
        og_part=${og_part#"${og_part%%[! ]*}"}
        og_part=${og_part%"${og_part##*[! ]}"}
        # From a section of its own each comes with the name before it.
        case $og_part in [0-9a-zA-Z]*:*) og_part=${og_part#*:} ;; esac
        case $og_part in
            critical) og_critical=critical, ;;
            '' | clientAuth | 1.3.6.1.5.5.7.3.2 | 'TLS Web Client Authentication') ;;
            *) og_usage=$og_usage,$og_part ;;
        esac
    done
    og_usage=${og_critical}serverAuth,clientAuth$og_usage
}

og_new_days='' og_new_digest='' og_new_addext='' og_front='' og_label=${og_out:-standard output}
if [ "$og_fix" = yes ] && [ "$og_makes" = certificate ] && { [ -z "$og_source" ] || [ -r "$og_source" ]; }; then
    {
        IFS= read -r og_section
        IFS= read -r og_present
        IFS= read -r og_ca
        IFS= read -r og_eku
        IFS= read -r og_san
        IFS= read -r og_aki
        IFS= read -r og_signer
        IFS= read -r og_default_days
        IFS= read -r og_default_md
        IFS= read -r og_default_copy
        IFS= read -r og_base
        IFS= read -r og_included
    } <<FACTS
$(printf '%s\n' "$og_text" | og_facts "$og_option")
FACTS
    if [ "$og_command" = ca ] && [ "$og_option" = extfile ] && [ -f "${og_config:-${OPENSSL_CONF-}}" ]; then
        # The section is the extension file's, all else the config's.
        og_rest=$(og_facts config <"${og_config:-$OPENSSL_CONF}" | sed -n '8,10s/^/=/p')
        og_default_copy=${og_rest##*=}
        og_rest=${og_rest%"$og_newline"=*}
        og_default_md=${og_rest##*=}
        og_rest=${og_rest%"$og_newline"=*}
        og_default_days=${og_rest#=}
    fi
    og_is_leaf=yes
    if [ "$og_command:$og_renews" = x509:yes ]; then
        # The extensions of the certificate that is signed again stay.
        og_copy=certificate
    fi
    # Extensions of the request come in where they are copied.
    og_copy=${og_copy:-$og_default_copy}
    case $og_copy in none) og_copy='' ;; esac
    og_asked=''
    if [ -n "$og_copy" ]; then
        if [ -n "$og_in" ] && [ -f "$og_in" ]; then
            case $og_copy in certificate) og_read_by=x509 ;; *) og_read_by=req ;; esac
            og_asked=$("$og_openssl" "$og_read_by" -in "$og_in" -inform "$og_inform" -noout -text 2>/dev/null </dev/null)
        fi
        case $og_asked in
            '' | *CA:TRUE* | *'Certificate Sign'*)
                # A section of our own comes first, except with copyall.
                case $og_copy:$og_ca in copy:false) ;; *) og_is_leaf=no ;; esac
                ;;
        esac
        case $og_asked in *'Subject Alternative Name'*) og_san=yes ;; esac
        case $og_copy:$og_asked in
            certificate:*'Authority Key Identifier'*) og_aki=yes ;;
        esac
        case $og_copy:$og_asked in
            certificate:*'TLS Web Server Authentication'*) ;;
            certificate:*'Extended Key Usage'*) og_eku='<unknown>' ;;
        esac
        case $og_asked:$og_copy in
            *'TLS Web Server Authentication'*:copyall) og_eku=serverAuth ;;
            *'TLS Web Server Authentication'*:*) og_eku=${og_eku:-serverAuth} ;;
        esac
    fi
    case $og_add_ca in true | false) og_ca=$og_add_ca ;; esac
    [ "$og_add_san" = no ] || og_san=yes
    [ "$og_add_aki" = no ] || og_aki=yes
    case $og_ca:$og_signer in true:* | unknown:* | *:yes) og_is_leaf=no ;; esac
    if [ "$og_included" = yes ] && [ "$og_ca" = none ]; then
        og_is_leaf=no
    fi
    # Up to 1.1.1 a certificate without extensions that signed itself serves as a root.
    if [ "$og_self:$og_ca:$og_san:$og_eku$og_add_eku" = yes:none:no: ]; then
        og_is_leaf=no
    fi
    if [ "$og_is_leaf" = yes ]; then
        if [ -n "$og_section" ] && [ "$og_present" = no ] && [ -n "$og_source" ]; then
            : # openssl refuses a section that is not there
        else
            if [ -z "$og_source" ] && [ "$og_option" = config ] && [ -z "$og_text" ]; then
                og_text="[ ${og_base:-req} ]${og_newline}distinguished_name = og_names${og_newline}[ og_names ]"
            fi
            og_added=''
            og_purpose=${og_add_eku:-$og_eku}
            # A certificate for clients alone has no name of a host.
            if [ -n "$og_purpose" ] && [ "$og_san" = no ] && [ -z "$og_names" ]; then
                :
            elif og_better_usage "$og_purpose"; then
                if [ -n "$og_add_eku" ]; then
                    og_new_addext=$og_usage
                    og_change "extendedKeyUsage=$og_usage instead of $og_add_eku in -addext"
                else
                    og_added="extendedKeyUsage = $og_usage$og_newline"
                    og_change "extendedKeyUsage = $og_usage${og_eku:+ instead of $og_eku}"
                fi
            fi
            if [ "$og_aki" = no ] && [ "$og_self" = no ]; then
                # Without a key identifier in the issuer, its name and serial number serve.
                og_added="${og_added}authorityKeyIdentifier = keyid,issuer$og_newline"
                og_change 'authorityKeyIdentifier = keyid,issuer added'
            fi
            if [ "$og_san" = no ] && [ -n "$og_names" ]; then
                og_added="${og_added}subjectAltName = $og_names$og_newline"
                og_change "subjectAltName = $og_names added"
            fi
            if [ -n "$og_added" ]; then
                if [ -z "$og_section" ]; then
                    og_section=og_extensions
                    [ -z "$og_base" ] || og_line "$og_base" "x509_extensions = $og_section"
                fi
                og_line "$og_section" "$og_added"
            fi
        fi
        if og_is_long "$og_given_days"; then
            og_new_days=$og_days
            og_change "valid for $og_days days instead of $og_given_days"
        fi
        if [ -n "$og_end" ]; then
            if [ -z "$og_start" ] && og_days_ahead "$og_end" && og_is_long "$og_ahead"; then
                og_new_end=yes
                [ -n "$og_given_days" ] || og_front="-days $og_days"
                og_change "valid for $og_days days instead of until $og_end"
            fi
        elif [ "$og_command" = ca ] && [ -z "$og_given_days" ] && og_is_long "$og_default_days"; then
            og_front="-days $og_days"
            og_change "valid for $og_days days instead of $og_default_days"
        fi
        if [ "$og_digest_given" = yes ]; then
            if og_is_weak "$og_digest"; then
                og_new_digest=sha256
                og_change "signed with sha256 instead of $og_digest"
            fi
        elif og_is_weak "$og_default_md"; then
            case $og_command in ca) og_front="$og_front -md sha256" ;; *) og_front="$og_front -sha256" ;; esac
            og_change "signed with sha256 instead of $og_default_md"
        elif [ "$og_command" = x509 ]; then
            [ -n "$og_version" ] || og_version=$("$og_openssl" version)
            case $og_version in
                'OpenSSL 0'* | 'OpenSSL 1.0'* | 'LibreSSL '[0-3].*)
                    og_front="$og_front -sha256"
                    og_change 'signed with sha256 instead of sha1, which this openssl takes by default'
                    ;;
            esac
        fi
    fi
fi

# ---- The record, and the log of changes

og_id='' og_target='' og_new_out=''

if [ -n "$og_record" ]; then
    og_count=0
    while [ "$og_count" -lt 9 ]; do
        og_id=$og_record/$$-$og_count
        if (set -C && : >"$og_id.call") 2>/dev/null; then
            break
        fi
        og_id='' og_count=$((og_count + 1))
    done
fi

og_rest=$og_fixes
while [ -n "$og_rest" ]; do
    og_line=${og_rest%%"$og_newline"*}
    og_line="opensslgen: $og_label: $og_line"
    og_rest=${og_rest#*"$og_newline"}
    case $og_log:$og_id in
        record:?*) ;;
        stderr:* | record:) printf '%s\n' "$og_line" >&2 ;;
        /*) printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$og_line" 2>/dev/null >>"$og_log" ;;
        *) logger -t opensslgen -- "${og_line#opensslgen: }" 2>/dev/null || printf '%s\n' "$og_line" >&2 ;;
    esac
done

# Passphrases are left out before anything is written.
og_masked() {
    og_secret=no
    for og_word do
        if [ "$og_secret" = yes ]; then
            og_secret=no
            case $og_word in env:* | file:* | fd:* | stdin) ;; *) og_word='***' ;; esac
        fi
        case $og_command:$og_word in
            *:-pass* | *:--pass* | ca:-key | ca:--key)
                case $og_word in *=*) og_word="${og_word%%=*}=***" ;; *) og_secret=yes ;; esac
                ;;
            ca:-key=* | ca:--key=*) og_word="${og_word%%=*}=***" ;;
            *:pass:*) og_word='pass:***' ;;
        esac
        printf '%s\0' "$og_word"
    done
}

if [ -n "$og_id" ]; then
    {
        printf '%s\0' "$$" "$PWD" "$og_makes" "$og_out" "$og_option" "$og_source"
        og_masked "$@"
    } >"$og_id.call"
    if [ -n "$og_read" ]; then
        case $og_read in
            *[Pp]assword*)
                printf '%s\n' "$og_read" | sed -e 's/\([Pp]assword[A-Za-z_]*[[:space:]]*=\).*/\1 ***/'
                ;;
            *) printf '%s\n' "$og_read" ;;
        esac >"$og_id.config"
    fi
    [ -z "$og_fixes" ] || printf '%s' "$og_fixes" >"$og_id.changes"
    case $og_out in
        '') og_target=- ;;
        /dev/null) og_new_out=$og_id.made ;;
        *) [ ! -e "$og_out" ] || [ -f "$og_out" ] || { og_target=$og_out og_new_out=$og_id.pipe; } ;;
    esac
fi

# ---- The call as openssl gets it

og_free() { # DESCRIPTOR...: sets og_fd to one that is neither among these nor in use
    for og_fd in 9 8 7 6 5 4 3; do
        case " $* " in *" $og_fd "*) continue ;; esac
        eval "true <&$og_fd" 2>/dev/null || return 0
    done
}

og_redirect=''
if [ "$og_pass_text" = yes ]; then
    og_free
    og_here=$og_fd
    if [ -e /dev/fd ]; then og_path=/dev/fd/$og_here; else og_path=/proc/self/fd/$og_here; fi
    og_redirect="$og_here<<TEXT$og_newline\$og_text${og_newline}TEXT$og_newline"
    case $og_option in
        extfile) [ -n "$og_extfile" ] || og_front="$og_front -extfile $og_path" ;;
        config) [ -n "$og_config" ] || og_front="$og_front -config $og_path" ;;
    esac
fi

og_value_now() { # OPTION VALUE: sets og_value to what takes its place
    og_value=$2
    case $1 in
        days) og_value=${og_new_days:-$2} ;;
        md) og_value=${og_new_digest:-$2} ;;
        out) og_value=${og_new_out:-$2} ;;
        addext)
            case $2 in *extendedKeyUsage*=* | *2.5.29.37*=*) og_value=${og_new_addext:+extendedKeyUsage=$og_new_addext} ;; esac
            og_value=${og_value:-$2}
            ;;
        "$og_option") [ "$og_pass_text" = no ] || og_value=$og_path ;;
    esac
}

if [ -n "$og_front$og_new_days$og_new_digest$og_new_addext$og_new_out" ] || [ "$og_pass_text$og_new_end" != nono ]; then
    og_words=$# og_name='' og_last=no
    while [ "$og_words" -gt 0 ]; do
        og_word=$1
        shift
        og_words=$((og_words - 1))
        og_bare=${og_word#-}
        og_bare=${og_bare#-}
        if [ "$og_new_end$og_last" = yesno ]; then
            case $og_name:$og_bare in
                not_after:* | enddate:*) og_name='' ; continue ;;
                :not_after | :enddate) og_name=$og_bare ; continue ;;
                :not_after=* | :enddate=*) continue ;;
            esac
        fi
        if [ -n "$og_name" ]; then
            og_value_now "$og_name" "$og_word"
            og_word=$og_value og_name=''
        elif [ "$og_last" = no ]; then
            case $og_word in
                -infiles | --infiles) og_last=yes ;;
                -*=*)
                    if og_takes_value "${og_bare%%=*}"; then
                        og_value_now "${og_bare%%=*}" "${og_word#*=}"
                        og_word="${og_word%%=*}=$og_value"
                    fi
                    ;;
                -?*)
                    if og_takes_value "$og_bare"; then
                        og_name=$og_bare
                    elif [ -n "$og_new_digest" ] && og_is_weak "$og_bare"; then
                        og_word=-$og_new_digest
                    fi
                    ;;
            esac
        fi
        set -- "$@" "$og_word"
    done
    shift
    # shellcheck disable=SC2086 # options that have no blanks in them
    set -- "$og_command" $og_front "$@"
fi

if [ -z "$og_id" ]; then
    eval "exec \"\$og_openssl\" \"\$@\" $og_redirect"
fi

# ---- Recorded, it is waited for. Whatever ends this shell ends openssl as well: a watcher sees that its pipe closes.

og_free "${og_here-}"
og_alive=$og_fd
og_free "${og_here-}" "$og_alive"
og_listen=$og_fd
mkfifo -m 600 "$og_id.alive" "$og_id.pipe" 2>/dev/null || eval "exec \"\$og_openssl\" \"\$@\" $og_redirect"
eval "exec $og_alive<>\"\$og_id.alive\" $og_listen<\"\$og_id.alive\""
(
    eval "exec <&$og_listen $og_listen<&- $og_alive>&-"
    read -r og_child
    read -r og_end || kill -TERM "$og_child"
) >/dev/null 2>&1 &
eval "exec $og_listen<&-"

og_keep='/^-----BEGIN [A-Z0-9 ]*CERTIFICATE/,/^-----END [A-Z0-9 ]*CERTIFICATE/'
og_copied() { # the certificate from standard input goes into the record, and everything to standard output
    case $og_outform in
        [Dd]*) tee "$og_id.made" ;;
        *) sed -e "${og_keep}w $og_id.made" ;;
    esac
}

og_reader=''
case $og_target in
    '') ;;
    -) og_copied <"$og_id.pipe" & og_reader=$! ;;
    *) og_copied <"$og_id.pipe" >"$og_target" & og_reader=$! ;;
esac
case $og_target in
    -) og_redirect=">\"\$og_id.pipe\" $og_redirect" ;;
esac

# Ctrl-C reaches openssl by itself, and decides only there.
trap : INT QUIT
(
    if { read -r og_child og_rest </proc/self/stat; } 2>/dev/null; then
        eval "echo \$og_child >&$og_alive; exec \"\$og_openssl\" \"\$@\" $og_alive>&- $og_redirect"
    fi
    eval "exec sh -c 'echo \$\$ >&$og_alive; exec \"\$@\" $og_alive>&-' sh \"\$og_openssl\" \"\$@\" $og_redirect"
)
og_status=$?
[ -z "$og_reader" ] || wait "$og_reader"
if [ "$og_status" = 0 ] && [ -z "$og_target$og_new_out" ]; then
    case $og_outform in
        [Dd]*) cat "$og_out" ;;
        *) sed -n -e "${og_keep}p" "$og_out" ;;
    esac 2>/dev/null >"$og_id.made"
fi
echo "$og_status" >"$og_id.status"
eval "echo end >&$og_alive"
if [ "$og_status" -gt 128 ]; then
    trap - INT QUIT
    kill -"$((og_status - 128))" $$
fi
exit "$og_status"
