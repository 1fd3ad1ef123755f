"""Certification paths: from a certificate up to a root, built from all certificates at hand (RFC 4158)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from opensslgen.x509.names import canonical, same_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from opensslgen.x509.certificate import Certificate

Path = tuple["Certificate", ...]
"""The certificates above one, its issuer first."""

MOST_PATHS = 16
"""Paths that are compared; cross-signed authorities give more than one."""
_MOST_STEPS = 2000
"""Certificates that are tried as issuers at most, so that a file made for that cannot cost hours."""
_LONGEST = 32
"""Issuers in a path; servers and clients refuse longer ones."""

CanonicalName = tuple[tuple[str, str], ...]


def is_named_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether the subject of one is the issuer of the other."""
    return same_name(certificate.issuer, issuer.subject)


def wrong_key(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether a certificate names another key than the issuer's (RFC 5280 section 4.2.1.1)."""
    authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
    return bool(authority and authority.key_identifier and subject and authority.key_identifier != subject)


def paths(
    certificate: Certificate, others: Iterable[Certificate], *, roots: Collection[Certificate] = (), at: datetime
) -> list[Path]:
    """Return the paths above a certificate, the likeliest first; an empty path if no issuer is at hand.

    Names and key identifiers link them, signatures are not looked at. Paths that end with one of the `roots` come
    first, then those that end with a root, then what ends where the next issuer is missing.
    """
    trusted = {root.der for root in roots}
    at_hand = {each.der: each for each in (*roots, *others)}
    at_hand.pop(certificate.der, None)
    if not at_hand or certificate.der in trusted or certificate.is_self_signed:
        return [()]
    if len(at_hand) == 1:  # as in most folders and bundles
        (only,) = at_hand.values()
        return [(only,) if is_named_by(certificate, only) else ()]
    pool: dict[CanonicalName, list[Certificate]] = defaultdict(list)
    for other in at_hand.values():
        pool[canonical(other.subject)].append(other)
    found: list[Path] = []
    steps = 0
    open_paths: list[Path] = [()]
    while open_paths and len(found) < MOST_PATHS:
        path = open_paths.pop()
        below = path[-1] if path else certificate
        candidates = [] if _is_end(below, trusted) or len(path) == _LONGEST else _issuers(below, pool, path, at)
        steps += len(candidates)
        if not candidates or steps > _MOST_STEPS:
            found.append(path)
        else:
            # The last one is taken first.
            open_paths += [(*path, issuer) for issuer in reversed(candidates)]
    return sorted(found, key=lambda path: _rank(path, trusted))


def _is_end(certificate: Certificate, trusted: Collection[bytes]) -> bool:
    return certificate.is_self_signed or certificate.der in trusted


def _rank(path: Path, trusted: Collection[bytes]) -> int:
    if path and path[-1].der in trusted:
        return 0
    return 1 if path and path[-1].is_self_signed else 2


def _issuers(
    below: Certificate, pool: dict[CanonicalName, list[Certificate]], path: Path, at: datetime
) -> list[Certificate]:
    """Return those that may have issued a certificate, the likeliest first; none twice in a path, under any issuer."""
    by_name = [
        each
        for each in pool.get(canonical(below.issuer), ())
        if each.der != below.der
        and all((each.subject, each.public_key.der) != (one.subject, one.public_key.der) for one in path)
    ]
    by_key = [each for each in by_name if not wrong_key(below, each)]
    return sorted(
        by_key or by_name,
        key=lambda each: (not each.not_before <= at <= each.not_after, not each.is_authority, not each.is_self_signed),
    )
