"""Certification paths: from a certificate up to a root, built from all available certificates (RFC 4158)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import check
from opensslgen.x509.names import canonical, same_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from opensslgen.x509.certificate import Certificate

Path = tuple["Certificate", ...]
"""The issuers of a certificate, the direct one first."""

MOST_PATHS = 16
"""The number of paths that are compared; with cross-signed CAs there is more than one."""
_MOST_STEPS = 2000
"""The number of issuers that are tried, so that a malicious file cannot take hours."""
_LONGEST = 100
"""The number of issuers in a path; openssl refuses longer ones."""

CanonicalName = tuple[tuple[str, str], ...]


def is_named_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether the issuer in the certificate is the subject of the other one."""
    return same_name(certificate.issuer, issuer.subject)


def wrong_key(certificate: Certificate, issuer: Certificate) -> bool:
    """Tell whether the authority key identifier names a key that is not the issuer's (RFC 5280 section 4.2.1.1)."""
    authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
    return bool(authority and authority.key_identifier and subject and authority.key_identifier != subject)


class Pool(NamedTuple):
    """The certificates that may be issuers; one pool serves all certificates of a bundle."""

    by_name: Mapping[CanonicalName, Sequence[Certificate]]
    """By the canonical form of their subjects."""
    trusted: Collection[bytes]
    """The DER of the roots."""


def pool_of(others: Iterable[Certificate], *, roots: Collection[Certificate] = ()) -> Pool:
    """Return the pool of some roots and other certificates."""
    by_name: dict[CanonicalName, list[Certificate]] = defaultdict(list)
    for other in {each.der: each for each in (*roots, *others)}.values():
        by_name[canonical(other.subject)].append(other)
    return Pool(by_name, frozenset(root.der for root in roots))


def paths(certificate: Certificate, pool: Pool, *, at: datetime) -> list[Path]:
    """Return the paths above a certificate, the most likely first; an empty path if no issuer is available.

    Only names and key identifiers count; signatures are not checked. Paths that end with one of the trusted roots come
    first, then paths that end with another root, then paths without a root.
    """
    trusted = pool.trusted
    if certificate.der in trusted or certificate.is_self_signed:
        return [()]
    found: list[Path] = []
    steps = 0
    open_paths: list[Path] = [()]
    while open_paths and len(found) < MOST_PATHS:
        check()
        path = open_paths.pop()
        below = path[-1] if path else certificate
        is_last = below.is_self_signed or below.der in trusted or len(path) == _LONGEST
        candidates = () if is_last else _issuers(below, certificate, pool, path, at)
        steps += len(candidates)
        if not candidates or steps > _MOST_STEPS:
            found.append(path)
        else:
            # The loop takes the last path first.
            open_paths += [(*path, issuer) for issuer in reversed(candidates)]
    return sorted(found, key=lambda path: _rank(path, trusted)) if len(found) > 1 else found


def _rank(path: Path, trusted: Collection[bytes]) -> int:
    if path and path[-1].der in trusted:
        return 0
    return 1 if path and path[-1].is_self_signed else 2


def _issuers(below: Certificate, first: Certificate, pool: Pool, path: Path, at: datetime) -> Sequence[Certificate]:
    """Return the possible issuers, the most likely first; a CA that is in the path already is not tried again.

    `first` is the certificate at the lower end of the path.
    """
    by_name = [
        each
        for each in pool.by_name.get(canonical(below.issuer), ())
        if each.der not in (below.der, first.der)
        and all((each.subject, each.public_key.der) != (one.subject, one.public_key.der) for one in path)
    ]
    if len(by_name) < 2:
        return by_name
    by_key = [each for each in by_name if not wrong_key(below, each)]
    return sorted(
        by_key or by_name,
        key=lambda each: (not each.not_before <= at <= each.not_after, not each.is_authority, not each.is_self_signed),
    )
