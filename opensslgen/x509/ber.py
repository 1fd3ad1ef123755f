"""BER (X.690 section 8): what DER forbids and others write, read as they mean it.

Java, Windows and NSS write PKCS#7 with indefinite lengths, and openssl, Java and asn1crypto read such certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from .der import (
    ASN1CRYPTO,
    BIT_STRING,
    CRYPTOGRAPHY,
    GNUTLS,
    GO,
    OCTET_STRING,
    DecodeError,
    Deviation,
    deviate,
    encoded,
    is_tolerant,
    tolerance,
)

T = TypeVar("T")

_DEEPEST = 100
"""Levels of nesting; a certificate has about ten."""
_CONSTRUCTED = 0x20
_STRINGS = frozenset({0x03, 0x04, 0x0C, *range(0x12, 0x1F)})
"""Universal types that BER can build from pieces (X.690 sections 8.6, 8.7 and 8.21 to 8.25)."""
_END = b"\0\0"


def read_tolerantly(read: Callable[[bytes], T], data: bytes) -> tuple[T, tuple[Deviation, ...]]:
    """Return what a function reads from bytes, strictly if possible, and the deviations that were accepted."""
    try:
        return read(data), ()
    except DecodeError:
        converted, changes = _from_ber(data)
        with tolerance() as found:
            answer = read(converted)
        return answer, (*changes, *found)


def _from_ber(data: bytes) -> tuple[bytes, tuple[Deviation, ...]]:
    """Return BER with definite lengths, and what was changed; the data itself if it is neither BER nor DER."""
    try:
        return definite(data)
    except DecodeError:
        return data, ()


def from_ber(data: bytes, at: int) -> bytes:
    """Return the bytes at `at` in the input with definite lengths; a strict reader gets them as they are."""
    if not is_tolerant():
        return data
    converted, changes = _from_ber(data)
    for change in changes:
        deviate(change.what, change.offset + at, *change.rejected_by)
    return converted


def children(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the tag of each element between two offsets, where its content begins and ends, and where the next begins.

    Raises DecodeError.
    """
    while at < end:
        start, stop = _content(data, at, end)
        after = stop if stop is not None else _after(data, at, end)
        yield data[at], start, after - len(_END) if stop is None else after, after
        at = after


def _after(data: bytes, at: int, end: int) -> int:
    """Return the offset after an element of indefinite length."""
    first, depth = at, 0
    while True:
        start, stop = _content(data, at, end)
        depth += stop is None
        at = start if stop is None else stop
        while depth and data[at : min(at + 2, end)] == _END:
            at, depth = at + 2, depth - 1
        if not depth:
            return at
        if at >= end:
            raise DecodeError("an element of indefinite length does not end", first)


def _content(data: bytes, at: int, end: int) -> tuple[int, int | None]:
    """Return where the content of an element begins and ends; None for an indefinite length."""
    if at >= end:
        raise DecodeError("an element is missing", at)
    start = at + 1
    if data[at] & 0x1F == 0x1F:
        while start < end and data[start] & 0x80:
            start += 1
        start += 1
    if start >= end:
        raise DecodeError("the data ends within an element", at)
    length, start = data[start], start + 1
    if length == 0x80:
        if not data[at] & _CONSTRUCTED:
            raise DecodeError("an indefinite length of a value that has no parts", at)
        return start, None
    if length > 0x80:
        size = length & 0x7F
        if size > 4 or start + size > end:
            raise DecodeError("the data ends within a length", at)
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > end:
        raise DecodeError("an element is longer than what contains it", at)
    return start, start + length


def definite(data: bytes) -> tuple[bytes, tuple[Deviation, ...]]:
    """Return one element with definite lengths and with strings in one piece, and what had to be changed for this.

    What is definite already keeps its bytes. Raises DecodeError.
    """
    found: dict[str, Deviation] = {}
    changed, after = _definite(data, 0, len(data), 0, found)
    return (data if changed is None else changed + data[after:]), tuple(found.values())


def _definite(data: bytes, at: int, end: int, depth: int, found: dict[str, Deviation]) -> tuple[bytes | None, int]:
    """Return the element at an offset, None if it need not change, and the offset after it."""
    start, stop = _content(data, at, end)
    tag = data[at]
    if not tag & _CONSTRUCTED:
        return None, start if stop is None else stop
    if depth > _DEEPEST:
        raise DecodeError("an element is nested too deeply", at)
    is_string = tag & ~_CONSTRUCTED in _STRINGS
    parts: list[bytes] = []
    is_changed, here, limit = is_string or stop is None, start, end if stop is None else stop
    while stop is not None or data[here : min(here + 2, end)] != _END:
        if here >= limit:
            if stop is None:
                raise DecodeError("an element of indefinite length does not end", at)
            break
        part, after = _definite(data, here, limit, depth + 1, found)
        is_changed = is_changed or part is not None
        parts.append(data[here:after] if part is None else part)
        here = after
    else:
        here += len(_END)
    if not is_changed:
        return None, here
    if stop is None:
        _note(found, Deviation("an indefinite length", at + 1, (CRYPTOGRAPHY, GO, GNUTLS)))
    if is_string:
        _note(found, Deviation("a value is built from pieces", at, (CRYPTOGRAPHY, GO, ASN1CRYPTO)))
        return encoded(tag & ~_CONSTRUCTED, _joined(parts, tag & ~_CONSTRUCTED, at)), here
    if tag & 0x1F == 0x1F:
        raise DecodeError("a value with a high tag number has an indefinite length in it", at)
    return encoded(tag, *parts), here


def _note(found: dict[str, Deviation], deviation: Deviation) -> None:
    found.setdefault(deviation.what, deviation)


def _joined(parts: list[bytes], tag: int, at: int) -> bytes:
    """Return the content of the string that consists of these pieces."""
    contents: list[bytes] = []
    for part in parts:
        if part[0] not in (tag, OCTET_STRING):
            raise DecodeError(f"a piece of a value has the tag {part[0]:02X} and not {tag:02X}", at)
        start, stop = _content(part, 0, len(part))
        contents.append(part[start:stop])
    if tag != BIT_STRING:
        return b"".join(contents)
    # Only the last piece may have unused bits (X.690 section 8.6.4).
    if not all(contents) or any(content[0] for content in contents[:-1]):
        raise DecodeError("a piece of a BIT STRING is not of whole bytes", at)
    return (contents[-1][:1] if contents else b"\0") + b"".join(content[1:] for content in contents)
