"""Plans that renew a certificate, and keep the old files next to the new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.text import visible

from . import layout
from .issue import Issuer, authority_section, existing_request
from .issue import leaf as issue_leaf
from .steps import Check, Existing, Plan, Publish, Record, Serial, Validity, What, Write, openssl

if TYPE_CHECKING:
    from opensslgen.orders.order import AuthorityOrder, LeafOrder


def leaf(order: LeafOrder, issuer: Issuer | None, *, request: str | None, moves: tuple[Publish, ...] = ()) -> Plan:
    """Return the plan for a leaf that replaces an old one, below a CA or by itself.

    With the old request in PEM it keeps its key, else it gets a new one. `moves` are files that are only moved.
    """
    if request is None:
        plan = issue_leaf(order, issuer)
    else:
        plan = issue_leaf(
            order,
            issuer,
            request=existing_request(order, request, publish=False),
            key=f"../{layout.key(order.stem)}",
        )
    plan = plan.keep_existing()
    return replace(plan, publish=plan.publish + moves)


def root(order: AuthorityOrder, issuer: Issuer, *, target: str, key_identifier: bytes | None) -> Plan:
    """Return the plan for a root with the key, subject and key identifier of the old one, which it replaces.

    So the certificates below the old root remain valid. openssl copies the subject byte for byte.
    """
    section = authority_section(order, "root.cnf")
    if key_identifier is not None:
        section = section.replace("= hash\n", f"= {key_identifier.hex(':').upper()}\n")
    # OpenSSL 4 also wants extensions for the request; the certificate gets the same ones.
    request = openssl(
        "x509 -x509toreq -in {certificate} -signkey {key} {unlock} -sha256 -extfile ca.cnf -extensions v3_ca"
        " -out ca.req",
        certificate=issuer.certificate,
        key=issuer.key,
        unlock=issuer.unlock,
    )
    sign = openssl(
        "x509 -req -in ca.req -signkey {key} {unlock} -sha256 {validity} -set_serial {serial}"
        " -extfile ca.cnf -extensions v3_ca -out ca.crt",
        key=issuer.key,
        unlock=issuer.unlock,
        validity=Validity(order.days),
        serial=Serial(),
    )
    return Plan(
        f"the root certificate again, {visible(order.subject.common_name or '')}",
        (
            Write("ca.cnf", section),
            request,
            sign,
            Check("ca.crt", issuer="ca.crt", days=order.days),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.crt", target, 0o644, What.CERTIFICATE, Existing.KEEP),),
        needs=issuer.needs,
    )
