"""Apple's published list for TLS servers: iOS 13, macOS 10.15 and later."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from opensslgen.text import brief

from .names import can_match
from .rule import ERROR, PASS, Case, Messages, declared, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.x509.certificate import Certificate

APPLE = "Apple support 103769, https://support.apple.com/103769"
SINCE_JULY_2019 = date(2019, 7, 1)

_SHA2 = frozenset({"sha224", "sha256", "sha384", "sha512"})
# None: the key does not exist yet. Explicit parameters have their own rule, ec-explicit.
_CURVES = frozenset({"P-256", "P-384", "P-521", "explicit", None})
_LEAST_RSA = 2048


def span(validity: timedelta) -> str:
    """Return a time span in days and seconds: the limits are exact to the second."""
    return f"{validity.days} days" + (f" and {validity.seconds} s" if validity.seconds else "")


@rule("apple-key-size", ERROR, APPLE, of_requests=True)
def _key_size(case: Case) -> Messages:
    """Apple's devices refuse RSA keys below 2048 bits, in the certificate and in its issuers."""
    key = case.certificate.public_key
    found = (f"the certificate {_small(key.bits)}",) if key.algorithm in _RSA and key.bits < _LEAST_RSA else PASS
    for issuer in case.authorities:
        key = issuer.public_key
        if key.algorithm in _RSA and key.bits < _LEAST_RSA:
            found += (f"the issuer {issuer.subject} {_small(key.bits)}",)
    return found


_RSA = frozenset({"RSA", "RSA-PSS"})


def _small(bits: int) -> str:
    return f"has an RSA key of {bits} bits; the minimum is 2048"


@rule(
    "apple-key-type",
    ERROR,
    "apple-oss-distributions/Security: SecKeySizes in SecKey.h, SecPolicyAddStrongKeySizeOptions in SecPolicy.c",
    of_requests=True,
)
def _key_type(case: Case) -> Messages:
    """Apple's devices accept only RSA keys, and EC keys on the curves P-256, P-384 and P-521."""
    accepted = "RSA and the curves P-256, P-384 and P-521 are accepted"
    kind = unknown_kind(case.certificate)
    found = (f"it has {kind}; {accepted}",) if kind else PASS
    for issuer in case.authorities:
        if kind := unknown_kind(issuer):
            found += (f"its issuer {issuer.subject} has {kind}; {accepted}",)
    return found


def unknown_kind(certificate: Certificate) -> str | None:
    """Return what kind of key a certificate has, if neither Apple nor Python's cryptography accepts it in a chain."""
    key = certificate.public_key
    if key.algorithm == "RSA" or (key.algorithm == "EC" and key.curve in _CURVES):
        return None
    return f"an EC key on the curve {key.curve}" if key.algorithm == "EC" else f"a key of type {key.algorithm}"


def _signed(case: Case) -> Iterator[tuple[str, Certificate]]:
    """Yield the certificates whose signatures matter: nobody relies on the signature of a self-signed one."""
    for certificate in (case.certificate, *case.authorities):
        if not certificate.is_self_signed:
            yield "it" if certificate is case.certificate else f"the issuer {certificate.subject}", certificate


@rule("apple-signature-hash", ERROR, APPLE)
def _signature_hash(case: Case) -> Messages:
    """Apple's devices accept only signatures with SHA-2, on the certificate and on its issuers."""
    found = PASS
    for whose, certificate in _signed(case):
        if certificate.signature_hash not in _SHA2:
            found += (f"{whose} is signed with {certificate.signature_algorithm}, which does not use SHA-2",)
    return found


@rule("apple-signature-type", ERROR, "apple-oss-distributions/Security: SecSignatureVerificationSupport.c")
def _signature_type(case: Case) -> Messages:
    """Apple's devices accept only RSASSA-PKCS1-v1_5 and ECDSA signatures on certificates."""
    found = PASS
    for whose, certificate in _signed(case):
        if certificate.signature_algorithm == "rsassaPss":
            found += (f"{whose} is signed with RSASSA-PSS; RSASSA-PKCS1-v1_5 and ECDSA are accepted",)
    return found


@rule("apple-san", ERROR, APPLE, of_requests=True, extension="subjectAltName")
def _san(case: Case) -> Messages:
    """Apple's devices look for the server's name only in the subject alternative names."""
    names = case.certificate.subject_alternative_names
    if names is None:
        return ("it has no subject alternative name; the common name does not count",)
    hosts = [name for name in names if name.kind in ("DNS", "IP")]
    if not hosts:
        return ("its subject alternative names contain neither a DNS name nor an IP address",)
    if not any(can_match(name) for name in hosts):
        some = ", ".join(f"{name.kind}:'{brief(name.value)}'" for name in hosts[:3])
        return (f"none of its subject alternative names can match a server: {some}",)
    return PASS


@rule("apple-eku", ERROR, APPLE, since=SINCE_JULY_2019, of_requests=True, extension="extendedKeyUsage")
def _server_auth(case: Case) -> Messages:
    """Apple's devices require the extended key usage serverAuth in certificates issued since July 2019."""
    usages = case.certificate.extended_key_usage
    if usages is None:
        return ("it has no extended key usage; serverAuth (1.3.6.1.5.5.7.3.1) is needed",)
    if "serverAuth" not in usages:
        return (f"its extended key usage is {', '.join(usages)}; serverAuth (1.3.6.1.5.5.7.3.1) is needed",)
    return PASS


APPLE_LIMIT = timedelta(days=825)
"""Apple's code allows 3,600 seconds more, but its published rule does not."""


@rule("apple-validity", ERROR, APPLE, since=SINCE_JULY_2019)
def _validity(case: Case) -> Messages:
    """Apple's devices refuse certificates issued since July 2019 that are valid for more than 825 days."""
    validity = case.certificate.not_after - case.certificate.not_before
    return PASS if validity <= APPLE_LIMIT else (f"it is valid for {span(validity)}; the maximum is 825 days",)


RULES = declared(globals())
