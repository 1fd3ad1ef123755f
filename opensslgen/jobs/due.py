"""The certificates of a pki folder that are due for renewal."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.names.general import file_name
from opensslgen.pki.lookup import ROOT
from opensslgen.plan import layout
from opensslgen.x509.certificate import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from opensslgen.pki.folder import Folder
    from opensslgen.pki.index import Entry
    from opensslgen.pki.survey import Survey


class Due(NamedTuple):
    """One certificate that is due."""

    title: str
    """The stem of its files, "ca" for the root; its serial number if it has no file in `issued/`."""
    stem: str | None
    """The stem of its files; None if it has none there."""


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
    for entry in sorted((*survey.lapsed, *survey.current), key=lambda entry: (entry.not_after, entry.line)):
        if not _ends_soon(folder, entry, within, now):
            continue
        certificate = folder.copy(entry).certificate
        path = folder.file_of(certificate) if certificate else folder.issued.get(entry.serial_number)
        if path:
            yield Due(path.stem, path.stem)
        elif not _is_replaced(folder, entry):
            yield Due(entry.serial_hex, None)


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
