"""The page of the CA: its certificates, its revocation list, the passphrase of its key, and backups."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, abort, redirect, render_template, request, url_for

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.backup import DECRYPT, backup_contents
from opensslgen.jobs.job import Job, root_of
from opensslgen.jobs.passphrase import passphrase_job
from opensslgen.jobs.perform import JobResult
from opensslgen.jobs.revoke import revocation_list_job
from opensslgen.orders.kinds import kind_of
from opensslgen.pki.folder import Folder
from opensslgen.pki.survey import crl_dates, crl_fault, state_of, survey_of
from opensslgen.plan import layout
from opensslgen.plan.revoke import LIST_DAYS
from opensslgen.plan.secrets import BACKUP_PASSPHRASE, NEW_PASSPHRASE, fit_secret
from opensslgen.plan.steps import Plan
from opensslgen.report import overview
from opensslgen.report.tally import about_folder, tally_folder
from opensslgen.x509.crl import LABELS
from opensslgen.x509.crl import load as load_crl
from opensslgen.x509.pem import CERTIFICATE, pem

from .changing import show_plan
from .config import this_config
from .fields import Problem, parse_days
from .gate import this_session
from .pages import attachment
from .pending import Pending, passphrase_is_needed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Response as FlaskResponse
    from werkzeug.wrappers import Response

    from opensslgen.pki.survey import Survey
    from opensslgen.x509.certificate import Certificate

    from .config import Config

blueprint = Blueprint("authority", __name__)


class _Shown(NamedTuple):
    """A CA on the page."""

    certificate: Certificate
    address: str | None
    """The page of the certificate; None if it has none."""
    kind: str
    state: str
    files: tuple[tuple[str, str], ...]
    """The URLs of its files, each with the name of its format."""


@blueprint.get("/ca")
def page() -> str:
    """Show the CA, with the forms for its list, its passphrase and its backup."""
    return _page({})


def _page(problems: dict[str, Problem]) -> str:
    config = this_config()
    at = datetime.now(timezone.utc).replace(microsecond=0)
    if config.store.issuer() is None:
        return render_template("ca.html", authorities=[], problems=problems)
    survey, fault = None, None
    try:
        survey = survey_of(Folder(config.pki), at=at)
        fault = crl_fault(survey)
    except Error as error:
        # Someone who repairs an index needs the backup above all.
        fault = error.message
    revoked, number = _in_list(config.pki)
    return render_template(
        "ca.html",
        at=at,
        authorities=_authorities(config, at),
        below=_below(survey, config) if survey else [],
        problems=problems,
        dates=crl_dates(survey) if survey else None,
        fault=fault,
        revoked=revoked,
        number=number,
        days=request.form.get("days", str(LIST_DAYS)) if "list" in problems else str(LIST_DAYS),
        has_list=(config.pki / layout.CRL).exists(),
        is_encrypted=_is_encrypted(config),
        asks_passphrase=passphrase_is_needed(config),
        key=str(config.pki / config.store.ca_key),
        pki=str(config.pki),
        warnings=config.store.warnings(),
    )


def _is_encrypted(config: Config) -> bool | None:
    """Tell whether the key of the CA has a passphrase; None if it cannot be read, or is kept elsewhere."""
    with suppress(Error):
        return config.store.ca_key_is_encrypted()
    return None


def _authorities(config: Config, at: datetime) -> list[_Shown]:
    """Return the CA of the folder, and those above it."""
    shown = [_with_page(root_of(config.store), "ca", at=at, has_chain=bool(config.store.above()))]
    for number, certificate in enumerate(config.store.above(), 1):
        files = tuple((form.upper(), url_for("authority.above", number=number, form=form)) for form in ("pem", "der"))
        shown.append(_Shown(certificate, None, kind_of(certificate), state_of(certificate, None, at=at), files))
    return shown


def _below(survey: Survey, config: Config) -> list[_Shown]:
    """Return the CAs in use that this one has issued; many certificates are read once, as for the overview."""
    rows = overview.select(survey, overview.query_of({"kind": "authority"}), config.briefs).rows
    return [
        _with_page(row.copy.certificate, row.serial_hex.upper(), at=survey.at, has_chain=True)
        for row in rows
        if row.copy.certificate
    ]


def _with_page(certificate: Certificate, serial: str, *, at: datetime, has_chain: bool) -> _Shown:
    chain = (("PEM, with those above it", "chain"),) if has_chain else ()
    return _Shown(
        certificate,
        url_for("browsing.one", serial=serial),
        kind_of(certificate),
        state_of(certificate, None, at=at),
        tuple(
            (name, url_for("exports.download", serial=serial, what=what))
            for name, what in (("PEM", "certificate"), ("DER", "der"), *chain)
        ),
    )


def _in_list(pki: Path) -> tuple[int | None, int | None]:
    """Return how many certificates the CRL lists, and its number; None if it cannot be read, or has none."""
    with suppress(Error):
        found = load_crl(pki / layout.CRL)
        return len(found.revocations), found.number
    return None, None


@blueprint.get("/ca/above/<int:number>.<form>")
def above(number: int, form: str) -> FlaskResponse:
    """Return the certificate of a CA above that of the folder."""
    found = dict(enumerate(this_config().store.above(), 1)).get(number)
    if found is None or form not in ("pem", "der"):
        abort(404)
    if form == "der":
        return attachment(found.der, name=f"ca-{number}.der", kind="application/pkix-cert")
    text = pem(CERTIFICATE, found.der)
    return attachment(text.encode(), name=f"ca-{number}.pem", kind="application/x-pem-file")


@blueprint.get("/ca/crl.<form>")
def revocation_list(form: str) -> FlaskResponse:
    """Return the revocation list of the folder."""
    path = this_config().pki / layout.CRL
    if form not in ("pem", "der") or not path.exists():
        abort(404)
    der = load_crl(path).der
    if form == "der":
        return attachment(der, name=layout.CRL_DER, kind="application/pkix-crl")
    return attachment(pem(LABELS[0], der).encode(), name=layout.CRL, kind="application/x-pem-file")


@blueprint.post("/revocation-list")
def issue_list() -> Response | tuple[str, int]:
    """Show how the revocation list will be issued."""
    store = this_config().store
    try:
        days = parse_days(request.form.get("days", str(LIST_DAYS)).strip())
    except UsageError as error:
        return _page({"list": Problem(error.message)}), 422
    return show_plan("list", lambda: revocation_list_job(store=store, days=days), show=_page)


@blueprint.post("/ca/passphrase")
def change_passphrase() -> Response | tuple[str, int]:
    """Show how the key of the CA will get another passphrase."""
    store = this_config().store
    new, wrong = _typed_twice(NEW_PASSPHRASE, "new_passphrase")
    if wrong:
        return _page({"new_passphrase": wrong}), 422
    return show_plan("passphrase", lambda: passphrase_job(store=store), show=_page, new={NEW_PASSPHRASE: new})


@blueprint.post("/ca/backup")
def back_up() -> Response | tuple[str, int]:
    """Show what a backup contains, and begin it after a confirmation."""
    store = this_config().store
    passphrase, wrong = _typed_twice(BACKUP_PASSPHRASE, "backup_passphrase")
    if wrong:
        return _page({"backup_passphrase": wrong}), 422
    root_of(store)
    name = f"{store.path.absolute().name}-{datetime.now(timezone.utc):%Y-%m-%d}.backup"
    job = Job(
        name=name,
        done=f"Backed up {store.path}",
        plan=Plan(f"back up {store.path}", ()),
        notes=("it contains all keys, that of the CA as well: whoever has the file and its passphrase has the CA",),
    )
    secrets = {BACKUP_PASSPHRASE: passphrase}
    pending = Pending(prepare=lambda: job, shown=job, secrets=secrets, run=_make_backup)
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)


def _make_backup(pending: Pending, config: Config, on_command: Callable[[str], None]) -> JobResult:
    """Make a backup, and check it as the command does."""
    job = pending.shown
    with backup_contents(
        config.store,
        openssl=config.openssl(),
        passphrase=pending.secrets[BACKUP_PASSPHRASE],
        on_command=on_command,
    ) as (data, made):
        # Other threads run as well, so no process is forked.
        audited = about_folder(tally_folder(made.restored, config.openssl(), jobs=1))
    pending.kept["backup"] = (job.name, data)
    return JobResult(
        job=job._replace(done=f"{job.done}: {made.files} files", notes=()),
        files={},
        certificate=None,
        issuer=None,
        checks=("the backup: restored into an empty folder, all files are the same", audited),
        notes=(f"without opensslgen, this opens it: {DECRYPT.format(archive=shlex.quote(job.name))}",),
        findings=(),
        kept=(),
    )


def _typed_twice(name: str, field: str) -> tuple[str, Problem | None]:
    """Return a new secret, and what is wrong with it; nobody could open anything with a typing error."""
    text = request.form.get(field, "")
    if text != request.form.get(f"{field}_again", ""):
        return text, Problem("the two passphrases differ: type both again")
    try:
        return fit_secret(name, text), None
    except UsageError as error:
        return text, Problem(error.message)
