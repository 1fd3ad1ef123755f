"""The configuration profile that installs a root on iPhones, iPads and Macs."""

from __future__ import annotations

import plistlib
import uuid
from hashlib import sha256
from typing import TYPE_CHECKING

from opensslgen.text import visible

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate


def title(root: Certificate) -> str:
    """Return the name of a root: its common name, or else its whole subject."""
    return visible(root.subject.common_name or "").strip() or str(root.subject)


def mobileconfig(root: Certificate) -> bytes:
    """Return the profile, unsigned: a property list whose one payload is the root in DER.

    Its identifiers come from the certificate's SHA-256: the same root downloaded again replaces the old profile.
    (Apple, Device Management, CertificateRoot.)
    """
    digest = sha256(root.der).digest()
    identifier = f"opensslgen.root.{digest.hex()[:16]}"
    payload = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.certificate",
        "PayloadUUID": _uuid(digest[16:]),
        "PayloadDisplayName": title(root),
        "PayloadCertificateFileName": "root.crt",
        "PayloadContent": root.der,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": _uuid(digest[:16]),
        "PayloadDisplayName": title(root),
        "PayloadDescription": f"The root certificate {title(root)}, SHA-256 {root.fingerprint}",
        "PayloadContent": [payload],
    }
    return plistlib.dumps(profile)


def _uuid(data: bytes) -> str:
    # Version 5 is for hashed names (RFC 9562 section 5.5).
    return str(uuid.UUID(bytes=data, version=5)).upper()
