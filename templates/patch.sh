#!/bin/sh
# Mends a gen_certs.sh whose certificates last too long and lack serverAuth, so that they keep Apple's published list:
# its default validity becomes DAYS (see below), and each [ v3_req ] section that it writes under `if $EXTENDED_CSR`
# gains an extendedKeyUsage line. What is there already stays. A script is left alone unless the assignment is of a number
# or a sum, and the section stands in echo commands of one line or in a here-document; `opensslgen patch` knows more.
#
#   sh patch-gen-certs.sh FILE...            edit; the original is kept as FILE.orig-DATE
#   sh patch-gen-certs.sh --check FILE...    exit 1 if an edit is missing
#   sh patch-gen-certs.sh --diff FILE...     show the edits, change nothing
#   sh patch-gen-certs.sh --restore FILE...  put the newest original back; --restore --force: whatever FILE is by now
#
# Exit 0: fine. 1: an edit is missing, or it failed. 2: usage, or a script that is not recognised.
# Needs a shell, coreutils and sed (busybox's too). Before the result is put in place, bash or else sh must accept it, and
# openssl, if it is there, makes a certificate from the section, which must have serverAuth.

# shellcheck disable=SC2016,SC2317,SC2329 # single quotes hold patterns for dollar signs; main calls functions by name
main() {
    DAYS=820
    USAGE="extendedKeyUsage   = serverAuth,clientAuth"
    DEFAULT_DAYS=820 LONGEST=825 # Apple, support page 103769
    LARGEST=1048576
    set -uf
    export LC_ALL=C
    umask 077
    TAB=$(printf '\t') CR=$(printf '\r')
    NL='
'
    BLANK=" $TAB"
    NAME=DEFAULT_SERVER_CERT_VALIDITY
    checker="bash"
    command -v bash >/dev/null || checker="sh"
    checksum="sha256sum"
    command -v "$checksum" >/dev/null || checksum="cksum"
    for file in "$checksum" cp date ln ls mv readlink rm sed sync tr wc; do
        command -v "$file" >/dev/null || fail "this tool is missing here"
    done

    mode=patch force=0 worst=0
    while [ $# -gt 0 ]; do
        case $1 in
            --check | --diff | --restore)
                [ "$mode" = patch ] || usage
                mode=${1#--}
                ;;
            --force) force=1 ;;
            -h | --help) sed -n '2,/^$/s/^#\( \|$\)//p' "$0"; exit 0 ;;
            --) shift; break ;;
            -*) usage ;;
            *) break ;;
        esac
        shift
    done
    [ $# -gt 0 ] || usage
    [ "$force" = 0 ] || [ "$mode" = restore ] || usage
    for file in "$@"; do
        outcome=0
        ("${mode}_file") || outcome=$?
        [ "$outcome" -le "$worst" ] || worst=$outcome
    done
    exit "$worst"
}

patch_file() {
    find_edits
    [ -n "$edits" ] || { say "$file: both edits are there"; return; }
    begin_work
    copy "$real" "$work"
    [ -w "$work" ] || fail "its owner may not write it"
    edited "$edits" <"$real" >"$work"
    [ "$(sum "$work") $(owner "$work")" = "$result $(owner "$real")" ] || fail "cannot write $work with its mode and owner"
    accepted "$work" || fail "$checker -n does not accept the result, so it was left alone"
    prove "$work"
    name=''
    if find_backup && { is_ours || [ "$(sum "$backup") $(owner "$backup" dated)" = "$(sum "$real") $(owner "$real" dated)" ]; }
    then
        name=$backup
    else
        backup=''
        keep "$real.orig"
    fi
    flush "$work" "$name"
    if [ "$state" != "$(ls -ldn "$real") $(sum "$real")" ]; then
        [ -n "$backup" ] || rm -f "$name"
        fail "it was changed in the meantime, so it was not replaced"
    fi
    mv -f "$work" "$real" || fail "cannot replace it"
    flush "$folder"
    describe "$edits"
    say "$file: patched; the original is $name"
}

restore_file() {
    find_file
    begin_work
    find_backup || fail "no original next to it (looked for $base.orig-DATE)"
    if [ "$(sum "$real")" != "$(sum "$backup")" ] && ! is_ours; then
        [ "$force" = 1 ] || fail "it was not made from $backup (an upgrade?); --restore --force puts that back"
        keep "$real.replaced"
        say "$file: kept as $name"
    fi
    mv -f "$backup" "$real" || fail "cannot replace it"
    flush "$folder"
    say "$file: restored"
}

check_file() {
    find_edits
    [ -z "$edits" ] || { describe "$edits"; exit 1; }
    say "$file: both edits are there"
}

diff_file() {
    find_edits
    [ -n "$edits" ] || exit 0
    if command -v diff >/dev/null; then
        # shellcheck disable=SC2094 # both only read it
        edited "$edits" <"$real" | diff -u -L "$file" -L "$file" "$real" -
    else
        describe "$edits"
    fi
    exit 0
}

usage() {
    say "usage: sh $0 [--check | --diff | --restore [--force]] FILE..." >&2
    exit 2
}

say() { printf '%s\n' "$*"; }

complain() { printf 'Error: %s: %s\n' "$file" "$*" >&2; }

# ---- Text

ltrim() { # TEXT: sets trimmed, and cut, the blanks that were cut off
    cut=${1%%[!"$BLANK"]*}
    trimmed=${1#"$cut"}
}

without() { kept=$(printf %s "$1" | tr -d "$2"); } # TEXT CHARACTERS: sets kept

width() { # TEXT START: sets columns, with tab stops every 8
    columns=$2 wide=$1
    while :; do
        case $wide in *"$TAB"*) ;; *) break ;; esac
        part=${wide%%"$TAB"*}
        wide=${wide#*"$TAB"}
        columns=$(((columns + ${#part}) / 8 * 8 + 8))
    done
    columns=$((columns + ${#wide}))
}

# ---- Reader: it goes through the script line by line, and runs in a subshell.

# read_script FILE: sets validity_line, validity_days, validity_edit and notes; of the sections for phones, first, the line
# of one, the edits that are missing, and a line of commands that print each. Those are the ones in the branch for
# EXTENDED_CSR (best is 2); without any in either branch of such a condition, all (0); with some in the other branch only,
# none (1). What may be such a place, but is of no known form, is noted in doubts.
read_script() {
    script=$1 number=0 stack='' delimiter='' joined=0 open=0 section_stack='' section_file='' document_file=''
    validity_line='' validity_days='' notes='' doubts='' best=-1 first='' missing='' commands=''
    accepted "$script" || doubts="it as a script ($checker -n)"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%"$CR"}
        if [ -n "$delimiter" ]; then
            take_document_line
            continue
        fi
        was_joined=$joined joined=0
        case $line in *\\) joined=1 ;; esac
        ltrim "$line"
        code=$trimmed before=$cut
        case $was_joined$code in 0 | 0'#'*) continue ;; esac
        take_flow "$code"
        case $code in *"$NAME="*) [ "$was_joined" = 1 ] || take_assignment ;; esac
        find_document
        if [ "$was_joined$joined" = 00 ] && parse_echo; then
            take_print "$text" "echo $quote$text$quote"
        elif [ -z "$document_file" ]; then
            take_other
        fi
    done <"$script"
    close_section
    [ -z "$delimiter" ] || doubt "a here-document is not closed"
    [ -z "$stack" ] || doubt "an if, loop or case is not closed"
}

doubt() { doubts="${doubts:+$doubts, }line $number${1:+: $1}"; } # [REASON]: about the present line

# accepted FILE [NUMBER]: does a shell accept the script, or the script with a parenthesis in place of a line?
accepted() {
    # ksh93 would end ${2:+...} at the parenthesis.
    [ $# -lt 2 ] && changed=$strip || changed="$2s/^/)/;$strip"
    # A script whose every line ends in CR LF is checked without the CRs.
    sed "$changed" "$1" | "$checker" -n 2>/dev/null
}

# Is the present line code? In quotes or a here-document, a parenthesis would not matter.
is_code() { ! accepted "$script" "$number"; }

# take_flow CODE: keeps stack, a letter for each construct that is open: w in the branch for EXTENDED_CSR, n in the other
# one, ? for a condition on it of another form, o for anything else; in capitals after else or elif.
take_flow() {
    left=$1
    while [ -n "$left" ]; do
        ltrim "${left%%;*}"
        case $left in *\;*) left=${left#*;} ;; *) left='' ;; esac
        word=${trimmed%%["$BLANK"]*}
        top=${stack#"${stack%?}"}
        case $word in
            if) open_condition "$trimmed" ;;
            for | while | until | case) stack=${stack}o ;;
            elif | else)
                [ "${#stack}" -gt "${#section_stack}" ] || close_section
                case $top in w) top=N ;; n) top=W ;; o) top=O ;; '') doubt ;; esac
                stack=${stack%?}$top
                ;;
            fi | 'done' | 'esac') [ -n "$stack" ] || doubt; stack=${stack%?} ;;
        esac
        case $word in then | else | do | \{ | \( | ! | *\)) left="${trimmed#"$word"};$left" ;; esac
    done
    case $stack in "$section_stack"*) ;; *) close_section ;; esac
}

open_condition() { # IF
    without "$1" "\"'{}]=${BLANK}["
    case $kept in
        'if$EXTENDED_CSR' | 'if$EXTENDED_CSRtrue') stack=${stack}w ;;
        'if!$EXTENDED_CSR') stack=${stack}n ;;
        *EXTENDED_CSR*) stack="$stack?" ;;
        *) stack=${stack}o ;;
    esac
}

take_assignment() {
    case $code in
        "$NAME="* | "export $NAME="* | "readonly $NAME="* | "declare -r $NAME="*) is_code || return 0 ;;
        *) return 0 ;;
    esac
    value=${code#*"$NAME="} new=''
    case $value in
        [\"\']*) quote=${value%"${value#?}"}; rest=${value#?*"$quote"} ;;
        '$(('*'))'*) rest=${value#*"))"} ;;
        *) rest=${value#"${value%%[!0-9]*}"} ;;
    esac
    ltrim "$rest"
    case $trimmed in '' | '#'*) new=" # $DAYS days" ;; \;*) new=$rest ;; *) rest='' ;; esac
    days=$(evaluate "${value%"$rest"}") || days=''
    if [ -z "$validity_line" ]; then
        validity_line=$number validity_days=$days validity_edit="$before${code%"$value"}\$(($DAYS))$new"
        [ -n "$days" ] || doubt "$code"
    elif [ -z "$days" ] || [ "$days" -gt "$LONGEST" ]; then
        notes="${notes}line $number sets $NAME again, and was left alone: $code$NL"
    fi
}

# evaluate VALUE: prints the number that it stands for: digits, or a small sum or product in $((…)), perhaps in quotes.
evaluate() {
    value=$1
    case $value in \'*\$*) return 1 ;; \"*\" | \'*\') value=${value#?}; value=${value%?} ;; esac
    case $value in '$(('*'))') value=${value#'$(('}; value=${value%'))'} ;; *[!0-9]*) return 1 ;; esac
    without "$value" "$BLANK"
    case $kept in
        '' | ??????????* | *[!-+*/\(\)0-9]* | [-+*/]* | *[-+*/\(][-+*/]* | 0[0-9]* | *[!0-9]0[0-9]*) return 1 ;;
    esac
    # shellcheck disable=SC2004 # it is an expression, not a number
    (say "$(($value))") 2>/dev/null
}

# Sets text, which an echo in the present line prints, and the parts of that line; fails if it is of another form.
parse_echo() {
    case $code in echo["$BLANK"]*) ;; *) return 1 ;; esac
    ltrim "${code#echo}"
    blanks=$cut quote=${trimmed%"${trimmed#?}"} text=${trimmed#?}
    case $quote$text in \"*\"* | \'*\'*) ;; *) return 1 ;; esac
    left=${text#*"$quote"}
    text=${text%%"$quote"*}
    is_plain || return 1
    ltrim "$left"
    gap=$cut
    parse_target "$trimmed" || return 1
    ltrim "$left"
    case $trimmed in
        '' | '#'*) tail='' ;;
        '|| '[A-Za-z]*) case $trimmed in *[!A-Za-z0-9_\|\$\?" $TAB"]*) return 1 ;; esac; tail=$left ;;
        *) return 1 ;;
    esac
}

# Does text mean itself in double quotes, but for variables?
is_plain() { case $text in *[\`\\\"]* | *'$('* | *'${'*[:@%#!^+?=-]*'}'*) return 1 ;; esac; }

# parse_target TEXT: sets target, behind > or >>, its name without quotes, whether it is emptied, and left, the rest.
parse_target() {
    empties=0
    case $1 in '>>'*) ltrim "${1#??}" ;; '>'[!\|\&\(]*) empties=1; ltrim "${1#?}" ;; *) return 1 ;; esac
    space=$cut target=${trimmed%%["$BLANK;|&#<>"]*}
    left=${trimmed#"$target"}
    without "$target" "\"'{}"
    case $kept in '' | /dev/* | *[\`\(]*) return 1 ;; esac
    file_name=$kept
}

# Sets delimiter, and whether it is indented, if the present line begins a here-document, and document_file, if that is
# printed to a file by cat.
find_document() {
    case $code in *'<<<'*) return ;; *'<<'*) left=${code#*'<<'} indented=0 ;; *) return ;; esac
    case $left in -*) indented=1 left=${left#-} ;; esac
    ltrim "$left"
    case $trimmed in
        [\"\']*) quote=${trimmed%"${trimmed#?}"} left=${trimmed#?}; delimiter=${left%%"$quote"*} left=${left#*"$quote"} ;;
        [A-Za-z_]*) delimiter=${trimmed%%[!A-Za-z0-9_]*} left=${trimmed#"${trimmed%%[!A-Za-z0-9_]*}"} ;;
        *) doubt "its here-document has an unknown delimiter" ;;
    esac
    case $code in cat["$BLANK"]*) code=${code#cat} ;; *) return ;; esac
    # In posh, a pattern within double quotes is no pattern.
    text=${code%%'<<'*}
    ltrim "$text$left"
    if parse_target "$trimmed" && ltrim "$left" && [ -z "$trimmed" ]; then document_file=$file_name; fi
}

take_document_line() {
    text=$line
    cut=${line%%[!"$TAB"]*}
    [ "$indented" = 0 ] || text=${line#"$cut"}
    if [ "$text" = "$delimiter" ]; then
        delimiter='' document_file=''
    elif [ -n "$document_file" ]; then
        file_name=$document_file code=$line
        case $text in *\\) [ "$open" = 0 ] || doubt ;; esac
        ltrim "$line"
        case $trimmed in '' | '#'*) return ;; esac
        is_plain || text=''
        before=$cut
        take_print "$text" "echo \"$text\""
        empties=0
    fi
}

# take_print TEXT COMMAND: a line that goes to file_name; opens and closes sections, and notes their usages.
take_print() {
    ltrim "$1"
    case $trimmed in
        \[*v3_req*\]*)
            without "${trimmed%%#*}" "$BLANK"
            # A file that is emptied has lost the section that was in it.
            [ "$empties$file_name$stack" != "1$section_file$section_stack" ] || open=0
            close_section
            [ "$kept" != '[v3_req]' ] || { [ -z "$delimiter" ] && ! is_code; } || open_section
            ;;
        \[*\]*) close_section ;;
    esac
    [ "$open$file_name" = "1$section_file" ] || return 0
    [ "$empties" = 0 ] || [ -z "$section_code" ] || doubt "it empties the file"
    section_code="$section_code$2;"
    case $trimmed in
        extendedKeyUsage["$BLANK="]*) take_usage "${trimmed#*=}" ;;
        '#'*) return 0 ;;
    esac
    if [ "$stack" = "$section_stack" ]; then
        section_place=$number:A$before
        if [ -n "$delimiter" ]; then section_place=$section_place$USAGE; else add_echo; fi
    fi
}

# Adds to section_place an echo in the manner of the present one.
add_echo() {
    echo=echo$blanks$quote$USAGE$quote
    width "${before}echo$blanks$quote$text$quote" 0
    width "$gap" "$columns"
    column=$columns
    width "$before$echo" 0
    if [ "$columns" -ge "$column" ]; then
        gap=${gap#"${gap%?}"}
    elif [ -n "$gap" ]; then
        case $gap in
            *[!"$TAB"]*) gap=$(printf "%$((column - columns))s" '') ;;
            *) gap=$(printf "%$(((column + 7) / 8 - columns / 8))s" '' | tr ' ' "$TAB") ;;
        esac
    fi
    section_place="$section_place$echo$gap>>$space$target$tail"
}

open_section() {
    open=1 section_line=$number section_file=$file_name section_stack=$stack has_usage=0 section_code='' section_place=''
    case $stack in *\?*) doubt "the condition around it" ;; esac
}

close_section() {
    if [ "$open" = 1 ]; then
        case $section_stack in *[wW]*) rank=2 ;; *[nN]*) rank=1 ;; *) rank=0 ;; esac
        [ "$rank" -le "$best" ] || best=$rank first='' missing='' commands=''
        if [ "$rank" = "$best" ]; then
            first=${first:-$section_line} commands=$commands$section_code$NL
            [ "$has_usage" = 1 ] || missing=$missing$section_place$NL
        fi
    fi
    open=0 section_file='' section_stack=''
}

# take_usage VALUES: notes that serverAuth is among them; there is no edit for a usage without it.
take_usage() {
    case ,$(printf %s "${1%%#*}" | tr -d "$BLANK"), in
        *,serverAuth,* | *,1.3.6.1.5.5.7.3.1,*) ;;
        *) doubt "its usage" ;;
    esac
    [ "$stack" = "$section_stack" ] || doubt "the usage depends on a condition"
    [ "$has_usage" = 0 ] || doubt "another usage"
    has_usage=1
}

# A line of another form: after one that uses the file, nothing can be added to its section.
take_other() {
    case $code in
        *\[*v3_req*\]*) ! is_code || doubt; return 0 ;;
        *extendedKeyUsage*) [ "$open" = 0 ] || doubt ;;
    esac
    if [ "$open" = 1 ]; then
        case $code in
            *"${section_file#\$}"*\>* | *\>*"${section_file#\$}"*) doubt ;;
            *"${section_file#\$}"*) close_section ;;
        esac
    fi
}

# ---- Plan: which edits are missing

# plan FILE: prints the default validity, and a line for each edit: its line number, a colon, the kind (V replaces the
# line, A adds a line behind it) and the new text.
plan() {
    read_script "$1"
    case $best:$validity_line:$doubts in
        [02]:*[0-9]:) ;;
        *)
            [ "$best" != 1 ] || first="$first, but not in the branch of a condition on \$EXTENDED_CSR"
            refuse "not recognised: looked for an assignment $NAME=" \
                "(${validity_line:+found in line }${validity_line:-not found}) and for echo lines or a here-document" \
                "that write a section [ v3_req ] to a file (${first:+found in line }${first:-not found})" \
                "${doubts:+and did not understand $doubts}; it was left alone"
            ;;
    esac
    say "$validity_days"
    limit=$DAYS
    [ "$DAYS" != "$DEFAULT_DAYS" ] || limit=$LONGEST
    if [ "$validity_days" -lt 1 ] || [ "$validity_days" -gt "$limit" ]; then
        say "$validity_line:V$validity_edit"
    fi
    printf %s "$missing"
    printf %s "$notes" >&2
}

# prove FILE: its sections must give certificates with serverAuth, as far as there is an openssl to make them.
prove() {
    command -v openssl >/dev/null ||
        { say "$file: openssl is missing, so no certificate was made from the section" >&2; return; }
    [ "$(plan "$1" 2>/dev/null | wc -l)" -eq 1 ] || fail "the result still lacks an edit"
    read_script "$1"
    printf '%s\n' '[ req ]' 'distinguished_name = dn' '[ dn ]' >"$work.cnf"
    openssl ecparam -name prime256v1 -genkey -noout -out "$work.key" 2>/dev/null
    openssl req -new -config "$work.cnf" -key "$work.key" -subj /CN=pbx.invalid -out "$work.req" 2>/dev/null
    printf %s "$commands" | while IFS= read -r section; do
        (
            set +u
            export CA=CA:FALSE KEY_USAGE=digitalSignature SUBJECT_ALT_NAME=DNS:pbx.invalid
            eval "$section"
        ) >"$work.ext"
        if ! openssl x509 -req -in "$work.req" -signkey "$work.key" -days 1 -extfile "$work.ext" -extensions v3_req \
            -out "$work.crt" 2>/dev/null; then
            say "$file: openssl makes no certificate from the section alone, so it was not proven" >&2
            continue
        fi
        [ -n "$(openssl x509 -noout -text -in "$work.crt" | sed -n '/TLS Web Server Authentication/p')" ] ||
            fail "a certificate from the section lacks serverAuth"
    done || exit 1
    (set +f; rm -f "$work".*)
}

# edited EDITS < SCRIPT: prints the script with its edits.
edited() {
    wanted=$NL$1$NL number=0 first_end=''
    while end=$NL && { IFS= read -r line || end=''; } && [ -n "$line$end" ]; do
        number=$((number + 1)) edit=''
        case $line in *"$CR") end=$CR$end line=${line%"$CR"} ;; esac
        [ "$number" != 1 ] || first_end=${end%"$NL"}
        case $wanted in *"$NL$number:"*) edit=${wanted#*"$NL$number:"} ;; esac
        kind=${edit%"${edit#?}"} new=${edit#?}
        new=${new%%"$NL"*}
        # The last line of a file may have no ending; then the first one shows which kind the file has.
        case $kind$end in
            V*) printf %s "$new$end" ;;
            A*"$NL") printf %s "$line$end$new$end" ;;
            A*) printf %s "$line$first_end$NL$new$end" ;;
            *) printf %s "$line$end" ;;
        esac
        case $end in *"$NL") ;; *) break ;; esac
    done
}

# ---- Files

fail() { complain "$*"; exit 1; }
refuse() { complain "$*"; exit 2; }

# Sets real, folder and base of the file that is meant, and refuses what is no script of sensible size.
find_file() {
    case $file in /*) real=$file ;; *) real=./$file ;; esac
    real=$(readlink -f "$real")
    if [ ! -f "$real" ] || [ ! -r "$real" ]; then
        refuse "no regular file that can be read"
    fi
    state="$(ls -ldn "$real") $(sum "$real")"
    strip=''
    [ "$(sed -n "/$CR\$/!p" "$real" | wc -l)" -ne 0 ] || strip="s/$CR\$//"
    folder=${real%/*} base=${real##*/}
    folder=${folder:-/}
    size=$(wc -c <"$real")
    if [ "$size" -gt "$LARGEST" ] || [ "$size" -ne "$(tr -d '\000' <"$real" | wc -c)" ]; then
        refuse "no shell script: it contains a NUL byte, or more than $LARGEST bytes"
    fi
}

# Sets edits, empty if none is missing, and the checksum of the result.
find_edits() {
    find_file
    planned=$(plan "$real") || exit 2
    case $planned in *"$NL"*) edits=${planned#*"$NL"} ;; *) edits='' ;; esac
    result=$(edited "$edits" <"$real" | "$checksum")
}

# describe EDITS: prints a line for each.
describe() {
    printf '%s\n' "$1" | while IFS= read -r edit; do
        number=${edit%%:*}
        case ${edit#*:} in
            V*)
                days=${planned%%"$NL"*}
                say "$file: line $number: the default validity is $days days: $DAYS instead"
                ;;
            *) say "$file: line $number: the section has no extendedKeyUsage" ;;
        esac
    done
}

sum() { "$checksum" <"$1"; }

# owner FILE [dated]: its mode, owner and group, and when it was written.
owner() {
    dated=${2-}
    # shellcheck disable=SC2046 # words are wanted
    set -- $(ls -ldn "$1")
    say "$1 $3 $4 ${dated:+$6 $7 $8}"
}

# flush PATH...: to the disk, in which older tools flush everything.
flush() { sync "$@" 2>/dev/null || sync; }

# copy FROM TO: with all that belongs to it; TO is new.
copy() {
    (set -C && : >"$2") 2>/dev/null || fail "cannot write $2"
    cp --preserve=all "$1" "$2" 2>/dev/null || cp -p "$1" "$2" || fail "cannot copy it to $2"
    [ "$(sum "$1") $(owner "$1")" = "$(sum "$2") $(owner "$2")" ] ||
        fail "its copy has another mode or owner, or it changed meanwhile; be root or its owner"
}

# What a run that was killed has left.
sweep() {
    set +f
    for left in "$folder/.$base.opensslgen-"*; do
        pid=${left#"$folder/.$base.opensslgen-"}
        pid=${pid%%.*}
        case $pid in '' | *[!0-9]*) continue ;; esac
        kill -0 "$pid" 2>/dev/null || [ -d "/proc/$pid" ] || rm -f "$left"
    done
    set -f
}

# Sets backup to the newest original beside the file; fails if there is none.
find_backup() {
    backup='' newest_day=0 newest_number=0
    set +f
    for left in "$real".orig-*; do
        suffix=${left#"$real".orig-}
        day=${suffix%%-*}
        nth=${suffix#"$day"}
        nth=${nth#-}
        nth=${nth:-1}
        case $day:$nth in ????????:*) ;; *) continue ;; esac
        case $day$nth in *[!0-9]*) continue ;; esac
        if [ -f "$left" ] && [ ! -L "$left" ] && { [ "$day" -gt "$newest_day" ] ||
            { [ "$day" -eq "$newest_day" ] && [ "$nth" -gt "$newest_number" ]; }; }; then
            backup=$left newest_day=$day newest_number=$nth
        fi
    done
    set -f
    [ -n "$backup" ]
}

# Is the file what this script makes of its backup, perhaps with other days?
is_ours() {
    (
        DAYS=$(plan "$real" 2>/dev/null) || exit 1
        DAYS=${DAYS%%"$NL"*}
        [ "$DAYS" -ge 1 ] && [ "$DAYS" -le "$LONGEST" ] || exit 1
        made=$(plan "$backup" 2>/dev/null) || exit 1
        case $made in *"$NL"*) made=${made#*"$NL"} ;; *) made='' ;; esac
        [ "$(edited "$made" <"$backup" | "$checksum")" = "$(sum "$real")" ]
    )
}

# keep PREFIX: puts a copy of the file beside it, named PREFIX-DATE, or PREFIX-DATE-2 and so on: a name that is there is
# never taken. Sets name.
keep() {
    copy "$real" "$work.orig"
    dated=$1-$(date +%Y%m%d) nth=1
    name=$dated
    while [ -e "$name" ] || [ -L "$name" ] || ! ln "$work.orig" "$name" 2>/dev/null; do
        if [ ! -e "$name" ] && [ ! -L "$name" ]; then # a file system without hard links
            mv "$work.orig" "$name" || fail "cannot write $name"
            break
        fi
        nth=$((nth + 1))
        name=$dated-$nth
    done
    rm -f "$work.orig"
}

begin_work() {
    # shellcheck disable=SC2046 # words are wanted
    set -- $(ls -ldn "$real")
    [ "$2" = 1 ] || fail "it has $2 hard links, which a new file would not have; copy it first"
    [ -w "$folder" ] || fail "cannot write in $folder"
    sweep
    work=$folder/.$base.opensslgen-$$
    trap 'set +f; rm -f "$work" "$work".*' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

main "$@"
