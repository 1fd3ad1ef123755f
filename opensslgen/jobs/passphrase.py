"""The passphrase of the CA's key: check it, or change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.plan import adopt
from opensslgen.plan.secrets import CA_PASSPHRASE

from .job import Job, issuer_of, root_of

if TYPE_CHECKING:
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store


def passphrase_job(*, store: Store, remove: bool = False) -> Job:
    """Return the job; raises Error without a CA, and UsageError if there is no passphrase to remove."""
    root_of(store)
    issuer = issuer_of(store)
    key = store.path / store.ca_key
    if remove and not issuer.encrypted:
        raise UsageError(f"{key} has no passphrase")
    done = "Removed" if remove else "Changed" if issuer.encrypted else "Set"
    note = "copies of the old file elsewhere, such as backups, still open with the old passphrase"
    return Job(
        name=str(key),
        done=f"{done} the passphrase of the CA's key",
        plan=adopt.change_passphrase(issuer, remove=remove),
        notes=(note,),
        checks=("the new file opens, and its key is that of the certificate",),
    )


def opens_key(passphrase: str, store: Store, openssl: OpenSSL) -> bool:
    """Tell whether this is the passphrase of the CA's key; raises OpenSSLError if openssl cannot be run."""
    command = ["pkey", "-in", str((store.path / store.ca_key).absolute()), "-passin", f"env:{CA_PASSPHRASE}", "-noout"]
    return openssl.run(command, secrets={CA_PASSPHRASE: passphrase}, check=False).exit_code == 0
