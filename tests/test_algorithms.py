from __future__ import annotations

import re

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from opensslgen.x509.certificate import decode
from opensslgen.x509.der import DecodeError
from opensslgen.x509.public_keys import PublicKey, decode_public_key

from .der_writer import (
    NULL_ELEMENT,
    bits,
    certificate,
    context,
    faults,
    number,
    octets,
    oid,
    read_by_cryptography,
    seq,
    tlv,
)

RSA, PSS, MGF1 = (oid(f"1.2.840.113549.1.1.{last}") for last in (1, 10, 8))
EC, P256 = oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")
ED25519 = oid("1.3.101.112")
SHA1 = seq(oid("1.3.14.3.2.26"), NULL_ELEMENT)
SHA256 = seq(oid("2.16.840.1.101.3.4.2.1"), NULL_ELEMENT)
MASK = seq(MGF1, SHA256)
CURVES = {
    ec.SECP192R1(): ("P-192", 192),
    ec.SECP224R1(): ("P-224", 224),
    ec.SECP256R1(): ("P-256", 256),
    ec.SECP384R1(): ("P-384", 384),
    ec.SECP521R1(): ("P-521", 521),
    ec.SECP256K1(): ("secp256k1", 256),
    ec.BrainpoolP256R1(): ("brainpoolP256r1", 256),
    ec.BrainpoolP384R1(): ("brainpoolP384r1", 384),
    ec.BrainpoolP512R1(): ("brainpoolP512r1", 512),
}


def encoded(key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki(algorithm: bytes, key: bytes) -> bytes:
    return seq(algorithm, bits(key))


def rsa_key(modulus: int, exponent: int, algorithm: bytes = seq(RSA, NULL_ELEMENT)) -> bytes:
    return spki(algorithm, seq(number(modulus), number(exponent)))


@pytest.mark.parametrize(("curve", "expected"), CURVES.items(), ids=[curve.name for curve in CURVES])
def test_points_of_a_curve_are_read_and_others_are_refused(curve, expected) -> None:
    name, size = expected
    for secret in range(1, 20):
        key = ec.derive_private_key(secret, curve).public_key()
        plain = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        short = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        whole = encoded(key)
        head = whole[: -len(plain)]
        assert decode_public_key(whole) == PublicKey("EC", size, name, whole)
        algorithm = head[2:] if head[1] < 0x80 else head[3:]
        algorithm = algorithm[: 2 + algorithm[1]]
        assert decode_public_key(spki(algorithm, short)).curve == name
        assert decode_public_key(spki(algorithm, bytes((6 | plain[-1] & 1,)) + plain[1:])).curve == name
        for wrong in (
            plain[:-1] + bytes((plain[-1] ^ 1,)),
            bytes((7 ^ plain[-1] & 1,)) + plain[1:],
            plain[:-1],
            plain + b"\0",
            short[:-1],
            b"\0",
            b"",
            b"\5" + plain[1:],
            b"\4" + b"\xff" * (len(plain) - 1),
        ):
            with pytest.raises(DecodeError, match="an EC key"):
                decode_public_key(spki(algorithm, wrong))


@given(x=st.integers(0, 2**256 - 1) | st.integers(0, 300))
def test_a_compressed_point_is_read_if_and_only_if_cryptography_finds_its_other_half(x: int) -> None:
    point = b"\2" + x.to_bytes(32, "big")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        with pytest.raises(DecodeError):
            decode_public_key(spki(seq(EC, P256), point))
    else:
        assert decode_public_key(spki(seq(EC, P256), point)).bits == 256


# No reader asks whether it is the product of two primes, and a random one would name the tests anew in each process.
MODULUS = 2**2048 - 2**1984 - 1


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (rsa_key(MODULUS, 65537), ("RSA", 2048, None)),
        (rsa_key(MODULUS, 3, seq(RSA)), ("RSA", 2048, None)),
        (rsa_key(2**511 | 1, 3), ("RSA", 512, None)),
        (rsa_key(MODULUS, 65537, seq(PSS)), ("RSA-PSS", 2048, None)),
        (rsa_key(MODULUS, 65537, seq(PSS, seq(context(0, SHA256), context(1, MASK)))), ("RSA-PSS", 2048, None)),
        (encoded(dsa.generate_private_key(1024).public_key()), ("DSA", 1024, None)),
        (encoded(ed25519.Ed25519PrivateKey.generate().public_key()), ("Ed25519", 0, None)),
        (encoded(ed448.Ed448PrivateKey.generate().public_key()), ("Ed448", 0, None)),
        (encoded(x25519.X25519PrivateKey.generate().public_key()), ("1.3.101.110", 0, None)),
        (encoded(x448.X448PrivateKey.generate().public_key()), ("1.3.101.111", 0, None)),
    ],
    # The keys are new in each process, and those that share the tests among them have to name them alike.
    ids=map(str, range(10)),
)
def test_a_key_is_described_and_cryptography_reads_it_too(key: bytes, expected: tuple[str, int, str | None]) -> None:
    read_by_cryptography(certificate(spki=key))
    assert decode_public_key(key) == PublicKey(*expected, key)
    assert decode(certificate(spki=key)).public_key.der == key


def test_a_key_of_an_unknown_kind_or_curve_is_described_by_its_identifier() -> None:
    """cryptography does not know them either, and says so; a rule has to decide what they are worth."""
    point = b"\4" + bytes(64)
    for key, expected in (
        (spki(seq(oid("1.2.3"), octets()), b"x"), ("1.2.3", 0, None)),
        (spki(seq(EC, oid("1.2.3")), point), ("EC", 0, "1.2.3")),
        (
            spki(seq(EC, seq(number(1), seq(oid("1.2.840.10045.1.1"), number(2**255)))), point),
            ("EC", 256, "explicit"),
        ),
        (spki(seq(EC, seq(number(1), seq(oid("1.2.840.10045.1.2"), seq()))), point), ("EC", 0, "explicit")),
    ):
        assert decode_public_key(key) == PublicKey(*expected, key)
        with pytest.raises((UnsupportedAlgorithm, ValueError)):
            read_by_cryptography(certificate(spki=key))


@pytest.mark.parametrize("point", [b"", b"\0", b"\2", b"\4" + bytes(63), b"\5" + bytes(64), b"\6" + bytes(3)])
def test_what_is_no_point_of_any_curve_is_refused_though_the_curve_is_unknown(point: bytes) -> None:
    with pytest.raises(DecodeError, match="an EC key is not a point"):
        decode_public_key(spki(seq(EC, oid("1.2.3")), point))


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (rsa_key(MODULUS, 1), "an exponent or a modulus that no RSA key has"),
        (rsa_key(MODULUS, 4), "an exponent or a modulus"),
        (rsa_key(MODULUS, -3), "an exponent or a modulus"),
        (rsa_key(MODULUS, MODULUS), "an exponent or a modulus"),
        (rsa_key(-MODULUS, 3), "an exponent or a modulus"),
        (rsa_key(0, 3), "an exponent or a modulus"),
        (rsa_key(MODULUS, 3, seq(RSA, octets())), "parameters that it must not have"),
        (rsa_key(MODULUS, 3, seq(PSS, NULL_ELEMENT)), "has NULL parameters, but must not have parameters"),
        (spki(seq(RSA, NULL_ELEMENT), seq(number(MODULUS), number(3), number(1))), "an RSA key is followed by"),
        (spki(seq(RSA, NULL_ELEMENT), seq(number(MODULUS), number(3)) + b"\0"), "an RSA key is followed by"),
        (spki(seq(RSA, NULL_ELEMENT), seq(number(MODULUS))), "the exponent of an RSA key is missing"),
        (seq(seq(RSA, NULL_ELEMENT), bits(seq(number(MODULUS), number(2)), 1)), "not of whole bytes"),
        (spki(seq(ED25519), bytes(31)), "has 31 bytes and not 32"),
        (spki(seq(ED25519, NULL_ELEMENT), bytes(32)), "has NULL parameters, but must not have parameters"),
        (spki(seq(EC), b"\4" + bytes(64)), "the data ends within an element"),
        (spki(seq(EC, NULL_ELEMENT), b"\4" + bytes(64)), "a curve has neither a name nor parameters"),
        (spki(seq(oid("1.2.840.10040.4.1")), number(5)), "leaves its parameters to its issuer"),
        (
            spki(seq(oid("1.2.840.10040.4.1"), seq(number(23), number(11))), number(5)),
            "a part of a structure is missing",
        ),
        (spki(seq(oid("1.2.840.10040.4.1"), seq(number(23), number(11), number(-2))), number(5)), "negative"),
        (spki(seq(oid("1.2.840.10040.4.1"), seq(number(23), number(11), number(2))), b"x"), "a DSA key has the tag 78"),
        (spki(seq(oid("1.2.3"), seq(b"\xff")), b""), "the data ends within an element"),
        (spki(seq(oid("1.2.3"), octets(), octets()), b""), "the algorithm of a public key is followed by"),
        (seq(seq(RSA, NULL_ELEMENT), octets(b"")), "the bits of a public key has the tag 04"),
        (seq(seq(RSA, NULL_ELEMENT), bits(b""), bits(b"")), "a public key is followed by"),
        (octets(b""), "the public key has the tag 04"),
        (b"", "the public key is missing"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_here_and_by_cryptography(key: bytes, fault: str) -> None:
    assert re.search(fault, faults(certificate(spki=key)))
    with pytest.raises((ValueError, UnsupportedAlgorithm)):
        read_by_cryptography(certificate(spki=key))


def pss(*parts: bytes) -> bytes:
    return seq(PSS, seq(*parts))


SIGNATURES = [
    *((f"1.2.840.113549.1.1.{last}", NULL_ELEMENT, name, hashed)
      for last, name, hashed in (
          (4, "md5WithRSAEncryption", "md5"),
          (5, "sha1WithRSAEncryption", "sha1"),
          (14, "sha224WithRSAEncryption", "sha224"),
          (11, "sha256WithRSAEncryption", "sha256"),
          (12, "sha384WithRSAEncryption", "sha384"),
          (13, "sha512WithRSAEncryption", "sha512"),
      )),
    ("1.2.840.113549.1.1.11", b"", "sha256WithRSAEncryption", "sha256"),
    ("1.2.840.10045.4.1", b"", "ecdsa-with-SHA1", "sha1"),
    *((f"1.2.840.10045.4.3.{last}", b"", f"ecdsa-with-SHA{size}", f"sha{size}")
      for last, size in ((1, 224), (2, 256), (3, 384), (4, 512))),
    ("2.16.840.1.101.3.4.3.14", NULL_ELEMENT, "RSA-SHA3-256", "sha3-256"),
    ("2.16.840.1.101.3.4.3.10", b"", "ecdsa_with_SHA3-256", "sha3-256"),
    ("1.2.840.10040.4.3", NULL_ELEMENT, "dsaWithSHA1", "sha1"),
    ("2.16.840.1.101.3.4.3.2", b"", "dsa_with_SHA256", "sha256"),
    ("1.3.101.112", b"", "Ed25519", None),
    ("1.3.101.113", b"", "Ed448", None),
    ("1.2.840.113549.1.1.10", seq(), "rsassaPss", "sha1"),
    ("1.2.840.113549.1.1.10", seq(context(0, SHA256), context(1, MASK), context(2, number(32))), "rsassaPss", "sha256"),
    ("1.2.840.113549.1.1.10", seq(context(0, SHA256), context(3, number(1))), "rsassaPss", "sha256"),
    ("1.2.840.113549.1.1.10", seq(context(0, seq(oid("1.3.14.3.2.26")))), "rsassaPss", "sha1"),
]  # fmt: skip


@pytest.mark.parametrize(("identifier", "parameters", "name", "hashed"), SIGNATURES)
def test_a_signature_algorithm_has_openssls_name_and_the_hash_that_cryptography_finds(
    identifier: str, parameters: bytes, name: str, hashed: str | None
) -> None:
    der = certificate(algorithm=seq(oid(identifier), parameters))
    read = decode(der)
    assert (read.signature_algorithm, read.signature_hash) == (name, hashed)
    other = read_by_cryptography(der).signature_hash_algorithm
    assert (other.name if other else None) == hashed


def test_an_unknown_signature_algorithm_is_its_identifier_and_has_no_hash() -> None:
    for algorithm, name in (
        (seq(oid("1.2.3"), seq(number(1))), "1.2.3"),
        (pss(context(0, seq(oid("1.2.3")))), "rsassaPss"),
    ):
        read = decode(certificate(algorithm=algorithm))
        assert (read.signature_algorithm, read.signature_hash) == (name, None)


@pytest.mark.parametrize(
    ("algorithm", "fault"),
    [
        (seq(oid("1.2.840.113549.1.1.11"), octets()), "parameters that it must not have"),
        (seq(oid("1.2.840.113549.1.1.11"), NULL_ELEMENT, NULL_ELEMENT), "a signature algorithm is followed by"),
        (seq(oid("1.2.840.10045.4.3.2"), NULL_ELEMENT), "has NULL parameters, but must not have parameters"),
        (seq(ED25519, NULL_ELEMENT), "has NULL parameters, but must not have parameters"),
        (seq(PSS), "the parameters of RSASSA-PSS is missing"),
        (seq(PSS, NULL_ELEMENT), "the tag 05 and not 30"),
        (pss(context(0, SHA1)), "a default value written out"),
        (pss(context(1, seq(MGF1, SHA1))), "a default value written out"),
        (pss(context(2, number(20))), "a default value written out"),
        (pss(context(2, number(2**16))), "a salt or a trailer that nobody uses"),
        (pss(context(2, number(-1))), "negative"),
        (pss(context(3, number(256))), "a salt or a trailer that nobody uses"),
        (pss(context(1, seq(oid("1.2.3"), SHA256))), "a mask that is not MGF1"),
        (pss(context(1, seq(MGF1))), "a hash is missing"),
        (pss(context(1, MASK), context(0, SHA256)), "RSASSA-PSS is followed by"),
        (pss(context(0, SHA256, SHA256)), "a hash is followed by"),
        (pss(context(0, seq(oid("2.16.840.1.101.3.4.2.1"), octets()))), "parameters that it must not have"),
        (seq(tlv(6)), "cut off"),
        (seq(), "a signature algorithm is missing"),
    ],
)
def test_a_signature_algorithm_that_cryptography_refuses_is_refused(algorithm: bytes, fault: str) -> None:
    der = certificate(algorithm=algorithm)
    assert re.search(fault, faults(der))
    with pytest.raises(ValueError, match=r"."):
        read_by_cryptography(der)
