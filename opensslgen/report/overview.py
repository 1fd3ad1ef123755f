"""What the overview of a pki folder shows: the certificates that were asked for, a page at a time, and their months.

The index says enough for a page in the usual order. To search, or to filter by what only a certificate says, each
certificate is read once and then remembered, so that a folder of 10,000 certificates answers at once.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.pki.survey import KINDS, STATES, Row, Survey

from .browse import names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opensslgen.pki.index import Entry

PAGE = 25
"""Rows of a page."""
ORDERS = ("name", "state", "expires", "kind")
MONTHS = 12
_PAST = ("expired", "revoked", "replaced")
"""The states of certificates that are no longer current."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What of a folder is asked for."""

    text: str = ""
    """Part of a name, of the subject or of the serial number."""
    state: str = ""
    """One of STATES; empty: all."""
    kind: str = ""
    """One of KINDS; empty: all."""
    order: str = "expires"
    """One of ORDERS."""
    is_descending: bool = False
    everything: bool = False
    """Also certificates that are no longer current."""
    page: int = 1

    @property
    def needs_past(self) -> bool:
        """Whether certificates that are no longer current are asked for."""
        return self.everything or self.state in _PAST


def query_of(fields: dict[str, str]) -> Query:
    """Return the query of a URL; a value that does not exist counts as not given."""
    order = fields.get("order", "")
    page = fields.get("page", "")
    return Query(
        text=fields.get("q", "").strip()[:200],
        state=fields["state"] if fields.get("state") in STATES else "",
        kind=fields["kind"] if fields.get("kind") in KINDS else "",
        order=order.removeprefix("-") if order.removeprefix("-") in ORDERS else "expires",
        is_descending=order.startswith("-"),
        everything="all" in fields,
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
    )


def parameters(query: Query, **changes: object) -> dict[str, str]:
    """Return the fields of the URL of a query with some changes, without those that have their default."""
    changed = replace(query, **changes)  # type: ignore[arg-type]
    fields = {
        "q": changed.text,
        "state": changed.state,
        "kind": changed.kind,
        "order": f"{'-' if changed.is_descending else ''}{changed.order}",
        "all": "1" if changed.everything else "",
        "page": str(changed.page) if changed.page > 1 else "",
    }
    return {name: value for name, value in fields.items() if value and (name, value) != ("order", "expires")}


class _Brief(NamedTuple):
    """What is remembered of a certificate."""

    words: str
    """Names, subject and serial number, folded."""
    kind: str
    not_before: datetime | None


class Briefs:
    """Remembers what was read of certificates; one whose copy has a fault is read again each time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, datetime], _Brief] = {}
        self._reading = threading.Lock()

    def of(self, survey: Survey, entry: Entry) -> _Brief:
        """Return what is remembered of an entry, whose certificate is read the first time."""
        key = (entry.serial_hex, entry.subject, entry.not_after)
        brief = self._known.get(key)
        if brief is None:
            row = survey.row(entry)
            certificate = row.copy.certificate
            words = f"{names(row)}\n{entry.subject}\n{entry.title}\n{entry.serial_hex}".casefold()
            brief = _Brief(words, row.kind, certificate.not_before if certificate else None)
            if row.copy.fault is None:
                self._known[key] = brief
        return brief

    def read_ahead(self, survey: Survey) -> None:
        """Read what is not yet known in a thread, so that the first search does not have to."""
        if len(self._known) >= len(survey.current) or not self._reading.acquire(blocking=False):
            return

        def read() -> None:
            try:
                for entry in survey.current:
                    self.of(survey, entry)
            finally:
                self._reading.release()

        threading.Thread(target=read, daemon=True).start()


class Selection(NamedTuple):
    """One page of what was asked for."""

    rows: list[Row]
    page: int
    pages: int
    total: int
    """How many there are on all pages."""


def select(survey: Survey, query: Query, briefs: Briefs) -> Selection:
    """Return the page that was asked for, or the last one if there are fewer."""
    entries = [entry for entry in (*survey.current, *survey.others) if _is_wanted(survey, entry, query, briefs)]
    entries.sort(key=lambda entry: (entry.not_after, entry.line))
    if query.order == "name":
        entries.sort(key=lambda entry: entry.title.casefold())
    elif query.order == "state":
        entries.sort(key=lambda entry: STATES.index(_state(survey, entry, briefs)))
    elif query.order == "kind":
        entries.sort(key=lambda entry: KINDS.index(briefs.of(survey, entry).kind))
    if query.is_descending:
        entries.reverse()
    pages = max(1, -(-len(entries) // PAGE))
    page = min(query.page, pages)
    return Selection(
        [survey.row(entry) for entry in entries[(page - 1) * PAGE : page * PAGE]], page, pages, len(entries)
    )


def _is_wanted(survey: Survey, entry: Entry, query: Query, briefs: Briefs) -> bool:
    if query.state:
        by_index = survey.state(entry, not_before=None)
        # Only a certificate that could have the state is read.
        is_possible = by_index == query.state or (query.state == "not yet valid" and by_index in ("valid", "expiring"))
        if not is_possible or _state(survey, entry, briefs) != query.state:
            return False
    if query.kind and briefs.of(survey, entry).kind != query.kind:
        return False
    return not query.text or query.text.casefold() in briefs.of(survey, entry).words


def _state(survey: Survey, entry: Entry, briefs: Briefs) -> str:
    return survey.state(entry, not_before=briefs.of(survey, entry).not_before)


class Month(NamedTuple):
    """How many certificates expire in a month."""

    year: int
    month: int
    number: int
    """Of certificates that expire in it."""


def months(expiries: Iterable[datetime], *, at: datetime) -> list[Month]:
    """Return how many certificates expire in each of the next twelve months, this one included.

    Those that have expired are in none of them.
    """
    first = at.year * 12 + at.month - 1
    counts = [0] * MONTHS
    for expiry in expiries:
        number = expiry.year * 12 + expiry.month - 1 - first
        if expiry >= at and 0 <= number < MONTHS:
            counts[number] += 1
    return [Month((first + number) // 12, (first + number) % 12 + 1, count) for number, count in enumerate(counts)]
