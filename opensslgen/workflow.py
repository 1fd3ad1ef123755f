"""Run a plan's steps in a work folder, with the openssl at hand."""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from . import certificate as x509
from . import printed
from .errors import Error
from .plan import COMMANDS, Argument, Check, Join, Outside, Run, Serial, Validity, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .openssl import OpenSSL
    from .plan import Plan

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
    record = work / COMMANDS
    record.write_text("#!/bin/sh\n", encoding="utf-8")
    for step in plan.steps:
        match step:
            case Write(path, text):
                (work / path).write_text(text, encoding="utf-8")
            case Join(parts, path):
                (work / path).write_bytes(b"".join((work / part).read_bytes() for part in parts))
            case Check():
                _check(step, work=work, openssl=openssl, on_command=on_command)
            case Run(arguments):
                words = [word for argument in arguments for word in _words(argument, openssl)]
                command = shlex.join(["openssl", *words])
                on_command(command)
                with record.open("a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(f"{command}\n")
                openssl.run(words, cwd=work, secrets={name: secrets[name] for name in step.secrets})
                for path in step.creates:
                    # An unknown subcommand exits with 0 before LibreSSL 4 and OpenSSL 1.1.
                    if not (work / path).is_file() or not (work / path).stat().st_size:
                        raise Error(f"openssl {words[0]} made no {path}")


def _words(argument: Argument, openssl: OpenSSL) -> list[str]:
    match argument:
        case Serial():
            return [f"0x{int.from_bytes(os.urandom(16), 'big') >> 1:032X}"]
        case Validity(days) if openssl.can("-not_before"):
            start = datetime.now(timezone.utc) - BACKDATE
            return ["-not_before", _asn1(start), "-not_after", _asn1(start + timedelta(days=days))]
        case Validity(days):
            return ["-days", str(days)]
        case Outside(path):
            return [str(Path(path).absolute())]
        case _:
            return [argument]


def _asn1(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%SZ}"


def _check(step: Check, *, work: Path, openssl: OpenSSL, on_command: Callable[[str], None]) -> None:
    """Hear both witnesses and `openssl verify`; raises Error unless all agree that the certificate is as planned."""
    command = ["x509", "-in", step.certificate, *printed.ARGUMENTS]
    on_command(shlex.join(["openssl", *command]))
    answer = printed.parse(openssl.run(command, cwd=work).stdout.decode("utf-8", "replace"))
    decoded = x509.load(work / step.certificate)
    difference = printed.disagreement(answer, decoded)
    if difference:
        raise Error(f"openssl and opensslgen read the new certificate differently: {difference}")
    lacking = set(step.extended_key_usage) - set(decoded.extended_key_usage or ())
    if lacking:
        raise Error(f"the new certificate's extended key usage lacks {', '.join(sorted(lacking))}")
    absent = [str(name) for name in step.names if name not in decoded.names]
    if absent:
        raise Error(f"the new certificate lacks {', '.join(absent)}, so its template does not use $SUBJECT_ALT_NAME")
    if decoded.validity != timedelta(days=step.days):
        raise Error(f"the new certificate is valid for {decoded.validity} and not for {step.days} days")
    if decoded.not_after > x509.load(work / step.issuer).not_after:
        raise Error("the new certificate would outlive its issuer")
    command = ["verify", "-CAfile", step.issuer, "-purpose", step.purpose, step.certificate]
    on_command(shlex.join(["openssl", *command]))
    process = openssl.run(command, cwd=work, check=False)
    # OpenSSL 1.0 exits with 0 for an expired certificate, too; this is the sign of success that holds on all.
    if process.exit_code != 0 or process.stdout.decode("utf-8", "replace").strip() != f"{step.certificate}: OK":
        told = (process.stdout + process.stderr).decode("utf-8", "replace")
        raise Error(f"openssl verify does not accept the new certificate: {' '.join(told.split())}")
