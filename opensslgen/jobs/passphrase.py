"""The job of giving the authority's key another passphrase, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.plan import adopt

from .job import Job, stored_issuer

if TYPE_CHECKING:
    from opensslgen.pki.store import Store


def passphrase_job(*, store: Store, remove: bool = False) -> Job:
    """Return the job; raises Error if there is no authority, and UsageError if there is nothing to remove."""
    if store.issuer() is None:
        raise Error(f"{store.path} has no root yet", hint="--pki DIR names another folder")
    issuer = stored_issuer(store)
    key = store.path / store.ca_key
    if remove and not issuer.encrypted:
        raise UsageError(f"{key} has no passphrase")
    done = "Removed" if remove else "Changed" if issuer.encrypted else "Set"
    note = "copies of the old file elsewhere, such as backups, still open with the old passphrase"
    return Job(
        name=str(key),
        done=f"{done} the passphrase of the authority's key",
        plan=adopt.change_passphrase(issuer, remove=remove),
        notes=(note,),
        checks=("the new file opens, and its key is that of the certificate",),
    )
