"""Signing a configuration profile with a server's certificate of ours (CMS, RFC 5652), by openssl."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opensslgen.certificate import load, pem
from opensslgen.errors import Error, UnreadableError
from opensslgen.names import file_name, parse_host

from .anchor import authorities

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.certificate import Certificate
    from opensslgen.openssl import OpenSSL


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A server's certificate of ours that signs profiles, by its files in the pki folder."""

    name: str
    folder: Path
    certificate: str
    """Relative to the folder, like the key."""
    key: str
    authorities: tuple[Certificate, ...]
    """What is above it, the root last."""

    @property
    def chain(self) -> str:
        """The certificates above it in PEM, which go into the signature, too."""
        return "".join(map(pem, self.authorities))


def signer(folder: Path, name: str) -> Signer:
    """Return the certificate of a pki folder that goes by this name, to sign with.

    Raises UnreadableError if it or its key is not there, and Error if it is not valid now: what an expired one has
    signed shows as unsigned.
    """
    file = file_name(parse_host(name))
    found = Signer(
        name=name,
        folder=folder,
        certificate=f"issued/{file}.crt",
        key=f"private/{file}.key",
        authorities=authorities(folder),
    )
    certificate = load(folder / found.certificate)
    if not (folder / found.key).is_file():
        raise UnreadableError(f"{folder / found.key} is not there, and it is needed to sign")
    if not certificate.not_before <= datetime.now(timezone.utc) <= certificate.not_after:
        raise Error(
            f"{folder / found.certificate} is valid from {certificate.not_before:%Y-%m-%d} to"
            f" {certificate.not_after:%Y-%m-%d}, and so cannot sign now"
        )
    return found


def sign_command(*, certificate: str, key: str, chain: str, profile: str, out: str) -> list[str]:
    """Return the arguments of the openssl command that signs a profile, with all of it inside the signature."""
    # SHA-1 is the default before OpenSSL 1.1; without -binary the lines of the profile would get other ends.
    how = ["smime", "-sign", "-binary", "-nodetach", "-md", "sha256", "-outform", "der"]
    return [*how, "-signer", certificate, "-inkey", key, "-certfile", chain, "-in", profile, "-out", out]


def verify_command(*, signed: str, root: str, out: str) -> list[str]:
    """Return the arguments that verify it; `any`, as the extended key usage of a server is not that of mail."""
    return ["smime", "-verify", "-purpose", "any", "-inform", "der", "-in", signed, "-CAfile", root, "-out", out]


def signed(
    profile: bytes, by: Signer, openssl: OpenSSL, *, on_command: Callable[[str], None] = lambda _: None
) -> bytes:
    """Return the profile signed, after openssl has verified it; raises Error if anything goes wrong."""
    with TemporaryDirectory(prefix="opensslgen-") as name:
        work = Path(name)
        on_command(f"cd {shlex.quote(name)}")
        (work / "profile.xml").write_bytes(profile)
        (work / "chain.pem").write_text(by.chain, encoding="ascii")
        (work / "root.pem").write_text(pem(by.authorities[-1]), encoding="ascii")
        folder = by.folder.absolute()
        commands = (
            sign_command(
                certificate=str(folder / by.certificate),
                key=str(folder / by.key),
                chain="chain.pem",
                profile="profile.xml",
                out="root.mobileconfig",
            ),
            verify_command(signed="root.mobileconfig", root="root.pem", out="verified.xml"),
        )
        for command in commands:
            on_command(shlex.join(["openssl", *command]))
            openssl.run(command, cwd=work)
        try:
            if (work / "verified.xml").read_bytes() == profile:
                return (work / "root.mobileconfig").read_bytes()
        except FileNotFoundError:
            pass  # an unknown subcommand exits with 0 before LibreSSL 4 and OpenSSL 1.1
    raise Error("openssl signed something else than the profile")
