"""Build a deployment from a certificate in a pki folder, a target, and what the user has set."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.destination import Destination
from opensslgen.jobs.export import export_contents, export_job, export_order
from opensslgen.pki.folder import Folder
from opensslgen.pki.lookup import find
from opensslgen.plan.deploy import Copy, Deployment
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.x509.key_types import KEY_TYPES
from opensslgen.x509.pem import CERTIFICATE, pem

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store
    from opensslgen.plan.export import Export
    from opensslgen.plan.targets import Target


@dataclass(frozen=True)
class Prepared:
    """A deployment, and the export that makes its files."""

    deployment: Deployment
    export: Export
    chain: tuple[bytes, ...]
    """What each port has to show, in DER."""

    def contents(self, store: Store, openssl: OpenSSL) -> tuple[dict[str, bytes], str | None]:
        """Return the files by name, and the password of the PKCS#12 file among them, which is drawn for this once.

        They are made in the pki folder, where the next run removes what a killed one has left. Raises Error.
        """
        password = secrets.token_hex(16) if self.deployment.has_password else None
        known = password or self.deployment.target.password
        passwords = {P12_PASSWORD: known} if known else {}
        return export_contents(self.export, store=store, openssl=openssl, secrets=passwords), password


def prepare(name: str, target: Target, changes: Collection[tuple[str, str]], *, store: Store) -> Prepared:
    """Return the deployment of a certificate; raises Error if the folder lacks a file, and UsageError for a setting."""
    if not target.is_deployable:
        raise UsageError(
            f"{target.name} has no shell that could do this: {target.use.replace('{', '').replace('}', '')}",
            hint=f"to get the files: opensslgen export {name} --for {target.name}",
        )
    order = export_order(find(Folder(store.path), name), store=store, form=target.form)
    export_job(order, into=Destination(Path()))
    if order.revoked:
        raise Error(f"{order.title} is revoked, so it is not deployed", hint="issue a new one")
    values = target.values(changes, name=order.stem)
    key = order.certificate.public_key
    kinds = [name for name, kind in KEY_TYPES.items() if (kind.algorithm, kind.bits) == (key.algorithm, key.bits)]
    if target.keys and not set(kinds) & set(target.keys):
        raise Error(
            f"{target.name} takes only keys of the type {' or '.join(target.keys)}, and {order.title} has another",
            hint=f"issue it again with --key-type {target.keys[0]}",
        )
    there = {piece.what for piece in order.pieces}
    leaf = order.certificate
    intermediates = [each for each in order.issuers if not each.is_self_issued]
    names = [each.value for each in leaf.names if each.kind == "DNS" and not each.value.startswith("*")]
    deployment = Deployment(
        target=target,
        title=order.title,
        fingerprint=leaf.fingerprint,
        copies=tuple(
            Copy(place, order.target(place.piece), values[place.variable])
            for place in target.places
            if place.path and place.piece.what in there
        ),
        values=values,
        chain="".join(pem(CERTIFICATE, each.der) for each in (leaf, *intermediates)),
        servername=names[0] if names else None,
    )
    return Prepared(deployment, order, (leaf.der, *(each.der for each in intermediates)))


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file, as openssl writes it there."""
    return hashlib.sha256(data).hexdigest()
