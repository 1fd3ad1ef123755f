"""DER written by hand for tests: right by default, and wrong wherever a test says so."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from opensslgen.x509.certificate import Certificate, decode
from opensslgen.x509.der import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.x509.request import Request

TRUE, FALSE, NULL_ELEMENT = b"\x01\x01\xff", b"\x01\x01\x00", b"\x05\x00"


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def seq(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def rdn(*parts: bytes) -> bytes:
    return tlv(0x31, *parts)


def context(number: int, *parts: bytes) -> bytes:
    return tlv(0xA0 | number, *parts)


def implicit(number: int, content: bytes) -> bytes:
    return tlv(0x80 | number, content)


def number(value: int) -> bytes:
    size = max(value, ~value).bit_length() // 8 + 1
    return tlv(0x02, value.to_bytes(size, "big", signed=True))


def bits(content: bytes, unused: int = 0) -> bytes:
    return tlv(0x03, bytes((unused,)), content)


def octets(*parts: bytes) -> bytes:
    return tlv(0x04, *parts)


def utf8(text: str) -> bytes:
    return tlv(0x0C, text.encode())


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (40 * first + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return tlv(0x06, content)


def attribute(kind: str, value: bytes) -> bytes:
    return seq(oid(kind), value)


def name(*pairs: tuple[str, bytes]) -> bytes:
    return seq(*(rdn(attribute(kind, value)) for kind, value in pairs))


def extension(identifier: str, value: bytes, critical: bytes = b"") -> bytes:
    return seq(oid(identifier), critical, octets(value))


COMMON_NAME = "2.5.4.3"
ROOT = name((COMMON_NAME, utf8("root")))
PBX = name((COMMON_NAME, utf8("pbx")))
ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))
EC_KEY = ec.derive_private_key(7, ec.SECP256R1()).public_key()
SPKI = EC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
VERSION_3 = context(0, number(2))


def certificate(
    *extensions: bytes,
    version: bytes = VERSION_3,
    serial: bytes = number(1),
    algorithm: bytes = ECDSA_SHA256,
    outer_algorithm: bytes | None = None,
    issuer: bytes = ROOT,
    not_before: bytes = tlv(0x17, b"240101000000Z"),
    not_after: bytes = tlv(0x17, b"260101000000Z"),
    validity: bytes | None = None,
    subject: bytes = PBX,
    spki: bytes = SPKI,
    rest: bytes | None = None,
    signature: bytes = bits(b"\1"),
    tail: bytes = b"",
) -> bytes:
    """Return a certificate of these parts; `rest` is what follows the key, else it is the extensions."""
    if rest is None:
        rest = context(3, seq(*extensions)) if extensions else b""
    if validity is None:
        validity = seq(not_before, not_after)
    tbs = seq(version, serial, algorithm, issuer, validity, subject, spki, rest)
    return seq(tbs, algorithm if outer_algorithm is None else outer_algorithm, signature, tail)


def faults(der: bytes, read: Callable[[bytes], Certificate | Request] = decode) -> str:
    """Return why our reader refuses some bytes, or else what it notes while it reads them, one a line."""
    try:
        return "\n".join(map(str, read(der).deviations))
    except DecodeError as error:
        return str(error)


def read_by_cryptography(der: bytes) -> x509.Certificate:
    """Let cryptography read all that there is in a certificate; raises one of many things if it cannot."""
    with warnings.catch_warnings():
        # It warns of serial numbers that it will refuse some day.
        warnings.simplefilter("ignore")
        read = x509.load_der_x509_certificate(der)
        assert read.version
        assert isinstance(read.serial_number, int)
        for part in (read.subject, read.issuer, read.not_valid_before_utc, read.not_valid_after_utc, read.extensions):
            assert part is not None
        assert read.fingerprint(hashes.SHA256())
        read.public_key()
        read.signature_hash_algorithm  # noqa: B018 - reading it decodes it
        read.signature_algorithm_parameters  # noqa: B018
        return read
