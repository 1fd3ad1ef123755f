"""Rules that depend on the time, on the issuers, or on the private key next to a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.names.general import GeneralName
from opensslgen.patterns import pattern
from opensslgen.text import brief, listed, utc

from .path import is_named_by, wrong_key
from .rule import ERROR, PASS, WARNING, Case, Messages, declared, rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from opensslgen.x509.certificate import Certificate

    from .limits import Limits


def issuer_among(certificate: Certificate, others: Iterable[Certificate]) -> Certificate | None:
    """Return the most likely issuer of the certificate, by name and key identifier, or None."""
    by_name = [other for other in others if other.der != certificate.der and is_named_by(certificate, other)]
    by_key = [other for other in by_name if not wrong_key(certificate, other)]
    return next(iter(by_key or by_name), None)


def issuers_among(certificate: Certificate, others: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return the issuers, the direct one first, up to the root or until the next issuer is missing."""
    found: list[Certificate] = []
    rest = list(others)
    below = certificate
    while not below.is_self_issued and (issuer := issuer_among(below, rest)):
        found.append(issuer)
        rest = [other for other in rest if other.der != issuer.der]
        below = issuer
    return tuple(found)


@rule("expired", ERROR, "RFC 5280 section 6.1.3")
def _expired(case: Case) -> Messages:
    """Clients refuse certificates that have expired."""
    at = case.at
    found = PASS if at <= case.certificate.not_after else (f"it expired on {utc(case.certificate.not_after)}",)
    for issuer in case.authorities:
        if at > issuer.not_after:
            found += (f"its issuer {issuer.subject} expired on {utc(issuer.not_after)}",)
    return found


@rule("not-yet-valid", ERROR, "RFC 5280 section 6.1.3")
def _not_yet_valid(case: Case) -> Messages:
    """Clients refuse certificates that are not valid yet, also if only the client's clock is slow."""
    at = case.at
    found = PASS if at >= case.certificate.not_before else (f"it is valid from {utc(case.certificate.not_before)}",)
    for issuer in case.authorities:
        if at < issuer.not_before:
            found += (f"its issuer {issuer.subject} is valid from {utc(issuer.not_before)}",)
    return found


@rule("expires-soon", ERROR, "opensslgen audit --within; as openssl x509 -checkend")
def _expires_soon(case: Case) -> Messages:
    """A certificate that expires within the time given by --within must be renewed."""
    at, within = case.at, case.within
    if within is None:
        return PASS
    found = PASS
    for whose, certificate in (("it", case.certificate), *((f"its issuer {c.subject}", c) for c in case.authorities)):
        left = certificate.not_after - at
        if left.days >= 0 and left <= within:
            found += (f"{whose} expires on {utc(certificate.not_after)}, in {left.days} days",)
    return found


@rule("key-mismatch", ERROR, "RFC 8446 section 4.4.3", of_requests=True)
def _key(case: Case) -> Messages:
    """A server cannot start if the private key does not match the certificate."""
    if case.key is None or case.key.der == case.certificate.public_key.der:
        return PASS
    return ("the private key next to it does not match it",)


@rule("issuer-mismatch", ERROR, "RFC 5280 section 6.1.3 (a) (4)")
def _issuer_name(case: Case) -> Messages:
    """Clients build a chain by names: the issuer in a certificate must be the subject of the CA that issued it."""
    return _wrong_issuer(case)


def _wrong_issuer(case: Case) -> Messages:
    certificate = case.certificate
    at_hand = (certificate, *case.authorities, *case.others)
    damaged = [each for each in at_hand if _has_damaged_name(each)]
    # A cross-signed CA has an issuer whose name may be similar.
    if damaged and not any(is_named_by(damaged[0], other) for other in at_hand):
        return (
            f"{damaged[0].subject or 'a certificate without a name'} looks like a damaged root: its issuer"
            f" should have the same name, but is {damaged[0].issuer or 'without a name'}",
        )
    # A certificate that does not exist yet has no issuer, and a self-signed one needs none.
    if not certificate.der or certificate.is_self_signed:
        return PASS
    if case.issuer is None:
        stray = [other for other in case.others if other.is_authority and other.der != certificate.der]
        return () if not stray else (_not_issued_by(certificate, stray[0]),)
    if not is_named_by(certificate, case.issuer):
        return (_not_issued_by(certificate, case.issuer),)
    last = (certificate, *case.authorities)[-1]
    stray = [other for other in _unrelated(case) if other.is_authority and other.is_self_signed]
    # A trusted CA ends the chain, even if its issuer is at hand.
    if stray and not last.is_self_signed and not any(is_named_by(last, other) for other in stray):
        return (
            f"its chain ends with {last.subject or 'a certificate without a name'}, because the issuer"
            f" {last.issuer or 'without a name'} is missing; {stray[0].subject or 'a CA without a name'} issued no part"
            " of the chain",
        )
    return PASS


def _has_damaged_name(certificate: Certificate) -> bool:
    """Tell whether a CA looks like a root with a damaged name: it names its own key, or its names differ in one bit.

    Names that differ only in a digit, or in a letter that stands alone, belong to different CAs, such as "Root 1" and
    "Root 2", or "Root A" and "Root C".
    """
    subject, issuer = certificate.subject.der, certificate.issuer.der
    if not certificate.is_authority or subject == issuer or is_named_by(certificate, certificate):
        return False
    key = certificate.authority_key_identifier and certificate.authority_key_identifier.key_identifier
    if key and key == certificate.subject_key_identifier:
        return True
    differing = [place for place, (one, other) in enumerate(zip(subject, issuer, strict=False)) if one != other]
    if len(subject) != len(issuer) or len(differing) != 1:
        return False
    (place,) = differing
    return (subject[place] ^ issuer[place]).bit_count() == 1 and not _are_numbered(certificate)


def _are_numbered(certificate: Certificate) -> bool:
    """Tell whether the names of subject and issuer differ only in a digit or in a letter that stands alone."""
    pairs = zip(certificate.subject.attributes, certificate.issuer.attributes, strict=False)
    words = [
        words
        for (_, one), (_, other) in pairs
        if one != other
        for words in zip(_WORD.findall(one), _WORD.findall(other), strict=False)
        if words[0] != words[1]
    ]
    if len(words) != 1:
        return False
    one, other = words[0]
    return (one.isdigit() and other.isdigit()) or (len(one) == len(other) == 1 and one.isalpha() and other.isalpha())


_WORD = pattern(r"\d|[^\W\d]+|\W")


def _not_issued_by(certificate: Certificate, other: Certificate) -> str:
    return f"its issuer is {certificate.issuer or 'without a name'}, not {other.subject or 'a CA without a name'}"


def _unrelated(case: Case) -> list[Certificate]:
    """Return the certificates next to this one that are not part of its path."""
    path = {certificate.der for certificate in (case.certificate, *case.authorities)}
    return [other for other in case.others if other.der not in path]


def _links(case: Case) -> list[tuple[Certificate, Certificate]]:
    """Return the neighbours in the chain where the second is the issuer of the first, by name."""
    pairs = [(case.certificate, case.issuer), *zip(case.chain, case.chain[1:], strict=False)]
    return [(below, above) for below, above in pairs if above and is_named_by(below, above)]


@rule("aki-mismatch", ERROR, "RFC 5280 section 4.2.1.1")
def _issuer_key(case: Case) -> Messages:
    """Apple's devices refuse an authority key identifier that differs from the issuer's subject key identifier."""
    if case.issuer is None and not case.chain:
        return PASS
    found = PASS
    for certificate, issuer in _links(case):
        authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
        if wrong_key(certificate, issuer) and authority and authority.key_identifier and subject:
            whose = (
                "its" if certificate is case.certificate else f"{certificate.subject} was signed with another key: its"
            )
            found += (
                f"{whose} authority key identifier is {authority.key_identifier.hex().upper()}, but its issuer's"
                f" subject key identifier is {subject.hex().upper()}",
            )
    return found


@rule("issuer-not-ca", ERROR, "RFC 5280 section 6.1.4 (k)")
def _issuer_is_ca(case: Case) -> Messages:
    """Clients refuse an issuer that does not say that it is a certificate authority."""
    if case.issuer is None and not case.chain:
        return PASS
    found = PASS
    for _, issuer in _links(case):
        # Version 1, which has no extensions, still occurs among roots.
        if issuer.version == 3 and not issuer.is_authority:
            found += (f"its issuer {issuer.subject} is not a certificate authority (CA:TRUE)",)
        elif issuer.version != 3 and not issuer.is_self_signed:
            found += (
                f"its issuer {issuer.subject} is a certificate of version {issuer.version}, which cannot say that it is"
                " a certificate authority (CA:TRUE)",
            )
    return found


@rule("issuer-key-usage", ERROR, "RFC 5280 sections 4.2.1.3 and 6.1.4 (n)")
def _issuer_key_usage(case: Case) -> Messages:
    """Clients refuse an issuer whose key usage does not let it sign certificates."""
    return tuple(
        f"the key usage of its issuer {issuer.subject} is {', '.join(sorted(issuer.key_usage)) or 'empty'};"
        " keyCertSign is needed"
        for issuer in case.authorities
        if issuer.key_usage is not None and "keyCertSign" not in issuer.key_usage
    )


@rule("issuer-eku", ERROR, "OpenSSL verify -purpose; RFC 5280 section 4.2.1.12")
def _issuer_usages(case: Case) -> Messages:
    """OpenSSL, browsers and Windows apply an issuer's extended key usage to the certificates that it issues."""
    usages = case.certificate.extended_key_usage or ("serverAuth",)
    # Every certificate that is not for a client counts as a server's.
    wanted = "clientAuth" if "clientAuth" in usages and "serverAuth" not in usages else "serverAuth"
    return tuple(
        f"the extended key usage of its issuer {issuer.subject} is {', '.join(issuer.extended_key_usage)}; it needs"
        f" {wanted}, or no extended key usage"
        for issuer in case.authorities
        # OpenSSL does not accept anyExtendedKeyUsage instead, measured from 1.1.1 to 4.0.
        if issuer.extended_key_usage is not None and wanted not in issuer.extended_key_usage
    )


@rule("path-length", ERROR, "RFC 5280 sections 4.2.1.9 and 6.1.4 (l)")
def _path_length(case: Case) -> Messages:
    """Clients refuse a chain with more CAs below a CA than its pathlen allows."""
    found = PASS
    # Self-issued certificates do not count (RFC 5280 section 4.2.1.9).
    below = int(case.certificate.is_authority and not case.certificate.is_self_issued)
    for _, issuer in _links(case):
        limit = issuer.basic_constraints.path_length if issuer.basic_constraints else None
        if limit is not None and below > limit:
            found += (f"{issuer.subject} allows {limit or 'no'} CAs below itself, but there are {below}",)
        below += not issuer.is_self_issued
    return found


@rule("name-constraints", ERROR, "RFC 5280 section 4.2.1.10; Apple applies them also to roots that users add")
def _name_constraints(case: Case) -> Messages:
    """Phones and other clients refuse names that the name constraints of a CA in the chain do not allow."""
    found: list[str] = []
    below: list[Certificate] = [case.certificate]
    for issuer in case.authorities:
        if issuer.name_constraints:
            from .limits import Limits  # few CAs have any

            limits = Limits(issuer.name_constraints)
            for certificate in below:
                # A self-issued certificate between others is not limited (RFC 5280 section 6.1.3 (b)).
                if certificate is case.certificate or not certificate.is_self_issued:
                    found += _forbidden(certificate, issuer, limits, case)
        below.append(issuer)
    more = len(found) - _MOST_NAMES
    return (*found[:_MOST_NAMES], *((f"the same holds for {more} more names",) if more > 0 else ()))


_MOST_NAMES = 10
"""The number of names that are listed one by one."""


def _forbidden(certificate: Certificate, issuer: Certificate, limits: Limits, case: Case) -> Iterator[str]:
    whose = "" if certificate is case.certificate else f" of {certificate.subject or 'a certificate without a name'}"
    for name in certificate.names:
        if limits.forbid(name):
            yield f"{brief(str(name))}{whose} is not among the names for which {issuer.subject} may sign"
    subject = certificate.subject
    if subject.attributes and limits.forbid(GeneralName("dirName", str(subject), subject.der)):
        yield f"the subject {brief(str(subject))} is not among the names for which {issuer.subject} may sign"
    for kind, value in subject.attributes:
        if kind == "emailAddress" and limits.forbid(GeneralName("email", value)):
            yield f"emailAddress={brief(value)}{whose} is not among the names for which {issuer.subject} may sign"
    common_name = _host_as_common_name(certificate) if certificate is case.certificate else None
    if common_name and limits.forbid(common_name):
        yield (
            f"its common name {brief(common_name.value)}, which OpenSSL treats as a host name, is not among the names"
            f" for which {issuer.subject} may sign"
        )


def _host_as_common_name(certificate: Certificate) -> GeneralName | None:
    """Return a common name that looks like a host name, unless the certificate has a DNS name.

    OpenSSL then applies name constraints to it, even if it is an address (X509_check_host(3): ALWAYS_CHECK_SUBJECT).
    """
    common_name = certificate.subject.common_name or ""
    if any(name.kind == "DNS" for name in certificate.names) or not _HOST.fullmatch(common_name):
        return None
    return GeneralName("DNS", common_name)


_HOST = pattern(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)+")


@rule("chain-order", WARNING, "RFC 5246 section 7.4.2; RFC 8446 section 4.4.2")
def _order(case: Case) -> Messages:
    """Some clients refuse a chain in which a certificate is not followed by its issuer."""
    path = [certificate.der for certificate in case.authorities]
    before, last = case.certificate, -1
    for position, certificate in enumerate(case.others, 2):
        place = path.index(certificate.der) if certificate.der in path else None
        if place is None:
            continue
        if place != last + 1:
            return (
                f"certificate {position}, {certificate.subject or 'without a subject'}, is not the issuer of the one"
                f" before it; the issuer is {before.issuer or 'without a name'}",
            )
        before, last = certificate, place
    return PASS


@rule("chain-unrelated", WARNING, "RFC 8446 section 4.4.2")
def _stray(case: Case) -> Messages:
    """Clients do not need certificates outside the chain, and some refuse to connect because of them."""
    twice = [_title(other, case.at) for other in _repeated(case)]
    found = (f"{', '.join(twice[:3])} {'appears' if len(twice) == 1 else 'appear'} twice",) if twice else PASS
    stray = _unrelated(case)
    # The rule issuer-mismatch reports them otherwise.
    if not stray or _wrong_issuer(case):
        return found
    named = listed([_title(certificate, case.at) for certificate in stray], 3)
    return (*found, f"{named} {'is' if len(stray) == 1 else 'are'} not part of its chain")


def _repeated(case: Case) -> list[Certificate]:
    seen = {case.certificate.der}
    found = []
    for other in case.others:
        if other.der in seen:
            found.append(other)
        seen.add(other.der)
    return found


def _title(certificate: Certificate, at: datetime) -> str:
    name = str(certificate.subject) or "a certificate without a name"
    return f"{name} (expired on {certificate.not_after.date()})" if certificate.not_after < at else name


@rule("leaf-outlives-issuer", WARNING, "RFC 5280 section 6.1.3")
def _outlives(case: Case) -> Messages:
    """Clients refuse a certificate as soon as its issuer has expired."""
    certificate, issuer = case.certificate, case.issuer
    if issuer is None or certificate.not_after <= issuer.not_after:
        return PASS
    if certificate.der and not is_named_by(certificate, issuer):
        return PASS
    return (f"it is valid until {utc(certificate.not_after)}, its issuer until {utc(issuer.not_after)}",)


RULES = declared(globals())
