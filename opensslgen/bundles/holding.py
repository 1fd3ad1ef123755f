"""Read the certificates, requests and keys in a file: PEM, DER, PKCS#7 or PKCS#12, recognised by content."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.files.read import File, content
from opensslgen.openssl.command import OpenSSLError
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode, decode_block
from opensslgen.x509.der import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, DecodeError
from opensslgen.x509.pem import pem_blocks
from opensslgen.x509.request import REQUEST_LABELS, decode_request

from .pkcs import pkcs7_certificates, pkcs12_certificates
from .private_keys import ENCRYPTED, ask_public_half, public_half

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.certificate import Certificate
    from opensslgen.x509.pem import PemBlock
    from opensslgen.x509.public_keys import PublicKey
    from opensslgen.x509.request import Request

PKCS7_LABELS = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS", "CERTIFICATE CHAIN")

# Loose, to find damaged blocks as well.
_PEM = re.compile(
    rb"^(?:\xef\xbb\xbf)?[ \t]*-----BEGIN (?!PGP)[^\r\n]*(?:CERTIFICATE|PKCS ?#?7|CMS|PRIVATE KEY)", re.MULTILINE
)


def kind_of(data: bytes) -> str | None:
    """Return "pem", or for DER "certificate", "request", "pkcs7", "pkcs12" or "key"; None for anything else.

    The data may be only the beginning of a file.
    """
    if data[:1] == b"\x30" and (kind := _der_kind(data)):
        return kind
    is_pem = _PEM.search(data) or (b"\r" in data and _PEM.search(data.replace(b"\r", b"\n")))
    return "pem" if is_pem else None


def _der_kind(data: bytes) -> str | None:
    """Return what DER or BER is meant to be, by its outer structure; inside, it may be damaged or cut off."""
    at, end = _inside(data, 0)
    outer = _tags(data, at, end)
    if outer[:1] == [SEQUENCE]:
        start, stop = _inside(data, at)
        inner = _tags(data, start, stop)
        if inner[:1] == [0xA0] or inner == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE]:
            return "certificate"
        if inner == [INTEGER, SEQUENCE, SEQUENCE, 0xA0]:
            return "request"
        return "key" if inner[:1] == [OBJECT_IDENTIFIER] and outer == [SEQUENCE, OCTET_STRING] else None
    if outer == [OBJECT_IDENTIFIER, 0xA0]:
        return "pkcs7"
    if outer[:2] == [INTEGER, SEQUENCE] and outer[2:3] != [OCTET_STRING] and data[at : at + 3] == b"\x02\x01\x03":
        return "pkcs12"
    is_key = (
        outer[:3] == [INTEGER, SEQUENCE, OCTET_STRING] or outer[:2] == [INTEGER, OCTET_STRING] or outer == [INTEGER] * 4
    )
    return "key" if is_key else None


def _inside(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends; the end may lie beyond the data."""
    if at + 2 > len(data):
        return len(data), len(data)
    length, start = data[at + 1], at + 2
    if length < 0x80:
        return start, start + length
    if length == 0x80:
        return start, len(data)
    start += length & 0x7F
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def _tags(data: bytes, at: int, end: int) -> list[int]:
    """Return the tags of up to four consecutive elements."""
    found: list[int] = []
    while at < min(end, len(data)) and len(found) < 4:
        found.append(data[at])
        _, at = _inside(data, at)
    return found


@dataclass(frozen=True, slots=True)
class Holding:
    """The content of a file, in its order."""

    certificates: list[Certificate] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    keys: list[tuple[str, bytes]] = field(default_factory=list)
    """Label and DER."""


def holding_of(data: bytes, kind: str, *, openssl: Callable[[], OpenSSL], password: Callable[[], str]) -> Holding:
    """Return the content of a file; raises Error if any of it cannot be read.

    `openssl` and `password` are called only for a PKCS#12 file.
    """
    if kind == "pem":
        return _pem(data)
    if kind == "certificate":
        return Holding(certificates=[decode(data)])
    if kind == "request":
        return Holding(requests=[decode_request(data)])
    if kind == "key":
        return Holding(keys=[(key_label(data), data)])
    if kind == "pkcs7":
        return Holding(certificates=pkcs7_certificates(data))
    return Holding(certificates=pkcs12_certificates(data, openssl(), password()))


def _pem(data: bytes) -> Holding:
    holding = Holding()
    for block in pem_blocks(data):
        try:
            add(holding, block, data)
        except DecodeError as error:
            raise error.in_line(block.line) from error
    return holding


def add(holding: Holding, block: PemBlock, data: bytes) -> None:
    """Add the content of a block of a PEM file; raises DecodeError if it cannot be read."""
    if block.label in REQUEST_LABELS:
        holding.requests.append(decode_request(block.body))
    elif is_key(block):
        holding.keys.append((label_of_key(block, data), block.body))
    else:
        certificates = certificates_in(block)
        if not certificates and "CERTIFICATE" in block.label:
            raise DecodeError(f"a block with the label {block.label} is not supported")
        holding.certificates.extend(certificates)


def certificates_in(block: PemBlock) -> list[Certificate]:
    """Return the certificates in a block of a PEM file; raises DecodeError if they cannot be read."""
    if block.label in CERTIFICATE_LABELS:
        return [decode_block(block)]
    return pkcs7_certificates(block.body) if block.label in PKCS7_LABELS else []


def is_key(block: PemBlock) -> bool:
    """Tell whether a block has the label of a private key."""
    return block.label.endswith("PRIVATE KEY")


def label_of_key(block: PemBlock, data: bytes) -> str:
    """Return the label of a private key in a PEM file: ENCRYPTED also if a header says so.

    Formats before PKCS#8 have a header for this (RFC 1421 section 4.6.1.1), and an encrypted key is not DER.
    """
    body = block.body
    is_der = body[:1] == b"\x30" and body[1:2] != b"\x80" and _inside(body, 0)[1] == len(body)
    return ENCRYPTED if not is_der and _has_encryption_header(data) else block.label


@lru_cache(maxsize=1)
def _has_encryption_header(data: bytes) -> bool:
    """Tell whether a header says that a key is encrypted; a file with many keys is searched once."""
    return b"Proc-Type: 4,ENCRYPTED" in data


def key_label(data: bytes) -> str:
    """Return the label that a key in DER would have in PEM."""
    start, end = _inside(data, 0)
    tags = _tags(data, start, end)
    if tags[0] == SEQUENCE:
        return ENCRYPTED
    return {SEQUENCE: "PRIVATE KEY", OCTET_STRING: "EC PRIVATE KEY", INTEGER: "RSA PRIVATE KEY"}[tags[1]]


def key_of(
    holding: Holding, subject: PublicKey | None, openssl: Callable[[], OpenSSL]
) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public key of the first private key, and notes if it is not known."""
    if not holding.keys:
        return None, ()
    if subject is None:
        return None, ("a private key: only who can read it was checked",)
    label, der = holding.keys[0]
    if label == ENCRYPTED:
        return None, ("its private key is encrypted, so it was not compared with the certificate",)
    try:
        key = public_half(label, der) or ask_public_half(label, der, openssl())
    except OpenSSLError as error:
        return None, (f"its private key was not compared with the certificate: {error.message}",)
    if key.algorithm == "EC" and key.curve == subject.curve and len(key.der) != len(subject.der):
        return None, ("its private key has the point in another form, so it was not compared with the certificate",)
    return key, ()


def key_in_file(
    path: str, subject: PublicKey, *, openssl: Callable[[], OpenSSL], limit: int
) -> tuple[PublicKey | None, tuple[str, ...]]:
    """Return the public key of the private key in a file, which should be `subject`, and notes if it is not known.

    Raises UnreadableError.
    """
    found = content(File(path, named=True), limit=limit)
    kind = kind_of(found.data) if found else None
    if found is None or kind not in ("pem", "key"):
        raise UnreadableError("no private key in it")
    return key_of(holding_of(found.data, kind, openssl=openssl, password=str), subject, openssl)
