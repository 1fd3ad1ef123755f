from __future__ import annotations

import ipaddress
import os
from datetime import datetime
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensslgen.names.general import GeneralName
from opensslgen.x509.certificate import Certificate, decode
from opensslgen.x509.extensions import BasicConstraints
from opensslgen.x509.names import Name
from opensslgen.x509.public_keys import PublicKey
from opensslgen.x509.request import Request, decode_request

from . import readers
from .der_writer import (
    context,
    octets,
    oid,
)
from .needs import needs
from .signers import KEYS, RSA_SIGNER, SIGNERS, public_der

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
networks = st.one_of(
    st.builds(
        lambda ip, size: ipaddress.ip_network((ip, size), strict=False), st.ip_addresses(v=4), st.integers(0, 32)
    ),
    st.builds(
        lambda ip, size: ipaddress.ip_network((ip, size), strict=False), st.ip_addresses(v=6), st.integers(0, 128)
    ),
)
subtrees = st.none() | st.lists(
    st.one_of(
        ascii_texts.filter(lambda text: "*" not in text).map(x509.DNSName),
        st.sampled_from(["example.com", "a@example.com"]).map(x509.RFC822Name),
        networks.map(x509.IPAddress),
        distinguished_names.map(x509.DirectoryName),
    ),
    min_size=1,
    max_size=4,
)
name_constraints = (
    st.tuples(subtrees, subtrees)
    .filter(lambda pair: pair != (None, None))
    .map(lambda pair: x509.NameConstraints(*pair))
)
distribution_points = st.lists(
    st.builds(
        lambda names, issuers: x509.DistributionPoint(names, None, None, issuers),
        st.lists(general_names, min_size=1, max_size=3),
        st.none() | st.lists(distinguished_names.map(x509.DirectoryName), min_size=1, max_size=1),
    ),
    min_size=1,
    max_size=3,
).map(x509.CRLDistributionPoints)
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
    st.none() | name_constraints,
    st.none() | distribution_points,
)
# Whole seconds, as a certificate has no others; the builder of cryptography begins with 1950.
instants = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda value: value.replace(microsecond=0)
)


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


def assert_limits_agree(ours: Certificate, read: x509.Certificate) -> None:
    limits = value_of(read, x509.NameConstraints)
    assert (ours.name_constraints is None) == (limits is None)
    if ours.name_constraints:
        assert ours.name_constraints.permitted == tuple(map(expected_general_name, limits.permitted_subtrees or ()))
        assert ours.name_constraints.excluded == tuple(map(expected_general_name, limits.excluded_subtrees or ()))
    points = value_of(read, x509.CRLDistributionPoints)
    names = [name for point in points or () for name in point.full_name or ()]
    urls = tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    assert ours.crl_urls == (None if points is None else urls)


def assert_asn1crypto_agrees_on_limits(ours: Certificate, other: asn1.Certificate) -> None:
    limits = other.name_constraints_value
    for which, trees in (("permitted_subtrees", "permitted"), ("excluded_subtrees", "excluded")):
        read = [tree["base"] for tree in limits[which] or ()] if limits else []
        names = getattr(ours.name_constraints, trees, ())
        assert [name.kind for name in names] == [KINDS[name.name] for name in read]
        for one, another in zip(names, read, strict=True):
            if one.kind == "IP":
                assert ipaddress.ip_network(one.value) == ipaddress.ip_network(another.native)
            elif one.kind in ("DNS", "email"):
                assert one.value == another.chosen.contents.decode("ascii")
    points = other.crl_distribution_points_value
    names = [name for point in points or () for name in point["distribution_point"].chosen]
    urls = [name.chosen.contents.decode("ascii") for name in names if name.name == "uniform_resource_identifier"]
    assert list(ours.crl_urls or ()) == urls


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


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    subject=distinguished_names,
    issuer=distinguished_names,
    dates=st.tuples(instants, instants).map(sorted),
    serial=st.integers(1, 2**159 - 1) | st.integers(1, 300),
    key=st.sampled_from(list(KEYS)),
    signer=st.sampled_from(SIGNERS),
    values=extension_values,
    critical=st.lists(st.booleans(), min_size=9, max_size=9),
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
    assert_limits_agree(ours, read)
    assert_asn1crypto_agrees(ours, asn1.Certificate.load(der))
    assert_asn1crypto_agrees_on_limits(ours, asn1.Certificate.load(der))


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    subject=distinguished_names,
    key=st.sampled_from([*SIGNERS, RSA_SIGNER]),
    values=extension_values,
    critical=st.lists(st.booleans(), min_size=9, max_size=9),
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


@needs("corpus")
def test_what_three_others_read_alike_is_read_alike_here() -> None:
    """Print the matrix of `python -m tests.readers` over OPENSSLGEN_TEST_CORPUS, with few left that we refuse alone."""
    found = readers.certificates([Path(os.environ["OPENSSLGEN_TEST_CORPUS"])])
    matrix = readers.matrix(found)
    print("\n".join(matrix.lines()))
    assert sum(map(len, matrix.refused.values())) <= len(found) / 1000


DEVIATING = sorted((Path(__file__).parent / "certificates").glob("der-*.pem"))


@pytest.mark.parametrize("path", DEVIATING, ids=lambda path: path.stem)
def test_a_deviation_names_the_readers_that_reject_it(path: Path) -> None:
    (der,) = readers.blocks(path.read_bytes())
    rejecting = {name for deviation in decode(der).deviations for name in deviation.rejected_by}
    for name, read in (("cryptography", readers.by_cryptography), ("asn1crypto", readers.by_asn1crypto)):
        assert isinstance(readers.answer(read, der), str) == (name in rejecting), name
