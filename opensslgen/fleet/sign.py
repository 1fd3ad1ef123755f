"""All requests of a fleet, signed here in one batch that converges: what is signed already is left alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opensslgen import recipes
from opensslgen.authority import Authority
from opensslgen.certificate import load
from opensslgen.errors import Error, UsageError
from opensslgen.jobs import Job, Violation, stored_issuer
from opensslgen.openssl import find
from opensslgen.plan import Write
from opensslgen.recipes import SECRETS, fit_secret
from opensslgen.store import Store

from .request import WITHIN, YET, decoded_request, described, order_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from opensslgen.certificate import Certificate, Request
    from opensslgen.orders import LeafOrder


@dataclass(frozen=True)
class Signed:
    """What has become of one host's request."""

    name: str
    changed: bool
    not_after: datetime | None = None
    """When the certificate ends; None if there is none, or only a check was asked for."""
    fault: str | None = None
    """Why it was not signed."""
    before: str = ""
    """The certificate that it had, in words."""
    after: str = ""


def sign_all(
    requests: Iterable[Mapping[str, Any]],
    *,
    pki: Path,
    passphrase: str | None = None,
    openssl: str | None = None,
    within: timedelta = WITHIN,
    allow: Collection[str] = (),
    check: bool = False,
) -> Iterator[Signed]:
    """Sign each request that has no certificate yet for its key and names which lasts longer than `within`.

    A request is a mapping of `order`, the options that `order_of` takes, and `request`, in PEM. The names come from the
    order, and from the request nothing but its key. One that cannot be signed does not stop the others. With `check`
    nothing is signed. Raises Error if there is no root.
    """

    def secret(name: str) -> str:
        if passphrase is None:
            raise UsageError(f"the {SECRETS[name]} is needed", hint=f"set {name}")
        return fit_secret(name, passphrase)

    authority = Authority(Store(pki), find(openssl), secret, allow=allow, force=True)
    root = authority.store.issuer()
    if root is None:
        raise Error(f"{pki} has no root", hint=f"make one: opensslgen root --pki {pki}")
    for request in requests:
        name = str(request["order"].get("name"))
        try:
            yield _signed(authority, root, order_of(request["order"]), request.get("request"), within, check=check)
        except Violation as violation:
            told = "; ".join(f"{finding.message} [{finding.rule.id}]" for finding in violation.findings)
            yield Signed(name, changed=False, fault=f"{violation.message}: {told}")
        except Error as error:
            yield Signed(name, changed=False, fault=error.message)


def _signed(
    authority: Authority,
    root: Certificate,
    order: LeafOrder,
    pem: str | None,
    within: timedelta,
    *,
    check: bool,
) -> Signed:
    name = order.names[0].value
    path = authority.store.path / "issued" / f"{order.stem}.crt"
    there = load(path) if path.exists() else None
    request = None if pem is None else decoded_request(pem)
    before = "" if there is None else described(there)
    if there and request and _is_as_wanted(there, order, request, root, within):
        return Signed(name, changed=False, not_after=there.not_after, before=before, after=before)
    if check or pem is None:
        if not check:
            raise Error("there is no request")
        return Signed(name, changed=True, before=before, after=YET)
    if request and request.subject.attributes != order.subject.attributes:
        raise Error(f"the request has another subject: {request.subject}")
    made = _sign(authority, order, pem)
    return Signed(name, changed=True, not_after=made.not_after, before=before, after=described(made))


def _is_as_wanted(
    certificate: Certificate, order: LeafOrder, request: Request, root: Certificate, within: timedelta
) -> bool:
    """Tell whether a certificate is for this key and order, by this root, and lasts."""
    return (
        certificate.public_key == request.public_key
        and certificate.subject.attributes == order.subject.attributes
        and certificate.names == order.subject_alternative_names
        and set(certificate.extended_key_usage or ()) == set(order.extended_key_usage)
        and certificate.issuer == root.subject
        and certificate.authority_key_identifier is not None
        and certificate.authority_key_identifier.key_identifier == root.subject_key_identifier
        and certificate.not_after > datetime.now(timezone.utc) + within
    )


def _sign(authority: Authority, order: LeafOrder, pem: str) -> Certificate:
    full = recipes.leaf(order, stored_issuer(authority.store))
    steps = tuple(
        step for step in full.steps if not (hasattr(step, "arguments") and step.arguments[0] in ("req", "ecparam"))
    )
    steps = (Write("server.req", pem), *steps)
    plan = replace(full, steps=steps, publish=tuple(p for p in full.publish if p.what != "key"))
    made = authority.make(lambda: Job(name=order.title, done="", plan=plan, judged="server.crt"))
    assert made.certificate
    return made.certificate
