set -eu
umask 077
unset OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES RANDFILE CDPATH || :
LC_ALL=C OPENSSL_CONF=/dev/null SSL_CERT_FILE=/dev/null SSL_CERT_DIR=''
export LC_ALL OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR

fail() {
    printf 'Error: %s\n' "$*" >&2
    exit 1
}

# openssl ARGUMENTS...: what it says is shown only if it fails.
openssl() {
    command "${OPENSSLGEN_OPENSSL:-openssl}" "$@" </dev/null 2>log || {
        cat log >&2
        fail "this command failed: openssl $*"
    }
}

# leave: what is not finished is taken away again.
leave() {
    status=$?
    status=${stopped:-$status}
    for name in $placed; do
        rm -f "$folder/$name"
    done
    cd /
    rm -rf "$work"
    [ -n "$was_there" ] || rmdir "$folder" 2>/dev/null || :
    exit "$status"
}

# link_folder PKI: what signs lies in that folder, which is called pki from here on.
link_folder() {
    case $1 in
        /*) ln -s "$1" pki ;;
        *) ln -s "$here/$1" pki ;;
    esac
    [ -d pki ] || fail "$1 is not there, and it holds the key that signs"
}

# publish: each file gets its name, by a link, which fails if that is taken; not all file systems have links.
publish() {
    made=$(openssl x509 -inform DER -in root.crt -noout -fingerprint -sha256 | sed 's/.*=//')
    [ "$made" = "$fingerprint" ] || fail "openssl made another root.crt: its fingerprint is $made"
    for name in $names; do
        [ -s "$name" ] || fail "openssl made no $name"
        chmod 0644 "$name"
        ln "$name" "$folder/$name" 2>/dev/null || {
            [ ! -e "$folder/$name" ] || fail "$folder/$name exists: nothing is overwritten"
            cp -p "$name" "$folder/$name"
        }
        placed="$placed $name"
    done
    placed=''
    for name in $names; do
        echo "$folder/$name"
    done
}

[ $# -le 1 ] || fail "usage: sh $0 [FOLDER]"
[ $# -eq 0 ] || folder=$1
here=$(pwd)
case ${OPENSSLGEN_OPENSSL:-} in
    /*) ;;
    */*) OPENSSLGEN_OPENSSL=$here/$OPENSSLGEN_OPENSSL ;;
esac
case $folder in
    /*) ;;
    *) folder=$here/$folder ;;
esac
for name in $names; do
    if [ -e "$folder/$name" ] || [ -L "$folder/$name" ]; then
        fail "$folder/$name exists: nothing is overwritten"
    fi
done
was_there=1 placed='' stopped=''
[ -d "$folder" ] || {
    was_there=''
    (umask 022 && mkdir -p "$folder")
}
work=$(mktemp -d "$folder/.opensslgen.XXXXXX") || fail "cannot write to $folder"
trap leave EXIT
trap 'stopped=129; exit 129' HUP
trap 'stopped=130; exit 130' INT
trap 'stopped=143; exit 143' TERM
cd "$work"
RANDFILE=$work/.rnd
export RANDFILE
