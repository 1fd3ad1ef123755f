"""Public keys and signature algorithms, decoded as far as the rules need it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .der import (
    BIT_STRING,
    CRYPTOGRAPHY,
    GO,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    DecodeError,
    big_natural,
    deviate,
    element,
    finish,
    header,
    integer,
    natural,
    object_identifier,
    octets,
    read_at,
    sequence,
    well_formed,
    whole,
)
from .key_types import KeyType


class PublicKey(NamedTuple):
    """A public key (RFC 5280 section 4.1.2.7), checked as far as possible without the private key."""

    algorithm: str
    """"RSA", "EC", "DSA", "Ed25519", "Ed448", "RSA-PSS", or a dotted OID."""
    bits: int
    """Size of the modulus, or of the curve's field; 0 if unknown."""
    curve: str | None
    """"P-256", "P-384" and so on, a dotted OID, or "explicit" if the key has the curve's parameters; None if not EC."""
    der: bytes
    """The SubjectPublicKeyInfo."""

    @property
    def key_type(self) -> KeyType:
        """The key type, for a certificate order with this key."""
        return KeyType(f"{self.algorithm} {self.curve or self.bits}", self.algorithm, self.bits, self.curve)


_KEY_ALGORITHMS = {
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.10045.2.1": "EC",
    "1.2.840.10040.4.1": "DSA",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
_RAW_KEY_BYTES = {
    "Ed25519": 32,
    "Ed448": 57,
    "1.3.101.110": 32,  # X25519
    "1.3.101.111": 56,  # X448
    "2.16.840.1.101.3.4.3.17": 1312,  # ML-DSA-44, FIPS 204
    "2.16.840.1.101.3.4.3.18": 1952,  # ML-DSA-65
    "2.16.840.1.101.3.4.3.19": 2592,  # ML-DSA-87
    "2.16.840.1.101.3.4.4.1": 800,  # ML-KEM-512, FIPS 203
    "2.16.840.1.101.3.4.4.2": 1184,  # ML-KEM-768
    "2.16.840.1.101.3.4.4.3": 1568,  # ML-KEM-1024
}


# Name, p, a and b of the curve y² = x³ + ax + b over the prime field of p (SEC 2, RFC 5639).
_CURVES: dict[str, tuple[str, int, int, int]] = {
    "1.2.840.10045.3.1.1": ("P-192", 2**192 - 2**64 - 1, -3, 0x64210519E59C80E70FA7E9AB72243049FEB8DEECC146B9B1),
    "1.3.132.0.33": ("P-224", 2**224 - 2**96 + 1, -3, 0xB4050A850C04B3ABF54132565044B0B7D7BFD8BA270B39432355FFB4),
    "1.2.840.10045.3.1.7": (
        "P-256",
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    "1.3.132.0.34": (
        "P-384",
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        -3,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
    "1.3.132.0.35": (
        "P-521",
        2**521 - 1,
        -3,
        int(
            "51953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E"
            "156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00",
            16,
        ),
    ),
    "1.3.132.0.10": ("secp256k1", 2**256 - 2**32 - 977, 0, 7),
    "1.3.36.3.3.2.8.1.1.7": (
        "brainpoolP256r1",
        0xA9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377,
        0x7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9,
        0x26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6,
    ),
    "1.3.36.3.3.2.8.1.1.11": (
        "brainpoolP384r1",
        0x8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A71874700133107EC53,
        0x7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826,
        0x4A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11,
    ),
    "1.3.36.3.3.2.8.1.1.13": (
        "brainpoolP512r1",
        int(
            "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330871"
            "7D4D9B009BC66842AECDA12AE6A380E62881FF2F2D82C68528AA6056583A48F3",
            16,
        ),
        int(
            "7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC"
            "2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA",
            16,
        ),
        int(
            "3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A7"
            "2BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723",
            16,
        ),
    ),
}


def decode_public_key(spki: bytes) -> PublicKey:
    """Return the key in a SubjectPublicKeyInfo; raises DecodeError, also for impossible keys."""
    start, stop = whole(spki, SEQUENCE, "a public key")
    _, last = element(spki, start, stop, SEQUENCE, "the algorithm of a public key")
    algorithm, curve, bits = read_at(start, _key_algorithm, spki[start:last])
    first, last = element(spki, last, stop, BIT_STRING, "the bits of a public key")
    finish(last, stop, "a public key")
    key = octets(spki, first, last)
    offset = last - len(key)
    try:
        if algorithm in ("RSA", "RSA-PSS"):
            bits = _rsa_bits(key, offset)
        elif algorithm == "EC":
            _check_point(key, curve or "")
        elif algorithm == "DSA":
            big_natural(key, *whole(key, INTEGER, "a DSA key"))
        elif algorithm in _RAW_KEY_BYTES and len(key) != _RAW_KEY_BYTES[algorithm]:
            raise DecodeError(f"a key of type {algorithm} has {len(key)} bytes and not {_RAW_KEY_BYTES[algorithm]}", 0)
    except DecodeError as error:
        if algorithm == "RSA":
            raise error.moved(offset) from None
        # Most programs read a certificate without reading its key.
        deviate(error.what, offset + (error.offset or 0), CRYPTOGRAPHY, GO, grave=True)
    return PublicKey(algorithm, bits, _CURVES[curve][0] if curve in _CURVES else curve, spki)


_NULL_ELEMENT = bytes((NULL, 0))


def algorithm_identifier(data: bytes, at: int, end: int, what: str) -> tuple[str, int, int]:
    """Return the OID in an AlgorithmIdentifier, and where its parameters begin and end (RFC 5280 4.1.1.2)."""
    start, stop = element(data, at, end, SEQUENCE, what)
    first, last = element(data, start, stop, OBJECT_IDENTIFIER, what)
    if last < stop:
        finish(header(data, last, stop)[2], stop, what)
    return object_identifier(data, first, last), last, stop


@lru_cache(maxsize=64)
def _key_algorithm(der: bytes) -> tuple[str, str | None, int]:
    """Return the algorithm, the curve's OID or "explicit", and the bits if the parameters determine them."""
    identifier, start, stop = algorithm_identifier(der, 0, len(der), "the algorithm of a public key")
    algorithm = _KEY_ALGORITHMS.get(identifier, identifier)
    if algorithm == "RSA":
        _null_or_absent(der, start, stop)
    elif algorithm == "RSA-PSS":
        if der[start:stop] == _NULL_ELEMENT:
            deviate("an algorithm has NULL parameters, but must not have parameters", start, CRYPTOGRAPHY)
        elif start < stop:
            _pss_hash(der, start, stop)
    elif algorithm == "EC":
        return algorithm, *_named_or_explicit_curve(der, start, stop)
    elif algorithm == "DSA":
        if start == stop:
            deviate("a DSA key leaves its parameters to its issuer (RFC 3279)", start, CRYPTOGRAPHY, GO, grave=True)
            return algorithm, None, 0
        p, _, _ = sequence(der, start, stop, *((INTEGER, big_natural, False),) * 3)
        return algorithm, None, int(p).bit_length()
    elif algorithm in _RAW_KEY_BYTES:
        _absent(der, start, stop)
    else:
        well_formed(der, start, stop)
    return algorithm, None, 0


def _null_or_absent(data: bytes, start: int, stop: int) -> None:
    if data[start:stop] not in (b"", _NULL_ELEMENT):
        well_formed(data, start, stop)
        deviate("an algorithm has parameters that it must not have", start, CRYPTOGRAPHY, GO)


def _absent(data: bytes, start: int, stop: int) -> None:
    if start < stop:
        _null_or_absent(data, start, stop)
        deviate("an algorithm has NULL parameters, but must not have parameters", start, CRYPTOGRAPHY)


def _named_or_explicit_curve(data: bytes, at: int, end: int) -> tuple[str, int]:
    tag, start, stop = header(data, at, end)
    if tag == OBJECT_IDENTIFIER:
        identifier = object_identifier(data, start, stop)
        return identifier, _CURVES[identifier][1].bit_length() if identifier in _CURVES else 0
    if tag != SEQUENCE:
        raise DecodeError("a curve has neither a name nor parameters", at)
    well_formed(data, start, stop)
    _, position = element(data, start, stop, INTEGER, "the version of a curve")
    start, stop = element(data, position, stop, SEQUENCE, "the field of a curve")
    first, last = element(data, start, stop, OBJECT_IDENTIFIER, "the type of a field")
    if object_identifier(data, first, last) != "1.2.840.10045.1.1":
        return "explicit", 0
    first, last = element(data, last, stop, INTEGER, "the prime of a field")
    return "explicit", big_natural(data, first, last).bit_length()


def _rsa_bits(key: bytes, at: int) -> int:
    """Return the bits of an RSA modulus (RFC 8017 appendix A.1.1), checked as strictly as cryptography does.

    The key begins at `at` in the input.
    """
    start, stop = whole(key, SEQUENCE, "an RSA key")
    first, last = element(key, start, stop, INTEGER, "the modulus of an RSA key")
    modulus = integer(key, first, last)
    first, last = element(key, last, stop, INTEGER, "the exponent of an RSA key")
    finish(last, stop, "an RSA key")
    exponent = integer(key, first, last)
    if not 3 <= exponent < modulus or exponent % 2 == 0:
        what = "that no RSA key has" if modulus > 0 and exponent > 0 else "that is not positive"
        deviate(f"an RSA key has an exponent or a modulus {what}", at + first, CRYPTOGRAPHY, grave=True)
    if modulus < 0:  # the writer forgot the leading zero
        modulus += 1 << 8 * ((modulus.bit_length() + 8) // 8)
    return modulus.bit_length()


def _check_point(key: bytes, identifier: str) -> None:
    """Raise DecodeError unless an EC key is a point of its curve (SEC 1 section 2.3.4)."""
    form, size = (key[0] if key else 0), (len(key) - 1)
    if form not in (2, 3, 4, 6, 7):
        raise DecodeError("an EC key is not a point", 0)
    curve = _CURVES.get(identifier)
    if curve is None:
        if size < 1 or (form >= 4 and size % 2):
            raise DecodeError("an EC key is not a point", 0)
        return
    name, p, a, b = curve
    width = (p.bit_length() + 7) // 8
    if size != (width if form < 4 else 2 * width):
        raise DecodeError(f"an EC key has {len(key)} bytes, which is not the size of a point on {name}", 0)
    x = int.from_bytes(key[1 : 1 + width], "big")
    square = ((x * x + a) * x + b) % p
    if form < 4:
        on_curve = pow(square, p >> 1, p) == 1
    else:
        y = int.from_bytes(key[1 + width :], "big")
        on_curve = y * y % p == square and y < p and (form == 4 or y & 1 == form & 1)
    if x >= p or not on_curve:
        raise DecodeError(f"an EC key is not a point on {name}", 0)


_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.7": "sha3-224",
    "2.16.840.1.101.3.4.2.8": "sha3-256",
    "2.16.840.1.101.3.4.2.9": "sha3-384",
    "2.16.840.1.101.3.4.2.10": "sha3-512",
}
# The third: are NULL parameters allowed? RFC 4055 requires them with RSA, RFC 5758 forbids them with ECDSA.
_SIGNATURES: dict[str, tuple[str, str | None, bool]] = {
    "1.2.840.113549.1.1.2": ("md2WithRSAEncryption", "md2", True),
    "1.2.840.113549.1.1.4": ("md5WithRSAEncryption", "md5", True),
    "1.2.840.113549.1.1.5": ("sha1WithRSAEncryption", "sha1", True),
    "1.3.14.3.2.29": ("sha1WithRSA", "sha1", True),
    "1.2.840.113549.1.1.14": ("sha224WithRSAEncryption", "sha224", True),
    "1.2.840.113549.1.1.11": ("sha256WithRSAEncryption", "sha256", True),
    "1.2.840.113549.1.1.12": ("sha384WithRSAEncryption", "sha384", True),
    "1.2.840.113549.1.1.13": ("sha512WithRSAEncryption", "sha512", True),
    "2.16.840.1.101.3.4.3.13": ("RSA-SHA3-224", "sha3-224", True),
    "2.16.840.1.101.3.4.3.14": ("RSA-SHA3-256", "sha3-256", True),
    "2.16.840.1.101.3.4.3.15": ("RSA-SHA3-384", "sha3-384", True),
    "2.16.840.1.101.3.4.3.16": ("RSA-SHA3-512", "sha3-512", True),
    "1.2.840.10045.4.1": ("ecdsa-with-SHA1", "sha1", False),
    "1.2.840.10045.4.3.1": ("ecdsa-with-SHA224", "sha224", False),
    "1.2.840.10045.4.3.2": ("ecdsa-with-SHA256", "sha256", False),
    "1.2.840.10045.4.3.3": ("ecdsa-with-SHA384", "sha384", False),
    "1.2.840.10045.4.3.4": ("ecdsa-with-SHA512", "sha512", False),
    "2.16.840.1.101.3.4.3.9": ("ecdsa_with_SHA3-224", "sha3-224", False),
    "2.16.840.1.101.3.4.3.10": ("ecdsa_with_SHA3-256", "sha3-256", False),
    "2.16.840.1.101.3.4.3.11": ("ecdsa_with_SHA3-384", "sha3-384", False),
    "2.16.840.1.101.3.4.3.12": ("ecdsa_with_SHA3-512", "sha3-512", False),
    "1.2.840.10040.4.3": ("dsaWithSHA1", "sha1", True),
    "2.16.840.1.101.3.4.3.1": ("dsa_with_SHA224", "sha224", False),
    "2.16.840.1.101.3.4.3.2": ("dsa_with_SHA256", "sha256", False),
    "2.16.840.1.101.3.4.3.3": ("dsa_with_SHA384", "sha384", False),
    "2.16.840.1.101.3.4.3.4": ("dsa_with_SHA512", "sha512", False),
    "1.3.101.112": ("Ed25519", None, False),
    "1.3.101.113": ("Ed448", None, False),
    "2.16.840.1.101.3.4.3.17": ("ML-DSA-44", None, False),
    "2.16.840.1.101.3.4.3.18": ("ML-DSA-65", None, False),
    "2.16.840.1.101.3.4.3.19": ("ML-DSA-87", None, False),
}
_PSS = "1.2.840.113549.1.1.10"
_MGF1 = "1.2.840.113549.1.1.8"


@lru_cache(maxsize=64)
def signature_algorithm(der: bytes) -> tuple[str, str | None]:
    """Return the name and the hash of the signature algorithm in an AlgorithmIdentifier; raises DecodeError."""
    identifier, start, stop = algorithm_identifier(der, 0, len(der), "a signature algorithm")
    if identifier == _PSS:
        return "rsassaPss", _pss_hash(der, start, stop)
    if identifier not in _SIGNATURES:
        well_formed(der, start, stop)
        return identifier, None
    name, hashed, nullable = _SIGNATURES[identifier]
    if nullable:
        _null_or_absent(der, start, stop)
    else:
        _absent(der, start, stop)
    return name, hashed


_SHA1_IDENTIFIER = bytes.fromhex("300906052b0e03021a0500")
_MGF1_SHA1_IDENTIFIER = bytes.fromhex("301606092a864886f70d010108") + _SHA1_IDENTIFIER


def _pss_hash(data: bytes, at: int, end: int) -> str | None:
    """Return the hash that RSASSA-PSS parameters name, by default SHA-1 (RFC 4055 section 3.1)."""
    at, end = element(data, at, end, SEQUENCE, "the parameters of RSASSA-PSS")
    hashed: str | None = "sha1"
    for tag in (0xA0, 0xA1, 0xA2, 0xA3):
        if at == end or data[at] != tag:
            continue
        start, at = element(data, at, end, tag, "a parameter of RSASSA-PSS")
        if tag == 0xA0:
            hashed = _hash(data, start, at)
            default = _SHA1_IDENTIFIER
        elif tag == 0xA1:
            identifier, first, last = algorithm_identifier(data, start, at, "a mask of RSASSA-PSS")
            finish(last, at, "a mask of RSASSA-PSS")
            if identifier != _MGF1:
                raise DecodeError("RSASSA-PSS has a mask that is not MGF1", start)
            _hash(data, first, last)
            default = _MGF1_SHA1_IDENTIFIER
        else:
            first, last = element(data, start, at, INTEGER, "a number of RSASSA-PSS")
            finish(last, at, "a number of RSASSA-PSS")
            if natural(data, first, last).bit_length() > (16 if tag == 0xA2 else 8):
                deviate("RSASSA-PSS has a salt or a trailer that nobody uses", first, CRYPTOGRAPHY, grave=True)
            # RFC 4055 requires readers to accept a trailer even if it is the default.
            default = b"\x02\x01\x14" if tag == 0xA2 else b""
        if data[start:at] == default:
            deviate("RSASSA-PSS has a default value written out", start, CRYPTOGRAPHY)
    finish(at, end, "RSASSA-PSS")
    return hashed


def _hash(data: bytes, at: int, end: int) -> str | None:
    identifier, start, stop = algorithm_identifier(data, at, end, "a hash")
    finish(stop, end, "a hash")
    if identifier in _HASHES:
        _null_or_absent(data, start, stop)
    else:
        well_formed(data, start, stop)
    return _HASHES.get(identifier)
