"""The job of signing a request made elsewhere: only names are taken over from what it asks for."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.names.slips import slips
from opensslgen.orders import from_request
from opensslgen.orders.order import AuthorityOrder
from opensslgen.plan import issue
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.pem import REQUEST, pem
from opensslgen.x509.request import read_request

from .issue import fit_intermediate, leaf_next_step
from .job import (
    Job,
    authorities_of,
    final_paths,
    fit_to_issuer,
    refuse_compromised,
    refuse_violations,
    root_of,
    stored_issuer,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.orders.order import LeafOrder
    from opensslgen.pki.store import Store
    from opensslgen.plan.steps import Plan
    from opensslgen.x509.request import Request


def sign_job(
    request: Request,
    order: LeafOrder | AuthorityOrder,
    *,
    store: Store,
    fixed_days: bool = False,
    allow: Collection[str] = (),
) -> Job:
    """Return the job of making a certificate of a request, by an order that `csr.leaf_order_of` has made of it.

    Nothing is asked and nothing printed, so that many requests can be signed in a loop: the order has the names that
    the certificate gets, and the job's notes tell what it does not get. Raises Violation if key or order break a rule,
    and Error if the folder has no authority, or has another key under the name, or if the key was revoked as
    compromised.
    """
    refuse_compromised(order.public_key, store)
    if isinstance(order, AuthorityOrder):
        return _intermediate(request, order, store=store, fixed_days=fixed_days, allow=allow)
    issuer = root_of(store)
    order, shortened = fit_to_issuer(order, store, issuer, fixed_days=fixed_days)
    refuse_violations(order, authorities_of(store), allow=allow)
    plan = issue.leaf(order, stored_issuer(store), request=_request(request, order, store))
    return Job(
        name=order.title,
        done=f"Signed {order.kind.title} for {order.title}",
        plan=plan,
        certificate=f"{order.kind.name}.crt",
        profile=order.profile,
        notes=(*slips(order.subject.common_name, order.names), *shortened, *_left_out(request, order)),
        next_step=leaf_next_step(order.kind, plan, store),
    )


def _intermediate(
    request: Request, order: AuthorityOrder, *, store: Store, fixed_days: bool, allow: Collection[str]
) -> Job:
    order, shortened = fit_intermediate(order, store, fixed_days=fixed_days)
    refuse_violations(order, authorities_of(store), allow=allow)
    plan = issue.intermediate(order, stored_issuer(store), request=_request(request, order, store))
    return Job(
        name=order.subject.common_name or order.stem,
        done=f"Signed an intermediate certificate, {order.subject.common_name}",
        plan=plan,
        certificate="intermediate.crt",
        profile=order.profile,
        notes=(*shortened, *_left_out(request, order)),
        next_step=f"give {final_paths(plan, store.path)['chain']} to whoever has its key",
    )


def _request(request: Request, order: LeafOrder | AuthorityOrder, store: Store) -> Plan:
    return issue.existing_request(order, pem(REQUEST, request.der), publish=not has_request(request, order.stem, store))


def has_request(request: Request, stem: str, store: Store) -> bool:
    """Tell whether the folder has the request already, as it has with --csr-only; raises Error for another key."""
    path = store.path / "reqs" / f"{stem}.req"
    try:
        if path.exists() and read_request(path).der == request.der:
            return True
    except UnreadableError:
        pass
    key = store.path / "private" / f"{stem}.key"
    if key.exists():
        raise Error(
            f"{key} is the key of something else, and would lie beside the new certificate",
            hint="--name STEM gives its files another name",
        )
    return False


def _left_out(request: Request, order: LeafOrder | AuthorityOrder) -> list[str]:
    """Return a note for each thing that the request asks for and does not get."""
    names = () if isinstance(order, AuthorityOrder) else order.names
    notes = []
    constraints = request.basic_constraints
    if constraints and constraints.ca and not isinstance(order, AuthorityOrder):
        notes.append("the request asks to be a certificate authority (CA:TRUE), which it does not become")
    left_out = from_request.names_left_out(request, names)
    if left_out:
        more = f" and {len(left_out) - _MOST} more" if len(left_out) > _MOST else ""
        notes.append(f"names that the request asks for and does not get: {', '.join(left_out[:_MOST])}{more}")
    others = [
        text for oid, text in _asked(request).items() if oid not in _SAME and not _is_granted(oid, request, order)
    ]
    if others:
        more = f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
        notes.append(f"left out of what the request asks for: {', '.join(others[:_MOST])}{more}")
    return notes


_MOST = 20
"""Things that one note tells."""

_SAME = (EXTENSIONS["subjectAltName"], EXTENSIONS["basicConstraints"])
"""Of these there are notes of their own."""


def _asked(request: Request) -> dict[str, str]:
    """Return the extensions that a request asks for, with their values where those are for people."""
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
    """Tell whether the certificate gets just what the request asks for."""
    expected = order.expected(not_before=datetime.now(timezone.utc))
    if oid == EXTENSIONS["keyUsage"]:
        return request.key_usage == expected.key_usage
    if oid == EXTENSIONS["extendedKeyUsage"]:
        return set(request.extended_key_usage or ()) == set(expected.extended_key_usage or ())
    # Ours is made of the same key, and in the same way by nearly everybody.
    return oid == EXTENSIONS["subjectKeyIdentifier"]
