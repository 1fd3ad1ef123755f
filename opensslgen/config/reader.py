r"""openssl's configuration files (config(5)), read as openssl does, and written again with nothing left to expand.

Nothing is run, opened or looked up: `.include` is left out, and what only the environment could tell is `UNKNOWN`.
Where openssl's versions differ, the newest one is followed; a NUL and a carriage return inside a line are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

DEFAULT = "default"
"""The section of keys that stand before any header; others fall back to it."""

UNKNOWN = "\ud800"
"""Stands in a value for what cannot be known. No text decoded from UTF-8 has it, nor the bytes that are none."""

LARGEST = 1 << 20
"""Characters of a configuration file; the one that openssl ships has a hundredth."""
LARGEST_VALUE = 1 << 16
"""Bytes that a value may have after variables are put in, as in openssl (MAX_CONF_VALUE_LENGTH)."""
_LARGEST_SUM = 1 << 24

_BLANKS = " \t\r\n"
_WORD = re.compile(r"[A-Za-z0-9_]*")
_WORD_DOLLAR = re.compile(r"[A-Za-z0-9_$]*")
# An escape is one of a byte, and the other bytes of a letter that is not ASCII are none of a key's.
_KEY = re.compile(r"(?:[A-Za-z0-9_!.%&*+,/;?@^~|-]|\\[\x00-\x7f]|\\\Z)*")
_KEY_DOLLAR = re.compile(r"(?:[A-Za-z0-9_!.%&*+,/;?@^~|$-]|\\[\x00-\x7f]|\\\Z)*")
_COMMENT_STOP = re.compile(r"[\"'`#\\]")
_VALUE_STOP = re.compile(r"[\"'`$\\]")
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\]|\\.)*", re.DOTALL) for quote in "\"'`"}
_ESCAPES = {"r": "\r", "n": "\n", "b": "\b", "t": "\t"}
_ESCAPED = {character: f"\\{name}" for name, character in _ESCAPES.items()} | {
    character: f"\\{character}" for character in "\\$#\"'`"
}
_SWITCH = {"on": True, "true": True, "off": False, "false": False}


class ConfigError(UnreadableError):
    """What openssl would refuse to load, or cannot be meant."""

    def __init__(self, line: int, message: str) -> None:
        """Take the line, from 1, and what is wrong there."""
        super().__init__(message, line=line)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, quotes, escapes and variables resolved."""

    key: str
    """As written, escapes included."""
    value: str
    """With UNKNOWN in it for what cannot be known."""
    line: int
    """Where it begins, from 1."""

    @property
    def is_known(self) -> bool:
        """Whether the whole value is."""
        return UNKNOWN not in self.value


@dataclass(frozen=True, slots=True)
class Section:
    """A section: each key once, in the order in which openssl has them."""

    name: str
    line: int
    """Of its first header; of the first key, where it has none."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that is written twice in a section, of which openssl takes the last."""

    section: str
    key: str
    first: int
    """The line of the value that openssl drops."""
    line: int
    """The line of the one that it takes in its place."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file."""

    sections: dict[str, Section]
    """By name, DEFAULT always among them."""
    environment: tuple[tuple[int, str], ...]
    """Line and name of each variable of the environment that is asked for."""
    includes: tuple[tuple[int, str], ...]
    """Line and path of each file that is to be read in its place."""
    pragmas: tuple[int, ...]
    """Line of each `.pragma`, which changes how openssl reads the rest, if it is new enough."""
    holes: tuple[int, ...]
    """Lines of the text of which not even key or section are known, as UNKNOWN stands in them."""
    repeated: tuple[Repeated, ...]
    filled: tuple[tuple[int, str], ...]
    """Line and name of each variable that has no value in the file, and got one from `fill`."""
    index: Mapping[str, Mapping[str, Entry]] = field(repr=False)
    """The entries by section and key."""

    def own(self, section: str, key: str) -> Entry | None:
        """Return the entry of a key in this very section."""
        return self.index.get(section, {}).get(key)

    def entry(self, section: str, key: str) -> Entry | None:
        """Return what openssl finds when it looks for a key in a section: there, or else in DEFAULT."""
        return self.own(section, key) or self.own(DEFAULT, key)


def read_config(text: str, *, fill: Callable[[str, str], str | None] | None = None) -> Config:
    """Return what a file says, the way openssl reads it; raises ConfigError.

    UNKNOWN may stand in the text for what is not known. `fill` returns what a template's variable stands for, by its
    section and name, and None if it is none of a template.
    """
    return _Reader(fill or _fill_nothing).read(text)


def _fill_nothing(_: str, __: str) -> None:
    return None


class _Reader:
    def __init__(self, fill: Callable[[str, str], str | None]) -> None:
        self.fill = fill
        self.sections: dict[str, dict[str, Entry]] = {DEFAULT: {}}
        self.headers: dict[str, int] = {}
        self.environment: dict[tuple[int, str], None] = {}
        self.includes: list[tuple[int, str]] = []
        self.pragmas: list[int] = []
        self.holes: list[int] = []
        self.repeated: list[Repeated] = []
        self.filled: dict[tuple[int, str], None] = {}
        self.dollar_is_letter = False
        self.line = 1
        self.sum = 0

    def read(self, text: str) -> Config:
        section = DEFAULT
        for self.line, written in _logical_lines(text.removeprefix("\ufeff")):
            line = _without_comment(written).lstrip(_BLANKS)
            if UNKNOWN in line.partition("=")[0]:
                self.holes.append(self.line)
                # What follows a header that is not known is of no section that is.
                section = UNKNOWN if line.startswith("[") else section
            elif self.is_filled(line, section):
                continue
            elif line.startswith("["):
                section = self.header(line)
                self.sections.setdefault(section, {})
                self.headers.setdefault(section, self.line)
            elif line:
                self.assignment(line, section)
        self.sections.pop(UNKNOWN, None)
        return Config(
            {name: self.section(name) for name in self.sections},
            tuple(self.environment),
            tuple(self.includes),
            tuple(self.pragmas),
            tuple(self.holes),
            tuple(self.repeated),
            tuple(self.filled),
            self.sections,
        )

    def is_filled(self, line: str, section: str) -> bool:
        """Tell whether a line is nothing but a template's variable, which stands for lines."""
        if not line.startswith("$") or self.fill(section, line[1:].rstrip(_BLANKS)) is None:
            return False
        self.filled[(self.line, line[1:].rstrip(_BLANKS))] = None
        return True

    def section(self, name: str) -> Section:
        entries = tuple(self.sections[name].values())
        first = min((entry.line for entry in entries), default=1)
        return Section(name, self.headers.get(name, first), entries)

    def error(self, message: str) -> ConfigError:
        return ConfigError(self.line, message)

    def key(self, line: str, start: int) -> int:
        match = (_KEY_DOLLAR if self.dollar_is_letter else _KEY).match(line, start)
        assert match
        return match.end()

    def header(self, line: str) -> str:
        """Return the name between brackets; it may have blanks inside, and what follows it does not count."""
        start = at = _skip(line, 1)
        while True:
            end = self.key(line, at)
            after = _skip(line, end)
            if line.startswith("]", after):
                return self.value(line[start:end], None)
            if after >= len(line) or after == at:
                raise self.error("a section's name is not closed by a bracket")
            at = after

    def assignment(self, line: str, section: str) -> None:
        start, end = 0, self.key(line, 0)
        if line.startswith("::", end):
            section, start = line[:end], end + 2
            end = self.key(line, start)
        key, at = line[start:end], _skip(line, end)
        equals = line.startswith("=", at)
        value = line[at + equals :].strip(_BLANKS)
        # Whatever begins so is taken for the directive itself, unless other signs follow at once.
        for directive, take in ((".pragma", self.pragma), (".include", self.include)):
            if key.startswith(directive) and (equals or at > start + len(directive)):
                take(value, section)
                return
        if not equals:
            raise self.error("there is no equal sign behind the key")
        entries = self.sections.setdefault(section, {})
        entry = Entry(key, self.value(value, section), self.line)
        if before := entries.pop(key, None):
            self.repeated.append(Repeated(section, key, before.line, self.line))
        entries[key] = entry

    def pragma(self, value: str, _: str) -> None:
        self.pragmas.append(self.line)
        name, colon, setting = value.partition(":")
        if not name or not colon or not setting:
            raise self.error("a .pragma is not of the form name:value")
        if name.rstrip(_BLANKS) == "dollarid":
            switch = _SWITCH.get(setting.lstrip(_BLANKS).lower())
            if switch is None:
                raise self.error("the .pragma dollarid is neither on nor off")
            self.dollar_is_letter = switch

    def include(self, value: str, section: str) -> None:
        self.includes.append((self.line, self.value(value, section)))

    def value(self, text: str, section: str | None) -> str:
        """Return a value with its quotes and escapes taken away and its variables put in."""
        parts: list[str] = []
        at, length = 0, len(text) + 1
        while (stop := _VALUE_STOP.search(text, at)) is not None:
            parts.append(text[at : stop.start()])
            at, sign = stop.end(), stop[0]
            if sign == "\\":
                escaped = text[at : at + 1]
                parts.append(_ESCAPES.get(escaped, escaped))
                at += 1
            elif sign != "$":
                quoted = _QUOTED[sign].match(text, at)
                assert quoted
                parts.append(re.sub(r"\\(.)", r"\1", quoted[0], flags=re.DOTALL))
                # Behind it is the closing quote, a last backslash, or nothing.
                at = quoted.end() + 1
            elif self.dollar_is_letter and text[at : at + 1] not in ("{", "("):
                parts.append(sign)
            else:
                expanded, end = self.variable(text, at, section)
                parts.append(expanded)
                length += len(expanded) - (end - stop.start())
                at = end
                if length > LARGEST_VALUE:
                    raise self.error("a value is too long once its variables are put in")
        parts.append(text[at:])
        value = "".join(parts)
        self.sum += len(value)
        if self.sum > _LARGEST_SUM:
            raise self.error("its variables make too much of the file")
        return value

    def variable(self, text: str, at: int, section: str | None) -> tuple[str, int]:
        """Return what the variable behind a dollar sign stands for, and the offset behind it."""
        word = _WORD_DOLLAR if self.dollar_is_letter else _WORD
        closing = {"{": "}", "(": ")"}.get(text[at : at + 1], "")
        name = word.match(text, at + len(closing))
        assert name
        if text.startswith("::", name.end()):
            section = name[0]
            name = word.match(text, name.end() + 2)
            assert name
        if not text.startswith(closing, name.end()):
            raise self.error("a variable's brace is not closed")
        return self.lookup(section, name[0]), name.end() + len(closing)

    def lookup(self, section: str | None, name: str) -> str:
        entry = self.sections.get(section, {}).get(name) if section is not None else None
        fallback = self.sections[DEFAULT].get(name)
        if entry is None and section == "ENV":
            self.environment[(self.line, name)] = None
            # An environment without it is what is judged, if the file provides for that.
            return fallback.value if fallback else UNKNOWN
        found = entry or fallback
        if found is not None:
            return found.value
        filled = self.fill(section or DEFAULT, name)
        if filled is not None:
            self.filled[(self.line, name)] = None
            return filled
        if not self.includes and not self.holes:
            raise self.error(f"the variable ${name} has no value")
        return UNKNOWN


def _skip(line: str, at: int) -> int:
    while at < len(line) and line[at] in _BLANKS:
        at += 1
    return at


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with the number of their first, those that end in a backslash joined with the next."""
    if len(text) > LARGEST:
        raise ConfigError(1, "no configuration is larger than 1 MiB")
    parts: list[str] = []
    first = 1
    for number, written in enumerate(text.split("\n"), start=1):
        line = written.rstrip("\r")
        if "\0" in line or "\r" in line:
            # openssl ends a line at the one, and at the other where its buffer ends.
            raise ConfigError(number, f"a {'NUL byte' if chr(0) in line else 'carriage return'} inside the line")
        first = first if parts else number
        # Two backslashes are one that is meant, and so, to openssl, are three.
        if line.endswith("\\") and not line.endswith("\\\\"):
            parts += filter(None, (line[:-1],))
        else:
            yield first, "".join((*parts, line))
            parts = []
    yield first, "".join(parts)


def _without_comment(line: str) -> str:
    at = 0
    while (stop := _COMMENT_STOP.search(line, at)) is not None:
        if stop[0] == "#":
            return line[: stop.start()]
        if stop[0] == "\\":
            at = stop.end() + 1
        else:
            quoted = _QUOTED[stop[0]].match(line, stop.end())
            assert quoted
            at = quoted.end() + 1
    return line


def written(sections: Iterable[Section]) -> str:
    """Return a file in which each section has just these keys and values, the same in all versions of openssl."""
    lines = []
    for section in sections:
        lines.append(f"[{''.join(_in_header(character) for character in section.name)}]")
        lines += [f"{entry.key} = {_literal(entry.value)}" for entry in section.entries]
    return "".join(f"{line}\n" for line in lines)


def _in_header(character: str) -> str:
    if character.isascii() and character != "\\" and _KEY.fullmatch(character):
        return character
    return _ESCAPED.get(character, f"\\{character}")


def _literal(value: str) -> str:
    text = "".join(_ESCAPED.get(character, character) for character in value)
    # A blank at an end would be cut off; the other kinds are escaped already.
    if text.startswith(" "):
        text = f'" "{text[1:]}'
    return f'{text[:-1]}" "' if text.endswith(" ") else text
