"""Plans that make certificates of requests made elsewhere: of the request, what it asks for is not copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .issue import intermediate_below, leaf_below
from .steps import Plan, Publish, VerifyRequest, Write

if TYPE_CHECKING:
    from opensslgen.orders.order import AuthorityOrder, LeafOrder

    from .issue import Issuer


def signed_leaf(order: LeafOrder, issuer: Issuer, *, request: str, publish: bool = True) -> Plan:
    """Return the plan for the certificate and chain of a leaf whose request, in PEM, was made elsewhere."""
    return leaf_below(order, issuer, given_request(request, order.kind.name, order.stem, publish=publish))


def signed_intermediate(order: AuthorityOrder, issuer: Issuer, *, request: str, publish: bool = True) -> Plan:
    """Return the plan for the certificate and chain of an intermediate whose request, in PEM, was made elsewhere."""
    return intermediate_below(order, issuer, given_request(request, "intermediate", order.stem, publish=publish))


def given_request(request: str, name: str, stem: str, *, publish: bool) -> Plan:
    """Return the plan that puts a request into the work folder, and holds it against the key in it."""
    return Plan(
        f"a request for {stem}",
        (Write(f"{name}.req", request), VerifyRequest(f"{name}.req")),
        publish=(Publish(f"{name}.req", f"reqs/{stem}.req", 0o644, "request"),) if publish else (),
    )
