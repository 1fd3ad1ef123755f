"""Audit the ports of many hosts, in one report."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opensslgen.audit.live import JOBS, TIMEOUT, ServerTarget, judge_servers, server_target
from opensslgen.audit.result import Result, Settings
from opensslgen.errors import Error, UsageError
from opensslgen.files.place import replace_file
from opensslgen.report.audit import Report, audit_format
from opensslgen.report.tally import Tally, verdict, worst_first
from opensslgen.rules.profiles import rules_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path


FORMATS = ("json", "sarif")


@dataclass(frozen=True)
class FleetReport:
    """The result of the audit of a fleet."""

    report: str
    """The whole report, in the chosen format."""
    tally: Tally
    faults: tuple[tuple[str, str], ...]
    """Each server that does not comply, and the worst finding on it."""


def audit_servers(
    servers: Sequence[Mapping[str, Any]],
    *,
    profiles: Collection[str] = ("apple",),
    allow: Collection[str] = (),
    within: timedelta | None = None,
    output: str = "json",
    timeout: float = TIMEOUT,
    jobs: int = JOBS,
) -> FleetReport:
    """Ask each server for its chain and judge it; the report also has the servers that do not answer.

    A server has an `address` and a `port`, perhaps a `name`, which its certificate must contain instead of the address,
    and perhaps `starttls`. Raises UsageError if these are wrong.
    """
    if output not in FORMATS:
        raise UsageError(f"unknown format {output!r}: it is one of {', '.join(FORMATS)}")
    at = datetime.now(timezone.utc).replace(microsecond=0)
    settings = Settings(rules=rules_of(profiles, allow), at=at, within=within)
    results = list(judge_servers([*map(_target, servers)], settings=settings, timeout=timeout, jobs=jobs))
    form, report = audit_format(output, settings, profiles=[*profiles]), Report()
    text = "".join(report.pieces(form, map(form.entry(), results)))
    faults = tuple((result.target, _worst(result)) for result in results if verdict(result) != "complies")
    return FleetReport(text, report.tally, faults)


def write_report(path: Path, report: str) -> None:
    """Write a report, and replace an older one; raises Error."""
    try:
        replace_file(path, report.encode("ascii"))
    except OSError as error:
        raise Error(f"cannot write the report {path}: {error.strerror}") from error


def _target(server: Mapping[str, Any]) -> ServerTarget:
    address = str(server["address"])
    host = f"[{address}]" if ":" in address else address
    target = server_target(
        f"{host}:{server['port']}", starttls=server.get("starttls") or None, servername=server.get("name") or None
    )
    assert target is not None  # a text with a port is one, or raises UsageError
    return replace(target, text=f"{target.servername} ({target.text})") if target.servername else target


def _worst(result: Result) -> str:
    if result.unreadable is not None:
        return result.unreadable
    return worst_first(result.findings)[0].message
