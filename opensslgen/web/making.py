"""The pages that make a certificate: the form, the plan to confirm, the result and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, jsonify, redirect, render_template, request, url_for

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation
from opensslgen.names.general import parse_names
from opensslgen.plan.script import steps_script
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.x509 import key_types

from . import fields
from .config import this_config
from .fields import FORM, Problem, Values
from .gate import this_session
from .pages import attachment
from .pending import ChangedError, Delivery, Pending, delivery, passphrase_is_needed, passphrase_problem, place_order

if TYPE_CHECKING:
    from flask import Response as FlaskResponse
    from werkzeug.wrappers import Response

blueprint = Blueprint("making", __name__)

_KINDS = {"p12": "application/x-pkcs12", "crl in DER": "application/pkix-crl"}
"""Media types; the others are PEM."""


@blueprint.get("/new")
def form() -> str:
    """Show the form, empty or as it was filled in for an order."""
    pending = this_session().orders.get(request.args.get("order", ""))
    return _form(pending.values if pending else None, {})


@blueprint.post("/new")
def check() -> Response | tuple[str, int]:
    """Show the form again with its errors, or go on to the plan."""
    values, secrets = fields.read_values(request.form), fields.read_secrets(request.form)
    repeated = request.form.get("passphrase_again", "")
    pending, found = place_order(this_config(), values, secrets, repeated=repeated)
    if pending is None:
        return _form(values, found), 422
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)


def _form(values: Values | None, found: dict[str, Problem]) -> str:
    store = this_config().store
    is_first = store.issuer() is None
    return render_template(
        "form.html",
        values=values or Values(),
        problems=found,
        warnings=store.warnings(),
        eku_choices=fields.EXTENDED_KEY_USAGES,
        key_types=tuple(key_types.KEY_TYPES),
        key_usage_choices=fields.KEY_USAGES,
        is_first=is_first,
        asks_passphrase=passphrase_is_needed(this_config())
        if store.issuer()
        else CA_PASSPHRASE not in this_config().secrets,
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
        steps=steps_script(pending.shown.plan),
        script=pending.script(this_config()),
        problem=problem,
        pki=str(this_config().pki),
    )


@blueprint.get("/orders/<order>/script")
def script(order: str) -> FlaskResponse:
    """Return the script, as a file."""
    pending = _pending(order)
    name = f"make-{pending.order.stem}.sh" if pending.order else "opensslgen.sh"
    return attachment(pending.script(this_config()).encode(), name=name, kind="text/x-shellscript; charset=utf-8")


@blueprint.post("/orders/<order>")
def make(order: str) -> Response | str | tuple[str, int]:
    """Run the job that was shown, once, however often this is called."""
    pending, session = _pending(order), this_session()
    with pending.lock:
        if pending.delivered is None:
            if pending.elsewhere:
                abort(400, "This certificate is issued on another machine: download the script.")
            try:
                made = pending.make(this_config())
            except ChangedError as error:
                return _plan(pending, order, problem=Problem(error.message)), 409
            except Error as error:
                findings = error.findings if isinstance(error, Violation) else []
                # It was right when the form was sent, and may have been changed since.
                wrong = passphrase_problem(this_config(), pending.secrets)
                if pending.values is None:
                    return _plan(pending, order, problem=wrong or Problem(error.message, tuple(findings))), 409
                found = fields.problems_of_rules(findings) or {FORM: Problem(error.message)}
                found = {"passphrase": wrong} if wrong else found
                return _form(pending.values, found), 409
            pending.delivered = session.deliver(delivery(made))
            pending.secrets = {}
    return redirect(url_for("making.result", name=pending.delivered), 303)


@blueprint.get("/made/<name>")
def result(name: str) -> str:
    """Show the new files and the results of the checks."""
    from datetime import datetime, timezone

    from opensslgen.rules.devices import verdicts

    made = _delivery(name).made
    at = datetime.now(timezone.utc).replace(microsecond=0)
    return render_template(
        "made.html",
        name=name,
        made=made,
        certificate=made.certificate,
        files={what: made.files[what] for what in _delivery(name).digests},
        found_verdicts=verdicts(made.certificate, issuer=made.issuer, is_private=True, at=at)
        if made.certificate
        else (),
    )


@blueprint.get("/made/<name>/<what>")
def download(name: str, what: str) -> FlaskResponse:
    """Return a file that this session has made."""
    found = _delivery(name)
    data = found.file(what)
    if data is None:
        abort(404)
    return attachment(data, name=found.made.files[what].name, kind=_KINDS.get(what, "application/x-pem-file"))


def _delivery(name: str) -> Delivery:
    found = this_session().deliveries.get(name)
    if found is None:
        abort(404)
    return found
