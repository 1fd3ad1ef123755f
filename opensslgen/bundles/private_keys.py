"""The public key of a private key, to see whether a certificate belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.x509.der import (
    BIT_STRING,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    DecodeError,
    element,
    encoded,
    finish,
    header,
    integer,
    whole,
)
from opensslgen.x509.pem import pem
from opensslgen.x509.public_keys import PublicKey, decode_public_key

if TYPE_CHECKING:
    from opensslgen.openssl.command import OpenSSL

ENCRYPTED = "ENCRYPTED PRIVATE KEY"
"""The label of an encrypted private key in PKCS#8."""
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_EC = bytes.fromhex("06072a8648ce3d0201")
"""The AlgorithmIdentifier of RSA, and the beginning of that of EC keys (RFC 3279 section 2.3)."""


def public_half(label: str, der: bytes) -> PublicKey | None:
    """Return the public key inside a private key that is not encrypted; None if it contains none.

    Raises DecodeError for anything else.
    """
    if label == "PRIVATE KEY":
        spki = _pkcs8(der)
    elif label == "EC PRIVATE KEY":
        spki = _ec(der)
    else:
        spki = _rsa(der) if label == "RSA PRIVATE KEY" else None
    return decode_public_key(spki) if spki else None


def _rsa(der: bytes) -> bytes:
    """Read RSAPrivateKey (RFC 8017 appendix A.1.2)."""
    at, end = whole(der, SEQUENCE, "an RSA private key")
    _, modulus = element(der, at, end, INTEGER, "the version of an RSA private key")
    _, exponent = element(der, modulus, end, INTEGER, "the modulus of an RSA private key")
    _, stop = element(der, exponent, end, INTEGER, "the exponent of an RSA private key")
    return encoded(SEQUENCE, _RSA, encoded(BIT_STRING, b"\0", encoded(SEQUENCE, der[modulus:stop])))


def _ec(der: bytes, algorithm: bytes | None = None) -> bytes | None:
    """Read ECPrivateKey (RFC 5915); `algorithm` is that of PKCS#8."""
    at, end = whole(der, SEQUENCE, "an EC private key")
    start, at = element(der, at, end, INTEGER, "the version of an EC private key")
    if integer(der, start, at) != 1:
        raise DecodeError("an EC private key is not of version 1", start)
    _, at = element(der, at, end, OCTET_STRING, "the number of an EC private key")
    public = None
    if at < end and der[at] == 0xA0:
        start, at = element(der, at, end, 0xA0, "the curve of an EC private key")
        algorithm = algorithm or encoded(SEQUENCE, _EC, der[start:at])
    if at < end:
        start, at = element(der, at, end, 0xA1, "the public half of an EC private key")
        public = der[start:at]
    finish(at, end, "an EC private key")
    return encoded(SEQUENCE, algorithm, public) if algorithm and public else None


def _pkcs8(der: bytes) -> bytes | None:
    """Read OneAsymmetricKey (RFC 5958)."""
    at, end = whole(der, SEQUENCE, "a private key")
    _, at = element(der, at, end, INTEGER, "the version of a private key")
    first = at
    start, at = element(der, at, end, SEQUENCE, "the algorithm of a private key")
    algorithm = der[first:at]
    _, stop = element(der, start, at, OBJECT_IDENTIFIER, "the algorithm of a private key")
    kind = der[start:stop]
    start, at = element(der, at, end, OCTET_STRING, "a private key's content")
    content = der[start:at]
    if kind == _RSA[2:13]:
        return _rsa(content)
    if kind == _EC:
        return _ec(content, algorithm)
    while at < end:
        tag, start, stop = header(der, at, end)
        if tag == 0x81:
            return encoded(SEQUENCE, algorithm, encoded(BIT_STRING, der[start:stop]))
        at = stop
    return None


def ask_public_half(label: str, der: bytes, openssl: OpenSSL) -> PublicKey:
    """Return the public key that openssl computes from a private key; raises OpenSSLError or DecodeError."""
    block = pem(label, der).encode()
    return decode_public_key(openssl.run(["pkey", "-pubout", "-outform", "DER"], stdin=block).stdout)
