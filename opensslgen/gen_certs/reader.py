"""What a script like the vendor's `gen_certs.sh` says about the certificates that it makes.

Only the parts that the post prints are known: the default validity, and the commands that write a section `[ v3_req ]`
to a file in a branch `if $EXTENDED_CSR`. Both are found by structure, never by their place in the file; what the
commands write is what the shell's interpreter says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import pairwise
from typing import Any

from opensslgen.errors import UnreadableError
from opensslgen.shell.builtins import BUILTINS
from opensslgen.shell.machine import Budget, Call, Machine, World, explore
from opensslgen.shell.parse import DECLARES
from opensslgen.shell.status import LeaveError, Maybe, Status
from opensslgen.shell.syntax import (
    AndOr,
    Arithmetic,
    Case,
    Command,
    For,
    Function,
    If,
    Parameter,
    Pipeline,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Text,
    While,
    Word,
    children,
    literal,
    nodes,
)
from opensslgen.shell.values import Chunk, with_names
from opensslgen.shell.words import calculate

VALIDITY = "DEFAULT_SERVER_CERT_VALIDITY"
WISH = "EXTENDED_CSR"
SECTION = "v3_req"

_MOST = 16
"""Maximum number of files and branches to which a script writes sections."""
_DEEPEST = 5
"""Maximum number of functions that call one another before one writes a section."""
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0", "")
"""Values of the variable for the wish that stand for either answer."""
_HEADER = re.compile(r"[ \t]*\[[ \t]*([^]]*?)[ \t]*\][ \t]*(?:#.*)?")
_USAGE = re.compile(r"[ \t]*extendedKeyUsage[ \t]*=[ \t]*([^#]*)")
_SUM = re.compile(r"(?!.*[-+*/(][ \t]*[-+*/])(?![ \t]*[-+*/])(?:[-+*/() \t]|(?<![0-9])(?:0|[1-9][0-9]*)(?![0-9]))*")
_KNOWN = re.compile(r"[A-Za-z0-9., \t]+")
_SERVER = frozenset({"serverAuth", "1.3.6.1.5.5.7.3.1", "TLS Web Server Authentication"})


@dataclass(frozen=True)
class Validity:
    """An assignment to the default validity."""

    line: int
    days: int | None
    """None if it cannot be told without running the script."""


@dataclass(frozen=True)
class Usage:
    """An extendedKeyUsage line that the script writes."""

    line: int
    text: str
    """Its value; unknown parts appear by their names."""
    known: bool

    @property
    def server(self) -> bool:
        """Whether serverAuth is certainly among them."""
        return not _SERVER.isdisjoint(value.strip(" \t") for value in self.text.split(","))


@dataclass(frozen=True)
class Block:
    """The commands that write one `[ v3_req ]` section to a file."""

    line: int
    extended: bool | None
    """Whether it is in the branch for EXTENDED_CSR; None if it is in neither branch."""
    ways: tuple[tuple[Usage, ...], ...]
    """The usages that it gets on each way through the script."""
    places: tuple[int, ...]
    """The lines of the script that write the section under no further condition."""

    @property
    def usages(self) -> tuple[Usage, ...]:
        """The usages on all ways, each once."""
        return tuple(dict.fromkeys(usage for way in self.ways for usage in way))

    @property
    def complies(self) -> bool:
        """Whether the section always has serverAuth."""
        return all(len(way) == 1 and way[0].server for way in self.ways)


@dataclass(frozen=True)
class Script:
    """What a script says about the certificates that it makes."""

    validities: tuple[Validity, ...]
    """In order; the first is the default that the vendor's form shows."""
    blocks: tuple[Block, ...]

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


def read_script(tree: Sequence) -> Script:
    """Return what a script says about its certificates; raises UnreadableError if it takes too much to follow it."""
    validities = (validity for each in nodes(tree) if isinstance(each, Simple) for validity in _validities(each))
    places: dict[tuple[int, str], tuple[Sequence | Command, bool | None]] = {}
    for simple, above in _walk(tree, ()):
        target = _target(simple, above) if _prints_section(simple) else ""
        if not target:
            continue
        unit, extended = _unit(above, tree)
        places.setdefault((id(unit), target), (unit, extended))
        if len(places) > _MOST:
            raise UnreadableError(f"more than {_MOST} places that write a section", line=simple.line)
    blocks: dict[int, Block] = {}
    for (_, target), (unit, extended) in places.items():
        followed = unit if isinstance(unit, Sequence) else Sequence((AndOr(Pipeline((unit,), False), ()),))
        for block in _blocks(tree, followed, target):
            blocks.setdefault(block.line, replace(block, extended=extended))
    return Script(tuple(validities), tuple(blocks[line] for line in sorted(blocks)))


def _validities(simple: Simple) -> Iterator[Validity]:
    for assignment in simple.assignments:
        if assignment.name == VALIDITY:
            value = assignment.value if isinstance(assignment.value, Word) and not simple.words else None
            yield Validity(simple.line, None if assignment.appends else _days(value))
    if simple.words and literal(simple.words[0]) in DECLARES:
        for word in simple.words[1:]:
            first = word.parts[0] if word.parts else None
            if isinstance(first, Text) and first.value.startswith(f"{VALIDITY}="):
                rest = replace(first, value=first.value.partition("=")[2])
                parts = (rest, *word.parts[1:]) if rest.value else word.parts[1:]
                yield Validity(word.line, _days(Word(parts, word.line)))


def _days(word: Word | None) -> int | None:
    """Return the number that a value means, if it is a number, or a small sum or product of numbers."""
    if word is None:
        return None
    text = literal(word)
    if text is None and len(word.parts) == 1 and isinstance(word.parts[0], Arithmetic):
        text = literal(word.parts[0].expression)
    elif text is not None and not re.fullmatch("[0-9]+", text, re.ASCII):
        return None
    # Longer ones could overflow in a shell; octal numbers and everything else count as unknown.
    if text is None or len(re.sub("[ \t]", "", text)) > 9 or not _SUM.fullmatch(text):
        return None
    return calculate(text, {}) if text.strip(" \t") else None


# Where a section is written


def _walk(tree: object, above: tuple[object, ...]) -> Iterator[tuple[Simple, tuple[object, ...]]]:
    """Yield each simple command with the commands and lists around it, from the outermost."""
    if isinstance(tree, Simple):
        yield tree, above
    for child in children(tree):
        yield from _walk(child, (*above, tree))


def _prints_section(simple: Simple) -> bool:
    words = [*simple.words, *(each.body for each in simple.redirections if each.body)]
    return any(isinstance(part, Text) and SECTION in part.value for word in words for part in word.parts)


def _as_written(word: Word) -> str:
    """Return a word without its quotes and braces."""
    return "".join(
        part.value if isinstance(part, Text) else f"${part.name}{part.operator}" if isinstance(part, Parameter) else "?"
        for part in word.parts
    )


def _file(redirections: tuple[Redirection, ...]) -> str | None:
    """Return the file that standard output is redirected to, as written; "" if it is not a regular file."""
    for each in reversed(redirections):
        if each.descriptor == 1 and each.operator.startswith((">", "&>")):
            name = _as_written(each.target)
            return "" if each.operator == ">&" or name.startswith("/dev/") else name
    return None


def _target(simple: Simple, above: tuple[object, ...]) -> str:
    """Return the file that a command's output goes to, as written; "" if it does not go to a file."""
    if any(isinstance(each, Pipeline) and len(each.commands) > 1 for each in above):
        return ""
    groups = (each.redirections for each in reversed(above) if isinstance(each, Redirected))
    return next((file for file in map(_file, (simple.redirections, *groups)) if file is not None), "")


def _unit(above: tuple[object, ...], tree: Sequence) -> tuple[Sequence | Command, bool | None]:
    """Return the commands to follow for a section, and whether they are in the branch for EXTENDED_CSR."""
    unit: Sequence | Command = tree
    for around, inner in pairwise(above):
        if isinstance(around, If) and isinstance(inner, Sequence):
            extended = _is_extended(around, inner)
            if extended is not None:
                return inner, extended
        if isinstance(around, Function):
            unit = around.body
    return unit, None


def _is_extended(condition: If, body: Sequence) -> bool | None:
    """Return whether a branch is rather taken if EXTENDED_CSR is true, or false; None if that does not matter."""
    yes, no = (sum(_reaches(condition, body, value) for value in values) / len(values) for values in (_YES, _NO))
    return None if yes == no else yes > no


def _reaches(condition: If, body: Sequence, wish: str) -> bool:
    """Return whether a branch may be taken with a value of EXTENDED_CSR."""
    for question, branch in condition.branches:
        machine = Machine(_WORLD, Budget(), [])
        machine.state.variables[WISH] = wish
        try:
            status = machine.sequence(question)
        except LeaveError:
            status = Maybe("leaves")
        if branch is body:
            return status != 1
        if status == 0:
            return False
    return condition.otherwise is body


def _may_fail(machine: Machine, call: Call) -> Status:
    """Follow an external command: a file that it is given is used as it is now."""
    for word in call.words[1:]:
        if file := machine.files.get(machine.path(word)):
            machine.records.append(list(file.chunks))
    return Maybe(f"command {call.start}")


_WORLD = World(builtins=BUILTINS, call=_may_fail)


# What is written there


def _blocks(tree: Sequence, unit: Sequence, target: str) -> list[Block]:
    """Return the sections that some commands write to a file, on all ways through them."""
    functions = {each.name: each for each in nodes(tree) if isinstance(each, Function)}
    touching: set[str] = set()
    for _ in range(min(len(functions), _DEEPEST)):
        touching |= {name for name, each in functions.items() if _touches(each.body, target, touching)}
    defined = (_only(each, target, touching) for each in functions.values())
    before = [AndOr(Pipeline((Redirected(each),), False), ()) for each in defined if isinstance(each, Function)]
    before += [AndOr(Pipeline((each,), False), ()) for each in _constants(tree)]
    followed = _only(unit, target, touching)
    levels = dict(_levels(unit, target))
    ways: dict[int, list[tuple[Usage, ...]]] = {}
    places: dict[int, list[int]] = {}
    for machine in explore(Sequence((*before, *followed.items)), _WORLD):
        found: dict[int, tuple[Usage, ...]] = {}
        contents = [each for each in machine.records if isinstance(each, list)]
        for chunks in (*contents, *(file.chunks for file in machine.files.values() if file)):
            for line, usages, written in _sections(chunks):
                if line not in found or not usages:
                    found[line] = usages
                level = levels.get(line)
                places.setdefault(line, []).extend(
                    each for each in written if level is not None and levels.get(each) == level
                )
        for line, usages in found.items():
            ways.setdefault(line, []).append(usages)
    return [Block(line, None, tuple(ways[line]), tuple(dict.fromkeys(places[line]))) for line in ways]


def _touches(tree: object, target: str, functions: Iterable[str]) -> bool:
    """Return whether commands write to a file, use it, or call a function that does."""
    for each in nodes(tree):
        if isinstance(each, Simple):
            names = [_as_written(word) for word in each.words]
            if names[:1] in (["rm"], ["unlink"]):
                continue
            if names and (names[0] in functions or any(target in name for name in names[1:])):
                return True
        if isinstance(each, (Simple, Redirected)) and _redirects(each, target):
            return True
    return False


def _redirects(command: Simple | Redirected, target: str) -> bool:
    return any(_as_written(each.target) == target for each in command.redirections)


def _only(tree: object, target: str, functions: Iterable[str]) -> Any:
    """Return commands without those that do not touch a file; conditions remain."""

    def only(tree: object) -> Any:
        return _only(tree, target, functions)

    if isinstance(tree, tuple):
        return tuple(map(only, tree))
    if not is_dataclass(tree) or isinstance(tree, (type, Simple, Word)):
        return tree
    if isinstance(tree, Redirected) and _redirects(tree, target):
        return tree
    # Each part is visited once: twice at each level would take exponential time.
    if isinstance(tree, Sequence):
        return Sequence(tuple(only(each) for each in tree.items if _touches(each, target, functions)))
    if isinstance(tree, If):
        branches = tuple((question, only(body)) for question, body in tree.branches)
        return replace(tree, branches=branches, otherwise=only(tree.otherwise))
    kept = ("condition",) if isinstance(tree, While) else ()
    names = (each.name for each in fields(tree) if each.name not in kept)
    return replace(tree, **{name: only(getattr(tree, name)) for name in names})


def _constants(tree: Sequence) -> list[Simple]:
    """Return the assignments of literal values to variables that are assigned only once."""
    found: dict[str, list[Simple]] = {}
    for each in nodes(tree):
        if isinstance(each, Simple):
            for assignment in each.assignments:
                found.setdefault(assignment.name, []).append(each)
    return [
        each[0] for each in found.values() if len(each) == 1 and len(each[0].assignments) == 1 and not each[0].words
        and isinstance(value := each[0].assignments[0].value, Word) and literal(value) is not None
    ]  # fmt: skip


def _levels(unit: Sequence, target: str) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield each line of a unit's commands and here-documents that write to a file, and the conditions around it."""
    for simple, above in _walk(unit, ()):
        if _target(simple, above) != target:
            continue
        level = tuple(
            id(inner) for around, inner in zip(above, (*above[1:], simple), strict=True)
            if isinstance(around, (If, While, For, Case, Function))
            or (isinstance(around, AndOr) and ("||", inner) in around.others)
        )  # fmt: skip
        for line in range(simple.line, simple.last + 1):
            yield line, level
        for redirection in simple.redirections:
            for part in redirection.body.parts if redirection.body else ():
                if isinstance(part, Text):
                    yield part.line, level


def _sections(chunks: list[Chunk]) -> Iterator[tuple[int, tuple[Usage, ...], list[int]]]:
    """Yield the line of each section's header, the section's usages, and the lines that write it."""
    header, text, begin = 0, "", 0
    usages: list[Usage] = []
    places: list[int] = []
    lines: list[int] = []
    pieces = [(piece, chunk.line) for chunk in chunks for piece in chunk.text.splitlines(keepends=True)]
    for piece, line in (*pieces, ("\n", 0)):
        begin = begin or line
        text += piece
        lines.append(line)
        if not piece.endswith("\n"):
            continue
        text = text.removesuffix("\n")
        found = _HEADER.fullmatch(text)
        if found and header:
            yield header, tuple(usages), places
        if found:
            header, usages, places = begin if found[1] == SECTION else 0, [], []
        elif usage := _USAGE.match(text):
            value = usage[1].strip(" \t")
            usages.append(Usage(begin, with_names(value), bool(_KNOWN.fullmatch(value))))
        if header and text.strip(" \t") and not text.lstrip(" \t").startswith("#"):
            places += lines
        text, begin, lines = "", 0, []
    if header:
        yield header, tuple(usages), places
