"""What a pki folder contains: which certificates are current, in which state, and where their copies are.

The index lists what was issued; a certificate is read only if the index does not say enough.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError
from opensslgen.orders.kinds import kind_of
from opensslgen.pki import index
from opensslgen.pki.folder import around_ca, inside_of_ca
from opensslgen.plan import layout
from opensslgen.suggest import suggest
from opensslgen.text import utc, visible
from opensslgen.x509 import crl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from opensslgen.pki.folder import Copy, Folder
    from opensslgen.pki.index import Entry
    from opensslgen.x509.certificate import Certificate

SOON = timedelta(days=30)
"""A certificate that expires within this time is "expiring"."""
CRL_SOON = timedelta(days=7)
"""A CRL that expires within this time is due."""

STATES = ("valid", "expiring", "not yet valid", "replaced", "expired", "revoked")
KINDS = ("root", "authority", "server", "client", "self-signed", "any use", "other", "?")


class Row(NamedTuple):
    """One certificate of the folder."""

    entry: Entry | None
    """None for the root."""
    copy: Copy
    kind: str
    """One of KINDS."""
    state: str
    """One of STATES."""
    not_after: datetime | None
    """In UTC; None if neither the index nor the certificate can be read."""
    days: int | None
    """Whole days left; less than 0 after it has expired."""
    due_from: datetime | None = None
    """When it will be due for renewal; None if it is due, or does not expire soon, or nobody has asked."""

    @property
    def serial_hex(self) -> str:
        """The serial number in hex; "" if it is not known."""
        if self.entry:
            return self.entry.serial_hex
        return self.copy.certificate.serial_hex if self.copy.certificate else ""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the index says about all certificates, ordered by expiry date."""

    folder: Folder
    at: datetime
    current: tuple[Entry, ...]
    """Those that are not expired, revoked, or replaced by a newer one."""
    lapsed: tuple[Entry, ...]
    """The last certificates of names, if they have expired without being renewed or revoked."""
    others: tuple[Entry, ...] = field(repr=False)
    """All others, including the lapsed ones; empty unless everything was asked for."""
    replaced: frozenset[int]
    """The lines in the index of those that were replaced by a newer one."""
    counts: dict[str, int]
    """How many are expired, revoked and replaced, by these words."""
    last_revocation: datetime | None

    def row(self, entry: Entry, *, soon: timedelta = SOON, with_due: bool = False) -> Row:
        """Return the row of an entry, whose certificate is read now; `with_due`: with the time when it is due."""
        copy = self.folder.copy(entry)
        certificate = copy.certificate
        state = self.state(entry, not_before=certificate.not_before if certificate else None, soon=soon)
        days = (entry.not_after - self.at).days
        due = self._due_from(certificate, state, soon) if with_due else None
        return Row(entry, copy, kind_of(certificate), state, entry.not_after, days, due)

    def state(self, entry: Entry, *, not_before: datetime | None, soon: timedelta = SOON) -> str:
        """Return the state of an entry, one of STATES; `not_before` is its certificate's, None if it is not known."""
        return "replaced" if entry.line in self.replaced else _state(not_before, entry.not_after, entry, self.at, soon)

    def _due_from(self, certificate: Certificate | None, state: str, soon: timedelta) -> datetime | None:
        if state != "expiring" or certificate is None:
            return None
        due = certificate.due_from(soon)
        return due if due > self.at else None

    def root(self, *, soon: timedelta = SOON, with_due: bool = False) -> Row | None:
        """Return the row of the root; None if it is missing."""
        copy = self.folder.root
        if copy is None:
            return None
        if copy.certificate is None:
            return Row(None, copy, "root", "?", None, None)
        ends = copy.certificate.not_after
        state = _state(copy.certificate.not_before, ends, None, self.at, soon)
        due = self._due_from(copy.certificate, state, soon) if with_due else None
        return Row(None, copy, kind_of(copy.certificate), state, ends, (ends - self.at).days, due)


def survey_of(
    folder: Folder, *, at: datetime, everything: bool = False, on_torn: Callable[[str], None] = lambda _: None
) -> Survey:
    """Return what the index says; with `everything`, also about certificates that are no longer current.

    Raises UnreadableError if the index, or a line of it, cannot be read.
    """
    if not folder.index.exists() and (near := inside_of_ca(folder.path) or around_ca(folder.path)):
        raise near
    if not folder.path.is_dir():
        raise UnreadableError(f"{visible(str(folder.path))}: no such folder", hint="add --pki DIR")
    root = folder.root.certificate if folder.root else None
    alive: dict[str, list[Entry]] = defaultdict(list)
    last: dict[str, Entry] = {}
    others: list[Entry] = []
    counts = {"expired": 0, "revoked": 0, "replaced": 0}
    last_revocation = None
    for entry in index.read(folder.index, on_torn=on_torn):
        if entry.state == index.REVOKED:
            counts["revoked"] += 1
            # A name whose last certificate was revoked after it had expired is no longer used.
            last.pop(entry.subject, None)
            if entry.revoked_at and (last_revocation is None or entry.revoked_at > last_revocation):
                last_revocation = entry.revoked_at
        elif root and (entry.serial_number, entry.not_after) == (root.serial_number, root.not_after):
            # `openssl ca -selfsign` records the root. The number alone could also be that of the first leaf.
            continue
        elif entry.state == index.EXPIRED or entry.not_after < at:
            counts["expired"] += 1
            last[entry.subject] = entry
        else:
            alive[entry.subject].append(entry)
            continue
        if everything:
            others.append(entry)
    replaced = [entry for entries in alive.values() for entry in _replaced(entries, folder, at)]
    counts["replaced"] = len(replaced)
    lines = frozenset(entry.line for entry in replaced)
    return Survey(
        folder=folder,
        at=at,
        current=_sorted(entry for entries in alive.values() for entry in entries if entry.line not in lines),
        lapsed=_sorted(entry for subject, entry in last.items() if subject not in alive),
        others=_sorted((*others, *replaced)) if everything else (),
        replaced=lines,
        counts=counts,
        last_revocation=last_revocation,
    )


def rows_of(survey: Survey, *, soon: timedelta = SOON, only_soon: bool = False) -> tuple[Iterator[Row], int]:
    """Return the rows to show, the root first, and their number; each row reads its certificate."""
    root = survey.root(soon=soon, with_due=only_soon)
    shown = sorted((*survey.current, *survey.others), key=lambda entry: (entry.not_after, entry.line))
    if only_soon:
        shown = [entry for entry in shown if entry.not_after - survey.at <= soon]
        if root and root.not_after and root.not_after - survey.at > soon:
            root = None
    first = [root] if root else []
    return chain(first, (survey.row(entry, soon=soon, with_due=only_soon) for entry in shown)), len(first) + len(shown)


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.not_after, entry.line)))


def _replaced(entries: list[Entry], folder: Folder, at: datetime) -> list[Entry]:
    """Return the entries of one subject that were replaced by a newer one; takes them oldest first.

    A newer one replaces an old one if it is of the same kind, has all its names, and is already valid. If a certificate
    cannot be read, the same subject is enough.
    """
    found: list[Entry] = []
    newer: list[Certificate | None] = []
    for entry in reversed(entries) if len(entries) > 1 else ():
        certificate = folder.copy(entry).certificate
        if any(_replaces(new, certificate, at) for new in newer):
            found.append(entry)
        else:
            newer.append(certificate)
    return found


def _replaces(new: Certificate | None, old: Certificate | None, at: datetime) -> bool:
    if new is None or old is None:
        return True
    return new.not_before <= at and kind_of(new) == kind_of(old) and set(old.names) <= set(new.names)


def state_of(certificate: Certificate, entry: Entry | None, *, at: datetime) -> str:
    """Return the state of one certificate, one of STATES; whether another one replaces it is not looked up."""
    return _state(certificate.not_before, certificate.not_after, entry, at, SOON)


def _state(begins: datetime | None, ends: datetime, entry: Entry | None, at: datetime, soon: timedelta) -> str:
    if entry and entry.state == index.REVOKED:
        return "revoked"
    if ends < at or (entry and entry.state == index.EXPIRED):
        return "expired"
    if begins and begins > at:
        return "not yet valid"
    return "expiring" if ends - at <= soon else "valid"


def crl_dates(survey: Survey) -> crl.Dates | None:
    """Return from when to when the CRL of the folder is valid; None if there is none, or if it cannot be read."""
    path = survey.folder.path / layout.CRL
    try:
        return crl.dates(path) if path.exists() else None
    except UnreadableError:
        return None


def crl_fault(survey: Survey) -> str | None:
    """Return what is wrong with the CRL of the folder; None if it is in order or missing."""
    path = survey.folder.path / layout.CRL
    if not path.exists():
        return None
    try:
        fault = _crl_fault(crl.dates(path), survey)
    except UnreadableError as error:
        return error.message
    return fault and f"{visible(str(path))} {fault}"


def _crl_fault(dates: crl.Dates, survey: Survey) -> str | None:
    made, due, revoked = dates.this_update, dates.next_update, survey.last_revocation
    crl = suggest("crl", pki=survey.folder.path)
    if due and due < survey.at:
        return f"expired on {utc(due, 'minutes')}, and clients that check it refuse every certificate: {crl}"
    if made > survey.at:
        return f"is not valid before {utc(made, 'minutes')}"
    if revoked and revoked > made:
        return f"is from {utc(made, 'minutes')}, so it lacks the last revocation, of {utc(revoked, 'minutes')}: {crl}"
    if due and due - survey.at <= CRL_SOON:
        return f"expires on {utc(due, 'minutes')}: {crl}"
    return None
