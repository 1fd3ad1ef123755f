"""Plans that reissue a certificate, and keep the old files beside the new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.text import visible

from .issue import authority_section, existing_request
from .issue import leaf as issue_leaf
from .secrets import CA_PASSPHRASE
from .steps import Check, Existing, Plan, Publish, Record, Serial, Validity, What, Write, openssl

if TYPE_CHECKING:
    from opensslgen.orders.order import AuthorityOrder, LeafOrder

    from .issue import Issuer


def leaf(order: LeafOrder, issuer: Issuer | None, *, request: str | None, moves: tuple[Publish, ...] = ()) -> Plan:
    """Return the plan for a leaf that replaces an old one, below an authority or by itself.

    With `request`, the old one in PEM, it gets the same key, else a new one. `moves` are files that are only moved.
    """
    if request is None:
        plan = issue_leaf(order, issuer)
    else:
        plan = issue_leaf(
            order,
            issuer,
            request=existing_request(order, request, publish=False),
            key=f"../private/{order.stem}.key",
        )
    plan = plan.keeping_existing()
    return replace(plan, publish=plan.publish + moves)


def root(order: AuthorityOrder, issuer: Issuer, *, target: str, key_identifier: bytes | None) -> Plan:
    """Return the plan for a root with the key, subject and key identifier of the old one, which it replaces.

    So what the old one has signed is valid below the new one as well. openssl copies the subject, byte for byte.
    """
    section = authority_section(order, "root.cnf")
    if key_identifier is not None:
        section = section.replace("= hash\n", f"= {key_identifier.hex(':').upper()}\n")
    unlock = ("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ()
    # OpenSSL 4 also asks for the extensions of the request; they are the same, and then given again.
    request = openssl(
        "x509 -x509toreq -in {certificate} -signkey {key} {unlock} -sha256 -extfile ca.cnf -extensions v3_ca"
        " -out ca.req",
        certificate=issuer.certificate,
        key=issuer.key,
        unlock=unlock,
    )
    sign = openssl(
        "x509 -req -in ca.req -signkey {key} {unlock} -sha256 {validity} -set_serial {serial}"
        " -extfile ca.cnf -extensions v3_ca -out ca.crt",
        key=issuer.key,
        unlock=unlock,
        validity=Validity(order.days),
        serial=Serial(),
    )
    return Plan(
        f"the root certificate again, {visible(order.subject.common_name or '')}",
        (
            Write("ca.cnf", section),
            request,
            sign,
            Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=(), names=()),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.crt", target, 0o644, What.CERTIFICATE, Existing.KEEP),),
        needs=issuer.needs,
    )
