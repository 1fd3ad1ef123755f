#!/bin/sh
# gen-certs.sh, printed by opensslgen @VERSION@: makes a root and TLS server certificates that iPhones accept.
# Needs a shell, openssl (1.0.1 or later, or LibreSSL), coreutils, grep and sed (busybox's too). -h shows how to use it.
#
# First come main and make_server with the openssl commands; then the functions that they call: for the
# command line, names, the subject, rules, and what all scripts of opensslgen share. The last line starts main.
# All input is checked before openssl runs, and no file is put in place before all files are made and checked.

main() {
    set -eu
    umask 077
    clean_environment
    read_arguments ${1+"$@"}
    set_text
    [ -z "$encrypted${OPENSSLGEN_CA_PASSPHRASE:-}" ] || encrypted=1
    if [ "$command" = root ]; then
        [ -n "${cn+set}" ] || name_root
        choose_subject "${cn-$root_name}"
        [ -z "$encrypted" ] || check_secret OPENSSLGEN_CA_PASSPHRASE "passphrase of the root's key"
        open_folder "$pki_folder"
        refuse_file private/ca.key
        refuse_file ca.crt
        look_at_clock
        make_root "$SUBJECT" "${days:-$ROOT_DAYS}"
        finish "root, valid for ${days:-$ROOT_DAYS} days"
        return 0
    fi
    choose_names
    usages=${usages:-serverAuth,clientAuth} days_given=$days
    days=${days:-$SERVER_DAYS}
    choose_subject "${cn-$main}"
    server_subject=$SUBJECT server_oneline=$oneline
    check_order
    [ -z "$p12" ] || check_secret OPENSSLGEN_P12_PASSWORD "password of the PKCS#12 file"
    open_folder "$pki_folder"
    for file in "private/$stem.key" "reqs/$stem.req" "issued/$stem-chain.pem" "issued/$stem.crt" \
        ${p12:+"private/$stem.p12"}; do
        refuse_file "$file"
    done
    look_at_clock
    if [ -e "$pki/ca.crt" ]; then
        need_file private/ca.key
        encrypted=''
        ! grep -q ENCRYPTED "$pki/private/ca.key" || {
            encrypted=1
            check_secret OPENSSLGEN_CA_PASSPHRASE "passphrase of the root's key"
        }
        check_root
        oneline=$server_oneline
        make_server "$server_subject" ../ca.crt ../private/ca.key
    else
        [ -z "$new_ca" ] || refuse_file private/ca.key
        [ -n "$new_ca" ] || refuse_no_ca
        [ -z "$encrypted" ] || check_secret OPENSSLGEN_CA_PASSPHRASE "passphrase of the root's key"
        name_root "$main"
        unset country state locality org_unit email
        choose_subject "$root_name"
        # In a subshell, so that the key type does not change here.
        (
            rsa 2048
            make_root "$SUBJECT" "$ROOT_DAYS"
        )
        oneline=$server_oneline
        make_server "$server_subject" ca.crt ca.key
    fi
    finish "server certificate of $main, valid for $days days"
}

look_at_clock() {
    case $allowed in
        *' clock '*) ;;
        *) check_clock "$EARLIEST_DAY" ;;
    esac
}

# make_root SUBJECT DAYS
make_root() {
    # shellcheck disable=SC2034 # the here-document holds them
    SUBJECT=$1 CA=CA:TRUE
    cat >ca.cnf <<END
#include request.cnf

#include root.cnf
END
    new_key ca-params.pem
    choose_validity "$2"
    draw_serial
    made=ca.key protection=-nodes
    # `req` before OpenSSL 3.5 encrypts with triple DES; a second command uses AES, and the key is never unencrypted.
    [ -z "$encrypted" ] || made=ca-3des.key protection="-passout $PASSPHRASE"
    # shellcheck disable=SC2086 # of several words
    run openssl req -new -x509 -newkey "$new_key" $protection -sha256 $validity -set_serial "0x$serial" \
        -config ca.cnf -extensions v3_ca -keyout "$made" -out ca.crt
    [ -z "$encrypted" ] ||
        run openssl pkcs8 -topk8 -v2 aes-256-cbc -in "$made" -passin "$PASSPHRASE" -passout "$PASSPHRASE" -out ca.key
    check_certificate ca.crt ca.crt "$2" any
    check_key ca.crt ca.key ${encrypted:+-passin "$PASSPHRASE"}
    record ca.crt ca.cnf
    stage ca.key private/ca.key 0600
    stage ca.crt ca.crt 0644
}

# make_server SUBJECT ROOT ROOT-KEY
make_server() {
    # shellcheck disable=SC2034 # the here-documents hold them
    SUBJECT=$1 CA=CA:FALSE KEY_USAGE=${key_usages:-$suitable} SUBJECT_ALT_NAME=$names EXTENDED_KEY_USAGE=$usages
    cat >v3_req.cnf <<END
#include v3_req.cnf
END
    cat >request.cnf <<END
#include request.cnf

#include gen_certs.cnf
END
    new_key params.pem
    run openssl req -new -newkey "$new_key" -nodes -keyout server.key -sha256 \
        -config request.cnf -reqexts v3_req -out server.req
    choose_validity "$days"
    draw_serial
    # shellcheck disable=SC2086
    run openssl x509 -req -in server.req -CA "$2" -CAkey "$3" ${encrypted:+-passin "$PASSPHRASE"} -sha256 $validity \
        -set_serial "0x$serial" -extfile v3_req.cnf -extensions v3_req -out server.crt
    root_file=$2 todo=$usages, purpose=any
    case ,$usages, in
        *,serverAuth,*) purpose=sslserver ;;
    esac
    set --
    while [ -n "$todo" ]; do
        printed_as "${todo%%,*}"
        set -- ${1+"$@"} ${printed:+"$printed"}
        todo=${todo#*,}
    done
    check_certificate server.crt "$root_file" "$days" "$purpose" ${1+"$@"}
    set --
    todo=$names,
    while [ -n "$todo" ]; do
        print_name "${todo%%,*}"
        set -- ${1+"$@"} "$printed"
        todo=${todo#*,}
    done
    check_names ${1+"$@"}
    check_key server.crt server.key
    cat server.crt "$root_file" >server-chain.pem
    record server.crt v3_req.cnf "$oneline"
    stage server.key "private/$stem.key" 0600
    stage server.req "reqs/$stem.req" 0644
    stage server-chain.pem "issued/$stem-chain.pem" 0644
    stage server.crt "issued/$stem.crt" 0644
    [ -z "$p12" ] || make_p12
}

make_p12() {
    case $p12 in
        p12) encryption=$P12 ;;
        p12-compat) encryption=$P12_COMPAT ;;
    esac
    # shellcheck disable=SC2086
    run openssl pkcs12 -export -inkey server.key -in server.crt -certfile "$root_file" -name "$main" $encryption \
        -passout env:OPENSSLGEN_P12_PASSWORD -out server.p12
    run openssl pkcs12 -in server.p12 -noout -passin env:OPENSSLGEN_P12_PASSWORD
    stage server.p12 "private/$stem.p12" 0600
}

# new_key PARAMETERS: sets $new_key for `req -newkey`; an EC key needs a file that names its curve, because openssl before
# 1.1 would not name it.
new_key() {
    new_key=rsa:$bits
    if [ -n "$curve" ]; then
        run openssl ecparam -name "$curve" -out "$1"
        new_key=ec:$1
    fi
}

# finish TITLE: publishes the staged files, and prints their names on stdout.
finish() {
    open_database
    made=$(sed 's/^[^ ]* \([^ ]*\) .*/\1/; /^certs_by_serial/d' staged)
    decide
    for file in $made; do
        printf '%s\n' "$pki/$file"
    done
    printf '%s, made and checked\n' "$1" >&2
}

# ---- Constants

NL='
'
DIGITS=0123456789
HEX=${DIGITS}abcdefABCDEF
LOWER=abcdefghijklmnopqrstuvwxyz
UPPER=ABCDEFGHIJKLMNOPQRSTUVWXYZ
LETTERS=$LOWER$UPPER

#include values

usage() {
    cat <<END
gen-certs.sh makes TLS certificates that iPhones accept, by openssl commands that you can read in it.

  ./gen-certs.sh server pbx.example.com --san IP:10.0.0.5
  ./gen-certs.sh server pbx.example.com --san "DNS:sip.example.com, IP:10.0.0.5" --org Acme --days 820
  OPENSSLGEN_P12_PASSWORD=... ./gen-certs.sh server pbx.example.com --p12-compat
  ./gen-certs.sh root --cn "Acme root 2026" --org Acme --key-type p-256

server NAME makes a key and a certificate for a host name or an address:
  --new-ca           create a CA first if the folder has none
  --san NAMES        further names: DNS:..., IP:..., email:..., URI:... or bare; a list, or the option again
  --days N           days of validity ($SERVER_DAYS)
  --eku USAGE        extended key usage (serverAuth,clientAuth)
  --key-usage USAGE  key usage, if not what suits the key
  --p12              also make a PKCS#12 file (AES-256); its password is in OPENSSLGEN_P12_PASSWORD
  --p12-compat       the same for older Apple, Windows, appliances
root makes a root alone:
  --days N           days of validity ($ROOT_DAYS)
  --passphrase       encrypt its key; its passphrase is in OPENSSLGEN_CA_PASSPHRASE, which alone has the same effect
Both:
  --key-type TYPE    rsa-2048 (the default), rsa-3072, rsa-4096, p-256 or p-384
  --cn --org --org-unit --country --state --locality --email TEXT
                     the subject; the common name is by default NAME, and that of a root, which phones show, is the
                     organization, or NAME or this machine and "CA"
  --pki DIR          the folder with root, keys and certificates, as easy-rsa's (OPENSSLGEN_PKI, else ./pki)
  --allow RULE       make it although it breaks this rule; clock: although the clock must be wrong
  -h, --help         this text
  --version

Nothing is overwritten, and if anything fails, nothing is made. OPENSSLGEN_OPENSSL names another openssl.
Exit 0: made, its files on stdout. 1: it failed, or would break a rule. 2: the command line is not right.
END
}

# ---- The command line

refuse() {
    printf 'Error: %s\n' "$*" >&2
    exit 2
}

refuse_no_ca() {
    printf 'Error: %s\n' "there is no certificate authority (CA) in $pki_folder" >&2
    printf 'Hint: %s\n' "to create one there, add --new-ca; if it is in another folder, add --pki DIR" >&2
    exit 2
}

note() {
    printf 'Note: %s\n' "$*" >&2
}

# shown TEXT: for a message, without bytes that change the terminal.
shown() {
    printf "'%.80s'" "$1" | tr -c ' -~' '?'
}

trim() { # TEXT: sets trimmed
    trimmed=${1#"${1%%[! ]*}"}
    trimmed=${trimmed%"${trimmed##*[! ]}"}
}

lower() { # TEXT: sets lowered
    case $1 in
        *["$UPPER"]*) lowered=$(printf '%s\n' "$1" | tr "$UPPER" "$LOWER") ;;
        *) lowered=$1 ;;
    esac
}

# words OPTION KNOWN... : splits $value, a list with commas, and adds each word as KNOWN spells it to $found.
words() {
    what=$1 todo=$value
    shift
    [ ${#value} -le 2000 ] || refuse "$what $(shown "$value") is too long"
    while :; do
        trim "${todo%%,*}"
        lower "$trimmed"
        word=''
        for known; do
            [ "$lowered" != "$(printf %s "$known" | tr "$UPPER" "$LOWER")" ] || word=$known
        done
        case $trimmed in
            *[!"$DIGITS".]* | .* | *. | *..*) ;;
            *.*) [ "$what" != --eku ] || name_usage "$trimmed" ;;
        esac
        [ -n "$word" ] || refuse "unknown $what $(shown "$trimmed"): write one of $*"
        case ",$found," in
            *",$word,"*) ;;
            *) found=${found:+$found,}$word ;;
        esac
        case $todo in
            *,*) todo=${todo#*,} ;;
            *) return 0 ;;
        esac
    done
}

# choose_days sets $days to $value, a number from 1 to 36500.
choose_days() {
    trimmed=${value#"${value%%[!0]*}"}
    case $trimmed in
        '' | *[!"$DIGITS"]* | ??????*) refuse "--days $(shown "$value") is not a number from 1 to 36500" ;;
    esac
    [ "$trimmed" -le 36500 ] || refuse "--days $trimmed is more than 36500"
    days=$trimmed
}

# choose_key_type sets $bits, or $curve, and $suitable, the key usages of a server with such a key (RFC 8813 section 3).
choose_key_type() {
    case $value in
        *[!"$LETTERS$DIGITS"\ :._-]*) trimmed='' ;;
        *) trimmed=$(printf %s "$value" | tr -d ' :._-' | tr "$UPPER" "$LOWER") ;;
    esac
    case $trimmed in
        rsa2048 | 2048) rsa 2048 ;;
        rsa3072 | 3072) rsa 3072 ;;
        rsa4096 | 4096) rsa 4096 ;;
        p256 | prime256v1) curve=prime256v1 suitable=digitalSignature ;;
        p384 | secp384r1) curve=secp384r1 suitable=digitalSignature ;;
        *) refuse "unknown key type $(shown "$value"): write one of rsa-2048, rsa-3072, rsa-4096, p-256, p-384" ;;
    esac
}

rsa() { # BITS
    bits=$1 curve='' suitable=digitalSignature,keyEncipherment
}

read_arguments() {
    command='' name_given='' for_root='' for_server=''
    days='' others='' usages='' key_usages='' p12='' encrypted='' new_ca='' allowed=' ' number=0
    unset cn org org_unit country state locality email
    pki_folder=${OPENSSLGEN_PKI:-./pki}
    rsa 2048
    while [ $# -gt 0 ]; do
        argument=$1
        shift
        case $argument in
            *"$NL"*) refuse "$(shown "$argument") has a line break" ;;
            -h | --help) usage && exit 0 ;;
            --version) echo "gen-certs.sh, opensslgen $VERSION" && exit 0 ;;
            --) break ;;
            --p12 | --p12-compat) p12=${argument#--} for_server=$argument ;;
            --passphrase) encrypted=1 for_root=$argument ;;
            --new-ca) new_ca=1 for_server=$argument ;;
            -?*)
                option=${argument%%=*}
                case $option in
                    --san | --eku | --key-usage) for_server=$option ;;
                    --days | --key-type | --pki | --allow) ;;
                    --cn | --org | --org-unit | --country | --state | --locality | --email) ;;
                    *) refuse "unknown option $(shown "$option"); -h lists all options" ;;
                esac
                if [ "$option" = "$argument" ]; then
                    [ $# -gt 0 ] || refuse "$option needs a value"
                    value=$1
                    shift
                else
                    value=${argument#"$option="}
                fi
                case $value in
                    *"$NL"*) refuse "$option $(shown "$value") has a line break" ;;
                esac
                read_option
                ;;
            *) read_word "$argument" ;;
        esac
    done
    for argument; do
        read_word "$argument"
    done
    case $command in
        root) [ -z "$for_server" ] || refuse "$for_server is an option of server" ;;
        server)
            [ -z "$for_root" ] || refuse "$for_root is an option of root; server reads OPENSSLGEN_CA_PASSPHRASE"
            [ -n "$name_given" ] || refuse "server needs a NAME, such as pbx.example.com"
            ;;
        *) refuse "write ./gen-certs.sh server NAME, or ./gen-certs.sh root; -h shows more" ;;
    esac
    case $pki_folder in
        '' | *"$NL"*) refuse "--pki is empty, or has a line break" ;;
    esac
}

# read_option: $option and its $value.
read_option() {
    case $option in
        --san) parse_names "$value" ;;
        --days) choose_days ;;
        --key-type) choose_key_type ;;
        --pki) pki_folder=$value ;;
        --cn) cn=$value ;;
        --org) org=$value ;;
        --org-unit) org_unit=$value ;;
        --country) country=$value ;;
        --state) state=$value ;;
        --locality) locality=$value ;;
        --email) email=$value ;;
        --eku)
            found=$usages
            # shellcheck disable=SC2086 # the names have no blanks
            words --eku $EXTENDED_KEY_USAGES
            usages=$found
            ;;
        --key-usage)
            found=$key_usages
            # shellcheck disable=SC2086
            words --key-usage $KEY_USAGES
            key_usages=$found
            ;;
        --allow)
            case " $RULES " in
                *" $value "*) allowed="$allowed$value " ;;
                *) refuse "unknown rule $(shown "$value"): this script can allow only $RULES_HERE" ;;
            esac
            ;;
    esac
}

# read_word TEXT: the command, or the name of the server.
read_word() {
    case $1 in
        *"$NL"*) refuse "$(shown "$1") has a line break" ;;
    esac
    case $command:$1 in
        :root | :server) command=$1 ;;
        :*) refuse "unknown command $(shown "$1"): write server NAME, or root; -h shows more" ;;
        server:) refuse "the name is empty: write a host name such as pbx.example.com" ;;
        server:*)
            [ -z "$name_given" ] || refuse "$(shown "$1") is one argument too many"
            name_given=$1
            ;;
        *) refuse "$(shown "$1") is one argument too many" ;;
    esac
}

# ---- Names: only listed characters pass, so that openssl's config has nothing to interpret

# parse_names TEXT: adds each name of a value such as `DNS:pbx.example.com, 10.0.0.5` to $others: ,DNS:...,IP:...
parse_names() {
    todo=$1
    trim "$1"
    [ -n "$trimmed" ] || refuse "the name is empty: write one such as DNS:pbx.example.com"
    while :; do
        entry=${todo%%,*}
        [ ${#entry} -le 2000 ] || refuse "$(shown "$entry") is longer than 2000 characters"
        number=$((number + 1))
        [ "$number" -le 500 ] || refuse "these are more than 500 names"
        trim "$entry"
        [ -n "$trimmed" ] || refuse "$(shown "$1") has an empty entry: write one comma between two names"
        parse_name "$trimmed"
        others=$others,$name
        [ "$entry" != "$todo" ] || break
        todo=${todo#"$entry,"}
    done
}

# parse_host TEXT: the main name, a host name, a wildcard or an address; sets $name.
parse_host() {
    trim "$1"
    [ ${#trimmed} -le 2000 ] || refuse "$(shown "$1") is longer than 253 characters"
    case $trimmed in
        '') refuse "the name is empty: write a host name such as pbx.example.com" ;;
        *,*) refuse "$(shown "$1") is more than one name: write one, and the others with --san" ;;
    esac
    given=$trimmed
    split_kind "$given"
    case $kind in
        DNS | IP) parse_name "$given" ;;
        URI) refuse "$(shown "$1") is a URI, not a host: write a host name or an address" ;;
        email) refuse "$(shown "$1") is a mail address, not a host: write a host name or an address" ;;
    esac
}

# parse_name TEXT: sets $name, such as DNS:pbx.example.com.
parse_name() {
    case $1 in
        critical | @*) refuse "$(shown "$1") is a word of openssl's config, not a name: leave it out" ;;
        [Hh][Tt][Tt][Pp]://* | [Hh][Tt][Tt][Pp][Ss]://*)
            refuse "$(shown "$1") is a URL: write the host alone, or URI:... if you mean the whole URL"
            ;;
    esac
    split_kind "$1"
    case $kind in
        DNS)
            parse_dns "$name_text"
            name=DNS:$host
            ;;
        IP)
            parse_ip "$name_text"
            name=IP:$ip
            ;;
        email)
            parse_email "$name_text"
            name=email:$email_name
            ;;
        URI)
            parse_uri "$name_text"
            name=URI:$uri
            ;;
    esac
}

# split_kind TEXT: sets $kind, and $name_text, which is not checked yet.
split_kind() {
    kind='' name_text=$1 prefix=${1%%:*}
    trim "$prefix"
    prefix=$trimmed
    [ ${#prefix} -gt 10 ] || lower "$prefix"
    if [ "${1%%:*}" != "$1" ] && [ ${#prefix} -le 10 ]; then
        case $lowered in
            dns) kind=DNS ;;
            ip | 'ip address') kind=IP ;;
            email) kind=email ;;
            uri) kind=URI ;;
        esac
        if [ -n "$kind" ]; then
            trim "${1#*:}"
            name_text=$trimmed
            [ -n "$name_text" ] || refuse "$(shown "$1") is a prefix without a name: write one such as DNS:pbx.example.com"
            return 0
        fi
        case $lowered in
            im | pres | sip | sips | tel | urn | xmpp) kind=URI ;;
        esac
    fi
    if meant_as_ip "$1"; then
        kind=IP
        return 0
    fi
    case $1 in
        *://*) kind=URI ;;
    esac
    [ -z "$kind" ] || return 0
    case ${1%%:*} in
        *@*) kind=email ;;
    esac
    [ -z "$kind" ] || return 0
    case $1 in
        *:*[!"$DIGITS"]*) refuse "$(shown "$1") has an unknown prefix: write DNS:, IP:, email: or URI:" ;;
    esac
    kind=DNS
}

# meant_as_ip TEXT: it is written as an address, correct or not.
meant_as_ip() {
    case $1 in
        \[*) return 0 ;;
        *:*:*)
            case ${1%%[/%]*} in
                *[!"$HEX":.]*) ;;
                *:*:*) return 0 ;;
            esac
            ;;
    esac
    four_numbers "${1%%[:/%]*}"
}

four_numbers() {
    case $1 in
        *[!"$DIGITS".]* | .* | *. | *..* | *.*.*.*.*) return 1 ;;
        *.*.*.*) return 0 ;;
    esac
    return 1
}

# parse_dns TEXT: sets $host, a host name or wildcard in small letters (RFC 1034 3.1 and 3.5, RFC 9525 6.3).
parse_dns() {
    [ ${#1} -le 253 ] || refuse "$(shown "$1") is longer than 253 characters: write a shorter name"
    if meant_as_ip "$1"; then
        refuse "$(shown "$1") is an IP address: write it behind IP:"
    fi
    case $1 in
        '') refuse "the name is empty: write a host name such as pbx.example.com" ;;
        *://*) refuse "$(shown "$1") is a URL: write the host alone" ;;
        *@*) refuse "$(shown "$1") is a mail address: write it behind email:" ;;
        *' '*) refuse "$(shown "$1") has a space inside: write one name, or commas between names" ;;
        *:*) refuse "$(shown "$1") has a port or a colon: write the host name alone" ;;
        */*) refuse "$(shown "$1") has a path: write the host name alone" ;;
        *.) refuse "$(shown "$1") ends with a dot: write it without" ;;
    esac
    star='' host=$1
    case $1 in
        '*.'*) star='*.' host=${1#??} ;;
    esac
    case $host in
        *\**) refuse "$(shown "$1"): a wildcard is the whole first label and nothing else, write *.example.com" ;;
        *[!"$LETTERS$DIGITS"._-]*)
            refuse "$(shown "$1") has a character that is not allowed in a host name: use a to z, digits, - and _;" \
                "write other letters in punycode, such as xn--bcher-kva.example"
            ;;
    esac
    lower "$host"
    host=$lowered labels=$lowered
    while :; do
        label=${labels%%.*}
        [ ${#label} -le 63 ] || refuse "$(shown "$1") has a label of ${#label} characters: at most 63 are allowed"
        case $label in
            '') refuse "$(shown "$1") has an empty label: write one dot between two labels" ;;
            -* | *-) refuse "$(shown "$1") has the label $label: begin and end it with a letter or digit" ;;
            xn--*)
                is_punycode "${label#xn--}" || refuse "$(shown "$1") has the label $label, which is not valid punycode," \
                    "or has letters that this script does not know; opensslgen itself knows all"
                ;;
        esac
        [ "$label" != "$labels" ] || break
        labels=${labels#*.}
    done
    # A browser reads such a name as an IPv4 address or not at all (WHATWG URL, "ends in a number").
    case $label in
        0x*) label=${label#0x} figures=$HEX ;;
        *) figures=$DIGITS ;;
    esac
    case $label in
        *[!"$figures"]*) ;;
        *) refuse "$(shown "$1") ends with a number but is not an IP address: write four numbers, or a name" ;;
    esac
    host=$star$host
}

# is_punycode TEXT: of letters that are certain to be valid in a name (RFC 3492 6.2, RFC 5892).
is_punycode() {
    case $1 in
        *--* | -* | *_*) return 1 ;;
        *-*) code=${1##*-} kept=${1%-*} ;;
        *) code=$1 kept='' ;;
    esac
    [ -n "$code" ] || return 1
    count=${#kept} point=128 place=0 bias=72 damp=700
    while [ -n "$code" ]; do
        before=$place weight=1 step=36
        while :; do
            [ -n "$code" ] || return 1
            rest=${code#?}
            character=${code%"$rest"}
            code=$rest
            alphabet=$LOWER$DIGITS
            alphabet=${alphabet%%"$character"*}
            digit=${#alphabet}
            place=$((place + digit * weight))
            # Beyond what the last of the letters could need; and some shells count in 32 bits.
            [ "$place" -lt 4000000 ] || return 1
            least=$((step <= bias ? 1 : step >= bias + 26 ? 26 : step - bias))
            [ "$digit" -ge "$least" ] || break
            weight=$((weight * (36 - least)))
            [ "$weight" -lt 4000000 ] || return 1
            step=$((step + 36))
        done
        count=$((count + 1))
        delta=$(((place - before) / damp)) damp=2 step=0
        delta=$((delta + delta / count))
        while [ "$delta" -gt 455 ]; do
            delta=$((delta / 35)) step=$((step + 36))
        done
        bias=$((step + 36 * delta / (delta + 38)))
        point=$((point + place / count)) place=$((place % count + 1))
        is_letter "$point" || return 1
    done
}

# is_letter CODE-POINT: small letters with accents, Greek, Cyrillic, kana, Chinese characters, Hangul.
is_letter() {
    [ $((($1 >= 223 && $1 <= 255 && $1 != 247) ||
        ($1 >= 257 && $1 <= 311 && $1 % 2 == 1 && $1 != 307) || $1 == 312 ||
        ($1 >= 314 && $1 <= 328 && $1 % 2 == 0 && $1 != 320) ||
        ($1 >= 331 && $1 <= 375 && $1 % 2 == 1) || $1 == 378 || $1 == 380 || $1 == 382 ||
        ($1 >= 940 && $1 <= 974) || ($1 >= 1072 && $1 <= 1119) ||
        ($1 >= 12353 && $1 <= 12438) || ($1 >= 12449 && $1 <= 12538) || $1 == 12540 ||
        ($1 >= 19968 && $1 <= 40956) || ($1 >= 44032 && $1 <= 55203))) -eq 1 ]
}

# parse_ip TEXT: sets $ip, an address in its shortest form (RFC 5952).
parse_ip() {
    [ ${#1} -le 100 ] || refuse "$(shown "$1") is not an IP address"
    case $1 in
        \[*) refuse "$(shown "$1") has brackets, or a port: write the address alone" ;;
        */*) refuse "$(shown "$1") is a network: write each of its addresses that the server has" ;;
        *%*) refuse "$(shown "$1") has a zone, which only one machine knows: write it without" ;;
        *.*.*.*:*) refuse "$(shown "$1") has a port: write the address alone" ;;
        *:*) parse_ip6 "$1" ;;
        *) parse_ip4 "$1" ;;
    esac
}

parse_ip4() {
    four_numbers "$1" || refuse "$(shown "$1") is not an IP address: write one such as 10.0.0.5 or 2001:db8::1"
    dotted=$1 IFS=.
    # shellcheck disable=SC2086 # its four numbers
    set -- $1
    unset IFS
    for part; do
        case $part in
            0?*) refuse "$(shown "$dotted") has leading zeros, which some read as octal: write it without" ;;
            ????*) refuse "$(shown "$dotted") is not an IP address: each of the four numbers is 0 to 255" ;;
        esac
        [ "$part" -le 255 ] || refuse "$(shown "$dotted") is not an IP address: each of the four numbers is 0 to 255"
    done
    ip=$dotted
}

parse_ip6() {
    address=$1 ending=''
    case $1 in
        *[!"$HEX":.]* | *:::* | *::*::*) not_an_address ;;
        *.*:*) not_an_address ;;
        *.*)
            # Its last 32 bits are written as those of an IPv4 address are.
            parse_ip4 "${1##*:}"
            IFS=.
            # shellcheck disable=SC2086
            set -- $ip
            unset IFS
            ending=$(printf '%x:%x' $(($1 * 256 + $2)) $(($3 * 256 + $4)))
            ;;
    esac
    groups=$address
    [ -z "$ending" ] || groups=${address%:*}:$ending
    expand_ip6 "$groups"
    IFS=:
    # shellcheck disable=SC2086 # its groups
    set -- $full
    unset IFS
    # The longest row of zeros, the first of equal ones, and none of a single zero, is left out.
    at=0 run=0 best=1 from=-1
    plain=''
    for part; do
        case $part in
            '' | ?????*) not_an_address ;;
        esac
        part=$((0x$part))
        plain=$plain$part.
        at=$((at + 1))
        run=$((part == 0 ? run + 1 : 0))
        if [ "$run" -gt "$best" ]; then
            best=$run from=$((at - run))
        fi
    done
    case $plain in
        0.0.0.0.0.65535.*) refuse "$(shown "$address") is an IPv4 address written as IPv6: write its four numbers" ;;
    esac
    ip='' at=0
    for part; do
        if [ "$at" -eq "$from" ]; then
            ip=$ip::
        elif [ "$from" -lt 0 ] || [ "$at" -lt "$from" ] || [ "$at" -ge $((from + best)) ]; then
            case $ip in
                '' | *::) ;;
                *) ip=$ip: ;;
            esac
            ip=$ip$(printf %x $((0x$part)))
        fi
        at=$((at + 1))
    done
}

# expand_ip6 TEXT: sets $full, its eight groups.
expand_ip6() {
    case $1 in
        *::*) head=${1%%::*} tail=${1#*::} gap=1 ;;
        *) head=$1 tail='' gap='' ;;
    esac
    case $head@$tail in
        :* | *:@* | *@:* | *:) not_an_address ;;
    esac
    IFS=:
    # shellcheck disable=SC2086 # its groups
    set -- $head
    count=$#
    # shellcheck disable=SC2086
    set -- $tail
    unset IFS
    missing=$((8 - count - $#))
    if [ -n "$gap" ]; then
        [ "$missing" -ge 1 ] || not_an_address
    else
        [ "$missing" -eq 0 ] || not_an_address
    fi
    full=$head
    while [ "$missing" -gt 0 ]; do
        full=${full:+$full:}0 missing=$((missing - 1))
    done
    full=$full${full:+${tail:+:}}$tail
}

not_an_address() {
    refuse "$(shown "$address") is not an IP address: write one such as 10.0.0.5 or 2001:db8::1"
}

# parse_email TEXT: sets $email_name (RFC 5280 4.2.1.6, a conservative RFC 5321 mailbox).
parse_email() {
    local_part=${1%%@*}
    case $1 in
        *@*@* | .*@* | *.@* | *..*@* | -*) not_a_mailbox "$1" ;;
        ?*@*) ;;
        *) not_a_mailbox "$1" ;;
    esac
    case $local_part in
        *[!"$LETTERS$DIGITS"._+=~-]*) not_a_mailbox "$1" ;;
    esac
    [ ${#local_part} -le 64 ] || not_a_mailbox "$1"
    case ${1#*@} in
        *\**) refuse "$(shown "$1") has a wildcard: write the host in full" ;;
    esac
    parse_dns "${1#*@}"
    email_name=$local_part@$host
}

not_a_mailbox() {
    refuse "$(shown "$1") is not a mail address that is accepted here: write one such as name@example.com"
}

# parse_uri TEXT: sets $uri, with scheme and host in small letters (RFC 3986 3, RFC 5280 4.2.1.6, RFC 5922 7.1).
parse_uri() {
    scheme=${1%%:*} user=''
    case $1 in
        *:?*) rest=${1#"$scheme:"} ;;
        *) refuse "$(shown "$1") is not a URI: write its scheme, a colon and the rest, such as sip:example.com" ;;
    esac
    case $scheme in
        '' | [!"$LETTERS"]* | *[!"$LETTERS$DIGITS"+.-]*) refuse "$(shown "$1") has no scheme such as sip: or https:" ;;
    esac
    case $rest in
        *[!"$LETTERS$DIGITS"'._~:/?@!&()*+;=%-']*)
            refuse "$(shown "$1") has a character that cannot stand in it: write % and its two hex digits instead"
            ;;
        *%[!"$HEX"]* | *%?[!"$HEX"]* | *% | *%?)
            refuse "$(shown "$1") has a % without two hex digits: write %25 for the character itself"
            ;;
    esac
    lower "$scheme"
    scheme=$lowered
    case $scheme:$rest in
        sip:* | sips:*)
            case $rest in
                *@*@*) no_host "$1" ;;
                *@*) user=${rest%%@*}@ rest=${rest#*@} ;;
            esac
            host=${rest%%[:\;?]*}
            rest=${rest#"$host"}
            case $rest in
                :*) refuse "$(shown "$1") has a port: write it without" ;;
            esac
            plain_host "$1"
            ;;
        *://*)
            rest=${rest#//}
            case ${rest%%[/?]*} in
                *@*@*) no_host "$1" ;;
                *@*) user=${rest%%@*}@ rest=${rest#*@} ;;
            esac
            authority=${rest%%[/?]*}
            host=${authority%%:*}
            rest=${rest#"$host"}
            case ${authority#"$host"} in
                :*[!"$DIGITS"]*) no_host "$1" ;;
            esac
            user=//$user
            plain_host "$1"
            ;;
        *) host='' ;;
    esac
    uri=$scheme:$user$host$rest
}

no_host() {
    refuse "$(shown "$1") has no host: write one such as sip:example.com or https://example.com"
}

# plain_host WHOLE: checks $host, where no wildcard may stand.
plain_host() {
    case $host in
        '') no_host "$1" ;;
        *\**) refuse "$(shown "$1") has a wildcard: write the host in full" ;;
    esac
    if four_numbers "$host"; then
        parse_ip4 "$host"
        host=$ip
    else
        parse_dns "$host"
    fi
}

# print_name NAME: sets $printed, the name as every openssl prints it: an IPv6 address in its eight groups.
print_name() {
    case $1 in
        IP:*:*)
            expand_ip6 "${1#IP:}"
            IFS=:
            # shellcheck disable=SC2086
            set -- $full
            unset IFS
            printed='IP Address'
            for part; do
                printed=$printed:$(printf %X $((0x$part)))
            done
            ;;
        IP:*) printed="IP Address:${1#IP:}" ;;
        *) printed=$1 ;;
    esac
}

# choose_names: sets $names for the extension, each once, $main, and $stem of the files' names.
choose_names() {
    parse_host "$name_given"
    names=$name main=${name#*:} todo=${others#,} main_repeated=''
    while [ -n "$todo" ]; do
        entry=${todo%%,*}
        todo=${todo#"$entry"}
        todo=${todo#,}
        case ,$names, in
            *",$entry,"*)
                # People also write the main name in the one-line form; that is not a repetition.
                [ "$entry$main_repeated" = "$name" ] || note "$entry is given more than once"
                [ "$entry" != "$name" ] || main_repeated=1
                ;;
            *) names=$names,$entry ;;
        esac
    done
    case $main in
        '*.'*) stem=_wildcard.${main#??} ;;
        *) stem=$(printf '%s\n' "$main" | tr : _) ;;
    esac
    [ ${#stem} -le 200 ] || refuse "$(shown "$main") is too long to name a file: at most 200 characters"
    [ "$stem" != ca ] || refuse "ca would name the files of the root: write a longer name such as ca.example.com"
}

# ---- The subject

# set_text sets $TEXT: ASCII, and in UTF-8 U+00A1 to U+024F without the soft hyphen and U+0400 to U+052F, in which
# there are no control, bidi or invisible characters.
set_text() {
    # yash has no single bytes of UTF-8, and so only ASCII can be checked in it.
    TEXT='[ -~]*'
    [ -n "$(printf '\302')" ] || return 0
    TEXT=$(printf '[ -~]|\302[\241-\254\256-\277]|[\303-\310][\200-\277]|\311[\200-\217]')
    TEXT="($TEXT|$(printf '[\320-\323][\200-\277]|\324[\200-\257]'))*"
}

# attribute NAME WHAT LIMIT VALUE: adds it to $SUBJECT as openssl's config has it, and to $oneline as the index has it.
attribute() {
    [ ${#4} -le 2000 ] || refuse "the $2 $(shown "$4") is too long: at most $3 characters are allowed"
    trim "$4"
    [ -n "$trimmed" ] || refuse "the $2 is empty: write one or leave it out"
    fits "$TEXT" || refuse "the $2 $(shown "$4") has a character that cannot be checked here: ASCII, and the Latin and" \
        "Cyrillic letters of UTF-8 are allowed; opensslgen itself knows all"
    case $1 in
        C)
            fits '[A-Za-z]{2}' || refuse "the country $(shown "$4") is not a country code: write two letters, such as DE"
            trimmed=$(printf '%s\n' "$trimmed" | tr "$LOWER" "$UPPER")
            ;;
        emailAddress)
            fits '[!-~]+@[!-~]+' || refuse "the mail address $(shown "$4") is not in ASCII: write name@example.com"
            ;;
    esac
    length=$(printf %s "$trimmed" | tr -d '\200-\277' | wc -c)
    [ "$length" -le "$3" ] || refuse "the $2 $(shown "$4") has" $((length)) "characters, at most $3 are allowed"
    escaped=$(printf '%s\n' "$trimmed" | sed 's/[\\$#"'\''`]/\\&/g')
    SUBJECT="${SUBJECT:+$SUBJECT$NL}$1 = $escaped"
    escaped=$(printf '%s\n' "$trimmed" | sed 's/[+/]/\\&/g')
    # As od prints them; most subjects have none.
    for byte in $(printf %s "$trimmed" | tr -d '\001-\177' | od -A n -v -t x1); do
        shape=$(printf '\\x%s' "$byte" | tr abcdef ABCDEF)
        escaped=$(printf '%s\n' "$escaped" | sed "s/$(printf '%b' "\\0$(printf %o "0x$byte")")/\\$shape/g")
    done
    oneline=$oneline/$1=$escaped
}

fits() { # PATTERN: $trimmed is of this form
    printf '%s\n' "$trimmed" | grep -q -E -x -e "$1"
}

# choose_subject COMMON-NAME: sets $SUBJECT and $oneline.
choose_subject() {
    SUBJECT='' oneline=''
    [ -z "${country+set}" ] || attribute C country 2 "$country"
    [ -z "${state+set}" ] || attribute ST state 128 "$state"
    [ -z "${locality+set}" ] || attribute L locality 128 "$locality"
    [ -z "${org+set}" ] || attribute O organization 64 "$org"
    [ -z "${org_unit+set}" ] || attribute OU 'organizational unit' 64 "$org_unit"
    attribute CN 'common name (--cn)' 64 "$1"
    [ -z "${email+set}" ] || attribute emailAddress 'mail address' 128 "$email"
}

# name_root [HOST]: sets $root_name, which phones show: the organization, or HOST or this machine, and "CA".
name_root() {
    trim "${org-}"
    root_name=$trimmed
    [ -z "$trimmed" ] || return 0
    trimmed=$(uname -n)
    trimmed=${1:-${trimmed%%.*}}
    trimmed=${trimmed#'*.'}
    fits "$TEXT" || trimmed=opensslgen
    while [ ${#trimmed} -gt 61 ]; do
        case $trimmed in
            *.*) trimmed=${trimmed#*.} ;;
            *) trimmed=$(printf %.61s "$trimmed") ;;
        esac
    done
    root_name="${trimmed:-opensslgen} CA"
}

# check_secret NAME WHAT: it is in the environment, and every openssl accepts it; no argv contains it.
check_secret() {
    eval "secret=\${$1:-}"
    [ -n "$secret" ] || refuse "the $2 is needed: set $1 in the environment"
    eval "case \$$1 in *\"\$NL\"*) refuse \"the $2 has a line break\" ;; esac"
    eval "[ \${#$1} -le 1000 ]" || refuse "the $2 is longer than 1000 bytes, which OpenSSL could not read again"
    secret_text=$TEXT
    [ "$1" != OPENSSLGEN_P12_PASSWORD ] || secret_text='[ -~]*'
    # mksh has no printf of its own, so printf would show it in an argv.
    grep -q -E -x -e "$secret_text" <<SECRET || refuse "the $2 has a character that cannot be used here"
$secret
SECRET
    length=$(tr -d '\200-\277\n' <<SECRET | wc -c
$secret
SECRET
    )
    secret=''
    [ "$length" -ge 4 ] || refuse "the $2 is shorter than 4 characters, which openssl refuses"
}

# ---- Rules

# finding RULE REASON MESSAGE: an error of the certificate that is to be made.
finding() {
    case $allowed in
        *" $1 "*) return 0 ;;
    esac
    [ -n "$broken" ] || echo 'Error: this would break a rule, so nothing was made' >&2
    printf '  error: %s [%s]\n    %s\n' "$3" "$1" "$2" >&2
    broken="$broken --allow $1"
}

stop_if_broken() {
    [ -n "$broken" ] || return 0
    echo "Hint: to issue it anyway, add$broken" >&2
    exit 1
}

check_order() {
    broken=''
    case ,$usages, in
        *,serverAuth,*) ;;
        *)
            finding apple-eku "$APPLE_EKU" \
                "its extended key usage is $usages; serverAuth (1.3.6.1.5.5.7.3.1) is needed"
            ;;
    esac
    [ "$days" -le 825 ] || finding apple-validity "$APPLE_VALIDITY" "it is valid for $days days; the maximum is 825 days"
    stop_if_broken
}

# check_root: checks the folder's root by openssl's output, and that the certificate does not outlive it.
check_root() {
    broken=''
    openssl x509 -in "$pki/ca.crt" -noout -text >text 2>log || fail "openssl cannot read $pki/ca.crt"
    printed=$(sed -n 's/^    Signature Algorithm: *//p' text)
    case $printed in
        *[Ss][Hh][Aa]224* | *[Ss][Hh][Aa]256* | *[Ss][Hh][Aa]384* | *[Ss][Hh][Aa]512* | rsassaPss*) ;;
        *)
            finding apple-signature-hash "$APPLE_SIGNATURE_HASH" \
                "the root is signed with $(shown "$printed"), which does not use SHA-2"
            ;;
    esac
    printed=$(sed -n 's/^ .*Public-Key: (\([0-9]*\) bit.*/\1/p' text)
    if grep -q '^ *Public Key Algorithm: rsa' text && [ "${printed:-0}" -lt 2048 ]; then
        finding apple-key-size "$APPLE_KEY_SIZE" "the root has an RSA key of $printed bits; the minimum is 2048"
    fi
    stop_if_broken
    read_now
    today=$day now=$second
    read_date "$(openssl x509 -in "$pki/ca.crt" -noout -enddate | sed 's/^notAfter=//')"
    # Ten minutes for a slow machine to make a key: the validity begins only after that.
    time_left=$((day - today - (second < now + 600 ? 1 : 0)))
    [ "$time_left" -ge 1 ] || fail "the root $pki/ca.crt expires within a day, or has expired: $stamp"
    [ "$days" -gt "$time_left" ] || return 0
    if [ -n "$days_given" ]; then
        printf 'Error: %s\n' "$days days would outlive the root, which expires on $stamp" >&2
        printf 'Hint: --days %s is the most\n' "$time_left" >&2
        exit 2
    fi
    note "valid for $time_left days instead of $days, because the root expires on $stamp"
    days=$time_left
}

# ---- What all scripts of opensslgen share
