"""Sign a configuration profile with a server's certificate of the pki folder (CMS, RFC 5652)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.x509.pem import CERTIFICATE, pem

from .steps import CheckChain, CheckSame, Outside, Step, Write, openssl

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A server's certificate that signs profiles, by its files in the pki folder."""

    certificate: Path
    key: Path
    authorities: tuple[Certificate, ...]
    """The CAs above it, the root last."""


def sign_profile(profile: str, signer: Signer) -> tuple[Step, ...]:
    """Return the steps that make root.mobileconfig, a profile with all of it inside the signature, and verify it."""
    return (
        Write("profile.xml", profile),
        Write("chain.pem", "".join(pem(CERTIFICATE, each.der) for each in signer.authorities)),
        # SHA-1 is the default before OpenSSL 1.1; without -binary the lines of the profile would get other ends.
        openssl(
            "smime -sign -binary -nodetach -md sha256 -outform der -signer {certificate} -inkey {key}"
            " -certfile chain.pem -in profile.xml -out root.mobileconfig",
            certificate=Outside(str(signer.certificate)),
            key=Outside(str(signer.key)),
        ),
        # openssl would ask for the extended key usage of mail, and LibreSSL knows no -purpose here since 3.5, so the
        # signer's certificate is verified by itself.
        openssl("smime -verify -noverify -inform der -in root.mobileconfig -signer signer.pem -out verified.xml"),
        CheckSame("verified.xml", "profile.xml", "openssl signed something else than the profile"),
        CheckChain("signer.pem", "chain.pem", "any"),
    )
