"""What the files of the corpus are made of, and how one is added."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .der import (
    aki,
    basic_constraints,
    certificate,
    days,
    dns,
    ec_key,
    eku,
    ip,
    key_identifier,
    key_usage,
    merged,
    moment,
    name,
    san,
    ski,
)

FOLDER = Path(__file__).parent.parent / "certificates"

PASSWORD = "bell pepper"

BEGINS = moment("2026-01-01")

ROOT_BEGINS = moment("2025-12-31")

LEAF_DAYS, ROOT_DAYS = days(820), days(3650)

AT = moment("2026-02-01")

SERIAL = 0x4F70656E53534C2D67656E2D74657374

ROOT = name(("O", "Example Ltd"), ("CN", "Example Root"))

PBX = "pbx.example.com"

NAMES = (dns(PBX), ip("10.0.0.5"))

LEAF_KEY, ROOT_KEY, MIDDLE_KEY, OTHER_KEY = (ec_key(label) for label in ("leaf", "root", "middle", "other"))


def leaf(
    *,
    cn=PBX,
    subject=None,
    issuer=ROOT,
    names=None,
    usages=("server", "client"),
    key=LEAF_KEY,
    signer=ROOT_KEY,
    begins=BEGINS,
    valid=LEAF_DAYS,
    ends=None,
    serial=SERIAL,
    drop=(),
    extra=(),
    extensions=None,
    without_extensions=False,
    **options,
):
    """Write a server's certificate that is good but for what is said."""
    if names is None:
        names = (dns(cn or PBX), ip("10.0.0.5"))
    if extensions is None:
        extensions = [
            basic_constraints(),
            key_usage("digitalSignature"),
            eku(*usages) if usages else b"",
            san(*names) if names else b"",
            ski(key),
            aki(key_identifier(signer)),
        ]
        extensions = merged(extensions, extra, drop)
    return certificate(
        subject=name(*((("CN", cn),) if cn is not None else ())) if subject is None else subject,
        issuer=issuer,
        key=key,
        signer=signer,
        extensions=None if without_extensions else extensions,
        begins=begins,
        ends=((BEGINS if isinstance(begins, bytes) else begins) + valid) if ends is None else ends,
        serial=serial,
        **options,
    )


def authority(
    *,
    subject=ROOT,
    issuer=None,
    key=ROOT_KEY,
    signer=None,
    begins=ROOT_BEGINS,
    valid=ROOT_DAYS,
    serial=SERIAL + 1,
    path_length=None,
    drop=(),
    extra=(),
    **options,
):
    """Write a root, or with an issuer an intermediate."""
    extensions = [
        basic_constraints(ca=True, path_length=path_length),
        key_usage("keyCertSign", "cRLSign"),
        ski(key),
        aki(key_identifier(signer)) if signer else b"",
    ]
    return certificate(
        subject=subject,
        issuer=issuer or subject,
        key=key,
        signer=signer or key,
        extensions=merged(extensions, extra, drop),
        begins=begins,
        ends=begins + valid,
        serial=serial,
        **options,
    )


MIDDLE = name(("O", "Example Ltd"), ("CN", "Example Intermediate"))

GOOD = leaf()

GOOD_ROOT = authority()

GOOD_MIDDLE = authority(subject=MIDDLE, issuer=ROOT, key=MIDDLE_KEY, signer=ROOT_KEY, serial=SERIAL + 2)

BELOW_MIDDLE = leaf(issuer=MIDDLE, signer=MIDDLE_KEY)


@dataclass(frozen=True)
class Expected:
    """What stands beside a certificate."""

    why: str
    findings: tuple[str, ...] = ()
    unreadable: str | None = None
    profile: str = "apple"
    at: object = AT
    within: int | None = None
    password: str | None = None
    mode: str | None = None
    each: bool = False

    def lines(self):
        yield f"# why: {self.why}"
        yield f"# profile: {self.profile}"
        yield f"# at: {self.at:%Y-%m-%dT%H:%M:%SZ}"
        if self.within is not None:
            yield f"# within: {self.within}"
        if self.password is not None:
            yield f"# password: {self.password}"
        if self.mode is not None:
            yield f"# mode: {self.mode}"
        if self.each:
            yield "# each: yes"
        if self.unreadable is not None:
            yield f"# unreadable: {self.unreadable}".rstrip()
        for finding in self.findings:
            yield f"# finding: {finding}"
        if not self.findings and self.unreadable is None:
            yield "# passes"

    def __str__(self):
        return "".join(f"{line}\n" for line in self.lines())


FILES: dict[str, bytes] = {}

BY_CHANCE: set[str] = set()


def pem(der, label="CERTIFICATE"):
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def add(stem, why, content, *findings, **expected):
    """Add a PEM file of one certificate, or of whatever text is given, with what is expected of it on top."""
    text = content if isinstance(content, str) else pem(content)
    file(f"{stem}.pem", str(Expected(why, findings, **expected)).encode() + text.encode())


def beside(file_name, why, content, *findings, **expected):
    """Add a file that has no room for comments, and what is expected of it beside it."""
    file(file_name, content)
    file(f"{file_name}.expect", str(Expected(why, findings, **expected)).encode())


def by_chance(file_name, why, content, *findings, **expected):
    beside(file_name, why, content, *findings, **expected)
    BY_CHANCE.add(file_name)


def file(file_name, content):
    assert file_name not in FILES, file_name
    FILES[file_name] = content
