from __future__ import annotations

import re

import pytest
from cryptography import x509

from opensslgen.names.general import GeneralName
from opensslgen.x509.certificate import decode
from opensslgen.x509.der import DecodeError
from opensslgen.x509.extensions import EXTENSIONS, AuthorityKeyIdentifier, BasicConstraints, Extension

from .der_writer import (
    FALSE,
    TRUE,
    bits,
    certificate,
    context,
    extension,
    faults,
    implicit,
    name,
    number,
    octets,
    oid,
    read_by_cryptography,
    seq,
    utf8,
)
from .extension_values import (
    IP,
    READABLE,
    UNREADABLE,
)


@pytest.mark.parametrize(("kind", "value"), READABLE)
def test_a_value_that_others_read_is_read(kind: str, value: bytes) -> None:
    der = certificate(extension(EXTENSIONS.get(kind, kind), value))
    read_by_cryptography(der)
    assert decode(der).extensions == (Extension(EXTENSIONS.get(kind, kind), False, value),)


# Each is a fault that cryptography overlooks, and that RFC 5280 forbids in a place where a pass would mean something.
STRICTER_THAN_CRYPTOGRAPHY = {
    seq(),
    seq(implicit(7, b"\x0a\0\0\0\xff\0\0\0")),
    seq(implicit(2, "ü".encode())),
    seq(context(0, oid("1.2.3"), context(0, seq(b"\xff")))),
    seq(context(1), implicit(2, b"\1")),
}


@pytest.mark.parametrize(("kind", "value", "fault"), UNREADABLE)
def test_a_value_that_is_no_der_or_that_others_refuse_is_refused(kind: str, value: bytes, fault: str) -> None:
    der = certificate(extension(EXTENSIONS[kind], value))
    assert re.search(fault, faults(der))
    if value not in STRICTER_THAN_CRYPTOGRAPHY:
        with pytest.raises((ValueError, TypeError, KeyError, x509.UnsupportedGeneralNameType)):
            read_by_cryptography(der)


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_junk_in_an_extension_that_cryptography_knows_is_refused(kind: str) -> None:
    der = certificate(extension(EXTENSIONS[kind], b"\xff"))
    try:
        read_by_cryptography(der)
    except ValueError:
        assert faults(der)
    else:
        assert decode(der).extensions


def test_an_extension_may_not_be_there_twice() -> None:
    usage = extension(EXTENSIONS["extendedKeyUsage"], seq(oid("1.2.3")))
    with pytest.raises(DecodeError, match=r"the extension 2\.5\.29\.37 appears twice"):
        decode(certificate(usage, extension("1.2.3", b""), usage))


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (seq(oid("1.2.3"), FALSE, octets()), "default criticality written out"),
        (seq(oid("1.2.3"), b"\x01\x01\x01", octets()), "neither 00 nor FF"),
        (seq(oid("1.2.3"), TRUE), "the value of an extension is missing"),
        (seq(oid("1.2.3"), utf8("x")), "the tag 0C and not 04"),
        (seq(oid("1.2.3"), octets(), octets()), "followed by"),
        (seq(octets()), "the identifier of an extension has the tag 04"),
        (octets(), "an extension has the tag 04"),
    ],
)
def test_a_malformed_extension_is_refused(wrong: bytes, fault: str) -> None:
    assert re.search(fault, faults(certificate(wrong)))


def test_the_values_that_rules_ask_for_are_decoded() -> None:
    read = decode(
        certificate(
            extension(EXTENSIONS["basicConstraints"], seq(TRUE, number(3)), TRUE),
            extension(EXTENSIONS["keyUsage"], bits(b"\xff\x80", 7), TRUE),
            extension(EXTENSIONS["extendedKeyUsage"], seq(oid("1.3.6.1.5.5.7.3.1"), oid("2.5.29.37.0"), oid("1.2.3"))),
            extension(EXTENSIONS["subjectKeyIdentifier"], octets(b"abc")),
            extension(EXTENSIONS["authorityKeyIdentifier"], seq(implicit(0, b"k"))),
            extension(
                EXTENSIONS["subjectAltName"],
                seq(
                    implicit(2, b"a\0\nb"),
                    IP,
                    implicit(7, b"\x20\x01\x0d\xb8" + bytes(11) + b"\1"),
                    implicit(1, b"a@b"),
                    implicit(6, b"sip:x"),
                    context(4, name(("2.5.4.3", utf8("a,b")))),
                    implicit(8, b"\x2a\3"),
                    context(0, oid("1.2.3"), context(0, utf8("x"))),
                ),
            ),
        )
    )
    assert read.basic_constraints == BasicConstraints(ca=True, path_length=3)
    assert read.key_usage == {
        *("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"),
        *("keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"),
    }
    assert read.extended_key_usage == ("serverAuth", "anyExtendedKeyUsage", "1.2.3")
    assert read.subject_key_identifier == b"abc"
    assert read.authority_key_identifier == AuthorityKeyIdentifier(b"k", has_issuer=False, has_serial=False)
    assert read.names == (
        GeneralName("DNS", "a\0\nb"),
        GeneralName("IP", "10.0.0.1"),
        GeneralName("IP", "2001:db8::1"),
        GeneralName("email", "a@b"),
        GeneralName("URI", "sip:x"),
        GeneralName("dirName", "CN=a\\,b"),
        GeneralName("RID", "1.2.3"),
        GeneralName("otherName", (oid("1.2.3") + context(0, utf8("x"))).hex()),
    )


def test_criticality_is_told_by_short_name_and_by_identifier() -> None:
    read = decode(certificate(extension("2.5.29.19", seq(), TRUE), extension("2.5.29.15", bits(b"\x80", 7))))
    assert read.is_critical("basicConstraints")
    assert read.is_critical("2.5.29.19")
    assert not read.is_critical("keyUsage")
    assert not read.is_critical("subjectAltName")
    assert decode(certificate(extension("1.2.3.4", b"", TRUE))).is_critical("1.2.3.4")
