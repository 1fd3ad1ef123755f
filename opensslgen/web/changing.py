"""The forms that renew or revoke a certificate."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, request, url_for

from opensslgen.errors import Error
from opensslgen.jobs.job import NO_P12, Violation
from opensslgen.jobs.renew import Renewal, renewal_job, root_renewal_job
from opensslgen.jobs.revoke import revocation_job
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import REASONS
from opensslgen.pki.lookup import ROOT, stem_to_renew
from opensslgen.plan.secrets import P12_PASSWORD, fit_secret

from . import fields
from .browsing import find_certificate, page
from .config import this_config
from .fields import Problem
from .gate import this_session
from .pending import Pending, passphrase_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.wrappers import Response

    from opensslgen.jobs.job import Job

blueprint = Blueprint("changing", __name__)


@blueprint.post("/certificates/<serial>/renew")
def renew(serial: str) -> Response | tuple[str, int]:
    """Show how a certificate will be renewed, or why it cannot be."""
    config, form = this_config(), request.form
    stem = stem_to_renew(Folder(config.pki), find_certificate(serial))
    p12 = ("p12-compat" if "compatible" in form else "p12") if P12_PASSWORD in fields.read_secrets(form) else None
    keep_key, at = "keep_key" in form, datetime.now(timezone.utc)
    fault = _p12_fault(p12, keep_key=keep_key, compatible="compatible" in form)
    if fault:
        return page(serial, problems={"renew": Problem(fault)}), 422

    def prepare() -> Job:
        if stem == ROOT:
            return root_renewal_job(store=config.store)
        # The page says what becomes of an old PKCS#12 file, for which nobody has typed a password.
        return renewal_job(stem, Renewal(keep_key=keep_key, p12=p12 or NO_P12, at=at), store=config.store)

    return show_plan("renew", prepare, show=lambda problems: page(serial, problems=problems))


def _p12_fault(p12: str | None, *, keep_key: bool, compatible: bool) -> str | None:
    """Return what is wrong with the options of the PKCS#12 file."""
    if p12 and keep_key:
        # It would give an older key to this session.
        return "here a PKCS#12 file can only contain a new key: leave the password empty, or do not keep the key"
    if compatible and not p12:
        return "a PKCS#12 file needs a password: type one"
    return None


@blueprint.post("/certificates/<serial>/revoke")
def revoke(serial: str) -> Response | tuple[str, int]:
    """Show how a certificate will be revoked, or why it cannot be."""
    config, reason = this_config(), request.form.get("reason") or None
    path = str(find_certificate(serial).path)
    if reason is not None and reason not in REASONS:
        problem = Problem(f"choose a reason: {', '.join(REASONS)}")
        return page(serial, problems={"revoke": problem}), 422

    def prepare() -> Job:
        return revocation_job(path, store=config.store, reason=reason)

    return show_plan("revoke", prepare, show=lambda problems: page(serial, problems=problems), is_final=True)


def show_plan(
    action: str,
    prepare: Callable[[], Job],
    *,
    show: Callable[[dict[str, Problem]], str],
    new: Mapping[str, str] | None = None,
    is_final: bool = False,
) -> Response | tuple[str, int]:
    """Go on to the plan, or show the page of the form with the error; `new` are secrets that the form has set."""
    secrets = {**fields.read_secrets(request.form), **(new or {})}
    try:
        for name, value in secrets.items():
            fit_secret(name, value)
        wrong = passphrase_problem(this_config(), secrets)
        if wrong:
            return show({f"{action}-passphrase": wrong}), 422
        pending = Pending(prepare=prepare, shown=prepare(), secrets=secrets, is_final=is_final)
    except Error as error:
        findings = tuple(error.findings) if isinstance(error, Violation) else ()
        return show({action: Problem(error.message, findings)}), 422
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)
