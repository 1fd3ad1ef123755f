"""The role of a certificate, which decides its rules: server, client or CA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.patterns import pattern

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

AUTHORITY, CLIENT, SERVER = "authority", "client", "server"
"""Roles, each with a profile of rules."""

_HANDSHAKE = frozenset({"digitalSignature", "keyEncipherment", "keyAgreement"})
_HOST = pattern(r"[A-Za-z0-9_*](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")
_PLACES = frozenset(
    {"ca-certificates", "ca-trust", "trust-source", "anchors", "cacerts", "trustcerts", "roots", "cas", "ca-bundle"}
)
_DEBIAN = ("etc", "ssl", "certs")
_FILES = pattern(
    r"(?:.*[-_.])?(?:ca|cacert|rootca|root|webrootca|ca-?root|cert_authority)(?:[-_.]cert)?\.[a-z0-9]+", re.ASCII
)


class Role(NamedTuple):
    """The role of a certificate."""

    name: str
    """AUTHORITY, CLIENT or SERVER."""
    is_sure: bool
    """Whether no other role is possible."""


def role_of(certificate: Certificate, *, path: str = "") -> Role:
    """Return the role of a certificate by its content or, where that is ambiguous, by its path.

    A CA is CA:TRUE and may sign certificates. That is sure if its key may not take part in a handshake (RFC 5280
    section 4.2.1.3). Without names of hosts it counts as a CA, unless it has no key usage and its common name is a
    host name: `openssl req -x509` issues such certificates for servers. With names of hosts it counts as a server,
    unless the path is one for roots.
    """
    usage = certificate.key_usage
    if certificate.version == 1 and certificate.is_self_issued and stands_among_roots(path):
        return Role(AUTHORITY, False)
    if not certificate.is_authority or not (usage is None or "keyCertSign" in usage):
        usages = certificate.extended_key_usage or ()
        return Role(CLIENT if "clientAuth" in usages and "serverAuth" not in usages else SERVER, True)
    if usage is not None and usage.isdisjoint(_HANDSHAKE):
        return Role(AUTHORITY, True)
    if stands_among_roots(path):
        return Role(AUTHORITY, False)
    if any(name.kind in ("DNS", "IP") for name in certificate.names):
        return Role(SERVER, False)
    common_name = (certificate.subject.common_name or "").strip()
    is_slip = usage is None and common_name and _HOST.fullmatch(common_name)
    return Role(SERVER if is_slip else AUTHORITY, False)


def stands_among_roots(path: str) -> bool:
    """Tell whether a file has a folder or a name that is usual for roots: /etc/ssl/certs, ca.crt, rootCA.pem."""
    if not path:
        return False
    from pathlib import PurePath  # few certificates are CAs

    where = PurePath(path.lower())
    folders = where.parent.parts
    return bool(
        _PLACES.intersection(folders)
        or folders[-3:] == _DEBIAN
        or folders[-4:-1] == _DEBIAN
        or _FILES.fullmatch(where.name)
    )
