"""The tree of a shell script: words made of parts, and commands made of words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text, which never spans more than one line."""

    value: str
    quoted: bool
    line: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name…}`."""

    name: str
    operator: str
    """The operator after the name, such as `:-` or `%%`; `length` for `${#name}`; `other` if it is not supported."""
    word: Word
    quoted: bool
    index: Word | None = None
    """The index in brackets after the name of an array."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(…)` or backquotes."""

    body: Sequence
    quoted: bool
    line: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((…))`."""

    expression: Word
    quoted: bool


@dataclass(frozen=True, slots=True)
class Process:
    """`<(…)` or `>(…)`."""

    body: Sequence
    reads: bool
    """Whether the command reads the output of the body."""
    line: int


Part = Text | Parameter | Substitution | Arithmetic | Process


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a command."""

    parts: tuple[Part, ...]
    line: int


@dataclass(slots=True)
class Redirection:
    """A redirection; the body of a here-document is filled in when its lines have been read."""

    descriptor: int
    operator: str
    target: Word
    body: Word | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value`, `name+=value` or `name=(…)`."""

    name: str
    appends: bool
    value: Word | tuple[Word, ...]
    index: Word | None = None


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command."""

    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    line: int
    last: int
    start: int
    """Its position in the text; unique."""
    end: int
    """The position after it, without its here-documents."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`."""

    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by `&&` and `||`."""

    first: Pipeline
    others: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Lists of commands, one after the other."""

    items: tuple[AndOr, ...]


@dataclass(frozen=True, slots=True)
class If:
    """`if … then … elif … then … else … fi`."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None
    line: int


@dataclass(frozen=True, slots=True)
class While:
    """`while … do … done`, or `until`."""

    condition: Sequence
    body: Sequence
    until: bool
    line: int


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words; do … done`."""

    name: str
    words: tuple[Word, ...] | None
    """None: the arguments."""
    body: Sequence
    line: int


@dataclass(frozen=True, slots=True)
class CountingFor:
    """`for ((…; …; …)); do … done`."""

    expressions: tuple[Word, Word, Word]
    body: Sequence
    line: int


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in … esac`."""

    word: Word
    arms: tuple[tuple[tuple[Word, ...], Sequence, bool], ...]
    """Patterns, commands, and whether the next arm's commands follow."""
    line: int


@dataclass(frozen=True, slots=True)
class Group:
    """`{ … }` or `( … )`."""

    body: Sequence
    subshell: bool


@dataclass(frozen=True, slots=True)
class Function:
    """The definition of a function."""

    name: str
    body: Command


@dataclass(frozen=True, slots=True)
class Condition:
    """`[[ … ]]`, as its words and operators."""

    words: tuple[Word, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Calculation:
    """`((…))`."""

    expression: Word
    line: int


Compound = If | While | For | CountingFor | Case | Group | Function | Condition | Calculation


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with its redirections."""

    command: Compound
    redirections: tuple[Redirection, ...] = field(default=())


Command = Simple | Redirected


def children(tree: object) -> tuple[object, ...]:
    """Return the commands and lists of commands directly below one, except those in substitutions."""
    match tree:
        case Sequence():
            return tree.items
        case AndOr():
            return (tree.first, *(pipeline for _, pipeline in tree.others))
        case Pipeline():
            return tree.commands
        case Redirected():
            return (tree.command,)
        case If():
            otherwise = (tree.otherwise,) if tree.otherwise else ()
            return (*(part for branch in tree.branches for part in branch), *otherwise)
        case While():
            return (tree.condition, tree.body)
        case For() | CountingFor() | Group() | Function():
            return (tree.body,)
        case Case():
            return tuple(body for _, body, _ in tree.arms)
    return ()


def nodes(tree: object) -> Iterator[object]:
    """Yield a command or list of commands and all below it, except those in substitutions, in the script's order."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(children(each))


def literal(word: Word) -> str | None:
    """Return a word's text if it is literal."""
    if not all(isinstance(part, Text) for part in word.parts):
        return None
    return "".join(part.value for part in word.parts if isinstance(part, Text))
