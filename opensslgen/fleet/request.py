"""Make the request of a host: on the host, by the printed script, with a key that never leaves it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensslgen import __version__
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.jobs.issue import request_job
from opensslgen.orders.order import leaf_order
from opensslgen.pki.store import Store
from opensslgen.plan import layout
from opensslgen.plan.script import as_script, call
from opensslgen.plan.steps import What
from opensslgen.text import utc, visible
from opensslgen.x509 import key_types
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode_block
from opensslgen.x509.pem import pem_blocks
from opensslgen.x509.public_keys import decode_public_key
from opensslgen.x509.request import parse_request

from .remote import subshell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import LeafOrder
    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.pem import PemBlock
    from opensslgen.x509.public_keys import PublicKey
    from opensslgen.x509.request import Request

    from .remote import Answer, Host

    Pairs = tuple[tuple[str, str], ...]

FOLDER = "/etc/opensslgen/pki"
"""The pki folder on a host, by default."""
WITHIN = timedelta(days=30)
"""A certificate that expires within this time is reissued, by default."""
YET = "a certificate that is not signed yet\n"
"""What check mode shows instead of a certificate."""


@dataclass(frozen=True)
class HostRequest:
    """The request of a host, or what it would be."""

    changed: bool
    before: str
    """The old request, in words."""
    after: str
    request: str | None
    """In PEM; None if it is not made yet."""
    notes: tuple[str, ...] = ()


def order_of(options: Mapping[str, Any]) -> LeafOrder:
    """Return the order for a server from its options; raises UsageError if any of them is wrong.

    The options are name, san (a list), days, key_type and subject (a mapping); all but the name may be missing.
    """
    wanted = {"name", "san", "days", "key_type", "subject"}
    if unknown := sorted(map(str, set(options) - wanted)):
        raise UsageError(f"unknown option {', '.join(unknown)}: the options are {', '.join(sorted(wanted))}")
    values = {name: value for name, value in options.items() if value is not None}
    values["key_type"] = key_types.key_type(str(values.get("key_type", key_types.DEFAULT.name)))
    subject = values.pop("subject", {})
    try:
        return leaf_order(str(values.pop("name")), **values, **subject)
    except TypeError as error:
        raise UsageError(f"a subject has no such field: {error}") from error


def paths(stem: str, folder: str) -> dict[str, str]:
    """Return the paths of key, request, certificate, chain and root in the pki folder of a host."""
    if not folder.startswith("/") or "\n" in folder:
        raise UsageError(f"the folder {visible(folder)} on the host must be an absolute path")
    files = {
        "key": layout.key(stem),
        "request": layout.request(stem),
        "certificate": layout.certificate(stem),
        "chain": layout.chain(stem),
        "root": layout.CA,
    }
    return {what: posixpath.join(folder, path) for what, path in files.items()}


def ensure_request(
    host: Host,
    order: LeafOrder,
    *,
    folder: str = FOLDER,
    allow: Collection[str] = (),
    new_key: bool = False,
    within: timedelta = WITHIN,
    compromised: Collection[PublicKey] = (),
    check: bool = False,
) -> HostRequest:
    """Return the request of a host, which generates a key and a request unless it has those that the order wants.

    A key of the right type is kept, also for other names. It is replaced if it is among the `compromised` keys
    (`Folder.compromised`) and, with `new_key`, if the certificate on the host expires `within` this time. Old files
    are renamed. With `check`, nothing is made. Raises Error, or Violation if the order breaks a rule.
    """
    store = Store(Path(folder))
    job = request_job(order, store=store, allow=allow)
    files = paths(order.stem, folder)
    probe = [
        call("tell_key", "key", files["key"]),
        call("tell_request", "request", files["request"]),
        call("tell_certificate", "certificate", files["certificate"]),
    ]
    there = host.answer(*probe)
    key, request = key_of(there), _request(there)
    is_due = new_key and _ends_soon(there, within)
    keeps_key = key is not None and _is_of(key, order) and not is_due and key not in compromised
    key_type = order.key_type.name + ("" if keeps_key else ", new")
    after = _words(order.subject.attributes, order.subject_alternative_names, key_type)
    before = "" if request is None else _words_of(request)
    if keeps_key and request is not None and _is_as_wanted(request, order, key):
        return HostRequest(False, before, before, _pem(there, "request"), job.notes)
    if check:
        return HostRequest(True, before, after, None, job.notes)
    plan = job.plan
    if keeps_key:
        plan = request_job(replace(order, key_file=files["key"]), store=store, allow=allow).plan
        plan = replace(plan, publish=tuple(publish for publish in plan.publish if publish.what is not What.KEY))
    made = host.answer(
        call("set_aside", files["request"]),
        *(() if keeps_key else (call("set_aside", files["key"]),)),
        subshell(as_script(plan, version=__version__), folder),
        call("tell_key", "key", files["key"]),
        call("tell_request", "request", files["request"]),
    )
    key, request = key_of(made), _request(made)
    if key is None or request is None or not _is_as_wanted(request, order, key):
        raise Error("the host has made a request that differs from the order")
    return HostRequest(True, before, after, _pem(made, "request"), job.notes)


def first_certificate(data: bytes) -> Certificate:
    """Return the first certificate in PEM; raises UnreadableError."""
    return decode_block(_block(data, CERTIFICATE_LABELS, "certificate"))


def description(certificate: Certificate) -> str:
    """Return a line about a certificate, safe to print."""
    parts = [str(certificate.subject), ", ".join(visible(str(name)) for name in certificate.names)]
    parts += [f"until {utc(certificate.not_after, 'minutes')}", f"serial {certificate.serial_hex}"]
    return "; ".join(filter(None, parts)) + "\n"


def _block(data: bytes, labels: tuple[str, ...], what: str) -> PemBlock:
    for block in pem_blocks(data):
        if block.label in labels:
            return block
    raise UnreadableError(f"no {what} in PEM")


def key_of(there: Answer) -> PublicKey | None:
    """Return the public key of the host, None if it has no key; raises Error if its openssl cannot read the key."""
    data = there.data("key")
    if data is None:
        return None
    if not data.strip():
        raise Error(
            "openssl on the host cannot read its key without a passphrase, so the key was not changed",
            hint="move the key away on the host",
        )
    return decode_public_key(_block(data, ("PUBLIC KEY",), "public key").body)


def _request(there: Answer) -> Request | None:
    """Return the request on the host; None if it is missing or cannot be read."""
    data = there.data("request")
    try:
        return None if data is None else parse_request(data)
    except UnreadableError:
        return None


def _pem(there: Answer, what: str) -> str:
    return (there.data(what) or b"").decode("ascii", "replace")


def _ends_soon(there: Answer, within: timedelta) -> bool:
    """Tell whether the certificate on the host expires soon; if it is missing or cannot be read, it does not."""
    data = there.data("certificate")
    try:
        certificate = None if data is None else first_certificate(data)
    except UnreadableError:
        return False
    now = datetime.now(timezone.utc)
    return certificate is not None and certificate.ends_soon(within, now=now)


def _is_of(key: PublicKey, order: LeafOrder) -> bool:
    kind = order.key_type
    return (key.algorithm, key.bits) == (kind.algorithm, kind.bits) and key.curve != "explicit"


def _is_as_wanted(request: Request, order: LeafOrder, key: PublicKey | None) -> bool:
    """Tell whether a request is the one for this order and key."""
    return (
        request.public_key == key
        and request.subject.attributes == order.subject.attributes
        and request.subject_alternative_names == order.subject_alternative_names
        and set(request.extended_key_usage or ()) == set(order.extended_key_usage)
    )


def _words(attributes: Pairs, names: Iterable[GeneralName], key: str) -> str:
    subject = ", ".join(f"{name}={visible(value)}" for name, value in attributes)
    return f"subject: {subject}\nnames: {', '.join(visible(str(name)) for name in names)}\nkey: {key}\n"


def _words_of(request: Request) -> str:
    key = request.public_key
    kinds = (
        kind.name for kind in key_types.KEY_TYPES.values() if (kind.algorithm, kind.bits) == (key.algorithm, key.bits)
    )
    names = request.names
    return _words(request.subject.attributes, names, next(kinds, key.algorithm))
