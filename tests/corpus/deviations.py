"""What is not DER and has one meaning only: a warning, or an error where no client can use it."""

from __future__ import annotations

from .der import (
    BOOLEAN,
    INTEGER,
    NULL,
    OCTETS,
    OIDS,
    PRINTABLE,
    T61,
    UTF8,
    bits,
    dns,
    integer,
    name,
    oid,
    seq,
    spki,
    tlv,
)
from .writing import GOOD, LEAF_KEY, PBX, add, leaf

FALSE = tlv(BOOLEAN, b"\0")
PATH_LENGTH = seq(integer(0))


def plain(identifier, value, *flags):
    """Write an extension with flags as they are given."""
    return seq(oid(OIDS.get(identifier, identifier)), *flags, tlv(OCTETS, value))


def attribute(kind, value, tag=UTF8):
    return seq(oid(kind), tlv(tag, value))


def deviations():
    """Add a file that has a warning in apple, and one that has an error in strict, of each kind."""

    def noted(stem, why, der, *findings):
        add(f"der-{stem}", why, der, *findings, "not-der")
        if not findings:
            add(f"der-{stem}-strict", why, der, "strict-der", profile="strict")

    def refused_by_clients(stem, why, der, *findings):
        add(f"der-{stem}", why, der, *findings)

    mixed = tlv(0x31, attribute("2.5.4.3", PBX.encode()), attribute("2.5.4.10", b"Example"))
    unsorted = leaf(subject=seq(mixed))
    noted("set-unsorted", "a set that is not sorted", unsorted)
    noted("ca-false", "CA:FALSE written out", leaf(extra=[plain("BC", seq(FALSE), tlv(BOOLEAN, b"\xff"))]))
    noted("critical-false", "a criticality of FALSE written out", leaf(extra=[plain("nsComment", b"\x16\0", FALSE)]))
    noted("boolean", "TRUE that is not FF", leaf(extra=[plain("BC", seq(), tlv(BOOLEAN, b"\1"))]))
    for stem, sign in (("star", "*"), ("at", "@"), ("ampersand", "&"), ("underscore", "_")):
        subject = name(("O", f"a{sign}b"), ("CN", PBX), tag=PRINTABLE)
        noted(f"printable-{stem}", f"{sign} in a PrintableString", leaf(subject=subject))
    noted("t61-latin-1", "Latin-1 in a T61String", leaf(subject=name(("O", "Müller"), ("CN", PBX), tag=T61)))
    noted(
        "name-empty-set",
        "a part of a name without attribute",
        leaf(subject=seq(tlv(0x31), tlv(0x31, attribute("2.5.4.3", PBX.encode())))),
    )
    size = len(GOOD) - 4
    noted("long-length", "a length with a leading zero", b"\x30\x83\0" + size.to_bytes(2, "big") + GOOD[4:])
    noted("long-serial", "an integer with a leading zero", leaf(serial=tlv(INTEGER, b"\0" + b"\x4f" * 16)))
    noted("key-usage-bits", "unused bits that are not zero", leaf(extra=[plain("KU", bits(b"\x81", 1))]))
    noted("encipher-only", "encipherOnly without keyAgreement", leaf(extra=[plain("KU", bits(b"\x81"))]))
    issuer = seq(tlv(0x80, b"\1" * 20), tlv(0xA1, tlv(0xA4, name(("CN", "above")))))
    noted("aki-without-serial", "an authority key identifier with an issuer only", leaf(extra=[plain("AKI", issuer)]))
    noted("path-length-on-leaf", "a path length below what is no authority", leaf(extra=[plain("BC", PATH_LENGTH)]))
    noted("null-with-ecdsa", "NULL with ECDSA", leaf(algorithm=seq(oid("1.2.840.10045.4.3.2"), tlv(NULL))))
    noted(
        "rare-unreadable",
        "an extension that cannot be read, and is not critical",
        leaf(extra=[plain("1.3.6.1.5.5.7.1.24", b"\xff")]),
    )
    noted("time-without-seconds", "a time without seconds", leaf(begins=tlv(0x17, b"2601010000Z")))
    noted("time-offset", "a time with an offset", leaf(begins=tlv(0x17, b"260101000000+0100")))
    name_in_utf_8 = leaf(names=(dns("bücher.example.com"),))
    noted("san-utf-8", "UTF-8 where ASCII belongs", name_in_utf_8, "apple-san", "dns-malformed", "cn-not-in-san")
    noted("extensions-empty", "an empty list of extensions", leaf(extensions=[]), "apple-san", "apple-eku")
    noted("eku-empty", "a list of no usages", leaf(extra=[plain("EKU", seq())]), "apple-eku")
    noted(
        "version-1",
        "version 1 written out",
        leaf(version=1, is_version_written=True, without_extensions=True),
        "apple-san",
        "apple-eku",
    )
    noted("version-2", "version 2", leaf(version=2, without_extensions=True), "apple-san", "apple-eku")

    refused_by_clients("version-1-with-extensions", "version 1 has no extensions", leaf(version=1), "malformed")
    refused_by_clients("version-4", "there is no version 4", leaf(version=4), "malformed")
    mixed = GOOD.replace(oid("1.2.840.10045.4.3.2"), oid("1.2.840.10045.4.3.4"), 1)
    refused_by_clients("two-algorithms", "what is signed names another algorithm", mixed, "malformed")
    off = spki(LEAF_KEY)[:-1] + bytes((spki(LEAF_KEY)[-1] ^ 1,))
    refused_by_clients("key-off-curve", "a key that is no point of its curve", leaf(public_key=off), "malformed")
    trailing = seq(oid("1.3.6.1.5.5.7.3.1")) + seq(oid("1.3.6.1.5.5.7.3.2"))
    refused_by_clients("eku-trailing", "bytes after the list", leaf(extra=[plain("EKU", trailing)]), "malformed")
    critical = plain("2.5.29.36", b"\xff", tlv(BOOLEAN, b"\xff"))
    refused_by_clients(
        "critical-unreadable", "a critical extension that cannot be read", leaf(extra=[critical]), "malformed"
    )
