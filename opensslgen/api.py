"""Issue certificates from Python, with the defaults of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.jobs.issue import leaf_job, root_job
from opensslgen.jobs.new_ca import ca_to_create
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.sign import sign_job
from opensslgen.names.general import parse_names
from opensslgen.openssl import provider
from opensslgen.orders import from_request
from opensslgen.orders.kinds import KINDS
from opensslgen.orders.order import LEAF_DAYS, ROOT_DAYS, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret
from opensslgen.x509 import key_types
from opensslgen.x509.request import parse_request, read_request

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable

    from opensslgen.jobs.perform import JobResult


def root(
    *,
    pki: str | os.PathLike[str] = "pki",
    common_name: str | None = None,
    key_type: str = key_types.DEFAULT.name,
    days: int = ROOT_DAYS,
    passphrase: str | None = None,
) -> JobResult:
    """Make a root in a pki folder; raises Error if it has one."""
    order = root_order(
        common_name=common_name, key_type=key_types.key_type(key_type), days=days, encrypted=passphrase is not None
    )
    authority = _authority(pki, {CA_PASSPHRASE: passphrase})
    return authority.make(lambda: root_job(order, store=authority.store))


def server(
    name: str,
    *,
    san: str | Iterable[str] = (),
    pki: str | os.PathLike[str] = "pki",
    key_type: str = key_types.DEFAULT.name,
    days: int | None = None,
    p12_password: str | None = None,
    passphrase: str | None = None,
    allow: Collection[str] = (),
    new_ca: bool = False,
    ca_name: str | None = None,
) -> JobResult:
    """Issue a certificate for a server; raises Violation or Error.

    If the folder has no CA, `new_ca` creates one first; `ca_name` does the same, with this name.
    """
    order = leaf_order(
        name,
        san=[san] if isinstance(san, str) else san,
        key_type=key_types.key_type(key_type),
        days=LEAF_DAYS if days is None else days,
        p12=None if p12_password is None else "p12",
    )
    authority = _authority(pki, {CA_PASSPHRASE: passphrase, P12_PASSWORD: p12_password}, allow)
    authority.store.finish()
    root = ca_to_create(
        authority.store, agreed=new_ca, name=ca_name, host=order.names[0].value, encrypted=passphrase is not None
    )
    return authority.make(
        lambda: leaf_job(order, store=authority.store, root=root, fixed_days=days is not None, allow=allow)
    )


def sign(
    request: str | os.PathLike[str] | bytes,
    *,
    names: str | Iterable[str],
    kind: str = "server",
    pki: str | os.PathLike[str] = "pki",
    days: int | None = None,
    passphrase: str | None = None,
    allow: Collection[str] = (),
) -> JobResult:
    """Sign a request, a file or its bytes, for these names and no others that it asks for.

    Raises Violation or Error.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown kind {kind!r}: write server or client")
    decoded = parse_request(request) if isinstance(request, bytes) else read_request(request)
    order = from_request.leaf_order_of(
        decoded,
        names=tuple(name for text in ([names] if isinstance(names, str) else names) for name in parse_names(text)),
        kind=KINDS[kind],
        days=LEAF_DAYS if days is None else days,
    )
    authority = _authority(pki, {CA_PASSPHRASE: passphrase}, allow)
    return authority.make(
        lambda: sign_job(decoded, order, store=authority.store, fixed_days=days is not None, allow=allow)
    )


def _authority(pki: str | os.PathLike[str], secrets: dict[str, str | None], allow: Collection[str] = ()) -> Authority:
    def secret(name: str) -> str:
        value = secrets.get(name)
        if value is None:
            raise UsageError(f"the {SECRETS[name]} is needed")
        return fit_secret(name, value)

    return Authority(Store(Path(pki)), provider.find(), secret, allow=allow)
