# What opensslgen's Ansible collection runs on a host, with openssl, coreutils and sed (busybox's are fine): functions.
# What is sent is one function with the calls that are needed, then those functions that they need, and last the line
# that starts it, so that a connection that breaks while it is sent runs nothing. Files travel as base64, which every
# openssl writes and reads; private keys do not travel.

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# What the environment says to openssl changes nothing here, and reaches the command that reloads as it was.
openssl() (
    unset OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES || :
    LC_ALL=C OPENSSL_CONF=/dev/null SSL_CERT_FILE=/dev/null SSL_CERT_DIR='' RANDFILE=/dev/null
    export LC_ALL OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR RANDFILE
    command "${OPENSSLGEN_OPENSSL:-openssl}" "$@"
)

# say NAME TEXT: a line of the answer.
say() {
    printf 'opensslgen:%s=%s\n' "$1" "$2"
}

# send NAME: the same with what comes on standard input, in base64.
send() {
    say "$1" "$(openssl enc -base64 | tr -d '\n')"
}

need_openssl() {
    openssl version >/dev/null 2>&1 || fail "no openssl found: install it, or tell where it is"
}

# find_real PATH: sets $real, the file that is meant, and $work beside it, where a new one is made.
find_real() {
    real=$1
    if [ -L "$real" ]; then
        is_ours "$real" || fail "$1 is a symbolic link of another user, who decides where it leads: replace it, or name the file itself"
        real=$(readlink -f "$real") || fail "$1 is a symbolic link that leads nowhere"
    fi
    folder=${real%/*} work=.${real##*/}.opensslgen
    work=${folder}/$work
    if [ -e "$real" ] && [ ! -f "$real" ]; then
        fail "$1 is not a regular file"
    fi
}

# is_ours PATH: tells whether it belongs to us, to root, or to the user who has called sudo.
is_ours() {
    # shellcheck disable=SC2012
    case " $(id -u) 0 ${SUDO_UID-} " in *" $(ls -ldn "$1" | { read -r mode links owner rest && echo "$owner"; }) "*) return 0 ;; esac
    return 1
}

# describe NAME PATH: its mode, owner and group, by number and by name; nothing if it is not there.
describe() {
    find_real "$2"
    [ -f "$real" ] || return 0
    say "$1" ''
    # stat differs between systems; the fields before the name do not.
    # shellcheck disable=SC2012
    ls -ldn "$real" | { read -r mode links owner group rest && say "$1.mode" "$mode" && say "$1.number" "$owner:$group"; }
    # shellcheck disable=SC2012
    ls -ld "$real" | { read -r mode links owner group rest && say "$1.owner" "$owner:$group"; }
}

# tell_script NAME PATH: the content of a shell script.
tell_script() {
    find_real "$2"
    [ -f "$real" ] || return 0
    [ "$(wc -c <"$real")" -le 1048576 ] || fail "$2 is larger than 1048576 bytes"
    send "$1" <"$real"
}

# tell_request NAME PATH: a request, as openssl writes it.
tell_request() {
    [ ! -f "$2" ] || { openssl req -in "$2" 2>/dev/null </dev/null || :; } | send "$1"
}

# tell_certificate NAME PATH: the first certificate of a file, as openssl writes it, and the digest of the whole, which
# itself is not sent: people also keep private keys in such files.
tell_certificate() {
    describe "$1" "$2"
    [ -f "$real" ] || return 0
    say "$1.digest" "$(digest "$real")"
    { openssl x509 -in "$real" 2>/dev/null </dev/null || :; } | send "$1"
}

# tell_key NAME PATH: the public half of a private key that is there; empty if openssl cannot read it.
tell_key() {
    [ ! -f "$2" ] || { openssl pkey -in "$2" -passin pass: -pubout 2>/dev/null </dev/null || :; } | send "$1"
}

# tell_same NAME PATH PATH: whether both are there and the same, which no other answer shows of a key.
tell_same() {
    if [ -f "$2" ] && [ -f "$3" ] && [ "$(digest "$2")" = "$(digest "$3")" ]; then
        say "$1" yes
    else
        say "$1" no
    fi
}

# digest FILE: the SHA-256 of its content.
digest() {
    openssl dgst -sha256 <"$1" | sed 's/.*= *//'
}

# next_name PREFIX: sets $name to PREFIX, or PREFIX-2 and so on, which is not there yet.
next_name() {
    name=$1 nth=1
    while [ -e "$name" ] || [ -L "$name" ]; do
        nth=$((nth + 1))
        name=$1-$nth
    done
}

# set_aside FILE: gives it an old name, if it is there.
set_aside() {
    if [ -e "$1" ] || [ -L "$1" ]; then
        next_name "$1.old-$(date -u +%Y%m%dT%H%M%SZ)"
        mv "$1" "$name"
    fi
}

# stage PATH MODE OWNER [FILE]: puts a file, or standard input in base64, beside what it shall become.
stage() {
    find_real "$1"
    [ -d "$folder/" ] || (umask 022 && mkdir -p "$folder")
    rm -f "$work"
    # With -C nothing that someone else has put there is written to.
    if [ $# -eq 4 ]; then
        (set -C && cat "$4" >"$work")
    else
        (set -C && openssl enc -base64 -d >"$work")
    fi || fail "cannot write to ${folder:-/}"
    chmod "$2" "$work"
    [ -z "$3" ] || chown "$3" "$work" || fail "cannot give $1 to $3"
    staged="$staged$real
"
}

# put_in_place: renames all that was staged, one right behind the other.
put_in_place() {
    printf %s "$staged" | while IFS= read -r path; do
        find_real "$path"
        mv -f "$work" "$real"
    done
}

# mend PATH SHA256 DATE: puts standard input, in base64, in the place of a script with this digest, and keeps that one.
mend() {
    find_real "$1"
    # shellcheck disable=SC2012
    [ "$(ls -ldn "$real" | { read -r mode links rest && echo "$links"; })" = 1 ] ||
        fail "$1 has hard links, which a new file would not have"
    rm -f "$work"
    cp -p "$real" "$work"
    openssl enc -base64 -d >"$work"
    checker="bash"
    command -v bash >/dev/null || checker="sh"
    # A script whose every line ends in CR LF is checked without the CRs.
    if ! said=$("$checker" -n "$work" 2>&1) && ! tr -d '\r' <"$work" | "$checker" -n 2>/dev/null; then
        rm -f "$work"
        fail "$checker -n does not accept the edited $1, so it was left alone: $said"
    fi
    kept=''
    for old in "$real".orig-*; do
        if [ -f "$old" ] && [ "$(digest "$old")" = "$2" ]; then
            kept=$old
        fi
    done
    if [ -z "$kept" ]; then
        next_name "$real.orig-$3"
        cp -p "$real" "$name"
        kept=$name
    fi
    if [ "$(digest "$real")" != "$2" ]; then
        rm -f "$work"
        fail "$1 was changed in the meantime, so it was not replaced"
    fi
    mv -f "$work" "$real"
    say kept "$kept"
}

# reload FOLDER NAME COMMAND: runs it, and again in the next run unless it succeeds. What it says goes to a file, as a
# server that it starts would else hold the connection.
reload() {
    status=0
    (umask "$mask" && exec sh -c "$3") >"$1/.reload-$2.log" 2>&1 </dev/null || status=$?
    say reload "$status"
    if [ "$status" -eq 0 ]; then
        rm -f "$1/.reload-$2"
    else
        tail -n 1 "$1/.reload-$2.log" | send reload.said
    fi
    rm -f "$1/.reload-$2.log"
}

# reload_later FOLDER NAME: has the command run once, come what may.
reload_later() {
    : >"$1/.reload-$2"
}
