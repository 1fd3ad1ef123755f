"""The pages that show the pki folder: the list, and one certificate."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from flask import Blueprint, Response, abort, render_template, request

from opensslgen.errors import Error, UsageError
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import REASONS
from opensslgen.pki.survey import crl_fault, rows_of, survey_of
from opensslgen.report import browse, explain

from .config import this_config
from .fields import Problem
from .pages import attachment
from .pending import passphrase_is_needed

if TYPE_CHECKING:
    from opensslgen.audit.result import Result

blueprint = Blueprint("browsing", __name__)

_SERIAL = re.compile(r"ca|[0-9A-F]{2,64}")
_PUBLIC = ("certificate", "chain")
"""What anyone with a session can download; a key only the session that has made it."""


@blueprint.get("/certificates")
def table() -> str:
    """List the certificates in the folder: the root first, then by expiry."""
    everything = "all" in request.args
    if not this_config().pki.is_dir():
        return render_template("list.html", rows=[], survey=None, everything=everything, names=browse.names, fault=None)
    survey = survey_of(Folder(this_config().pki), at=_now(), everything=everything)
    rows, _ = rows_of(survey)
    return render_template(
        "list.html",
        rows=list(rows),
        survey=survey,
        everything=everything,
        names=browse.names,
        fault=crl_fault(survey),
    )


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
        return lookup.find_in_folder(Folder(this_config().pki), serial)
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
