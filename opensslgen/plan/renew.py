"""Plans that make a certificate anew, and keep the old files beside the new ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.text import visible

from .issue import authority_section, leaf_below, request_only, signing_itself, with_p12
from .secrets import CA_PASSPHRASE
from .sign import given_request, signed_intermediate
from .steps import Check, Plan, Publish, Record, Serial, Validity, Write, openssl

if TYPE_CHECKING:
    from opensslgen.orders.order import AuthorityOrder, LeafOrder

    from .issue import Issuer


def renewed_leaf(
    order: LeafOrder, issuer: Issuer | None, *, request: str | None, aside: tuple[Publish, ...] = ()
) -> Plan:
    """Return the plan for a leaf in the place of an old one, below an authority or by itself.

    With `request`, the old one in PEM, it gets the same key, else a new one. `aside` are files that are only moved.
    """
    own_key = None if request is None else f"../private/{order.stem}.key"
    made_by = (
        request_only(order) if request is None else given_request(request, order.kind.name, order.stem, publish=False)
    )
    plan = signing_itself(order, made_by, key=own_key) if issuer is None else leaf_below(order, issuer, made_by)
    if order.p12 is not None:
        plan = with_p12(plan, order, order.kind.name, issuer.chain if issuer else (), key=own_key)
    if own_key and (issuer is None or order.p12):
        plan = replace(plan, needs=(*plan.needs, own_key.removeprefix("../")))
    kept = _kept(plan)
    return replace(kept, publish=kept.publish + aside)


def renewed_intermediate(order: AuthorityOrder, issuer: Issuer, *, request: str) -> Plan:
    """Return the plan for an intermediate with the same key in the place of an old one."""
    return _kept(signed_intermediate(order, issuer, request=request, publish=False))


def renewed_root(order: AuthorityOrder, issuer: Issuer, *, target: str, key_identifier: bytes | None) -> Plan:
    """Return the plan for the root with the same key, subject and key identifier in the place of the old one.

    So what the old one has signed stands below the new one, too. The subject is taken over by openssl, byte for byte.
    """
    section = authority_section(order, "root.cnf")
    if key_identifier is not None:
        section = section.replace("= hash\n", f"= {key_identifier.hex(':').upper()}\n")
    unlock = ("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ()
    # OpenSSL 4 asks for the extensions of the request, too; they are the same, and then given again.
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
        f"the root certificate anew, {visible(order.subject.common_name or '')}",
        (
            Write("ca.cnf", section),
            request,
            sign,
            Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=(), names=()),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.crt", target, 0o644, "certificate", "kept"),),
        needs=issuer.needs,
    )


def _kept(plan: Plan) -> Plan:
    """Return the plan with all that it replaces kept."""
    return replace(plan, publish=tuple(replace(publish, over="kept") for publish in plan.publish))
