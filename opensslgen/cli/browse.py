"""The commands that look into a folder: which certificates are there, and what is one of them for."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from opensslgen.errors import Error, UsageError

from .options import FOLDER, FORMAT, together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.audit.result import Settings
    from opensslgen.pki.survey import Row, Survey


@click.command("list")
@together(
    FOLDER,
    click.option(
        "--within", type=click.IntRange(0, 36500), metavar="DAYS", help="Only what ends within so long; exit 1 if any."
    ),
    click.option("--all", "everything", is_flag=True, help="Expired, revoked and replaced ones, too."),
    click.option(
        "--format", "output", type=click.Choice(["text", "json", "nagios"]), default="text", help="How to answer."
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
    click.option(
        "--critical", type=click.IntRange(0), metavar="DAYS", help="With nagios: critical below.  [default: 7]"
    ),
)  # fmt: skip
def list_(pki: Path, within: int | None, everything: bool, output: str, critical: int | None) -> None:
    """List the certificates of a folder, the root first, then what ends first.

    \b
    opensslgen list                                what is current
    opensslgen list --within 30 || mail-somebody   exit code 1 if anything ends within 30 days
    opensslgen list --all --json                   everything, also expired, revoked and replaced ones
    opensslgen list --format nagios --within 21    one line, and the exit codes of Nagios

    A certificate is replaced by a newer one for the same subject, of the same kind, and with all its names. Names and
    kind are read from the copies by serial number; where one is missing, the index has to do.

    With --format nagios, --within (default 30) is the limit of a warning. A name whose last certificate has expired is
    critical until it is renewed or revoked.

    Exit code: 0, with --within 1 if anything ends so soon, 2 if the index cannot be read.
    """
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import SOON, crl_fault, rows_of, survey_of
    from opensslgen.report import browse

    if critical is not None and output != "nagios":
        raise UsageError("--critical goes with --format nagios only; --within is for all")
    out = _plain_output()
    at = datetime.now(timezone.utc).replace(microsecond=0)
    if output == "nagios":
        _nagios(pki, at=at, warning=30 if within is None else within, critical=7 if critical is None else critical)
    _warn_of_others(pki)
    survey = survey_of(Folder(pki), at=at, everything=everything, on_torn=_warn)
    soon = SOON if within is None else timedelta(days=within)
    rows, found = rows_of(survey, soon=soon, only_soon=within is not None)
    rows = _verified(rows, survey, at)
    fault = crl_fault(survey)
    if fault:
        _warn(fault)
    if output == "json":
        out.writelines(browse.table_json(survey, rows, crl_fault=fault))
    else:
        colour = out.isatty() and click.get_current_context().color is not False
        if found:
            out.writelines(browse.table(rows, serial_width=_serial_width(survey), colour=colour))
        else:
            click.echo("no certificate" if within is None else f"nothing ends within {within} days")
        _say_what_is_left_out(survey, everything=everything)
    out.flush()
    sys.exit(1 if within is not None and found else 0)


def _settings(at: datetime) -> Settings:
    from opensslgen.audit.result import Settings

    return Settings(rules=(), at=at)


_BATCH = 250


def _verified(rows: Iterator[Row], survey: Survey, at: datetime) -> Iterator[Row]:
    """Yield rows, with the fault of those whose certificates the authority of the folder has not signed."""
    from opensslgen.audit.records import authorities
    from opensslgen.audit.signatures import proofs

    issuers = tuple(authorities(survey.folder.path))
    warned = False
    while batch := list(islice(rows, _BATCH)):
        certificates = [row.copy.certificate for row in batch if row.copy.certificate]
        checked = iter(proofs(certificates, issuers, _settings(at)))
        for row in batch:
            result = next(checked) if row.copy.certificate else None
            if result and result.unreadable and not warned:
                _warn(f"no signature was checked: {result.unreadable}")
                warned = True
            if result and result.findings:
                yield replace(row, copy=row.copy._replace(fault=result.findings[0].message))
            else:
                yield row


def _serial_width(survey: Survey) -> int:
    """Return the width of the column, which is known before the rows are made."""
    root = survey.root()
    serials = (entry.serial_hex for entry in (*survey.current, *survey.others))
    return max(map(len, (*serials, root.serial_hex if root else "", "SERIAL")))


def _say_what_is_left_out(survey: Survey, *, everything: bool) -> None:
    left_out = [f"{count} {what}" for what, count in survey.counts.items() if count]
    if left_out and not everything:
        click.echo(f"Note: {', '.join(left_out)} left out; --all shows them", err=True)
    if survey.lapsed:
        names = ", ".join(entry.title for entry in survey.lapsed[:5]) + (", …" if len(survey.lapsed) > 5 else "")
        click.echo(f"Note: expired and never renewed: {names}", err=True)


def _nagios(pki: Path, *, at: datetime, warning: int, critical: int) -> NoReturn:
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import crl_fault, survey_of
    from opensslgen.report import browse

    try:
        survey = survey_of(Folder(pki), at=at, on_torn=_warn)
        status = browse.status(survey, warning=warning, critical=critical, crl_fault=crl_fault(survey))
    except Error as error:
        status = browse.unknown(error.message)
    click.echo(status.line, nl=False)
    sys.exit(status.state)


@click.command()
@click.argument("certificate", metavar="NAME|FILE|SERIAL")
@together(FOLDER, FORMAT)
def show(certificate: str, pki: Path, output: str) -> None:
    """Explain one certificate: what it is for, where its files are, and on which devices it works.

    \b
    opensslgen show pbx.example.com          by its file name in the folder, or any of its names
    opensslgen show 10.0.0.5                 an address is a name, too
    opensslgen show ca                       the root
    opensslgen show 4F9A03C1D2E85B77         by its serial number, also a revoked one
    opensslgen show downloads/server.crt     a file, from anywhere

    A file that exists is taken for the file. What is said of devices are published rules and measurements, held
    against this certificate; no device was asked.
    """
    from opensslgen.audit.signatures import proof
    from opensslgen.pki import lookup
    from opensslgen.pki.folder import Folder
    from opensslgen.report import explain

    out = _plain_output()
    at = datetime.now(timezone.utc).replace(microsecond=0)
    _warn_of_others(pki)
    folder = Folder(pki)
    found = lookup.find(folder, certificate)
    issuers = [each for each in (found.issuer, folder.root and folder.root.certificate) if each]
    checked = proof(found.certificate, issuers, _settings(at))
    if output == "json":
        click.echo(json.dumps(explain.explained_json(found, at=at, proof=checked), indent=2))
    else:
        out.write(explain.explained(found, at=at, proof=checked))
        out.flush()


def _plain_output() -> io.TextIOBase:
    """Return stdout, to which what a terminal's encoding lacks does no harm."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    return out  # type: ignore[return-value] # it is one, wherever it was replaced


def _warn_of_others(pki: Path) -> None:
    """Say what in the folder others can read, or change, and should not."""
    from opensslgen.pki.store import Store

    for warning in Store(pki).warnings():
        _warn(warning)


def _warn(message: str) -> None:
    from opensslgen.text import visible

    click.echo(f"Warning: {visible(message)}", err=True)
