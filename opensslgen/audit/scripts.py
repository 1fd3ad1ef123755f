"""Audits of shell scripts that make certificates: the vendor's `gen_certs.sh`, and others that call openssl.

Nothing is run. A value is known if it is written out, or if it is a variable that the script itself sets; else a note
says that it is not.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.gen_certs.reader import SECTION, VALIDITY, read_script
from opensslgen.gen_certs.shell import commands
from opensslgen.rules.apple import APPLE_LIMIT
from opensslgen.rules.rule import raised
from opensslgen.text import visible

from .result import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.gen_certs.reader import Block, Script
    from opensslgen.gen_certs.shell import Command

    from .result import Settings

_LEAST_RSA = 2048  # bits
_LARGEST = 1 << 19
"""Bytes of a script; easy-rsa has two fifths of it."""
_MOST_VALUES = 20
"""Values of one variable that are looked at."""

_GAP = r"(?:[ \t]|\\\r?\n)+"
_WORD = r"""(?:"[^"\n]*"|'[^'\n]*'|\$\(\([^\n]*?\)\)|\$\{[^}\n]*\}|[^ \t\n"';|&(){}])+"""
# Quantifiers have limits, so that no text takes long.
_NAME = r"(?i:openssl|\$\{?\w{0,40}ssl\w{0,40})"
_OPENSSL = re.compile(rf"{_NAME}[^ \t\n;|&]{{0,40}}{_GAP}(?P<sub>[a-z][a-z0-9]*)(?![\w.=/])")
_DAYS = re.compile(rf"(?<![\w-])-days{_GAP}(?P<value>{_WORD})")
_DIGEST = re.compile(
    rf"(?<![\w-])-(?:(?P<flag>sha1?|md[245]|mdc2|dss1|ripemd160|rmd160)(?![\w-])|md{_GAP}(?P<value>{_WORD}))"
)
_BITS = re.compile(rf"(?<![\w-])(?:-newkey{_GAP}[\"']?rsa:|-pkeyopt{_GAP}[\"']?rsa_keygen_bits:)(?P<value>{_WORD})")
_GENRSA = re.compile(rf"{_GAP}(?:-(?:out|passout|rand|writerand|engine|provider){_GAP}{_WORD}|-\S+|(?P<value>{_WORD}))")
_WEAK = re.compile(r"(?:rsa-?)?(?:sha-?1?|md-?[245]|mdc2|dss1|ripemd(?:160)?|rmd160)", re.IGNORECASE)
_SIGNS = {
    "ca": re.compile(""),
    "req": re.compile(r"(?<![\w-])-(?:new|newkey|x509)(?![\w-])"),
    "x509": re.compile(r"(?<![\w-])-(?:req|signkey|key|CA|x509toreq)(?![\w-])"),
}
"""Subcommands that sign certificates or requests, and what has to be said for that."""
_MAKES_CERTIFICATE = {**_SIGNS, "req": re.compile(r"(?<![\w-])-(?:x509|CA)(?![\w-])")}
_OF_AUTHORITY = re.compile(rf"CA:TRUE|-extensions{_GAP}[\"']?\w*(?:ca|root)\b", re.IGNORECASE)

_ASSIGNMENT = re.compile(
    rf"(?:(?:export|readonly|local|declare|typeset){_GAP}(?:-\w+{_GAP})*)?(?P<name>[A-Za-z_]\w*)=(?P<value>[^\n]*)"
)
_RUN = re.compile(r"[`$](?!\(\()")
_VARIABLE = re.compile(r"\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<name>\w+)(?::?[-=](?P<default>[^}]*))?\})")

_SHELL = re.compile(rb"#![ \t]*(?:\S*/)?(?:env[ \t]+(?:-S[ \t]+)?)?(?:\S*/)?(?:ba|da|k|mk|pdk|z|a)?sh\b")
_MAKES = re.compile(rb"%s[\"'}]{0,2}[ \t]+(?:req|x509|ca|genrsa|genpkey)\b" % _NAME.encode())
_VENDOR = re.compile(
    rb"^[ \t]*(?:(?:export|readonly|local|declare|typeset)(?:[ \t]+-\w+)*[ \t]+)?DEFAULT_SERVER_CERT_VALIDITY="
    rb"|^[ \t]*(?:echo|printf)[ \t]+(?:-e[ \t]+)?[\"']?[ \t]*\[[ \t]*v3_req[ \t]*\]",
    re.MULTILINE,
)
_PLAIN = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:[A-Za-z_]\w*(?:=|[ \t]*\(\))"
    rb"|(?:openssl|set|cd|mkdir|umask|export|readonly|declare|local|if|for|source|\.|echo|printf|function)[ \t])"
)


def looks_like_script(data: bytes) -> bool:
    """Tell whether a file, or its beginning, is a shell script that makes certificates."""
    if b"\0" in data:
        return False
    if _SHELL.match(data):
        return bool(_MAKES.search(data) or _VENDOR.search(data))
    # Without a first line that says so, prose that shows commands must not be taken for one.
    if data.startswith(b"#!") or not _PLAIN.match(data):
        return False
    return bool(_VENDOR.search(data) or re.search(rb"^[ \t]*" + _MAKES.pattern, data, re.MULTILINE))


def judge_script(data: bytes, *, target: str, settings: Settings) -> list[Result]:
    """Return what a shell script would make of certificates, as far as that can be told without running it."""
    result = Result(target=target, kind="script")
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        if len(text) > _LARGEST:
            raise UnreadableError("no script is larger than 512 KiB")
        if "\0" in text:
            raise UnreadableError(f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}: a NUL byte")
        found = commands(text, asks=_asks_nothing)
        told = list(_told(read_script(text), _Values(found), found))
    except UnreadableError as error:
        line = re.match(r"line ([0-9]+): ", error.message)
        return [
            Result(target=target, kind="script", unreadable=visible(error.message), line=int(line[1]) if line else None)
        ]
    findings = [
        finding
        for each in sorted(dict.fromkeys(told), key=lambda each: each.line)
        if each.rule
        for finding in raised(settings.rules, each.rule, each.message, line=each.line)
    ]
    notes = [f"line {each.line}: {each.message}" for each in told if not each.rule]
    return [replace(result, findings=tuple(findings), notes=tuple(notes))]


def _asks_nothing(_: Command) -> None:
    return None


@dataclass(frozen=True, slots=True)
class _Told:
    """Something to say about a line; a note, if it breaks no rule."""

    line: int
    rule: str | None
    message: str


class _Values:
    """What the script's variables may be."""

    def __init__(self, found: list[Command]) -> None:
        self.assigned: dict[str, dict[str, int]] = {}
        for command in found:
            match = _ASSIGNMENT.fullmatch(command.text)
            if match and not re.search(r"[;|&`]|\$\([^(]", match["value"]):
                values = self.assigned.setdefault(match["name"], {})
                if len(values) < _MOST_VALUES:
                    values.setdefault(match["value"], command.line)

    def of(self, text: str) -> list[tuple[str, str]]:
        """Return what a word may be, each with where that is from; nothing if that cannot be told."""
        word = _unquoted(text)
        variable = _VARIABLE.search(word)
        if not variable:
            return [] if _RUN.search(word) else [(word, "")]
        before, behind = word[: variable.start()], word[variable.end() :]
        if _RUN.search(behind):
            return []
        values = [(variable["default"], " (its default)")] if variable["default"] else []
        for assigned, line in self.assigned.get(variable["bare"] or variable["name"], {}).items():
            # A variable that is set to another one may have a default: ${1:-365}.
            inner = _VARIABLE.fullmatch(_unquoted(assigned))
            values.append(((inner["default"] or "$") if inner else assigned, f" (line {line})"))
        return [(before + _unquoted(value) + behind, source) for value, source in values if not _RUN.search(value)]


def _unquoted(word: str) -> str:
    return word.strip(" \t\r").replace('"', "").replace("'", "")


def _number(value: str) -> int | None:
    """Return the number that a value stands for, read as the default validity is."""
    try:
        [validity] = read_script(f"{VALIDITY}={value}\n").validities
    except (UnreadableError, ValueError):
        return None
    return validity.days


def _told(script: Script, values: _Values, found: list[Command]) -> Iterator[_Told]:
    for validity in script.validities:
        if validity.days is None:
            yield _Told(validity.line, None, f"{VALIDITY} cannot be told without running the script")
        elif validity.days > APPLE_LIMIT.days:
            message = f"the default validity is {validity.days} days; {APPLE_LIMIT.days} is the most"
            yield _Told(validity.line, "script-validity", message)
    for block in script.extended_blocks:
        yield from _told_of_block(block, values)
    if not script.extended_blocks and (script.validities or script.blocks):
        line = script.blocks[0].line if script.blocks else script.validities[0].line
        yield _Told(
            line, None, f"what writes the section [ {SECTION} ] for phones was not found, so its usages are not known"
        )
    for setting in script.settings:
        if setting.name == "default_days":
            yield from _too_many_days(setting.line, "default_days", setting.value, values)
        elif setting.name == "default_bits":
            yield from _too_few_bits(setting.line, setting.value, values)
        elif setting.name == "default_md":
            yield from _weak_digest(setting.line, setting.value, values)
    for command in found:
        if not re.match(r"(?:echo|printf)[ \t]", command.text):
            yield from _told_of_command(command, values)


def _told_of_block(block: Block, values: _Values) -> Iterator[_Told]:
    if block.complies:
        return
    if not block.usages:
        message = f"the section [ {SECTION} ] has no extendedKeyUsage; serverAuth is needed"
        yield _Told(block.line, "script-no-eku", message)
    for usage in block.usages:
        if usage.server and usage.conditional:
            yield _Told(usage.line, "script-no-eku", "extendedKeyUsage is written under a further condition only")
        elif not usage.server:
            known = [each for each in values.of(usage.text) if re.fullmatch(r"[A-Za-z0-9., \t]+", each[0])]
            for value, source in known:
                if "serverAuth" not in map(str.strip, value.split(",")):
                    message = f"the extended key usage is {visible(value)}{source}; serverAuth is needed"
                    yield _Told(usage.line, "script-no-eku", message)
            if not known:
                message = f"the extended key usage {visible(usage.text)} cannot be told without running the script"
                yield _Told(usage.line, None, message)


def _told_of_command(command: Command, values: _Values) -> Iterator[_Told]:
    breaks = [match.start() for match in re.finditer("\n", command.text)]
    calls = list(_OPENSSL.finditer(command.text))
    for call, behind in zip_longest(calls, calls[1:]):
        sub, rest = call["sub"], command.text[call.end() : behind.start() if behind else None]

        def line(match: re.Match[str], start: int = call.end()) -> int:
            return command.line + bisect_left(breaks, start + match.start("value" if match["value"] else 0))

        if sub in _MAKES_CERTIFICATE and _MAKES_CERTIFICATE[sub].search(rest) and not _OF_AUTHORITY.search(rest):
            for match in _DAYS.finditer(rest):
                yield from _too_many_days(line(match), "-days", match["value"], values)
        if sub in _SIGNS and _SIGNS[sub].search(rest):
            for match in _DIGEST.finditer(rest):
                if match["flag"] or sub == "ca":
                    yield from _weak_digest(line(match), match["flag"] or match["value"], values)
        for match in (_GENRSA if sub == "genrsa" else _BITS).finditer(rest):
            if match["value"]:
                yield from _too_few_bits(line(match), match["value"], values)


def _too_many_days(line: int, name: str, written: str, values: _Values) -> Iterator[_Told]:
    known = [(_number(value), source) for value, source in values.of(written)]
    for days, source in known:
        if days is not None and days > APPLE_LIMIT.days:
            message = f"{name} {_quoted(written)} is {days} days{source}" if source else f"{name} is {days} days"
            yield _Told(line, "script-days", f"{message}; {APPLE_LIMIT.days} is the most for a server")
    if not any(days is not None for days, _ in known):
        yield _Told(line, None, f"{name} {_quoted(written)} cannot be told without running the script")


def _too_few_bits(line: int, written: str, values: _Values) -> Iterator[_Told]:
    for value, source in values.of(written):
        bits = int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
        if bits is not None and bits < _LEAST_RSA:
            yield _Told(line, "script-small-key", f"it makes an RSA key of {bits} bits{source}; 2048 is the least")


def _weak_digest(line: int, written: str, values: _Values) -> Iterator[_Told]:
    for value, source in values.of(written):
        if _WEAK.fullmatch(value):
            yield _Told(line, "script-sha1", f"it signs with {visible(value)}{source}; sha256 is needed")


def _quoted(written: str) -> str:
    return visible(_unquoted(written))
