"""Run the steps of plans in a work folder."""

from __future__ import annotations

import os
import shlex
from collections import deque
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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

from .verify import check_chain, check_key, faults, verify_request
from .workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opensslgen.plan.steps import Checking, Plan, Step

    from .command import OpenSSL

BACKDATE = timedelta(hours=1)
"""How far certificates are backdated, so that phones with a slow clock accept them at once."""


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
    (fault,) = run_together([plan], Workplace(work=work, openssl=openssl, secrets=secrets, on_command=on_command))
    if fault:
        raise fault


def run_together(plans: Sequence[Plan], place: Workplace) -> list[Error | None]:
    """Do the steps of plans that share a work folder, and return the error of each plan, or None.

    The steps of each plan are done in their order, up to the first that fails. Where several plans have come to their
    openssl commands, one shell runs these; where all have come to their finished certificates, these are checked
    together.
    """
    found = [_try(place, _begin_record, plan, place) for plan in plans]
    left = [deque(() if fault else plan.steps) for plan, fault in zip(plans, found, strict=True)]
    while any(left):
        # Checks come last: the more certificates are there by then, the fewer processes check them.
        stage = min(_stage(steps[0]) for steps in left if steps)
        turn = {position: _take(steps, stage) for position, steps in enumerate(left)}
        turn = {position: steps for position, steps in turn.items() if steps}
        answers = _do(stage, [(plans[position], steps) for position, steps in turn.items()], place)
        for position, fault in zip(turn, answers, strict=True):
            if fault:
                found[position] = fault
                left[position].clear()
    return found


_FILES, _OTHERS, _COMMANDS, _CHECKS = range(4)
"""Stages: steps of the same stage are done together for several plans."""


def _stage(step: Step) -> int:
    match step:
        case Write() | Join():
            return _FILES
        case Run():
            return _COMMANDS
        case Check():
            return _CHECKS
        case _:
            return _OTHERS


def _take(steps: deque[Step], stage: int) -> list[Step]:
    """Remove the next steps that are of this stage, and return them."""
    taken = []
    while steps and _stage(steps[0]) == stage:
        taken.append(steps.popleft())
    return taken


def _do(stage: int, turn: list[tuple[Plan, list[Step]]], place: Workplace) -> list[Error | None]:
    """Do some steps of each plan, all of one stage, and return the error of each plan."""
    if len(turn) > 1 and stage == _COMMANDS:
        return _run_in_one_shell(
            [(plan, [step for step in steps if isinstance(step, Run)]) for plan, steps in turn], place
        )
    if len(turn) > 1 and stage == _CHECKS:
        return _check_together([[step for step in steps if isinstance(step, Check)] for _, steps in turn], place)
    return [_try(place, _do_one_by_one, plan, steps, place) for plan, steps in turn]


def _try(place: Workplace, function: Callable[..., object], *arguments: object) -> Error | None:
    """Call a function, and return its Error, or None."""
    try:
        with explain_errors(place.work.parent):
            function(*arguments)
    except Error as error:
        return error
    return None


def _begin_record(plan: Plan, place: Workplace) -> None:
    (place.work / plan.commands).write_text("#!/bin/sh\n", encoding="utf-8")


def _record(plan: Plan, commands: Iterable[Sequence[str]], place: Workplace) -> None:
    with (place.work / plan.commands).open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{shlex.join(['openssl', *words])}\n" for words in commands)


def _do_one_by_one(plan: Plan, steps: Iterable[Step], place: Workplace) -> None:
    """Do some steps of a plan; raises Error at the first that fails."""
    for step in steps:
        match step:
            case Write(path, text):
                (place.work / path).write_text(text, encoding="utf-8", errors="surrogateescape")
            case Join(parts, path):
                _join(place.work / path, [_file(part, place.work) for part in parts])
            case Run(arguments):
                words = _all_words(arguments, place.openssl)
                _record(plan, [words], place)
                place.run(words, secrets=step.secrets, stdin=step.stdin)
                _see_files([step], place.work)
            case _:
                _check(step, place)


def _check(step: Checking, place: Workplace) -> None:
    """Raise Error unless the result is as planned."""
    match step:
        case Check():
            (fault,) = faults([step], place)
            if fault:
                raise Error(fault)
        case VerifyRequest(request):
            verify_request(request, place)
        case CheckKey():
            check_key(step, place)
        case CheckChain():
            check_chain(step, place)
        case CheckSame(made, wanted, fault):
            if _content(place.work / made) != _content(place.work / wanted):
                raise Error(fault)
        case CopyDatabase():
            from .ca import copy_database  # few plans revoke

            copy_database(place.work.parent, place.work)
        case CheckRevoked(serial, reason, recorded):
            from .ca import check_revoked

            check_revoked(place.work, serial_hex=serial, reason=reason, recorded=recorded)
        case CheckRevocationList(issuer):
            from .ca import check_list

            check_list(issuer, place)
        case _:
            _refuse_unknown(step)


def _refuse_unknown(step: NoReturn) -> NoReturn:
    """Raise TypeError: no step may be skipped silently."""
    raise TypeError(f"a plan has a step that cannot be run: {type(step).__name__}")


def _run_in_one_shell(turn: list[tuple[Plan, list[Run]]], place: Workplace) -> list[Error | None]:
    """Run the commands of several plans, each up to its first that fails."""
    commands = [[_all_words(step.arguments, place.openssl) for step in steps] for _, steps in turn]
    found = [_try(place, _record, plan, words, place) for (plan, _), words in zip(turn, commands, strict=True)]
    going = [position for position, fault in enumerate(found) if fault is None]
    names = {name for position in going for name in turn[position][0].secrets}
    answers = place.run_groups([commands[position] for position in going], secrets=names)
    for position, fault in zip(going, answers, strict=True):
        found[position] = fault or _try(place, _see_files, turn[position][1], place.work)
    return found


def _check_together(checks: Sequence[Sequence[Check]], place: Workplace) -> list[Error | None]:
    """Check the new certificates of several plans, and return the error of each plan."""
    try:
        with explain_errors(place.work.parent):
            answers = iter(faults([check for group in checks for check in group], place))
    except Error as error:
        return [error for _ in checks]
    found = [next(filter(None, [next(answers) for _ in group]), None) for group in checks]
    return [Error(fault) if fault else None for fault in found]


def _see_files(steps: Iterable[Run], work: Path) -> None:
    """Raise Error if a command made no file: unknown commands exit with 0 before LibreSSL 4 and OpenSSL 1.1."""
    for step in steps:
        for path in step.creates:
            if not (work / path).is_file() or not (work / path).stat().st_size:
                raise Error(f"openssl {step.arguments[0]} made no {path}")


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


def _file(part: str | Outside, work: Path) -> Path:
    return Path(part.path) if isinstance(part, Outside) else work / part


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error


def _join(path: Path, parts: list[Path]) -> None:
    """Write a file that only we can read, because it may contain a key."""
    data = b"".join(map(_content, parts))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def _asn1(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%SZ}"
