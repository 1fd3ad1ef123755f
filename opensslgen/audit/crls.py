"""The verdict on a CRL: who signed it, and whether it has expired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.openssl.chains import is_crl_signed_by
from opensslgen.openssl.command import OpenSSLError
from opensslgen.rules.rule import Finding, raised
from opensslgen.text import utc
from opensslgen.x509 import crl
from opensslgen.x509.der import DecodeError
from opensslgen.x509.names import canonical

from .result import Result, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.crl import RevocationList

    from .signatures import AtHand


def judge_crl(
    der: bytes,
    *,
    target: str,
    line: int | None,
    settings: Settings,
    at_hand: AtHand,
    beside: Sequence[Certificate] = (),
) -> Result:
    """Return the verdict on a CRL in a file that also has the certificates `beside`.

    Its issuer is looked for in the file, among the roots, in the pki folder, and in the other files of its folder.
    Without the issuer, its signature cannot be verified, and that is not known to be good.
    """
    try:
        made = crl.decode(der)
    except DecodeError as error:
        return Result(target=target, kind="crl", unreadable=f"a CRL that cannot be read: {error}", line=line)
    issuer = str(made.issuer) or "an issuer without a name"
    about = f"it is a CRL of {issuer}, not a certificate, and revokes {_count(len(made.revocations))}"
    anchors, former = at_hand.authorities(target)
    issuers = issuers_of(made, (*beside, *settings.roots, *anchors, *former)) or issuers_of(
        made, at_hand.beside(target)
    )
    findings, unable = verify_crl(made, issuers, settings, where="it")
    findings += age_of(made, settings, where="it")
    findings += tuple(
        finding
        for certificate in beside
        if certificate.issuer == made.issuer
        and any(revocation.serial_number == certificate.serial_number for revocation in made.revocations)
        for finding in raised(settings.rules, "pki-revoked-in-use", f"it revokes {certificate.subject}, beside it")
    )
    if not issuers:
        unable = f"the certificate of {issuer} was not found: its signature was not verified (--root FILE names it)"
    return Result(
        target=target,
        kind="crl",
        findings=findings,
        unreadable=unable,
        is_unknown=unable is not None,
        line=line,
        notes=(about, *(f"{deviation}" for deviation in made.deviations)),
    )


def _count(number: int) -> str:
    return "one certificate" if number == 1 else f"{number or 'no'} certificates"


def issuers_of(made: RevocationList, certificates: Iterable[Certificate]) -> list[Certificate]:
    """Return the certificates that have the name of a CRL's issuer, each once."""
    name = canonical(made.issuer)
    return list({each.der: each for each in certificates if canonical(each.subject) == name}.values())


def verify_crl(
    made: RevocationList, issuers: Sequence[Certificate], settings: Settings, *, where: str
) -> tuple[tuple[Finding, ...], str | None]:
    """Return the findings on a CRL that clients refuse, or why it is unknown whether one of its issuers signed it."""
    unknown = [each.oid for each in made.extensions if each.critical and each.oid not in _UNDERSTOOD]
    about = tuple(
        finding
        for oid in unknown
        for finding in raised(settings.rules, "crl-refused", f"{where} has a critical extension {oid}")
    )
    if not issuers:
        return about, None
    try:
        openssl = settings.find_openssl()
        signer = next((issuer for issuer in issuers if is_crl_signed_by(issuer, made.der, openssl=openssl)), None)
    except OpenSSLError as error:
        return about, f"its signature was not verified: {error.message}"
    if signer and (signer.key_usage is None or "cRLSign" in signer.key_usage):
        return about, None
    if signer:
        message = f"the key usage of its issuer {signer.subject} is {', '.join(sorted(signer.key_usage or ()))}"
        return (*about, *raised(settings.rules, "crl-refused", f"{message}; cRLSign is needed")), None
    message = f"{where} was not signed by {made.issuer}, or was changed afterwards"
    return (*about, *raised(settings.rules, "crl-signature", message)), None


_UNDERSTOOD = frozenset({"2.5.29.27", "2.5.29.28", "2.5.29.35"})
"""deltaCRLIndicator, issuingDistributionPoint and authorityKeyIdentifier: openssl refuses any other as critical."""


def age_of(made: RevocationList, settings: Settings, *, where: str) -> tuple[Finding, ...]:
    """Return the finding on a CRL that has expired or is not valid yet."""
    due, at = made.dates.next_update, settings.at
    if due and due < at:
        return raised(settings.rules, "pki-crl-stale", f"{where} expired on {utc(due)}")
    if made.dates.this_update > at:
        return raised(settings.rules, "pki-crl-stale", f"{where} is not valid before {utc(made.dates.this_update)}")
    return ()
