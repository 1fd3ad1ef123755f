"""Plans that revoke certificates, and that make CRLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import layout, template
from .steps import (
    CheckChain,
    CheckRevocationList,
    CheckRevoked,
    CopyDatabase,
    Existing,
    Plan,
    Publish,
    What,
    Write,
    openssl,
)

if TYPE_CHECKING:
    from .issue import Issuer
    from .steps import Step

LIST_DAYS = 30
MOST_LIST_DAYS = 3650


@dataclass(frozen=True, kw_only=True)
class RevocationOrder:
    """A certificate to revoke."""

    title: str
    """Its name in messages."""
    certificate: str
    """In PEM."""
    serial_hex: str
    reason: str | None
    """As `openssl ca -crl_reason` takes it, or None."""
    recorded: bool
    """Whether the index has its line."""
    moves: tuple[Publish, ...]
    """Where its files go."""
    verify_at: int | None
    """A time when it was valid, in seconds since 1970, if openssl must verify that the CA signed it."""


@dataclass(frozen=True, kw_only=True)
class ListOrder:
    """A CRL to make."""

    hours: int
    """Until the next one is due."""
    by_key_identifier: bool
    """Whether the CRL can name its issuer by a subject key identifier."""


def revocation(order: RevocationOrder, issuer: Issuer, new_list: ListOrder | None) -> Plan:
    """Return the plan for a revocation, and for a new CRL if ordered."""
    reason = () if order.reason is None else ("-crl_reason", order.reason)
    revoke = openssl("ca -config ca.cnf -revoke revoked.pem {reason} {unlock}", reason=reason, unlock=issuer.unlock)
    config, *make = _list_steps(issuer, new_list or ListOrder(hours=24, by_key_identifier=True))
    return Plan(
        f"the revocation of {order.title}, serial number {order.serial_hex}",
        (
            CopyDatabase(),
            Write("revoked.pem", order.certificate),
            *_signature_checks(order, issuer),
            config,
            revoke,
            CheckRevoked(order.serial_hex, order.reason, order.recorded),
            *(make if new_list else ()),
        ),
        # The index comes first, so that a failure does not lose the revocation.
        publish=(
            Publish(layout.INDEX, layout.INDEX, None, existing=Existing.REPLACE),
            *(_list_files() if new_list else ()),
            *order.moves,
        ),
        needs=issuer.needs,
    )


def _signature_checks(order: RevocationOrder, issuer: Issuer) -> tuple[Step, ...]:
    """Return the steps that verify the signature of a certificate without a copy in the folder."""
    if order.verify_at is None:
        return ()
    return (*issuer.steps, CheckChain("revoked.pem", issuer.trusted, "any", order.verify_at))


def revocation_list(order: ListOrder, issuer: Issuer) -> Plan:
    """Return the plan for a new CRL, in PEM and DER."""
    return Plan(
        "a CRL",
        (CopyDatabase(), *_list_steps(issuer, order)),
        publish=_list_files(),
        needs=issuer.needs,
    )


def _list_steps(issuer: Issuer, order: ListOrder) -> tuple[Step, ...]:
    """Return the steps that write the config, make the CRL, and check it."""
    lifetime = ("-crlhours", str(order.hours)) if order.hours % 24 else ("-crldays", str(order.hours // 24))
    values = {
        "CERTIFICATE": issuer.certificate,
        "KEY": issuer.key,
        "AUTHORITY_KEY_IDENTIFIER": "keyid:always" if order.by_key_identifier else "issuer:always",
    }
    return (
        Write("ca.cnf", template.fill(template.shipped("ca.cnf"), values)),
        openssl("ca -config ca.cnf -gencrl {lifetime} {unlock} -out crl.pem", lifetime=lifetime, unlock=issuer.unlock),
        openssl("crl -in crl.pem -outform DER -out crl.der"),
        CheckRevocationList(issuer.certificate),
    )


def _list_files() -> tuple[Publish, ...]:
    return (
        Publish(layout.CRL, layout.CRL, 0o644, What.CRL, Existing.REPLACE),
        Publish(layout.CRL_DER, layout.CRL_DER, 0o644, What.CRL_DER, Existing.REPLACE),
        Publish(layout.CRL_NUMBER, layout.CRL_NUMBER, None, existing=Existing.REPLACE),
    )
