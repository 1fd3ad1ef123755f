r"""Read openssl's configuration files (config(5)) as openssl does, and write them with all variables expanded.

Nothing is run or opened: `.include` is ignored, and a value from the environment is `UNKNOWN`. If the versions of
openssl differ, this follows the newest one. A NUL or a carriage return inside a line is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern

DEFAULT = "default"
"""The section of the keys before the first header; it also provides keys that are missing in other sections."""

UNKNOWN = "\ud800"
"""Marks an unknown part of a value. It cannot come from a file, whether that is UTF-8 or not."""

LARGEST = 1 << 20
"""The maximum size of a configuration file in characters; openssl's file is a hundred times smaller."""
LARGEST_VALUE = 1 << 16
"""The maximum size of a value in bytes after its variables are expanded, as in openssl (MAX_CONF_VALUE_LENGTH)."""
_LARGEST_SUM = 1 << 24

_BLANKS = " \t\r\n"
_WORD = pattern(r"[A-Za-z0-9_]*")
_WORD_DOLLAR = pattern(r"[A-Za-z0-9_$]*")
# openssl escapes single bytes, so a letter that is not ASCII cannot be escaped in a key.
_KEY = pattern(r"(?:[A-Za-z0-9_!.%&*+,/;?@^~|-]|\\[\x00-\x7f]|\\\Z)*")
_KEY_DOLLAR = pattern(r"(?:[A-Za-z0-9_!.%&*+,/;?@^~|$-]|\\[\x00-\x7f]|\\\Z)*")
_COMMENT_STOP = pattern(r"[\"'`#\\]")
_VALUE_STOP = pattern(r"[\"'`$\\]")
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\]|\\.)*", re.DOTALL) for quote in "\"'`"}
_ESCAPES = {"r": "\r", "n": "\n", "b": "\b", "t": "\t"}
_ESCAPED = {character: f"\\{name}" for name, character in _ESCAPES.items()} | {
    character: f"\\{character}" for character in "\\$#\"'`"
}
_SWITCH = {"on": True, "true": True, "off": False, "false": False}


class ConfigError(UnreadableError):
    """A file that openssl refuses to load, or that cannot be meant as it is."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message, line=line)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value, with quotes, escapes and variables resolved."""

    key: str
    """As in the file, with escapes."""
    value: str
    """Unknown parts are UNKNOWN."""
    line: int
    """Its first line, from 1."""

    @property
    def is_known(self) -> bool:
        """Whether no part of the value is unknown."""
        return UNKNOWN not in self.value


@dataclass(frozen=True, slots=True)
class Section:
    """A section, with each key once, in openssl's order."""

    name: str
    line: int
    """The line of its first header or, without a header, of its first key."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that appears twice in a section; openssl uses the last one."""

    section: str
    key: str
    first: int
    """The line of the value that openssl ignores."""
    line: int
    """The line of the value that openssl uses."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file."""

    sections: dict[str, Section]
    """By name; always with DEFAULT."""
    environment: tuple[tuple[int, str], ...]
    """Line and name of each variable that comes from the environment."""
    includes: tuple[tuple[int, str], ...]
    """Line and path of each file that it includes."""
    pragmas: tuple[int, ...]
    """Line of each `.pragma`, which changes how newer versions of openssl read the rest."""
    holes: tuple[int, ...]
    """Lines whose key or section is unknown."""
    repeated: tuple[Repeated, ...]
    filled: tuple[tuple[int, str], ...]
    """Line and name of each variable whose value comes from `fill`, because the file has none."""
    index: Mapping[str, Mapping[str, Entry]] = field(repr=False)
    """The entries by section and key."""

    def own(self, section: str, key: str) -> Entry | None:
        """Return the entry of a key in this section; DEFAULT is not searched."""
        return self.index.get(section, {}).get(key)

    def entry(self, section: str, key: str) -> Entry | None:
        """Return the entry that openssl uses for a key: from the section, otherwise from DEFAULT."""
        return self.own(section, key) or self.own(DEFAULT, key)


def read_config(text: str, *, fill: Callable[[str, str], str | None] | None = None) -> Config:
    """Return the content of a file as openssl reads it; raises ConfigError.

    The text may contain UNKNOWN. `fill` returns the value of a template's variable by section and name, or None if
    the template has no such variable.
    """
    return _Reader(fill or (lambda *_: None)).read(text)


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
                # After an unknown header, the section is unknown.
                section = UNKNOWN if line.startswith("[") else section
            elif self.is_template_variable(line, section):
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

    def is_template_variable(self, line: str, section: str) -> bool:
        """Tell whether a line consists of a template's variable, which is replaced by whole lines."""
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
        """Return the name between the brackets, which may contain blanks; openssl ignores the rest of the line."""
        start = at = _skip(line, 1)
        while True:
            end = self.key(line, at)
            after = _skip(line, end)
            if line.startswith("]", after):
                return self.value(line[start:end], None)
            if after >= len(line) or after == at:
                raise self.error("the name of a section has no closing bracket")
            at = after

    def assignment(self, line: str, section: str) -> None:
        start, end = 0, self.key(line, 0)
        if line.startswith("::", end):
            section, start = line[:end], end + 2
            end = self.key(line, start)
        key, at = line[start:end], _skip(line, end)
        equals = line.startswith("=", at)
        value = line[at + equals :].strip(_BLANKS)
        # openssl reads every key that begins like this as the directive, unless other characters follow directly.
        for directive, take in ((".pragma", self.pragma), (".include", self.include)):
            if key.startswith(directive) and (equals or at > start + len(directive)):
                take(value, section)
                return
        if not equals:
            raise self.error("there is no equals sign after the key")
        entries = self.sections.setdefault(section, {})
        entry = Entry(key, self.value(value, section), self.line)
        if before := entries.pop(key, None):
            self.repeated.append(Repeated(section, key, before.line, self.line))
        entries[key] = entry

    def pragma(self, value: str, _: str) -> None:
        self.pragmas.append(self.line)
        name, colon, setting = value.partition(":")
        if not name or not colon or not setting:
            raise self.error("a .pragma does not have the form name:value")
        if name.rstrip(_BLANKS) == "dollarid":
            switch = _SWITCH.get(setting.lstrip(_BLANKS).lower())
            if switch is None:
                raise self.error("the .pragma dollarid is neither on nor off")
            self.dollar_is_letter = switch

    def include(self, value: str, section: str) -> None:
        self.includes.append((self.line, self.value(value, section)))

    def value(self, text: str, section: str | None) -> str:
        """Return a value with its quotes and escapes resolved and its variables expanded."""
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
                # The closing quote, a last backslash, or nothing follows.
                at = quoted.end() + 1
            elif self.dollar_is_letter and text[at : at + 1] not in ("{", "("):
                parts.append(sign)
            else:
                expanded, end = self.variable(text, at, section)
                parts.append(expanded)
                length += len(expanded) - (end - stop.start())
                at = end
                if length > LARGEST_VALUE:
                    raise self.error("a value is too long after its variables are expanded")
        parts.append(text[at:])
        value = "".join(parts)
        self.sum += len(value)
        if self.sum > _LARGEST_SUM:
            raise self.error("the file is too large after its variables are expanded")
        return value

    def variable(self, text: str, at: int, section: str | None) -> tuple[str, int]:
        """Return the value of the variable after a dollar sign, and the offset after the variable."""
        word = _WORD_DOLLAR if self.dollar_is_letter else _WORD
        closing = {"{": "}", "(": ")"}.get(text[at : at + 1], "")
        name = word.match(text, at + len(closing))
        assert name
        if text.startswith("::", name.end()):
            section = name[0]
            name = word.match(text, name.end() + 2)
            assert name
        if not text.startswith(closing, name.end()):
            raise self.error("a variable has no closing brace")
        return self.lookup(section, name[0]), name.end() + len(closing)

    def lookup(self, section: str | None, name: str) -> str:
        entry = self.sections.get(section, {}).get(name) if section is not None else None
        fallback = self.sections[DEFAULT].get(name)
        if entry is None and section == "ENV":
            self.environment[(self.line, name)] = None
            # If the file has a default, use it, as openssl does if the variable is not set.
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
    """Yield lines with their numbers; a line that ends in a backslash is joined with the next."""
    if len(text) > LARGEST:
        raise ConfigError(1, "it is larger than 1 MiB")
    parts: list[str] = []
    first = 1
    for number, written in enumerate(text.split("\n"), start=1):
        line = written.rstrip("\r")
        if "\0" in line or "\r" in line:
            # For openssl a line ends at a NUL; at a carriage return only if its buffer ends there.
            raise ConfigError(number, f"a {'NUL byte' if chr(0) in line else 'carriage return'} inside the line")
        first = first if parts else number
        # Two backslashes are an escaped backslash; openssl treats three in the same way.
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


def config_text(sections: Iterable[Section]) -> str:
    """Return a file with exactly these sections, keys and values; all versions of openssl read it alike."""
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
    # openssl would remove a blank at the start or end; other white space is escaped already.
    if text.startswith(" "):
        text = f'" "{text[1:]}'
    return f'{text[:-1]}" "' if text.endswith(" ") else text
