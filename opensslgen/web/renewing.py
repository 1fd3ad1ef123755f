"""The page that renews everything that is due: what the command `renew --within` does, with a choice."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for

from opensslgen.errors import Error
from opensslgen.jobs.due import Due, due
from opensslgen.jobs.job import NO_P12
from opensslgen.jobs.next_step import DAYS
from opensslgen.jobs.renew import Renewal, due_job
from opensslgen.pki.folder import Folder
from opensslgen.pki.lookup import ROOT
from opensslgen.pki.survey import survey_of
from opensslgen.plan import layout
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD, fit_secret
from opensslgen.x509.certificate import load

from . import fields
from .config import this_config
from .fields import Problem
from .gate import this_session
from .pending import Pending, passphrase_is_needed, passphrase_problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from werkzeug.wrappers import Response

blueprint = Blueprint("renewing", __name__)

MOST = 50
"""Certificates that are renewed at once; the others come next."""


class _Row(NamedTuple):
    """One certificate that is due."""

    due: Due
    not_after: datetime | None
    """None if it has no file."""
    has_p12: bool


@blueprint.get("/renew")
def form() -> str:
    """Show what is due, all of it chosen."""
    rows, is_root = _rows()
    return _page(rows, is_root=is_root, chosen={row.due.title for row in rows}, found={})


@blueprint.post("/renew")
def check() -> Response | tuple[str, int]:
    """Show the form again with its errors, or go on to the plans."""
    rows, is_root = _rows()
    chosen, secrets, found = set(request.form.getlist("title")), fields.read_secrets(request.form), {}
    some = [row for row in rows if row.due.title in chosen]
    if not some:
        found["title"] = Problem("choose at least one certificate")
    found |= _problems(secrets)
    at = datetime.now(timezone.utc)
    p12 = None if P12_PASSWORD in secrets else NO_P12
    renewal = Renewal(keep_key="keep_key" in request.form, p12=p12, at=at)
    jobs: list[Pending] = []
    faults: dict[str, str] = {}
    for row in some if not found else ():
        prepare = partial(due_job, row.due, renewal, store=this_config().store)
        try:
            shown = prepare()
        except Error as error:
            faults[row.due.title] = error.message
            continue
        used = {name: value for name, value in secrets.items() if name in shown.plan.secrets}
        jobs.append(Pending(prepare=prepare, shown=shown, secrets=used))
    if faults:
        # Nothing is left out in silence: whoever wants the others does not choose these.
        found["title"] = Problem("some of these cannot be renewed: choose only the others")
    if found:
        return _page(rows, is_root=is_root, chosen=chosen, found=found, faults=faults), 422
    first, *rest = jobs
    first.rest = tuple(rest)
    return redirect(url_for("making.plan", order=this_session().remember(first)), 303)


def _problems(secrets: Mapping[str, str]) -> dict[str, Problem]:
    """Return what is wrong with the secrets, by field."""
    found = {}
    for field, name in (("passphrase", CA_PASSPHRASE), ("p12_password", P12_PASSWORD)):
        try:
            if name in secrets:
                fit_secret(name, secrets[name])
        except Error as error:
            found[field] = Problem(error.message)
    if P12_PASSWORD in secrets and "keep_key" in request.form:
        # It would give an older key to this session.
        text = "here a PKCS#12 file can only contain a new key: leave the password empty, or do not keep the keys"
        found["p12_password"] = Problem(text)
    wrong = None if "passphrase" in found else passphrase_problem(this_config(), secrets)
    return found | ({"passphrase": wrong} if wrong else {})


def _rows() -> tuple[list[_Row], bool]:
    """Return what is due, but for the root, and whether the root is due: what it signs depends on it."""
    folder = Folder(this_config().pki)
    if not folder.index.exists() and folder.root is None:
        return [], False
    now = datetime.now(timezone.utc).replace(microsecond=0)
    found = list(due(survey_of(folder, at=now), days=DAYS, now=now))
    return [_row(folder, each) for each in found if each.stem != ROOT][:MOST], any(each.stem == ROOT for each in found)


def _row(folder: Folder, found: Due) -> _Row:
    if found.stem is None:
        return _Row(found, None, has_p12=False)
    not_after = load(folder.path / layout.certificate(found.stem)).not_after
    return _Row(found, not_after, has_p12=(folder.path / layout.p12(found.stem)).exists())


def _page(
    rows: list[_Row],
    *,
    is_root: bool,
    chosen: Collection[str],
    found: Mapping[str, Problem],
    faults: Mapping[str, str] | None = None,
) -> str:
    return render_template(
        "renew.html",
        rows=rows,
        is_root=is_root,
        chosen=chosen,
        problems=found,
        faults=faults or {},
        days=DAYS,
        most=MOST,
        with_p12=sum(row.has_p12 for row in rows),
        keeps_key="keep_key" in request.form,
        asks_passphrase=passphrase_is_needed(this_config()),
        label=fields.label,
    )
