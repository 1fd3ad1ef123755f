"""What a pki folder holds: which certificates are current, in which state, and where their copies are.

The index tells what was made; a certificate is read only where the index does not say enough.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.orders.kinds import kind_of
from opensslgen.pki import index
from opensslgen.plan import layout
from opensslgen.text import visible
from opensslgen.x509 import crl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from opensslgen.pki.folder import Copy, Folder
    from opensslgen.pki.index import Entry
    from opensslgen.x509.certificate import Certificate

SOON = timedelta(days=30)
"""What expires within this time is called expiring."""
CRL_SOON = timedelta(days=7)
"""A revocation list that expires within this time is called due."""

STATES = ("valid", "expiring", "not yet valid", "replaced", "expired", "revoked")
KINDS = ("root", "authority", "server", "client", "self-signed", "any use", "other", "?")


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate of the folder."""

    entry: Entry | None
    """None for the root."""
    copy: Copy
    kind: str
    """One of KINDS."""
    state: str
    """One of STATES."""
    not_after: datetime | None
    """In UTC; None if neither index nor certificate tell it."""
    days: int | None
    """Whole days left; less than 0 once it has ended."""

    @property
    def serial_hex(self) -> str:
        """The serial number in hex; "" if it is not known."""
        if self.entry:
            return self.entry.serial_hex
        return self.copy.certificate.serial_hex if self.copy.certificate else ""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What the index says of all certificates, in the order in which they end."""

    folder: Folder
    at: datetime
    current: tuple[Entry, ...]
    """Not expired, revoked, or replaced by a newer one."""
    lapsed: tuple[Entry, ...]
    """The last ones of names that have expired since: never renewed, and not revoked."""
    others: tuple[Entry, ...] = field(repr=False)
    """The rest, including the lapsed ones, if everything was asked for."""
    replaced: frozenset[int]
    """The lines in the index of those that a newer one replaces."""
    counts: dict[str, int]
    """How many are expired, revoked and replaced."""
    last_revocation: datetime | None

    def row(self, entry: Entry, *, soon: timedelta = SOON) -> Row:
        """Return an entry with its certificate, which is read now."""
        copy = self.folder.copy(entry)
        state = _state(copy.certificate, entry, self.at, soon)
        if entry.line in self.replaced:
            state = "replaced"
        return Row(entry, copy, kind_of(copy.certificate), state, entry.not_after, (entry.not_after - self.at).days)

    def root(self, *, soon: timedelta = SOON) -> Row | None:
        """Return the root as a row; None if there is none."""
        copy = self.folder.root
        if copy is None:
            return None
        if copy.certificate is None:
            return Row(None, copy, "root", "?", None, None)
        ends = copy.certificate.not_after
        state = _state(copy.certificate, None, self.at, soon)
        return Row(None, copy, kind_of(copy.certificate), state, ends, (ends - self.at).days)


def survey_of(
    folder: Folder, *, at: datetime, everything: bool = False, on_torn: Callable[[str], None] = lambda _: None
) -> Survey:
    """Read the index and tell what is current; with `everything`, keep the rest as well.

    Raises UnreadableError if the index cannot be read, or a line of it.
    """
    if not folder.path.is_dir():
        raise UnreadableError(f"{visible(str(folder.path))}: no such folder", hint="--pki DIR names another")
    root = folder.root.certificate if folder.root else None
    alive: dict[str, list[Entry]] = defaultdict(list)
    last: dict[str, Entry] = {}
    others: list[Entry] = []
    counts = {"expired": 0, "revoked": 0, "replaced": 0}
    last_revocation = None
    for entry in index.read(folder.index, on_torn=on_torn):
        if entry.state == index.REVOKED:
            counts["revoked"] += 1
            # Who revokes a name's last certificate after it has expired is done with the name.
            last.pop(entry.subject, None)
            if entry.revoked_at and (last_revocation is None or entry.revoked_at > last_revocation):
                last_revocation = entry.revoked_at
        elif root and (entry.serial_number, entry.not_after) == (root.serial_number, root.not_after):
            # openssl ca -selfsign records it. The number alone may also be that of the first that it signed.
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
    """Return the rows to show, the root first, whose certificates are read one after another, and how many they are."""
    root = survey.root(soon=soon)
    shown = sorted((*survey.current, *survey.others), key=lambda entry: (entry.not_after, entry.line))
    if only_soon:
        shown = [entry for entry in shown if entry.not_after - survey.at <= soon]
        if root and root.not_after and root.not_after - survey.at > soon:
            root = None
    first = [root] if root else []
    return chain(first, (survey.row(entry, soon=soon) for entry in shown)), len(first) + len(shown)


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.not_after, entry.line)))


def _replaced(entries: list[Entry], folder: Folder, at: datetime) -> list[Entry]:
    """Return those of one subject's entries, oldest first, that a newer one stands in for.

    It does if it is of the same kind, has all the names, and is valid already. Where a certificate cannot be read, the
    subject has to do.
    """
    found: list[Entry] = []
    newer: list[Certificate | None] = []
    for entry in reversed(entries) if len(entries) > 1 else ():
        certificate = folder.copy(entry).certificate
        if any(_stands_in(new, certificate, at) for new in newer):
            found.append(entry)
        else:
            newer.append(certificate)
    return found


def _stands_in(new: Certificate | None, old: Certificate | None, at: datetime) -> bool:
    if new is None or old is None:
        return True
    return new.not_before <= at and kind_of(new) == kind_of(old) and set(old.names) <= set(new.names)


def _state(certificate: Certificate | None, entry: Entry | None, at: datetime, soon: timedelta) -> str:
    ends = entry.not_after if entry else certificate.not_after if certificate else at
    if entry and entry.state == index.REVOKED:
        return "revoked"
    if ends < at or (entry and entry.state == index.EXPIRED):
        return "expired"
    if certificate and certificate.not_before > at:
        return "not yet valid"
    return "expiring" if ends - at <= soon else "valid"


def crl_fault(survey: Survey) -> str | None:
    """Return what is wrong with the folder's revocation list; None if it is in order, or if there is none."""
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
    if due and due < survey.at:
        return f"has been out of date since {due:{_TIME}}, and clients that check it refuse all: opensslgen crl"
    if made > survey.at:
        return f"is from the future: it is valid from {made:{_TIME}} on"
    if revoked and revoked > made:
        return f"is from {made:{_TIME}} and lacks the last revocation, of {revoked:{_TIME}}: opensslgen crl"
    if due and due - survey.at <= CRL_SOON:
        return f"is out of date from {due:{_TIME}} on: opensslgen crl makes a new one"
    return None


_TIME = "%Y-%m-%d %H:%M UTC"
