from __future__ import annotations

import re
import time
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509 as judge
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from opensslgen.errors import UsageError
from opensslgen.rules.chain import issuer_among
from opensslgen.text import visible
from opensslgen.x509.certificate import decode
from opensslgen.x509.der import DecodeError
from opensslgen.x509.names import Name, same_name

from .conftest import make_root, make_server
from .der_writer import (
    COMMON_NAME,
    attribute,
    bits,
    certificate,
    faults,
    name,
    number,
    octets,
    oid,
    rdn,
    read_by_cryptography,
    seq,
    tlv,
    utf8,
)

if TYPE_CHECKING:
    from pathlib import Path

    from opensslgen.jobs.perform import Authority
    from opensslgen.openssl.command import OpenSSL

SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.17": "postalCode",
    "2.5.4.42": "GN",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.3.4": "1.2.3.4",
}


def subject_of(*pairs: tuple[str, bytes]) -> Name:
    return decode(certificate(subject=name(*pairs))).subject


def test_attributes_have_openssls_short_names_and_keep_their_order() -> None:
    kinds = list(SHORT_NAMES)[::-1]
    read = subject_of(*((kind, tlv(0x13, b"xx")) for kind in kinds))
    assert read.attributes == tuple((SHORT_NAMES[kind], "xx") for kind in kinds)
    assert read.der == name(*((kind, tlv(0x13, b"xx")) for kind in kinds))


def test_the_common_name_is_the_last_one() -> None:
    assert subject_of((COMMON_NAME, utf8("a")), ("2.5.4.10", utf8("o")), (COMMON_NAME, utf8("b"))).common_name == "b"
    assert subject_of(("2.5.4.10", utf8("o"))).common_name is None
    assert Name(()).common_name is None


def test_an_empty_name_is_an_empty_text() -> None:
    read = subject_of()
    assert str(read) == ""
    assert read.attributes == ()


def test_attributes_of_one_relative_name_follow_one_another() -> None:
    parts = sorted((attribute(COMMON_NAME, utf8("a")), attribute("2.5.4.10", utf8("o"))))
    assert decode(certificate(subject=seq(rdn(*parts)))).subject.attributes == (("CN", "a"), ("O", "o"))


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [
        (0x0C, "Zoë".encode(), "Zoë"),
        (0x13, b"Zoe", "Zoe"),
        (0x14, b"Zoe", "Zoe"),
        (0x16, b"a@b", "a@b"),
        (0x1A, b"Zoe", "Zoe"),
        (0x1E, "Zoë".encode("utf-16-be"), "Zoë"),
        (0x1C, "Zoë".encode("utf-32-be"), "Zoë"),
        (0x18, b"19700101000000Z", "19700101000000Z"),
        (0x04, b"abc", "abc"),
        (0x0C, b"", ""),
        (0x0C, b"a\0b\nc\x1b[2J", "a\0b\nc\x1b[2J"),
    ],
)
def test_a_value_is_read_as_cryptography_reads_it(tag: int, content: bytes, text: str) -> None:
    der = certificate(subject=name(("2.5.4.10", tlv(tag, content))))
    assert decode(der).subject.attributes == (("O", text),)
    assert [attribute.value for attribute in read_by_cryptography(der).subject] == [text]


def test_a_t61string_is_latin_1_unless_it_may_be_utf_8() -> None:
    """Latin-1 to openssl and Apple, UTF-8 to cryptography: what is both is refused."""
    assert subject_of(("2.5.4.10", tlv(0x14, b"Muenchen"))).attributes == (("O", "Muenchen"),)
    assert subject_of(("2.5.4.10", tlv(0x14, b"M\xfcnchen"))).attributes == (("O", "München"),)
    with pytest.raises(DecodeError, match="T61String"):
        subject_of(("2.5.4.10", tlv(0x14, "München".encode())))


def test_a_unique_identifier_of_bits_is_shown_in_hex() -> None:
    assert subject_of(("2.5.4.45", bits(b"\xab"))).attributes == (("x500UniqueIdentifier", "00ab"),)


@pytest.mark.parametrize(
    ("subject", "fault"),
    [
        (seq(rdn()), "a relative distinguished name is empty"),
        (seq(rdn(attribute(COMMON_NAME, utf8("b")), attribute(COMMON_NAME, utf8("a")))), "are not in order"),
        (seq(rdn(attribute(COMMON_NAME, utf8("a")), attribute(COMMON_NAME, utf8("a")))), "has an attribute twice"),
        (seq(rdn(attribute(COMMON_NAME, utf8("a")), attribute(COMMON_NAME, tlv(0x13, b"a")))), "an attribute twice"),
        (seq(rdn(seq(oid(COMMON_NAME), utf8("a"), utf8("b")))), "an attribute's value is followed by"),
        (seq(rdn(seq(oid(COMMON_NAME)))), "the data ends within an element"),
        (seq(rdn(seq(utf8("a")))), "the type of an attribute has the tag 0C"),
        (seq(attribute(COMMON_NAME, utf8("a"))), "a relative distinguished name has the tag 30"),
        (name((COMMON_NAME, number(1))), "a value with the tag 02 is not a text"),
        (name((COMMON_NAME, bits(b"a"))), "a value with the tag 03 is not a text"),
        (name((COMMON_NAME, tlv(0x2C, utf8("a")))), "a value is built from pieces"),
        (name((COMMON_NAME, tlv(0x13, b"*.example"))), "not allowed in a PrintableString"),
        (name((COMMON_NAME, octets(b"\xff"))), "a value with the tag 04 is not a text"),
        (rdn(), "the subject has the tag 31"),
    ],
)
def test_a_name_that_is_no_der_is_refused_here_and_by_cryptography(subject: bytes, fault: str) -> None:
    der = certificate(subject=subject)
    assert re.search(fault, faults(der))
    with pytest.raises((ValueError, TypeError)):
        read_by_cryptography(der)


def test_a_fault_in_a_name_is_told_by_its_place_in_the_certificate() -> None:
    der = certificate(subject=name((COMMON_NAME, tlv(0x13, b"a@@"))))
    assert [deviation.offset for deviation in decode(der).deviations] == [der.index(b"a@@")]


def test_names_are_equal_only_if_their_encodings_are() -> None:
    one, other = subject_of((COMMON_NAME, utf8("a"))), subject_of((COMMON_NAME, tlv(0x13, b"a")))
    assert one.attributes == other.attributes
    assert one != other
    assert one == subject_of((COMMON_NAME, utf8("a")))


PRINTABLE, UTF8 = _ASN1Type.PrintableString, _ASN1Type.UTF8String
PAIRS = {
    "the same": ("Acme Root", "Acme Root"),
    "capitals": ("Acme Root", "ACME root"),
    "blanks": ("Acme Root", " Acme   Root "),
    "a tab is a blank": ("Acme\tRoot", "Acme Root"),
    "a no-break space is none": ("Acme\u00a0Root", "Acme Root"),
    "sharp s is not ss": ("Straße", "Strasse"),
    "capitals beside a sharp s": ("Straße", "STRAßE"),
    "an umlaut is no capital umlaut": ("Müller", "MÜLLER"),
    "a Kelvin sign is no k": ("\u212a1", "k1"),
    "a dotted I is no i": ("\u0130x", "ix"),
    "another word": ("Acme", "Acne"),
}


def signed(subject: str, issuer: judge.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> judge.Certificate:
    now = datetime.now(timezone.utc)
    builder = judge.CertificateBuilder(
        issuer_name=issuer,
        subject_name=named(subject) if not ca else issuer,
        public_key=key.public_key(),
        serial_number=judge.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )
    return builder.add_extension(judge.BasicConstraints(ca, None), critical=True).sign(key, hashes.SHA256())


def named(text: str, kind: _ASN1Type = UTF8) -> judge.Name:
    return judge.Name([judge.NameAttribute(NameOID.COMMON_NAME, text, kind)])


@pytest.mark.parametrize("pair", PAIRS)
def test_names_are_compared_as_openssl_verify_compares_them(pair: str, openssl: OpenSSL, tmp_path: Path) -> None:
    one, other = PAIRS[pair]
    key = ec.generate_private_key(ec.SECP256R1())
    root, leaf = signed(one, named(one), key, ca=True), signed("leaf", named(other), key, ca=False)
    for file, made in (("root.pem", root), ("leaf.pem", leaf)):
        (tmp_path / file).write_bytes(made.public_bytes(Encoding.PEM))
    verified = openssl.run(["verify", "-CAfile", "root.pem", "leaf.pem"], cwd=tmp_path, check=False).exit_code == 0
    decoded = [decode(made.public_bytes(Encoding.DER)) for made in (root, leaf)]
    assert same_name(decoded[0].subject, decoded[1].issuer) == verified
    assert (issuer_among(decoded[1], decoded[:1]) is not None) == verified


def test_a_name_that_only_looks_like_the_roots_is_signed(authority: Authority) -> None:
    make_root(authority, common_name="Straße")
    made = make_server(authority, "strasse.example.com", common_name="Strasse")
    assert made.certificate.subject.common_name == "Strasse"
    with pytest.raises(UsageError, match="is that of the CA that would sign it"):
        make_server(authority, "other.example.com", common_name="STRAßE")


def test_the_type_of_a_string_says_nothing() -> None:
    one, other = subject_of((COMMON_NAME, utf8("Acme"))), subject_of((COMMON_NAME, tlv(0x13, b"ACME")))
    assert same_name(one, other)


def test_attributes_in_another_order_are_another_name() -> None:
    assert not same_name(Name((("O", "x"), ("CN", "y"))), Name((("CN", "y"), ("O", "x"))))


def test_a_name_as_text_cannot_be_taken_for_another() -> None:
    assert str(Name((("CN", 'a, O=b+"c\\'), ("O", "d")))) == 'CN=a\\, O=b\\+\\"c\\\\, O=d'
    assert str(Name((("CN", "a\nIssuer: b\0"),))) == "CN=a\\u{A}Issuer: b\\u{0}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pbx.example.com", "pbx.example.com"),
        ("Zoë Ünïcode 電話 😀", "Zoë Ünïcode 電話 😀"),
        ("", ""),
        ("a\tb\r\n", "a\\u{9}b\\u{D}\\u{A}"),
        ("\x1b[31m", "\\u{1B}[31m"),
        ("\x9b31m", "\\u{9B}31m"),
        ("\u202eevil\u202c", "\\u{202E}evil\\u{202C}"),
        ("\u2066a\u2069\u200f\u061c", "\\u{2066}a\\u{2069}\\u{200F}\\u{61C}"),
        ("a\u200bb\ufeffc\u00add", "a\\u{200B}b\\u{FEFF}c\\u{AD}d"),
        ("a\u00a0b\u3000c\u2028d", "a\\u{A0}b\\u{3000}c\\u{2028}d"),
        ("a\u3164b\uffa0c\u115fd\u034fe\u2800f", "a\\u{3164}b\\u{FFA0}c\\u{115F}d\\u{34F}e\\u{2800}f"),
        ("a\ufe0fb\U000e0101c\U000e0041", "a\\u{FE0F}b\\u{E0101}c\\u{E0041}"),
        ("\ue000\U0010ffff\ud800", "\\u{E000}\\u{10FFFF}\\u{D800}"),
    ],
)
def test_what_moves_hides_or_restyles_text_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@settings(max_examples=500)
@given(st.text(st.characters(), max_size=30))
def test_nothing_invisible_is_left_and_nothing_else_is_changed(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    if "\\u{" not in text:
        assert re.sub(r"\\u\{([0-9A-F]+)\}", lambda match: chr(int(match[1], 16)), shown) == text
    if text.isascii() and text.isprintable():
        assert shown == text
    assert visible(shown) == shown


def test_plain_text_is_shown_at_once() -> None:
    text = "pbx.example.com " * 64
    begin = time.process_time()
    for _ in range(10_000):
        visible(text)
    assert time.process_time() - begin < 1


# asn1crypto lets these two be IA5String only.
ANY_TEXT = sorted(kind for kind, short in SHORT_NAMES.items() if short not in ("DC", "emailAddress", "1.2.3.4"))


@pytest.mark.slow
@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from(ANY_TEXT), st.text(max_size=12)), max_size=6))
def test_any_name_is_read_as_asn1crypto_reads_it(pairs: list[tuple[str, str]]) -> None:
    der = certificate(subject=name(*((kind, utf8(text)) for kind, text in pairs)))
    other = asn1.Certificate.load(der).subject.chosen
    expected = [(part["type"].dotted, part["value"].chosen.contents.decode()) for group in other for part in group]
    assert decode(der).subject.attributes == tuple((SHORT_NAMES[kind], text) for kind, text in expected)
