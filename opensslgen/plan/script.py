"""A plan as shell: a standalone POSIX script, or the files and openssl commands alone."""

from __future__ import annotations

import posixpath
import re
import shlex
from datetime import date
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern
from opensslgen.text import quote, visible
from opensslgen.x509.extensions import PRINTED_USAGES
from opensslgen.x509.pem import base64_lines

from .layout import CRL_NUMBER, INDEX, INDEX_ATTRIBUTES
from .secrets import SECRETS
from .steps import (
    PIPED,
    Argument,
    Check,
    CheckChain,
    Checking,
    CheckKey,
    CheckRevocationList,
    CheckRevoked,
    CheckSame,
    CopyDatabase,
    Existing,
    Join,
    Legacy,
    Outside,
    PassphraseOnStdin,
    Plan,
    Publish,
    Run,
    Serial,
    Step,
    Validity,
    VerifyRequest,
    Write,
)
from .template import EASYRSA_CONFIG, shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.names.general import GeneralName

_TOOLS = (
    *(
        "printf",
        "cat",
        "chmod",
        "cksum",
        "cp",
        "cut",
        "date",
        "dirname",
        "grep",
        "id",
        "ln",
        "ls",
        "mkdir",
        "mktemp",
        "mv",
        "od",
    ),
    *("readlink", "rm", "rmdir", "sed", "sleep", "sort", "tail", "tr", "uname", "wc"),
)
"""What scripts may call besides openssl; each first checks those that it does call."""
_SELDOM = ("need_tools", "are_same", "carry_out", "is_own", "refuse_link")
"""Functions whose tools most runs do not need; these fail where a tool is missing, and a smaller box is enough."""
_INDENT = "    "
_WIDTH = 100
"""Columns after which a command goes on in a new line."""
_FUNCTION = pattern(r"^(?:#.*\n)*(\w+)\(\) [({]\n(?:.*\n)*?[)}]\n", re.MULTILINE)
_HERE_DOCUMENT = pattern(r"<<'?(\w+)'?(.*\n)(?:.*\n)*?\1\n")
_COMMENT = pattern(r"^ *#.*\n", re.MULTILINE)


EARLIEST = date(2026, 9, 1)
"""What the clock says at least: three months before this version was released, as some set theirs back for a test."""


def earliest_day() -> int:
    """Return EARLIEST in days since 1970, as the function check_clock of the scripts takes it."""
    return (EARLIEST - date(1970, 1, 1)).days


def as_script(plan: Plan, *, version: str, folder: str = "./pki", any_clock: bool = False) -> str:
    """Return the plan as a standalone POSIX shell script that needs openssl, coreutils, grep and sed.

    It works in the pki folder of its argument, or in `folder`. It begins with `main`, which does the steps of the
    plan; the functions follow. With `any_clock` it does not look at the clock. Raises UsageError
    for file names with white space, because the script stores its decision as words separated by spaces.
    """
    for publish in plan.publish:
        for name in (publish.source, publish.target):
            if len(name.split()) != 1:
                raise UsageError(
                    f"cannot print a script for a file whose name contains white space: {quote(name)}",
                    hint="run the command without --script",
                )
    argument = "PKI-FOLDER" if plan.database else "FOLDER"
    lines = [
        "set -eu",
        "umask 077",
        "clean_environment",
        "case ${1-} in",
        f'    -h | --help) echo "usage: sh $0 [{argument}]" && exit 0 ;;',
        f'    -*) fail "unknown option $1; usage: sh $0 [{argument}]" ;;',
        "esac",
        f'[ $# -le 1 ] || fail "usage: sh $0 [{argument}]"',
        f"[ $# -eq 1 ] || set -- {shlex.quote(folder)}",
        'open_folder "$1"' if plan.database else 'open_folder "$1" 022',
        *(f"need_file {shlex.quote(need)}" for need in plan.needs),
        *(f"refuse_file {shlex.quote(each.target)}" for each in plan.publish if each.existing is Existing.REFUSE),
        *(f"need_secret {name}" for name in plan.secrets),
        *([f"check_clock {earliest_day()}"] if plan.records and not any_clock else []),
    ]
    lines += ["", "# From here on in a private folder inside that one: the files, the openssl commands, the checks."]
    for step in plan.steps:
        lines += [*_in_script(step), ""]
    lines.append("# All of it is put in place, or nothing.")
    lines += ["open_database"] if plan.database else []
    for record in plan.records:
        subject = () if record.subject is None else (record.subject,)
        lines.append(shlex.join(["record", record.certificate, record.config, *subject]))
    lines += [shlex.join(["keep", publish.target]) for publish in plan.publish if publish.existing is Existing.KEEP]
    lines += [_staged(publish) for publish in plan.publish]
    lines.append("decide")
    lines += [f'echo "$pki"/{shlex.quote(each.target)}' for each in plan.publish if each.what or not plan.database]
    story = [
        "#!/bin/sh",
        "# shellcheck disable=SC2016 # a dollar sign in single quotes is meant as it stands",
        f"# opensslgen {version}: {visible(plan.title)}.",
        f"# Usage: sh THIS [{argument}]. Needs openssl, coreutils, grep and sed. {_replaces(plan)}",
        "# main does the work, step by step; the functions that it calls follow, and the last line starts it.",
        "",
        "main() {",
        *(line and _INDENT + line for line in lines),
        "}",
        "",
    ]
    program = with_functions("\n".join(story), shipped("functions.sh"))
    return f'{program}\nmain "$@"\n'


def steps_script(plan: Plan) -> str:
    """Return the steps of the script, without publishing."""
    return "\n\n".join("\n".join(_in_script(step)) for step in plan.steps)


def extension_files(plan: Plan) -> tuple[Write, ...]:
    """Return the files from which the plan's commands take the extensions of certificates, in their order."""
    named = set()
    for step in plan.steps:
        if isinstance(step, Run) and "-extensions" in step.arguments:
            option = "-extfile" if "-extfile" in step.arguments else "-config"
            named.add(step.arguments[step.arguments.index(option) + 1])
    return tuple(step for step in plan.steps if isinstance(step, Write) and step.path in named)


def with_functions(story: str, library: str) -> str:
    """Return a shell program followed by the functions of a library that it calls, directly or not."""
    functions = {found[1]: found[0] for found in _FUNCTION.finditer(library)}
    called: set[str] = set()
    unread = [story]
    while unread:
        code = _COMMENT.sub("", _HERE_DOCUMENT.sub(r"\2", unread.pop()))
        new = functions.keys() & set(re.findall(r"\w+", code)) - called
        called |= new
        unread += [functions[name] for name in new]
    text = "\n".join((story, *(function for name, function in functions.items() if name in called)))
    code = text
    for name in _SELDOM:
        code = code.replace(functions.get(name, ""), "")
    code = code.replace("are_same ", "cksum ")
    text = text.replace("@TOOLS@", " ".join(tool for tool in _TOOLS if re.search(rf"(?m)(?:^|[ (|]){tool} ", code)))
    return text.replace(f"#include {EASYRSA_CONFIG}\n", shipped(EASYRSA_CONFIG))


def call(function: str, *arguments: str, stdin: bytes | None = None) -> str:
    """Return the lines that call a function, perhaps with bytes on its standard input, in base64."""
    line = shlex.join([function, *arguments])
    if stdin is None:
        return line
    return "\n".join((f"{line} <<'EOF'", *base64_lines(stdin), "EOF"))


def as_commands(plan: Plan, *, version: str, folder: str = "pki") -> str:
    """Return the plan's files and openssl commands alone, to paste into a shell or a ticket.

    Files of the pki folder are named as in `folder`, new files go into the directory in which the commands run. Nothing
    is checked, and nothing is put in place.
    """
    folder = f"./{folder}" if folder.startswith("-") else folder
    read = dict.fromkeys(visible(shlex.quote(path)) for step in plan.steps for path in _outside(step, folder))
    place = f"in an otherwise empty directory; they read {' and '.join(read)}" if read else "in an empty directory"
    lines = [
        "# These commands neither check nor publish anything; the script that --script prints does both.",
        f"# opensslgen {version}: {visible(plan.title)}.",
        f"# Run them {place}.",
        *([f"# First export {', '.join(plan.secrets)}."] if plan.secrets else []),
        "umask 077",
        *(line for step in plan.steps for line in _in_commands(step, folder, plan.needs)),
    ]
    return "\n".join(lines) + "\n"


def _replaces(plan: Plan) -> str:
    """Return a sentence about the files that the plan replaces without keeping them."""
    lost = [publish.target for publish in plan.publish if publish.existing is Existing.REPLACE]
    return f"Replaces {', '.join(lost)}." if lost else "Overwrites nothing."


def _staged(publish: Publish) -> str:
    mode = "-" if publish.mode is None else f"{publish.mode:04o}"
    command = "stage" if publish.existing is Existing.REFUSE and publish.mode is not None else "stage_over"
    return shlex.join([command, publish.source, publish.target, mode])


def _printed_name(name: GeneralName) -> str:
    """Return a subject alternative name as openssl prints it."""
    if name.kind != "IP":
        return str(name)
    from ipaddress import ip_address

    address = ip_address(name.value)
    groups = address.exploded.split(":")
    return f"IP Address:{address if address.version == 4 else ':'.join(f'{int(group, 16):X}' for group in groups)}"


def _shell(step: Write | Join | Run, program: tuple[str, ...], word: Callable[[Argument], str], indent: str) -> str:
    """Return the command that does one step, with each argument as `word` writes it."""
    match step:
        case Write(path, text):
            delimiter = "EOF"
            while delimiter in text.splitlines():
                delimiter += "_"
            return f"cat >{shlex.quote(path)} <<'{delimiter}'\n{text}{delimiter}"
        case Join(parts, path):
            return f"cat {' '.join(map(word, parts))} >{shlex.quote(path)}"
        case Run(arguments):
            return _folded([*program, *map(word, arguments)], indent)


def _folded(words: list[str], indent: str) -> str:
    """Return a command in lines of at most _WIDTH columns, which break before an option and begin with the indent."""
    lines: list[str] = []
    for option in re.split(r"\0(?=-)", "\0".join(words)):
        text = option.replace("\0", " ")
        if lines and len(lines[-1]) + 1 + len(text) <= _WIDTH:
            lines[-1] += f" {text}"
        else:
            lines.append(indent + text if lines else text)
    return " \\\n".join(lines)


def _in_script(step: Step) -> list[str]:
    """Return the lines of the script that do one step in the work folder."""
    match step:
        case Write() | Join():
            return [_shell(step, (), _script_word, "")]
        case Run(arguments):
            before = [line for argument in arguments for line in _before(argument)]
            # A comment of shellcheck's stands directly before its command.
            before.sort(key=lambda line: line.startswith("#"))
            return [*before, _shell(step, ("run", "openssl"), _script_word, 2 * _INDENT)]
        case _:
            return [shlex.join(words) for words in _calls(step)]


def _before(argument: Argument) -> list[str]:
    """Return the lines of the script that an argument needs before its command."""
    match argument:
        case Serial():
            return ["draw_serial"]
        case Validity(days):
            return [f"choose_validity {days}", "# shellcheck disable=SC2086 # two words or four"]
        case Legacy():
            return ["choose_legacy", "# shellcheck disable=SC2086 # one word or none"]
        case _:
            return []


def _script_word(argument: Argument) -> str:
    """Return an argument for the script; a file of the user is relative to where the script was started."""
    match argument:
        case Serial():
            return '"0x$serial"'
        case Validity():
            return "$validity"
        case Legacy():
            return "$legacy"
        case PassphraseOnStdin():
            return " ".join(PIPED)
        case Outside(path):
            return shlex.quote(path) if path.startswith("/") else f'"$here"/{shlex.quote(path)}'
        case _:
            return shlex.quote(argument)


def _calls(step: Checking) -> list[list[str]]:
    """Return the calls of functions in functions.sh that do one step."""
    match step:
        case VerifyRequest(request):
            calls = [["verify_request", request]]
        case Check(certificate, issuer, days, purpose, usages, names):
            printed = [PRINTED_USAGES[usage] for usage in usages if usage in PRINTED_USAGES]
            calls = [["check_certificate", certificate, issuer, str(days), purpose, *printed]]
            calls += [["check_names", *map(_printed_name, names)]] if names else []
        case CheckKey(certificate, key):
            calls = [["check_key", certificate, key, *step.unlock]]
        case CheckChain(certificate, issuers, purpose, at):
            time = () if at is None else ("-attime", str(at))
            calls = [["check_chain", certificate, issuers, purpose, *time]]
        case CheckSame(made, wanted, fault):
            calls = [["check_same", made, wanted, fault]]
        case CopyDatabase():
            calls = [["copy_database"]]
        case CheckRevoked(serial, reason, recorded):
            calls = [["check_revoked", serial, "old" if recorded else "new", *([f",{reason}"] if reason else [])]]
        case CheckRevocationList(issuer):
            calls = [["check_list", issuer]]
    return calls


def _in_commands(step: Step, folder: str, needs: tuple[str, ...]) -> list[str]:
    """Return the lines to paste for one step; empty for a check."""

    def word(argument: Argument) -> str:
        return _pasted_word(argument, folder)

    match step:
        case Write(path, text):
            return [_shell(Write(path, _without_parent(text, folder, needs)), (), word, "")]
        case Run() if step.stdin:
            # A command that reads the user's template must not have the passphrase in its environment.
            command = _shell(step, ("openssl",), word, _INDENT)
            return [f"(unset {' '.join(SECRETS)}\n{command}) <<PASSPHRASE", f"${step.stdin}", "PASSPHRASE"]
        case Run() | Join():
            return [_shell(step, ("openssl",), word, _INDENT)]
        case CopyDatabase():
            index, number = (shlex.quote(posixpath.join(folder, name)) for name in (INDEX, CRL_NUMBER))
            return [
                f"cp {index} {INDEX}",
                f"echo 'unique_subject = no' >{INDEX_ATTRIBUTES}",
                f"if [ -f {number} ]; then cp {number} {CRL_NUMBER}; else echo 01 >{CRL_NUMBER}; fi",
            ]
        case _:
            return []


def _pasted_word(argument: Argument, folder: str) -> str:
    """Return an argument to paste: openssl or the shell decides what the script decides when it runs."""
    match argument:
        case Serial():
            return '"0x$(openssl rand -hex 16)"'
        case Validity(days):
            return f"-days {days}"
        case Legacy():
            return r"$(openssl pkcs12 -help 2>&1 | sed -n 's/^ *\(-legacy\).*/\1/p')"
        case PassphraseOnStdin():
            return " ".join(PIPED)
        case Outside(path):
            return shlex.quote(path)
        case _:
            return shlex.quote(posixpath.join(folder, argument[3:]) if argument.startswith("../") else argument)


def _without_parent(text: str, folder: str, needs: tuple[str, ...]) -> str:
    """Return a config with the paths of the pki folder's files instead of `../NAME`."""
    for need in needs:
        path = re.sub(r"""[\\$#"'`]""", r"\\\g<0>", posixpath.join(folder, need))
        text = text.replace(f" = ../{need}\n", f" = {path}\n")
    return text


def _outside(step: Step, folder: str) -> list[str]:
    """Return the paths that a step reads and no step makes: files of the user, and the pki folder."""
    words = step.arguments if isinstance(step, Run) else step.parts if isinstance(step, Join) else ()
    paths = [word.path for word in words if isinstance(word, Outside)]
    reads_folder = isinstance(step, CopyDatabase) or any(isinstance(word, str) and word[:3] == "../" for word in words)
    return [folder, *paths] if reads_folder else paths
