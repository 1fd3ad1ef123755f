"""Check the form of rare extensions; most of their values are not kept.

An extension that cryptography cannot read is an error here as well: others would reject a certificate with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.names.constraints import NameConstraints
from opensslgen.names.general import GeneralName

from .der import (
    BMP_STRING,
    CRYPTOGRAPHY,
    GO,
    IA5_STRING,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    PRINTABLE_STRING,
    SEQUENCE,
    UTF8_STRING,
    VISIBLE_STRING,
    DecodeError,
    anything,
    big_natural,
    bit_string,
    deviate,
    each,
    element,
    fields,
    finish,
    generalized_time,
    header,
    inside,
    list_of,
    members,
    natural,
    object_identifier,
    sequence,
    string,
    structure,
    text,
)
from .names import general_name, relative_name

if TYPE_CHECKING:
    from .der import Content


def _name(data: bytes, start: int, stop: int) -> None:
    finish(general_name(data, start, stop, strict=False)[1], stop, "a name")


def _names(data: bytes, at: int, end: int) -> list[GeneralName]:
    """Return the names; the list may be empty: cryptography requires a name only in CRL distribution points."""
    names = []
    while at < end:
        name, at = general_name(data, at, end, strict=False)
        names.append(name)
    return names


def _name_constraints(data: bytes, at: int, end: int) -> NameConstraints:
    permitted, excluded = sequence(data, at, end, (0xA0, _subtrees, True), (0xA1, _subtrees, True))
    if permitted is None and excluded is None:
        deviate("the name constraints are empty", at, CRYPTOGRAPHY, GO)
    return NameConstraints(tuple(permitted or ()), tuple(excluded or ()))


def _subtrees(data: bytes, start: int, stop: int) -> list[GeneralName]:
    if start == stop:
        deviate("a list of name constraints is empty", start, CRYPTOGRAPHY)
    return each(data, start, stop, SEQUENCE, _subtree)


def _subtree(data: bytes, start: int, stop: int) -> GeneralName:
    name, at = general_name(data, start, stop, address_sizes=(8, 32), strict=False)
    minimum, _ = fields(data, at, stop, (0x80, natural, True), (0x81, natural, True))
    if minimum == 0:
        deviate("a name constraint has its default minimum written out", at, CRYPTOGRAPHY)
    if name.kind == "DNS" and "*" in name.value:
        deviate("a name constraint has a wildcard, which no client understands", start, CRYPTOGRAPHY, grave=True)
    return name


def _distribution_points(data: bytes, at: int, end: int) -> tuple[str, ...]:
    """Return the URIs of CRLs (RFC 5280 section 4.2.1.13)."""
    return tuple(uri for uris in list_of(data, at, end, SEQUENCE, _distribution_point) for uri in uris)


def _distribution_point(data: bytes, start: int, stop: int) -> list[str]:
    where, _, issuer = fields(
        data, start, stop, (0xA0, _distribution_point_name, True), (0x81, bit_string, True), (0xA2, _names, True)
    )
    if not where and not issuer:
        deviate("a distribution point names neither a place nor an issuer", start, CRYPTOGRAPHY)
    return [name.value for name in where or () if name.kind == "URI"]


def _distribution_point_name(data: bytes, start: int, stop: int) -> list[GeneralName]:
    tag, first, last = header(data, start, stop)
    finish(last, stop, "the name of a distribution point")
    if tag == 0xA0:
        return _names(data, first, last)
    if tag != 0xA1:
        raise DecodeError("the name of a distribution point is neither full nor relative", start)
    relative_name(data, first, last)
    # Relative to the issuer's name, so it is not a URI.
    return [GeneralName("dirName", "")]


def _qualifier(data: bytes, start: int, stop: int) -> None:
    first, last = element(data, start, stop, OBJECT_IDENTIFIER, "the kind of a policy qualifier")
    kind = object_identifier(data, first, last)
    if kind == "1.3.6.1.5.5.7.2.1":
        fields(data, last, stop, (IA5_STRING, string(IA5_STRING), False))
    elif kind == "1.3.6.1.5.5.7.2.2":
        first, last = element(data, last, stop, SEQUENCE, "a user notice")
        finish(last, stop, "a user notice")
        _user_notice(data, first, last)
    else:
        header(data, last, stop)
        deviate("a policy qualifier of an unknown kind", start, CRYPTOGRAPHY)


def _user_notice(data: bytes, at: int, end: int) -> None:
    if at < end and data[at] == SEQUENCE:
        start, at = element(data, at, end, SEQUENCE, "a notice reference")
        first = _display_text(data, start, at)
        start, last = element(data, first, at, SEQUENCE, "the numbers of a notice")
        finish(last, at, "a notice reference")
        each(data, start, last, INTEGER, big_natural)
    if at < end:
        at = _display_text(data, at, end)
    finish(at, end, "a user notice")


def _display_text(data: bytes, at: int, end: int) -> int:
    tag, start, stop = header(data, at, end)
    if tag not in (IA5_STRING, UTF8_STRING, VISIBLE_STRING, BMP_STRING):
        raise DecodeError("a notice is not a text", at)
    # Some certificates have notices with UTF-8 in a VisibleString.
    text(data, UTF8_STRING if tag == VISIBLE_STRING else tag, start, stop)
    return stop


_policy = structure((OBJECT_IDENTIFIER, object_identifier, False), (SEQUENCE, members(SEQUENCE, _qualifier), True))


def _policy_constraints(data: bytes, at: int, end: int) -> None:
    if sequence(data, at, end, (0x80, natural, True), (0x81, natural, True)) == [None, None]:
        raise DecodeError("the policy constraints are empty", at)


def _access_description(data: bytes, start: int, stop: int) -> None:
    first, last = element(data, start, stop, OBJECT_IDENTIFIER, "the method of an access")
    object_identifier(data, first, last)
    _name(data, last, stop)


def _tls_features(data: bytes, at: int, end: int) -> None:
    # Only these two exist (RFC 7633 section 6), and cryptography reads no others.
    if not set(list_of(data, at, end, INTEGER, natural, least=1)) <= {5, 17}:
        raise DecodeError("a TLS feature is unknown", at)


def _empty(_data: bytes, start: int, stop: int) -> None:
    finish(start, stop, "a NULL")


def _timestamps(data: bytes, at: int, end: int) -> None:
    """Read a list of signed certificate timestamps (RFC 6962 section 3.3), which has the encoding of TLS, not DER."""
    at, stop = element(data, at, end, OCTET_STRING, "a list of timestamps")
    finish(stop, end, "a list of timestamps")
    at, end = _vector(data, at, stop)
    finish(end, stop, "a list of timestamps")
    while at < end:
        # A version, a log's identifier, a time, extensions, a hash, a kind of signature, a signature.
        start, at = _vector(data, at, end)
        if at - start < 41 or data[start] != 0:
            raise DecodeError("a timestamp is cut off or of an unknown version", start)
        position = _vector(data, start + 41, at)[1]
        if position + 2 > at or not 1 <= data[position] <= 6 or not 1 <= data[position + 1] <= 3:
            raise DecodeError("a timestamp is cut off or has an unknown signature", start)
        finish(_vector(data, position + 2, at)[1], at, "a timestamp")


def _vector(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return start and stop of the content after a length of two bytes."""
    start = at + 2
    stop = start + int.from_bytes(data[at:start], "big")
    if start > end or stop > end:
        raise DecodeError("a timestamp is cut off", at)
    return start, stop


def _short(data: bytes, start: int, stop: int) -> int:
    return natural(data, start, stop, bits=32)


def _private_key_usage_period(data: bytes, at: int, end: int) -> None:
    begins, ends = sequence(data, at, end, (0x80, generalized_time, True), (0x81, generalized_time, True))
    if not begins and not ends:
        raise DecodeError("the private key usage period is empty", at)
    if begins and ends and begins > ends:
        raise DecodeError("the private key usage period ends before it begins", at)


def _admissions(data: bytes, at: int, end: int) -> None:
    """Read the professions of a person (Common PKI 2.0 part 1 section 3.4), as cryptography 45 and later do."""
    start, stop = element(data, at, end, SEQUENCE, "the admissions")
    finish(stop, end, "the admissions")
    if start < stop and data[start] != SEQUENCE:
        _, start = general_name(data, start, stop)
    fields(data, start, stop, (SEQUENCE, members(SEQUENCE, _admission), False))


def _naming_authority(data: bytes, at: int, end: int) -> None:
    start, stop = element(data, at, end, SEQUENCE, "a naming authority")
    finish(stop, end, "a naming authority")
    for tag, content in ((OBJECT_IDENTIFIER, object_identifier), (IA5_STRING, string(IA5_STRING))):
        if start < stop and data[start] == tag:
            first, start = element(data, start, stop, tag, "a naming authority")
            content(data, first, start)
    if start < stop:
        start = _display_text(data, start, stop)
    finish(start, stop, "a naming authority")


def _profession_items(data: bytes, start: int, stop: int) -> None:
    while start < stop:
        start = _display_text(data, start, stop)


_profession = structure(
    (0xA0, _naming_authority, True),
    (SEQUENCE, _profession_items, False),
    (SEQUENCE, members(OBJECT_IDENTIFIER, object_identifier), True),
    (PRINTABLE_STRING, string(PRINTABLE_STRING), True),
    (OCTET_STRING, anything, True),
)
_admission = structure(
    (0xA0, _name, True), (0xA1, _naming_authority, True), (SEQUENCE, members(SEQUENCE, _profession), False)
)
_access = inside("a list", members(SEQUENCE, _access_description))
_null = structure((NULL, _empty, False))
_template = structure((OBJECT_IDENTIFIER, object_identifier, False), (INTEGER, _short, True), (INTEGER, _short, True))

CHECKS: dict[str, Content] = {
    "issuerAltName": inside("a list of names", _names),
    "nameConstraints": _name_constraints,
    "crlDistributionPoints": _distribution_points,
    "freshestCRL": _distribution_points,
    "certificatePolicies": inside("a list", members(SEQUENCE, _policy)),
    "policyConstraints": _policy_constraints,
    "inhibitAnyPolicy": structure((INTEGER, big_natural, False)),
    "authorityInfoAccess": _access,
    "subjectInfoAccess": _access,
    "tlsfeature": _tls_features,
    "noCheck": _null,
    "ct_precert_poison": _null,
    "ct_precert_scts": _timestamps,
    "certificateTemplate": inside("a structure", _template),
    "privateKeyUsagePeriod": _private_key_usage_period,
    "admissions": _admissions,
}
"""By the extension's short name; each function reads the bytes between two offsets, or raises DecodeError."""
