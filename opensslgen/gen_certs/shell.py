r"""A shell script as the commands that it holds, found by structure: quotes, comments, heredocs, branches.

The reader walks through the text once. Each construct that is open is one component of its *path*:
`/LINE.NUMBER.BRANCH` and a letter for its kind. `templates/patch.sh` does the same in the same order, so that both find
the same commands; the tests compare them.

    i            between if and then            '  "  E     quoted: '…'  "…"  $'…'
    t + e - n    a branch, see BRANCHES         S  B        $(…) or <(…),  `…`
    d  b  (      do … done, { … }, ( … )        A  V  L     $((…)), ${…}, a list or pattern in parentheses
    c  p         case … in, one of its arms

Text in quotes and substitutions belongs to the command around it. A text that is not a shell script, or uses syntax
that this reader does not know, leaves a construct open at its end: an error, never a guess.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern
from opensslgen.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

BRANCHES = {"t": "t", "+": "-", "-": "-", "n": "e", "e": "e"}
"""Kind of a branch → kind of the branches after it: `+` and `e` are taken when the wish is true, `-` and `n` when it
is not (`n` is the branch of a condition that negates it, `e` what follows that), `t` depends on other things."""

_KEYWORD = pattern(r"(?:if|then|elif|else|fi|while|until|do|done|case|esac|function|time|[!{}])(?![^ \t\n;&|()<>`])")
_FOR = pattern(r"for[ \t]+[A-Za-z0-9_]+[ \t]+(?=do(?:[ \t\n;]|\Z))")
_FUNCTION = pattern(r"[ \t]+[^ \t\n;&|()<>]+(?:[ \t]*\([ \t]*\))?")
_PARENTHESES = pattern(r"\([ \t]*\)")
_DELIMITER = pattern(r"""<<-?[ \t]*((?:'[^'\n]*'|"[^"\n]*"|\\.|[^ \t\n;&|<>()'"\\])+)""")
_REDIRECTION = pattern(r"&?(?:<<<|<>|<&|>>|>&|>\||<|>)")
_LEADING_REDIRECTION = pattern(r"[0-9]*[<>]|&>")
_DESCRIPTOR = pattern(r"(?:\A|(?<=[ \t]))[0-9]\Z")
_TRAILING_BLANKS = pattern(r"(?:[ \t]|\\\n)+\Z")
_SUBSTITUTIONS = {"$((": "AA", "$(": "S", "${": "V", "$'": "E"}
_BEGINS = {"if": "ti", "do": "d", "{": "b", "case": "c"}
_ENDS = {"fi": "t+e-n", "done": "d", "}": "b", "esac": "c"}
_HIDDEN = frozenset("'\"ESBAVL")
_QUOTES = r"'\"\\$`"
_STOPS = {"'": "'", "E": r"'\\", '"': r"\"\\$`", "V": f"}}{_QUOTES}", "A": f"(){_QUOTES}", "L": rf"(){_QUOTES} \t\n#"}
_STOPS[""] = _STOPS["L"] + ";&|<>"
_PLAIN = {kind: re.compile(f"[^{stops}]*") for kind, stops in _STOPS.items()}


_DEEPEST = 5000
_MOST_KEPT = 1 << 26
_NESTING = pattern(r"^[ \t]*#.*|(?P<opens>\b(?:if|do|case)\b|[({])|(?P<closes>\b(?:fi|done|esac)\b|[)}])", re.MULTILINE)
_SEPARATOR = pattern(r"[;&|()]|\b(?:if|then|do|else)\b")


@dataclass(frozen=True)
class Line:
    """One line of the script, without its line ending."""

    number: int
    text: str


@dataclass(frozen=True)
class Command:
    """A simple command, or the redirection of a whole group."""

    line: int
    last: int
    before: str
    """The text before it on its first line."""
    text: str
    """As written, with continuations and line feeds."""
    arguments: str
    """The text before the first redirection."""
    after: str
    """The text after it on its last line, with blanks."""
    operator: str
    """The operator that joins it to the command before: `&&`, `||`, `|`, `!` or nothing."""
    path: str
    """The constructs around it."""
    closes: str
    """The group that it redirects: the paths of all commands in it begin with this."""
    document: tuple[Line, ...] | None = None
    """The body of its here-document, if its line has only one."""


def commands(text: str, *, asks: Callable[[Command], bool | None]) -> list[Command]:
    """Return a script's commands in order.

    `asks` returns whether a command in an if's condition asks for the wish (True), for its opposite (False), or for
    something else (None). Raises UnreadableError with the line for syntax that is not understood.
    """
    _refuse_endless(text)
    return _Reader(re.sub(r"\r(?=\n|\Z)", "", text), asks).read()


def _refuse_endless(text: str) -> None:
    """Raise UnreadableError for text that no real script contains, and that would take too long to read."""
    depth = 0
    for match in _NESTING.finditer(text):
        depth = depth + 1 if match["opens"] else max(0, depth - bool(match["closes"]))
        if depth > _DEEPEST:
            raise UnreadableError(f"line {text.count(chr(10), 0, match.start()) + 1}: nested too deeply")
    # Each command is kept with the rest of its line.
    if sum(len(line) * len(_SEPARATOR.findall(line)) for line in text.split("\n")) > _MOST_KEPT:
        raise UnreadableError("too many commands in one line")


class _Reader:
    def __init__(self, text: str, asks: Callable[[Command], bool | None]) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.asks = asks
        self.commands: list[Command] = []
        self.at = 0
        self.path = ""
        self.count = 0
        self.may_begin = self.word_begins = True
        self.operator = ""
        # The group that just ended, and the start of the current command with what is known about it.
        self.closed = ""
        self.start: int | None = None
        self.redirected: int | None = None
        self.joint = self.closes = ""
        self.documents: list[tuple[str, bool, int | None]] = []

    def read(self) -> list[Command]:
        while self.at < len(self.text):
            self.step()
        self.end_line()
        if self.documents:
            raise self.error(f"the here-document {self.documents[0][0]} is not closed")
        if self.path:
            self.at = self.starts[int(self.path[1:].partition(".")[0]) - 1]
            raise self.error("what begins here is not closed")
        return self.commands

    def error(self, reason: str) -> UnreadableError:
        return UnreadableError(f"line {self.line()}: not understood: {reason}")

    def line(self, at: int | None = None) -> int:
        return bisect_right(self.starts, self.at if at is None else at)

    @property
    def kind(self) -> str:
        return self.path[-1:]

    def push(self, *kinds: str) -> None:
        for kind in kinds:
            self.count += 1
            self.path += f"/{self.line()}.{self.count}.{kind}"

    def pop(self, kinds: str) -> None:
        if not self.kind or self.kind not in kinds:
            raise self.error(self.text[self.at : self.end_of_line(self.at)])
        self.path, _, component = self.path.rpartition("/")
        self.closed = f"{self.path}/{component.rpartition('.')[0]}."

    def hidden(self) -> bool:
        return not _HIDDEN.isdisjoint(self.path)

    def step(self) -> None:
        kind = self.kind
        if not kind or kind not in _PLAIN:
            self.in_code(kind)
            return
        self.take_plain(kind)
        if self.at < len(self.text):
            self.in_substitution(kind)

    def take_plain(self, kind: str) -> None:
        match = _PLAIN[kind].match(self.text, self.at)
        assert match
        self.at = match.end()

    def in_substitution(self, kind: str) -> None:
        """Read the next special character within quotes, an expansion, an expression or a list."""
        character = self.text[self.at]
        if character == {"E": "'", "V": "}", "A": ")", "L": ")"}.get(kind, kind):
            self.pop(kind)
            self.at += 1
        elif character == "(":
            self.push(kind)
            self.at += 1
        elif character in " \t\n":
            self.word_begins = True
            self.at += 1
            return
        elif character == "#":
            self.at = self.end_of_line(self.at) if self.word_begins else self.at + 1
        elif character == "\\":
            self.at += 2
            self.word_begins = self.text.startswith("\n", self.at - 1)
            return
        else:
            self.take_quote(kind)
        self.word_begins = False

    def take_quote(self, kind: str) -> None:
        """Read the start or end of a quote or a substitution."""
        character = self.text[self.at]
        if character == "$":
            self.take_dollar(kind)
            return
        if character == "`":
            self.may_begin = kind != "B"
            (self.push if self.may_begin else self.pop)("B")
        # Inside "${…}" an apostrophe is literal.
        elif character == '"' or kind != "V" or self.path.rpartition("/")[0][-1:] != '"':
            self.push(character)
        self.at += 1

    def take_dollar(self, kind: str) -> None:
        for opening, kinds in _SUBSTITUTIONS.items():
            if self.text.startswith(opening, self.at) and (kind, opening) != ('"', "$'"):
                self.push(*kinds)
                self.may_begin = self.may_begin or kinds == "S"
                self.at += len(opening)
                return
        self.at += 2 if self.text.startswith(("$$", "$#", "$!"), self.at) else 1

    def end_of_line(self, at: int) -> int:
        end = self.text.find("\n", at)
        return end if end >= 0 else len(self.text)

    def in_code(self, kind: str) -> None:
        text, character = self.text, self.text[self.at]
        if character in " \t":
            self.at += 1
            self.word_begins = True
        elif character == "\\" and text[self.at + 1 : self.at + 3] in ("", "\n"):
            raise self.error("the last line goes on")
        elif text.startswith("\\\n", self.at):
            self.at += 2
        elif character == "#" and self.word_begins:
            self.end()
            self.at = self.end_of_line(self.at)
        elif character == "\n":
            self.end_line()
            self.at += 1
            self.take_documents()
        elif character in ";&|" and not text.startswith("&>", self.at):
            self.take_separator(kind)
        elif character == ")":
            self.close_parenthesis(kind)
        elif not self.open_parenthesis(kind) and not self.take_keyword(kind):
            self.begin(kind)
            self.take_word(kind)
            self.word_begins = False

    def take_word(self, kind: str) -> None:
        text, character = self.text, self.text[self.at]
        if character == "(":
            kinds = "AA" if text.startswith("((", self.at) else "L"
            self.push(*kinds)
            self.at += len(kinds)
        elif character in "<>&":
            self.take_redirection()
        elif character == "\\":
            self.at += 2
        elif character in "'\"$`":
            self.take_quote(kind)
        else:
            self.at += character == "#"
            self.take_plain("")

    def take_redirection(self) -> None:
        text, at = self.text, self.at
        if self.start is not None and self.redirected is None and not self.hidden():
            self.redirected = at
        if text.startswith(("<(", ">("), at):
            self.push("S")
            self.may_begin = True
            self.at += 2
        elif text.startswith("<<", at) and not text.startswith("<<<", at):
            delimiter = _DELIMITER.match(text, at)
            if not delimiter:
                raise self.error("a here-document without a delimiter")
            owner = None if self.hidden() or self.start is None else len(self.commands)
            self.documents.append((re.sub(r"""['"\\]""", "", delimiter[1]), text.startswith("<<-", at), owner))
            self.at = delimiter.end()
        else:
            operator = _REDIRECTION.match(text, at)
            assert operator
            self.at = operator.end()

    def take_documents(self) -> None:
        """Skip the bodies of the here-documents that the last line started."""
        documents, self.documents = self.documents, []
        for number, (delimiter, indented, owner) in enumerate(documents):
            body = []
            while True:
                if self.at >= len(self.text):
                    self.documents = documents[number:]
                    return
                line = Line(self.line(), self.text[self.at : self.end_of_line(self.at)])
                self.at += len(line.text) + 1
                if (line.text.lstrip("\t") if indented else line.text) == delimiter:
                    break
                body.append(line)
            if owner is not None:
                document = tuple(body) if len(documents) == 1 else None
                self.commands[owner] = replace(self.commands[owner], document=document)

    def take_separator(self, kind: str) -> None:
        text = self.text
        if kind == "c":
            self.at += 1
            return
        self.end()
        self.closed = self.operator = ""
        if kind == "p" and text.startswith((";;", ";&"), self.at):
            self.at += 3 if text.startswith(";;&", self.at) else 2
            self.pop("p")
        else:
            sign = next(sign for sign in ("&&", "||", "|&", ";", "&", "|") if text.startswith(sign, self.at))
            self.operator = {"&&": "&&", "||": "||", "|&": "|", "|": "|"}.get(sign, "")
            self.at += len(sign)
        self.may_begin = self.word_begins = True

    def open_parenthesis(self, kind: str) -> bool:
        """Read the parenthesis of a pattern, function or subshell; return whether there was one."""
        if not self.text.startswith("(", self.at):
            return False
        if kind == "c" and self.may_begin:
            self.may_begin = False
            self.at += 1
        elif (function := _PARENTHESES.match(self.text, self.at)) and not self.may_begin and kind != "c":
            self.start, self.may_begin = None, True
            self.at = function.end()
        elif self.may_begin and not self.text.startswith("((", self.at):
            self.push("(")
            self.operator = ""
            self.at += 1
        else:
            return False
        self.word_begins = True
        return True

    def close_parenthesis(self, kind: str) -> None:
        if kind == "c":
            self.push("p")
            self.operator = ""
        else:
            self.end()
            self.pop("S(")
        self.at += 1
        self.may_begin = self.word_begins = kind != "S"

    def take_keyword(self, kind: str) -> bool:
        """Read a reserved word; return whether there was one."""
        match = _KEYWORD.match(self.text, self.at) or _FOR.match(self.text, self.at)
        word = match[0] if match else ""
        if not match or not self.may_begin or (kind == "c" and word != "esac"):
            return False
        if word == "function":
            name = _FUNCTION.match(self.text, match.end())
            self.at = name.end() if name else match.end()
            return True
        if word in ("then", "elif", "else"):
            self.turn(word)
        elif word in _BEGINS:
            self.push(_BEGINS[word])
        elif word in _ENDS:
            if kind == "p" and word == "esac":
                self.pop("p")
            self.pop(_ENDS[word])
        self.operator = "!" if word == "!" else ""
        self.may_begin = word != "case"
        self.at = match.end()
        return True

    def turn(self, word: str) -> None:
        """Step from an if's condition into its branch, or from a branch to the next."""
        component = self.path
        self.pop("i" if word == "then" else "t+e-n")
        # All branches of an if begin with the same path, which a redirection after `fi` needs.
        self.count += 1
        kind = component[-2] if word == "then" else BRANCHES[component[-1]]
        self.path = f"{self.closed}{self.count}{kind}{'i' if word == 'elif' else ''}"
        self.closed = ""

    def begin(self, kind: str) -> None:
        """Remember the start of a command, if one begins here."""
        if self.may_begin and kind != "c" and not self.hidden():
            self.start, self.redirected = self.at, None
            self.joint, self.operator = self.operator, ""
            self.closes = self.closed if _LEADING_REDIRECTION.match(self.text, self.at) else ""
            self.closed = ""
        self.may_begin = False

    def end(self) -> None:
        """Record the command that ends here, if one has begun."""
        if self.start is None or self.hidden():
            return
        text = arguments = self.text[self.start : self.at].rstrip(" \t")
        if self.redirected is not None:
            arguments = _TRAILING_BLANKS.sub("", _DESCRIPTOR.sub("", self.text[self.start : self.redirected]))
        line, end = self.line(self.start), self.start + len(text)
        before, after = self.text[self.starts[line - 1] : self.start], self.text[end : self.end_of_line(end)]
        command = Command(line, self.line(end), before, text, arguments, after, self.joint, self.path, self.closes)
        self.commands.append(command)
        self.start = None
        asked = self.asks(command) if self.kind == "i" else None
        if asked is not None:
            self.path = self.path[:-2] + ("+i" if asked else "ni")

    def end_line(self) -> None:
        self.end()
        self.may_begin = self.word_begins = True
        self.closed = ""
