"""Distinguished names and general names in certificates, and how to print names that may be hostile."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.names.general import GeneralName
from opensslgen.patterns import pattern
from opensslgen.text import visible

from .ber import read_tolerantly
from .der import (
    ASN1CRYPTO,
    BIT_STRING,
    CRYPTOGRAPHY,
    GENERALIZED_TIME,
    GO,
    IA5_STRING,
    JAVA,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    UTC_TIME,
    UTF8_STRING,
    VISIBLE_STRING,
    DecodeError,
    bit_string,
    deviate,
    element,
    finish,
    header,
    is_tolerant,
    object_identifier,
    read_at,
    text,
    well_formed,
)

if TYPE_CHECKING:
    from opensslgen.names.subject import Subject

# openssl's short names, because users know them.
_SHORT_NAMES = {
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
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL",
    "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST",
    "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
}
_UNIQUE_IDENTIFIER = "2.5.4.45"
_SPECIAL = pattern(r'[\\,+"]')
_CACHED_SIZE = 1024
"""In bytes; longer names rarely occur twice, and would fill the memory."""


class Name(NamedTuple):
    """A distinguished name (RFC 5280 section 4.1.2.4); two names are equal only if their encodings are also equal."""

    attributes: tuple[tuple[str, str], ...]
    """Pairs such as ("CN", "pbx.example.com") in the order written; openssl's short names or dotted OIDs."""
    der: bytes = b""
    """Empty in a name that was not decoded."""

    @property
    def common_name(self) -> str | None:
        """The last common name, which is the most specific one, or None."""
        for kind, value in reversed(self.attributes):
            if kind == "CN":
                return value
        return None

    def __bool__(self) -> bool:
        return bool(self.attributes)

    def __str__(self) -> str:
        return visible(", ".join(f"{kind}={_SPECIAL.sub(_escaped, value)}" for kind, value in self.attributes))


def joined(name: Name) -> frozenset[int]:
    """Return the positions of attributes that stand in one relative distinguished name with the one before them."""
    found: set[int] = set()
    if name.der:
        at, end = element(name.der, 0, len(name.der), SEQUENCE, "a name")
        position = 0
        while at < end:
            start, at = element(name.der, at, end, SET, "a relative distinguished name")
            size = len(relative_name(name.der, start, at))
            found.update(range(position + 1, position + size))
            position += size
    return frozenset(found)


def same_name(one: Name | Subject, other: Name | Subject) -> bool:
    """Tell whether two names count as the same when a chain is built.

    The comparison is openssl's, a part of RFC 5280 section 7.1: it ignores the type of a string, the case of ASCII
    letters, and the number of blanks; "ß" is not "ss", and "Ü" is not "ü".
    """
    return one.attributes == other.attributes or canonical(one) == canonical(other)


def canonical(name: Name | Subject) -> tuple[tuple[str, str], ...]:
    """Return a form of the name that is equal for all names that count as the same."""
    return tuple([(kind, _BLANKS.sub(" ", value.strip(_BLANK)).translate(_LOWER)) for kind, value in name.attributes])


_BLANK = " \t\n\v\f\r"
_BLANKS = pattern(f"[{_BLANK}]+")
_LOWER = {letter: letter + 32 for letter in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def relative_names(der: bytes) -> RelativeNames:
    """Return the parts of a name that was decoded, each in a form that is equal for all that count as the same."""
    return read_tolerantly(_relative_names, der)[0]


RelativeNames = tuple[tuple[tuple[str, str], ...], ...]
"""For each relative distinguished name its attributes, usually one, in a fixed order."""


def _relative_names(der: bytes) -> RelativeNames:
    at, end = 0, len(der)
    found = []
    if der:
        at, _ = element(der, at, end, SEQUENCE, "a name")
    while at < end:
        start, at = element(der, at, end, SET, "a relative distinguished name")
        found.append(tuple(sorted(canonical(Name(relative_name(der, start, at))))))
    return tuple(found)


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def read_name(data: bytes, at: int, end: int, what: str) -> tuple[Name, int]:
    """Return the name at `at` and the offset after it; raises DecodeError."""
    _, stop = element(data, at, end, SEQUENCE, what)
    encoding = data[at:stop]
    return read_at(at, _cached_name if len(encoding) <= _CACHED_SIZE else _name, encoding), stop


def _name(der: bytes) -> Name:
    end = len(der)
    at, _ = element(der, 0, end, SEQUENCE, "a name")
    attributes: list[tuple[str, str]] = []
    while at < end:
        start, at = element(der, at, end, SET, "a relative distinguished name")
        attributes += relative_name(der, start, at)
    return Name(tuple(attributes), der)


_cached_name = lru_cache(maxsize=256)(_name)


def relative_name(data: bytes, start: int, stop: int) -> tuple[tuple[str, str], ...]:
    """Return the attributes, usually one, of a relative distinguished name; raises DecodeError."""
    content = data[start:stop]
    return read_at(start, _cached_attributes if len(content) <= _CACHED_SIZE else _attributes, content)


def _attributes(data: bytes) -> tuple[tuple[str, str], ...]:
    """Return the attributes: at least one, sorted as DER requires in a SET (X.690 section 11.6), without duplicates."""
    found: list[tuple[str, str]] = []
    at, end, before = 0, len(data), b""
    if not data:
        deviate("a relative distinguished name is empty", 0, CRYPTOGRAPHY)
    while at < end:
        start, stop = element(data, at, end, SEQUENCE, "an attribute of a name")
        encoding = data[at:stop]
        if encoding < before:
            deviate("the attributes of a relative distinguished name are not in order", at, CRYPTOGRAPHY)
        before = encoding
        first, last = element(data, start, stop, OBJECT_IDENTIFIER, "the type of an attribute")
        kind = object_identifier(data, first, last)
        tag, first, last = header(data, last, stop)
        finish(last, stop, "an attribute's value")
        found.append((_SHORT_NAMES.get(kind, kind), _attribute_value(data, kind, tag, first, last)))
        at = stop
    if len(set(found)) < len(found):
        deviate("a relative distinguished name has an attribute twice", 0, CRYPTOGRAPHY)
    return tuple(found)


_cached_attributes = lru_cache(maxsize=512)(_attributes)


_RARE_TEXTS = (OCTET_STRING, UTC_TIME, GENERALIZED_TIME, VISIBLE_STRING)
"""Used by dateOfBirth and a few other attributes."""


def _attribute_value(data: bytes, kind: str, tag: int, start: int, stop: int) -> str:
    if tag == BIT_STRING and kind == _UNIQUE_IDENTIFIER:
        bit_string(data, start, stop)
        return data[start:stop].hex()
    if tag in _RARE_TEXTS and is_tolerant():
        # OpenSSL does not read them, and cryptography does not read them if anything else is not DER.
        raise DecodeError(f"a value with the tag {tag:02X} is not a text", start)
    if tag in (OCTET_STRING, UTC_TIME, GENERALIZED_TIME):
        tag = UTF8_STRING
    return text(data, tag, start, stop)


_KINDS = {
    0xA0: "otherName",
    0x81: "email",
    0x82: "DNS",
    0xA4: "dirName",
    0x86: "URI",
    0x87: "IP",
    0x88: "RID",
}
_UNUSED_KINDS = {0x83: "x400Address", 0xA3: "x400Address", 0xA5: "ediPartyName"}
_IPV4_MAPPED = bytes(10) + b"\xff\xff"
_TEXTS = frozenset({"email", "DNS", "URI"})


def general_names(data: bytes, start: int, stop: int) -> tuple[GeneralName, ...]:
    """Return the names in a GeneralNames (RFC 5280 section 4.2.1.6): at least one."""
    if start == stop:
        deviate("a list of names is empty", start, JAVA)
    names = []
    while start < stop:
        name, start = general_name(data, start, stop)
        names.append(name)
    return tuple(names)


def general_name(
    data: bytes, at: int, end: int, *, address_sizes: tuple[int, int] = (4, 16), strict: bool = True
) -> tuple[GeneralName, int]:
    """Return the general name at `at` and the offset after it.

    `address_sizes` are the sizes in bytes of an IPv4 and an IPv6 address or network. Without `strict`, UTF-8 is
    accepted instead of ASCII, because the URLs of some CRLs contain it.
    """
    tag, start, stop = header(data, at, end)
    kind = _KINDS.get(tag)
    if kind is None:
        if tag not in _UNUSED_KINDS:
            raise DecodeError(f"a name of the kind {tag:02X} cannot be read", at)
        deviate(f"a name of the kind {_UNUSED_KINDS[tag]}, which nobody uses", at, CRYPTOGRAPHY, ASN1CRYPTO)
        return GeneralName(_UNUSED_KINDS[tag], data[start:stop].hex()), stop
    if kind in _TEXTS:
        value = text(data, IA5_STRING if strict else UTF8_STRING, start, stop)
    elif kind == "IP":
        value = _address(data, start, stop, address_sizes)
    elif kind == "dirName":
        name, last = read_name(data, start, stop, "a directory name")
        finish(last, stop, "a directory name")
        return GeneralName(kind, str(name), name.der), stop
    elif kind == "RID":
        value = object_identifier(data, start, stop)
    else:
        value = _other_name(data, start, stop)
    return GeneralName(kind, value), stop


def _address(data: bytes, start: int, stop: int, sizes: tuple[int, int]) -> str:
    content = data[start:stop]
    if len(content) not in sizes:
        raise DecodeError(f"an IP address has {len(content)} bytes and not {sizes[0]} or {sizes[1]}", start)
    if len(content) == 4:
        return ".".join(map(str, content))
    if len(content) == 16 and content.startswith(_IPV4_MAPPED):
        # RFC 5952 section 5; Python before 3.13 writes these addresses differently.
        return "::ffff:" + ".".join(map(str, content[12:]))
    import ipaddress  # imported here because most certificates have no IPv6 address

    if len(content) == 16:
        return str(ipaddress.IPv6Address(content))
    half = len(content) // 2
    mask = int.from_bytes(content[half:], "big")
    hosts = (1 << 8 * half) - 1 - mask
    # A mask is ones followed by zeros; where it is zero, the network's address must also be zero.
    if hosts & (hosts + 1) or int.from_bytes(content[:half], "big") & hosts:
        if hosts & (hosts + 1):
            what = "an IP network has a mask that is not ones followed by zeros"
            deviate(what, start, CRYPTOGRAPHY, GO, grave=True)
            return "/".join(str(ipaddress.ip_address(part)) for part in (content[:half], content[half:]))
        deviate("an IP network has host bits", start, CRYPTOGRAPHY)
        kept = int.from_bytes(content[:half], "big") & mask
        content = kept.to_bytes(half, "big") + content[half:]
    return f"{ipaddress.ip_address(content[:half])}/{mask.bit_count()}"


def _other_name(data: bytes, start: int, stop: int) -> str:
    first, last = element(data, start, stop, OBJECT_IDENTIFIER, "the type of an otherName")
    object_identifier(data, first, last)
    first, last = element(data, last, stop, 0xA0, "the value of an otherName")
    finish(last, stop, "the value of an otherName")
    _, _, value_stop = header(data, first, last)
    finish(value_stop, last, "the value of an otherName")
    well_formed(data, first, last)
    return data[start:stop].hex()
