"""The values of a script's words and files, as far as they are certain.

A value is text that contains the names of unknown parts, between two characters that no decoded text has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.config.reader import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

_END = "\ud801"
_NAMED = re.compile(f"{UNKNOWN}([^{_END}]*){_END}")
_NUMBER = re.compile("\u2063[0-9]+")
_BLANK = str.maketrans({" ": "\u00a0", "\t": "\u00a0", "\n": "\u00a0", "/": "\u2215", UNKNOWN: None, _END: None})

UNREAD = ", which is unknown"
"""The end of a name that stands for all lines of an unknown file."""


def unknown(name: str) -> str:
    """Return the value for something unknown, with a name by which it is recognised."""
    return f"{UNKNOWN}{name.translate(_BLANK)}{_END}"


def is_known(value: str) -> bool:
    """Return whether a value is completely known."""
    return UNKNOWN not in value


def unknown_names(value: str) -> list[str]:
    """Return the names of the unknown parts of a value, each once."""
    return list(dict.fromkeys(map(_readable, _NAMED.findall(value))))


def with_names(value: str) -> str:
    """Return a value for people to read: unknown parts appear as their names."""
    return _NAMED.sub(lambda match: _readable(match[1]), value)


def _readable(name: str) -> str:
    return _NUMBER.sub("", name.replace("\u00a0", " ").replace("\u2215", "/"))


def without_names(value: str) -> str:
    """Return a value for the reader of configs: each unknown part becomes one character."""
    return _NAMED.sub(UNKNOWN, value)


def fields(value: str, separators: str = " \t\n") -> list[str]:
    """Return the words into which a shell splits a value outside of quotes; `separators` is IFS."""
    if not is_known(separators) or not separators:
        return [value] if value else []
    if separators.isspace():
        return [word for word in re.split(f"[{re.escape(separators)}]+", value) if word]
    # Only of blanks, several are one separator.
    words = [word.strip(" \t\n") for word in re.split(f"[{re.escape(separators)}]", value)]
    return words[:-1] if words[-1] == "" else words


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file's content, and the line of the script that writes it."""

    text: str
    line: int
    thing: object = None
    """A key, request or certificate that openssl wrote; then the text is unknown."""


@dataclass(slots=True)
class File:
    """The content of a file, or the output of a command."""

    chunks: list[Chunk] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The whole text; unknown parts appear by their names."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def things(self) -> list[object]:
        """The keys, requests and certificates in it."""
        return [chunk.thing for chunk in self.chunks if chunk.thing is not None]


def lines_of(chunks: Iterable[Chunk]) -> list[int]:
    """Return, for each line of the joined pieces, the line of the script that writes its beginning."""
    lines: list[int] = []
    begins = True
    for chunk in chunks:
        for piece in chunk.text.splitlines(keepends=True):
            if begins:
                lines.append(chunk.line)
            begins = piece.endswith("\n")
    return lines
