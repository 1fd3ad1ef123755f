"""PEM (RFC 7468): read the blocks of a file strictly; text around them, such as openssl prints, is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from opensslgen.budget import check
from opensslgen.patterns import pattern

from .der import DecodeError

CERTIFICATE, REQUEST = "CERTIFICATE", "CERTIFICATE REQUEST"
"""The labels that openssl writes."""
REQUEST_LABELS = (REQUEST, "NEW CERTIFICATE REQUEST")
"""The labels of the blocks that openssl reads as requests."""

# The hyphens come first, because such a search is twice as fast.
_BOUNDARY = pattern(rb"-----(BEGIN|END) ([^\r\n]*)")
_LABEL = pattern(rb"([!-,.-~]+(?:[ -][!-,.-~]+)*)-----[ \t]*")
_LONGEST_LABEL = 100
_LONGEST_HEADERS = 1 << 16
"""Bytes; openssl writes two short lines."""
_HEADERS = pattern(rb"\s*(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t]+[^\n]*\n)*)+[ \t]*\r?\n")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# The last character before the padding holds two or four bits that must be zero (RFC 4648 section 3.5).
_LAST = {b"": _ALPHABET, b"=": _ALPHABET[::4], b"==": _ALPHABET[::16]}


class PemBlock(NamedTuple):
    """The content between a BEGIN line and its END line."""

    label: str
    """Such as "CERTIFICATE"."""
    body: bytes
    """Decoded from base64; an encrypted key is still encrypted."""
    line: int
    """The number of the BEGIN line, from 1."""
    form: str = ""
    """How it is written, if openssl cannot read it as it is (x509.armour)."""


def pem_blocks(data: bytes, *, first_line: int = 1) -> Iterator[PemBlock]:
    """Yield the blocks one after another; raises DecodeError with the line number at the first damaged one.

    `first_line` is the number of the first line, if the data is a part of a file.
    A damaged block is not skipped, because an audit must report it.
    """
    label, begin, body_start = b"", 0, 0
    line, counted = first_line, 0
    for boundary in _BOUNDARY.finditer(data):
        check()
        start = _start_of_line(data, boundary.start())
        if start is None:
            continue
        line += data.count(b"\n", counted, start)
        counted = start
        marked = _LABEL.fullmatch(boundary[2]) if len(boundary[2]) <= _LONGEST_LABEL else None
        if not marked:
            raise DecodeError(f"{boundary[1].decode()} is not followed by a label and five hyphens", line=line)
        if boundary[1] == b"BEGIN":
            if begin:
                raise DecodeError(f"BEGIN before the END that belongs to line {begin}", line=line)
            label, begin, body_start = marked[1], line, boundary.end()
        elif not begin or marked[1] != label:
            raise DecodeError("END without the BEGIN that belongs to it", line=line)
        else:
            yield PemBlock(label.decode("ascii"), body_of(data[body_start:start], label, begin), begin)
            begin = 0
    if begin:
        raise DecodeError("BEGIN without the END that belongs to it", line=begin)


def _start_of_line(data: bytes, at: int) -> int | None:
    """Return where the blanks before a boundary begin; None if it does not stand at the start of a line.

    openssl expects no blanks there, but a block that was pasted into a configuration file is indented.
    """
    while at and data[at - 1] in b" \t":
        at -= 1
    if data[max(at - 3, 0) : at] == b"\xef\xbb\xbf":
        at -= 3
    return at if not at or data[at - 1] in b"\r\n" else None


def pem(label: str, body: bytes) -> str:
    """Return a block with a label such as CERTIFICATE, as openssl writes it."""
    return "\n".join((f"-----BEGIN {label}-----", *base64_lines(body), f"-----END {label}-----", ""))


def base64_lines(data: bytes) -> Iterator[str]:
    """Yield base64 in lines of 64 characters; openssl 1.0 cannot read lines of more than 76."""
    import binascii

    base64 = binascii.b2a_base64(data, newline=False).decode("ascii")
    return (base64[at : at + 64] for at in range(0, len(base64), 64))


def body_of(text: bytes, label: bytes, line: int) -> bytes:
    """Return what the base64 of a block with this label contains; raises DecodeError with the line number."""
    if label.endswith(b"PRIVATE KEY") and (headers := _HEADERS.match(text, 0, _LONGEST_HEADERS)):
        text = text[headers.end() :]
    letters = text.translate(None, b" \t\r\n")
    padding = letters.translate(None, _ALPHABET)
    last = letters[-1 - len(padding) : len(letters) - len(padding)]
    if (
        not letters.endswith(padding)
        or len(letters) % 4
        or padding not in _LAST
        or not last
        or last not in _LAST[padding]
    ):
        raise DecodeError("what follows BEGIN is not base64", line=line)
    import binascii  # imported here because most commands start without reading a file

    return binascii.a2b_base64(letters)
