"""Which job renews what a user names, or what is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.pki import lookup
from opensslgen.pki.folder import Folder
from opensslgen.pki.lookup import ROOT
from opensslgen.plan import layout
from opensslgen.x509.certificate import load

from .renew import renewal_job, root_renewal_job

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.pki.store import Store

    from .due import Due
    from .job import Job


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """How to renew, if not as before."""

    keep_key: bool = False
    days: int | None = None
    p12: str | None = None
    """A key of P12_ENCRYPTIONS, or None for no PKCS#12 file."""
    allow: Collection[str] = ()
    """Rules that need not be kept, by their ids."""


def named_job(name: str, renewal: Renewal, *, store: Store) -> Job:
    """Return the job that renews the certificate with this name or serial number, or "ca", the root; raises Error."""
    folder = Folder(store.path)
    stem = ROOT if name == ROOT else lookup.stem_to_renew(folder, lookup.find(folder, name))
    return _job(stem, renewal, store)


def due_job(due: Due, renewal: Renewal, *, store: Store) -> Job:
    """Return the job that renews what is due; `days` and `p12` are for leaves only. Raises Error."""
    if due.stem is None:
        return named_job(due.title, renewal, store=store)
    if due.stem == ROOT or load(store.path / layout.certificate(due.stem)).is_authority:
        renewal = Renewal(keep_key=renewal.keep_key, allow=renewal.allow)
    return _job(due.stem, renewal, store)


def _job(stem: str, renewal: Renewal, store: Store) -> Job:
    if stem != ROOT:
        return renewal_job(
            stem,
            store=store,
            keep_key=renewal.keep_key,
            days=renewal.days,
            p12=renewal.p12,
            allow=renewal.allow,
        )
    if renewal.p12:
        raise UsageError("a root cannot be written as a PKCS#12 file")
    return root_renewal_job(store=store, days=renewal.days, allow=renewal.allow)
