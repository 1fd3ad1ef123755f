set -eu
umask 077

# What the caller's environment says to openssl must not change what is made here, and no system root is trusted.
unset OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES RANDFILE || :
LC_ALL=C OPENSSL_CONF=/dev/null SSL_CERT_FILE=/dev/null SSL_CERT_DIR=''
export LC_ALL OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

openssl() {
    command "${OPENSSLGEN_OPENSSL:-openssl}" "$@" </dev/null
}

# run COMMAND...: what it says is shown only if it fails.
run() {
    "$@" 2>log || {
        cat log >&2
        fail "this command failed: $*"
    }
}

# open_folder PKI: makes the folder if need be, and steps into a private one inside it, which is gone at the end.
open_folder() {
    here=$(pwd)
    openssl version >/dev/null 2>&1 || fail "no openssl found: install it, or name it in OPENSSLGEN_OPENSSL"
    mkdir -p -- "$1"
    pki=$(cd -- "$1" && pwd)
    sweep_folder
    work=$(mktemp -d "$pki/.script.XXXXXX") || fail "cannot write to $pki"
    echo $$ >"$work/pid"
    trap 'cd "$here"; rm -rf "$work"; rmdir "$pki" 2>/dev/null || :' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cd "$work"
    RANDFILE=$work/.rnd
    export RANDFILE
}

# sweep_folder: removes the work folders of scripts that were killed.
sweep_folder() {
    for left in "$pki"/.script.*; do
        if [ -f "$left/pid" ] && ! kill -0 "$(cat "$left/pid")" 2>/dev/null; then
            rm -rf "$left"
        fi
    done
}

# need_file FILE: stops if the pki folder lacks it; refuse_file FILE: stops if it is there.
need_file() {
    [ -f "$pki/$1" ] || fail "$pki/$1 is not there: make the root first"
}
refuse_file() {
    if [ -e "$pki/$1" ] || [ -L "$pki/$1" ]; then
        fail "$pki/$1 exists: nothing is overwritten"
    fi
}

# need_secret NAME: stops unless the environment holds it; openssl takes it from there, so that no argv shows it.
need_secret() {
    eval "[ -n \"\${$1:-}\" ]" || fail "set $1 in the environment first"
    export "${1?}"
}

# draw_serial sets $serial: positive, 127 bits (RFC 5280 section 4.1.2.2 asks for 1 to 20 bytes).
draw_serial() {
    serial=$(openssl rand -hex 16 | sed 's/^8/0/; s/^9/1/; s/^a/2/; s/^b/3/; s/^c/4/; s/^d/5/; s/^e/6/; s/^f/7/')
    [ ${#serial} -eq 32 ] || fail "openssl rand gave no serial number"
}

# choose_validity DAYS sets $validity: from an hour ago, for phones whose clocks are slow, or else from now.
# shellcheck disable=SC2034 # the commands that call this read it
choose_validity() {
    validity="-days $1"
    if openssl x509 -help 2>&1 | grep -q -e -not_before; then
        now=$(date +%s)
        # Days and seconds apart: some shells count in 32 bits.
        day=$((now / 86400)) second=$((now % 86400 - 3600))
        [ "$second" -ge 0 ] || day=$((day - 1)) second=$((second + 86400))
        validity="-not_before $(timestamp "$day" "$second") -not_after $(timestamp $((day + $1)) "$second")"
    fi
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
    [ "$# ${5:-}" = "5 GMT" ] || fail "openssl printed no date that can be read: $*"
    case $1 in
        Jan) month=1 ;; Feb) month=2 ;; Mar) month=3 ;; Apr) month=4 ;; May) month=5 ;; Jun) month=6 ;;
        Jul) month=7 ;; Aug) month=8 ;; Sep) month=9 ;; Oct) month=10 ;; Nov) month=11 ;; Dec) month=12 ;;
        *) fail "openssl printed no month that can be read: $1" ;;
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

# check_certificate FILE ISSUER DAYS PURPOSE [EKU...]: by what openssl prints of it; EKUs, in its words, are the least.
check_certificate() {
    file=$1 issuer=$2 asked=$3 purpose=$4
    shift 4
    openssl x509 -in "$file" -noout -text >text 2>log || { cat log >&2; fail "openssl cannot read $file"; }
    printed=$(sed -n '/X509v3 Extended Key Usage:/{n;s/^ *//;p;}' text)
    for usage; do
        case ", $printed," in
            *", $usage,"*) ;;
            *) fail "$file lacks the extended key usage $usage, it has: ${printed:-none}" ;;
        esac
    done
    read_date "$(openssl x509 -in "$file" -noout -startdate | sed 's/^notBefore=//')"
    first_day=$day first_second=$second
    read_date "$(openssl x509 -in "$file" -noout -enddate | sed 's/^notAfter=//')"
    [ "$((day - first_day)) $second" = "$asked $first_second" ] ||
        fail "$file is valid for $((day - first_day)) days and not for $asked"
    last_day=$day last_second=$second
    read_date "$(openssl x509 -in "$issuer" -noout -enddate | sed 's/^notAfter=//')"
    [ "$last_day" -lt "$day" ] || { [ "$last_day" -eq "$day" ] && [ "$last_second" -le "$second" ]; } ||
        fail "$file would outlive its issuer, which ends $stamp"
    # The one sign of success that holds on every openssl: 1.0 exits with 0 for an expired certificate, too.
    verified=$(openssl verify -CAfile "$issuer" -purpose "$purpose" "$file" 2>log) || verified="$verified (failed)"
    if [ "$verified" != "$file: OK" ]; then
        cat log >&2
        fail "openssl verify does not accept $file: $verified"
    fi
}

# open_database: the index and its companions, as easy-rsa and openssl ca keep them.
open_database() {
    mkdir -p "$pki/private" "$pki/issued" "$pki/reqs" "$pki/certs_by_serial"
    [ -e "$pki/index.txt" ] || : >"$pki/index.txt"
    [ -e "$pki/index.txt.attr" ] || echo 'unique_subject = no' >"$pki/index.txt.attr"
    [ -e "$pki/serial" ] || echo 01 >"$pki/serial"
}

# record FILE SUBJECT: the copy by serial and the index line, before anything has its final name.
record() {
    serial=$(openssl x509 -in "$1" -noout -serial | sed 's/^serial=//')
    read_date "$(openssl x509 -in "$1" -noout -enddate | sed 's/^notAfter=//')"
    cp "$1" "$pki/certs_by_serial/$serial.pem"
    printf 'V\t%s\t\t%s\tunknown\t%s\n' "$stamp" "$serial" "$2" >>"$pki/index.txt"
}

# publish FILE TARGET MODE: by a link, which fails if the target exists; not all file systems have links.
publish() {
    chmod "$3" "$1"
    ln "$1" "$pki/$2" 2>/dev/null || {
        refuse_file "$2"
        mv "$1" "$pki/$2"
    }
}
