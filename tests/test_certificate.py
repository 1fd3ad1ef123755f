from __future__ import annotations

import ipaddress
import re
import subprocess
import time
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from opensslgen.names.general import GeneralName
from opensslgen.x509.certificate import Certificate, decode
from opensslgen.x509.extensions import EXTENSIONS
from opensslgen.x509.names import Name
from opensslgen.x509.public_keys import PublicKey
from opensslgen.x509.request import decode_request

from .der_writer import (
    COMMON_NAME,
    ECDSA_SHA256,
    FALSE,
    NULL_ELEMENT,
    PBX,
    ROOT,
    SPKI,
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
    rdn,
    read_by_cryptography,
    seq,
    tlv,
    utf8,
)
from .extension_values import UNREADABLE

USAGE = extension(EXTENSIONS["extendedKeyUsage"], seq(oid("1.3.6.1.5.5.7.3.1")))

# What is no certificate.


UTC, GENERALIZED = tlv(0x17, b"240101000000Z"), tlv(0x18, b"20240101000000Z")

FAULTY = [
    (certificate(version=context(0, number(0))), "version 1 is written out"),
    (certificate(version=context(0, number(1))), "of version 2, which nobody uses"),
    (certificate(version=context(0, number(3))), "of version 4, which does not exist"),
    (certificate(version=context(0, number(2), number(2))), "the version is followed by"),
    (certificate(version=context(0)), "the version is missing"),
    (certificate(version=number(2)), "the inner signature algorithm has the tag 02"),
    (certificate(USAGE, version=b""), "version 1 has extensions"),
    (certificate(version=b"", rest=implicit(1, b"\0\1")), "version 1 has unique identifiers"),
    (certificate(USAGE, USAGE), "appears twice"),
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
    assert re.search(fault, faults(der))


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
        (request(rest=b""), "the attributes are missing"),
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
        (request(asking(USAGE, USAGE)), "appears twice"),
        (request() + b"\0", "a certificate request is followed by"),
        (certificate(), "the version has the tag A0"),
    ],
)
def test_what_is_no_request_is_refused(der: bytes, fault: str) -> None:
    assert re.search(fault, faults(der, decode_request))


@pytest.mark.parametrize(("kind", "value", "fault"), UNREADABLE[:20])
def test_a_request_is_held_to_the_same_extensions_as_a_certificate(kind: str, value: bytes, fault: str) -> None:
    assert re.search(fault, faults(request(asking(extension(EXTENSIONS[kind], value))), decode_request))


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


def test_a_default_written_out_is_noted_wherever_der_has_one() -> None:
    for der in (
        certificate(version=context(0, number(0))),
        certificate(seq(oid("1.2.3"), FALSE, octets())),
        certificate(extension("2.5.29.19", seq(FALSE))),
    ):
        assert re.search("default", faults(der))
        with warnings.catch_warnings(), pytest.raises(ValueError, match="EncodedDefault"):
            read_by_cryptography(der)
