"""The pages that make a certificate: the form, the plan to confirm, the result and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, jsonify, make_response, redirect, render_template, request, url_for

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation
from opensslgen.names.general import parse_names
from opensslgen.orders.kinds import KINDS, SERVER
from opensslgen.plan.script import steps_script
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.x509 import key_types

from . import fields
from .config import this_config
from .fields import FORM, Problem, Values
from .gate import this_session
from .pages import attachment
from .pending import (
    SECRET,
    ChangedError,
    Delivery,
    Pending,
    delivery,
    passphrase_is_needed,
    passphrase_problem,
    place_order,
)
from .work import workers

if TYPE_CHECKING:
    from flask import Response as FlaskResponse
    from werkzeug.wrappers import Response

blueprint = Blueprint("making", __name__)

_KINDS = {
    "p12": "application/x-pkcs12",
    "crl in DER": "application/pkix-crl",
    "backup": "application/octet-stream",
}
"""Media types; the others are PEM."""


@blueprint.get("/new")
def form() -> str:
    """Show the form, empty or as it was filled in for an order."""
    pending = this_session().orders.get(request.args.get("order", ""))
    kind = request.args.get("kind", SERVER.name)
    empty = Values(kind=kind if kind in KINDS else SERVER.name)
    return _form(pending.values if pending and pending.values else empty, {})


@blueprint.post("/new")
def check() -> Response | tuple[str, int]:
    """Show the form again with its errors, or go on to the plan."""
    values, secrets = fields.read_values(request.form), fields.read_secrets(request.form)
    repeated = request.form.get("passphrase_again", "")
    pending, found = place_order(this_config(), values, secrets, repeated=repeated)
    if pending is None:
        return _form(values, found), 422
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)


def _form(values: Values, found: dict[str, Problem]) -> str:
    store, kind = this_config().store, KINDS[values.kind]
    is_first = store.issuer() is None and not kind.is_self_signed
    return render_template(
        "form.html",
        values=values,
        kind=kind,
        kinds=KINDS.values(),
        is_open=values.has_options or bool(found.keys() & {"eku", "key_type", "key_usage"}),
        problems=found,
        warnings=store.warnings(),
        eku_choices=fields.EXTENDED_KEY_USAGES,
        key_types=tuple(key_types.KEY_TYPES),
        key_usage_choices=fields.KEY_USAGES,
        is_first=is_first,
        asks_passphrase=(is_first and CA_PASSPHRASE not in this_config().secrets)
        or (not kind.is_self_signed and passphrase_is_needed(this_config())),
        pki=str(this_config().pki),
    )


@blueprint.post("/recognise")
def recognise() -> FlaskResponse:
    """Return the kind of each name, or what is wrong with it, for the script in the page."""
    lines = Values(names=request.form.get("names", "")).lines
    recognised: list[dict[str, str]] = []
    for line in lines[:200]:
        try:
            recognised += [{"kind": name.kind, "value": name.value} for name in parse_names(line)]
        except UsageError as error:
            recognised.append({"error": error.message})
    return jsonify(recognised)


@blueprint.get("/orders/<order>")
def plan(order: str) -> str:
    """Show the files and the commands of a job."""
    return _plan(_pending(order), order)


def _pending(order: str) -> Pending:
    pending = this_session().orders.get(order)
    if pending is None:
        abort(404)
    return pending


def _plan(pending: Pending, order: str, *, problem: Problem | None = None) -> str:
    return render_template(
        "plan.html",
        order=order,
        pending=pending,
        job=pending.shown,
        steps=None if pending.run else steps_script(pending.shown.plan),
        script=None if pending.run else pending.script(this_config()),
        problem=problem,
        pki=str(this_config().pki),
    )


@blueprint.get("/orders/<order>/script")
def script(order: str) -> FlaskResponse:
    """Return the script, as a file."""
    pending = _pending(order)
    if pending.run:
        abort(404)
    name = f"make-{pending.order.stem}.sh" if pending.order else "opensslgen.sh"
    return attachment(pending.script(this_config()).encode(), name=name, kind="text/x-shellscript; charset=utf-8")


@blueprint.post("/orders/<order>")
def make(order: str) -> Response | str | tuple[str, int]:
    """Run the job that was shown, once, however often this is called, and show its progress."""
    pending = _pending(order)
    if pending.elsewhere:
        abort(400, "This certificate is issued on another machine: download the script.")
    config = this_config()
    with pending.lock:
        if pending.work is None and pending.delivered is None:
            pending.work = workers().start(lambda on_command: pending.make(config, on_command))
        work = pending.work
    if work is not None and not work.ended.wait(config.patience):
        return redirect(url_for("making.progress", order=order), 303)
    return _ended(pending, order)


@blueprint.get("/orders/<order>/progress")
def progress(order: str) -> FlaskResponse | Response | str | tuple[str, int]:
    """Show what a running job does, and then its result."""
    pending = _pending(order)
    work = pending.work
    if work is None and pending.delivered is None:
        return redirect(url_for("making.plan", order=order), 303)
    if work is None or work.ended.is_set():
        return _ended(pending, order)
    page = make_response(render_template("progress.html", order=order, pending=pending, job=pending.shown, work=work))
    page.headers["Refresh"] = "1"
    return page


def _ended(pending: Pending, order: str) -> Response | str | tuple[str, int]:
    """Go on to the result of a job that has ended, or show its error."""
    with pending.lock:
        work = pending.work
        if work is not None:
            pending.work = None
            if work.fault is not None:
                return _failed(pending, order, work.fault)
            assert work.made is not None
            pending.delivered = this_session().deliver(delivery(work.made, pending.kept))
            pending.secrets = {}
    if pending.delivered is None:
        return redirect(url_for("making.plan", order=order), 303)
    return redirect(url_for("making.result", name=pending.delivered), 303)


def _failed(pending: Pending, order: str, fault: Exception) -> str | tuple[str, int]:
    if isinstance(fault, ChangedError):
        return _plan(pending, order, problem=Problem(fault.message)), 409
    if not isinstance(fault, Error):
        raise fault
    findings = fault.findings if isinstance(fault, Violation) else []
    # It was right when the form was sent, and may have been changed since.
    needs = CA_PASSPHRASE in pending.shown.plan.secrets
    wrong = passphrase_problem(this_config(), pending.secrets) if needs else None
    if pending.values is None:
        return _plan(pending, order, problem=wrong or Problem(fault.message, tuple(findings))), 409
    found = fields.problems_of_rules(findings) or {FORM: Problem(fault.message)}
    found = {"passphrase": wrong} if wrong else found
    return _form(pending.values, found), 409


@blueprint.get("/made/<name>")
def result(name: str) -> str:
    """Show the new files and the results of the checks."""
    from datetime import datetime, timezone

    from opensslgen.rules.devices import verdicts

    found = _delivery(name)
    made = found.made
    at = datetime.now(timezone.utc).replace(microsecond=0)
    return render_template(
        "made.html",
        name=name,
        made=made,
        certificate=made.certificate,
        files=found.names,
        secret=SECRET,
        found_verdicts=verdicts(made.certificate, issuer=made.issuer, is_private=True, at=at)
        if made.certificate
        else (),
    )


@blueprint.get("/made/<name>/<what>")
def download(name: str, what: str) -> FlaskResponse:
    """Return a file that this session has made, unless it contains a private key."""
    if what in SECRET:
        # A browser may follow links by itself.
        abort(404)
    return _file(name, what)


@blueprint.post("/made/<name>/<what>")
def download_secret(name: str, what: str) -> FlaskResponse:
    """Return a file with a private key that this session has made."""
    if what not in SECRET:
        abort(404)
    return _file(name, what)


def _file(name: str, what: str) -> FlaskResponse:
    found = _delivery(name).file(what)
    if found is None:
        abort(404)
    return attachment(found[1], name=found[0], kind=_KINDS.get(what, "application/x-pem-file"))


def _delivery(name: str) -> Delivery:
    found = this_session().deliveries.get(name)
    if found is None:
        abort(404)
    return found
