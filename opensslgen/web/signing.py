"""The form that signs a request from an appliance, pasted or uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for

from opensslgen.errors import Error
from opensslgen.files.write import overwrite_refusal
from opensslgen.jobs.job import Violation
from opensslgen.jobs.sign import sign_job
from opensslgen.names.general import parse_names
from opensslgen.orders import from_request
from opensslgen.orders.kinds import CLIENT, KINDS, SERVER
from opensslgen.orders.order import LEAF_DAYS
from opensslgen.plan.secrets import CA_PASSPHRASE, fit_secret
from opensslgen.x509.request import parse_request

from . import fields
from .config import this_config
from .fields import Problem
from .gate import this_session
from .pending import Pending, passphrase_is_needed, passphrase_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response

    from opensslgen.jobs.job import Job

blueprint = Blueprint("signing", __name__)


@blueprint.get("/sign")
def form() -> str:
    """Show the form."""
    return _page({}, {})


@blueprint.post("/sign")
def check() -> Response | tuple[str, int]:
    """Show the form again with its error, or go on to the plan."""
    typed = {name: request.form.get(name, "") for name in ("text", "names", "days", "kind")}
    pending, found = _place(typed)
    if pending is None:
        return _page(typed, found), 422
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)


def _place(typed: Mapping[str, str]) -> tuple[Pending | None, dict[str, Problem]]:
    """Return the job for the request, or what is wrong by field."""
    config, secrets, is_forced = this_config(), fields.read_secrets(request.form), "replace" in request.form
    secrets = {name: value for name, value in secrets.items() if name == CA_PASSPHRASE}
    upload = request.files.get("file")
    data = upload.read() if upload and upload.filename else typed["text"].encode()
    if not data.strip():
        return None, {"text": Problem("paste a request, or choose its file")}
    field = "text"
    try:
        decoded = parse_request(data)
        kind = KINDS.get(typed["kind"], SERVER)
        field = "names"
        lines = [line for line in typed["names"].splitlines() if line.strip()]
        names = tuple(name for line in lines for name in parse_names(line))
        field = "days"
        days = fields.parse_days(typed["days"])
        field = "text"
        order = from_request.leaf_order_of(
            decoded, names=names or from_request.requested_names(decoded, kind), kind=kind, days=days
        )
        field = "passphrase"
        for name, value in secrets.items():
            fit_secret(name, value)
        wrong = passphrase_problem(config, secrets)
        if wrong:
            return None, {field: wrong}
        field = "text"

        def prepare() -> Job:
            return sign_job(decoded, order, store=config.store, fixed_days=days != LEAF_DAYS)

        job = prepare()
    except Violation as violation:
        return None, {"text": Problem(violation.message, tuple(violation.findings))}
    except Error as error:
        return None, {field: Problem(error.message)}
    there = config.store.existing(job.plan)
    if there and not is_forced:
        return None, {"replace": Problem(overwrite_refusal(config.pki, there).message)}
    return Pending(prepare=prepare, shown=job, secrets=secrets, force=is_forced), {}


def _page(typed: Mapping[str, str], found: dict[str, Problem]) -> str:
    config = this_config()
    if not _is_request(typed.get("text", "")):
        # It may be a key, pasted by mistake.
        typed = {**typed, "text": ""}
    return render_template(
        "sign.html",
        typed={"text": "", "names": "", "days": str(LEAF_DAYS), "kind": SERVER.name, **typed},
        problems=found,
        kinds=(SERVER, CLIENT),
        has_ca=config.store.issuer() is not None,
        asks_passphrase=passphrase_is_needed(config),
    )


def _is_request(text: str) -> bool:
    try:
        parse_request(text.encode())
    except Error:
        return False
    return True
