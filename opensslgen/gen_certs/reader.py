"""What a script like the vendor's `gen_certs.sh` says about the certificates that it makes.

Only the parts that the post prints are known: the default validity, and the echo lines of a `[ v3_req ]` section in a
branch `if $EXTENDED_CSR`. Both are found by structure, never by their place in the file.
"""

from __future__ import annotations

import ast
import operator
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.patterns import pattern
from opensslgen.values import dataclass

from .shell import Command, Line, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALIDITY = "DEFAULT_SERVER_CERT_VALIDITY"
WISH = "EXTENDED_CSR"
SECTION = "v3_req"

ASSIGNMENT = pattern(rf"((?:(?:export|readonly|local|declare|typeset)(?:[ \t]+-[A-Za-z]+)*[ \t]+)?{VALIDITY}=)([^\n]*)")
PRINTED = pattern(r"(echo|printf)([ \t]+)(.*)", re.DOTALL)
_WISH = pattern(rf"\$(?:{WISH}(?![A-Za-z0-9_])|\{{{WISH}[^A-Za-z0-9_])")
_NOT = pattern(r"!=|\[ !|test !|-ne ")
_FALSE = pattern(r"-z |[ \"'=](?:false|no|0)(?:[ \"']|\Z)")
_NUMBER = pattern(r"(?:[-+*/() \t]|(?<![0-9])(?:0|[1-9][0-9]*)(?![0-9]))*")
_HEADER = pattern(r"[ \t]*\[[ \t]*([^]]*?)[ \t]*\][ \t]*(?:#.*)?")
_USAGE = pattern(r"[ \t]*extendedKeyUsage[ \t]*=[ \t]*([^#]*)")
_PIECES = pattern(r"""["'\n]|\\n""")
_HARMLESS = pattern(
    r"(?:\[\[?|test|:|true|false|echo|printf|for|local|export|readonly|declare)(?:[ \t\n]|\Z)"
    r"|[A-Za-z_][A-Za-z0-9_]*\+?="
)
_SERVER = frozenset({"serverAuth", "1.3.6.1.5.5.7.3.1", "TLS Web Server Authentication"})
_OPTION = pattern(
    r"(?<![\w-])(?:(?P<flag>-sha1|-md5)(?![\w-])|(?P<option>-days|-newkey)[ \t]+[\"']?(?P<value>[^ \t\n\"';|&)]+)"
    r"|(?P<kind>genrsa)\b(?:[^;|&\n]*?[ \t])[\"']?(?P<bits>[0-9]+)\b|rsa:(?P<size>[0-9]+))"
)
_KEY = pattern(r"[ \t]*(default_bits|default_days|default_md)[ \t]*=[ \t]*([^ \t#]+)")


@dataclass(frozen=True)
class Validity:
    """An assignment to the default validity."""

    command: Command
    days: int | None
    """None if it cannot be told without running the script."""

    @property
    def line(self) -> int:
        """The number of its line, from 1."""
        return self.command.line


@dataclass(frozen=True)
class Usage:
    """An extendedKeyUsage line that the script writes."""

    line: int
    text: str
    """Its value, as written in the script."""
    conditional: bool
    """Whether it is written only under an additional condition."""
    alone: bool
    """Whether it is the only one in its command."""

    @property
    def values(self) -> tuple[str, ...] | None:
        """The usages by name, or None if they cannot be told without running the script."""
        if not re.fullmatch(r"[A-Za-z0-9., \t]*[A-Za-z0-9][A-Za-z0-9., \t]*", self.text):
            return None
        return tuple(value.strip(" \t") for value in self.text.split(","))

    @property
    def server(self) -> bool:
        """Whether serverAuth is certainly among them."""
        return not _SERVER.isdisjoint(value.strip(" \t") for value in self.text.split(","))


@dataclass(frozen=True)
class Block:
    """The commands that write one `[ v3_req ]` section to a file."""

    line: int
    target: str
    """The file, as written in the script, without quotes and braces."""
    extended: bool | None
    """Whether it is in the branch for EXTENDED_CSR; None if it is in neither branch."""
    usages: tuple[Usage, ...]
    last: Command | Line | None
    """Its last echo, or the last line of the section in a heredoc; None if nothing can be added after it."""
    column: int | None
    """The column of its aligned redirections, from 0; None if they are not aligned."""

    @property
    def complies(self) -> bool:
        """Whether the section always has serverAuth."""
        return any(not usage.conditional for usage in self.usages) and all(usage.server for usage in self.usages)


@dataclass(frozen=True)
class Setting:
    """Another setting that shapes certificates: an option of openssl, or a line of its config."""

    line: int
    name: str
    """`-days`, `-sha1`, `-md5`, `-newkey`, `genrsa`, `rsa`, `default_bits`, `default_days` or `default_md`."""
    value: str
    """As written in the script, without quotes; empty for `-sha1` and `-md5`."""


@dataclass(frozen=True)
class Script:
    """What a script says about the certificates that it makes."""

    validities: tuple[Validity, ...]
    """In order; the first is the default that the vendor's form shows."""
    blocks: tuple[Block, ...]
    settings: tuple[Setting, ...]

    @property
    def extended_blocks(self) -> tuple[Block, ...]:
        """The blocks for the certificates that phones have to accept.

        Those in the branch for EXTENDED_CSR, as in the post. A script that has no block in either branch of such a
        condition writes the section for all its certificates, or chooses elsewhere: then all blocks. If only the
        other branch has blocks, the block for phones was not understood: then no block.
        """
        if any(block.extended is not None for block in self.blocks):
            return tuple(block for block in self.blocks if block.extended)
        return self.blocks


def read_script(text: str) -> Script:
    """Return what a script says about its certificates; raises UnreadableError if it is not understood as shell."""
    found = commands(text, asks=_asks)
    sections = _Sections()
    for command in found:
        sections.take(command)
    return Script(tuple(_validities(found)), tuple(sections.blocks()), tuple(_settings(found)))


def width(text: str, start: int = 0) -> int:
    """Return the column after a text that begins at column `start`, with tab stops every 8 columns."""
    for character in text:
        start = start + 8 - start % 8 if character == "\t" else start + 1
    return start


def _asks(command: Command) -> bool | None:
    """Tell whether a condition asks that EXTENDED_CSR be true, or false; None if it is about something else."""
    if not _WISH.search(command.text):
        return None
    signs = (command.operator == "!", bool(_NOT.search(command.text)), bool(_FALSE.search(command.text)))
    return sum(signs) % 2 == 0


def _validities(found: list[Command]) -> Iterator[Validity]:
    for command in found:
        if assignment := ASSIGNMENT.match(command.text):
            whole = assignment.end() == len(command.text)
            yield Validity(command, _days(assignment[2]) if whole else None)


def _days(value: str) -> int | None:
    """Return the number that a value means, if it is a number, or a small sum or product of numbers."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        quote, value = value[0], value[1:-1]
        if quote == "'" and "$" in value:
            return None
    if value.startswith("$((") and value.endswith("))"):
        value = value[3:-2]
    elif not value.isascii() or not value.isdigit():
        return None
    # Longer ones could overflow in a shell; octal numbers and everything else count as unknown.
    if len(re.sub("[ \t]", "", value)) > 9 or not _NUMBER.fullmatch(value):
        return None
    try:
        return _number(ast.parse(value.strip(" \t"), mode="eval").body)
    except (SyntaxError, ZeroDivisionError):
        return None


def _number(node: ast.expr) -> int:
    """Return the value of digits, + - * / and parentheses as a shell computes it; division rounds towards zero."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if not isinstance(node, ast.BinOp) or type(node.op) not in _OPERATORS:
        raise SyntaxError
    return _OPERATORS[type(node.op)](_number(node.left), _number(node.right))


def _quotient(dividend: int, divisor: int) -> int:
    size = abs(dividend) // abs(divisor)
    return size if (dividend < 0) == (divisor < 0) else -size


_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
}


class _Sections:
    """Collects the sections that commands write, command by command."""

    command: Command
    target: str
    conditional: bool

    def __init__(self) -> None:
        self.found: list[tuple[str, Block]] = []
        self.redirected: list[tuple[str, str]] = []
        self.open: Block | None = None
        self.path = ""
        # Only harmless commands came after the section's first echo.
        self.in_run = False
        # The last command was an unconditional part of the section.
        self.chained = False
        self.column = -1

    def blocks(self) -> Iterator[Block]:
        """Return the sections that are written to a file, directly or by the redirection of a group."""
        self.close()
        groups: dict[str, str] = {}
        for group, target in self.redirected:
            groups.setdefault(group, target)
        for path, block in self.found:
            # The path of a group ends with a point; the longest one is that of the closest group.
            ends = (at for at in range(len(path) - 1, -1, -1) if path[at] == "." and path[: at + 1] in groups)
            at = next(ends, None)
            target = block.target or ("" if at is None else groups[path[: at + 1]])
            if target:
                yield replace(block, target=target)

    def close(self) -> None:
        if self.open:
            self.found.append((self.path, self.open))
        self.open = None

    def take(self, command: Command) -> None:
        self.command = command
        self.target, truncates = _target(command)
        self.conditional = command.operator in ("&&", "||", "|") and not (self.chained and command.operator == "&&")
        self.chained = False
        echoes = PRINTED.match(command.text)
        cat = re.fullmatch(r"cat(?:[ \t]+-)?[ \t]*", command.arguments + command.after)
        if command.closes:
            self.redirected.append((command.closes, self.target))
            return
        if not echoes and not (cat and command.document is not None):
            self.pass_by()
            return
        if self.open and truncates and self.target == self.open.target:
            self.close()
        if echoes:
            self.take_echo()
            return
        for line in command.document or ():
            self.take_line(line)
            content = line.text.strip(" \t")
            if self.is_level() and content and content[0] != "#":
                self.put_behind(None if content.endswith("\\") else line)

    def take_echo(self) -> None:
        command = self.command
        line = command.line + command.text.partition("extendedKeyUsage")[0].count("\n")
        for printed in _printed_lines(command):
            self.take_line(Line(line, printed))
        if self.is_level():
            self.chained = True
            self.put_behind(command if _ends_its_line(command) else None)
        elif not self.concerns():
            self.pass_by()

    def take_line(self, line: Line) -> None:
        """Process a printed line."""
        if header := _HEADER.fullmatch(line.text):
            if header[1] == SECTION:
                self.close()
                path = self.command.path
                extended = bool(re.search("[+e]", path)) if re.search("[-+en]", path) else None
                self.open = Block(self.command.line, self.target, extended, (), None, None)
                # A condition of its first line applies to the whole section.
                self.path, self.in_run, self.column, self.conditional = path, True, -1, False
            elif self.concerns():
                self.close()
        elif (usage := _USAGE.match(line.text)) and self.open and self.concerns():
            deeper = len(self.command.path) > len(self.path)
            alone = self.command.document is not None or self.command.text.count("extendedKeyUsage") == 1
            found = Usage(line.number, usage[1].strip(" \t"), deeper or self.conditional, alone)
            self.open = replace(self.open, usages=(*self.open.usages, found))

    def concerns(self) -> bool:
        """Tell whether the command's output is part of the open section, with or without an additional condition."""
        here, there = f"{self.path}/", f"{self.command.path}/"
        return bool(
            self.open and self.target == self.open.target and (here.startswith(there) or there.startswith(here))
        )

    def is_level(self) -> bool:
        """Tell whether the command has the same conditions as the section's first line."""
        return self.concerns() and self.command.path == self.path and not self.conditional

    def put_behind(self, last: Command | Line | None) -> None:
        """Remember where a line can be added to the section."""
        if not self.open or not self.in_run:
            return
        column, aligned = -1, False
        if isinstance(last, Command) and "\n" not in last.text and not last.before.strip(" \t"):
            gap = re.match(r"[ \t]*", last.text[len(last.arguments) :])
            start = width(last.before + last.arguments)
            column = width(gap[0] if gap else "", start)
            aligned = column == self.column or column >= start + 2
        self.open = replace(self.open, last=last, column=column if aligned else None)
        self.column = column

    def pass_by(self) -> None:
        """Skip a command that is not part of the section; after one that may use the file, nothing can be added."""
        text = self.command.text
        harmless = _HARMLESS.match(text) and not re.search(r"\$\(|`", text)
        if self.open and not harmless and f"{self.command.path}/".startswith(f"{self.path}/"):
            self.in_run = False


def _target(command: Command) -> tuple[str, bool]:
    """Return the file that a command's standard output goes to, or "", and whether the file is emptied first."""
    before, sign, behind = command.text[len(command.arguments) :].partition(">")
    if not sign or before[-1:] in tuple("023456789"):
        return "", False
    word = re.match(r"[>|]?(?:[ \t]|\\\n)*([^ \t\n<>]*)", behind)
    assert word
    target = re.sub(r"[\"'{}]", "", word[1])
    return ("" if target in ("&1", "&2") or target.startswith("/dev/") else target), not behind.startswith((">", "&"))


def _printed_lines(command: Command) -> list[str]:
    """Return the lines that an echo or printf prints; quotes count as line breaks."""
    match = PRINTED.match(command.arguments)
    return _PIECES.split(re.sub(r"\A(?:-[neE]+[ \t]+)*", "", match[3])) if match else []


def _ends_its_line(command: Command) -> bool:
    match = PRINTED.match(command.arguments)
    if not match:
        return True
    if match[1] == "echo":
        return not re.match(r"(?:-[eE]+[ \t]+)*-[eE]*n", match[3])
    return match[3][:1] in ("'", '"') and match[3][1:].partition(match[3][0])[0].endswith("\\n")


def _settings(found: list[Command]) -> Iterator[Setting]:
    for command in found:
        if PRINTED.match(command.text):
            yield from (Setting(command.line, *key.groups()) for key in map(_KEY.match, _printed_lines(command)) if key)
        else:
            for option in _OPTION.finditer(command.text):
                line = command.line + command.text.count("\n", 0, option.start())
                name = option["flag"] or option["option"] or option["kind"] or "rsa"
                yield Setting(line, name, option["value"] or option["bits"] or option["size"] or "")
        for text in command.document or ():
            if key := _KEY.match(text.text):
                yield Setting(text.number, *key.groups())
