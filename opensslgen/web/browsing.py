"""The pages that show the pki folder: the list, and one certificate."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, render_template, request, url_for

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.due import due
from opensslgen.jobs.next_step import DAYS, next_step
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import REASONS
from opensslgen.pki.survey import KINDS, STATES, crl_dates, crl_fault, survey_of
from opensslgen.report import browse, explain, overview

from .config import this_config
from .fields import Problem
from .gate import this_session
from .pages import attachment
from .pending import passphrase_is_needed

if TYPE_CHECKING:
    from opensslgen.audit.result import Result

blueprint = Blueprint("browsing", __name__)

_SERIAL = re.compile(r"ca|[0-9A-F]{2,64}")
_PUBLIC = ("certificate", "chain")
"""What anyone with a session can download; a key only the session that has made it."""


@blueprint.get("/")
def table() -> str:
    """Show the CA, what needs attention, and the certificates in the folder."""
    config, query = this_config(), overview.query_of(request.args)
    survey, folder = None, Folder(config.pki)
    # While the first job runs, the folder is there and empty.
    if folder.index.exists() or folder.root is not None:
        survey = survey_of(folder, at=_now(), everything=query.needs_past)
    selection = overview.select(survey, query, config.briefs) if survey else overview.Selection([], 1, 1, 0)
    # The root has a card of its own.
    expiries = [entry.not_after for entry in survey.current] if survey else []
    page = render_template(
        "overview.html",
        survey=survey,
        query=query,
        selection=selection,
        root=survey.root() if survey else None,
        step=next_step(survey),
        due_count=sum(1 for _ in due(survey, days=DAYS, now=survey.at)) if survey else 0,
        due_state="expired" if survey and survey.lapsed else "expiring",
        months=overview.months(expiries, at=_now()),
        lists=crl_dates(survey) if survey else None,
        fault=crl_fault(survey) if survey else None,
        names=browse.names,
        states=STATES,
        kinds=[kind for kind in KINDS if kind not in ("root", "?")],
        address=lambda **changes: f"{url_for('browsing.table')}?{urlencode(overview.parameters(query, **changes))}",
        can_renew=lambda row: bool(row.copy.certificate and survey and survey.folder.file_of(row.copy.certificate)),
        warnings=config.store.warnings(),
        orders=this_session().orders,
        deliveries=this_session().deliveries,
    )
    if survey:
        config.briefs.read_ahead(survey)
    return page


@blueprint.get("/certificates/<serial>")
def one(serial: str) -> str:
    """Explain one certificate, with the forms to renew and revoke it."""
    return page(serial, problems={})


def page(serial: str, *, problems: dict[str, Problem]) -> str:
    """Return the page of one certificate; the problems are named after the form that was sent."""
    found = find_certificate(serial)
    at = _now()
    return render_template(
        "one.html",
        serial=serial,
        found=found,
        problems=problems,
        reasons=REASONS,
        is_root=serial == lookup.ROOT,
        can_renew=_can_renew(found),
        asks_passphrase=passphrase_is_needed(this_config()),
        facts=explain.facts(found, at=at),
        found_verdicts=explain.verdicts_on(found, at=at, proof=_proof(found, at)),
        downloads=[what for what in _PUBLIC if what in found.files],
    )


@blueprint.get("/certificates/<serial>/<what>")
def download(serial: str, what: str) -> Response:
    """Return a certificate or its chain."""
    found = find_certificate(serial)
    if what not in _PUBLIC or what not in found.files:
        abort(404)
    return attachment(found.files[what].read_bytes(), name=found.files[what].name, kind="application/x-pem-file")


def find_certificate(serial: str) -> lookup.Found:
    """Return the certificate with a serial number, or the root for "ca"; aborts with 404 if there is none."""
    if not _SERIAL.fullmatch(serial):
        abort(404)
    try:
        return lookup.find_by_serial(Folder(this_config().pki), serial)
    except UsageError:
        abort(404)


def _proof(found: lookup.Found, at: datetime) -> Result:
    """Return what openssl says of the certificate's signature."""
    from opensslgen.audit.result import Settings
    from opensslgen.audit.signatures import proof

    issuers = [found.issuer] if found.issuer else []
    return proof(found.certificate, issuers, Settings(rules=(), at=at, openssl=this_config().openssl))


def _can_renew(found: lookup.Found) -> bool:
    try:
        return bool(lookup.stem_to_renew(Folder(this_config().pki), found))
    except Error:
        return False


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)
