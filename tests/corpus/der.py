"""Writes DER, certificates and requests byte by byte, also those that no library would write.

Nothing of opensslgen is used here, so that the two cannot agree while wrong. Keys and signatures are cryptography's;
both are the same in each run.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta, timezone
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

UTC = timezone.utc
BOOLEAN, INTEGER, BITS, OCTETS, NULL, OID, UTF8 = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C
PRINTABLE, T61, IA5, UTC_TIME, GENERALIZED_TIME, VISIBLE, BMP = 0x13, 0x14, 0x16, 0x17, 0x18, 0x1A, 0x1E


def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def seq(*parts):
    return tlv(0x30, *parts)


def integer(number):
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (40 * first + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return tlv(OID, content)


def bits(content, unused=0):
    return tlv(BITS, bytes((unused,)), content)


def time(moment):
    if 1950 <= moment.year < 2050:
        return tlv(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


ATTRIBUTES = {"CN": "2.5.4.3", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8", "O": "2.5.4.10", "OU": "2.5.4.11"}


def name(*attributes, tag=UTF8):
    """Write a name of pairs such as ("CN", "pbx.example.com"); bytes are taken as they are."""
    encoded = []
    for kind, value in attributes:
        text = value if isinstance(value, bytes) else value.encode({BMP: "utf-16-be", T61: "latin-1"}.get(tag, "utf-8"))
        encoded.append(tlv(0x31, seq(oid(ATTRIBUTES.get(kind, kind)), tlv(tag, text))))
    return seq(*encoded)


# Keys


@cache
def ec_key(label, curve=ec.SECP256R1):
    number = int.from_bytes(hashlib.sha256(f"{label} {curve.name}".encode()).digest(), "big")
    return ec.derive_private_key(number >> max(0, 257 - curve.key_size), curve())


@cache
def rsa_key(label, size=2048):
    """Make the same RSA key each time; of no use but for tests."""
    numbers = random.Random(f"{label} {size}")
    while True:
        p, q = _prime(numbers, (size + 1) // 2), _prime(numbers, size // 2)
        d = pow(65537, -1, (p - 1) * (q - 1))
        if (p * q).bit_length() == size and p != q:
            public = rsa.RSAPublicNumbers(65537, p * q)
            return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key(
                unsafe_skip_rsa_key_validation=True
            )


_SMALL = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def _prime(numbers, size):
    while True:
        candidate = numbers.getrandbits(size) | 3 << (size - 2) | 1
        # Fermat's test to one base is wrong for hardly any number, and never for these.
        if all(map(candidate.__mod__, _SMALL)) and candidate % 65537 != 1 and pow(2, candidate - 1, candidate) == 1:
            return candidate


@cache
def ed25519_key(label):
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())


@cache
def ed448_key(label):
    return ed448.Ed448PrivateKey.from_private_bytes(hashlib.sha512(label.encode()).digest()[:57])


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_identifier(key):
    """Hash the whole key; RFC 5280 4.2.1.2 leaves the way open."""
    return hashlib.sha1(spki(key)).digest()


def explicit_spki(key):
    """Write a P-256 key with its curve spelled out, as OpenSSL 1.0 does without named_curve."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    generator = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    curve = seq(tlv(OCTETS, (p - 3).to_bytes(32, "big")), tlv(OCTETS, b.to_bytes(32, "big")))
    field = seq(oid("1.2.840.10045.1.1"), integer(p))
    parameters = seq(integer(1), field, curve, tlv(OCTETS, generator), integer(order), integer(1))
    return seq(seq(oid("1.2.840.10045.2.1"), parameters), bits(point))


# Signatures

RSA_SIGNATURES = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
ECDSA_SIGNATURES = {
    "sha1": "1.2.840.10045.4.1",
    "sha224": "1.2.840.10045.4.3.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
    "sha3-256": "2.16.840.1.101.3.4.3.10",
}
HASHES = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
    # Signed the same each time only by SHA-2; nobody looks.
    "sha3-256": hashes.SHA256,
}
SHA256_ID = "2.16.840.1.101.3.4.2.1"


def pss_identifier(digest):
    if digest == "sha1":
        return seq(oid("1.2.840.113549.1.1.10"), seq())
    hashed = seq(oid(SHA256_ID), tlv(NULL))
    mask = seq(oid("1.2.840.113549.1.1.8"), hashed)
    return seq(oid("1.2.840.113549.1.1.10"), seq(tlv(0xA0, hashed), tlv(0xA1, mask), tlv(0xA2, integer(32))))


def signed(tbs_of, key, digest="sha256", *, pss=False, identifier=None):
    """Wrap and sign; `tbs_of` takes the AlgorithmIdentifier. PSS is random, so zeros stand in its place."""
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        identifier = seq(oid("1.3.101.112" if isinstance(key, ed25519.Ed25519PrivateKey) else "1.3.101.113"))
        tbs = tbs_of(identifier)
        signature = key.sign(tbs)
    elif isinstance(key, rsa.RSAPrivateKey):
        identifier = pss_identifier(digest) if pss else seq(oid(RSA_SIGNATURES[digest]), tlv(NULL))
        tbs = tbs_of(identifier)
        signature = bytes(256) if pss else key.sign(tbs, padding.PKCS1v15(), HASHES[digest]())
    else:
        identifier = identifier or seq(oid(ECDSA_SIGNATURES[digest]))
        tbs = tbs_of(identifier)
        signature = key.sign(tbs, ec.ECDSA(HASHES[digest](), deterministic_signing=True))
    return seq(tbs, identifier, bits(signature))


# Extensions

OIDS = {
    "SKI": "2.5.29.14",
    "KU": "2.5.29.15",
    "SAN": "2.5.29.17",
    "BC": "2.5.29.19",
    "NC": "2.5.29.30",
    "CRL": "2.5.29.31",
    "CP": "2.5.29.32",
    "AKI": "2.5.29.35",
    "EKU": "2.5.29.37",
    "AIA": "1.3.6.1.5.5.7.1.1",
    "nsCertType": "2.16.840.1.113730.1.1",
    "nsComment": "2.16.840.1.113730.1.13",
    "poison": "1.3.6.1.4.1.11129.2.4.3",
}
USAGES = {
    "server": "1.3.6.1.5.5.7.3.1",
    "client": "1.3.6.1.5.5.7.3.2",
    "code": "1.3.6.1.5.5.7.3.3",
    "any": "2.5.29.37.0",
}
KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
)


def extension(kind, value, *, critical=False):
    return seq(oid(OIDS.get(kind, kind)), tlv(BOOLEAN, b"\xff") if critical else b"", tlv(OCTETS, value))


def eku(*usages, critical=False):
    return extension("EKU", seq(*(oid(USAGES.get(usage, usage)) for usage in usages)), critical=critical)


def key_usage(*usages, critical=True):
    positions = [KEY_USAGES.index(usage) for usage in usages]
    number = sum(0x80 >> position for position in positions)
    return extension("KU", bits(bytes((number,)), 7 - max(positions)), critical=critical)


def basic_constraints(*, ca=False, path_length=None, critical=True):
    limit = b"" if path_length is None else integer(path_length)
    return extension("BC", seq(tlv(BOOLEAN, b"\xff") if ca else b"", limit), critical=critical)


def ski(key, *, critical=False):
    return extension("SKI", tlv(OCTETS, key_identifier(key)), critical=critical)


def aki(identifier, *, extra=b"", critical=False):
    return extension("AKI", seq(b"" if identifier is None else tlv(0x80, identifier), extra), critical=critical)


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def ip(text):
    import ipaddress

    return tlv(0x87, ipaddress.ip_address(text).packed)


def email(text):
    return tlv(0x81, text if isinstance(text, bytes) else text.encode())


def uri(text):
    return tlv(0x86, text if isinstance(text, bytes) else text.encode())


def san(*names, critical=False):
    return extension("SAN", seq(*names), critical=critical)


def merged(extensions, others, dropped=()):
    """Put other extensions in the place of those with the same identifier, and leave some out."""
    out = {oid(OIDS.get(kind, kind)) for kind in dropped} | {identifier(each) for each in others}
    return [each for each in extensions if each and identifier(each) not in out] + list(others)


def identifier(encoded):
    """Return the identifier of an extension, encoded."""
    start = 2 if encoded[1] < 0x80 else 2 + (encoded[1] & 0x7F)
    return encoded[start : start + 2 + encoded[start + 1]]


def certificate(
    *,
    subject,
    issuer,
    key,
    signer,
    extensions,
    begins,
    ends,
    serial,
    digest="sha256",
    pss=False,
    public_key=None,
    version=3,
    is_version_written=False,
    algorithm=None,
):
    """Write and sign a certificate; `extensions` are encoded already, None leaves them out."""

    def tbs(identifier):
        return seq(
            tlv(0xA0, integer(version - 1)) if version > 1 or is_version_written else b"",
            serial if isinstance(serial, bytes) else integer(serial),
            identifier,
            issuer,
            seq(begins if isinstance(begins, bytes) else time(begins), ends if isinstance(ends, bytes) else time(ends)),
            subject,
            public_key or spki(key),
            b"" if extensions is None else tlv(0xA3, seq(*extensions)),
        )

    return signed(tbs, signer, digest, pss=pss, identifier=algorithm)


def request(*, subject, key, extensions=(), digest="sha256", public_key=None):
    """Write and sign a certificate request."""
    attribute = seq(oid("1.2.840.113549.1.9.14"), tlv(0x31, seq(*extensions))) if extensions else b""
    return signed(lambda _: seq(integer(0), subject, public_key or spki(key), tlv(0xA0, attribute)), key, digest)


def days(number, seconds=0):
    return timedelta(days=number, seconds=seconds)


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S" if ":" in text else "%Y-%m-%d").replace(tzinfo=UTC)
