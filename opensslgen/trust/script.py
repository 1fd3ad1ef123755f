"""The shell script that writes what `opensslgen trust` writes, with openssl and coreutils as all it needs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from opensslgen import template
from opensslgen.certificate import pem

from .files import files
from .mobileconfig import title
from .signing import sign_command, verify_command

if TYPE_CHECKING:
    from opensslgen.certificate import Certificate

    from .signing import Signer

_COPIES = ("root-pem.crt", "WebRootCA.pem")


def trust_script(root: Certificate, *, version: str, folder: str, by: Signer | None = None) -> str:
    """Return the script for this root; it works in the folder that it is given, or else in `folder`.

    `by` signs the configuration profile; its key is read where the script runs, and is no part of it.
    """
    written = files(root)
    named = {file.name: file.data for file in written}
    profile = "root.mobileconfig" if by is None else "profile.xml"
    lines = [
        "#!/bin/sh",
        f"# opensslgen {version}: the root certificate {title(root)}, for phones and computers.",
        "# Usage: sh THIS [FOLDER]. Needs openssl, coreutils and sed. Overwrites nothing.",
        "",
        f"folder={shlex.quote(folder)}",
        f"fingerprint={root.fingerprint}",
        f"names={shlex.quote(' '.join(named))}",
        template.shipped("trust/trust.sh"),
        *_document("root.pem", pem(root)),
        *(f"cp root.pem {name}" for name in _COPIES),
        "openssl x509 -in root.pem -outform DER -out root.crt",
        *_document(profile, named["root.mobileconfig"].decode()),
    ]
    if by is not None:
        lines += _signing(by, profile=profile)
    for file in written:
        if file.media_type.startswith("text/"):
            lines += _document(file.name, file.data.decode())
    return "\n".join([*lines, "publish"]) + "\n"


def _document(name: str, text: str) -> list[str]:
    """Return the lines that write a text into a file."""
    delimiter = "EOF"
    while delimiter in text.splitlines():
        delimiter += "_"
    return ["", f"cat >{shlex.quote(name)} <<'{delimiter}'", text + delimiter]


def _signing(by: Signer, *, profile: str) -> list[str]:
    sign = sign_command(
        certificate=f"pki/{by.certificate}",
        key=f"pki/{by.key}",
        chain="chain.pem",
        profile=profile,
        out="root.mobileconfig",
    )
    verify = verify_command(signed="root.mobileconfig", root="root.pem", out="verified.xml")
    return [
        *_document("chain.pem", by.chain),
        f"link_folder {shlex.quote(str(by.folder))}",
        shlex.join(["openssl", *sign]),
        shlex.join(["openssl", *verify]),
        f"cmp -s verified.xml {profile} || fail 'openssl signed something else than the profile'",
    ]
