#!/bin/sh
# Runs groups of openssl commands in one shell, which starts a process much faster than Python does. The groups are
# appended to this file: lines `openssl ARGUMENTS...`, and after each group a line `answer`.
# Arguments: the path of openssl, and the names of the environment variables that hold secrets.
#
# A group ends at its first command that fails. For each group a line `EXIT-CODE SUBCOMMAND` is printed; what the last
# command of the group has printed on stderr is in errors.NUMBER, counted from 0.
exec 3>&1 >/dev/null 2>&1
# The alarm that was set for this shell also ends the openssl that it waits for.
trap 'kill -9 0' ALRM
openssl=$1 secrets=$2
number=0 code=0 name=
# If a variable of this name is in the environment, it would be handed on with the passphrase in it.
unset passphrase
passphrase=${OPENSSLGEN_CA_PASSPHRASE-}

openssl() {
    [ "$code" = 0 ] || return 0
    # Nobody waits for the result any more if the process that started this shell was killed.
    kill -0 "$PPID" || exit
    (
        # A command gets only the secrets that its arguments name.
        for secret in $secrets; do
            case " $* " in
                *" env:$secret "*) ;;
                *) unset "$secret" ;;
            esac
        done
        case " $* " in
            *" -passin stdin "*) exec "$openssl" "$@" <<PASSPHRASE ;;
$passphrase
PASSPHRASE
        esac
        exec "$openssl" "$@"
    ) 2>"errors.$number" &
    wait "$!"
    code=$? name=$1
}

answer() {
    echo "$code $name" >&3
    number=$((number + 1)) code=0 name=
}
