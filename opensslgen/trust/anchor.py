"""The trust anchor: the certificate that devices have to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.pki.folder import missing_ca
from opensslgen.pki.store import Store
from opensslgen.plan.layout import CA_CHAIN
from opensslgen.text import visible
from opensslgen.x509.certificate import Certificate, load

if TYPE_CHECKING:
    from pathlib import Path


def anchor(folder: Path) -> Certificate:
    """Return the root of a pki folder: its CA or, if that is an intermediate, the last of its issuers.

    Raises Error if the folder has no CA, and UnreadableError if its root is missing.
    """
    return authorities(folder)[-1]


def authorities(folder: Path) -> tuple[Certificate, ...]:
    """Return the CA of a pki folder and its issuers, the root last; raises Error as `anchor` does."""
    store = Store(folder)
    authority = store.issuer()
    if authority is None:
        raise missing_ca(folder)
    found = [authority]
    above = {certificate.subject: certificate for certificate in store.above()}
    while not found[-1].is_self_issued:
        # Each is used once: two that name each other as issuer have no root.
        issuer = above.pop(found[-1].issuer, None)
        if issuer is None:
            raise UnreadableError(
                f"{folder / store.ca_certificate} is not a root, and {folder / CA_CHAIN} lacks the issuer"
                f" {found[-1].issuer}"
            )
        found.append(issuer)
    return tuple(found)


def root_in(file: Path) -> Certificate:
    """Return the root in a file; raises UnreadableError if it contains none."""
    certificate = load(file)
    if not certificate.is_self_issued:
        raise UnreadableError(f"{visible(str(file))}: not a root, as its issuer is {certificate.issuer}")
    return certificate
