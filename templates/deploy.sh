# What `opensslgen deploy` runs on a target, with fleet.sh: a shell, openssl and coreutils are enough. All that it has to
# know between two runs lies in one folder, $state, which only its owner can read:
#     lock/       the process that holds it, and for whom
#     current/    a deployment that has begun: the old files by number, `paths` with their names, `restore`, a mark for
#                 each step that has begun; whoever finds it without its process undoes it
#     last/       the same, of the deployment before, for --undo
# A deployment waits for the word `keep`. If the connection ends instead, it undoes itself.

# say NAME TEXT: a line of the answer; in a printed script, for people.
say() {
    case ${by_hand:+$1} in
        '') printf 'opensslgen:%s=%s\n' "$1" "$2" ;;
        note) printf '%s\n' "$2" >&2 ;;
        said) printf '%s\n' "$2" | openssl enc -base64 -d -A >&2 ;;
        restored) echo 'the old files are back' >&2 ;;
    esac
}

# open_state STATE WHO: takes the folder, and undoes or completes what a killed run has left there.
open_state() {
    state=$1
    [ -d "$state" ] || (umask 022 && mkdir -p "${state%/*}" && umask 077 && mkdir "$state") ||
        fail "cannot make $state, where the old files are kept: work as root there (--sudo), or name another folder (--set state=DIR)"
    [ ! -L "$state" ] || fail "$state is a symbolic link"
    chmod 0700 "$state" || fail "$state belongs to another user"
    take_state "$2"
    held=1
    trap close_state EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
    trap '' HUP PIPE
    recover
}

# take_state WHO: one deployment at a time; the lock is a folder, because all file systems create one atomically.
take_state() {
    for try in 1 2 3; do
        if mkdir "$state/lock" 2>/dev/null; then
            if echo "$1, since $(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"$state/lock/who" &&
                born $$ >"$state/lock/born" && echo $$ >"$state/lock/pid"; then
                return 0
            fi
            rm -rf "$state/lock"
            fail "cannot write to $state"
        fi
        [ -d "$state/lock" ] || fail "cannot write to $state"
        holder=$(cat "$state/lock/pid" 2>/dev/null) || holder=''
        if [ -z "$holder" ]; then
            # It is being taken, or its process was killed between two steps.
            sleep 1
            holder=$(cat "$state/lock/pid" 2>/dev/null) || holder=''
        fi
        if [ "$holder" != $$ ] && is_held "$state/lock"; then
            fail "another deployment is at work here: process $holder, $(cat "$state/lock/who" 2>/dev/null || echo '?'); if there is none, remove $state/lock"
        fi
        # Only one can move it, and whoever has moved a newer one puts it back.
        if mv "$state/lock" "$state/dead.$$" 2>/dev/null; then
            if [ "$(cat "$state/dead.$$/pid" 2>/dev/null)" = "$holder" ]; then
                rm -rf "$state/dead.$$"
            else
                mv "$state/dead.$$" "$state/lock"
            fi
        fi
    done
    fail "another deployment has just begun here"
}

# is_held LOCK: tells whether the process lives that has taken it; another may have its number by now, as after a reboot.
is_held() {
    holder=$(cat "$1/pid" 2>/dev/null) || holder=''
    [ -n "$holder" ] || return 1
    kill -0 "$holder" 2>/dev/null || [ -d "/proc/$holder" ] || return 1
    [ "$(born "$holder")" = "$(cat "$1/born" 2>/dev/null)" ]
}

# born PROCESS: when it began, and in which boot, as far as the kernel says; a dead one that nobody has waited for began
# never.
born() {
    { sed 's/.*) //; /^[ZX]/d' "/proc/$1/stat" | cut -d ' ' -f 20 && cat /proc/sys/kernel/random/boot_id; } 2>/dev/null || :
}

# close_state: undoes what was not kept, and gives the folder free.
close_state() {
    status=$?
    trap '' HUP INT TERM PIPE
    if [ -d "$state/current" ]; then
        (put_back) || status=1
    fi
    rm -rf "$state/lock"
    exit "$status"
}

# recover: what was kept stays; all else is undone.
recover() {
    rm -rf "$state"/dead.* "$state/current.new"
    [ -d "$state/current" ] || return 0
    said=$(cat "$state/current/who" 2>/dev/null) || said=''
    if [ -f "$state/current/kept" ]; then
        keep
        tell "completed what an earlier run had left: ${said:-a deployment}"
        return 0
    fi
    tell "undoing what an earlier run had left: ${said:-a deployment}"
    say ports "$(cat "$state/current/ports" 2>/dev/null)"
    # A trap ends a second time only what goes wrong here.
    (put_back) || fail "$state/current could not be undone: see there"
}

# tell TEXT: a line for people.
tell() {
    say note "$1" || :
}

# begin WHO RESTORE PATH...: saves what is there.
begin() {
    new=$state/current.new
    rm -rf "$new"
    { mkdir "$new" && echo "$1" >"$new/who" && printf '%s\n' "$2" >"$new/restore" && : >"$new/paths"; } ||
        fail "cannot write to $state"
    shift 2
    number=0
    for path; do
        number=$((number + 1))
        find_real "$path"
        printf '%s\n' "$real" >>"$new/paths" || fail "cannot write to $state"
        [ ! -f "$real" ] || cp -p "$real" "$new/$number" || fail "cannot save $real in $state"
    done
    mv "$new" "$state/current"
    say begun ''
}

# remember NAME TEXT: keeps a text for the run that undoes this.
remember() {
    printf '%s\n' "$2" >"$state/current/$1" || fail "cannot write to $state"
}

# stage_like PATH MODE OWNER [FILE]: as `stage` does it, but with the mode and the owner of the file that is replaced.
stage_like() {
    find_real "$1"
    if [ ! -f "$real" ]; then
        stage "$@"
        return 0
    fi
    rm -f "$work"
    cp -p "$real" "$work" || fail "cannot write to ${folder:-/}"
    case $2 in *0) chmod o-rwx "$work" ;; esac
    if [ $# -eq 4 ]; then
        cat "$4" >"$work"
    else
        openssl enc -base64 -d >"$work"
    fi || fail "cannot write to ${folder:-/}"
    staged="$staged$real
"
}

# place: gives all staged files their names.
place() {
    : >"$state/current/placing" || fail "cannot write to $state"
    put_in_place
}

# command NAME TEXT: runs a command of the target's; what it says goes to a file, as a server that it starts would else
# hold the connection.
command_of_target() {
    status=0
    (trap - HUP INT TERM PIPE && umask "$mask" && exec sh -ec "$2") >"$state/log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 3 "$state/log" | send said || :
        rm -f "$state/log"
        fail "$1 failed there with exit code $status"
    fi
    rm -f "$state/log"
}

# test_new TEXT: asks the server whether it can read its new files.
test_new() {
    command_of_target "the test of the new files" "$1"
}

# activate TEXT
activate() {
    : >"$state/current/activating" || fail "cannot write to $state"
    command_of_target "the command that activates the new files" "$1"
}

# wait_until TEXT SECONDS: until the target says by a command that it is ready.
wait_until() {
    left=$2
    until (trap - HUP INT TERM PIPE && umask "$mask" && exec sh -ec "$1") >/dev/null 2>&1 </dev/null; do
        [ "$left" -gt 0 ] || fail "it was not ready within $2 seconds"
        sleep 1
        left=$((left - 1))
    done
}

# await_word SECONDS: the ports are asked meanwhile; without the word all is undone, also where nobody can say it any more.
await_word() {
    say activated ''
    (
        trap 'kill "$nap" 2>/dev/null; exit 0' TERM
        sleep "$1" &
        nap=$!
        wait "$nap" && kill -TERM $$
    ) >/dev/null 2>&1 </dev/null &
    watch=$!
    word=''
    IFS= read -r word || word=''
    kill "$watch" 2>/dev/null || :
    [ "$word" = keep ] || fail "the new certificate was not proved"
    keep
    say kept ''
}

# keep: what was saved serves --undo from now on.
keep() {
    : >"$state/current/kept" || fail "cannot write to $state"
    rm -f "$state/current/password"
    rm -rf "$state/last"
    mv "$state/current" "$state/last"
    # The next recover would complete it again.
    rm -f "$state/last/kept" "$state/last/placing" "$state/last/activating"
}

# take_back WHAT: undoes the last deployment, if it was of this certificate to this target.
take_back() {
    [ -d "$state/last" ] || fail "nothing was deployed here that could be undone"
    said=$(cat "$state/last/who" 2>/dev/null) || said=''
    case $said in "$1 ("*) ;; *) fail "the last deployment here was another one: $said" ;; esac
    say ports "$(cat "$state/last/ports" 2>/dev/null)"
    { : >"$state/last/placing" && : >"$state/last/activating" && mv "$state/last" "$state/current"; } ||
        fail "cannot write to $state"
    (put_back) || fail "it could not be undone: $state/current has the old files"
}

# put_back: gives back what current/ has saved, and activates that.
put_back() {
    from=$state/current number=0
    while IFS= read -r path; do
        number=$((number + 1))
        find_real "$path"
        rm -f "$work"
        if [ ! -f "$from/placing" ]; then
            continue
        elif [ ! -f "$from/$number" ]; then
            rm -f "$real"
        elif [ ! -f "$real" ] || [ "$(digest "$real")" != "$(digest "$from/$number")" ]; then
            { cp -p "$from/$number" "$work" && mv -f "$work" "$real"; } ||
                fail "cannot put back $real: its old content is $from/$number"
        fi
    done <"$from/paths"
    if [ -f "$from/activating" ]; then
        command_of_target "the command that activates the old files" "$(cat "$from/restore")"
    fi
    mv "$from" "$state/dead.$$"
    rm -rf "$state/dead.$$"
    say restored ''
}

# still PATH DIGEST: fails if the file is not as it was seen before the lock was taken.
still() {
    find_real "$1"
    seen=''
    [ ! -f "$real" ] || seen=$(digest "$real")
    if [ "$seen" != "$2" ]; then
        say moved "$1"
        fail "$1 was changed in the meantime, so nothing was done"
    fi
}

# look NAME PATH: the digest of a file.
look() {
    find_real "$2"
    [ ! -f "$real" ] || say "$1" "$(digest "$real")"
}

# look_state STATE: who holds it, and what was left there.
look_state() {
    if is_held "$1/lock"; then
        say lock "$(cat "$1/lock/who")"
    fi
    if [ -d "$1/current" ] && [ -f "$1/current/kept" ]; then
        say left "will be completed: $(cat "$1/current/who" 2>/dev/null)"
    elif [ -d "$1/current" ]; then
        say left "will be undone: $(cat "$1/current/who" 2>/dev/null)"
    fi
}

need_program() {
    command -v "$1" >/dev/null 2>&1 || fail "$1 is not installed there, or not in the PATH ($PATH)"
}

# remember_secret NAME: the same with what comes on standard input, in base64, so that no command has it as an argument.
remember_secret() {
    openssl enc -base64 -d >"$state/current/$1" || fail "cannot write to $state"
}

need_input() {
    [ -f "$1" ] || fail "$1 is missing: \`opensslgen export\` writes it"
}

# need_password NAME: the password of the PKCS#12 file, which no other command gets from the environment.
need_password() {
    eval "secret=\${$1-}"
    unset "$1"
    [ -n "$secret" ] || fail "set $1 in the environment first"
}

remember_password() {
    cat >"$state/current/password" <<EOF_
$secret
EOF_
    unset secret
}

# is_same FILE PATH: tells whether the target has this content there.
is_same() {
    find_real "$2"
    [ -f "$real" ] && [ "$(digest "$1")" = "$(digest "$real")" ]
}

# shows PORT STARTTLS SERVERNAME: tells whether it shows $wanted, the new certificate and the CAs above it, without the root.
shows() {
    set -- s_client -connect "127.0.0.1:$1" -showcerts ${3:+-servername "$3"} ${2:+-starttls "$2"}
    shown=$(openssl "$@" </dev/null 2>/dev/null | sed -n '/^-----BEGIN CERTIFICATE-----$/,/^-----END CERTIFICATE-----$/p')
    case $shown in "$wanted"*) return 0 ;; *) return 1 ;; esac
}

# prove_port PORT STARTTLS SERVERNAME SECONDS: asks it until it shows that.
prove_port() {
    left=$4
    until shows "$1" "$2" "$3"; do
        [ "$left" -gt 0 ] || fail "port $1 does not show the new certificate and its whole chain, so all is undone"
        sleep 1
        left=$((left - 1))
    done
    echo "port $1 shows the new certificate and its whole chain"
}
