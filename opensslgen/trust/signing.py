"""Signing a configuration profile with a server's certificate of ours (CMS, RFC 5652), by openssl."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opensslgen import workflow
from opensslgen.certificate import load, pem
from opensslgen.errors import Error, UnreadableError
from opensslgen.names import file_name, parse_host
from opensslgen.plan import CheckSame, Outside, Plan, Write, openssl

from .anchor import authorities

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.certificate import Certificate
    from opensslgen.openssl import OpenSSL
    from opensslgen.plan import Step


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A server's certificate of ours that signs profiles, by its files in the pki folder."""

    certificate: Path
    key: Path
    authorities: tuple[Certificate, ...]
    """What is above it, the root last."""


def signer(folder: Path, name: str) -> Signer:
    """Return the certificate of a pki folder that goes by this name, to sign with.

    Raises UnreadableError if it or its key is not there, and Error if it is not valid now: what an expired one has
    signed shows as unsigned.
    """
    file = file_name(parse_host(name))
    found = Signer(
        certificate=folder / "issued" / f"{file}.crt",
        key=folder / "private" / f"{file}.key",
        authorities=authorities(folder),
    )
    certificate = load(found.certificate)
    if not found.key.is_file():
        raise UnreadableError(f"{found.key} is not there, and it is needed to sign")
    if not certificate.not_before <= datetime.now(timezone.utc) <= certificate.not_after:
        raise Error(
            f"{found.certificate} is valid from {certificate.not_before:%Y-%m-%d} to"
            f" {certificate.not_after:%Y-%m-%d}, and so cannot sign now"
        )
    return found


def signing(profile: str, by: Signer) -> tuple[Step, ...]:
    """Return the steps that make root.mobileconfig, a profile with all of it inside the signature, and verify it."""
    return (
        Write("profile.xml", profile),
        Write("chain.pem", "".join(map(pem, by.authorities))),
        Write("anchor.pem", pem(by.authorities[-1])),
        # SHA-1 is the default before OpenSSL 1.1; without -binary the lines of the profile would get other ends.
        openssl(
            "smime -sign -binary -nodetach -md sha256 -outform der -signer {certificate} -inkey {key}"
            " -certfile chain.pem -in profile.xml -out root.mobileconfig",
            certificate=Outside(str(by.certificate)),
            key=Outside(str(by.key)),
        ),
        # The extended key usage of a server is not that of mail, which openssl asks for by default.
        openssl("smime -verify -purpose any -inform der -in root.mobileconfig -CAfile anchor.pem -out verified.xml"),
        CheckSame("verified.xml", "profile.xml", "openssl signed something else than the profile"),
    )


def signed(
    profile: bytes, by: Signer, openssl: OpenSSL, *, on_command: Callable[[str], None] = lambda _: None
) -> bytes:
    """Return the profile signed, after openssl has verified it; raises Error if anything goes wrong."""
    plan = Plan("a signed profile", signing(profile.decode(), by), database=False)
    with TemporaryDirectory(prefix="opensslgen-") as work:
        on_command(f"cd {shlex.quote(work)}")
        workflow.run(plan, work=Path(work), openssl=openssl, secrets={}, on_command=on_command)
        return Path(work, "root.mobileconfig").read_bytes()
