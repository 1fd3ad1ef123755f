"""The page that checks what is pasted, uploaded or named: certificates, configs, scripts and servers."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from flask import Blueprint, Response, abort, render_template, request

from opensslgen.errors import UsageError
from opensslgen.report.audit import Report as Writer
from opensslgen.report.audit import audit_format
from opensslgen.report.fixes import fix_of
from opensslgen.report.tally import COMPLIES, KEY, UNREADABLE, VIOLATES, Tally, tally, verdict
from opensslgen.report.text import text_tail, verdict_words
from opensslgen.rules.profiles import PROFILES
from opensslgen.rules.rule import ERROR, NOTE, WARNING

from .config import UPLOAD_LIMIT, this_config
from .fields import Problem, lines
from .gate import this_session
from .pages import attachment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from opensslgen.audit.live import ServerTarget
    from opensslgen.audit.result import Result, Settings
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.rules.rule import Finding

    from .config import Config

blueprint = Blueprint("auditing", __name__)

_TIMEOUT = 20.0
"""Seconds that openssl may take for a file."""
_SERVER_TIMEOUT = 5.0
"""Seconds that a server may take on each of its addresses."""
_TARGETS = 20
"""Files and servers of one request."""
_SERVERS_AT_ONCE = 4
_NAME = 255
"""Characters of the name of a file."""
_SECONDS = 30.0
"""What one request may take; each of its files has the budget of a file in an audit, or what is left of this."""
_turns = threading.BoundedSemaphore(2)
"""Requests at once, of all visitors together."""
_places = threading.BoundedSemaphore(3)
"""Requests at once with those that wait: one thread is left for the other pages."""
_LONGEST_WAIT = 10.0
"""Seconds that a visitor waits for a turn."""
_MOST_SHOWN = 100
"""Findings of one target on the page; the report has them all."""
FORMATS = {"text": ("txt", "text/plain; charset=utf-8"), "json": ("json", "application/json")} | {
    "sarif": ("sarif", "application/sarif+json")
}
"""Formats of the report, each with the ending and the media type of its file."""
_RANKS = {VIOLATES: 0, UNREADABLE: 1, COMPLIES: 2, KEY: 3}


class Report(NamedTuple):
    """The results of one request, and how they were reached."""

    results: tuple[Result, ...]
    settings: Settings
    profiles: tuple[str, ...]


class Typed(NamedTuple):
    """What the form contains, to be shown again."""

    text: str = ""
    servers: str = ""
    starttls: str = ""
    profile: str = ""


@blueprint.get("/audit")
def form() -> str:
    """Show the form."""
    return _page(Typed())


@blueprint.post("/audit")
def judge() -> str | tuple[str, int]:
    """Check what was sent; nothing of it is stored on the disk."""
    typed = Typed(*(request.form.get(name, "") for name in Typed._fields))
    # A browser sends the lines of a text field with CR LF.
    sent = [("pasted", typed.text.replace("\r\n", "\n").encode())] if typed.text.strip() else []
    # The name is repeated with each result.
    sent += [(upload.filename[:_NAME], upload.read()) for upload in request.files.getlist("file") if upload.filename]
    servers, found = _servers(typed)
    if not sent and not servers and not found:
        found["text"] = Problem("paste something, choose a file, or name a server")
    if typed.profile and typed.profile not in PROFILES:
        found["profile"] = Problem("choose one of the profiles")
    if len(sent) + len(servers) > _TARGETS:
        found["file" if len(sent) > len(servers) else "servers"] = Problem(f"at most {_TARGETS} can be checked at once")
    if found:
        return _page(typed, found), 422
    with turn() as has_turn:
        if not has_turn:
            return _page(typed, {"text": Problem("others are checking files: try again in a moment")}), 503
        report = _report(sent, servers, typed.profile)
    return _page(typed, report=report, name=this_session().keep_report(report))


@contextmanager
def turn() -> Iterator[bool]:
    """Wait for a turn, and tell whether there is one."""
    if not _places.acquire(blocking=False):
        yield False
        return
    try:
        has_turn = _turns.acquire(timeout=_LONGEST_WAIT)
        try:
            yield has_turn
        finally:
            if has_turn:
                _turns.release()
    finally:
        _places.release()


def _servers(typed: Typed) -> tuple[list[ServerTarget], dict[str, Problem]]:
    """Return the servers that are named, and what is wrong by field."""
    from opensslgen.audit.why import target_of

    found = []
    for line in lines(typed.servers)[: _TARGETS + 1]:
        try:
            found.append(target_of(line.strip(), starttls=typed.starttls or None))
        except UsageError as error:
            return [], {"servers": Problem(error.message)}
    return found, {}


def _report(sent: Sequence[tuple[str, bytes]], servers: Sequence[ServerTarget], profile: str) -> Report:
    from opensslgen.audit.chosen import chosen_rules
    from opensslgen.audit.result import Settings

    chosen = chosen_rules([profile])
    settings = Settings(
        rules=chosen.rules,
        rules_by_kind=chosen.by_kind,
        at=datetime.now(timezone.utc).replace(microsecond=0),
        limit=UPLOAD_LIMIT,
        password=partial(_password, request.form.get("password", "")),
        # Found here: servers are asked in other threads, which do not know this request.
        openssl=partial(_openssl, this_config()),
        jobs=1,
    )
    end = time.monotonic() + _SECONDS
    results = (*_of_files(sent, settings, end), *_of_servers(servers, settings, end))
    # The password is part of the request, and must not outlive it.
    return Report(results, dataclasses.replace(settings, password=None, openssl=None), chosen.profiles)


def _of_files(sent: Sequence[tuple[str, bytes]], settings: Settings, end: float) -> Iterator[Result]:
    from opensslgen.audit.result import Result
    from opensslgen.audit.targets import audit_content

    for name, data in sent:
        left = end - time.monotonic()
        if left <= 0:
            yield Result(target=name, kind="file", unreadable=_TOO_LATE)
        else:
            yield from audit_content(
                data, name, dataclasses.replace(settings, time_limit=min(settings.time_limit, left))
            )


_TOO_LATE = f"not checked, because the others took {_SECONDS:g} seconds: check it alone"


def _of_servers(servers: Sequence[ServerTarget], settings: Settings, end: float) -> Iterator[Result]:
    from opensslgen.audit.live import judge_servers
    from opensslgen.audit.result import Result

    for first in range(0, len(servers), _SERVERS_AT_ONCE):
        some = servers[first : first + _SERVERS_AT_ONCE]
        if time.monotonic() >= end:
            yield from (Result(target=server.text, kind="server", unreadable=_TOO_LATE) for server in some)
        else:
            yield from judge_servers(some, settings=settings, timeout=_SERVER_TIMEOUT, jobs=_SERVERS_AT_ONCE, until=end)


class _Group(NamedTuple):
    """What was found of one target."""

    target: str
    results: tuple[Result, ...]

    @property
    def verdict(self) -> str:
        """The worst of its verdicts."""
        return min(map(verdict, self.results), key=_RANKS.__getitem__)


def _groups(results: Iterable[Result]) -> list[_Group]:
    """Return the results by target, the worst target first."""
    found = [_Group(target, tuple(several)) for target, several in groupby(results, lambda result: result.target)]
    return sorted(found, key=lambda group: _RANKS[group.verdict])


def _by_severity(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """Return the findings by severity, the worst first, at most _MOST_SHOWN of them."""
    shown = list(findings)[:_MOST_SHOWN]
    several = (
        (severity, [each for each in shown if each.rule.severity == severity]) for severity in (ERROR, WARNING, NOTE)
    )
    return [(severity, some) for severity, some in several if some]


@blueprint.get("/audit/<name>")
def result(name: str) -> str:
    """Show the results of an audit of this session again."""
    return _page(Typed(), report=_kept(name), name=name)


@blueprint.get("/audit/<name>/<form>")
def download(name: str, form: str) -> Response:
    """Return the report of an audit as a file."""
    report = _kept(name)
    if form not in FORMATS:
        abort(404)
    ending, kind = FORMATS[form]
    wanted = audit_format(form, report.settings, profiles=report.profiles)
    text = "".join(Writer().pieces(wanted, map(wanted.entry(), report.results)))
    return attachment(text.encode("utf-8", "surrogateescape"), name=f"audit.{ending}", kind=kind)


def _kept(name: str) -> Report:
    report = this_session().reports.get(name)
    if report is None:
        abort(404)
    return report


def _page(
    typed: Typed, found: dict[str, Problem] | None = None, *, report: Report | None = None, name: str = ""
) -> str:
    from opensslgen.openssl.s_client import STARTTLS

    results = report.results if report else ()
    total = Tally()
    for each in results:
        total = total.plus(tally(each))
    return render_template(
        "audit.html",
        typed=typed._replace(text="" if _may_hold_key(typed.text) else typed.text),
        problems=found or {},
        profiles=[
            ("", "apple; root for CAs"),
            *((each.name, f"{each.name}: {each.title}") for each in PROFILES.values()),
        ],
        protocols=[("", "none: TLS from the first byte"), *STARTTLS],
        report=report,
        name=name,
        formats=FORMATS,
        groups=_groups(results),
        totals=text_tail(total),
        verdict=verdict,
        verdict_words=verdict_words,
        by_severity=_by_severity,
        most=_MOST_SHOWN,
        fix_of=fix_of,
    )


def _may_hold_key(text: str) -> bool:
    """Tell whether a private key may be in a text, whatever its label says: in base64 or in hex, if it is one."""
    long = re.findall(r"[0-9A-Za-z+/=:_-]{32,}", text)
    return "PRIVATE KEY" in text or any(re.search(r"\d", run) and re.search("[A-Za-z]", run) for run in long)


def _openssl(config: Config) -> OpenSSL:
    return dataclasses.replace(config.openssl(), timeout=_TIMEOUT, limit=8 * UPLOAD_LIMIT)


def _password(password: str, name: str) -> str:  # noqa: ARG001 - there is one field for all
    if not password:
        raise UsageError("it needs a password: type it below the file")
    return password
