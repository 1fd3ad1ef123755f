"""The job of signing a request made elsewhere; of the extensions that it asks for, only names are used."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.orders import from_request
from opensslgen.orders.order import AuthorityOrder, LeafOrder
from opensslgen.plan import issue, layout
from opensslgen.text import listed
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.pem import REQUEST, pem
from opensslgen.x509.request import Request, read_request

from .issue import fit_intermediate, intermediate_result, leaf_result
from .job import (
    Job,
    authorities_of,
    final_paths,
    fit_to_issuer,
    issuer_of,
    refuse_compromised,
    refuse_violations,
    root_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.pki.store import Store
    from opensslgen.plan.steps import Plan


def sign_job(
    request: Request,
    order: LeafOrder | AuthorityOrder,
    *,
    store: Store,
    fixed_days: bool = False,
    allow: Collection[str] = (),
) -> Job:
    """Return the job of signing a request by an order from `from_request`.

    It asks and prints nothing, so that many requests can be signed in a loop: the order has the names that
    the certificate gets, and the job's notes list what it does not get. Raises Violation if key or order break a rule,
    and Error if the folder has no CA, or has another key under the name, or if the key was revoked as
    compromised.
    """
    refuse_compromised(order.public_key, store)
    if isinstance(order, AuthorityOrder):
        return _intermediate(request, order, store=store, fixed_days=fixed_days, allow=allow)
    issuer = root_of(store)
    order, shortened = fit_to_issuer(order, store, issuer, fixed_days=fixed_days)
    refuse_violations(order, authorities_of(store), allow=allow)
    plan = issue.leaf(order, issuer_of(store), request=_request(request, order, store))
    return leaf_result("Signed", order, plan, store, notes=(*shortened, *_left_out(request, order)))


def _intermediate(
    request: Request, order: AuthorityOrder, *, store: Store, fixed_days: bool, allow: Collection[str]
) -> Job:
    order, shortened = fit_intermediate(order, store, fixed_days=fixed_days)
    refuse_violations(order, authorities_of(store), allow=allow)
    plan = issue.intermediate(order, issuer_of(store), request=_request(request, order, store))
    return intermediate_result(
        "Signed an intermediate certificate,",
        order,
        plan,
        notes=(*shortened, *_left_out(request, order)),
        next_step=f"give {final_paths(plan, store.path)['chain']} to the owner of its key",
    )


def _request(request: Request, order: LeafOrder | AuthorityOrder, store: Store) -> Plan:
    return issue.existing_request(order, pem(REQUEST, request.der), publish=not has_request(request, order.stem, store))


def has_request(request: Request, stem: str, store: Store) -> bool:
    """Tell whether the folder already has the request, as after --csr-only; raises Error if it has another key."""
    path = store.path / layout.request(stem)
    try:
        if path.exists() and read_request(path).der == request.der:
            return True
    except UnreadableError:
        pass
    key = store.path / layout.key(stem)
    if key.exists():
        raise Error(
            f"{key} is the key of something else, and would be stored next to the new certificate",
            hint="--name STEM gives its files another name",
        )
    return False


def _left_out(request: Request, order: LeafOrder | AuthorityOrder) -> list[str]:
    """Return notes about what the request asks for and the certificate does not get."""
    names = () if isinstance(order, AuthorityOrder) else order.names
    notes = []
    constraints = request.basic_constraints
    if constraints and constraints.ca and not isinstance(order, AuthorityOrder):
        notes.append("the request asks to be a CA (CA:TRUE); it is not made one")
    others = [
        text
        for oid, text in _extension_texts(request).items()
        if oid not in _HAVE_OWN_NOTES and not _is_granted(oid, request, order)
    ]
    for what, lacking in (("names", from_request.names_left_out(request, names)), ("extensions", others)):
        if lacking:
            texts = listed(lacking, _MOST)
            notes.append(f"{what} that the request asks for and the certificate does not get: {texts}")
    return notes


_MOST = 20
"""Names or extensions in one note."""

_HAVE_OWN_NOTES = (EXTENSIONS["subjectAltName"], EXTENSIONS["basicConstraints"])


def _extension_texts(request: Request) -> dict[str, str]:
    """Return the extensions that a request asks for, with those values that people can read."""
    values = {
        EXTENSIONS["extendedKeyUsage"]: request.extended_key_usage,
        EXTENSIONS["keyUsage"]: sorted(request.key_usage or ()),
    }
    titles = {oid: name for name, oid in EXTENSIONS.items()}
    return {
        extension.oid: " ".join((titles.get(extension.oid, extension.oid), *(values.get(extension.oid) or ())))
        for extension in request.extensions
    }


def _is_granted(oid: str, request: Request, order: LeafOrder | AuthorityOrder) -> bool:
    """Tell whether the certificate gets this extension exactly as the request has it."""
    expected = order.to_certificate(not_before=datetime.now(timezone.utc))
    if oid == EXTENSIONS["keyUsage"]:
        return request.key_usage == expected.key_usage
    if oid == EXTENSIONS["extendedKeyUsage"]:
        return set(request.extended_key_usage or ()) == set(expected.extended_key_usage or ())
    # Nearly all programs derive it from the key as we do.
    return oid == EXTENSIONS["subjectKeyIdentifier"]
