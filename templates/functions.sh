# clean_environment: no core file, because it would contain keys and passphrases; no variables that change what the shell
# or openssl does; no trust in the system's roots; no secret for other commands than openssl. Then it checks the tools.
clean_environment() {
    site_conf=${OPENSSL_CONF:-} site_modules=${OPENSSL_MODULES:-} site_include=${OPENSSL_CONF_INCLUDE:-}
    unset IFS # which means the usual one
    # shellcheck disable=SC3045 # where a shell lacks the option, nothing is lost
    ulimit -c 0 2>/dev/null || :
    unset OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES RANDFILE CDPATH || :
    LC_ALL=C OPENSSL_CONF=/dev/null SSL_CERT_FILE=/dev/null SSL_CERT_DIR=''
    export LC_ALL OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR
    # Without unset they would stay exported.
    for name in OPENSSLGEN_CA_PASSPHRASE OPENSSLGEN_NEW_PASSPHRASE OPENSSLGEN_P12_PASSWORD; do
        eval "secret=\${$name-}; unset $name; $name=\$secret"
    done
    unset secret
    need_tools @TOOLS@
}

# need_tools NAME...: fails unless all are here, with the options that they are called with.
need_tools() {
    missing=''
    for tool; do
        works=1
        command -v "$tool" >/dev/null 2>&1 || works=''
        case $tool in
            cksum) [ -n "$(echo a | cksum 2>/dev/null)" ] || works='' ;;
            cut) [ "$(printf 'a\tb\n' | cut -f 2 2>/dev/null)" = b ] || works='' ;;
            grep) [ "$(printf 'ab\nb\n' | grep -x -F -e b 2>/dev/null)" = b ] || works='' ;;
            od) [ "$(printf a | od -A n -v -t x1 2>/dev/null | tr -d ' \n')" = 61 ] || works='' ;;
            sort) [ "$(echo b | sort 2>/dev/null)" = b ] || works='' ;;
            tail) [ "$(printf 'a\nb' | tail -n 1 2>/dev/null)" = b ] || works='' ;;
            tr) [ "$(printf 'a\303b' | tr -d '\200-\377' 2>/dev/null)" = ab ] || works='' ;;
            wc) case $(echo | wc -c 2>/dev/null) in *1*) ;; *) works='' ;; esac ;;
        esac
        [ -n "$works" ] || missing="$missing $tool"
    done
    [ -z "$missing" ] || fail "this needs tools that are missing here, or lack an option:$missing"
}

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

openssl() {
    case " $* " in
        *" -passin stdin "*)
            # It reads the user's template, which could read the environment.
            command "${OPENSSLGEN_OPENSSL:-openssl}" "$@" <<PASSPHRASE
$OPENSSLGEN_CA_PASSPHRASE
PASSPHRASE
            ;;
        *" env:"*)
            (
                for name in OPENSSLGEN_CA_PASSPHRASE OPENSSLGEN_NEW_PASSPHRASE OPENSSLGEN_P12_PASSWORD; do
                    case " $* " in *" env:$name "*) export "${name?}" ;; esac
                done
                command "${OPENSSLGEN_OPENSSL:-openssl}" "$@" </dev/null
            )
            ;;
        *) command "${OPENSSLGEN_OPENSSL:-openssl}" "$@" </dev/null ;;
    esac
}

# run COMMAND...: records and runs it; its output is shown only if it fails.
run() {
    quote "$@" >>commands.sh
    "$@" 2>log || {
        cat log >&2
        fail "this command failed: $*"
    }
}

# quote WORD...: prints the words as one line of shell.
quote() {
    line=''
    for word; do
        case $word in
            *[!A-Za-z0-9@%+=:,./_-]* | '') word="'$(printf '%s\n' "$word" | sed "s/'/'\"'\"'/g")'" ;;
        esac
        line="$line${line:+ }$word"
    done
    printf '%s\n' "$line"
}

# open_folder PKI [UMASK]: creates the folder if needed, readable only by us without UMASK, and changes to a private folder
# inside it, which is removed at the end.
open_folder() {
    here=$(pwd)
    case ${OPENSSLGEN_OPENSSL:-} in
        /*) ;;
        */*) OPENSSLGEN_OPENSSL=$here/$OPENSSLGEN_OPENSSL ;;
    esac
    openssl version >/dev/null 2>&1 || fail "no openssl found: install it, or name it in OPENSSLGEN_OPENSSL"
    keep_providers
    case $1 in
        /*) pki=$1 ;;
        *) pki=$here/$1 ;;
    esac
    was_there=1 lock='' work=''
    [ -d "$pki" ] || was_there=''
    # mksh loses the exit code between the traps.
    stopped=''
    trap close_folder EXIT
    trap 'stopped=129; exit 129' HUP
    trap 'stopped=130; exit 130' INT
    trap 'stopped=143; exit 143' TERM
    (umask "${2:-077}" && mkdir -p "$pki")
    pki=$(cd "$pki" && pwd)
    for entry in "$pki"/* "$pki"/.[!.]* "$pki/private/ca.key"; do
        refuse_link "${entry#"$pki"/}"
    done
    take_lock
    sweep_folder
    work=$(mktemp -d "$pki/.script.XXXXXX") || fail "cannot write to $pki"
    echo $$ >"$work/pid"
    cd "$work"
    echo '#!/bin/sh' >commands.sh
    RANDFILE=$work/.rnd
    export RANDFILE
}

# keep_providers: openssl reads the site's config where that sets up providers, such as FIPS; all commands bring their own.
keep_providers() {
    [ -n "$site_conf" ] ||
        site_conf=$(openssl version -d 2>/dev/null | sed -n 's/^OPENSSLDIR: "\(.*\)"$/\1/p')/openssl.cnf
    case $site_conf in /*) ;; *) site_conf=$here/$site_conf ;; esac
    # Without one of these lines a config, with all that it includes, activates nothing.
    [ -f "$site_conf" ] && grep -q -e '^[[:blank:]]*activate' -e '^[[:blank:]]*default_properties' \
        -e '^[[:blank:]]*\.include' -e '^[[:blank:]]*fips_mode' "$site_conf" || return 0
    case $(openssl list -providers 2>/dev/null) in
        Providers:*)
            wanted=$(sed -n -e 's/^[[:blank:]]*fips[[:blank:]]*=.*/1/p' \
                -e 's/^[^#]*[^_[:alnum:]]fips[[:blank:]]*=[[:blank:]]*\(yes\|1\|true\).*/1/p' "$site_conf")
            listed=$(use_site_conf && openssl list -providers 2>/dev/null) || listed=''
            listed=$(printf '%s\n' "$listed" | sed -n 's/^  \([^ ].*\)/\1/p' | tr '\n' ' ')
            case " $listed" in
                *" fips "*) ;;
                *) [ -z "$wanted" ] || fail "$site_conf asks for FIPS, but openssl does not load the FIPS provider" ;;
            esac
            case $listed in '' | 'default ') return 0 ;; esac
            ;;
        *)
            # Before version 3, FIPS is a mode of openssl.
            grep -q '^[[:blank:]]*fips_mode[[:blank:]]*=[[:blank:]]*[yYoOtT1]' "$site_conf" || return 0
            listed='FIPS mode '
            ;;
    esac
    use_site_conf
    printf 'keys and signatures come from the providers of %s: %s\n' "$site_conf" "${listed% }" >&2
}

use_site_conf() {
    OPENSSL_CONF=$site_conf
    [ -z "$site_modules" ] || { OPENSSL_MODULES=$site_modules && export OPENSSL_MODULES; }
    [ -z "$site_include" ] || { OPENSSL_CONF_INCLUDE=$site_include && export OPENSSL_CONF_INCLUDE; }
}

# close_folder: keeps the work folder if its decision was not carried out, so that the next run finishes it.
close_folder() {
    status=$?
    status=${stopped:-$status}
    cd "$here" || cd /
    [ -z "$work" ] || [ -f "$work/decided" ] || rm -rf "$work"
    # If the run failed, a new folder is removed as well; rmdir removes only empty ones.
    if [ "$status" -ne 0 ] && [ -z "$was_there" ] && [ ! -s "$pki/index.txt" ] && [ ! -d "$work" ]; then
        rmdir "$pki/certs_by_serial" "$pki/reqs" "$pki/issued" "$pki/private" 2>/dev/null &&
            rm -f "$pki/index.txt" "$pki/index.txt.attr" "$pki/serial" "$pki/openssl-easyrsa.cnf"
    fi
    [ -z "$lock" ] || rm -rf "$lock"
    [ -n "$was_there" ] || rmdir "$pki" 2>/dev/null || :
    exit "$status"
}

alive() {
    kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]
}

# take_lock: one script at a time; the lock is a folder, because all file systems create one atomically.
take_lock() {
    waited=0 vanished=0
    until mkdir "$pki/.lock.script" 2>/dev/null; do
        if [ ! -d "$pki/.lock.script" ]; then
            # It was just released, perhaps with the pki folder; or nobody can write here.
            vanished=$((vanished + 1))
            [ "$vanished" -le 20 ] || fail "cannot write to $pki"
            mkdir -p "$pki" || fail "cannot write to $pki"
            continue
        fi
        holder=$(cat "$pki/.lock.script/pid" 2>/dev/null) || holder=''
        # A killed script leaves its lock; a lock without a number is being taken, or its script was killed between two
        # steps. Process numbers repeat, soon in containers: a lock with our own number belongs to a dead script.
        if [ "$holder" = $$ ] || { [ -n "$holder" ] && ! alive "$holder"; } ||
            { [ -z "$holder" ] && [ "$waited" -ge 5 ]; }; then
            break_lock "$pki/.lock.dead.$$"
            continue
        fi
        [ "$waited" -lt 120 ] ||
            fail "$pki is in use by process ${holder:-?}; if no such script is running, remove $pki/.lock.script"
        sleep 1
        waited=$((waited + 1))
    done
    lock=$pki/.lock.script
    # opensslgen replaces a lock without a number: the first to write the number holds the lock.
    (set -C && echo $$ >"$lock/pid") 2>/dev/null || {
        [ -s "$lock/pid" ] || fail "cannot write to $pki"
        lock=''
        take_lock
    }
}

# break_lock PLACE: moves the lock away, as only one script can, and back if another script took it meanwhile.
break_lock() {
    mv "$pki/.lock.script" "$1" 2>/dev/null || return 0
    found=$(cat "$1/pid" 2>/dev/null) || found=''
    if [ "$found" = "$holder" ]; then
        rm -rf "$1"
    else
        mv "$1" "$pki/.lock.script"
    fi
}

# sweep_folder: carries out the decisions of killed scripts, and removes their work folders.
sweep_folder() {
    rm -rf "$pki"/.lock.dead.*
    # Left by a killed opensslgen: a live one would hold the lock.
    for left in "$pki"/.work-*; do
        [ -d "$left" ] || continue
        is_own "$left" || fail "$left belongs to another user, so it was not read"
        [ ! -f "$left/decision.json" ] ||
            fail "$left holds what a killed opensslgen had decided: let opensslgen finish it first"
        rm -rf "$left"
    done
    for left in "$pki"/.lock.new.*; do
        alive "${left##*.}" || rm -rf "$left"
    done
    for left in "$pki"/.script.*; do
        if [ -d "$left" ] && ! { [ -f "$left/pid" ] && alive "$(cat "$left/pid")"; }; then
            is_own "$left" || fail "$left belongs to another user, so it was not read"
            [ ! -f "$left/decided" ] || carry_out "$left"
            rm -rf "$left"
        fi
    done
}

# is_own FILE: tells whether it belongs to this user, because its decision would run with this user's rights.
is_own() {
    # shellcheck disable=SC2012 # only the fields before the name
    owner=$(ls -ldn "$1" | sed 's/^[^ ]* *[0-9]* *\([0-9]*\) .*/\1/')
    user=$(id -u) || user=''
    [ -n "$owner$user" ] || fail "nothing here says whose $1 is: ls -n and id are needed"
    [ "$owner" = "$user" ]
}

# refuse_link NAME: fails if a file of the pki folder, or a folder above it, is a link to another place.
refuse_link() {
    way='' rest=$1/
    while [ -n "$rest" ]; do
        way=$way/${rest%%/*} rest=${rest#*/}
        if [ -L "$pki$way" ]; then
            leads_to=$(readlink "$pki$way") || leads_to=''
            [ -n "$leads_to" ] || fail "$pki$way is a symbolic link, and readlink is needed to see where it leads"
            case $leads_to in
                */* | . | ..) fail "$pki$way is a symbolic link that leads out of $pki: replace it by the file or folder itself" ;;
            esac
        fi
    done
}

# need_file FILE: fails if it is missing in the pki folder.
need_file() {
    refuse_link "$1"
    [ -f "$pki/$1" ] || fail "$pki/$1 is missing: make the root first"
}

# refuse_file FILE: fails if it exists in the pki folder.
refuse_file() {
    if [ -e "$pki/$1" ] || [ -L "$pki/$1" ]; then
        fail "$pki/$1 exists: nothing is overwritten"
    fi
}

# need_secret NAME: fails unless the environment had it; openssl reads it from there, so that no argv shows it.
need_secret() {
    eval "[ -n \"\${$1:-}\" ]" || fail "set $1 in the environment first"
}

# draw_serial sets $serial: positive, 127 bits (RFC 5280 section 4.1.2.2 asks for 1 to 20 bytes).
draw_serial() {
    serial=$(openssl rand -hex 16 | sed 's/^8/0/; s/^9/1/; s/^a/2/; s/^b/3/; s/^c/4/; s/^d/5/; s/^e/6/; s/^f/7/')
    [ ${#serial} -eq 32 ] || fail "openssl rand gave no serial number"
}

# choose_validity DAYS sets $validity: from an hour ago, for phones with slow clocks, or from now.
# shellcheck disable=SC2034 # the commands that call this read it
choose_validity() {
    validity="-days $1"
    if openssl x509 -help 2>&1 | grep -q -e -not_before; then
        read_now
        second=$((second - 3600))
        [ "$second" -ge 0 ] || day=$((day - 1)) second=$((second + 86400))
        validity="-not_before $(timestamp "$day" "$second") -not_after $(timestamp $((day + $1)) "$second")"
    fi
}

# choose_legacy sets $legacy: the option for PKCS#12 files encrypted with RC2, which openssl needs since 3.0.
# shellcheck disable=SC2034 # the commands that call this read it
choose_legacy() {
    legacy=''
    if openssl pkcs12 -help 2>&1 | grep -q -e -legacy; then
        legacy=-legacy
    fi
}

# read_now sets $day since 1970 and $second of that day: apart, as some shells count in 32 bits, which end in 2038.
read_now() {
    read_date "$(date -u '+%b %e %H:%M:%S %Y') GMT"
}

# check_clock DAY: fails if the clock is before this day, counted from 1970, as on a box without a battery, or
# before the CA, or the certificate in the last line of the index, begins.
check_clock() {
    read_now
    today=$day now=$second
    [ "$today" -ge "$1" ] || wrong_clock "before this script was made"
    newest=$(sed -n '$p' "$pki/index.txt" 2>/dev/null | cut -f 4)
    for each in "$pki/ca.crt" "$pki/certs_by_serial/$newest.pem"; do
        [ -f "$each" ] || continue
        begins=$(openssl x509 -in "$each" -noout -startdate 2>/dev/null) || continue
        read_date "${begins#notBefore=}"
        [ "$day" -lt "$today" ] || { [ "$day" -eq "$today" ] && [ "$second" -le "$now" ]; } ||
            wrong_clock "before $each begins"
    done
}

wrong_clock() {
    printf 'Error: the clock is wrong, so nothing was made: it says %s, %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$1" >&2
    echo 'Hint: set the clock; to issue it anyway, use --allow clock, with gen-certs.sh or when a script is printed' >&2
    exit 1
}

# timestamp DAY SECOND: days since 1970 and seconds of that day, written as openssl takes them: 20260104000000Z.
timestamp() {
    days=$(($1 + 719468))
    of_era=$((days % 146097))
    years=$(((of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365))
    of_year=$((of_era - (365 * years + years / 4 - years / 100)))
    month=$(((5 * of_year + 2) / 153))
    mday=$((of_year - (153 * month + 2) / 5 + 1))
    month=$((month < 10 ? month + 3 : month - 9))
    eras=$((days / 146097))
    years=$((years + 400 * eras + (month <= 2 ? 1 : 0)))
    printf '%04d%02d%02d%02d%02d%02dZ' "$years" "$month" "$mday" $(($2 / 3600)) $(($2 % 3600 / 60)) $(($2 % 60))
}

# read_date 'Jan  4 00:00:00 2026 GMT' sets $day since 1970, $second of that day, and $stamp as index.txt has it.
read_date() {
    set -f
    # shellcheck disable=SC2086 # its words are the fields
    set -- $1
    set +f
    [ "$# ${5:-}" = "5 GMT" ] || fail "the date that openssl printed cannot be read: $*"
    case $1 in
        Jan) month=1 ;; Feb) month=2 ;; Mar) month=3 ;; Apr) month=4 ;; May) month=5 ;; Jun) month=6 ;;
        Jul) month=7 ;; Aug) month=8 ;; Sep) month=9 ;; Oct) month=10 ;; Nov) month=11 ;; Dec) month=12 ;;
        *) fail "the month that openssl printed cannot be read: $1" ;;
    esac
    hour=${3%%:*} minute=${3#*:} second=${3##*:}
    minute=${minute%%:*}
    # A leading zero would make the number octal.
    hour=${hour#0} minute=${minute#0} second=${second#0}
    year=$4
    # As in the certificate itself: two digits of the year before 2050, then four (RFC 5280 section 4.1.2.5).
    stamp=$((year < 2050 ? year % 100 : year))
    stamp=$(printf '%02d%02d%02d%02d%02d%02dZ' "$stamp" "$month" "$2" "$hour" "$minute" "$second")
    second=$((hour * 3600 + minute * 60 + second))
    year=$((month > 2 ? year : year - 1))
    month=$((month > 2 ? month - 3 : month + 9))
    day=$(((153 * month + 2) / 5 + $2 - 1 + year * 365 + year / 4 - year / 100 + year / 400 - 719468))
}

# verify_request FILE: checks that it is signed by its own key, by openssl's output: the exit code is 0 before 3.5.
verify_request() {
    verified=$(openssl req -in "$1" -noout -verify 2>&1) || verified=failed
    printf '%s\n' "$verified" | grep -q -x -e 'verify OK' -e 'Certificate request self-signature verify OK' ||
        fail "the request is not signed by the key that it holds, so its sender may not have that key"
}

# check_certificate FILE ISSUER DAYS PURPOSE [EKU...]: by openssl's output; EKUs, in its words, are required.
check_certificate() {
    file=$1 issuer=$2 asked=$3 purpose=$4
    shift 4
    openssl x509 -in "$file" -noout -text >text 2>log || { cat log >&2; fail "openssl cannot read $file"; }
    printed=$(sed -n '/^            X509v3 Extended Key Usage:/{n;s/^ *//;p;}' text)
    for usage; do
        case ", $printed," in
            *", $usage,"*) ;;
            *) fail "$file lacks the extended key usage $usage, it has: ${printed:-none}" ;;
        esac
    done
    read_date "$(openssl x509 -in "$file" -noout -startdate | sed 's/^notBefore=//')"
    first_day=$day first_second=$second
    read_date "$(openssl x509 -in "$file" -noout -enddate | sed 's/^notAfter=//')"
    # With -days openssl reads the clock twice, and a second may pass meanwhile.
    case $(((day - first_day - asked) * 86400 + second - first_second)) in
        0 | 1) ;;
        *) fail "$file is valid for $((day - first_day)) days and not for $asked" ;;
    esac
    last_day=$day last_second=$second
    read_date "$(openssl x509 -in "$issuer" -noout -enddate | sed 's/^notAfter=//')"
    [ "$last_day" -lt "$day" ] || { [ "$last_day" -eq "$day" ] && [ "$last_second" -le "$second" ]; } ||
        fail "$file would outlive its issuer, which expires $stamp"
    check_chain "$file" "$issuer" "$purpose"
}

# check_chain FILE ISSUERS PURPOSE [-attime SECONDS]: `openssl verify` accepts it and trusts only the ISSUERS.
check_chain() {
    file=$1 issuers=$2 purpose=$3
    shift 3
    # This output means success in all versions: 1.0 exits with 0 even for an expired certificate.
    verified=$(openssl verify -CAfile "$issuers" -purpose "$purpose" ${1+"$@"} "$file" 2>log) || verified="$verified (failed)"
    if [ "$verified" != "$file: OK" ]; then
        cat log >&2
        fail "openssl verify does not accept $file: $verified"
    fi
}

# check_same FILE OTHER ERROR: both have the same contents.
check_same() {
    are_same "$1" "$2" || fail "$3"
}

# are_same FILE OTHER: tells whether both have the same contents; fails if they cannot be compared.
are_same() {
    sum=$(cksum <"$1") || sum=''
    other_sum=$(cksum <"$2") || other_sum=''
    [ -n "$sum$other_sum" ] || fail "$1 and $2 cannot be compared"
    [ "$sum" = "$other_sum" ]
}

# check_key FILE KEY [-passin SOURCE]: the key belongs to the certificate.
check_key() {
    certificate=$1 key=$2
    shift 2
    own=$(openssl pkey -in "$key" ${1+"$@"} -pubout 2>log) || { cat log >&2; fail "openssl cannot read $key"; }
    if [ -z "$own" ] || [ "$own" != "$(openssl x509 -in "$certificate" -noout -pubkey)" ]; then
        fail "the key and the certificate do not belong together"
    fi
}

# check_names NAME...: the certificate that was checked last has these names, as openssl prints them.
# A certificate with names must not be a CA.
check_names() {
    printed=$(sed -n '/^            X509v3 Subject Alternative Name:/{n;s/^ *//;p;}' text)
    for name; do
        case ", $printed," in
            *", $name,"*) ;;
            *) fail "$file lacks the name $name, it has: ${printed:-none}" ;;
        esac
    done
    if grep -q '^                CA:TRUE' text; then
        fail "$file is a certificate authority (CA:TRUE)"
    fi
}

# copy_database: index.txt and crlnumber, for openssl ca to change. openssl takes a carriage return as part of the subject,
# and ignores a last line without a newline; an incomplete line is removed. The first number is the one after that of
# crl.pem. It sets $tab, and $field: a field of the index with its tab, for sed and grep.
copy_database() {
    tab=$(printf '\t')
    field="[^$tab]*$tab"
    [ -e "$pki/index.txt" ] || : >"$pki/index.txt"
    sed -e '/^#/d' -e "s/$(printf '\r')\$//" "$pki/index.txt" >index.txt
    if [ -n "$(tail -c 1 "$pki/index.txt")" ]; then
        [ -z "$(tail -c 1 index.txt)" ] || echo >>index.txt
        case $(tail -n 1 index.txt) in
            *"$tab"*"$tab"*"$tab"*"$tab"*"$tab"*) ;;
            *) sed '$d' index.txt >index && mv index index.txt ;;
        esac
    fi
    cp index.txt index.before
    echo 'unique_subject = no' >index.txt.attr
    if [ -f "$pki/crlnumber" ]; then
        cp "$pki/crlnumber" crlnumber
        return
    fi
    number=0
    if [ -f "$pki/crl.pem" ]; then
        number=$(openssl crl -in "$pki/crl.pem" -noout -crlnumber 2>/dev/null) || number=''
        number=$(printf '%s\n' "$number" | sed -n -e 's/0x//' -e 's/^crlNumber=\([0-9A-F]\{1,\}\)$/\1/p')
    fi
    [ "${#number}" -le 7 ] || fail "write the number of the next CRL into $pki/crlnumber"
    number=$(printf '%X' $((0x${number:-0} + 1)))
    [ $((${#number} % 2)) -eq 0 ] || number=0$number
    echo "$number" >crlnumber
}

# check_revoked SERIAL old|new [,REASON]: in the index only the line with SERIAL has changed, or (new) was added.
check_revoked() {
    # The fields that may have changed are removed on both sides.
    blank="s/^[VER]$tab\($field\)$field\($1$tab\)/\1\2/"
    sed "$blank" index.before >before
    sed "$blank" index.txt >after
    [ "$2" = old ] || { sed '$d' after >rest && mv rest after; }
    if ! are_same before after ||
        [ "$(grep -c "^R$tab${field}[0-9]*Z${3:-}$tab$1$tab" index.txt)" != 1 ]; then
        fail "openssl ca has changed more in the index than to revoke $1"
    fi
}

# check_list ISSUER: crl.pem is signed by it, and lists the revocations of the index.
check_list() {
    # The exit code is 0 even for a bad signature.
    verified=$(openssl crl -in crl.pem -CAfile "$1" -noout 2>&1) || verified="$verified (failed)"
    [ "$verified" = 'verify OK' ] || fail "openssl does not accept the signature of the new CRL: $verified"
    openssl crl -in crl.pem -noout -text >text
    sed -n 's/^    Serial Number: //p' text | sort >listed
    sed -n "s/^R$tab$field$field\($field\).*/\1/p" index.txt |
        tr a-f A-F | tr -d "$tab" | sed 's/^\(00\)*\(..\)/\2/' | sort >revoked
    are_same listed revoked ||
        fail "the new CRL does not list the same revocations as the index"
}

# open_database: creates the index and its companions, as easy-rsa and openssl ca do.
open_database() {
    mkdir -p "$pki/private" "$pki/issued" "$pki/reqs" "$pki/certs_by_serial"
    [ -e "$pki/index.txt" ] || : >"$pki/index.txt"
    # By a rename: a script that was killed before writing would leave an empty file, and openssl rejects that.
    [ -e "$pki/index.txt.attr" ] || { echo 'unique_subject = no' >new && mv new "$pki/index.txt.attr"; }
    [ -e "$pki/serial" ] || { echo 01 >new && mv new "$pki/serial"; }
    # easy-rsa does not use a folder of `openssl ca`.
    [ -e "$pki/openssl-easyrsa.cnf" ] || [ -e "$pki/cacert.pem" ] || {
        cat >new <<'EOF' && mv new "$pki/openssl-easyrsa.cnf"
#include openssl-easyrsa.cnf
EOF
    }
}

# note_line FILE SUBJECT: writes the index line into the file `line`, with the serial number $serial.
note_line() {
    read_date "$(openssl x509 -in "$1" -noout -enddate | sed 's/^notAfter=//')"
    printf 'V\t%s\t\t%s\tunknown\t%s\n' "$stamp" "$serial" "$2" >line
}

# add_line FOLDER: adds its `line` to the index unless it has it, by one rename, so that a full disk does no damage.
add_line() {
    grep -q -x -F -f "$1/line" "$pki/index.txt" || {
        cp -p "$pki/index.txt" "$1/index" && cat "$1/line" >>"$1/index" && mv -f "$1/index" "$pki/index.txt"
    }
}

# refuse_repeated SUBJECT: fails if the index may have a subject only once and has it; openssl ca could not read it.
refuse_repeated() {
    if [ -f "$pki/index.txt.attr" ] && grep -q -i '^ *unique_subject *= *[yt1]' "$pki/index.txt.attr" &&
        cut -f 1,6 "$pki/index.txt" | grep -q -x -F "$(printf 'V\t%s' "$1")"; then
        fail "$pki/index.txt has a certificate for $1 already, and index.txt.attr says unique_subject = yes"
    fi
}

# record FILE CONFIG [SUBJECT]: stages the copy by serial number with its config and commands, and notes the index line, if
# there is a subject; that line is added first.
record() {
    serial=$(openssl x509 -in "$1" -noout -serial | sed 's/^serial=//')
    [ -n "$serial" ] || fail "openssl printed no serial number of $1"
    [ $# -lt 3 ] || refuse_repeated "$3"
    [ $# -lt 3 ] || note_line "$1" "$3"
    cp "$1" "$serial.pem"
    cp "$2" "$serial.cnf"
    cp commands.sh "$serial.sh"
    for made in pem cnf sh; do
        stage "$serial.$made" "certs_by_serial/$serial.$made" 0600
    done
}

# publish FILE TARGET MODE: by a link, which fails if the target exists; some file systems have no links.
publish() {
    [ "$3" = - ] || chmod "$3" "$1"
    ln "$1" "$pki/$2" 2>/dev/null || {
        refuse_file "$2"
        mv "$1" "$pki/$2"
    }
}

# stage FILE TARGET MODE: decide publishes all staged files together.
# FILE can be in the pki folder (../NAME), and MODE - (unchanged).
stage() {
    [ -s "$1" ] || fail "openssl made no $1"
    [ "$3" = - ] || chmod "$3" "$1"
    printf '%s %s %s %s\n' "$1" "$2" "$3" "${4:-new}" >>staged
}

# stage_over FILE TARGET MODE: the same, and replaces an existing file.
stage_over() {
    refuse_link "$2"
    mkdir -p "$pki/$(dirname "$2")"
    mode=$3
    case $1 in
        ../*) ;;
        # With mode and owner of the old file, so that the same users can read it.
        *) [ ! -f "$pki/$2" ] || { cp -p "$pki/$2" like && cat "$1" >like && mv like "$1" && mode=-; } ;;
    esac
    stage "$1" "$2" "$mode" over
}

# keep TARGET: stages a copy of the file that will be replaced, if it exists, under a new name next to it.
keep() {
    refuse_link "$1"
    [ -f "$pki/$1" ] || return 0
    beside=$1.old-$(date -u +%Y%m%dT%H%M%SZ) number=1
    old=$beside
    while [ -e "$pki/$old" ]; do
        number=$((number + 1))
        old=$beside-$number
    done
    kept=$((${kept:-0} + 1))
    cp -p "$pki/$1" "old-$kept"
    stage "old-$kept" "$old" -
}

# decide: publishes the staged files and the index line. Before the list has the name `decided` nothing has changed; after
# that everything will be done, if necessary in the next run.
decide() {
    mv staged decided
    carry_out .
}

# carry_out FOLDER: carries out its decision; after a kill at any point all of it can be done again.
carry_out() {
    if [ -f "$1/line" ]; then
        add_line "$1" || {
            # No file has its final name yet, so the decision can be cancelled.
            rm -f "$1/decided"
            fail "cannot write to $pki/index.txt"
        }
    fi
    while read -r source target mode how; do
        [ -f "$1/$source" ] || continue
        if [ "$how" = over ]; then
            mv -f "$1/$source" "$pki/$target"
        elif [ ! -f "$pki/$target" ] || ! are_same "$1/$source" "$pki/$target"; then
            publish "$1/$source" "$target" "$mode"
        fi
    done <"$1/decided"
    rm -f "$1/decided"
}
