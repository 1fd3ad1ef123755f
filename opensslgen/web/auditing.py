"""The page that checks what is pasted or uploaded: certificates, configs, scripts."""

from __future__ import annotations

import dataclasses
import re
import threading
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, request

from opensslgen.errors import Error, UsageError
from opensslgen.report.tally import verdict, worst_first
from opensslgen.rules.profiles import PROFILES

from .config import UPLOAD_LIMIT, this_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.audit.result import Result, Settings
    from opensslgen.openssl.command import OpenSSL

blueprint = Blueprint("auditing", __name__)

_TIMEOUT = 20.0
"""Seconds that openssl may take."""
_turns = threading.BoundedSemaphore(2)
"""Checks at once, of all visitors together; each of them has the budget of a file in an audit."""
_LONGEST_WAIT = 10.0
"""Seconds that a visitor waits for a turn."""


@blueprint.get("/audit")
def form() -> str:
    """Show the form."""
    return _page(text="", profile="", results=None)


@blueprint.post("/audit")
def judge() -> str | tuple[str, int]:
    """Check what was sent; nothing of it is stored."""
    from opensslgen.audit.targets import audit_content

    text, profile = request.form.get("text", ""), request.form.get("profile", "")
    upload = request.files.get("file")
    # A browser sends the lines of a text field with CR LF.
    sent = [("pasted", text.replace("\r\n", "\n").encode())] if text.strip() else []
    if upload and upload.filename:
        sent.append((upload.filename, upload.read()))
    if not sent:
        return _page(text=text, profile=profile, results=None, problem="paste something, or choose a file"), 422
    if profile and profile not in PROFILES:
        return _page(text=text, profile="", results=None, problem="choose one of the profiles"), 422
    settings = _settings(profile)
    try:
        with turn():
            results = [result for name, data in sent for result in audit_content(data, name, settings)]
    except BusyError as error:
        return _page(text=text, profile=profile, results=None, problem=error.message), 503
    return _page(text=text, profile=profile, results=results)


class BusyError(Error):
    """Too many checks run at the same time."""


@contextmanager
def turn() -> Iterator[None]:
    """Wait until a check may run; raises BusyError after a while."""
    if not _turns.acquire(timeout=_LONGEST_WAIT):
        raise BusyError("others are checking: try again in a moment")
    try:
        yield
    finally:
        _turns.release()


def _page(*, text: str, profile: str, results: list[Result] | None, problem: str | None = None) -> str:
    return render_template(
        "audit.html",
        text="" if _may_hold_key(text) else text,
        profile=profile,
        profiles=PROFILES.values(),
        results=results,
        problem=problem,
        verdict=verdict,
        worst_first=worst_first,
    )


def _may_hold_key(text: str) -> bool:
    """Tell whether a private key may be in a text, whatever its label says: in base64 or in hex, if it is one."""
    long = re.findall(r"[0-9A-Za-z+/=:_-]{32,}", text)
    return "PRIVATE KEY" in text or any(re.search(r"\d", run) and re.search("[A-Za-z]", run) for run in long)


def _settings(profile: str) -> Settings:
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.audit.result import Settings

    chosen = chosen_rules([profile])
    return Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=datetime.now(timezone.utc).replace(microsecond=0),
        limit=UPLOAD_LIMIT,
        password=_password,
        openssl=_openssl,
        jobs=1,
    )


def _openssl() -> OpenSSL:
    return dataclasses.replace(this_config().openssl(), timeout=_TIMEOUT, limit=8 * UPLOAD_LIMIT)


def _password(name: str) -> str:  # noqa: ARG001 - there is one field for all
    password = request.form.get("password", "")
    if not password:
        raise UsageError("it needs a password: type it below the file")
    return password
