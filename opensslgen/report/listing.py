"""The certificates of a folder for other programs: spreadsheets, Prometheus, calendars."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from opensslgen.text import visible

from .browse import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.pki.survey import Row

COLUMNS = ("names", "expires", "days_left", "state", "kind", "serial_number")
"""The columns of the CSV."""
_FORMULA = ("=", "+", "-", "@")
"""A spreadsheet takes text that begins with one of these for a formula (OWASP, CSV Injection)."""
_STAMP = "%Y%m%dT%H%M%SZ"


def table_csv(rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines of CSV (RFC 4180): the headings, then one certificate each; expiry dates as RFC 3339."""
    yield _csv_line(COLUMNS)
    for row in rows:
        named = names(row)
        expires = f"{row.not_after.replace(tzinfo=None).isoformat()}Z" if row.not_after else ""
        safe = f"'{named}" if named.startswith(_FORMULA) else named
        yield _csv_line((safe, expires, row.days, row.state, row.kind, row.serial_hex))


def _csv_line(cells: Iterable[object]) -> str:
    import csv  # most lists are tables

    line = io.StringIO()
    csv.writer(line).writerow(["" if cell is None else cell for cell in cells])
    return line.getvalue()


def prometheus(rows: Iterable[Row], *, crl_expires: datetime | None) -> Iterator[str]:
    """Yield metrics in Prometheus' text format, as node_exporter reads them from a file.

    Times are in seconds since 1970. `crl_expires` is the nextUpdate of the folder's CRL, None without one.
    """
    metric = "opensslgen_certificate_expires_seconds"
    yield f"# HELP {metric} When the certificate expires, in seconds since 1970.\n# TYPE {metric} gauge\n"
    for row in rows:
        if row.not_after:
            labels = {"names": names(row), "state": row.state, "kind": row.kind, "serial": row.serial_hex}
            text = ",".join(f'{name}="{_label(value)}"' for name, value in labels.items())
            yield f"{metric}{{{text}}} {row.not_after.timestamp():.0f}\n"
    if crl_expires:
        metric = "opensslgen_crl_expires_seconds"
        yield f"# HELP {metric} When the CRL expires, in seconds since 1970.\n# TYPE {metric} gauge\n"
        yield f"{metric} {crl_expires.timestamp():.0f}\n"


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def calendar(rows: Iterable[Row], *, at: datetime, soon: timedelta) -> Iterator[str]:
    """Yield an iCalendar (RFC 5545) with one event for each expiry, and an alarm `soon` before it."""
    yield _folded("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//opensslgen//list//EN", "NAME:Certificates")
    for row in rows:
        if row.not_after:
            named = _escaped(visible(names(row)))
            yield _folded(
                "BEGIN:VEVENT",
                f"UID:{row.serial_hex or 'root'}@opensslgen",
                f"DTSTAMP:{at:{_STAMP}}",
                f"DTSTART:{row.not_after.replace(tzinfo=None).isoformat().translate(_COMPACT)}Z",
                f"SUMMARY:Certificate expires: {named}",
                f"DESCRIPTION:{row.kind}\\, serial number {row.serial_hex}",
                "BEGIN:VALARM",
                "ACTION:DISPLAY",
                f"TRIGGER:-P{soon.days}D",
                f"DESCRIPTION:Certificate expires: {named}",
                "END:VALARM",
                "END:VEVENT",
            )
    yield _folded("END:VCALENDAR")


_COMPACT = str.maketrans("", "", "-:")


def _escaped(text: str) -> str:
    for character in "\\;,":
        text = text.replace(character, f"\\{character}")
    return text


def _folded(*lines: str) -> str:
    """Return lines that end in CR LF, each folded after 75 bytes at most, but not within a character."""
    folded = []
    for line in lines:
        length = 0
        for character in line:
            size = len(character.encode())
            if length + size > 75:
                folded.append("\r\n ")
                length = 1
            folded.append(character)
            length += size
        folded.append("\r\n")
    return "".join(folded)
