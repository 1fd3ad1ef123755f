"""PEM that openssl cannot read as it is: in quotes, quoted mail, UTF-16, without line breaks, or without BEGIN and END.

What people send and commit is read as they mean it; each block says how it was written, so that this can be reported.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress

from .der import DecodeError
from .pem import PemBlock, body_of, pem_blocks

_OF_TEXT = "openssl cannot read it out of this text"
ONE_LINE = "PEM without line breaks: openssl needs BEGIN and END on lines of their own"
QUOTED = f"PEM in quotes: {_OF_TEXT}"
ESCAPED = f"PEM with escapes such as \\n: {_OF_TEXT}"
PREFIXED = f"PEM with more than base64 in its lines: {_OF_TEXT}"
INSIDE = f"PEM inside a line of other text: {_OF_TEXT}"
TWICE = "PEM that is encoded in base64 once more: openssl base64 -d -A makes PEM of it"
BARE = "base64 without the lines BEGIN and END: openssl base64 -d makes DER of it, with -A if it is one line"
UTF_16 = "PEM in UTF-16: openssl reads it after iconv -f UTF-16 -t UTF-8"
"""How a block was written, and how openssl can read it."""
UNFIT = frozenset({ONE_LINE, BARE, UTF_16})
"""Forms of a file that is meant to be PEM, and that no server can read; the others are texts around PEM."""

_BOUNDARY = re.compile(rb"-----(BEGIN|END)(?: |%20|\+)((?:[A-Z0-9 #+]|%20){1,60})-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{40}")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_SPACE = b" \t\r\n\v\f"
_ESCAPE = re.compile(
    rb"\\+(?:[nrtfv/]|u00([0-9A-Fa-f]{2})|x([0-9A-Fa-f]{2})|0?(1[0-7]{2}|0[0-7]{2}|[0-7]{2})|\r?\n)"
    rb"|&#(?:x([0-9A-Fa-f]{1,2})|([0-9]{1,3}));|%([0-9A-Fa-f]{2})|<[Bb][Rr] ?/?>|=3[Dd]"
)
_QUOTES = b"\"'`"
_OUTSIDE = 200
"""Bytes between two quoted parts of one block."""
_LARGEST = 2 << 20
"""Bytes between BEGIN and END; a certificate of 1 MiB, which is the limit, has fewer."""
_SHORTEST = 30
"""Bytes; what is shorter is a word such as a name to fill in."""
_PUNCTUATION = re.compile(rb"^[^A-Za-z0-9+/=\n]+|[^A-Za-z0-9+/=\n]+$", re.MULTILINE)
_NUMBERS = re.compile(rb"\s*[0-9]+[:\t |-]\s*")
_TWICE = re.compile(rb"(?<![A-Za-z0-9+/])LS0tLS1CRUdJTi[A-Za-z0-9+/\s]+={0,2}")
_BARE = re.compile(rb"(?<![A-Za-z0-9+/=])MI[E-L][A-Za-z0-9+/]{5}")
_BOM = b"\xef\xbb\xbf" + _SPACE
_WIDE = b"B\0E\0G\0I\0N\0"
"""BEGIN in UTF-16, apart from a zero before or after it."""
_WORK = 64 << 20
"""Bytes to look at for base64 without BEGIN; much more than a file has."""


def has_armour(data: bytes) -> bool:
    """Tell whether `armoured_blocks` may find something."""
    if b"-----BEGIN" in data or _WIDE in data or b"LS0tLS1CRUdJTi" in data:
        return True
    return b"\0" not in data[:8000] and (_BARE.search(data) is not None or data[:100].lstrip(_BOM)[:3] == b"MIA")


def armoured_blocks(data: bytes, *, first_line: int = 1) -> list[PemBlock]:
    """Return the blocks of a text in their order; raises DecodeError with the line number for a damaged one.

    A text that only mentions BEGIN and END, or has a name instead of a body, has no block.
    """
    text = _utf8(data)
    found = [*_marked(text, first_line), *_twice(text, first_line)]
    if not found:
        found = [*_bare(text, first_line)]
    found.sort(key=lambda block: block.line)
    return found if text is data else [block._replace(form=block.form or UTF_16) for block in found]


def _utf8(data: bytes) -> bytes:
    """Return a text in UTF-16 as UTF-8, and any other as it is."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    at = data.find(_WIDE)
    if at < 0:
        return data
    big = at % 2 == 1
    return data.decode("utf-16-be" if big else "utf-16-le", "replace").encode("utf-8", "replace")


def _marked(data: bytes, first_line: int) -> Iterator[PemBlock]:
    """Yield the blocks between BEGIN and END."""
    begin: re.Match[bytes] | None = None
    line, counted = first_line, 0
    for boundary in _BOUNDARY.finditer(data):
        if boundary[1] == b"BEGIN":
            if begin:
                _check_open(data, begin, boundary.start(), line)
            line += data.count(b"\n", counted, boundary.start())
            begin, counted = boundary, boundary.start()
        elif begin:
            if block := _block(data, begin, boundary, line):
                yield block
            begin = None
    if begin:
        _check_open(data, begin, min(len(data), begin.end() + 2 * _OUTSIDE), line)


def _check_open(data: bytes, begin: re.Match[bytes], end: int, line: int) -> None:
    """Raise DecodeError if a BEGIN without an END has a body."""
    if _BASE64.search(data, begin.end(), min(end, begin.end() + 2 * _OUTSIDE)) or _before(data, begin) is None:
        raise DecodeError("BEGIN without the END that belongs to it", line=line)


def _before(data: bytes, mark: re.Match[bytes]) -> bytes | None:
    """Return the text before a mark in its line; None if there is none."""
    at = mark.start()
    start = max(data.rfind(b"\n", max(0, at - _OUTSIDE), at), data.rfind(b"\r", max(0, at - _OUTSIDE), at)) + 1
    before = data[max(start, at - _OUTSIDE) : at].removeprefix(b"\xef\xbb\xbf")
    return before if before.strip() else None


def _block(data: bytes, begin: re.Match[bytes], end: re.Match[bytes], line: int) -> PemBlock | None:
    label = _label(begin)
    if label.startswith("PGP "):
        return None
    if end.start() - begin.end() > _LARGEST:
        raise DecodeError(f"more than {_LARGEST >> 20} MiB between BEGIN and END", line=line)
    before, body = _before(data, begin), data[begin.end() : end.start()]
    if label != _label(end):
        if before is None or _BASE64.search(body):
            raise DecodeError("END without the BEGIN that belongs to it", line=line)
        return None
    for form, letters in _readings(body, before, plus=b"BEGIN+" in begin[0]):
        with suppress(DecodeError):
            content = body_of(letters, label.encode(), line)
            if before is None or len(content) >= _SHORTEST:
                return PemBlock(label, content, line, form)
    if before is None or _BASE64.search(body):
        raise DecodeError("what follows BEGIN is not base64", line=line)
    return None  # a name or a mark instead of a body


def _label(mark: re.Match[bytes]) -> str:
    return mark[2].replace(b"%20", b" ").replace(b"+", b" ").decode("ascii").strip()


def _readings(body: bytes, before: bytes | None, *, plus: bool) -> Iterator[tuple[str, bytes]]:
    """Yield what the body of a block may be without what is around its base64, and how it is written."""
    quote = (before or b"").rstrip()[-1:]
    if plus:  # as in a form: a plus sign is a space
        body = body.replace(b"+", b" ")
    if before is None:
        yield ("" if b"\n" in body or b"\r" in body else ONE_LINE), body
    elif quote not in _QUOTES or not quote:
        # First, because a prefix such as + or // is base64 as well.
        if lines := _without_prefix(body, before):
            yield PREFIXED, lines
        yield INSIDE, body
    else:
        yield QUOTED, body
        parts = re.split(rb"(?<!\\)" + re.escape(quote), body)
        outside = parts[1::2]
        if len(parts) % 2 and not any(len(each) > _OUTSIDE or _BASE64.search(each) for each in outside):
            body = b"".join(parts[::2])
            yield QUOTED, body
    plain = _ESCAPE.sub(_unescaped, body)
    if plain != body:
        yield ESCAPED, plain
    if before is not None:
        yield PREFIXED, _PUNCTUATION.sub(b"", plain.replace(b"\r", b"\n"))


def _without_prefix(body: bytes, before: bytes) -> bytes | None:
    """Return the lines of a body without what also stands before BEGIN; None if a line begins otherwise."""
    prefix = before.rstrip()
    _, *lines = re.split(rb"\r?\n|\r", body)
    if lines and all(line.startswith(prefix) for line in lines[:-1] if line.strip()):
        return b"\n".join(line[len(prefix) :] if line.startswith(prefix) else b"" for line in lines)
    if lines and _NUMBERS.fullmatch(before):
        return b"\n".join(line[match.end() :] if (match := _NUMBERS.match(line)) else line for line in lines[:-1])
    return None


def _unescaped(match: re.Match[bytes]) -> bytes:
    text = match[0]
    if code := match[1] or match[2] or match[4] or match[6]:
        return bytes([int(code, 16)])
    if match[3]:
        return bytes([int(match[3], 8)])
    if match[5]:
        return bytes([int(match[5]) & 0xFF])
    return b"/" if text.endswith(b"/") else b"=" if text[:2] == b"=3" else b"\n"


def _twice(data: bytes, first_line: int) -> Iterator[PemBlock]:
    """Yield the blocks in base64 whose content is PEM, as Kubernetes and kubeconfig keep it."""
    for match in _TWICE.finditer(data):
        letters = match[0].translate(None, _SPACE)
        text = binascii.a2b_base64(letters[: len(letters) // 4 * 4])
        line = first_line + data.count(b"\n", 0, match.start())
        for block in _decoded_again(text, line):
            yield block._replace(line=line, form=TWICE)


def _decoded_again(text: bytes, line: int) -> Iterator[PemBlock]:
    # After the last END comes what was not part of the base64, such as the next key of YAML.
    end = re.compile(rb"-----END [^\n-]*-----").finditer(text)
    last = max((match.end() for match in end), default=len(text))
    try:
        yield from pem_blocks(text[:last])
    except DecodeError as error:
        raise error.in_line(line) from None


def _bare(data: bytes, first_line: int) -> Iterator[PemBlock]:
    """Yield what base64 without BEGIN contains: a whole file, or values such as x5c in JSON and certificates in XML."""
    whole = data.removeprefix(b"\xef\xbb\xbf").translate(None, _SPACE)
    if whole[:2] == b"MI" and not whole.translate(None, _LETTERS):
        try:
            yield PemBlock("", body_of(whole, b"", first_line), first_line, BARE)
        except DecodeError:
            if len(whole) > 2 * _OUTSIDE:
                raise DecodeError("base64 that is damaged or cut off", line=first_line) from None
        return
    at, line, counted, work = 0, first_line, 0, 0
    while match := _BARE.search(data, at):
        at = match.end()
        head = binascii.a2b_base64(match[0])
        size = head[1] & 0x7F
        length = 2 + size + int.from_bytes(head[2 : 2 + size], "big")
        count = (length + 2) // 3 * 4
        work += count
        if work > _WORK:
            raise DecodeError("too much base64 without BEGIN and END to search", line=line)
        text = _ESCAPE.sub(_unescaped, data[match.start() : match.start() + count * 2 + _OUTSIDE])
        letters = text.translate(None, _SPACE)[:count]
        if len(letters) < count or letters.translate(None, _LETTERS):
            continue
        try:
            body = body_of(letters, b"", line)
        except DecodeError:
            continue
        line += data.count(b"\n", counted, match.start())
        counted = match.start()
        if len(body) == length:
            yield PemBlock("", body, line, BARE)
            at = match.start() + count
