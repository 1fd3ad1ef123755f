"""Values of extensions, as DER: what others read, and what is no DER or refused by others."""

from __future__ import annotations

import struct

from cryptography import x509

from .der_writer import (
    FALSE,
    NULL_ELEMENT,
    ROOT,
    TRUE,
    attribute,
    bits,
    context,
    implicit,
    number,
    octets,
    oid,
    seq,
    tlv,
    utf8,
)

DNS, IP, URI = implicit(2, b"a.example"), implicit(7, b"\x0a\0\0\1"), implicit(6, b"http://x")

PLACE = context(0, context(0, URI))

CPS, NOTICE = oid("1.3.6.1.5.5.7.2.1"), oid("1.3.6.1.5.5.7.2.2")


def qualified(*qualifiers: bytes) -> bytes:
    return seq(seq(oid("1.2.3"), seq(*qualifiers)))


def notice(*parts: bytes) -> bytes:
    return qualified(seq(NOTICE, seq(*parts)))


def timestamp(
    *, version: int = 0, hashed: int = 4, signed: int = 3, extensions: bytes = b"", tail: bytes = b""
) -> bytes:
    head = bytes((version,)) + b"L" * 32 + struct.pack(">QH", 1_600_000_000_000, len(extensions)) + extensions
    content = head + bytes((hashed, signed)) + struct.pack(">H", 3) + b"sig" + tail
    return struct.pack(">H", len(content)) + content


def timestamps(*items: bytes) -> bytes:
    content = b"".join(items)
    return octets(struct.pack(">H", len(content)), content)


NAMING_AUTHORITY = x509.NamingAuthority(x509.ObjectIdentifier("1.2.3"), "https://n", "text")

ADMISSIONS = x509.Admissions(
    authority=x509.UniformResourceIdentifier("https://a"),
    admissions=[
        x509.Admission(
            admission_authority=x509.DNSName("x"),
            naming_authority=NAMING_AUTHORITY,
            profession_infos=[
                x509.ProfessionInfo(NAMING_AUTHORITY, ["a", "b"], [x509.ObjectIdentifier("1.2.3")], "12", b"xx")
            ],
        )
    ],
).public_bytes()

READABLE = [
    ("basicConstraints", seq()),
    ("basicConstraints", seq(TRUE)),
    ("basicConstraints", seq(TRUE, number(0))),
    ("basicConstraints", seq(TRUE, number(2**64 - 1))),
    ("keyUsage", bits(b"")),
    ("keyUsage", bits(b"\0")),
    ("keyUsage", bits(b"\xa0", 5)),
    ("keyUsage", bits(b"\xa0")),
    ("keyUsage", bits(b"\x80\0\0\0")),
    ("keyUsage", bits(b"\x08\x80", 7)),
    ("extendedKeyUsage", seq(oid("1.2.3"), oid("1.2.3"))),
    ("subjectAltName", seq(DNS, IP, URI, implicit(1, b"a@b"), implicit(8, b"\x2a\3"), context(4, ROOT))),
    ("subjectAltName", seq(implicit(2, b""))),
    ("subjectAltName", seq(implicit(7, bytes(16)))),
    ("subjectAltName", seq(context(0, oid("1.2.3"), context(0, utf8("x"))))),
    ("issuerAltName", seq(DNS)),
    ("issuerAltName", seq()),
    ("subjectKeyIdentifier", octets()),
    ("authorityKeyIdentifier", seq()),
    ("authorityKeyIdentifier", seq(implicit(0, b""))),
    ("authorityKeyIdentifier", seq(implicit(0, b"x"), context(1, context(4, ROOT)), implicit(2, b"\xff"))),
    ("nameConstraints", seq(context(0, seq(DNS)), context(1, seq(context(4, ROOT))))),
    ("nameConstraints", seq(context(1, seq(implicit(7, b"\x0a\0\0\0\xff\0\0\0"))))),
    ("nameConstraints", seq(context(1, seq(implicit(7, bytes(8))), seq(implicit(7, bytes(32)))))),
    ("nameConstraints", seq(context(0, seq(DNS, implicit(0, b"\1"), implicit(1, b"\2"))))),
    ("certificatePolicies", seq()),
    ("certificatePolicies", qualified(seq(CPS, tlv(0x16, b"http://x")))),
    ("certificatePolicies", notice()),
    ("certificatePolicies", notice(seq(utf8("o"), seq(number(1), number(2**5000))), tlv(0x1A, "ü".encode()))),
    ("certificatePolicies", notice(tlv(0x1E, b"\0x"))),
    ("crlDistributionPoints", seq()),
    ("crlDistributionPoints", seq(seq(PLACE, implicit(1, b"\1\2"), context(2, context(4, ROOT))))),
    ("crlDistributionPoints", seq(seq(context(0, context(1, attribute("2.5.4.3", utf8("x"))))))),
    ("crlDistributionPoints", seq(seq(context(0, context(0, implicit(6, "ldap://ü".encode())))))),
    ("freshestCRL", seq(seq(PLACE))),
    ("policyConstraints", seq(implicit(0, b"\0"), implicit(1, b"\1"))),
    ("inhibitAnyPolicy", number(2**800)),
    ("authorityInfoAccess", seq(seq(oid("1.3.6.1.5.5.7.48.1"), URI))),
    ("authorityInfoAccess", seq()),
    ("subjectInfoAccess", seq(seq(oid("1.3.6.1.5.5.7.48.5"), context(4, ROOT)))),
    ("tlsfeature", seq(number(5), number(17))),
    ("noCheck", NULL_ELEMENT),
    ("ct_precert_poison", NULL_ELEMENT),
    ("ct_precert_scts", timestamps()),
    ("ct_precert_scts", timestamps(timestamp(), timestamp(hashed=6, signed=1, extensions=b"x"))),
    ("certificateTemplate", seq(oid("1.2.3"), number(2**32 - 1), number(0))),
    ("privateKeyUsagePeriod", seq(implicit(0, b"20200101000000Z"), implicit(1, b"20200101000000Z"))),
    ("privateKeyUsagePeriod", seq(implicit(1, b"20200101000000Z"))),
    ("admissions", ADMISSIONS),
    ("nsComment", b"\xff"),
    ("1.2.3.4", b""),
]

UNREADABLE = [
    ("basicConstraints", seq(FALSE), "default CA:FALSE written out"),
    ("basicConstraints", seq(number(0)), "has a path length, but not CA:TRUE"),
    ("basicConstraints", seq(TRUE, number(-1)), "negative"),
    ("basicConstraints", seq(TRUE, number(2**64)), "larger than 64 bits"),
    ("basicConstraints", seq(TRUE, number(1), number(1)), "followed by bytes that do not belong to it"),
    ("basicConstraints", seq(b"\x01\x01\x01"), "neither 00 nor FF"),
    ("basicConstraints", seq() + b"\0", "followed by bytes that do not belong to it"),
    ("basicConstraints", b"", "is missing"),
    ("keyUsage", tlv(3), "a BIT STRING is empty"),
    ("keyUsage", bits(b"\x81", 1), "unused bits that are not zero"),
    ("keyUsage", bits(b"\0\x80", 7), "restricts keyAgreement without having it"),
    ("keyUsage", bits(b"\1"), "restricts keyAgreement without having it"),
    ("keyUsage", bits(b"\xa0", 5) + b"\0", "the key usage is followed by"),
    ("keyUsage", octets(b"\xa0"), "the tag 04 and not 03"),
    ("extendedKeyUsage", seq(), "is empty"),
    ("extendedKeyUsage", b"TLS Web Server Authentication", "the tag 54 and not 30"),
    ("extendedKeyUsage", tlv(0x13, b"TLS Web Server Authentication"), "the tag 13 and not 30"),
    ("extendedKeyUsage", seq(utf8("serverAuth")), "the tag 0C and not 06"),
    ("extendedKeyUsage", seq(tlv(6, b"\x2a\x80\1")), "leading zeros"),
    ("subjectAltName", seq(), "a list of names is empty"),
    ("subjectAltName", b"DNS:a.example", "the tag 44 and not 30"),
    ("subjectAltName", seq(implicit(7, b"\x0a\0\0")), "an IP address has 3 bytes and not 4 or 16"),
    ("subjectAltName", seq(implicit(7, b"")), "an IP address has 0 bytes"),
    ("subjectAltName", seq(implicit(7, b"10.0.0.5")), "an IP address has 8 bytes"),
    ("subjectAltName", seq(implicit(7, b"\x0a\0\0\0\xff\0\0\0")), "an IP address has 8 bytes"),
    ("subjectAltName", seq(implicit(2, b"\xfc")), "IA5String"),
    ("subjectAltName", seq(implicit(2, "ü".encode())), "IA5String"),
    ("subjectAltName", seq(implicit(8, b"")), "cut off"),
    ("subjectAltName", seq(implicit(9, b"x")), "a name of the kind 89"),
    ("subjectAltName", seq(context(2, DNS)), "a name of the kind A2"),
    ("subjectAltName", seq(context(3)), "a name of the kind x400Address"),
    ("subjectAltName", seq(context(5, context(1, utf8("x")))), "a name of the kind ediPartyName"),
    ("subjectAltName", seq(context(4, ROOT, ROOT)), "a directory name is followed by"),
    ("subjectAltName", seq(context(0, oid("1.2.3"))), "the value of an otherName is missing"),
    ("subjectAltName", seq(context(0, oid("1.2.3"), context(0, utf8("x"), utf8("y")))), "otherName is followed by"),
    ("subjectAltName", seq(context(0, oid("1.2.3"), context(0, utf8("x")), utf8("y"))), "otherName is followed by"),
    ("subjectAltName", seq(context(0, oid("1.2.3"), context(0, seq(b"\xff")))), "the data ends within an element"),
    ("issuerAltName", seq(implicit(7, b"\1\2\3")), "an IP address has 3 bytes"),
    ("subjectKeyIdentifier", b"abc", "the tag 61 and not 04"),
    ("subjectKeyIdentifier", octets(b"x") + b"\0", "followed by"),
    ("authorityKeyIdentifier", seq(context(1, context(4, ROOT))), "only one of issuer and serial number"),
    ("authorityKeyIdentifier", seq(implicit(2, b"\1")), "only one of issuer and serial number"),
    ("authorityKeyIdentifier", seq(context(1), implicit(2, b"\1")), "a list of names is empty"),
    ("authorityKeyIdentifier", seq(implicit(0, b"x"), implicit(0, b"x")), "followed by"),
    ("nameConstraints", seq(), "the name constraints are empty"),
    ("nameConstraints", seq(context(0)), "is empty"),
    ("nameConstraints", seq(context(0, seq(implicit(2, b"*.example")))), "has a wildcard"),
    ("nameConstraints", seq(context(0, seq(IP))), "4 bytes and not 8 or 32"),
    ("nameConstraints", seq(context(0, seq(implicit(7, b"\x0a\0\0\0\xff\0\xff\0")))), "a mask that is not ones"),
    ("nameConstraints", seq(context(0, seq(implicit(7, b"\x0a\0\0\1\xff\0\0\0")))), "host bits"),
    ("nameConstraints", seq(context(0, seq(DNS, implicit(0, b"\0")))), "default minimum written out"),
    ("certificatePolicies", qualified(seq(CPS, utf8("http://x"))), "the tag 0C and not 16"),
    ("certificatePolicies", qualified(seq(CPS, tlv(0x16, b"\xfc"))), "IA5String"),
    ("certificatePolicies", qualified(seq(CPS, seq())), "the tag 30 and not 16"),
    ("certificatePolicies", qualified(seq(oid("1.2.3"), utf8("x"))), "of an unknown kind"),
    ("certificatePolicies", notice(tlv(0x13, b"x")), "a notice is not a text"),
    ("certificatePolicies", notice(seq(utf8("o"), seq(number(-1)))), "negative"),
    ("certificatePolicies", notice(seq(utf8("o"), seq(), utf8("p"))), "a notice reference is followed by"),
    ("certificatePolicies", notice(utf8("x"), utf8("y")), "a user notice is followed by"),
    ("crlDistributionPoints", seq(seq()), "neither a place nor an issuer"),
    ("crlDistributionPoints", seq(seq(implicit(1, b"\1\2"))), "neither a place nor an issuer"),
    ("crlDistributionPoints", seq(seq(context(0, context(0)))), "neither a place nor an issuer"),
    ("crlDistributionPoints", seq(seq(context(2))), "neither a place nor an issuer"),
    ("crlDistributionPoints", seq(seq(context(0))), "the data ends within an element"),
    ("crlDistributionPoints", seq(seq(context(0, context(1)))), "a relative distinguished name is empty"),
    ("crlDistributionPoints", seq(seq(context(0, context(2)))), "neither full nor relative"),
    ("crlDistributionPoints", seq(seq(PLACE, implicit(1, b"\1\3"))), "unused bits that are not zero"),
    ("freshestCRL", seq(seq()), "neither a place nor an issuer"),
    ("policyConstraints", seq(), "the policy constraints are empty"),
    ("policyConstraints", seq(implicit(1, b"\0"), implicit(0, b"\0")), "followed by"),
    ("policyConstraints", seq(implicit(0, b"\xff")), "negative"),
    ("inhibitAnyPolicy", number(-1), "negative"),
    ("authorityInfoAccess", seq(seq(oid("1.3.6.1.5.5.7.48.1"), context(3))), "a name of the kind x400Address"),
    ("authorityInfoAccess", seq(seq(oid("1.3.6.1.5.5.7.48.1"), URI, URI)), "a name is followed by"),
    ("tlsfeature", seq(), "is missing"),
    ("tlsfeature", seq(number(6)), "a TLS feature is unknown"),
    ("noCheck", tlv(5, b"x"), "a NULL is followed by"),
    ("noCheck", b"", "is missing"),
    ("ct_precert_poison", octets(), "the tag 04 and not 05"),
    ("ct_precert_scts", octets(), "a timestamp is cut off"),
    ("ct_precert_scts", octets(b"\0\5abc"), "a timestamp is cut off"),
    ("ct_precert_scts", octets(b"\0\0x"), "a list of timestamps is followed by"),
    ("ct_precert_scts", timestamps(b"\0\0"), "a timestamp is cut off or of an unknown version"),
    ("ct_precert_scts", timestamps(timestamp(version=1)), "of an unknown version"),
    ("ct_precert_scts", timestamps(timestamp(hashed=7)), "has an unknown signature"),
    ("ct_precert_scts", timestamps(timestamp(hashed=0)), "has an unknown signature"),
    ("ct_precert_scts", timestamps(timestamp(signed=4)), "has an unknown signature"),
    ("ct_precert_scts", timestamps(timestamp(tail=b"x")), "a timestamp is followed by"),
    ("certificateTemplate", seq(oid("1.2.3"), number(2**32)), "larger than 32 bits"),
    ("certificateTemplate", seq(number(1)), "the tag 02 and not 06"),
    ("privateKeyUsagePeriod", seq(), "is empty"),
    ("privateKeyUsagePeriod", seq(implicit(0, b"2020")), "not written as"),
    (
        "privateKeyUsagePeriod",
        seq(implicit(0, b"20210101000000Z"), implicit(1, b"20200101000000Z")),
        "before it begins",
    ),
    ("admissions", seq(), "is missing"),
    ("admissions", seq(seq(seq(context(1, seq(), NULL_ELEMENT), seq()))), "a naming authority is followed by"),
    ("admissions", seq(seq(seq(context(1, seq(utf8("x"), utf8("y"))), seq()))), "a naming authority is followed by"),
    ("admissions", ADMISSIONS + NULL_ELEMENT, "the admissions is followed by"),
    ("admissions", seq(seq(seq(seq(seq(tlv(0x13, b"x")))))), "the tag 13 and not 30"),
]
