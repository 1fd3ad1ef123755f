"""What depends on the time of judgement, on the issuers, and on the private key that came with a certificate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opensslgen.names.general import GeneralName
from opensslgen.x509.names import same_name

from .rule import ERROR, PASS, WARNING, Case, Messages, Rule, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opensslgen.x509.certificate import Certificate


def issuer_among(certificate: Certificate, others: Iterable[Certificate]) -> Certificate | None:
    """Return the one that most likely issued the certificate, by name and key identifier; None if none can have."""
    by_name = [other for other in others if other.der != certificate.der and _same_name(certificate, other)]
    by_key = [other for other in by_name if not _wrong_key(certificate, other)]
    return next(iter(by_key or by_name), None)


def issuers_among(certificate: Certificate, others: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return the issuer and those above it, up to the root or to the first whose issuer is not there."""
    found: list[Certificate] = []
    rest = list(others)
    below = certificate
    while not below.is_self_issued and (issuer := issuer_among(below, rest)):
        found.append(issuer)
        rest = [other for other in rest if other.der != issuer.der]
        below = issuer
    return tuple(found)


def _same_name(certificate: Certificate, issuer: Certificate) -> bool:
    return same_name(certificate.issuer, issuer.subject)


def _wrong_key(certificate: Certificate, issuer: Certificate) -> bool:
    authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
    return bool(authority and authority.key_identifier and subject and authority.key_identifier != subject)


def _expired(case: Case) -> Messages:
    at = case.at
    found = PASS if at <= case.certificate.not_after else (f"it expired on {case.certificate.not_after:{_TIME}}",)
    for issuer in case.authorities:
        if at > issuer.not_after:
            found += (f"its issuer {issuer.subject} expired on {issuer.not_after:{_TIME}}",)
    return found


_TIME = "%Y-%m-%d %H:%M:%S UTC"


def _not_yet_valid(case: Case) -> Messages:
    at = case.at
    found = PASS if at >= case.certificate.not_before else (f"it is valid from {case.certificate.not_before:{_TIME}}",)
    for issuer in case.authorities:
        if at < issuer.not_before:
            found += (f"its issuer {issuer.subject} is valid from {issuer.not_before:{_TIME}}",)
    return found


def _expires_soon(case: Case) -> Messages:
    at, within = case.at, case.within
    if within is None:
        return PASS
    found = PASS
    for whose, certificate in (("it", case.certificate), *((f"its issuer {c.subject}", c) for c in case.authorities)):
        left = certificate.not_after - at
        if left.days >= 0 and left <= within:
            found += (
                f"{whose} expires on {certificate.not_after:{_TIME}}, {left.days} days from the time of judgement",
            )
    return found


def _outlives(case: Case) -> Messages:
    certificate, issuer = case.certificate, case.issuer
    if issuer is None or certificate.not_after <= issuer.not_after:
        return PASS
    if certificate.der and not _same_name(certificate, issuer):
        return PASS
    return (f"it is valid until {certificate.not_after:{_TIME}}, its issuer until {issuer.not_after:{_TIME}}",)


def _issuer_name(case: Case) -> Messages:
    certificate = case.certificate
    authorities = case.authorities
    # What is not made yet names no issuer, and who signs itself needs none.
    if not authorities or not certificate.der or certificate.is_self_issued:
        return PASS
    if any(_same_name(certificate, issuer) for issuer in authorities):
        return PASS
    return (
        f"its issuer is {certificate.issuer or 'nameless'}, and not {authorities[0].subject or 'one without name'}",
    )


def _links(case: Case) -> list[tuple[Certificate, Certificate]]:
    """Return the pairs of a certificate and its issuer, by name, that stand one after the other."""
    pairs = [(case.certificate, case.issuer), *zip(case.chain, case.chain[1:], strict=False)]
    return [(below, above) for below, above in pairs if above and _same_name(below, above)]


def _issuer_key(case: Case) -> Messages:
    if case.issuer is None and not case.chain:
        return PASS
    found = PASS
    for certificate, issuer in _links(case):
        authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
        if _wrong_key(certificate, issuer) and authority and authority.key_identifier and subject:
            whose = "its" if certificate is case.certificate else f"{certificate.subject} is below another key: its"
            found += (
                f"{whose} authority key identifier is {authority.key_identifier.hex().upper()}, its issuer's subject"
                f" key identifier {subject.hex().upper()}",
            )
    return found


def _issuer_is_ca(case: Case) -> Messages:
    if case.issuer is None and not case.chain:
        return PASS
    found = PASS
    for _, issuer in _links(case):
        # Version 1, which knows no extensions, is still to be met among roots.
        if issuer.version == 3 and not issuer.is_authority:
            found += (f"its issuer {issuer.subject} is no certificate authority (CA:TRUE)",)
    return found


def _path_length(case: Case) -> Messages:
    found = PASS
    # Certificates that only carry the name of their issuer on do not count (RFC 5280 section 4.2.1.9).
    below = int(case.certificate.is_authority and not case.certificate.is_self_issued)
    for _, issuer in _links(case):
        limit = issuer.basic_constraints.path_length if issuer.basic_constraints else None
        if limit is not None and below > limit:
            found += (f"{issuer.subject} allows {limit or 'no'} authorities below itself, and there are {below}",)
        below += not issuer.is_self_issued
    return found


def _name_constraints(case: Case) -> Messages:
    names = {name: shown(str(name)) for name in case.certificate.names}
    if common_name := _host_as_common_name(case.certificate):
        names[common_name] = f"its common name {shown(common_name.value)}, which OpenSSL takes for a host's,"
    return tuple(
        f"{what} is none of the names for which {issuer.subject} may sign"
        for issuer in case.authorities
        if issuer.name_constraints
        for name, what in names.items()
        if issuer.name_constraints.forbids(name)
    )


def _host_as_common_name(certificate: Certificate) -> GeneralName | None:
    """Return a common name that looks like a host's, unless the certificate names a host otherwise.

    OpenSSL holds it against the limits then, be it an address (X509_check_host(3): ALWAYS_CHECK_SUBJECT).
    """
    common_name = certificate.subject.common_name or ""
    if any(name.kind == "DNS" for name in certificate.names) or not _HOST.fullmatch(common_name):
        return None
    return GeneralName("DNS", common_name)


_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)+")


def _order(case: Case) -> Messages:
    # A chain that does not hold the issuer at all is another fault.
    if not case.chain or _issuer_name(case):
        return PASS
    before = case.certificate
    for position, certificate in enumerate(case.chain, 2):
        if not _same_name(before, certificate):
            return (
                f"certificate {position}, {certificate.subject or 'without a subject'}, is not the issuer of the one"
                f" before it; {before.issuer or 'a nameless one'} is",
            )
        before = certificate
    return PASS


def _key(case: Case) -> Messages:
    if case.key is None or case.key.der == case.certificate.public_key.der:
        return PASS
    return ("the private key beside it is not its key",)


RULES = (
    Rule("expired", ERROR, "Clients refuse what has expired.", "RFC 5280 section 6.1.3", None, _expired),
    Rule(
        "not-yet-valid",
        ERROR,
        "Clients refuse what is not valid yet, be it by their own slow clock.",
        "RFC 5280 section 6.1.3",
        None,
        _not_yet_valid,
    ),
    Rule(
        "expires-soon",
        ERROR,
        "What ends within the time that --within gives is to be renewed.",
        "opensslgen audit --within; as openssl x509 -checkend",
        None,
        _expires_soon,
    ),
    Rule(
        "key-mismatch",
        ERROR,
        "A server cannot start with a private key that is another certificate's.",
        "RFC 8446 section 4.4.3",
        None,
        _key,
        of_requests=True,
    ),
    Rule(
        "issuer-mismatch",
        ERROR,
        "A chain is built by names: the subject of the issuer is the issuer of the certificate.",
        "RFC 5280 section 6.1.3 (a) (4)",
        None,
        _issuer_name,
    ),
    Rule(
        "aki-mismatch",
        ERROR,
        "Apple's devices refuse an authority key identifier that is not the issuer's subject key identifier.",
        "RFC 5280 section 4.2.1.1",
        None,
        _issuer_key,
    ),
    Rule(
        "issuer-not-ca",
        ERROR,
        "Clients refuse an issuer that does not say that it is a certificate authority.",
        "RFC 5280 section 6.1.4 (k)",
        None,
        _issuer_is_ca,
    ),
    Rule(
        "path-length",
        ERROR,
        "Clients refuse a chain with more authorities below one than its pathlen allows.",
        "RFC 5280 sections 4.2.1.9 and 6.1.4 (l)",
        None,
        _path_length,
    ),
    Rule(
        "name-constraints",
        ERROR,
        "Phones and other clients refuse names for which an authority above must not sign.",
        "RFC 5280 section 4.2.1.10; Apple honours them on roots that users add",
        None,
        _name_constraints,
    ),
    Rule(
        "chain-order",
        WARNING,
        "Some clients give up on a chain in which each certificate is not followed by its issuer.",
        "RFC 5246 section 7.4.2; RFC 8446 section 4.4.2",
        None,
        _order,
    ),
    Rule(
        "leaf-outlives-issuer",
        WARNING,
        "A certificate ends at the latest when its issuer does, whatever it says.",
        "RFC 5280 section 6.1.3",
        None,
        _outlives,
    ),
)
