"""Write the certificates of a folder: as a table for people, as JSON for programs, as a line for Nagios."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opensslgen.text import rfc3339, visible

from .made import certificate_json
from .nagios import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from opensslgen.pki.survey import Row, Survey

VERSION = 1
"""Version of the JSON; it increases when a field is removed or changes its meaning."""

_URGENT = 7  # days
_RED, _YELLOW, _GREEN, _GREY = 31, 33, 32, 90
_COLOURS = {
    "valid": _GREEN,
    "expiring": _YELLOW,
    "not yet valid": _YELLOW,
    "replaced": _GREY,
    "expired": _RED,
    "revoked": _GREY,
}


def serial_width(survey: Survey) -> int:
    """Return the width of the column of serial numbers, before the rows are read."""
    root = survey.root()
    serials = (entry.serial_hex for entry in (*survey.current, *survey.others))
    return max(map(len, (*serials, root.serial_hex if root else "", "SERIAL")))


def notes(survey: Survey, *, everything: bool) -> list[str]:
    """Return notes about what the table leaves out, and what has expired without being renewed."""
    hidden = [f"{count} {what}" for what, count in survey.counts.items() if count]
    found = [f"not listed: {', '.join(hidden)}; to see them, add --all"] if hidden and not everything else []
    if survey.lapsed:
        names = ", ".join(entry.title for entry in survey.lapsed[:5]) + (", …" if len(survey.lapsed) > 5 else "")
        found.append(f"expired and never renewed: {names}")
    return found


def nothing_found(within: int | None) -> str:
    """Return the text for an empty table."""
    return "no certificates" if within is None else f"no certificate expires within {within} days"


def table(rows: Iterable[Row], *, serial_width: int, width: int | None, colour: bool) -> Iterator[str]:
    """Yield the lines of the table one by one.

    No line is longer than `width` characters: names are cut, and a narrow table lacks serial numbers and kinds. With
    None, everything is printed whole.
    """
    columns = {"EXPIRES": 10, "DAYS": 6, "STATE": 13, "KIND": 11, "SERIAL": serial_width}
    for least_useful in ("SERIAL", "KIND"):
        if width is not None and width - sum(size + 2 for size in columns.values()) < _LEAST_NAMES:
            del columns[least_useful]
    room = _NAMES if width is None else max(1, width - sum(size + 2 for size in columns.values()))
    cells = {name: name for name in columns} | {"DAYS": f"{'DAYS':>6}"}
    yield _line_of("NAMES", cells, columns, room).rstrip() + "\n"
    for row in rows:
        named = names(row)
        if width is not None and len(named) > room:
            named = f"{named[: room - 1]}…"
        days = "-" if row.days is None or row.state == "revoked" else str(row.days)
        cells = {
            "EXPIRES": f"{row.not_after.date()}" if row.not_after else "?",
            "DAYS": f"{days:>6}",
            "STATE": row.state,
            "KIND": row.kind,
            "SERIAL": row.serial_hex,
        }
        line = _line_of(named, cells, columns, room)
        left = f"{cells['DAYS']}  {row.state:<13}"
        remark = _remark(row)
        if remark and width is not None and len(line) + len(remark) > width:
            from textwrap import wrap  # most lines fit

            remark = "".join(f"\n  {part}" for part in wrap(remark.strip(), width - 2))
        yield (line.replace(left, _paint(left, row), 1) if colour else line) + remark + "\n"


_NAMES = 40
"""The width of the names where nothing is cut; longer ones move the other columns."""
_LEAST_NAMES = 24


def _line_of(named: str, cells: dict[str, str], columns: dict[str, int], room: int) -> str:
    return "  ".join([f"{named:<{room}}", *(f"{cells[name]:<{size}}" for name, size in columns.items())]).rstrip()


def _paint(text: str, row: Row) -> str:
    urgent = row.state == "expiring" and row.days is not None and row.days < _URGENT
    return f"\x1b[{_RED if urgent else _COLOURS.get(row.state, _RED)}m{text}\x1b[0m"


def names(row: Row) -> str:
    """Return the subject alternative names of a certificate, or else its subject, safe to print."""
    certificate = row.copy.certificate
    if certificate and certificate.names:
        return ", ".join(visible(str(name)) for name in certificate.names)
    if certificate:
        return str(certificate.subject) or "(no name)"
    return visible(row.entry.title) if row.entry else "?"


def _remark(row: Row) -> str:
    entry = row.entry
    remarks = [row.copy.fault] if row.copy.fault else []
    if entry and entry.revoked_at:
        remarks.append(f"revoked on {entry.revoked_at.date()}{f': {entry.reason}' if entry.reason else ''}")
    if row.due_from:
        remarks.append(f"due for renewal from {row.due_from.date()}, the last third of its life")
    return f"  ({visible('; '.join(remarks))})" if remarks else ""


def table_json(survey: Survey, rows: Iterable[Row], *, crl_fault: str | None) -> Iterator[str]:
    """Yield the same as JSON, with one certificate on each line."""
    import json  # most lists are tables

    head = {
        "version": VERSION,
        "at": rfc3339(survey.at),
        "pki": str(survey.folder.path),
        "counts": survey.counts,
        "expired_without_successor": [entry.serial_hex for entry in survey.lapsed],
        "crl_fault": crl_fault,
    }
    yield json.dumps(head)[:-1] + ', "certificates": ['
    between = "\n"
    for row in rows:
        yield between + json.dumps(_row_json(row))
        between = ",\n"
    yield "\n]}\n"


def _row_json(row: Row) -> dict[str, object]:
    entry, copy = row.entry, row.copy
    return {
        "kind": row.kind,
        "state": row.state,
        "days_left": row.days,
        "serial_number": row.serial_hex,
        "not_after": row.not_after and rfc3339(row.not_after),
        "due_from": row.due_from and rfc3339(row.due_from),
        "revoked_at": entry and entry.revoked_at and rfc3339(entry.revoked_at),
        "reason": entry and entry.reason,
        "subject": entry.subject if entry else None,
        "line": entry and entry.line,
        "file": None if copy.path is None else str(copy.path),
        "fault": copy.fault,
        "certificate": copy.certificate and certificate_json(copy.certificate),
    }


class Status(NamedTuple):
    """A state of Nagios, and the line that says why."""

    state: int
    """0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: also the exit code."""
    line: str


def status(survey: Survey, *, warning: int, critical: int, crl_fault: str | None) -> Status:
    """Return the state of the folder by the certificate that expires first.

    Fewer days than `warning` or `critical` are that state. A name whose last certificate has expired is critical, an
    error in the CRL is a warning.
    """
    root = survey.root()
    if root and root.not_after is None:
        return unknown(f"the root: {root.copy.fault}")
    expiries: list[tuple[datetime, str]] = [(root.not_after, "the root")] if root and root.not_after else []
    # Only the first of each can expire first, so only their names are read.
    expiries += [(entry.not_after, entry.title) for entry in (*survey.current[:1], *survey.lapsed[:1])]
    if not expiries:
        return unknown("no certificate to monitor")
    first, name = min(expiries)
    days = (first - survey.at).days
    state = 2 if days < critical else 1 if days < warning or crl_fault else 0
    count = len(survey.current) + len(survey.lapsed)
    said = f"{name} {f'has {days} days left' if days >= 0 else f'expired on {first.date()}'}"
    if count > 1:
        said += f" (first of {count})"
    if crl_fault:
        said += f"; {crl_fault}"
    return Status(state, _line(state, said) + f" | days={days};{warning}:;{critical}:\n")


def unknown(why: str) -> Status:
    """Return the state of a folder that cannot be read."""
    return Status(3, _line(3, why) + "\n")


def _line(state: int, message: str) -> str:
    # Text after a bar would be performance data.
    return f"OPENSSLGEN {NAMES[state]} - {visible(message).replace('|', '¦')}"
