"""A reader of DER (X.690 section 10): strict, or tolerant of deviations that have a single meaning.

It works on offsets into one `bytes`, because an object for each element would be slow. A function takes the offset
where an element begins and the offset where its container ends, and returns the offset after the element.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Content = Callable[[bytes, int, int], object]
    """Reads the bytes between two offsets, and raises DecodeError if it cannot."""

T = TypeVar("T")

CRYPTOGRAPHY, GO, ASN1CRYPTO, JAVA, GNUTLS, OPENSSL = "cryptography", "Go", "asn1crypto", "Java", "GnuTLS", "OpenSSL"
"""Programs that reject what others read; tests.readers measures this."""

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OBJECT_IDENTIFIER = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ENUMERATED, SEQUENCE, SET = 0x0A, 0x30, 0x31
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING, VISIBLE_STRING = 0x0C, 0x13, 0x14, 0x16, 0x1A
NUMERIC_STRING, UNIVERSAL_STRING, BMP_STRING = 0x12, 0x1C, 0x1E

_PRINTABLE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?"
_LONGEST_IDENTIFIER = 63  # bytes; cryptography rejects longer ones
_CONSTRUCTED = 0x20
# EXTERNAL, EMBEDDED PDV, SEQUENCE and SET; in DER a string must not consist of pieces (X.690 section 10.2).
_CONSTRUCTED_UNIVERSALS = frozenset({0x28, 0x2B, SEQUENCE, SET})
_Z = ord("Z")
_ZERO = 48 * 11  # for the digits "00": ten times the first code plus the second


class DecodeError(UnreadableError):
    """The bytes are not DER, or not the expected structure; the message names the error and the byte."""

    def __init__(self, what: str, offset: int | None = None, *, line: int | None = None) -> None:
        """Take the error, its offset in bytes from the start of the DER, and the line in a PEM file."""
        super().__init__(what if offset is None else f"{what} at byte {offset}", line=line)
        self.what = what
        self.offset = offset

    def moved(self, by: int) -> DecodeError:
        """Return the same error with its offset increased by `by`."""
        return DecodeError(self.what, None if self.offset is None else self.offset + by, line=self.line)

    def in_line(self, line: int) -> DecodeError:
        """Return the same error for a PEM block that begins in this line."""
        return DecodeError(self.what, self.offset, line=line)


class Deviation(NamedTuple):
    """An encoding that is not DER, or breaks a rule of form, but has a single meaning."""

    what: str
    offset: int
    """In bytes from the start of the input."""
    rejected_by: tuple[str, ...] = ()
    """The programs that reject it, as tests.readers measures."""
    is_grave: bool = False
    """Whether clients cannot rely on a certificate with it, even if some programs print it."""

    def __str__(self) -> str:
        return f"{self.what} at byte {self.offset}"


_deviations: ContextVar[list[Deviation] | None] = ContextVar("deviations", default=None)
"""The list that receives deviations; None while the reader is strict."""


@contextmanager
def tolerance() -> Iterator[list[Deviation]]:
    """Make the reader tolerant inside the `with` block, and return the list that receives each deviation."""
    found: list[Deviation] = []
    token = _deviations.set(found)
    try:
        yield found
    finally:
        _deviations.reset(token)


def encoded(tag: int, *parts: bytes) -> bytes:
    """Return an element in DER, whose content are these parts."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def deviate(what: str, offset: int, *rejected_by: str, grave: bool = False) -> None:
    """Record a deviation and the programs that reject it; raises DecodeError if the reader is strict."""
    found = _deviations.get()
    if found is None:
        raise DecodeError(what, offset)
    found.append(Deviation(what, offset, rejected_by, grave))


def is_tolerant() -> bool:
    """Tell whether deviations are accepted."""
    return _deviations.get() is not None


def read_at(at: int, read: Callable[[bytes], T], data: bytes) -> T:
    """Return what a function reads from the bytes that begin at `at` in the input.

    Offsets of its errors and deviations count from the start of the input. A tolerant reader does not use the
    function's cache, because a cached result would not report its deviations.
    """
    found = _deviations.get()
    try:
        if found is None:
            return read(data)
        before = len(found)
        answer: T = getattr(read, "__wrapped__", read)(data)
        found[before:] = [each._replace(offset=each.offset + at) for each in found[before:]]
    except DecodeError as error:
        raise error.moved(at) from None
    return answer


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and stop of the element at `at` (X.690 sections 8.1 and 10.1).

    The tag is the identifier octet; a high tag number is in the bits above it.
    """
    start = at + 2
    if start > end:
        raise DecodeError("the data ends within an element", at)
    tag = data[at]
    if tag & 0x1F == 0x1F:
        tag, start = _high_tag(data, at, end)
    length = data[start - 1]
    if length >= 0x80:
        length, start = _long_length(data, start, end)
    stop = start + length
    if stop > end:
        raise DecodeError("an element is longer than what contains it", at)
    return tag, start, stop


def _high_tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    number, position = 0, at + 1
    while True:
        # Four bytes are far more than any standard needs.
        if position >= end or position > at + 4:
            raise DecodeError("a tag number is cut off or too large", at)
        byte = data[position]
        if number == 0 and byte == 0x80:
            raise DecodeError("a tag number has leading zeros", at)
        number = number << 7 | byte & 0x7F
        position += 1
        if byte < 0x80:
            break
    if number < 0x1F:
        raise DecodeError("a tag number is not in its short form", at)
    if position >= end:
        raise DecodeError("the data ends within an element", at)
    return number << 8 | data[at], position + 1


def _long_length(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return a length whose first byte is 0x80 or more, and the offset after it."""
    size = data[start - 1] & 0x7F
    if size == 0:
        raise DecodeError("an indefinite length", start - 1)
    if size > 4:
        raise DecodeError("a length of more than four bytes", start - 1)
    if start + size > end:
        raise DecodeError("the data ends within a length", start - 1)
    length = int.from_bytes(data[start : start + size], "big")
    if length < 0x80 or length >> (8 * size - 8) == 0:
        deviate("a length is not in its shortest form", start - 1, CRYPTOGRAPHY, GO)
    return length, start + size


def element(data: bytes, at: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Return start and stop of the element at `at`, which must have this tag; `what` names it in errors."""
    start = at + 2
    if start <= end and data[at] == tag:
        length = data[at + 1]
        if length >= 0x80:
            length, start = _long_length(data, start, end)
        stop = start + length
        if stop <= end:
            return start, stop
        raise DecodeError(f"{what} is longer than what contains it", at)
    if at >= end:
        raise DecodeError(f"{what} is missing", at)
    if data[at] != tag:
        raise DecodeError(f"{what} has the tag {data[at]:02X} and not {tag:02X}", at)
    raise DecodeError(f"the data ends within {what}", at)


def is_der(data: bytes) -> bool:
    """Tell whether a file looks like DER: a SEQUENCE of 128 bytes or more; a text has no such second byte."""
    return data[:1] == b"\x30" and data[1:2] >= b"\x80"


def whole(data: bytes, tag: int, what: str) -> tuple[int, int]:
    """Return start and stop of the only element in the data."""
    start, stop = element(data, 0, len(data), tag, what)
    finish(stop, len(data), what)
    return start, stop


def end_of_value(at: int, end: int, what: str) -> None:
    """Record bytes after the value of an extension; some programs ignore them."""
    if at != end:
        deviate(f"{what} is followed by bytes that do not belong to it", at, CRYPTOGRAPHY, JAVA, GNUTLS, grave=True)


def finish(at: int, end: int, what: str) -> None:
    """Raise DecodeError unless a container was read to its end."""
    if at != end:
        raise DecodeError(f"{what} is followed by bytes that do not belong to it", at)


def anything(data: bytes, start: int, stop: int) -> bytes:
    """Return the content of an element as it is."""
    return data[start:stop]


def fields(data: bytes, at: int, end: int, *kinds: tuple[int, Content, bool]) -> list[Any]:
    """Return the content of each element between two offsets; `kinds`: tag, reader, and whether it may be missing."""
    found: list[Any] = []
    for tag, content, optional in kinds:
        if optional and (at == end or data[at] != tag):
            found.append(None)
            continue
        start, at = element(data, at, end, tag, "a part of a structure")
        found.append(content(data, start, at))
    finish(at, end, "a structure")
    return found


def each(data: bytes, at: int, end: int, tag: int, content: Content, *, least: int = 0) -> list[Any]:
    """Return the content of each element between two offsets; all have one tag, and there are at least `least`."""
    found: list[Any] = []
    while at < end or len(found) < least:
        start, at = element(data, at, end, tag, "a member of a list")
        found.append(content(data, start, at))
    return found


def sequence(data: bytes, at: int, end: int, *kinds: tuple[int, Content, bool]) -> list[Any]:
    """Return the `fields` of the only SEQUENCE between two offsets."""
    start, stop = element(data, at, end, SEQUENCE, "a structure")
    finish(stop, end, "a structure")
    return fields(data, start, stop, *kinds)


def list_of(data: bytes, at: int, end: int, tag: int, content: Content, *, least: int = 0) -> list[Any]:
    """Return the members of the only SEQUENCE between two offsets."""
    start, stop = element(data, at, end, SEQUENCE, "a list")
    finish(stop, end, "a list")
    return each(data, start, stop, tag, content, least=least)


def inside(what: str, content: Content) -> Content:
    """Return a reader of the only SEQUENCE between two offsets, whose content is read by another one."""

    def read(data: bytes, at: int, end: int) -> object:
        start, stop = element(data, at, end, SEQUENCE, what)
        finish(stop, end, what)
        return content(data, start, stop)

    return read


def structure(*kinds: tuple[int, Content, bool]) -> Content:
    """Return a reader of these `fields`."""
    return lambda data, at, end: fields(data, at, end, *kinds)


def members(tag: int, content: Content) -> Content:
    """Return a reader of elements with this tag."""
    return lambda data, at, end: each(data, at, end, tag, content)


def string(tag: int) -> Content:
    """Return a reader of a `text`."""
    return lambda data, start, stop: text(data, tag, start, stop)


def boolean(data: bytes, start: int, stop: int) -> bool:
    """Return a BOOLEAN's content, 00 or FF (X.690 section 11.1)."""
    if stop - start != 1:
        raise DecodeError("a BOOLEAN is not of one byte", start)
    if data[start] not in (0x00, 0xFF):
        deviate("a BOOLEAN is neither 00 nor FF", start, CRYPTOGRAPHY, GO)
    return data[start] != 0


def integer(data: bytes, start: int, stop: int) -> int:
    """Return an INTEGER's content, which must have the shortest form (X.690 section 8.3.2)."""
    if start == stop:
        raise DecodeError("an INTEGER is empty", start)
    if stop - start > 1 and (data[start] + (data[start + 1] >> 7)) & 0xFF == 0:
        deviate("an INTEGER is not in its shortest form", start, CRYPTOGRAPHY, GO, OPENSSL)
    return int.from_bytes(data[start:stop], "big", signed=True)


def natural(data: bytes, start: int, stop: int, *, bits: int = 64) -> int:
    """Return an INTEGER's content, which must be 0 or more and fit in `bits` bits."""
    value = integer(data, start, stop)
    if value < 0:
        raise DecodeError("an INTEGER is negative", start)
    if value.bit_length() > bits:
        raise DecodeError(f"an INTEGER is larger than {bits} bits", start)
    return value


def big_natural(data: bytes, start: int, stop: int) -> int:
    """Return an INTEGER's content, which must be 0 or more and may have any size."""
    return natural(data, start, stop, bits=8 * (stop - start))


def bit_string(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the number of unused bits, which must be zero, and where the bytes begin (X.690 section 11.2.1)."""
    if start == stop:
        raise DecodeError("a BIT STRING is empty", start)
    unused = data[start]
    if unused:
        if unused > 7 or stop - start == 1:
            raise DecodeError("a BIT STRING has too many unused bits", start)
        if data[stop - 1] & ((1 << unused) - 1):
            deviate("a BIT STRING has unused bits that are not zero", start, CRYPTOGRAPHY, GO)
    return unused, start + 1


def octets(data: bytes, start: int, stop: int) -> bytes:
    """Return the content of a BIT STRING, which must consist of whole bytes, as in keys and signatures."""
    unused, first = bit_string(data, start, stop)
    if unused:
        raise DecodeError("a BIT STRING is not of whole bytes", start)
    return data[first:stop]


def object_identifier(data: bytes, start: int, stop: int) -> str:
    """Return an OBJECT IDENTIFIER's content in dotted form (X.690 section 8.19)."""
    content = data[start:stop]
    if len(content) > _LONGEST_IDENTIFIER:
        raise DecodeError("an OBJECT IDENTIFIER is too long", start)
    try:
        return dotted(content)
    except DecodeError as error:
        raise error.moved(start) from None


@lru_cache(maxsize=512)
def dotted(content: bytes) -> str:
    """Return an OBJECT IDENTIFIER in dotted form, given its content."""
    if not content or content[-1] >= 0x80:
        raise DecodeError("an OBJECT IDENTIFIER is cut off", 0)
    arcs: list[int] = []
    arc = 0
    fresh = True
    for offset, byte in enumerate(content):
        if fresh and byte == 0x80:
            raise DecodeError("an OBJECT IDENTIFIER has leading zeros", offset)
        arc = arc << 7 | byte & 0x7F
        fresh = byte < 0x80
        if fresh:
            if arc >> 128:
                raise DecodeError("an OBJECT IDENTIFIER has a number of more than 128 bits", offset)
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def time(data: bytes, at: int, end: int, what: str) -> tuple[datetime, int]:
    """Return a UTCTime or GeneralizedTime, to the second and in UTC, and the offset after it.

    RFC 5280 section 4.1.2.5 allows one form of each. It also requires UTCTime until 2049; like others, we do not.
    """
    tag, start, stop = header(data, at, end)
    if tag == GENERALIZED_TIME:
        return generalized_time(data, start, stop), stop
    if tag != UTC_TIME:
        raise DecodeError(f"{what} is neither a UTCTime nor a GeneralizedTime", at)
    digits = data[start : stop - 1]
    if len(digits) != 12 or not digits.isdigit() or data[stop - 1] != _Z:
        return _other_form(data, start, stop, _OTHER_UTC, f"{what} is not written as YYMMDDHHMMSSZ"), stop
    return _instant(_full_year(digits), digits, 2, start), stop


def _full_year(digits: bytes) -> int:
    year = digits[0] * 10 + digits[1] - _ZERO
    return year + (2000 if year < 50 else 1900)


def generalized_time(data: bytes, start: int, stop: int) -> datetime:
    """Return a GeneralizedTime's content, to the second and in UTC (RFC 5280 section 4.1.2.5.2)."""
    digits = data[start : stop - 1]
    if len(digits) != 14 or not digits.isdigit() or data[stop - 1] != _Z:
        return _other_form(data, start, stop, _OTHER_GENERALIZED, "a GeneralizedTime is not written as YYYYMMDDHHMMSSZ")
    return _instant(int(digits[:4]), digits, 4, start)


# X.680 sections 46 and 47 have more forms than RFC 5280; a time without a zone is ambiguous.
_OTHER_UTC = pattern(rb"(\d\d)(\d{8})(\d\d)?(?:Z|([+-])(\d\d)(\d\d))")
_OTHER_GENERALIZED = pattern(rb"(\d{4})(\d{8})(\d\d)?(?:[.,]\d+)?(?:Z|([+-])(\d\d)(\d\d))")


def _other_form(data: bytes, start: int, stop: int, form: re.Pattern[bytes], what: str) -> datetime:
    """Return a time without seconds, with an offset, or with a fraction of a second, which is ignored."""
    match = form.fullmatch(data, start, stop)
    if not match:
        raise DecodeError(what, start)
    deviate(what, start, CRYPTOGRAPHY, *((GNUTLS,) if match[4] else ()))
    year, digits, seconds, sign, hours, minutes = match.groups()
    instant = _instant(_full_year(year) if len(year) == 2 else int(year), digits + (seconds or b"00"), 0, start)
    if not sign:
        return instant
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        return instant - offset if sign == b"+" else instant + offset
    except OverflowError:
        raise DecodeError("a date and time that does not exist", start) from None


def _instant(year: int, digits: bytes, at: int, start: int) -> datetime:
    m, n, d, e, h, i, t, u, s, v = digits[at:]
    try:
        return datetime(
            year,
            m * 10 + n - _ZERO,
            d * 10 + e - _ZERO,
            h * 10 + i - _ZERO,
            t * 10 + u - _ZERO,
            s * 10 + v - _ZERO,
            tzinfo=timezone.utc,
        )
    except ValueError:
        raise DecodeError("a date and time that does not exist", start) from None


_CODECS = {
    UTF8_STRING: ("UTF8String", "utf-8"),
    PRINTABLE_STRING: ("PrintableString", "ascii"),
    # The standard says T.61, but certificates contain ASCII, and openssl and Apple read it as such.
    # Beyond ASCII, programs disagree: openssl and Apple read Latin-1, cryptography reads UTF-8.
    T61_STRING: ("T61String", "ascii"),
    IA5_STRING: ("IA5String", "ascii"),
    VISIBLE_STRING: ("VisibleString", "ascii"),
    NUMERIC_STRING: ("NumericString", "ascii"),
    UNIVERSAL_STRING: ("UniversalString", "utf-32-be"),
    # The standard has no surrogates, but Windows writes UTF-16, and cryptography reads it.
    BMP_STRING: ("BMPString", "utf-16-be"),
}


def text(data: bytes, tag: int, start: int, stop: int) -> str:
    """Return the content of a string type; raises DecodeError on bytes that its type forbids (X.680 section 41)."""
    if tag not in _CODECS:
        raise DecodeError(f"a value with the tag {tag:02X} is not a text", start)
    name, codec = _CODECS[tag]
    content = data[start:stop]
    try:
        value = content.decode(codec)
    except UnicodeDecodeError as error:
        if tag == IA5_STRING and _is_utf8(content):
            deviate("an IA5String is written in UTF-8", start + error.start, GO, ASN1CRYPTO)
            return content.decode()
        if tag != T61_STRING or _is_utf8(content):
            raise DecodeError(f"a byte that is not allowed in a {name}", start + error.start) from None
        deviate("a T61String is written in Latin-1", start + error.start, CRYPTOGRAPHY)
        return content.decode("latin-1")
    if (
        (tag == PRINTABLE_STRING and content.translate(None, _PRINTABLE))
        or (tag == NUMERIC_STRING and content.translate(None, b"0123456789 "))
        or (tag == VISIBLE_STRING and not value.isprintable())
    ):
        if not value.isprintable():
            raise DecodeError(f"a character that is not allowed in a {name}", start)
        # Go accepts these two.
        also = () if tag == PRINTABLE_STRING and not content.translate(None, _PRINTABLE + b"*&") else (GO,)
        deviate(f"a character that is not allowed in a {name}", start, CRYPTOGRAPHY, *also)
    return value


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def well_formed(data: bytes, at: int, end: int) -> None:
    """Raise DecodeError unless the bytes between two offsets are DER elements, at all levels."""
    ends = [end]
    while ends:
        if at == ends[-1]:
            ends.pop()
            continue
        tag, start, stop = header(data, at, ends[-1])
        if tag & _CONSTRUCTED:
            if tag < 0x40 and tag not in _CONSTRUCTED_UNIVERSALS:
                raise DecodeError("a value is built from pieces", at)
            ends.append(stop)
            at = start
        else:
            _primitive(data, tag, start, stop)
            at = stop


def _primitive(data: bytes, tag: int, start: int, stop: int) -> None:
    if tag == BOOLEAN:
        boolean(data, start, stop)
    elif tag == INTEGER:
        integer(data, start, stop)
    elif tag == BIT_STRING:
        bit_string(data, start, stop)
    elif tag == OBJECT_IDENTIFIER:
        object_identifier(data, start, stop)
    elif tag == NULL:
        finish(start, stop, "a NULL")
    elif tag in (0x00, 0x10, 0x11):
        raise DecodeError("a tag that does not exist in DER", start)
