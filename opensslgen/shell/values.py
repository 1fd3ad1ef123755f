"""What a script's words and files hold, as far as that is certain.

A value is text in which what is unknown stands by its name, between two characters that no decoded text has.
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
_SEPARATOR = re.compile(r"[ \t\n]+")
_NUMBER = re.compile("\u2063[0-9]+")
_BLANK = str.maketrans({" ": "\u00a0", "\t": "\u00a0", "\n": "\u00a0", "/": "\u2215", UNKNOWN: None, _END: None})


def unknown(name: str) -> str:
    """Return the value that stands for something unknown, by which it can be recognised again."""
    return f"{UNKNOWN}{name.translate(_BLANK)}{_END}"


def is_known(value: str) -> bool:
    """Return whether all of a value is known."""
    return UNKNOWN not in value


def unknown_names(value: str) -> list[str]:
    """Return the names of what is unknown in a value, each once."""
    return list(dict.fromkeys(map(_readable, _NAMED.findall(value))))


def with_names(value: str) -> str:
    """Return a value for people to read: what is unknown stands there by its name alone."""
    return _NAMED.sub(lambda match: _readable(match[1]), value)


def _readable(name: str) -> str:
    return _NUMBER.sub("", name.replace("\u00a0", " ").replace("\u2215", "/"))


def without_names(value: str) -> str:
    """Return a value as the reader of configs takes it: what is unknown is its one character."""
    return _NAMED.sub(UNKNOWN, value)


def fields(value: str) -> list[str]:
    """Return the words that a shell makes of a value outside of quotes."""
    return [word for word in _SEPARATOR.split(value) if word]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of what a file holds, and the line of the script that writes it."""

    text: str
    line: int
    thing: object = None
    """A key, request or certificate that openssl wrote; its text is unknown then."""


@dataclass(slots=True)
class File:
    """What a file, or a command's output, holds."""

    chunks: list[Chunk] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it, what is unknown by its name."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def things(self) -> list[object]:
        """The keys, requests and certificates in it."""
        return [chunk.thing for chunk in self.chunks if chunk.thing is not None]


def lines_of(chunks: Iterable[Chunk]) -> list[int]:
    """Return, for each line of the text that pieces make together, the line of the script that begins it."""
    lines: list[int] = []
    begins = True
    for chunk in chunks:
        for piece in chunk.text.splitlines(keepends=True):
            if begins:
                lines.append(chunk.line)
            begins = piece.endswith("\n")
    return lines
