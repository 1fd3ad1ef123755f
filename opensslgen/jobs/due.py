"""The certificates of a pki folder that are due for renewal."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.names.general import file_name
from opensslgen.pki.lookup import ROOT
from opensslgen.plan import layout
from opensslgen.x509.certificate import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.pki.folder import Folder
    from opensslgen.pki.index import Entry
    from opensslgen.pki.survey import Survey


class Due(NamedTuple):
    """One certificate that is due."""

    title: str
    """The stem of its files, "ca" for the root; its serial number if it has no file in `issued/`."""
    stem: str | None
    """The stem of its files; None if it has none there."""


class Waiting(NamedTuple):
    """One certificate that expires soon, but is not due before the last third of its validity."""

    title: str
    not_after: datetime
    due_from: datetime

    def text(self, now: datetime) -> str:
        """Return when it expires and when it is due, for people."""
        days = (self.not_after - now).days
        return (
            f"{self.title} expires in {days} day{'' if days == 1 else 's'}, on {self.not_after.date()}; due from"
            f" {self.due_from.date()}, the last third of its life"
        )


def everything(survey: Survey) -> Iterator[Due]:
    """Yield all certificates that are in use or have expired without being renewed, by expiry, but not the root."""
    for entry in _by_expiry(survey):
        if found := _due(survey.folder, entry):
            yield found


def waiting(survey: Survey, *, days: int, now: datetime) -> Iterator[Waiting]:
    """Yield the certificates that expire within so many days, as `list` shows them, but that `due` leaves out."""
    within, folder = timedelta(days=days), survey.folder
    root = folder.root.certificate if folder.root else None
    if root and now < root.due_from(within) and root.not_after - now <= within:
        yield Waiting(ROOT, root.not_after, root.due_from(within))
    for entry in _by_expiry(survey):
        certificate = folder.copy(entry).certificate if entry.not_after - now <= within else None
        if certificate and now < certificate.due_from(within):
            path = folder.issued.get(entry.serial_number)
            title = path.stem if path else entry.serial_hex
            yield Waiting(title, certificate.not_after, certificate.due_from(within))


def due(survey: Survey, *, days: int, now: datetime) -> Iterator[Due]:
    """Yield certificates that expire within so many days, or expired and were never renewed: the root, then by expiry.

    A certificate is not due before the last third of its validity, nor if a newer one replaced it. Of expired ones,
    only the last certificate of a name is due, and only if it was not revoked.
    """
    within, folder = timedelta(days=days), survey.folder
    root = folder.root.certificate if folder.root else None
    if root and root.ends_soon(within, now=now):
        # No certificate below it can be valid for longer.
        yield Due(ROOT, ROOT)
    for entry in _by_expiry(survey):
        if _ends_soon(folder, entry, within, now) and (found := _due(folder, entry)):
            yield found


def _by_expiry(survey: Survey) -> list[Entry]:
    return sorted((*survey.lapsed, *survey.current), key=lambda entry: (entry.not_after, entry.line))


def _due(folder: Folder, entry: Entry) -> Due | None:
    """Return how an entry is renewed; None if a certificate with the same file name has replaced it."""
    certificate = folder.copy(entry).certificate
    path = folder.file_of(certificate) if certificate else folder.issued.get(entry.serial_number)
    if path:
        return Due(path.stem, path.stem)
    return None if _is_replaced(folder, entry) else Due(entry.serial_hex, None)


def _ends_soon(folder: Folder, entry: Entry, within: timedelta, now: datetime) -> bool:
    if entry.not_after - now > within:
        return False
    certificate = folder.copy(entry).certificate
    return certificate is None or certificate.ends_soon(within, now=now)


def _is_replaced(folder: Folder, entry: Entry) -> bool:
    """Tell whether a later certificate with the same file name replaced it in `issued/`.

    The later one may have another subject or fewer names.
    """
    if entry.serial_number in folder.replaced:
        return True
    old = folder.copy(entry).certificate
    name = old and (old.names[0].value if old.names else old.subject.common_name)
    if not old or not name:
        return False
    with suppress(UnreadableError, UsageError):
        newer = load(folder.path / layout.certificate(file_name(name.replace(" ", "_"))))
        return newer.not_before >= old.not_before
    return False
