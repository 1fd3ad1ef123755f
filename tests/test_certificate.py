from __future__ import annotations

import copy
import ipaddress
import random
import subprocess
import time
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensslgen.certificate import (
    EXTENSIONS,
    BasicConstraints,
    Certificate,
    DecodeError,
    Name,
    PublicKey,
    Request,
    decode,
    decode_request,
)
from opensslgen.names import GeneralName

from .der_writer import (
    COMMON_NAME,
    ECDSA_SHA256,
    FALSE,
    NULL_ELEMENT,
    PBX,
    ROOT,
    SPKI,
    TRUE,
    attribute,
    bits,
    certificate,
    context,
    extension,
    implicit,
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
from .test_extensions import READABLE, UNREADABLE

USAGE = extension(EXTENSIONS["extendedKeyUsage"], seq(oid("1.3.6.1.5.5.7.3.1")))

# Three readers, one certificate.

SIGNERS = [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]
RSA_SIGNER = rsa.generate_private_key(65537, 2048)
KEYS = {
    ("RSA", 2048, None): RSA_SIGNER.public_key(),
    ("EC", 256, "P-256"): SIGNERS[0].public_key(),
    ("EC", 384, "P-384"): ec.generate_private_key(ec.SECP384R1()).public_key(),
    ("EC", 521, "P-521"): ec.generate_private_key(ec.SECP521R1()).public_key(),
    ("Ed25519", 0, None): SIGNERS[1].public_key(),
    ("DSA", 1024, None): dsa.generate_private_key(1024).public_key(),
}
SHORT_NAMES = {"2.5.4.3": "CN", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.7": "L", "2.5.4.12": "title"}
USAGES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.4.1.311.10.3.4": "1.3.6.1.4.1.311.10.3.4",
}
KEY_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
    "encipher_only": "encipherOnly",
    "decipher_only": "decipherOnly",
}
ASN1_KEY_USAGES = KEY_USAGES | {"non_repudiation": "nonRepudiation"}
KINDS = {
    "dns_name": "DNS",
    "ip_address": "IP",
    "rfc822_name": "email",
    "uniform_resource_identifier": "URI",
    "registered_id": "RID",
    "directory_name": "dirName",
    "other_name": "otherName",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
ascii_texts = st.text(st.characters(codec="ascii"), min_size=1, max_size=20)
identifiers = st.builds(
    lambda first, rest: x509.ObjectIdentifier(f"2.{first}" + "".join(f".{arc}" for arc in rest)),
    st.integers(0, 2**32),
    st.lists(st.integers(0, 2**40), min_size=1, max_size=4),
)
attributes = st.tuples(st.sampled_from(sorted(SHORT_NAMES)), texts)
relative_names = st.lists(attributes, min_size=1, max_size=3, unique=True).map(
    lambda pairs: x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.ObjectIdentifier(kind), text, _validate=False) for kind, text in pairs]
    )
)
distinguished_names = st.lists(relative_names, max_size=4).map(x509.Name)
general_names = st.one_of(
    ascii_texts.map(x509.DNSName),
    ascii_texts.map(x509.UniformResourceIdentifier),
    st.sampled_from(["a@example.com", "b@x"]).map(x509.RFC822Name),
    st.ip_addresses().map(x509.IPAddress),
    identifiers.map(x509.RegisteredID),
    distinguished_names.map(x509.DirectoryName),
    st.builds(x509.OtherName, identifiers, st.binary(max_size=9).map(octets)),
)
key_usages = st.builds(
    lambda on: x509.KeyUsage(
        **{usage: usage in on and ("only" not in usage or "key_agreement" in on) for usage in KEY_USAGES}
    ),
    st.sets(st.sampled_from(sorted(KEY_USAGES))),
)
extension_values = st.tuples(
    st.none() | st.lists(general_names, min_size=1, max_size=5).map(x509.SubjectAlternativeName),
    st.none()
    | st.lists(st.sampled_from(sorted(USAGES)).map(x509.ObjectIdentifier) | identifiers, min_size=1, max_size=4).map(
        x509.ExtendedKeyUsage
    ),
    st.none() | key_usages,
    st.none()
    | st.builds(x509.BasicConstraints, ca=st.just(True), path_length=st.none() | st.integers(0, 2**64 - 1))
    | st.just(x509.BasicConstraints(ca=False, path_length=None)),
    st.none() | st.binary(max_size=32).map(x509.SubjectKeyIdentifier),
    st.none()
    | st.builds(
        lambda key, issuer: x509.AuthorityKeyIdentifier(key, *(issuer or (None, None))),
        st.none() | st.binary(max_size=32),
        st.none() | st.tuples(st.lists(general_names, min_size=1, max_size=2), st.integers(1, 2**160)),
    ),
    st.none()
    | st.builds(x509.UnrecognizedExtension, st.just(x509.ObjectIdentifier("1.2.3.4")), st.binary(max_size=20)),
)
# Whole seconds, as a certificate has no others; the builder of cryptography begins with 1950.
instants = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda value: value.replace(microsecond=0)
)


def public_der(key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def add_extensions(builder, values, critical):
    for value, flag in zip(values, critical, strict=False):
        if value is not None:
            builder = builder.add_extension(value, flag)
    return builder


def expected_name(other: x509.Name) -> tuple[tuple[str, str], ...]:
    return tuple((SHORT_NAMES[part.oid.dotted_string], part.value) for group in other.rdns for part in group)


def value_of(read: x509.Certificate | x509.CertificateSigningRequest, kind):
    try:
        return read.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def expected_general_name(other: x509.GeneralName) -> GeneralName:
    if isinstance(other, x509.DirectoryName):
        value = Name(expected_name(other.value))
        return GeneralName("dirName", str(value))
    if isinstance(other, x509.OtherName):
        value = oid(other.type_id.dotted_string) + context(0, other.value)
        return GeneralName("otherName", value.hex())
    kinds = {x509.DNSName: "DNS", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "URI", x509.IPAddress: "IP"}
    if isinstance(other, x509.RegisteredID):
        return GeneralName("RID", other.value.dotted_string)
    mapped = getattr(other.value, "ipv4_mapped", None)
    return GeneralName(kinds[type(other)], f"::ffff:{mapped}" if mapped else str(other.value))


def assert_extensions_agree(ours: Certificate | Request, read) -> None:
    names = value_of(read, x509.SubjectAlternativeName)
    assert ours.subject_alternative_names == (None if names is None else tuple(map(expected_general_name, names)))
    usages = value_of(read, x509.ExtendedKeyUsage)
    assert ours.extended_key_usage == (
        None if usages is None else tuple(USAGES.get(usage.dotted_string, usage.dotted_string) for usage in usages)
    )
    usage = value_of(read, x509.KeyUsage)
    assert ours.key_usage == (
        None
        if usage is None
        else {
            short
            for long, short in KEY_USAGES.items()
            if ("only" not in long or usage.key_agreement) and getattr(usage, long)
        }
    )
    constraints = value_of(read, x509.BasicConstraints)
    assert ours.basic_constraints == (
        None if constraints is None else BasicConstraints(constraints.ca, constraints.path_length)
    )
    identifier = value_of(read, x509.SubjectKeyIdentifier)
    assert ours.subject_key_identifier == (identifier and identifier.digest)
    authority = value_of(read, x509.AuthorityKeyIdentifier)
    assert (ours.authority_key_identifier is None) == (authority is None)
    if ours.authority_key_identifier and authority:
        assert ours.authority_key_identifier.key_identifier == authority.key_identifier
        assert ours.authority_key_identifier.has_issuer == (authority.authority_cert_issuer is not None)
        assert ours.authority_key_identifier.has_serial == (authority.authority_cert_serial_number is not None)
    assert [(one.oid, one.critical) for one in ours.extensions] == [
        (one.oid.dotted_string, one.critical) for one in read.extensions
    ]


def assert_asn1crypto_agrees(ours: Certificate, other: asn1.Certificate) -> None:
    assert ours.serial_number == other.serial_number
    assert (ours.not_before, ours.not_after) == (other.not_valid_before, other.not_valid_after)
    for one, another in ((ours.subject, other.subject), (ours.issuer, other.issuer)):
        assert one.der == another.dump()
        assert one.attributes == tuple(
            (SHORT_NAMES[part["type"].dotted], part["value"].native) for group in another.chosen for part in group
        )
    usages = other.extended_key_usage_value
    assert ours.extended_key_usage == (
        None if usages is None else tuple(USAGES.get(usage.dotted, usage.dotted) for usage in usages)
    )
    usage = other.key_usage_value
    assert ours.key_usage == (None if usage is None else {ASN1_KEY_USAGES[bit] for bit in usage.native})
    assert ours.subject_key_identifier == (other.key_identifier_value and other.key_identifier_value.native)
    authority = other.authority_key_identifier_value
    if ours.authority_key_identifier or authority:
        assert ours.authority_key_identifier.key_identifier == authority["key_identifier"].native
    constraints = other.basic_constraints_value
    if ours.basic_constraints or constraints:
        assert ours.basic_constraints == BasicConstraints(
            constraints["ca"].native, constraints["path_len_constraint"].native
        )
    names = other.subject_alt_name_value
    assert [name.kind for name in ours.names] == [KINDS[name.name] for name in names or ()]
    for one, another in zip(ours.names, names or (), strict=True):
        content = another.chosen.contents
        if one.kind in ("DNS", "email", "URI"):
            assert one.value == content.decode("ascii")
        elif one.kind == "IP":
            assert ipaddress.ip_address(one.value) == ipaddress.ip_address(another.chosen.native)
        elif one.kind == "RID":
            assert one.value == another.chosen.dotted
    assert {short for short in ("keyUsage", "extendedKeyUsage", "subjectAltName") if ours.is_critical(short)} == {
        {"key_usage": "keyUsage", "extended_key_usage": "extendedKeyUsage", "subject_alt_name": "subjectAltName"}[one]
        for one in other.critical_extensions & {"key_usage", "extended_key_usage", "subject_alt_name"}
    }


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    subject=distinguished_names,
    issuer=distinguished_names,
    dates=st.tuples(instants, instants).map(sorted),
    serial=st.integers(1, 2**159 - 1) | st.integers(1, 300),
    key=st.sampled_from(list(KEYS)),
    signer=st.sampled_from(SIGNERS),
    values=extension_values,
    critical=st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_three_readers_agree_on_any_certificate(
    *, subject, issuer, dates, serial, key, signer, values, critical
) -> None:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).serial_number(serial)
    builder = builder.not_valid_before(dates[0]).not_valid_after(dates[1]).public_key(KEYS[key])
    builder = add_extensions(builder, values, critical)
    read = builder.sign(signer, hashes.SHA256() if signer is SIGNERS[0] else None)
    der = read.public_bytes(Encoding.DER)

    ours = decode(der)

    assert ours.version == 3
    assert ours.serial_number == read.serial_number == serial
    assert ours.subject.attributes == expected_name(read.subject)
    assert ours.issuer.attributes == expected_name(read.issuer)
    assert (ours.not_before, ours.not_after) == (read.not_valid_before_utc, read.not_valid_after_utc)
    assert ours.validity == dates[1] - dates[0]
    assert ours.public_key == PublicKey(*key, public_der(KEYS[key]))
    assert (ours.tbs, ours.signature, ours.der) == (read.tbs_certificate_bytes, read.signature, der)
    assert ours.signature_hash == (read.signature_hash_algorithm and read.signature_hash_algorithm.name)
    assert ours.is_self_issued == (subject == issuer)
    assert_extensions_agree(ours, read)
    assert_asn1crypto_agrees(ours, asn1.Certificate.load(der))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    subject=distinguished_names,
    key=st.sampled_from([*SIGNERS, RSA_SIGNER]),
    values=extension_values,
    critical=st.lists(st.booleans(), min_size=7, max_size=7),
    challenge=st.none() | st.binary(min_size=1, max_size=8),
)
def test_cryptography_agrees_on_any_request(subject, key, values, critical, challenge) -> None:
    builder = add_extensions(x509.CertificateSigningRequestBuilder().subject_name(subject), values, critical)
    if challenge:
        password = challenge.hex().encode()
        builder = builder.add_attribute(x509.ObjectIdentifier("1.2.840.113549.1.9.7"), password)
    read = builder.sign(key, None if key is SIGNERS[1] else hashes.SHA256())
    ours = decode_request(read.public_bytes(Encoding.DER))
    assert ours.subject.attributes == expected_name(read.subject)
    assert ours.public_key.der == public_der(read.public_key())
    assert (ours.tbs, ours.signature) == (read.tbs_certrequest_bytes, read.signature)
    assert ours.signature_hash == (read.signature_hash_algorithm and read.signature_hash_algorithm.name)
    assert_extensions_agree(ours, read)


def test_a_pss_signature_made_by_cryptography_is_read() -> None:
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([])).serial_number(1)
    builder = builder.not_valid_before(datetime(2024, 1, 1)).not_valid_after(datetime(2025, 1, 1))
    scheme = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
    read = builder.public_key(KEYS["RSA", 2048, None]).sign(RSA_SIGNER, hashes.SHA384(), rsa_padding=scheme)
    ours = decode(read.public_bytes(Encoding.DER))
    assert (ours.signature_algorithm, ours.signature_hash) == ("rsassaPss", "sha384")


# What is no certificate.


UTC, GENERALIZED = tlv(0x17, b"240101000000Z"), tlv(0x18, b"20240101000000Z")

FAULTY = [
    (certificate(version=context(0, number(0))), "neither of version 1, which is not written out, nor"),
    (certificate(version=context(0, number(1))), "neither of version 1"),
    (certificate(version=context(0, number(3))), "neither of version 1"),
    (certificate(version=context(0, number(2), number(2))), "neither of version 1"),
    (certificate(version=context(0)), "neither of version 1"),
    (certificate(version=number(2)), "the inner signature algorithm has the tag 02"),
    (certificate(USAGE, version=b""), "version 1 has what only later ones may have"),
    (certificate(version=b"", rest=implicit(1, b"\0\1")), "version 1 has what only later ones"),
    (certificate(USAGE, USAGE), "is there twice"),
    (certificate(rest=context(3, seq())), "the list of extensions is empty"),
    (certificate(rest=context(3)), "the extensions is missing"),
    (certificate(rest=context(3, seq(USAGE), b"\0")), "the extensions is followed by"),
    (certificate(rest=context(3, seq(USAGE)) * 2), "the extensions is followed by"),
    (certificate(rest=context(4)), "the extensions has the tag A4"),
    (certificate(rest=implicit(2, b"\0\1") + implicit(1, b"\0\1")), "the extensions has the tag 81"),
    (certificate(rest=implicit(1, b"\1\1")), "unused bits that are not zero"),
    (certificate(outer_algorithm=seq(oid("1.2.840.10045.4.3.3"))), "two different signature algorithms"),
    (certificate(serial=tlv(2)), "an INTEGER is empty"),
    (certificate(serial=tlv(2, b"\0\1")), "not in its shortest form"),
    (certificate(serial=tlv(2, b"\1" * 1025)), "longer than 1024 bytes"),
    (certificate(not_before=tlv(0x17, b"2401010000Z")), "not written as YYMMDDHHMMSSZ"),
    (certificate(not_after=tlv(0x18, b"20240101000000.5Z")), "not written as YYYYMMDDHHMMSSZ"),
    (certificate(not_after=tlv(0x17, b"240230000000Z")), "does not exist"),
    (certificate(validity=seq(UTC)), "the data ends within an element"),
    (certificate(validity=seq(UTC, UTC, UTC)), "the validity is followed by"),
    (certificate(validity=UTC), "the validity has the tag 17"),
    (certificate(signature=octets(b"x")), "the signature has the tag 04"),
    (certificate(signature=bits(b"\x80", 7)), "not of whole bytes"),
    (certificate(tail=NULL_ELEMENT), "the signature is followed by"),
    (certificate() + b"\0", "a certificate is followed by"),
    (certificate()[:-1], "a certificate is longer than what contains it"),
    (seq(), "what a certificate signs is missing"),
    (seq(seq()), "the signature algorithm is missing"),
    (seq(seq(), ECDSA_SHA256, bits(b"x")), "the serial number is missing"),
    (b"", "a certificate is missing"),
    (b"\x30\x80" + certificate()[3:] + b"\0\0", "an indefinite length"),
    (certificate(rest=context(3, seq(extension("1.2.3", bytes(2**20))))), "larger than 1 MiB"),
]


@pytest.mark.parametrize(("der", "fault"), FAULTY)
def test_what_is_no_certificate_is_refused(der: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        decode(der)


@pytest.mark.parametrize(
    "der",
    [
        certificate(),
        certificate(version=b""),
        certificate(USAGE),
        certificate(rest=implicit(1, b"\0\1") + implicit(2, b"\0\1") + context(3, seq(USAGE))),
        certificate(serial=number(0)),
        certificate(serial=number(-1)),
        certificate(serial=tlv(2, b"\1" * 21)),
        certificate(not_before=tlv(0x18, b"19900101000000Z")),
        certificate(not_before=tlv(0x17, b"400101000000Z")),
        certificate(subject=name(), issuer=name()),
        certificate(signature=bits(b"")),
    ],
)
def test_what_is_odd_and_yet_a_certificate_to_others_is_decoded(der: bytes) -> None:
    read_by_cryptography(der)
    assert decode(der).der == der


# Damage.

BASES = [
    certificate(extension(EXTENSIONS.get(kind, kind), value, TRUE), USAGE)
    for kind, value in READABLE
    if kind != "extendedKeyUsage"
] + [
    certificate(
        subject=seq(
            rdn(attribute("2.5.4.6", tlv(0x13, b"DE"))),
            rdn(attribute(COMMON_NAME, utf8("a")), attribute(COMMON_NAME, utf8("b"))),
            rdn(attribute("2.5.4.10", tlv(0x1E, b"\0a"))),
            rdn(attribute("0.9.2342.19200300.100.1.25", tlv(0x16, b"com"))),
        ),
        algorithm=algorithm,
        spki=public_der(key),
        not_after=tlv(0x18, b"20500101000000Z"),
        rest=implicit(1, b"\0\1") + context(3, seq(USAGE)),
    )
    for key in KEYS.values()
    for algorithm in (
        seq(oid("1.2.840.113549.1.1.11"), NULL_ELEMENT),
        seq(
            oid("1.2.840.113549.1.1.10"),
            seq(context(0, seq(oid("2.16.840.1.101.3.4.2.1"), NULL_ELEMENT)), context(2, number(32))),
        ),
    )
]


def assert_a_verdict_that_cryptography_shares(der: bytes) -> bool:
    """Return whether the bytes are decoded; what is decoded must be readable to cryptography, too."""
    try:
        ours = decode(der)
    except DecodeError:
        return False
    try:
        read_by_cryptography(der)
    except UnsupportedAlgorithm:
        # It does not know the algorithm or the curve, which says nothing about the encoding.
        pass
    except ValueError:
        # An unknown kind of key is to cryptography an error of one kind or another. T61String is UTF-8 to it alone.
        t61 = b"\x14" in ours.subject.der + ours.issuer.der
        if not t61 and "." not in ours.public_key.algorithm:
            raise
    return True


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_changed_bytes_give_a_decode_error_or_what_cryptography_reads(data: st.DataObject) -> None:
    der = bytearray(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(der) - 1))
        kind = data.draw(st.sampled_from(["flip", "insert", "delete"]))
        if kind == "flip":
            der[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "insert":
            der.insert(at, data.draw(st.integers(0, 255)))
        else:
            del der[at]
    assert_a_verdict_that_cryptography_shares(bytes(der))


Tree = list[list]  # a tag, and bytes or what is inside


def parsed(data: bytes) -> Tree | None:
    """Return the elements that the bytes are, opened as far as they go, or None."""
    tree, at = [], 0
    while at < len(data):
        if len(data) < at + 2:
            return None
        tag, length, start = data[at], data[at + 1], at + 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2 : start], "big")
        at = start + length
        if at > len(data):
            return None
        content = data[start:at]
        head = 1 if tag == 3 and content else 0
        inside = parsed(content[head:]) if content[head:] and (tag & 0x20 or tag in (3, 4)) else None
        if inside is None or written(inside) != content[head:]:
            tree.append([tag, content, []])
        else:
            tree.append([tag, content[:head], inside])
    return tree


def written(tree: Tree) -> bytes:
    return b"".join(tlv(tag, content, written(inside)) for tag, content, inside in tree)


def places(tree: Tree) -> list[tuple[Tree, int]]:
    return [place for index, node in enumerate(tree) for place in ((tree, index), *places(node[2]))]


TAGS = (
    1,
    2,
    3,
    4,
    5,
    6,
    10,
    12,
    18,
    19,
    20,
    22,
    23,
    24,
    26,
    28,
    30,
    48,
    49,
    128,
    129,
    130,
    134,
    135,
    136,
    *range(160, 166),
)


def damage(tree: Tree, choice: random.Random) -> None:
    """Change one element, with all the lengths around it still right."""
    everywhere = places(tree)
    siblings, index = choice.choice(everywhere)
    others, other = choice.choice(everywhere)
    node = siblings[index]
    action = choice.randrange(8)
    if action == 0:
        node[0] = choice.choice(TAGS)
    elif action == 1:
        node[0] ^= 1 << choice.randrange(8)
    elif action == 2:
        del siblings[index]
    elif action == 3:
        siblings.insert(index, copy.deepcopy(others[other]))
    elif action == 4:
        siblings[index] = copy.deepcopy(others[other])
    elif action == 5:
        siblings.insert(index, siblings.pop(choice.randrange(len(siblings))))
    elif action == 6:
        node[1:] = b"", []
    elif node[1]:
        content = bytearray(node[1])
        content[choice.randrange(len(content))] = choice.choice((0, 1, 0x2A, 0x7F, 0x80, 0xFF, choice.randrange(256)))
        at = choice.randrange(len(content))
        content[at:at] = bytes(choice.randrange(256) for _ in range(choice.choice((0, 0, 0, 1))))
        node[1] = bytes(content)


def test_damaged_structures_give_a_decode_error_or_what_cryptography_reads() -> None:
    choice = random.Random(1)
    trees = [parsed(base) for base in BASES]
    assert [written(tree) for tree in trees if tree] == BASES
    decoded = 0
    for _ in range(25_000):
        tree = copy.deepcopy(choice.choice(trees))
        assert tree
        damage(tree, choice)
        decoded += assert_a_verdict_that_cryptography_shares(written(tree))
    # Were all of them refused, or none, this would prove nothing.
    assert 2_500 < decoded < 15_000


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_decode_error(data: bytes) -> None:
    for reader in (decode, decode_request):
        with pytest.raises(DecodeError):
            reader(data)


def test_every_beginning_of_a_certificate_is_refused() -> None:
    for base in (BASES[0], BASES[-1]):
        for length in range(len(base)):
            with pytest.raises(DecodeError):
                decode(base[:length])


# Requests.


def request(*attributes: bytes, version: bytes = number(0), subject: bytes = PBX, rest: bytes | None = None) -> bytes:
    rest = context(0, *attributes) if rest is None else rest
    return seq(seq(version, subject, SPKI, rest), ECDSA_SHA256, bits(b"\1"))


def asking(*extensions: bytes, kind: str = "1.2.840.113549.1.9.14") -> bytes:
    return seq(oid(kind), rdn(seq(*extensions)))


@pytest.mark.parametrize("kind", ["1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"])
def test_a_request_asks_for_extensions_by_the_standard_or_as_windows_does(kind: str) -> None:
    read = decode_request(request(asking(USAGE, kind=kind)))
    assert read.extended_key_usage == ("serverAuth",)
    assert read.subject.common_name == "pbx"
    assert not read.is_critical("extendedKeyUsage")
    assert decode_request(request(asking(extension("2.5.29.19", seq(), TRUE)))).is_critical("basicConstraints")


def test_a_request_without_extensions_has_none() -> None:
    read = decode_request(request())
    assert read.extensions == ()
    assert read.subject_alternative_names is None


@pytest.mark.parametrize(
    ("der", "fault"),
    [
        (request(version=number(1)), "a request is not of version 1"),
        (request(rest=b""), "the attributes is missing"),
        (request(rest=context(0) * 2), "the attributes is followed by"),
        (request(asking(USAGE), asking(USAGE)), "asks twice for extensions"),
        (request(asking()), "the list of extensions is empty"),
        (
            request(seq(oid("1.2.840.113549.1.9.14"), rdn(seq(USAGE), seq(USAGE)))),
            "the value of an attribute is followed",
        ),
        (request(seq(oid("1.2.840.113549.1.9.14"), rdn())), "the data ends within an element"),
        (request(seq(oid("1.2.840.113549.1.9.14"), rdn(utf8("x")))), "the requested extensions has the tag 0C"),
        (request(seq(oid("1.2.3"), rdn(b"\xff"))), "the data ends within an element"),
        (request(seq(oid("1.2.3"), rdn(), rdn())), "an attribute is followed by"),
        (request(seq(oid("1.2.4"), rdn(utf8("x"))), seq(oid("1.2.3"), rdn(utf8("x")))), "attributes are not in order"),
        (request(asking(USAGE, USAGE)), "is there twice"),
        (request() + b"\0", "a certificate request is followed by"),
        (certificate(), "the version has the tag A0"),
    ],
)
def test_what_is_no_request_is_refused(der: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        decode_request(der)


@pytest.mark.parametrize(("kind", "value", "fault"), UNREADABLE[:20])
def test_a_request_is_held_to_the_same_extensions_as_a_certificate(kind: str, value: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        decode_request(request(asking(extension(EXTENSIONS[kind], value))))


# What is told of a certificate.


@pytest.mark.parametrize("serial", [0, 1, 10, 127, 128, 255, 256, 2**64, 2**159 - 1, -1, -128, -129, -(2**64)])
def test_serial_and_fingerprint_are_written_as_openssl_prints_them(tmp_path: Path, serial: int) -> None:
    der = certificate(serial=number(serial))
    (tmp_path / "a.der").write_bytes(der)
    printed = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-in", "a.der", "-noout", "-serial", "-fingerprint", "-sha256"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    ours = decode(der)
    assert printed[0] == f"serial={ours.serial_hex}"
    assert printed[1].split("=")[1] == ours.fingerprint


def test_a_self_issued_certificate_has_one_name_byte_for_byte() -> None:
    assert decode(certificate(subject=ROOT)).is_self_issued
    assert not decode(certificate()).is_self_issued
    assert not decode(certificate(subject=name((COMMON_NAME, tlv(0x13, b"root"))))).is_self_issued


def test_an_expected_certificate_is_built_from_keywords() -> None:
    expected = Certificate(
        serial_number=1,
        signature_algorithm="sha256WithRSAEncryption",
        signature_hash="sha256",
        issuer=Name((("CN", "root"),)),
        subject=Name((("CN", "pbx"),)),
        not_before=datetime(2024, 1, 1, tzinfo=timezone.utc),
        not_after=datetime(2026, 4, 5, tzinfo=timezone.utc),
        public_key=PublicKey("RSA", 2048, None, b""),
        subject_alternative_names=(GeneralName("DNS", "pbx"),),
    )
    assert expected.validity == timedelta(days=825)
    assert not expected.is_self_issued
    assert not expected.is_critical("keyUsage")
    assert expected.names == (GeneralName("DNS", "pbx"),)
    assert (expected.version, expected.der, expected.extensions) == (3, b"", ())


def test_what_is_printed_of_a_certificate_is_short_enough_to_read() -> None:
    assert len(repr(decode(certificate(USAGE)))) < 1500


def test_many_extensions_and_names_take_linear_time() -> None:
    names = seq(*[implicit(2, b"a")] * 100_000)
    extensions = [extension(f"1.2.3.{index}", b"") for index in range(20_000)]
    begin = time.process_time()
    read = decode(certificate(extension("2.5.29.17", names), *extensions))
    assert time.process_time() - begin < 2
    assert len(read.names) == 100_000
    assert len(read.extensions) == 20_001


def test_an_ip_address_is_in_its_shortest_form() -> None:
    for address in ("10.0.0.5", "255.255.255.255", "2001:db8::1", "::", "fe80::1:0:0:1", "::ffff:10.0.0.5"):
        content = implicit(7, ipaddress.ip_address(address).packed)
        assert decode(certificate(extension("2.5.29.17", seq(content)))).names == (GeneralName("IP", address),)


def test_a_default_written_out_is_refused_wherever_der_has_one() -> None:
    for der in (
        certificate(version=context(0, number(0))),
        certificate(seq(oid("1.2.3"), FALSE, octets())),
        certificate(extension("2.5.29.19", seq(FALSE))),
    ):
        with pytest.raises(DecodeError, match=r"default|not written out"):
            decode(der)
        with warnings.catch_warnings(), pytest.raises(ValueError, match="EncodedDefault"):
            read_by_cryptography(der)
