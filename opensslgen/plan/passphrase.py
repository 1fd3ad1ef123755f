"""The plan that gives the authority's key another passphrase, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE
from .steps import CheckKey, Plan, Publish, openssl

if TYPE_CHECKING:
    from .issue import Issuer


def passphrase(issuer: Issuer, *, remove: bool) -> Plan:
    """Return the plan: the key is written anew, opened again, and held against its certificate.

    The old file is lost on purpose: beside the new one it would go on opening by the old passphrase.
    """
    opened = ("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ()
    closed = ("-nocrypt",) if remove else ("-v2", "aes-256-cbc", "-passout", f"env:{NEW_PASSPHRASE}")
    target = issuer.key.removeprefix("../")
    return Plan(
        f"{'no' if remove else 'a new'} passphrase for {target}",
        (
            openssl(
                "pkcs8 -topk8 -in {key} {opened} {closed} -out ca.key", key=issuer.key, opened=opened, closed=closed
            ),
            CheckKey(issuer.certificate, "ca.key", None if remove else NEW_PASSPHRASE),
        ),
        publish=(Publish("ca.key", target, 0o600, "key", "lost"),),
        needs=issuer.needs,
    )
