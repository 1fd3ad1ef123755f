"""The pages that make a certificate: the form, the plan to confirm, the result and its files."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Blueprint, abort, jsonify, make_response, redirect, render_template, request, url_for

from opensslgen import __version__
from opensslgen.budget import Budget
from opensslgen.errors import Error, UsageError
from opensslgen.jobs.job import Violation
from opensslgen.names.general import parse_names
from opensslgen.plan.script import as_commands, extension_files, steps_script
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
    Outcome,
    Pending,
    creates_ca,
    delivery,
    passphrase_is_needed,
    passphrase_problem,
    place_order,
    preview,
)
from .work import workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flask import Response as FlaskResponse
    from werkzeug.wrappers import Response

    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult

blueprint = Blueprint("making", __name__)

_KINDS = {
    "p12": "application/x-pkcs12",
    "crl in DER": "application/pkix-crl",
    "backup": "application/octet-stream",
}
"""Media types; the others are PEM."""
_PREVIEW_LIMIT = 64 << 10
"""Bytes of a form whose commands are shown while it is filled in, and characters of names that are recognised."""
_PREVIEW_SECONDS = 2.0
"""Seconds of CPU for that."""
_previews = threading.BoundedSemaphore(2)
"""Previews at once, of all visitors together."""


@blueprint.get("/new")
def form() -> str:
    """Show the form, empty or as it was filled in for an order."""
    pending = this_session().orders.get(request.args.get("order", ""))
    if pending and pending.values:
        return _form(pending.values, {})
    return _form(fields.empty(request.args.get("kind", "")), {})


@blueprint.post("/new")
def check() -> Response | tuple[str, int]:
    """Show the form again with its errors, or go on to the plan."""
    values, secrets = fields.read_values(request.form, request.files), fields.read_secrets(request.form)
    pending, found = place_order(this_config(), values, secrets, request.form)
    if pending is None:
        return _form(values, found), 422
    return redirect(url_for("making.plan", order=this_session().remember(pending)), 303)


@blueprint.post("/new/commands")
def commands() -> str | tuple[str, int]:
    """Show the extension file and the commands for the form as it is; writes and runs nothing.

    The script in the page sends no secret, only which fields have one, and gets nothing but these commands; a browser
    without scripts gets the whole form again.
    """
    if (request.content_length or 0) > _PREVIEW_LIMIT:
        abort(413, "This is too large to show its commands.")
    if not _previews.acquire(blocking=False):
        abort(503, "Others are looking at commands: try again in a moment.")
    try:
        values, secrets = fields.read_values(request.form, request.files), fields.read_secrets(request.form)
        with Budget(_PREVIEW_SECONDS).running():
            job, found = preview(this_config(), values, secrets)
        shown = _commands(job, found)
    finally:
        _previews.release()
    return render_template("commands.html", **shown) if "fragment" in request.form else _form(values, {}, shown)


def _commands(job: Job | None, found: Mapping[str, Problem]) -> dict[str, object]:
    """Return what the part of the page needs that shows the commands."""
    folder = str(this_config().pki)
    return {
        "job": job,
        "lacking": found,
        "label": fields.label,
        "extensions": extension_files(job.plan) if job else (),
        "commands": as_commands(job.plan, version=__version__, folder=folder) if job else "",
    }


def _form(values: Values, found: dict[str, Problem], shown: Mapping[str, object] | None = None) -> str:
    config, store = this_config(), this_config().store
    is_first = creates_ca(config, values)
    return render_template(
        "form.html",
        values=values,
        form=values.form,
        forms=fields.FORMS,
        is_open=values.has_options or bool(found.keys() & set(values.form.options)),
        problems=found,
        warnings=store.warnings(),
        eku_choices=fields.EXTENDED_KEY_USAGES,
        key_types=tuple(key_types.KEY_TYPES),
        key_usage_choices=fields.KEY_USAGES,
        purposes=fields.PURPOSES,
        is_first=is_first,
        lacks_ca=values.form.needs_ca and not is_first and store.issuer() is None,
        asks_passphrase=(is_first and CA_PASSPHRASE not in config.secrets)
        or (values.form.needs_ca and passphrase_is_needed(config)),
        pki=str(config.pki),
        shown=shown is not None,
        **({"label": fields.label} if shown is None else shown),
    )


@blueprint.post("/recognise")
def recognise() -> FlaskResponse:
    """Return the kind of each name, or what is wrong with it, for the script in the page."""
    text = request.form.get("names", "")
    if len(text) > _PREVIEW_LIMIT:
        abort(413, "These are too many names to recognise.")
    lines = fields.lines(text)
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
    if pending.rest:
        steps = [steps_script(each.shown.plan) for each in pending.all]
        return render_template("plans.html", order=order, jobs=[each.shown for each in pending.all], steps=steps)
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
        if pending.work is None and not pending.has_ended:
            pending.work = workers().start(lambda on_command: pending.make_all(config, on_command))
        work = pending.work
    if work is not None and not work.ended.wait(config.patience):
        return redirect(url_for("making.progress", order=order), 303)
    return _ended(pending, order)


@blueprint.get("/orders/<order>/progress")
def progress(order: str) -> FlaskResponse | Response | str | tuple[str, int]:
    """Show what a running job does, and then its result."""
    pending = _pending(order)
    work = pending.work
    if work is None and not pending.has_ended:
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
            _deliver(pending, work.made)
    if pending.outcomes:
        return redirect(url_for("making.results", order=order), 303)
    if pending.delivered is None:
        return redirect(url_for("making.plan", order=order), 303)
    return redirect(url_for("making.result", name=pending.delivered), 303)


def _deliver(pending: Pending, made: Sequence[JobResult | Error]) -> None:
    """Let the session download what was made, and forget the secrets."""
    names = [None if isinstance(each, Error) else this_session().deliver(delivery(each, pending.kept)) for each in made]
    if pending.rest:
        faults = [each.message if isinstance(each, Error) else None for each in made]
        titles = [each.shown.name for each in pending.all]
        pending.outcomes = tuple(map(Outcome, titles, names, faults))
    else:
        (pending.delivered,) = names
    for each in pending.all:
        each.secrets = {}


@blueprint.get("/orders/<order>/results")
def results(order: str) -> str | Response:
    """Show how each of several jobs has ended."""
    pending = _pending(order)
    if not pending.outcomes:
        return redirect(url_for("making.plan", order=order), 303)
    return render_template("results.html", outcomes=pending.outcomes)


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
    found = fields.problems_of_rules(pending.values, findings) or {FORM: Problem(fault.message)}
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
