"""Run a plan's steps in a work folder, with the openssl at hand."""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from opensslgen.errors import Error, UnreadableError
from opensslgen.files.write import explain_errors
from opensslgen.plan.steps import (
    PIPED,
    Argument,
    Check,
    CheckChain,
    CheckKey,
    CheckRevocationList,
    CheckRevoked,
    CheckSame,
    CopyDatabase,
    Join,
    Legacy,
    Outside,
    PassphraseOnStdin,
    Run,
    Serial,
    Validity,
    VerifyRequest,
    Write,
)

from .ca import check_list, check_revoked, copy_database
from .verify import check_chain, check_key, faults, verify_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from opensslgen.plan.steps import Checking, Plan

    from .command import OpenSSL

_Step = TypeVar("_Step", Write, Run, Join)

BACKDATE = timedelta(hours=1)
"""How long before now a certificate begins, so that a phone whose clock is slow accepts it at once."""


def run(
    plan: Plan,
    *,
    work: Path,
    openssl: OpenSSL,
    secrets: Mapping[str, str],
    on_command: Callable[[str], None] = lambda _: None,
) -> None:
    """Do the plan's steps in the folder `work`; raises Error at the first that fails, and publishes nothing.

    `on_command` gets each openssl command, quoted so that it can be pasted into a shell in that folder.
    """
    record = work / plan.commands
    record.write_text("#!/bin/sh\n", encoding="utf-8")
    for step in plan.steps:
        match step:
            case Write() | Join():
                _put(step, work)
            case Run(arguments):
                words = _all_words(arguments, openssl)
                command = shlex.join(["openssl", *words])
                on_command(command)
                with record.open("a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(f"{command}\n")
                openssl.run(
                    words,
                    cwd=work,
                    secrets={name: secrets[name] for name in step.secrets},
                    stdin=f"{secrets[step.stdin]}\n".encode("utf-8", "surrogateescape") if step.stdin else b"",
                )
                _see_made(step, work)
            case _:
                _check(step, work=work, openssl=openssl, secrets=secrets, on_command=on_command)


def run_many(plans: Sequence[Plan], *, work: Path, openssl: OpenSSL, secrets: Mapping[str, str]) -> list[Error | None]:
    """Do the steps of plans that share the folder `work`, and return what went wrong with each, None if nothing.

    A plan's commands are run from where they are noted, after all files that it writes and before those that it joins.
    There are no checks among the steps.
    """
    found: list[Error | None] = []
    for plan in plans:
        commands = (shlex.join(["openssl", *_all_words(step.arguments, openssl)]) for step in _of(Run, plan))
        text = "".join(f"{line}\n" for line in ("#!/bin/sh", *commands))
        found.append(_tried([*_of(Write, plan), Write(plan.commands, text)], work))
    going = [position for position, fault in enumerate(found) if fault is None]
    unlocked = {name: secrets[name] for position in going for name in plans[position].secrets}
    scripts = [plans[position].commands for position in going]
    answers = openssl.run_scripts(scripts, cwd=work, secrets=unlocked) if going else []
    for position, fault in zip(going, answers, strict=True):
        found[position] = fault or _tried([*_of(Run, plans[position]), *_of(Join, plans[position])], work)
    return found


def _of(kind: type[_Step], plan: Plan) -> Iterator[_Step]:
    return (step for step in plan.steps if isinstance(step, kind))


def _tried(steps: Iterable[Write | Run | Join], work: Path) -> Error | None:
    """Put files in place, and see what commands were to make; return what went wrong."""
    try:
        with explain_errors(work):
            for step in steps:
                if isinstance(step, Run):
                    _see_made(step, work)
                else:
                    _put(step, work)
    except Error as error:
        return error
    return None


def _put(step: Write | Join, work: Path) -> None:
    if isinstance(step, Write):
        (work / step.path).write_text(step.text, encoding="utf-8", errors="surrogateescape")
    else:
        _join(work / step.path, [_place(part, work) for part in step.parts])


def _see_made(step: Run, work: Path) -> None:
    """Raise Error if a command has made nothing: an unknown one exits with 0 before LibreSSL 4 and OpenSSL 1.1."""
    for path in step.creates:
        if not (work / path).is_file() or not (work / path).stat().st_size:
            raise Error(f"openssl {step.arguments[0]} made no {path}")


def _check(
    step: Checking,
    *,
    work: Path,
    openssl: OpenSSL,
    secrets: Mapping[str, str],
    on_command: Callable[[str], None],
) -> None:
    """Raise Error unless what came out is as planned."""
    match step:
        case VerifyRequest(request):
            verify_request(request, work=work, openssl=openssl, on_command=on_command)
        case Check():
            (fault,) = faults([step], work=work, openssl=openssl, on_command=on_command)
            if fault:
                raise Error(fault)
        case CheckKey():
            unlocked = {name: secrets[name] for name in step.secrets}
            check_key(step, work=work, openssl=openssl, secrets=unlocked, on_command=on_command)
        case CheckChain():
            check_chain(step, work=work, openssl=openssl, on_command=on_command)
        case CheckSame(made, wanted, fault):
            if _content(work / made) != _content(work / wanted):
                raise Error(fault)
        case CopyDatabase():
            copy_database(work.parent, work)
        case CheckRevoked(serial, reason, recorded):
            check_revoked(work, serial_hex=serial, reason=reason, recorded=recorded)
        case CheckRevocationList(issuer):
            check_list(work, issuer=issuer, openssl=openssl, on_command=on_command)


def _all_words(arguments: Iterable[Argument], openssl: OpenSSL) -> list[str]:
    return [word for argument in arguments for word in _words(argument, openssl)]


def _words(argument: Argument, openssl: OpenSSL) -> list[str]:
    match argument:
        case Serial():
            words = [f"0x{int.from_bytes(os.urandom(16), 'big') >> 1:032X}"]
        case Validity(days) if openssl.can("-not_before"):
            start = datetime.now(timezone.utc) - BACKDATE
            words = ["-not_before", _asn1(start), "-not_after", _asn1(start + timedelta(days=days))]
        case Validity(days):
            words = ["-days", str(days)]
        case Outside(path):
            words = [str(Path(path).absolute())]
        case PassphraseOnStdin():
            words = list(PIPED)
        case Legacy():
            words = ["-legacy"] if openssl.can("-legacy") else []
        case _:
            words = [argument]
    return words


def _place(part: str | Outside, work: Path) -> Path:
    return Path(part.path) if isinstance(part, Outside) else work / part


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error


def _join(path: Path, parts: list[Path]) -> None:
    """Write a new file that nobody else can read, as there may be a key in it."""
    data = b"".join(map(_content, parts))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def _asn1(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%SZ}"
