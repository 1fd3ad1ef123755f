"""Sign all requests of a fleet in one batch; those that are signed already are left alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from opensslgen.batch.converge import converge
from opensslgen.batch.wanted import FAILED, LEFT, Batch, Outcome
from opensslgen.errors import Error, UsageError
from opensslgen.openssl.provider import find
from opensslgen.orders.from_request import leaf_order_of
from opensslgen.orders.inventory import Row
from opensslgen.pki.folder import missing_ca
from opensslgen.pki.store import Store
from opensslgen.plan import layout
from opensslgen.plan.secrets import CA_PASSPHRASE, SECRETS, fit_secret
from opensslgen.text import visible
from opensslgen.x509.certificate import load
from opensslgen.x509.request import parse_request

from .request import WITHIN, YET, description, order_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from opensslgen.orders.order import LeafOrder


@dataclass(frozen=True)
class SignedRequest:
    """The outcome of one host's request."""

    name: str
    changed: bool
    why: str
    """Why it was signed, left alone, or could not be signed."""
    failed: bool = False
    certificate: str = ""
    """The new certificate, in words."""


def sign_all(
    requests: Iterable[Mapping[str, Any]],
    *,
    pki: Path,
    passphrase: str | None = None,
    openssl: str | None = None,
    within: timedelta = WITHIN,
    allow: Collection[str] = (),
    jobs: int | None = None,
    check: bool = False,
) -> list[SignedRequest]:
    """Sign each request, unless its key and order have a certificate that does not expire `within` this time.

    A request is a mapping of `order`, the options that `order_of` takes, and `request`, in PEM. The names come from the
    order; from the request, only the key is used. If one cannot be signed, the others still are. With `check`, nothing
    is signed. Raises Error if there is no root, or if the passphrase of its key is wrong.
    """
    store = Store(pki)
    if store.issuer() is None:
        raise missing_ca(pki)
    secrets = {} if check or not store.ca_key_is_encrypted() else {CA_PASSPHRASE: _fit(passphrase)}
    batch = Batch(store, find(openssl), secrets, within, allow, jobs)
    found: dict[int, SignedRequest] = {}
    rows: list[Row] = []
    for line, request in enumerate(requests):
        name = str(request["order"].get("name"))
        try:
            order = order_of(request["order"])
            if request.get("request") or not check:
                order = _order(order, request.get("request"))
            else:
                found[line] = SignedRequest(name, changed=True, why="there is no request yet", certificate=YET)
            rows.append(Row(line, name, order))
        except Error as error:
            found[line] = SignedRequest(name, changed=False, why=error.message, failed=True)
    for row in batch.faults(rows):
        found[row.line] = SignedRequest(row.name, changed=False, why=row.fault or "", failed=True)
    rows = [row for row in rows if row.line not in found]
    outcomes = (outcome for _, outcome in batch.decide(rows)) if check else converge(batch, rows)
    stems = {row.line: row.order.stem for row in rows if row.order}
    for outcome in outcomes:
        found[outcome.line] = _signed_request(
            outcome, store.path / layout.certificate(stems[outcome.line]), check=check
        )
    return [found[line] for line in sorted(found)]


def _order(wanted: LeafOrder, text: str | None) -> LeafOrder:
    """Return the order with the key of a request; raises Error if the request differs from the order."""
    if not text:
        raise Error("there is no request")
    request = parse_request(text.encode())
    order = leaf_order_of(
        request,
        names=wanted.names,
        stem=wanted.stem,
        days=wanted.days,
        extended_key_usage=wanted.extended_key_usage,
    )
    if request.subject.attributes != wanted.subject.attributes:
        raise Error(f"the request has another subject: {request.subject}")
    if (order.key_type.algorithm, order.key_type.bits) != (wanted.key_type.algorithm, wanted.key_type.bits):
        raise Error(f"the request has another kind of key: {visible(order.key_type.name)}")
    return order


def _signed_request(outcome: Outcome, path: Path, *, check: bool) -> SignedRequest:
    if outcome.state in (LEFT, FAILED):
        return SignedRequest(outcome.name, changed=False, why=outcome.why, failed=outcome.state == FAILED)
    return SignedRequest(
        outcome.name, changed=True, why=outcome.why, certificate=YET if check else description(load(path))
    )


def _fit(passphrase: str | None) -> str:
    if passphrase is None:
        raise UsageError(f"the {SECRETS[CA_PASSPHRASE]} is needed", hint=f"set {CA_PASSPHRASE}")
    return fit_secret(CA_PASSPHRASE, passphrase)
