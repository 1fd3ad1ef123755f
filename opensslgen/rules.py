"""Rules: small functions that hold a certificate against one demand each, and say what is wrong.

Templates ask, rules demand: nothing here knows how our certificates are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from .certificate import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .certificate import Certificate, PublicKey
    from .names import GeneralName

ERROR, WARNING, NOTE = "error", "warning", "note"

Messages = tuple[str, ...]
PASS: Messages = ()

APPLE = "Apple support 103769, https://support.apple.com/103769"
SINCE_JULY_2019 = date(2019, 7, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: a certificate, its issuer if it is known, and the time of judgement."""

    certificate: Certificate
    issuer: Certificate | None
    at: datetime
    within: timedelta | None = None
    """A certificate that ends within this time of `at` is a finding."""
    chain: tuple[Certificate, ...] = ()
    """Certificates that came after it, in the order in which they came."""
    key: PublicKey | None = None
    """The public half of a private key that came with it."""
    host: GeneralName | None = None
    """The name or address by which a server was asked."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand, where it comes from, and how it is checked."""

    id: str
    severity: str
    reason: str
    """One sentence: what breaks if it is not met."""
    citation: str
    effective: date | None
    """Only certificates whose validity begins on this day (UTC) or later have to meet it."""
    check: Callable[[Case], Messages]
    """Returns what is wrong with this certificate; nothing if it complies."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A demand that a certificate does not meet."""

    rule: Rule
    message: str
    line: int | None = None
    """In a config or script, counted from 1."""


def judge(case: Case, rules: Iterable[Rule]) -> list[Finding]:
    """Return the findings of all the rules, in their order."""
    begins = case.certificate.not_before
    return [
        Finding(rule, message)
        for rule in rules
        if rule.effective is None or begins >= datetime(*rule.effective.timetuple()[:3], tzinfo=timezone.utc)
        for message in rule.check(case)
    ]


def _key_size(case: Case) -> Messages:
    return tuple(
        f"the {whose} has an RSA key of {certificate.public_key.bits} bits; 2048 is the least"
        for whose, certificate in (("certificate", case.certificate), ("issuer", case.issuer))
        if certificate and certificate.public_key.algorithm == "RSA" and certificate.public_key.bits < 2048
    )


def _signature_hash(case: Case) -> Messages:
    certificate = case.certificate
    if certificate.signature_hash in {"sha224", "sha256", "sha384", "sha512"}:
        return PASS
    return (f"it is signed with {certificate.signature_algorithm}, which is not of the SHA-2 family",)


def _san(case: Case) -> Messages:
    names = case.certificate.subject_alternative_names
    if names is None:
        return ("it has no subject alternative name; the common name does not count",)
    if not any(name.kind in {"DNS", "IP"} for name in names):
        return ("its subject alternative names hold neither a DNS name nor an IP address",)
    return PASS


def _server_auth(case: Case) -> Messages:
    usages = case.certificate.extended_key_usage
    if usages is None:
        return ("it has no extended key usage; serverAuth (1.3.6.1.5.5.7.3.1) is needed",)
    if "serverAuth" not in usages:
        return (f"its extended key usage is {', '.join(usages)}; serverAuth (1.3.6.1.5.5.7.3.1) is needed",)
    return PASS


APPLE_LIMIT = timedelta(days=825)
"""Apple's code grants 3,600 seconds more; they are left to Apple."""


def _apple_validity(case: Case) -> Messages:
    validity = case.certificate.not_after - case.certificate.not_before
    if validity <= APPLE_LIMIT:
        return PASS
    return (f"it is valid for {_days(validity)}; 825 days is the most",)


def _days(validity: timedelta) -> str:
    """Return a time span in days and seconds, as the boundary is one of seconds."""
    return f"{validity.days} days" + (f" and {validity.seconds} s" if validity.seconds else "")


def _not_ca(case: Case) -> Messages:
    constraints = case.certificate.basic_constraints
    if constraints and constraints.ca:
        return ("it is a certificate authority (CA:TRUE); a server's certificate must not be",)
    return PASS


def _ip_as_dns(case: Case) -> Messages:
    return tuple(
        f"DNS:{visible(name.value)} is an IP address written as a DNS name; IP:{visible(name.value)} is meant"
        for name in case.certificate.subject_alternative_names or ()
        if name.kind == "DNS" and _looks_like_ip(name.value)
    )


def _looks_like_ip(text: str) -> bool:
    # A host name's last label is never all digits (RFC 1123 section 2.1), and never holds a colon.
    return ":" in text or text.rpartition(".")[2].isdigit()


def _common_name(case: Case) -> Messages:
    return PASS if (case.certificate.subject.common_name or "").strip() else ("its subject has no common name",)


def _ca(case: Case) -> Messages:
    constraints = case.certificate.basic_constraints
    return PASS if constraints and constraints.ca else ("it is no certificate authority (CA:TRUE)",)


def _key_cert_sign(case: Case) -> Messages:
    usage = case.certificate.key_usage
    if usage is None or "keyCertSign" in usage:
        return PASS
    return ("its key usage lacks keyCertSign",)


RULES = {
    rule.id: rule
    for rule in (
        Rule(
            "apple-key-size",
            ERROR,
            "Apple's devices refuse RSA keys below 2048 bits, in the certificate and in its issuer.",
            APPLE,
            None,
            _key_size,
        ),
        Rule(
            "apple-signature-hash",
            ERROR,
            "Apple's devices trust only signatures of the SHA-2 family.",
            APPLE,
            None,
            _signature_hash,
        ),
        Rule(
            "apple-san",
            ERROR,
            "Apple's devices look for the server's name in the subject alternative name alone.",
            APPLE,
            None,
            _san,
        ),
        Rule(
            "apple-eku",
            ERROR,
            "A TLS server's certificate from July 2019 on has the extended key usage serverAuth.",
            APPLE,
            SINCE_JULY_2019,
            _server_auth,
        ),
        Rule(
            "apple-validity",
            ERROR,
            "A TLS server's certificate from July 2019 on is valid for 825 days or fewer.",
            APPLE,
            SINCE_JULY_2019,
            _apple_validity,
        ),
        Rule(
            "leaf-is-ca",
            ERROR,
            "Firefox, Apple's app transport and Python's cryptography refuse a server that is a certificate authority.",
            "RFC 5280 section 4.2.1.9",
            None,
            _not_ca,
        ),
        Rule(
            "ip-as-dns",
            ERROR,
            "An IP address matches only an iPAddress entry, never a dNSName.",
            "RFC 5280 section 4.2.1.6",
            None,
            _ip_as_dns,
        ),
        Rule(
            "empty-cn",
            ERROR,
            "IP Office, and lists of certificates on many devices, know a certificate by its common name.",
            "Avaya IP Office certificates; FiloSottile/mkcert#47",
            None,
            _common_name,
        ),
        Rule(
            "root-ca",
            ERROR,
            "A phone installs a root as an authority only if it says that it is one.",
            "RFC 5280 section 4.2.1.9; AOSP CertInstaller",
            None,
            _ca,
        ),
        Rule(
            "root-key-cert-sign",
            ERROR,
            "A root with a key usage that lacks keyCertSign cannot sign.",
            "RFC 5280 section 4.2.1.3",
            None,
            _key_cert_sign,
        ),
        Rule(
            "root-cn",
            ERROR,
            "iOS does not list a root without a common name under Certificate Trust Settings.",
            "FiloSottile/mkcert#47",
            None,
            _common_name,
        ),
    )
}
