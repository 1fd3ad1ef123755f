"""The pages that show the pki folder: the list, and one certificate."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Blueprint, abort, render_template, request, url_for

from opensslgen import __version__
from opensslgen.errors import Error, UsageError
from opensslgen.jobs.due import due
from opensslgen.jobs.export import offers
from opensslgen.jobs.next_step import DAYS, next_step
from opensslgen.jobs.remedy import remedies, renewal
from opensslgen.orders.kinds import kind_of
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import REASONS
from opensslgen.pki.survey import KINDS, STATES, crl_dates, crl_fault, state_of, survey_of
from opensslgen.plan.script import as_commands
from opensslgen.report import browse, explain, overview
from opensslgen.report.fixes import fix_of
from opensslgen.x509.pem import CERTIFICATE, pem

from .config import this_config
from .fields import Problem
from .gate import this_session
from .pending import passphrase_is_needed

if TYPE_CHECKING:
    from opensslgen.audit.result import Result
    from opensslgen.audit.why import Why
    from opensslgen.jobs.export import Offer

blueprint = Blueprint("browsing", __name__)

_SERIAL = re.compile(r"ca|[0-9A-F]{2,64}")


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


def page(serial: str, *, problems: dict[str, Problem], host: str = "", answer: Why | None = None) -> str:
    """Return the page of one certificate; the problems are named after the form that was sent.

    `host` is the server that was typed, and `answer` what the check of it has found.
    """
    config, found, at = this_config(), find_certificate(serial), _now()
    proof = _proof(found, at)
    said = explain.verdicts_on(found, at=at, proof=proof)
    commands, fault = _renewal_commands(found)
    return render_template(
        "one.html",
        serial=serial,
        found=found,
        certificate=found.certificate,
        at=at,
        state=state_of(found.certificate, found.entry, at=at),
        kind=kind_of(found.certificate),
        pem=pem(CERTIFICATE, found.certificate.der),
        problems=problems,
        reasons=REASONS,
        is_root=serial == lookup.ROOT,
        can_revoke=serial != lookup.ROOT and not (found.entry and found.entry.revoked_at),
        commands=commands,
        fault=fault,
        asks_passphrase=passphrase_is_needed(config),
        facts=[(what, text) for what, text in explain.facts(found, at=at) if what not in ("serial", "SHA-256")],
        standing=explain.standing(found, said, proof=proof),
        found_verdicts=said,
        remedy=remedies(found, store=config.store, fix=lambda finding: fix_of(finding.rule.id, "certificate")),
        offers=_offers(found),
        host=host,
        answer=answer,
    )


def _offers(found: lookup.Found) -> list[Offer]:
    """Return what the certificate can be exported as; nothing if one of its issuers cannot be read."""
    with suppress(Error):
        return offers(found, store=this_config().store)
    return []


def _renewal_commands(found: lookup.Found) -> tuple[str | None, str | None]:
    """Return what `renew --commands` prints for a certificate, or why it cannot be renewed."""
    try:
        plan = renewal(found, store=this_config().store).plan
        return as_commands(plan, version=__version__, folder=str(this_config().pki)), None
    except Error as error:
        return None, error.message


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

    issuers = [*filter(None, [found.issuer]), *this_config().store.above()]
    return proof(found.certificate, issuers, Settings(rules=(), at=at, openssl=this_config().openssl))


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)
