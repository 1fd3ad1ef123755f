"""What depends on the time of judgement, on the issuers, and on the private key that came with a certificate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opensslgen.names.general import GeneralName
from opensslgen.text import brief

from .limits import Limits
from .path import is_named_by, wrong_key
from .rule import ERROR, PASS, WARNING, Case, Messages, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from opensslgen.x509.certificate import Certificate


def issuer_among(certificate: Certificate, others: Iterable[Certificate]) -> Certificate | None:
    """Return the one that most likely issued the certificate, by name and key identifier; None if none can have."""
    by_name = [other for other in others if other.der != certificate.der and is_named_by(certificate, other)]
    by_key = [other for other in by_name if not wrong_key(certificate, other)]
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
    if certificate.der and not is_named_by(certificate, issuer):
        return PASS
    return (f"it is valid until {certificate.not_after:{_TIME}}, its issuer until {issuer.not_after:{_TIME}}",)


def _issuer_name(case: Case) -> Messages:
    certificate = case.certificate
    damaged = [each for each in (certificate, *case.authorities, *case.others) if _has_damaged_name(each)]
    if damaged:
        return (
            f"{damaged[0].subject or 'one without name'} is meant to be its own issuer, by its key or but for one bit,"
            f" and names {damaged[0].issuer or 'none'}",
        )
    # What is not made yet names no issuer, and who signs itself needs none.
    if not certificate.der or certificate.is_self_signed:
        return PASS
    if case.issuer is None:
        stray = [other for other in case.others if other.is_authority and other.der != certificate.der]
        return () if not stray else (_not_issued_by(certificate, stray[0]),)
    if not is_named_by(certificate, case.issuer):
        return (_not_issued_by(certificate, case.issuer),)
    last = (certificate, *case.authorities)[-1]
    stray = [other for other in _unrelated(case) if other.is_authority and other.is_self_signed]
    if stray and not last.is_self_signed:
        return (
            f"its chain ends with {last.subject or 'one without name'}, whose issuer"
            f" {last.issuer or 'without name'} is missing; {stray[0].subject or 'one without name'}, which is there,"
            " has issued none of it",
        )
    return PASS


def _has_damaged_name(certificate: Certificate) -> bool:
    """Tell whether an authority was a root until its name was changed: it names its own key, or all but its own name.

    Numbers tell authorities apart that have signed each other.
    """
    subject, issuer = certificate.subject.der, certificate.issuer.der
    if not certificate.is_authority or subject == issuer or is_named_by(certificate, certificate):
        return False
    key = certificate.authority_key_identifier and certificate.authority_key_identifier.key_identifier
    if key and key == certificate.subject_key_identifier:
        return True
    if len(subject) != len(issuer):
        return False
    differing = [(one, other) for one, other in zip(subject, issuer, strict=True) if one != other]
    one, other = differing[0]
    both_digits = bytes((one, other)).isdigit()
    return len(differing) == 1 and (one ^ other).bit_count() == 1 and not both_digits


def _not_issued_by(certificate: Certificate, other: Certificate) -> str:
    return f"its issuer is {certificate.issuer or 'nameless'}, and not {other.subject or 'one without name'}"


def _unrelated(case: Case) -> list[Certificate]:
    """Return those that came with a certificate and are no part of its path."""
    path = {certificate.der for certificate in (case.certificate, *case.authorities)}
    return [other for other in case.others if other.der not in path]


def _links(case: Case) -> list[tuple[Certificate, Certificate]]:
    """Return the pairs of a certificate and its issuer, by name, that stand one after the other."""
    pairs = [(case.certificate, case.issuer), *zip(case.chain, case.chain[1:], strict=False)]
    return [(below, above) for below, above in pairs if above and is_named_by(below, above)]


def _issuer_key(case: Case) -> Messages:
    if case.issuer is None and not case.chain:
        return PASS
    found = PASS
    for certificate, issuer in _links(case):
        authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
        if wrong_key(certificate, issuer) and authority and authority.key_identifier and subject:
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
        elif issuer.version != 3 and not issuer.is_self_signed:
            found += (
                f"its issuer {issuer.subject} is a certificate of version {issuer.version}, which cannot say that it is"
                " a certificate authority (CA:TRUE)",
            )
    return found


def _issuer_key_usage(case: Case) -> Messages:
    return tuple(
        f"the key usage of its issuer {issuer.subject} is {', '.join(sorted(issuer.key_usage)) or 'empty'};"
        " keyCertSign is needed"
        for issuer in case.authorities
        if issuer.key_usage is not None and "keyCertSign" not in issuer.key_usage
    )


def _issuer_usages(case: Case) -> Messages:
    usages = case.certificate.extended_key_usage or ("serverAuth",)
    # A client's certificate is for clients, and any other is taken for a server's.
    wanted = "clientAuth" if "clientAuth" in usages and "serverAuth" not in usages else "serverAuth"
    return tuple(
        f"the extended key usage of its issuer {issuer.subject} is {', '.join(issuer.extended_key_usage)}; {wanted}, or"
        " none at all, is needed"
        for issuer in case.authorities
        # OpenSSL does not take that for any use for this one, measured from 1.1.1 to 4.0.
        if issuer.extended_key_usage is not None and wanted not in issuer.extended_key_usage
    )


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
    found: list[str] = []
    below: list[Certificate] = [case.certificate]
    for issuer in case.authorities:
        if issuer.name_constraints:
            limits = Limits(issuer.name_constraints)
            for certificate in below:
                # What only carries its issuer's name on to another key is not limited (RFC 5280 section 6.1.3 (b)).
                if certificate is case.certificate or not certificate.is_self_issued:
                    found += _forbidden(certificate, issuer, limits, case)
        below.append(issuer)
    more = len(found) - _MOST_NAMES
    return (*found[:_MOST_NAMES], *((f"so are {more} more",) if more > 0 else ()))


_MOST_NAMES = 10
"""Names that are said one by one."""


def _forbidden(certificate: Certificate, issuer: Certificate, limits: Limits, case: Case) -> Iterator[str]:
    whose = "" if certificate is case.certificate else f" of {certificate.subject or 'one without name'}"
    for name in certificate.names:
        if limits.forbid(name):
            yield f"{brief(str(name))}{whose} is none of the names for which {issuer.subject} may sign"
    subject = certificate.subject
    if subject.attributes and limits.forbid(GeneralName("dirName", str(subject))):
        yield f"the subject {brief(str(subject))} is none of the names for which {issuer.subject} may sign"
    for kind, value in subject.attributes:
        if kind == "emailAddress" and limits.forbid(GeneralName("email", value)):
            yield f"emailAddress={brief(value)}{whose} is none of the names for which {issuer.subject} may sign"
    common_name = _host_as_common_name(certificate) if certificate is case.certificate else None
    if common_name and limits.forbid(common_name):
        yield (
            f"its common name {brief(common_name.value)}, which OpenSSL takes for a host's, is none of the names for"
            f" which {issuer.subject} may sign"
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
    """Find where those of the path that came with the certificate came in another order than the path's."""
    path = [certificate.der for certificate in case.authorities]
    before, last = case.certificate, -1
    for position, certificate in enumerate(case.others, 2):
        place = path.index(certificate.der) if certificate.der in path else None
        if place is None:
            continue
        if place != last + 1:
            return (
                f"certificate {position}, {certificate.subject or 'without a subject'}, is not the issuer of the one"
                f" before it; {before.issuer or 'a nameless one'} is",
            )
        before, last = certificate, place
    return PASS


def _stray(case: Case) -> Messages:
    """Find what came with a certificate and is no part of its path, if it is not said of its issuer."""
    twice = [_title(other, case.at) for other in _repeated(case)]
    found = (f"{', '.join(twice[:3])} {'is' if len(twice) == 1 else 'are'} there twice",) if twice else PASS
    stray = _unrelated(case)
    if not stray or _issuer_name(case):
        return found
    named = ", ".join(_title(certificate, case.at) for certificate in stray[:3])
    more = f" and {len(stray) - 3} more" if len(stray) > 3 else ""
    return (*found, f"{named}{more} {'is' if len(stray) == 1 else 'are'} beside it and not part of its chain")


def _repeated(case: Case) -> list[Certificate]:
    seen = {case.certificate.der}
    found = []
    for other in case.others:
        if other.der in seen:
            found.append(other)
        seen.add(other.der)
    return found


def _title(certificate: Certificate, at: datetime) -> str:
    name = str(certificate.subject) or "one without name"
    return f"{name} (expired on {certificate.not_after:%Y-%m-%d})" if certificate.not_after < at else name


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
        "issuer-key-usage",
        ERROR,
        "Clients refuse an issuer whose key usage does not let it sign certificates.",
        "RFC 5280 sections 4.2.1.3 and 6.1.4 (n)",
        None,
        _issuer_key_usage,
    ),
    Rule(
        "issuer-eku",
        ERROR,
        "OpenSSL, browsers and Windows hold an issuer's extended key usage against what it issues.",
        "OpenSSL verify -purpose; RFC 5280 section 4.2.1.12",
        None,
        _issuer_usages,
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
        "chain-unrelated",
        WARNING,
        "What is not part of a chain is sent for nothing, and some clients give up on it.",
        "RFC 8446 section 4.4.2",
        None,
        _stray,
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
