"""The plan printed as a POSIX shell script."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.text import shown

from . import template

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName
from opensslgen.x509.extensions import PRINTED_USAGES

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


def steps_script(plan: Plan) -> str:
    """Return the files and commands alone, in order, as they stand in the script."""
    return "\n\n".join("\n".join(_shell(step)) for step in plan.steps)


def as_script(plan: Plan, *, version: str, folder: str = "./pki") -> str:
    """Return the plan as a standalone POSIX shell script that needs openssl, coreutils, grep and sed.

    It works in the pki folder that it is given, or else in `folder`. Raises UsageError for names of files with
    white space in them, as the script notes with blanks between them what it has decided to do.
    """
    for publish in plan.publish:
        for name in (publish.source, publish.target):
            if len(name.split()) != 1:
                raise UsageError(
                    f"no script can be printed for a file whose name has white space in it: {shown(name)}",
                    hint="without --script it works",
                )
    argument = "PKI-FOLDER" if plan.database else "FOLDER"
    lines = [
        "#!/bin/sh",
        "# shellcheck disable=SC2016 # a dollar sign in single quotes is meant as it stands",
        f"# opensslgen {version}: {plan.title}.",
        f"# Usage: sh THIS [{argument}]. Needs openssl, coreutils, grep and sed. {_replaces(plan)}",
        "",
        template.functions(),
        f'[ $# -le 1 ] || fail "usage: sh $0 [{argument}]"',
        f"[ $# -eq 1 ] || set -- {shlex.quote(folder)}",
        'open_folder "$1"' if plan.database else 'open_folder "$1" 022',
        *(f"need_file {shlex.quote(need)}" for need in plan.needs),
        *(f"refuse_file {shlex.quote(each.target)}" for each in plan.publish if each.existing is Existing.REFUSE),
        *(f"need_secret {name}" for name in plan.secrets),
    ]
    for step in plan.steps:
        lines += ["", *_shell(step)]
    lines += ["", "open_database"] if plan.database else [""]
    for record in plan.records:
        subject = () if record.subject is None else (record.subject,)
        lines.append(shlex.join(["record", record.certificate, record.config, *subject]))
    lines += [shlex.join(["keep", publish.target]) for publish in plan.publish if publish.existing is Existing.KEEP]
    lines += [_staged(publish) for publish in plan.publish]
    lines.append("decide")
    lines += [
        f'echo "$pki"/{shlex.quote(publish.target)}' for publish in plan.publish if publish.what or not plan.database
    ]
    return "\n".join(lines) + "\n"


def _replaces(plan: Plan) -> str:
    """Return which files the plan replaces for good, as a sentence."""
    lost = [publish.target for publish in plan.publish if publish.existing is Existing.REPLACE]
    return f"Replaces {', '.join(lost)}." if lost else "Overwrites nothing."


def _staged(publish: Publish) -> str:
    mode = "-" if publish.mode is None else f"{publish.mode:04o}"
    command = "stage" if publish.existing is Existing.REFUSE and publish.mode is not None else "stage_over"
    return shlex.join([command, publish.source, publish.target, mode])


def _printed_name(name: GeneralName) -> str:
    """Return a subject alternative name as every openssl prints it."""
    if name.kind != "IP":
        return str(name)
    from ipaddress import ip_address

    address = ip_address(name.value)
    groups = address.exploded.split(":")
    return f"IP Address:{address if address.version == 4 else ':'.join(f'{int(group, 16):X}' for group in groups)}"


def _shell(step: Step) -> list[str]:
    """Return the lines of shell that do one step."""
    match step:
        case Write(path, text):
            delimiter = "EOF"
            while delimiter in text.splitlines():
                delimiter += "_"
            return [f"cat >{shlex.quote(path)} <<'{delimiter}'", text + delimiter]
        case Join(parts, path):
            return [f"cat {' '.join(map(_word, parts))} >{shlex.quote(path)}"]
        case Run(arguments):
            return _command(arguments)
        case _:
            return [shlex.join(words) for words in _calls(step)]


def _calls(step: Checking) -> list[list[str]]:
    """Return the calls of functions of functions.sh that do one step."""
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


def _command(arguments: tuple[Argument, ...]) -> list[str]:
    """Return the lines that run openssl, and before that what they need."""
    before = []
    words = ["run", "openssl"]
    for argument in arguments:
        match argument:
            case Serial():
                before.append("draw_serial")
                words.append('"0x$serial"')
            case Validity(days):
                before.append(f"choose_validity {days}")
                words.append("$validity")
            case Legacy():
                before.append("choose_legacy")
                words.append("$legacy")
            case PassphraseOnStdin():
                words += PIPED
            case Outside() | str():
                words.append(_word(argument))
    if "$validity" in words:
        before.append("# shellcheck disable=SC2086 # two words or four")
    if "$legacy" in words:
        before.append("# shellcheck disable=SC2086 # one word or none")
    return [*before, " ".join(words)]


def _word(argument: str | Outside) -> str:
    """Return a file's path, or any other word, as the shell takes it."""
    if isinstance(argument, str):
        return shlex.quote(argument)
    path = argument.path
    return shlex.quote(path) if path.startswith("/") else f'"$here"/{shlex.quote(path)}'
