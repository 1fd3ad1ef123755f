"""The plan of a leaf among many: few openssl processes, and checks that are done for many at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .issue import check, demands, extensions, files, new_key, parameters, request_config, signed, with_p12
from .steps import Check, Join, Outside, Plan, Record, Serial, Validity, Write, openssl

if TYPE_CHECKING:
    from opensslgen.orders.order import LeafOrder

    from .issue import Issuer
    from .steps import Argument, Step


def in_batch(order: LeafOrder, issuer: Issuer | None, *, name: str, at_once: bool) -> Plan:
    """Return the plan for a leaf whose files are called NAME.* in a work folder that it shares with others.

    With `at_once` one process makes key and certificate, as OpenSSL 3.0 and later can; there is no request then, and
    for the sake of sameness none is kept otherwise. Without an issuer it signs itself. Old files of that name are kept
    beside the new ones.
    """
    config = f"{request_config(order)}\n{extensions(order)}"
    before: tuple[Step, ...] = (Write(f"{name}.cnf", config),)
    alone = issuer is None
    at_once = at_once or alone
    if order.key_file is not None:
        before += (openssl("pkey -in {file} -out {key}", file=Outside(order.key_file), key=f"{name}.key"),)
        key: tuple[Argument, ...] = ("-key", f"{name}.key")
    else:
        curve = order.key_type.curve
        if curve is None or not at_once or alone:
            before += parameters(order.key_type, f"{name}.params")
            newkey: tuple[str, ...] = (new_key(order.key_type, f"{name}.params"),)
        else:
            newkey = ("ec", "-pkeyopt", f"ec_paramgen_curve:{curve}")
        key = ("-newkey", *newkey, "-nodes", "-keyout", f"{name}.key")
    if at_once or issuer is None:
        make: tuple[Step, ...] = (
            openssl(
                "req -new -x509 {key} {signing} -sha256 {validity} -set_serial {serial} -config {config}"
                " -extensions v3_req -out {certificate}",
                key=key,
                signing=issuer.signing(template=order.template) if issuer else (),
                validity=Validity(order.days),
                serial=Serial(),
                config=f"{name}.cnf",
                certificate=f"{name}.crt",
            ),
        )
    else:
        request = openssl(
            "req -new {key} -sha256 -config {config} -out {request}",
            key=key,
            config=f"{name}.cnf",
            request=f"{name}.req",
        )
        make = (request, signed(name, f"{name}.cnf", issuer.signing(template=order.template), days=order.days))
    left_out = {"request", "chain"} if alone else {"request"}
    return _finished(order, issuer, (*before, *make), name=name, left_out=left_out)


def signed_in_batch(order: LeafOrder, issuer: Issuer, *, name: str, publish: bool) -> Plan:
    """Return the plan for a leaf among many whose request was made elsewhere; `publish` tells whether that is kept.

    The request need not be verified by itself, as every `openssl x509 -req` does that.
    """
    assert order.request is not None
    steps = (
        Write(f"{name}.req", order.request),
        Write(f"{name}.cnf", extensions(order)),
        signed(name, f"{name}.cnf", issuer.signing(template=order.template), days=order.days),
    )
    return _finished(order, issuer, steps, name=name, left_out={"key"} if publish else {"key", "request"})


def _finished(
    order: LeafOrder, issuer: Issuer | None, steps: tuple[Step, ...], *, name: str, left_out: set[str]
) -> Plan:
    """Return the plan that does the steps, which make NAME.crt, and then what is done to all certificates."""
    trusted, above = (issuer.trusted, issuer.chain) if issuer else (f"{name}.crt", ())
    plan = Plan(
        f"{order.kind.title} for {order.title}",
        steps,
        (Record(f"{name}.crt", f"{name}.cnf", order.subject.oneline(), f"{name}.sh"),),
        tuple(publish for publish in files(name, order.stem, over="kept") if publish.what not in left_out),
        demands=demands(order.names),
        commands=f"{name}.sh",
    )
    if order.p12 is not None:
        plan = with_p12(plan, order, name, above)
    chain = (Join((f"{name}.crt", *above), f"{name}-chain.pem"),) if issuer else ()
    return replace(plan, steps=(*plan.steps, *chain, replace(check(order, trusted), certificate=f"{name}.crt")))


def without_checks(plan: Plan) -> tuple[Plan, tuple[Check, ...]]:
    """Return the plan without its checks, and them."""
    checks = tuple(step for step in plan.steps if isinstance(step, Check))
    return replace(plan, steps=tuple(step for step in plan.steps if not isinstance(step, Check))), checks
