#!/bin/sh
# Mends a gen_certs.sh whose certificates last too long and lack serverAuth, so that they keep Apple's published list:
# its default validity becomes DAYS (see below), and each [ v3_req ] section that it writes under `if $EXTENDED_CSR`
# gains an extendedKeyUsage line. What is there already stays; what is not recognised is left alone.
#
#   sh patch-gen-certs.sh FILE...            edit; the original is kept as FILE.orig-DATE
#   sh patch-gen-certs.sh --check FILE...    exit 1 if an edit is missing
#   sh patch-gen-certs.sh --diff FILE...     show the edits, change nothing
#   sh patch-gen-certs.sh --restore FILE...  put the newest original back; --restore --force: whatever FILE is by now
#
# Exit 0: fine. 1: an edit is missing, or it failed. 2: usage, or a script that is not recognised.
# Needs a shell, coreutils and sed (busybox's too); bash or else sh must accept the result before it is put in place.
# First comes what is done to each file, then the edits (a reader that goes through the script character by character, so
# that quotes, comments and here-documents are distinguished), then, from "Files" on, all that touches the disk. The last
# line starts main.

# shellcheck disable=SC2016 # single quotes hold patterns for dollar signs
main() {
    DAYS=820
    EKU=serverAuth,clientAuth
    DEFAULT_DAYS=820
    LONGEST=825 # Apple, support page 103769
    LARGEST=1048576

    set -uf
    LC_ALL=C
    export LC_ALL
    umask 077
    TAB=$(printf '\t')
    CR=$(printf '\r')
    NL='
'
    BLANK=" $TAB"
    NAME=DEFAULT_SERVER_CERT_VALIDITY

    checksum="sha256sum"
    command -v "$checksum" >/dev/null || checksum="cksum"
    for file in "$checksum" cp date ln ls mv readlink rm sed sync tr wc; do
        command -v "$file" >/dev/null || fail "this tool is missing here"
    done

    mode=patch force=0
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

    worst=0
    for file in "$@"; do
        outcome=0
        case $mode in
            patch) (patch_file) ;;
            check) (check_file) ;;
            diff) (diff_file) ;;
            restore) (restore_file) ;;
        esac || outcome=$?
        [ "$outcome" -le "$worst" ] || worst=$outcome
    done
    exit "$worst"
}

patch_file() {
    find_file
    find_edits
    if [ -z "$edits" ]; then
        say "$file: both edits are there"
        return
    fi
    begin_work
    copy "$real" "$work"
    [ -w "$work" ] || fail "its owner may not write it"
    edited "$edits" <"$real" >"$work"
    [ "$(sum "$work")" = "$result" ] || fail "cannot write $work"
    [ "$(owner "$real")" = "$(owner "$work")" ] || fail "the new file has another mode or owner"
    check_syntax
    name=''
    if find_backup && { [ "$(sum "$backup") $(dated_owner "$backup")" = "$(sum "$real") $(dated_owner "$real")" ] || is_ours; }; then
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
    find_file
    find_edits
    if [ -n "$edits" ]; then
        describe "$edits"
        exit 1
    fi
    say "$file: both edits are there"
}

diff_file() {
    find_file
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

say() {
    printf '%s\n' "$*"
}

complain() {
    printf 'Error: %s: %s\n' "$file" "$*" >&2
}

# ---- Text

has() { # TEXT PART
    case $1 in *"$2"*) ;; *) return 1 ;; esac
}

ltrim() { # TEXT: sets trimmed, and cut, the blanks that were cut off
    cut=${1%%[!"$BLANK"]*}
    trimmed=${1#"$cut"}
}

rtrim() {
    cut=${1##*[!"$BLANK"]}
    trimmed=${1%"$cut"}
}

without() { # TEXT CHARACTERS: sets kept
    kept='' left=$1
    while [ -n "$left" ]; do
        part=${left%%["$2"]*}
        kept=$kept$part
        left=${left#"$part"}
        left=${left#?}
    done
}

first_word() { # TEXT: sets word, and trimmed, what follows it and blanks
    word=${1%%["$BLANK"]*}
    ltrim "${1#"$word"}"
}

width() { # TEXT START: sets columns, with tab stops every 8
    columns=$2 wide=$1
    while has "$wide" "$TAB"; do
        part=${wide%%"$TAB"*}
        wide=${wide#*"$TAB"}
        columns=$(((columns + ${#part}) / 8 * 8 + 8))
    done
    columns=$((columns + ${#wide}))
}

# ---- Reader: it runs in a subshell, and leaves it with 2 when it does not understand.

not_understood() {
    complain "line $number: not understood${1:+: $1}; it was left alone"
    exit 2
}

# Each construct that is open is a component of path, /LINE.NUMBER.BRANCH and a letter:
#   i            between if and then            '  "  E     quoted: '…'  "…"  $'…'
#   t + e - n    a branch                       S  B        $(…) or <(…),  `…`
#   d  b  (      do … done, { … }, ( … )        A  V  L     $((…)), ${…}, a list or pattern in parentheses
#   c  p         case … in, one of its arms
# Branches + and e are taken if EXTENDED_CSR is true, - and n if not (n: its condition negates it; e: what follows n).
push() {
    count=$((count + 1))
    path=$path/$number.$count.$1
    kind=${1#"${1%?}"}
}

# pop KINDS: closes the innermost construct, which must be one of these; sets component and closed.
pop() {
    case $1 in *"$kind"*) [ -n "$kind" ] || not_understood "$rest" ;; *) not_understood "$rest" ;; esac
    component=${path##*/}
    path=${path%/*}
    closed=$path/${component%.*}.
    kind=${path#"${path%?}"}
}

is_hidden() {
    case $path in *[\'\"ESBAVL]*) ;; *) return 1 ;; esac
}

# read_lines < SCRIPT: calls take_command for each command and take_line for each line of a here-document.
read_lines() {
    number=0 count=0 path='' kind='' may_begin=1 word_begins=1 operator='' closed='' begun=0 joined=0
    documents='' document_count=0 command_has_document=0 document_is_section=0 in_document=0
    redirected=0 text='' segment=''
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%"$CR"}
        if [ "$in_document" = 1 ]; then
            read_document_line
            continue
        fi
        rest=$line segment=$line
        joined=0
        while [ -n "$rest" ]; do
            read_piece
        done
        case $joined$kind in
            1* | *[\'\"EAV]) text=$text$segment$NL; segment='' ;;
            *L) text=$text$segment$NL; segment='' word_begins=1 ;;
            *)
                end_command
                [ "$begun" = 0 ] || text=$text$segment$NL
                may_begin=1 word_begins=1 closed=''
                if [ -n "$documents" ]; then
                    in_document=1
                    [ "$document_count" = 1 ] || document_is_section=0
                fi
                ;;
        esac
    done
    [ "$in_document" = 0 ] || not_understood "a here-document is not closed"
    [ "$joined" = 0 ] || not_understood "the last line goes on"
    if [ -n "$path" ]; then
        number=${path#/}
        number=${number%%.*}
        not_understood "what begins here is not closed"
    fi
}

# Each document's entry is a - for <<-, or a space, and its delimiter.
read_document_line() {
    [ "$begun" = 0 ] || text=$text$line$NL
    entry=${documents%%"$NL"*}
    stripped=$line
    case $entry in -*) stripped=${line#"${line%%[!"$TAB"]*}"} ;; esac
    if [ "$stripped" = "${entry#?}" ]; then
        documents=${documents#*"$NL"}
        [ -n "$documents" ] || in_document=0 document_count=0 document_is_section=0
    elif [ "$document_is_section" = 1 ]; then
        take_document_line
    fi
}

read_piece() {
    case $kind in
        \')
            case $rest in *\'*) rest=${rest#*\'}; pop \' ;; *) rest='' ;; esac
            word_begins=0
            ;;
        E) rest=${rest#"${rest%%[\'\\]*}"}; read_stop ;;
        \") rest=${rest#"${rest%%[\"\\\$\`]*}"}; read_stop ;;
        V) rest=${rest#"${rest%%[\}\'\"\\\$\`]*}"}; read_stop ;;
        A) rest=${rest#"${rest%%[\(\)\'\"\\\$\`]*}"}; read_stop ;;
        L) rest=${rest#"${rest%%[\(\)\'\"\\\$\`"$BLANK"#]*}"}; read_stop ;;
        *) read_code ;;
    esac
}

# Takes the character that quotes, an expansion, an expression or a list stopped at.
read_stop() {
    case $kind$rest in
        ?) return ;;
        E\'* | \"\"* | V\}* | A\)* | L\)*) pop "$kind"; rest=${rest#?} ;;
        ?\(*) push "$kind"; rest=${rest#?} ;;
        ?[" $TAB"]*) word_begins=1; rest=${rest#?}; return ;;
        ?#*) if [ "$word_begins" = 1 ]; then rest=''; else rest=${rest#?}; fi ;;
        ?\\?*) rest=${rest#??} ;;
        ?\\) rest='' ;;
        *) read_quote ;;
    esac
    word_begins=0
}

# Takes what opens or closes a quote or a substitution.
read_quote() {
    case $rest in
        \`*) if [ "$kind" = B ]; then pop B; may_begin=0; else push B; may_begin=1; fi ;;
        \"*) push \" ;;
        # Inside "${…}" an apostrophe is one.
        \'*) case $kind${path%/*} in V*\") ;; *) push \' ;; esac ;;
        '$(('*) push A; push A; rest=${rest#??} ;;
        '$('*) push S; may_begin=1; rest=${rest#?} ;;
        '${'*) push V; rest=${rest#?} ;;
        \$\'*) [ "$kind" = \" ] || { push E; rest=${rest#?}; } ;;
        '$$'* | '$#'* | '$!'*) rest=${rest#?} ;;
    esac
    rest=${rest#?}
}

read_code() {
    case $rest in
        [" $TAB"]*) rest=${rest#?}; word_begins=1 ;;
        \\) rest='' joined=1 ;;
        '&>'*) read_word ;;
        [';&|']*) read_separator ;;
        '#'*) if [ "$word_begins" = 1 ]; then end_command; rest=''; else read_word; fi ;;
        ')'*) read_closing_parenthesis ;;
        '('*) read_opening_parenthesis || read_word ;;
        *) read_word ;;
    esac
}

read_separator() {
    if [ "$kind" = c ]; then
        rest=${rest#?}
        return 0
    fi
    end_command
    closed='' operator=''
    case $kind$rest in
        p\;\;\&*) rest=${rest#???}; pop p ;;
        p\;[\;\&]*) rest=${rest#??}; pop p ;;
        *)
            case $rest in
                '&&'*) operator='&&' rest=${rest#??} ;;
                '||'*) operator='||' rest=${rest#??} ;;
                '|&'*) operator='|' rest=${rest#??} ;;
                '|'*) operator='|' rest=${rest#?} ;;
                *) rest=${rest#?} ;;
            esac
            ;;
    esac
    may_begin=1 word_begins=1
}

# Takes the parenthesis of a pattern, a function or a subshell; fails if it is another one.
read_opening_parenthesis() {
    ltrim "${rest#?}"
    case $may_begin:$kind:$rest in
        1:c:*) may_begin=0; rest=${rest#?} ;;
        0:c:* | 1:*:'(('*) return 1 ;;
        1:*) push '('; operator=''; rest=${rest#?} ;;
        *)
            case $trimmed in \)*) ;; *) return 1 ;; esac
            begun=0 may_begin=1
            rest=${trimmed#?}
            ;;
    esac
    word_begins=1
}

read_closing_parenthesis() {
    if [ "$kind" = c ]; then
        push p
        operator='' may_begin=1 word_begins=1
    else
        end_command
        case $kind in S) may_begin=0 word_begins=0 ;; *) may_begin=1 word_begins=1 ;; esac
        pop 'S('
    fi
    rest=${rest#?}
}

read_word() {
    if [ "$may_begin" = 1 ]; then
        ! read_keyword || return 0
        begin_command
    fi
    case $rest in
        '(('*) push A; push A; rest=${rest#??} ;;
        '('*) push L; rest=${rest#?} ;;
        [\<\>\&]*) read_redirection ;;
        \\?*) rest=${rest#??} ;;
        [\'\"\`\$]*) read_quote ;;
        '#'*) rest=${rest#?} ;;
        *) rest=${rest#"${rest%%[\(\)\'\"\\\$\`"$BLANK"#\;\&\|\<\>]*}"} ;;
    esac
    word_begins=0
}

read_redirection() {
    if [ "$begun$redirected" = 10 ] && ! is_hidden; then
        redirected=1
        arguments=$text${segment%"$rest"}
    fi
    case $rest in
        '<('* | '>('*) push S; may_begin=1; rest=${rest#??} ;;
        '<<<'*) rest=${rest#???} ;;
        '<<'*) read_delimiter ;;
        '&>>'* | '&>&'* | '&>|'*) rest=${rest#???} ;;
        '&>'* | '<>'* | '<&'* | '>>'* | '>&'* | '>|'*) rest=${rest#??} ;;
        *) rest=${rest#?} ;;
    esac
}

read_delimiter() {
    rest=${rest#??}
    entry=' '
    case $rest in -*) rest=${rest#-}; entry=- ;; esac
    ltrim "$rest"
    rest=$trimmed delimited=0
    while [ -n "$rest" ]; do
        case $rest in
            \'*\'*) part=${rest#\'}; part=${part%%\'*}; rest=${rest#\'*\'} ;;
            \"*\"*) part=${rest#\"}; part=${part%%\"*}; rest=${rest#\"*\"} ;;
            \\?*) part=${rest#?}; part=${part%"${part#?}"}; rest=${rest#??} ;;
            [" $TAB"\;\&\|\<\>\(\)\'\"\\]*) break ;;
            *) part=${rest%%["$BLANK"\;\&\|\<\>\(\)\'\"\\]*}; rest=${rest#"$part"} ;;
        esac
        delimited=1
        without "$part" \'\"\\
        entry=$entry$kept
    done
    [ "$delimited" = 1 ] || not_understood "a here-document without a delimiter"
    documents=$documents$entry$NL
    document_count=$((document_count + 1))
    if [ "$begun" = 1 ] && ! is_hidden; then
        command_has_document=1
    fi
}

# Takes a reserved word; fails if there is none.
read_keyword() {
    keyword=${rest%%["$BLANK"\;\&\|\(\)\<\>\`]*}
    if [ "$kind" = c ] && [ "$keyword" != "esac" ]; then
        return 1
    fi
    case $keyword in
        then | elif | else) turn ;;
        fi) pop t+e-n ;;
        done) pop d ;;
        \}) pop b ;;
        'esac') [ "$kind" != p ] || pop p; pop c ;;
        if) push ti ;;
        do) push d ;;
        \{) push b ;;
        case) push c ;;
        while | until | time | !) ;;
        function) read_function; return ;;
        for) read_for; return ;;
        *) return 1 ;;
    esac
    rest=${rest#"$keyword"}
    operator='' may_begin=1
    case $keyword in !) operator=! ;; case) may_begin=0 ;; esac
}

# Only `for NAME do` is read here; else the words after for are like those of a command.
read_for() {
    ltrim "${rest#for}"
    part=${trimmed%%[!A-Za-z0-9_]*}
    [ -n "$cut" ] && [ -n "$part" ] || return 1
    ltrim "${trimmed#"$part"}"
    [ -n "$cut" ] || return 1
    case $trimmed in do | do[" $TAB;"]*) ;; *) return 1 ;; esac
    rest=$trimmed operator=''
}

read_function() {
    rest=${rest#function}
    ltrim "$rest"
    part=${trimmed%%["$BLANK"\;\&\|\(\)\<\>]*}
    [ -n "$cut" ] && [ -n "$part" ] || return 0
    rest=${trimmed#"$part"}
    ltrim "$rest"
    case $trimmed in
        \(*)
            ltrim "${trimmed#?}"
            case $trimmed in \)*) rest=${trimmed#?} ;; esac
            ;;
    esac
}

# Steps from an if's condition into its branch, or from a branch to the next.
turn() {
    if [ "$keyword" = "then" ]; then pop i; else pop t+e-n; fi
    kind=${component##*.}
    case $keyword${kind##*[0-9]} in
        thenti | elset | elift) kind=t ;;
        then+i) kind=+ ;;
        then-i | else[-+] | elif[-+]) kind=- ;;
        thenni) kind=n ;;
        thenei | else[ne] | elif[ne]) kind=e ;;
    esac
    [ "$keyword" != elif ] || kind=${kind}i
    count=$((count + 1))
    path=$closed$count$kind
    kind=${kind#"${kind%?}"}
    closed=''
}

begin_command() {
    may_begin=0
    if [ "$kind" = c ] || is_hidden; then
        return
    fi
    begun=1 redirected=0 command_has_document=0 text='' segment=$rest first=$number before=${line%"$rest"}
    command_operator=$operator closes=''
    operator=''
    case ${rest#"${rest%%[!0-9]*}"} in [\<\>]*) closes=$closed ;; esac
    case $rest in '&>'*) closes=$closed ;; esac
    closed=''
}

end_command() {
    if [ "$begun" = 0 ] || is_hidden; then
        return
    fi
    text=$text${segment%"$rest"}
    rtrim "$text"
    after=$cut$rest text=$trimmed begun=0
    if [ "$redirected" = 1 ]; then
        rtrim "$arguments"
        case $arguments in [0-9] | *[" $TAB"][0-9]) trimmed=${arguments%?} ;; esac
        rtrim "$trimmed"
        while :; do
            case $trimmed in *"\\$NL") rtrim "${trimmed%??}" ;; *) break ;; esac
        done
        arguments=$trimmed
    else
        arguments=$text
    fi
    take_command
    [ "$kind" != i ] || weigh_condition
    text=''
}

# Notes in path whether a condition asks for EXTENDED_CSR, or for its contrary.
weigh_condition() {
    case $text in
        *'$EXTENDED_CSR' | *'$EXTENDED_CSR'[!A-Za-z0-9_]* | *'${EXTENDED_CSR'[!A-Za-z0-9_]*) ;;
        *) return ;;
    esac
    sign=+ other=n
    [ "$command_operator" != ! ] || sign=n other=+
    case $text in *!=* | *'[ !'* | *'test !'* | *'-ne '*) swap=$sign sign=$other other=$swap ;; esac
    for no in false no 0; do
        case "$text " in *'-z '* | *[\ \"\'=]"$no"[\ \"\']*) sign=$other; break ;; esac
    done
    path=${path%??}${sign}i
}

# ---- Places: what the commands say about certificates

# take_command: text, arguments (all before the first redirection), before and after (the rest of its first and last
# line), first and number (of these lines), command_operator, path, closes, command_has_document.
take_command() {
    case $text in *"$NAME="*) take_assignment ;; esac
    conditional=0
    case $command_operator$was_part in '&&0' | '||'? | '|'?) conditional=1 ;; esac
    was_part=0
    find_target
    if [ -n "$closes" ]; then
        groups=$groups$closes\ $target$NL
        return
    fi
    case $text in
        echo[" $TAB"]* | printf[" $TAB"]*) take_echo ;;
        *)
            if [ "$command_has_document" = 1 ] && is_plain_cat; then
                [ "$truncates" = 0 ] || truncate_section
                document_is_section=1
            else
                pass_by
            fi
            ;;
    esac
}

is_plain_cat() {
    case $arguments in cat | cat["$BLANK"]*) ;; *) return 1 ;; esac
    ltrim "${arguments#cat}"
    rtrim "$trimmed$after"
    case $trimmed in '' | -) return 0 ;; esac
    return 1
}

# Sets target, the file that standard output goes to, and whether that is emptied first.
find_target() {
    target='' truncates=0
    left=${text#"$arguments"}
    case $left in *">"*) ;; *) return ;; esac
    case ${left%%">"*} in *[02-9]) return ;; esac
    left=${left#*">"}
    case $left in
        ">"*) left=${left#?} ;;
        "&"*) ;;
        "|"*) left=${left#?} truncates=1 ;;
        *) truncates=1 ;;
    esac
    while :; do
        ltrim "$left"
        case $trimmed in "\\$NL"*) left=${trimmed#??} ;; *) break ;; esac
    done
    without "${trimmed%%["$BLANK$NL"\<\>]*}" "\"'{}"
    case $kept in '&1' | '&2' | /dev/*) ;; *) target=$kept ;; esac
}

take_assignment() {
    left=$text
    case $left in
        export["$BLANK"]* | readonly["$BLANK"]* | local["$BLANK"]* | declare["$BLANK"]* | typeset["$BLANK"]*)
            first_word "$left"
            while :; do
                left=$trimmed
                first_word "$left"
                case $word in - | -*[!A-Za-z]* | [!-]* | "$left") break ;; esac
            done
            ;;
    esac
    case $left in "$NAME="*) ;; *) return ;; esac
    value=${left#*=}
    new=$before${text%"$value"}
    value_days=$(evaluate) || value_days=''
    if [ -n "$validity_line" ]; then
        if [ -z "$value_days" ] || [ "$value_days" -gt "$LONGEST" ]; then
            notes="${notes}line $first sets $NAME again, and was left alone: ${text%%"$NL"*}$NL"
        fi
        return
    fi
    validity_line=$first validity_days=$value_days validity_text=${text%%"$NL"*}
    ltrim "$after"
    case $trimmed in
        '' | '#'*) validity_edit="$new\$(($DAYS)) # $DAYS days" ;;
        *) validity_edit="$new\$(($DAYS))$after" ;;
    esac
}

# Prints the number that value stands for: digits, or a small sum or product in $((…)).
evaluate() {
    case $value in
        *"$NL"* | \'*\$*\') return 1 ;;
        \"*\" | \'*\') value=${value#?}; value=${value%?} ;;
    esac
    case $value in
        '$(('*'))')
            value=${value#'$(('}
            value=${value%'))'}
            ;;
        *[!0-9]*) return 1 ;;
    esac
    without "$value" "$BLANK"
    case $kept in
        '' | ??????????* | *[!-+*/\(\)0-9]* | [-+*/]* | *[-+*/\(][-+*/]* | 0[0-9]* | *[!0-9]0[0-9]*) return 1 ;;
    esac
    # shellcheck disable=SC2004 # it is an expression, not a number
    (say "$(($value))") 2>/dev/null
}

take_echo() {
    [ "$truncates" = 0 ] || truncate_section
    case $text in *\[* | *extendedKeyUsage*) take_pieces ;; esac
    if is_level; then
        was_part=1
        [ "$section_run" = 0 ] || put_behind_command
    elif ! concerns; then
        pass_by
    fi
}

# Calls take_line for each line that an echo or printf prints; quotes are taken for line breaks.
take_pieces() {
    case $arguments in echo["$BLANK"]* | printf["$BLANK"]*) ;; *) return ;; esac
    first_word "$arguments"
    while :; do
        printed=$trimmed
        first_word "$printed"
        case $word in - | -*[!neE]* | [!-]* | '' | "$printed") break ;; esac
    done
    line_of_usage=$first alone=1
    case $text in
        *extendedKeyUsage*extendedKeyUsage*) alone=0 ;;
        *extendedKeyUsage*)
            left=${text%%extendedKeyUsage*}
            while has "$left" "$NL"; do
                left=${left#*"$NL"}
                line_of_usage=$((line_of_usage + 1))
            done
            ;;
    esac
    pieces=$(printf '%s\n' "$printed" | sed "s/\\\\n/\\$NL/g; s/[\"']/\\$NL/g")
    while IFS= read -r piece; do
        take_line "$piece"
    done <<EOF
$pieces
EOF
}

take_document_line() {
    line_of_usage=$number alone=1
    take_line "$line"
    ltrim "$line"
    case $trimmed in '' | '#'*) return ;; esac
    if is_level && [ "$section_run" = 1 ]; then
        section_column=-1
        rtrim "$trimmed"
        case $trimmed in
            *\\) section_place='' ;;
            *) section_place="$number:A${line%%[!"$BLANK"]*}$USAGE" ;;
        esac
    fi
}

# take_line TEXT: a line that is printed; opens and closes sections, and notes their usages.
take_line() {
    ltrim "$1"
    case $trimmed in
        \[*\]*)
            heading=${trimmed#?}
            ltrim "${heading#*\]}"
            case $trimmed in
                '' | '#'*) ltrim "${heading%%\]*}"; rtrim "$trimmed"; take_heading "$trimmed" ;;
            esac
            ;;
        extendedKeyUsage*)
            ltrim "${trimmed#extendedKeyUsage}"
            case $trimmed in =*) take_usage "${trimmed#=}" ;; esac
            ;;
    esac
}

take_heading() {
    if [ "$1" = v3_req ]; then
        close_section
        section_open=1 section_line=$first section_path=$path section_target=$target section_run=1
        section_place='' section_usages='' section_column=-1
        # A condition of its first line is one of the whole section.
        conditional=0
    elif concerns; then
        close_section
    fi
}

# Notes of each usage: conditional, has serverAuth, known, alone in its command; its line.
take_usage() {
    concerns || return 0
    ltrim "${1%%"#"*}"
    rtrim "$trimmed"
    deeper=$conditional server=0 known=0
    [ "${#path}" -le "${#section_path}" ] || deeper=1
    case $trimmed in *[!A-Za-z0-9.," $TAB"]*) ;; *[A-Za-z0-9]*) known=1 ;; esac
    left=$trimmed,
    while [ -n "$left" ]; do
        ltrim "${left%%,*}"
        rtrim "$trimmed"
        left=${left#*,}
        case $trimmed in serverAuth | 1.3.6.1.5.5.7.3.1 | 'TLS Web Server Authentication') server=1 ;; esac
    done
    section_usages="$section_usages $deeper$server$known$alone:$line_of_usage"
}

# Is what the present command prints part of the section that is open, with or without an additional condition?
concerns() {
    [ "$section_open" = 1 ] && [ "$target" = "$section_target" ] || return 1
    case $section_path/ in "$path"/*) return 0 ;; esac
    case $path/ in "$section_path"/*) return 0 ;; esac
    return 1
}

is_level() {
    [ "$conditional" = 0 ] && [ "$path" = "$section_path" ] && concerns
}

truncate_section() {
    [ "$target" != "$section_target" ] || close_section
}

# Behind a command that may use the file nothing is put.
pass_by() {
    case $text in
        *'$('* | *\`*) ;;
        *)
            word=${text%%["$BLANK$NL"]*}
            case $word in
                \[ | \[\[ | test | : | true | false | echo | printf | for | local | export | readonly | declare) return ;;
                [A-Za-z_]*=*)
                    part=${word%%=*}
                    part=${part%+}
                    case $part in *[!A-Za-z0-9_]*) ;; *) return ;; esac
                    ;;
            esac
            ;;
    esac
    case $path/ in "$section_path"/*) section_run=0 ;; esac
}

ends_its_line() {
    ltrim "${arguments#"${arguments%%["$BLANK"]*}"}"
    case $arguments in
        echo["$BLANK"]*)
            while :; do
                part=${trimmed%%["$BLANK"]*}
                case $part in -*[!eE]* | - | [!-]* | "$trimmed") break ;; esac
                ltrim "${trimmed#"$part"}"
            done
            left=${trimmed#-}
            while :; do
                case $left in [eE]*) left=${left#?} ;; *) break ;; esac
            done
            case $trimmed$NL$left in -*"$NL"n*) return 1 ;; esac
            ;;
        printf["$BLANK"]*)
            left=${trimmed#?}
            case $trimmed in
                \"*) left=${left%%\"*} ;;
                \'*) left=${left%%\'*} ;;
                *) return 1 ;;
            esac
            case $left in *\\n) ;; *) return 1 ;; esac
            ;;
    esac
}

# Notes in section_place the edit that puts another line behind this command, in its manner.
put_behind_command() {
    section_place='' last_column=$section_column section_column=-1
    ends_its_line || return 0
    ltrim "${text#"${text%%["$BLANK"]*}"}"
    quote=\" blanks=' '
    case $text in
        echo*)
            blanks=$cut
            case $trimmed in \'*) quote=\' ;; esac
            ;;
    esac
    echo="echo$blanks$quote$USAGE$quote"
    left=${text#"$arguments"}
    ltrim "$left"
    column=''
    case $before$NL$text in
        *[!"$BLANK"]*"$NL"* | *"$NL"*"$NL"*) ;;
        *)
            width "$before$arguments" 0
            start=$columns
            width "$cut" "$start"
            section_column=$columns
            if [ "$columns" = "$last_column" ] || [ "$columns" -ge $((start + 2)) ]; then
                column=$columns
            fi
            ;;
    esac
    while has "$left" "\\$NL"; do
        rtrim "${left%%"\\$NL"*}"
        part=$trimmed
        ltrim "${left#*"\\$NL"}"
        left="$part $trimmed"
    done
    ltrim "$left"
    gap=$cut
    append_to "$trimmed"
    case $redirection in *"$NL"*) return ;; esac
    ltrim "$before"
    if [ -z "$trimmed" ]; then
        place_on_a_line
        [ -z "$section_place" ] || return 0
    fi
    ltrim "$after"
    case $command_operator$trimmed in
        '' | [\;\)#]*) section_place="$number:R${line%"$after"}; $echo${gap:+ }$redirection$after" ;;
    esac
}

# append_to REDIRECTION: sets redirection, in which > has become >>.
append_to() {
    redirection=$1 part=''
    case $redirection in
        [01\&]">"*) part=${redirection%"${redirection#?}"}; redirection=${redirection#?} ;;
    esac
    case $redirection in
        ">>"* | ">&"*) ;;
        ">|"*) redirection=">>${redirection#??}" ;;
        ">"*) redirection=">>${redirection#?}" ;;
    esac
    redirection=$part$redirection
}

place_on_a_line() {
    ltrim "$after"
    case $trimmed in
        '' | '#'*) tail='' ;;
        \;*)
            ltrim "${trimmed#?}"
            case $trimmed in '' | '#'*) tail='' ;; *) return ;; esac
            ;;
        '&&'*)
            ltrim "${trimmed#??}"
            case $trimmed in '' | \\) tail=$after ;; *) return ;; esac
            ;;
        '||'*)
            ltrim "${trimmed#??}"
            case $trimmed in
                '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9_\$\?" $TAB"]*) return ;;
                *) tail=$after ;;
            esac
            ;;
        *) return ;;
    esac
    if [ -n "$column" ] && [ -n "$gap" ]; then
        width "$before$echo" 0
        if [ "$columns" -ge "$column" ]; then
            gap=${gap#"${gap%?}"}
        else
            case $gap in
                *[!"$TAB"]*) blank=' ' step=$((column - columns)) ;;
                *) blank=$TAB step=$(((column + 7) / 8 - columns / 8)) ;;
            esac
            gap=''
            while [ "$step" -gt 0 ]; do
                gap=$gap$blank step=$((step - 1))
            done
        fi
    fi
    section_place="$number:A$before$echo$gap$redirection$tail"
}

# A section is noted in four lines: where it begins and its path, its target, its usages, the edit that would add one.
close_section() {
    [ "$section_open" = 0 ] ||
        sections=$sections$section_line\ $section_path$NL$section_target$NL$section_usages$NL$section_place$NL
    section_open=0
}

# ---- Plan: which edits are missing

# plan < SCRIPT: prints the default validity, and a line for each edit: its line number, a colon, the kind (V and R
# replace the line, S adds serverAuth in it, A adds a line behind it) and the new text.
plan() {
    validity_line='' validity_days='' notes='' groups='' sections='' was_part=0
    section_open=0 section_run=0 section_path='' section_target='' section_column=-1
    USAGE="extendedKeyUsage   = $EKU"
    read_lines
    close_section
    find_sections
    if [ -z "$validity_line" ] || [ -z "$chosen" ]; then
        found="not found"
        [ -z "$validity_line" ] || found="found in line $validity_line"
        complain "not recognised: looked for an assignment $NAME= ($found) and for echo lines or a here-document" \
            "that write a section [ v3_req ] to a file ($sections_found); it was left alone"
        exit 2
    fi
    number=$validity_line
    [ -n "$validity_days" ] || not_understood "$validity_text"
    say "$validity_days"
    limit=$DAYS edits=$NL
    [ "$DAYS" != "$DEFAULT_DAYS" ] || limit=$LONGEST
    if [ "$validity_days" -lt 1 ] || [ "$validity_days" -gt "$limit" ]; then
        add_edit "$validity_line:V$validity_edit"
    fi
    plan_usages
    printf %s "${edits#"$NL"}"
    printf %s "$notes" >&2
}

add_edit() {
    number=${1%%:*}
    case $edits in *"$NL$number:"*) not_understood "two edits in one line" ;; esac
    edits=$edits$1$NL
}

# Sets chosen to the sections that certificates for phones come from: those in the branch for EXTENDED_CSR; if there is
# none in either branch of such a condition, all; if they are in the other branch only, none.
find_sections() {
    chosen='' all='' branched=0
    while IFS= read -r place_and_path && IFS= read -r target && IFS= read -r usages && IFS= read -r edit; do
        [ -n "$target" ] || is_redirected "${place_and_path#* }" || continue
        section=${place_and_path%% *}$usages$NL$edit$NL
        all=$all$section
        case $place_and_path in *[+e]*) chosen=$chosen$section branched=1 ;; *[-n]*) branched=1 ;; esac
    done <<EOF
$sections
EOF
    [ "$branched" = 1 ] || chosen=$all
    sections_found="not found"
    [ -z "$all" ] ||
        sections_found="found in line ${all%%[!0-9]*}, but not in the branch of a condition on \$EXTENDED_CSR"
    [ -z "$chosen" ] || sections_found="found in line ${chosen%%[!0-9]*}"
}

# is_redirected PATH: does the innermost group around it that has a redirection go to a file?
is_redirected() {
    longest='' outcome=1
    while read -r group group_target; do
        [ -n "$group" ] || continue
        case $1 in
            "$group"*)
                if [ "${#group}" -gt "${#longest}" ]; then
                    longest=$group outcome=1
                    [ -z "$group_target" ] || outcome=0
                fi
                ;;
        esac
    done <<EOF
$groups
EOF
    return "$outcome"
}

plan_usages() {
    while IFS= read -r section && IFS= read -r edit; do
        number=${section%% *}
        usages=${section#"$number"}
        if [ -z "$usages" ]; then
            [ -n "$edit" ] || not_understood "nothing can be added to the section [ v3_req ] that is written here"
            add_edit "$edit"
            continue
        fi
        ! complies || continue
        for usage in $usages; do
            number=${usage#*:}
            case $usage in
                1*) not_understood "extendedKeyUsage is written under an additional condition" ;;
                01*) ;;
                0011*) add_edit "$number:S" ;;
                *) not_understood extendedKeyUsage ;;
            esac
        done
    done <<EOF
${chosen%"$NL"}
EOF
}

complies() {
    unconditional=1
    for usage in $usages; do
        case $usage in ?0*) return 1 ;; 0*) unconditional=0 ;; esac
    done
    return "$unconditional"
}

# edited EDITS < SCRIPT: prints the script with its edits.
edited() {
    wanted=$NL$1$NL number=0 first_end=''
    while :; do
        end=$NL
        IFS= read -r line || end=''
        [ -n "$line$end" ] || break
        number=$((number + 1))
        case $line in *"$CR") end=$CR$end line=${line%"$CR"} ;; esac
        [ "$number" != 1 ] || first_end=${end%"$NL"}
        case $wanted in
            *"$NL$number:"*) edit=${wanted#*"$NL$number:"}; edit=${edit%%"$NL"*}; edit_line ;;
            *) printf %s "$line$end" ;;
        esac
        case $end in *"$NL") ;; *) break ;; esac
    done
}

edit_line() {
    new=${edit#?}
    case $edit in
        A*)
            # The last line of a file may have no ending; then the first one shows which kind the file has.
            case $end in *"$NL") printf %s "$line$end" ;; *) printf %s "$line$first_end$NL" ;; esac
            ;;
        S*)
            case $line in *extendedKeyUsage*extendedKeyUsage*) not_understood extendedKeyUsage ;; esac
            new=$(printf '%s\n' "$line" |
                sed "s/extendedKeyUsage[$BLANK]*=[$BLANK]*\(critical[$BLANK]*,[$BLANK]*\)\{0,1\}/&serverAuth,/")
            ;;
    esac
    printf %s "$new$end"
}

# ---- Files

fail() {
    complain "$*"
    exit 1
}

# Sets real, folder and base of the file that is meant, and refuses what is no script of sensible size.
find_file() {
    case $file in /*) real=$file ;; *) real=./$file ;; esac
    real=$(readlink -f "$real")
    if [ ! -f "$real" ] || [ ! -r "$real" ]; then
        complain "no regular file that can be read"
        exit 2
    fi
    folder=${real%/*} base=${real##*/}
    folder=${folder:-/}
    size=$(wc -c <"$real")
    if [ "$size" -gt "$LARGEST" ] || [ "$size" -ne "$(tr -d '\000' <"$real" | wc -c)" ]; then
        complain "no shell script: it contains a NUL byte, or more than $LARGEST bytes"
        exit 2
    fi
}

# Sets edits, empty if none is missing, and the checksum of the result.
find_edits() {
    planned=$(plan <"$real") || exit 2
    case $planned in *"$NL"*) edits=${planned#*"$NL"} ;; *) edits='' ;; esac
    result=$(edited "$edits" <"$real") || exit 2
    result=$(edited "$edits" <"$real" | "$checksum")
}

# describe EDITS: prints a line for each.
describe() {
    printf '%s\n' "$1" | while IFS= read -r edit; do
        number=${edit%%:*}
        case ${edit#*:} in
            V*) say "$file: line $number: the default validity is ${planned%%"$NL"*} days: $DAYS instead" ;;
            S*) say "$file: line $number: the extended key usage lacks serverAuth" ;;
            *) say "$file: line $number: the section has no extendedKeyUsage" ;;
        esac
    done
}

sum() {
    "$checksum" <"$1"
}

# owner FILE: its mode, owner and group.
owner() {
    # shellcheck disable=SC2046 # words are wanted
    set -- $(ls -ldn "$1")
    say "$1 $3 $4"
}

# dated_owner FILE: that too, and when it was written.
dated_owner() {
    # shellcheck disable=SC2046 # words are wanted
    set -- $(ls -ldn "$1")
    say "$1 $3 $4 $6 $7 $8"
}

# flush PATH...: to the disk, in which older tools flush everything.
flush() {
    sync "$@" 2>/dev/null || sync
}

refuse_links() {
    # shellcheck disable=SC2046 # words are wanted
    set -- $(ls -ldn "$real")
    [ "$2" = 1 ] || fail "it has $2 hard links, which a new file would not have; copy it first"
}

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
        case $pid in
            '' | *[!0-9]*) ;;
            *) kill -0 "$pid" 2>/dev/null || [ -d "/proc/$pid" ] || rm -f "$left" ;;
        esac
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
        case $day:${nth:=1} in
            ????????:*[!0-9]* | *[!0-9]*:*) continue ;;
            ????????:*) ;;
            *) continue ;;
        esac
        if [ ! -f "$left" ] || [ -L "$left" ]; then
            continue
        fi
        if [ "$day" -gt "$newest_day" ] || { [ "$day" -eq "$newest_day" ] && [ "$nth" -gt "$newest_number" ]; }; then
            backup=$left newest_day=$day newest_number=$nth
        fi
    done
    set -f
    [ -n "$backup" ]
}

# Is the file what this script makes of its backup, perhaps with other days?
is_ours() {
    (
        DAYS=$(plan <"$real" 2>/dev/null) || exit 1
        DAYS=${DAYS%%"$NL"*}
        [ "$DAYS" -ge 1 ] && [ "$DAYS" -le "$LONGEST" ] || exit 1
        made=$(plan <"$backup" 2>/dev/null) || exit 1
        case $made in *"$NL"*) made=${made#*"$NL"} ;; *) made='' ;; esac
        [ "$(edited "$made" <"$backup" | "$checksum")" = "$(sum "$real")" ]
    )
}

# next_name PREFIX: sets name to PREFIX-DATE, or PREFIX-DATE-2 and so on, which is not there yet.
next_name() {
    name=$1-$(date +%Y%m%d) nth=1
    dated=$name
    while [ -e "$name" ] || [ -L "$name" ]; do
        nth=$((nth + 1))
        name=$dated-$nth
    done
}

# keep PREFIX: puts a copy of the file beside it; a name that is there is never taken. Sets name.
keep() {
    copy "$real" "$work.orig"
    next_name "$1"
    until ln "$work.orig" "$name" 2>/dev/null; do
        if [ ! -e "$name" ]; then # a file system without hard links
            mv "$work.orig" "$name" || fail "cannot write $name"
            break
        fi
        next_name "$1"
    done
    rm -f "$work.orig"
}

begin_work() {
    refuse_links
    [ -w "$folder" ] || fail "cannot write in $folder"
    sweep
    work=$folder/.$base.opensslgen-$$
    trap 'rm -f "$work" "$work.orig"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    state="$(ls -ldn "$real") $(sum "$real")"
}

# A script whose every line ends in CR LF is no shell script before or after, so it is checked without the CRs.
check_syntax() {
    checker="bash"
    command -v bash >/dev/null || checker="sh"
    if ! said=$("$checker" -n "$work" 2>&1); then
        if [ "$(sed -n "/$CR\$/!p" "$work" | wc -l)" -ne 0 ] || ! sed "s/$CR\$//" "$work" | "$checker" -n 2>/dev/null; then
            fail "$checker -n does not accept the result, so it was left alone: ${said%%"$NL"*}"
        fi
    fi
}

main "$@"
