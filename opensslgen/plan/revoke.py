"""Plans that revoke certificates, and that make revocation lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import template
from .secrets import CA_PASSPHRASE
from .steps import (
    CheckChain,
    CheckRevocationList,
    CheckRevoked,
    CopyDatabase,
    Existing,
    Join,
    Plan,
    Publish,
    What,
    Write,
    openssl,
)

if TYPE_CHECKING:
    from .issue import Issuer
    from .steps import Argument, Step

LIST_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class RevocationOrder:
    """A certificate that is to be revoked."""

    title: str
    """What people call it."""
    certificate: str
    """In PEM."""
    serial_hex: str
    reason: str | None
    """As `openssl ca -crl_reason` takes it; None if none is given."""
    recorded: bool
    """Whether the index has its line."""
    moves: tuple[Publish, ...]
    """Where its files go."""
    judged_at: int | None
    """When it was valid, in seconds since 1970, if openssl is to verify that the authority has signed it."""


@dataclass(frozen=True, kw_only=True)
class ListOrder:
    """A revocation list that is wanted."""

    hours: int
    """Until the next one is due."""
    by_key_identifier: bool
    """Whether the issuer has a subject key identifier by which the list can name it."""


def revocation(order: RevocationOrder, issuer: Issuer, new_list: ListOrder | None) -> Plan:
    """Return the plan for a revocation, and for a new list, if there is to be one."""
    reason = () if order.reason is None else ("-crl_reason", order.reason)
    revoke = openssl("ca -config ca.cnf -revoke revoked.pem {reason} {unlock}", reason=reason, unlock=_unlock(issuer))
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
        # The index goes first: whatever happens then, the revocation is not lost.
        publish=(
            Publish("index.txt", "index.txt", None, existing=Existing.REPLACE),
            *(_list_files() if new_list else ()),
            *order.moves,
        ),
        needs=issuer.needs,
    )


def _signature_checks(order: RevocationOrder, issuer: Issuer) -> tuple[Step, ...]:
    """Return the steps that verify the signature of a certificate of which the folder has no copy."""
    if order.judged_at is None:
        return ()
    if issuer.above is None:
        return (CheckChain("revoked.pem", issuer.certificate, "any", order.judged_at),)
    return (
        Join((issuer.certificate, issuer.above), "issuers.pem"),
        CheckChain("revoked.pem", "issuers.pem", "any", order.judged_at),
    )


def revocation_list(order: ListOrder, issuer: Issuer) -> Plan:
    """Return the plan for a new revocation list, in PEM and DER."""
    return Plan(
        "a revocation list",
        (CopyDatabase(), *_list_steps(issuer, order)),
        publish=_list_files(),
        needs=issuer.needs,
    )


def _list_steps(issuer: Issuer, order: ListOrder) -> tuple[Step, ...]:
    """Return the step that writes the config, and those that make the list and see that it is right."""
    lifetime = ("-crlhours", str(order.hours)) if order.hours % 24 else ("-crldays", str(order.hours // 24))
    values = {
        "CERTIFICATE": issuer.certificate,
        "KEY": issuer.key,
        "AUTHORITY_KEY_IDENTIFIER": "keyid:always" if order.by_key_identifier else "issuer:always",
    }
    return (
        Write("ca.cnf", template.fill(template.shipped("ca.cnf"), values)),
        openssl(
            "ca -config ca.cnf -gencrl {lifetime} {unlock} -out crl.pem", lifetime=lifetime, unlock=_unlock(issuer)
        ),
        openssl("crl -in crl.pem -outform DER -out crl.der"),
        CheckRevocationList(issuer.certificate),
    )


def _list_files() -> tuple[Publish, ...]:
    return (
        Publish("crl.pem", "crl.pem", 0o644, What.CRL, Existing.REPLACE),
        Publish("crl.der", "crl.der", 0o644, What.CRL_DER, Existing.REPLACE),
        Publish("crlnumber", "crlnumber", None, existing=Existing.REPLACE),
    )


def _unlock(issuer: Issuer) -> tuple[Argument, ...]:
    return ("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ()
