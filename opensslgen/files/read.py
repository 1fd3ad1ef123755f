"""Read files and folders: in sorted order, without waiting, and no more than a limit."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern
from opensslgen.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STDIN = "-"
_CHUNK = 1 << 20
_END = b"-----END "
_LINE_END = pattern(rb"\r?\n|\r")
_NO_FILE = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO})
"""The errors of opening a dangling link, a link to itself, or a socket."""


class File(NamedTuple):
    """A file to read, or a folder that cannot be listed."""

    path: str
    named: bool
    """Whether the user named it, so that it has to be a file; otherwise it was found in a folder."""
    unreadable: str | None = None
    """Why a folder cannot be listed."""


class Content(NamedTuple):
    """The content of a file, up to a limit."""

    data: bytes
    size: int
    """Bytes of the whole file; for standard input, of what was read."""
    mode: int | None
    """The permissions; None for standard input."""


def walk(folder: str) -> Iterator[File]:
    """Yield the files in a folder and below it, in sorted order.

    Links to folders are not followed, as they may lead in circles or out of the folder.
    """
    # A list instead of recursion, as folders may be nested deeper than functions can be.
    pending = [(folder, True)]
    while pending:
        path, is_folder = pending.pop()
        if not is_folder:
            yield File(path, named=False)
            continue
        try:
            with os.scandir(path) as listing:
                entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
        except OSError as error:
            yield File(path, named=True, unreadable=_reason(error))
            continue
        # Joined by hand: a Path for each costs as much as reading the file.
        start = path if path.endswith(os.sep) else path + os.sep
        pending += [(start + name, is_folder) for name, is_folder in reversed(entries)]


@contextmanager
def open_file(file: File) -> Iterator[tuple[BinaryIO, os.stat_result | None] | None]:
    """Open a regular file or standard input, and yield it; None for anything else that was found in a folder.

    Raises UnreadableError.
    """
    if file.path == STDIN and file.named:
        yield sys.stdin.buffer, None
        return
    try:
        # Otherwise opening a named pipe would wait for a writer, perhaps for ever.
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:  # ValueError is a null byte in the path
        if not file.named and isinstance(error, OSError) and error.errno in _NO_FILE:
            yield None
            return
        raise UnreadableError(_reason(error)) from error
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            with os.fdopen(descriptor, "rb", closefd=False) as raw:
                yield raw, status
        elif file.named:
            raise UnreadableError("a folder, not a file" if stat.S_ISDIR(status.st_mode) else "not a regular file")
        else:
            yield None
    finally:
        os.close(descriptor)


def _reason(error: OSError | ValueError) -> str:
    return ((isinstance(error, OSError) and error.strerror) or str(error)).lower()


def content(file: File, *, limit: int) -> Content | None:
    """Return up to `limit` bytes of a file; None for anything else that was found in a folder.

    Raises UnreadableError.
    """
    with open_file(file) as found:
        if found is None:
            return None
        stream, status = found
        if status is None:
            return read_up_to(chunks(stream), limit=limit)
        try:
            # Some file systems report no size.
            data = stream.read(min(limit, status.st_size or limit) + 1)
        except OSError as error:
            raise UnreadableError(_reason(error)) from error
    return Content(data[:limit], max(len(data), status.st_size), stat.S_IMODE(status.st_mode))


def read_up_to(chunks: Iterable[bytes], *, limit: int) -> Content:
    """Return the first `limit` bytes of standard input."""
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            break
    return Content(data[:limit], len(data), None)


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a file, 1 MiB at a time; raises UnreadableError."""
    try:
        while chunk := stream.read(_CHUNK):
            yield chunk
    except OSError as error:
        raise UnreadableError(_reason(error)) from error


def pieces(chunks: Iterable[bytes], *, limit: int) -> Iterator[tuple[int, bytes]]:
    """Split PEM after each line that contains -----END, and yield the pieces, each after the number of its first line.

    Together, the pieces are the whole input. No more than `limit` bytes and a chunk are in memory at once; raises
    UnreadableError if a piece is larger.
    """
    line, rest, searched = 1, b"", 0
    for chunk in chain(chunks, (b"",)):
        data, start = rest + chunk, 0
        while (mark := data.find(_END, max(start, searched))) >= 0:
            end = _after_line(data, mark, last=not chunk)
            if end is None:
                break
            piece = data[start:end]
            _check(piece, line, limit)
            yield line, piece
            line += piece.count(b"\n")
            start = end
        rest = data[start:]
        # What was searched is not searched again, except for a mark that is cut in two or whose line goes on.
        searched = max(0, (mark if mark >= 0 else len(data) - len(_END)) - start)
        _check(rest, line, limit)
    if rest:
        yield line, rest


def _after_line(data: bytes, at: int, *, last: bool) -> int | None:
    """Return the offset after the line that contains `at`; None if the line may go on in the next chunk."""
    found = _LINE_END.search(data, at)
    if found is None or (found.end() == len(data) and found[0] == b"\r" and not last):
        return None
    return found.end()


def _check(piece: bytes, line: int, limit: int) -> None:
    if len(piece) > limit:
        raise UnreadableError(f"more than {limit} bytes without the end of a block", line=line)


LARGEST_FILE = 16 << 20
"""Bytes; a bundle of all public roots has less than a tenth."""
LARGEST_TEMPLATE = 1 << 20
"""Most bytes of a user's template."""


def read_file(path: str | os.PathLike[str], *, limit: int = LARGEST_FILE) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes; raises UnreadableError that names the file."""
    name = os.fspath(path)
    try:
        found = content(File(f"./{STDIN}" if name == STDIN else name, named=True), limit=limit)
    except UnreadableError as error:
        raise UnreadableError(f"{visible(name)}: {error.message}") from error
    assert found
    if found.size > limit:
        raise UnreadableError(f"{visible(name)}: larger than {limit >> 20} MiB")
    return found.data


def read_template(path: Path) -> str:
    """Return the text of a user's template, which may come through a pipe; raises UnreadableError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_TEMPLATE + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise UnreadableError(f"cannot read the template {visible(str(path))}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(f"the template {path} is not UTF-8 text") from error
    if len(data) > LARGEST_TEMPLATE:
        raise UnreadableError(f"the template {path} is larger than {LARGEST_TEMPLATE} bytes")
    if "\0" in text:
        raise UnreadableError(f"the template {path} contains a NUL byte")
    return text
