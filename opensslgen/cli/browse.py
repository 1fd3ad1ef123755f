"""The commands that look into a pki folder: which certificates there are, and what one of them is for."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import STDIN, File
from opensslgen.text import visible

from . import complete
from .command import Command
from .options import FORMAT, PASSWORD_FILE, PKI, NumberParameter, Output, together
from .say import is_coloured, print_json, print_notes, print_warning, tolerant_stdout, warn_of_open_files

if TYPE_CHECKING:
    from opensslgen.audit.result import Settings
    from opensslgen.bundles.holding import Holding

FORMATS = ("table", "json", "csv", "nagios", "prometheus", "ics")


@click.command("list", cls=Command)
@together(
    PKI,
    click.option(
        "--within", type=NumberParameter(0, 36500), metavar="DAYS",
        help="List only certificates that expire within DAYS; exit 1 if there are any.",
    ),
    click.option("--all", "everything", is_flag=True, help="Also list expired, revoked and replaced certificates."),
    click.option(
        "--format", "output", type=click.Choice((*FORMATS, "text")), default="table",
        metavar=f"[{'|'.join(FORMATS)}]", show_default=True,
        help="Format of the output.",
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
    click.option(
        "--critical", type=NumberParameter(0), metavar="DAYS",
        help="With --format nagios: critical if a certificate expires within DAYS.  [default: 7]",
    ),
)  # fmt: skip
def list_(pki: Path, within: int | None, everything: bool, output: str, critical: int | None) -> None:
    """List the certificates in a pki folder.

    \b
    opensslgen list                                certificates in use
    opensslgen list --within 30 || mail-somebody   exit code 1 if anything expires within 30 days
    opensslgen list --all --json                   all, including expired, revoked and replaced ones
    opensslgen list --format nagios --within 21    one line, with the exit codes of Nagios
    opensslgen list --format ics > expiry.ics      a calendar with an event for each expiry
    opensslgen list --format prometheus > /var/lib/prometheus/node-exporter/opensslgen.prom

    The root comes first, then the others by expiry date. A certificate counts as replaced if there is a newer one of
    the same kind, with the same subject and all its names. Names and kind are read from the copies by serial number;
    where a copy is missing, from the index.

    With --format nagios, the state is a warning if a certificate expires within the days of --within (default 30); it
    is critical if one expires within the days of --critical, or has expired without being renewed or revoked.

    Exit code: 0; with --within, 1 if a certificate expires that soon; 2 if the index cannot be read.
    """
    from opensslgen.audit.signatures import verified_rows
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import SOON, crl_dates, crl_fault, rows_of, survey_of
    from opensslgen.report import browse, listing

    if critical is not None and output != "nagios":
        raise UsageError("--critical can only be used with --format nagios", hint="--within works with all formats")
    out = tolerant_stdout()
    at = datetime.now(timezone.utc).replace(microsecond=0)
    if output == "nagios":
        _nagios(pki, at=at, warning=30 if within is None else within, critical=7 if critical is None else critical)
    warn_of_open_files(pki)
    survey = survey_of(Folder(pki), at=at, everything=everything, on_torn=print_warning)
    soon = SOON if within is None else timedelta(days=within)
    rows, found = rows_of(survey, soon=soon, only_soon=within is not None)
    rows = verified_rows(rows, survey.folder.path, at=at, on_unable=print_warning)
    fault = crl_fault(survey)
    if fault:
        print_warning(fault)
    if output == "json":
        out.writelines(browse.table_json(survey, rows, crl_fault=fault))
    elif output == "csv":
        out.writelines(listing.table_csv(rows))
    elif output == "prometheus":
        of_crl = crl_dates(survey)
        out.writelines(listing.prometheus(rows, crl_expires=of_crl.next_update if of_crl else None))
    elif output == "ics":
        out.writelines(listing.calendar(rows, at=at, soon=soon))
    else:
        if found:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            serials = browse.serial_width(survey)
            out.writelines(browse.table(rows, serial_width=serials, width=width, colour=is_coloured()))
        else:
            click.echo(browse.nothing_found(within))
        print_notes(browse.notes(survey, everything=everything), quiet=False)
    out.flush()
    sys.exit(1 if within is not None and found else 0)


def _nagios(pki: Path, *, at: datetime, warning: int, critical: int) -> NoReturn:
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import crl_fault, survey_of
    from opensslgen.report import browse

    try:
        survey = survey_of(Folder(pki), at=at, on_torn=print_warning)
        status = browse.status(survey, warning=warning, critical=critical, crl_fault=crl_fault(survey))
    except Error as error:
        status = browse.unknown(error.message)
    click.echo(status.line, nl=False)
    sys.exit(status.state)


@click.command(cls=Command)
@click.argument("certificate", metavar="NAME|FILE|SERIAL", shell_complete=complete.certificate_or_file)
@together(PKI, PASSWORD_FILE, FORMAT)
def show(certificate: str, pki: Path, password_file: Path | None, output: Output) -> None:
    """Explain a certificate and which devices accept it.

    \b
    opensslgen show pbx.example.com          by its file name in the pki folder, or by any of its names
    opensslgen show 10.0.0.5                 by an IP address
    opensslgen show ca                       the root
    opensslgen show 4F9A03C1D2E85B77         by its serial number, even if it is revoked
    opensslgen show downloads/server.crt     any file that audit reads: PEM, DER, PKCS#7, PKCS#12, YAML
    opensslgen show - < server.crt           standard input

    If a file has this name, the file is read: its first certificate is explained, and what else it holds is listed.
    Of a file without a certificate, its requests, CRLs and private keys are shown. What is said about devices comes
    from published rules and from measurements; no device is asked.
    """
    from opensslgen.audit.result import Settings
    from opensslgen.audit.signatures import proof
    from opensslgen.pki import lookup
    from opensslgen.pki.folder import Folder
    from opensslgen.report import explain

    from .secrets import password_of_file

    out = tolerant_stdout()
    at = datetime.now(timezone.utc).replace(microsecond=0)
    settings = Settings(rules=(), at=at, password=partial(password_of_file, password_file))
    warn_of_open_files(pki)
    folder = Folder(pki)
    path = Path("standard input" if certificate == STDIN else certificate)
    is_file = certificate == STDIN or path.is_file()
    holding = _read(certificate, settings) if is_file else None
    if holding and not holding.certificates:
        if output == "json":
            print_json(explain.contents_json(holding, path))
        else:
            out.write(explain.contents(holding, path))
        out.flush()
        return
    found = lookup.around(folder, path, holding.certificates) if holding else lookup.find_in_folder(folder, certificate)
    issuers = [each for each in (*found.others, folder.root and folder.root.certificate) if each]
    checked = proof(found.certificate, issuers, settings)
    if output == "json":
        print_json(explain.explanation_json(found, at=at, proof=checked, holding=holding))
    else:
        out.write(explain.explanation(found, at=at, proof=checked, holding=holding))
        out.flush()


def _read(name: str, settings: Settings) -> Holding:
    """Return what a file holds; raises UnreadableError, which names the file."""
    from opensslgen.audit.verdict import held_in

    try:
        return held_in(File(name, named=True), settings)
    except UnreadableError as error:
        raise UnreadableError(f"{visible(name)}: {error.message}") from error
