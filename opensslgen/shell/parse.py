"""The text of a shell script, parsed strictly into a tree: POSIX sh, and of bash what scripts commonly use.

Why a parser of our own: the tool is one .pyz on plain Python. tree-sitter's bash grammar and mvdan/sh (shfmt) are
compiled code; bashlex is pure Python, but under the GPL, and reads neither `case` nor arithmetic. Unknown
syntax is an error with its line, never a guess.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NoReturn

from opensslgen.budget import CostlyError
from opensslgen.errors import UnreadableError

from .syntax import (
    AndOr,
    Arithmetic,
    Assignment,
    Calculation,
    Case,
    Command,
    Compound,
    Condition,
    CountingFor,
    For,
    Function,
    Group,
    If,
    Parameter,
    Part,
    Pipeline,
    Process,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Substitution,
    Text,
    While,
    Word,
    literal,
)

DEEPEST = 40
"""Maximum depth of nested commands."""
MOST = 50_000
"""Maximum number of commands, words and parts of words in a script."""

_BLANKS = re.compile(r"(?:[ \t]|\\\n)*")
_OPERATOR = re.compile(r"(?P<fd>[0-9]*)(?P<sign><<<|<<-|<<|>>|<>|>\||>&|<&|&>>|&>|<|>)")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[[^]\n]*\])?(\+?=)", re.ASCII)
_FUNCTION = re.compile(r"([^\s;&|()<>$'\"`=]+)[ \t]*\([ \t]*\)")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PLAIN = re.compile(r"[^ \t\n;&|<>()'\"`$\\]+")
_PLAIN_QUOTED = re.compile(r"[^\n\"`$\\]+")
_PLAIN_DOCUMENT = re.compile(r"[^\n`$\\]+")
_RESERVED = re.compile(
    r"(?:if|then|elif|else|fi|while|until|do|done|for|case|esac|function|select|\[\[|[{}!])"
    r"(?![^ \t\n;&|()<>])"
)
_CLOSERS = frozenset({"then", "elif", "else", "fi", "do", "done", "esac", "}"})
_OPERATORS = ":- := :? :+ ## # %% % // /# /% / ^^ ^ ,, , - = ? + : @".split()
DECLARES = frozenset({"declare", "local", "export", "readonly", "typeset"})
"""The commands that set variables, given by words."""
_EXTENDED = re.compile(r"[?*+@!]\(")
_ANSI = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_ANSI_ONE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}


def parse(text: str) -> Sequence:
    """Return a script's commands; raises UnreadableError with the line for syntax that is not understood."""
    return _Parser(text.replace("\r\n", "\n").removesuffix("\r")).whole()


class _Parser:
    def __init__(self, text: str, *, first: int = 1, depth: int = 0, count: int = 0, origin: int = 0) -> None:
        self.text = text
        self.at = 0
        self.first = first
        self.depth = depth
        self.count = count
        self.origin = origin
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.documents: list[tuple[Redirection, str, bool, bool]] = []

    # Places

    def line(self, at: int | None = None) -> int:
        return bisect_right(self.starts, self.at if at is None else at) - 1 + self.first

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        raise UnreadableError(f"not understood: {what}", line=self.line(at))

    def spend(self) -> None:
        self.count += 1
        if self.count > MOST:
            raise CostlyError(f"more than {MOST:,} commands and words", line=self.line())

    def enter(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise CostlyError(f"more than {DEEPEST} nested commands", line=self.line())

    def starts_with(self, *signs: str) -> bool:
        return self.text.startswith(signs, self.at)

    # Blanks, comments, line ends

    def blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        assert match
        self.at = match.end()
        if self.starts_with("#") and (self.at == 0 or self.text[self.at - 1] in " \t\n;&|()"):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def line_end(self) -> None:
        """Skip a line feed and the here-documents that the line started."""
        self.at += 1
        documents, self.documents = self.documents, []
        for redirection, delimiter, indented, quoted in documents:
            self.document(redirection, delimiter, indented=indented, quoted=quoted)

    def empty_lines(self) -> None:
        while True:
            self.blanks()
            if not self.starts_with("\n"):
                return
            self.line_end()

    def document(self, redirection: Redirection, delimiter: str, *, indented: bool, quoted: bool) -> None:
        lines: list[tuple[str, int]] = []
        begin = self.line() - 1
        while True:
            if self.at >= len(self.text):
                raise UnreadableError(f"not understood: the here-document {delimiter} is not closed", line=begin)
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            number, line = self.line(), self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            line = line.lstrip("\t") if indented else line
            if line == delimiter:
                break
            if line.startswith(f"{delimiter})"):
                # bash takes this as the end of a here-document in `$(…)`.
                self.at = self.text.index(delimiter, end - len(line)) + len(delimiter)
                break
            lines.append((line, number))
        if quoted:
            redirection.body = Word(tuple(Text(f"{line}\n", True, number) for line, number in lines), begin)
            return
        parts: list[Part] = []
        if not any(sign in line for line, _ in lines for sign in "$`\\"):
            parts = [Text(f"{line}\n", True, number) for line, number in lines]
        else:
            first = lines[0][1] if lines else begin
            text = "".join(f"{line}\n" for line, _ in lines)
            inner = _Parser(text, first=first, depth=self.depth, count=self.count, origin=self.origin + self.at)
            parts = inner.quoted("", _PLAIN_DOCUMENT)
            self.count = inner.count
        redirection.body = Word(tuple(parts), begin)

    # Commands

    def whole(self) -> Sequence:
        found = self.sequence()
        if self.at < len(self.text):
            self.fail(self.text[self.at : self.at + 40].partition("\n")[0])
        if self.documents:
            self.fail(f"the here-document {self.documents[0][1]} is not closed")
        return found

    def reserved(self) -> str:
        match = _RESERVED.match(self.text, self.at)
        return match[0] if match else ""

    def sequence(self) -> Sequence:
        items: list[AndOr] = []
        while True:
            self.empty_lines()
            if self.at >= len(self.text) or self.starts_with(")", ";;", ";&") or self.reserved() in _CLOSERS:
                return Sequence(tuple(items))
            items.append(self.and_or())
            self.blanks()
            if self.starts_with(";;", ";&"):
                continue
            if self.starts_with(";", "&"):
                self.at += 1
            elif self.at < len(self.text) and not self.starts_with("\n", ")"):
                self.fail(self.text[self.at : self.at + 40].partition("\n")[0])

    def and_or(self) -> AndOr:
        first = self.pipeline()
        others: list[tuple[str, Pipeline]] = []
        while True:
            self.blanks()
            if not self.starts_with("&&", "||"):
                return AndOr(first, tuple(others))
            operator = self.text[self.at : self.at + 2]
            self.at += 2
            self.empty_lines()
            others.append((operator, self.pipeline()))

    def pipeline(self) -> Pipeline:
        negated = False
        while True:
            self.blanks()
            if self.reserved() == "!":
                negated = not negated
                self.at += 1
            elif re.compile(r"time(?:[ \t]+-p)?(?=[ \t]+[^ \t-])").match(self.text, self.at):
                self.at += 4
                self.blanks()
                self.at += 2 if self.starts_with("-p") else 0
            else:
                break
        commands = [self.command()]
        while True:
            self.blanks()
            if not self.starts_with("|") or self.starts_with("||"):
                return Pipeline(tuple(commands), negated)
            self.at += 2 if self.starts_with("|&") else 1
            self.empty_lines()
            commands.append(self.command())

    def command(self) -> Command:
        self.enter()
        self.spend()
        word = self.reserved()
        compound: Compound | None = None
        if word in _CLOSERS:
            self.fail(word)
        if word == "if":
            compound = self.if_()
        elif word in ("while", "until"):
            compound = self.while_(word)
        elif word in ("for", "select"):
            compound = self.for_(word)
        elif word == "case":
            compound = self.case()
        elif word == "{":
            self.at += 1
            compound = Group(self.sequence(), subshell=False)
            self.expect("}")
        elif word == "[[":
            compound = self.condition()
        elif word == "function" or _FUNCTION.match(self.text, self.at):
            compound = self.function(word)
        elif self.starts_with("((") and (found := self.calculation()):
            compound = found
        elif self.starts_with("("):
            self.at += 1
            compound = Group(self.sequence(), subshell=True)
            self.expect(")")
        result: Command
        if compound is None:
            result = self.simple()
        else:
            redirections = []
            while True:
                self.blanks()
                redirection = self.redirection()
                if redirection is None:
                    break
                redirections.append(redirection)
            result = Redirected(compound, tuple(redirections))
        self.depth -= 1
        return result

    def expect(self, word: str) -> None:
        self.empty_lines()
        found = self.starts_with(")") if word == ")" else self.reserved() == word
        if not found:
            if self.at >= len(self.text):
                self.fail(f"{word} is missing at the end")
            self.fail(self.text[self.at : self.at + 40].partition("\n")[0])
        self.at += len(word)

    def if_(self) -> If:
        line, branches, otherwise = self.line(), [], None
        self.at += 2
        while True:
            condition = self.sequence()
            self.expect("then")
            branches.append((condition, self.sequence()))
            if self.reserved() == "elif":
                self.at += 4
                continue
            if self.reserved() == "else":
                self.at += 4
                otherwise = self.sequence()
            self.expect("fi")
            return If(tuple(branches), otherwise, line)

    def while_(self, word: str) -> While:
        line = self.line()
        self.at += 5
        condition = self.sequence()
        self.expect("do")
        body = self.sequence()
        self.expect("done")
        return While(condition, body, word == "until", line)

    def for_(self, keyword: str) -> For | CountingFor:
        line = self.line()
        self.at += len(keyword)
        self.blanks()
        if self.starts_with("(("):
            self.at += 2
            parts = self.arithmetic()
            if parts is None:
                self.fail("for ((")
            pieces = self.split_expressions(parts, line)
            body = self.loop_body()
            return CountingFor(pieces, body, line)
        name = _NAME.match(self.text, self.at)
        if not name:
            self.fail("for without a name")
        self.at = name.end()
        self.empty_lines()
        words: tuple[Word, ...] | None = None
        if re.compile(r"in(?=[ \t\n;]|\\\n)").match(self.text, self.at):
            self.at += 2
            found = []
            while True:
                self.blanks()
                if self.at >= len(self.text) or self.starts_with("\n", ";"):
                    break
                found.append(self.word())
            words = tuple(found)
        if keyword == "select":
            # What is chosen is unknown.
            words = (Word((Parameter("REPLY", "", Word((), line), True),), line),)
        return For(name[0], words, self.loop_body(), line)

    def split_expressions(self, parts: list[Part], line: int) -> tuple[Word, Word, Word]:
        pieces: list[list[Part]] = [[]]
        for part in parts:
            if isinstance(part, Text):
                first, *others = part.value.split(";")
                pieces[-1].append(Text(first, True, part.line))
                for other in others:
                    pieces.append([Text(other, True, part.line)])
            else:
                pieces[-1].append(part)
        if len(pieces) != 3:
            self.fail("for ((")
        first_, second, third = (Word(tuple(piece), line) for piece in pieces)
        return first_, second, third

    def loop_body(self) -> Sequence:
        self.blanks()
        if self.starts_with(";"):
            self.at += 1
        self.empty_lines()
        if self.reserved() == "{":
            self.at += 1
            body = self.sequence()
            self.expect("}")
            return body
        self.expect("do")
        body = self.sequence()
        self.expect("done")
        return body

    def case(self) -> Case:
        line = self.line()
        self.at += 4
        self.blanks()
        word = self.word()
        self.empty_lines()
        if not re.compile(r"in(?=[ \t\n]|\\\n)").match(self.text, self.at):
            self.fail("case without in")
        self.at += 2
        arms: list[tuple[tuple[Word, ...], Sequence, bool]] = []
        while True:
            self.empty_lines()
            if self.reserved() == "esac":
                self.at += 4
                return Case(word, tuple(arms), line)
            if self.at >= len(self.text):
                self.fail("esac is missing at the end")
            if self.starts_with("("):
                self.at += 1
            patterns = []
            while True:
                self.blanks()
                patterns.append(self.word())
                self.blanks()
                if self.starts_with("|"):
                    self.at += 1
                    continue
                if not self.starts_with(")"):
                    self.fail(self.text[self.at : self.at + 40].partition("\n")[0])
                self.at += 1
                break
            body = self.sequence()
            falls = self.starts_with(";&", ";;&")
            if self.starts_with(";;&"):
                self.at += 3
            elif self.starts_with(";;", ";&"):
                self.at += 2
            elif self.reserved() != "esac":
                self.fail(self.text[self.at : self.at + 40].partition("\n")[0])
            arms.append((tuple(patterns), body, falls))

    def function(self, word: str) -> Function:
        if word == "function":
            self.at += len(word)
            self.blanks()
        match = re.compile(r"([^\s;&|()<>$'\"`=]+)[ \t]*(?:\([ \t]*\))?").match(self.text, self.at)
        if not match:
            self.fail("a function without a name")
        self.at = match.end()
        self.empty_lines()
        return Function(match[1], self.command())

    def calculation(self) -> Calculation | None:
        line, before = self.line(), (self.at, self.count)
        self.at += 2
        parts = self.arithmetic()
        if parts is None:
            self.at, self.count = before
            return None
        return Calculation(Word(tuple(parts), line), line)

    def condition(self) -> Condition:
        line = self.line()
        words: list[Word] = []
        self.at += 2
        while True:
            while True:
                self.blanks()
                if not self.starts_with("\n"):
                    break
                self.line_end()
            if re.compile(r"\]\](?![^ \t\n;&|()])").match(self.text, self.at):
                self.at += 2
                return Condition(tuple(words), line)
            if self.at >= len(self.text):
                self.fail("]] is missing at the end")
            sign = next((sign for sign in ("&&", "||", "(", ")", "<", ">") if self.starts_with(sign)), None)
            if words and words[-1].parts and words[-1].parts[-1] == Text("=~", False, words[-1].line):
                words.append(self.expression())
            elif sign:
                self.at += len(sign)
                words.append(Word((Text(sign, False, self.line()),), self.line()))
            else:
                words.append(self.word())

    def expression(self) -> Word:
        """Return a regular expression, in which parentheses and bars are literal."""
        parts: list[Part] = []
        line, depth = self.line(), 0
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in " \t\n" and depth == 0:
                break
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character in "()|<>;& \t":
                parts.append(Text(character, False, line))
                self.at += 1
            else:
                parts += self.piece()
        return Word(tuple(parts), line)

    def simple(self) -> Simple:
        start, line = self.at, self.line()
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        end = self.at
        while True:
            self.blanks()
            redirection = self.redirection()
            if redirection is not None:
                redirections.append(redirection)
                end = self.at
                continue
            if self.at >= len(self.text) or (self.text[self.at] in "\n;&|()"):
                break
            declares = bool(words) and words[0].parts[:1] != () and literal(words[0]) in DECLARES
            match = _ASSIGNMENT.match(self.text, self.at) if not words or declares else None
            if match and (not words or self.text.startswith("(", match.end())):
                assignments.append(self.assignment(match))
            else:
                words.append(self.word())
            end = self.at
        if not (assignments or words or redirections):
            self.fail(self.text[self.at : self.at + 40].partition("\n")[0] or "a command is missing")
        return Simple(
            tuple(assignments), tuple(words), tuple(redirections), line, self.line(max(end - 1, start)),
            self.origin + start, self.origin + end,
        )  # fmt: skip

    def assignment(self, match: re.Match[str]) -> Assignment:
        self.at = match.end()
        line, appends = self.line(), match[3] == "+="
        index = Word((Text(match[2][1:-1], True, line),), line) if match[2] else None
        if not self.starts_with("("):
            if self.at >= len(self.text) or self.text[self.at] in " \t\n;&|()":
                return Assignment(match[1], appends, Word((), line), index)
            return Assignment(match[1], appends, self.word(), index)
        self.at += 1
        words: list[Word] = []
        while True:
            self.empty_lines()
            if self.starts_with(")"):
                self.at += 1
                return Assignment(match[1], appends, tuple(words), index)
            if self.at >= len(self.text):
                self.fail("an array without an end")
            words.append(self.word())

    def redirection(self) -> Redirection | None:
        match = _OPERATOR.match(self.text, self.at)
        if not match or (self.text.startswith(("<(", ">("), match.start("sign")) and not match["fd"]):
            return None
        sign = match["sign"]
        descriptor = int(match["fd"]) if match["fd"] and len(match["fd"]) < 4 else 0 if sign[0] == "<" else 1
        self.at = match.end()
        self.blanks()
        if self.at >= len(self.text) or self.text[self.at] in "\n;|()":
            self.fail("a redirection without a target")
        begin = self.at
        target = self.word()
        redirection = Redirection(descriptor, sign, target)
        if sign in ("<<", "<<-"):
            raw = self.text[begin : self.at]
            quoted = any(quote in raw for quote in "'\"\\")
            self.documents.append((redirection, re.sub(r"""['"\\]""", "", raw), sign == "<<-", quoted))
        return redirection

    # Words

    def word(self) -> Word:
        parts: list[Part] = []
        line, begin = self.line(), self.at
        self.spend()
        while self.at < len(self.text):
            character = self.text[self.at]
            if character in " \t\n;&|)":
                break
            if character in "<>":
                if not self.starts_with("<(", ">("):
                    break
                self.at += 2
                body = self.inner()
                parts.append(Process(body, character == "<", line))
                continue
            if character == "(":
                if self.at > begin and _EXTENDED.match(self.text, self.at - 1):
                    parts.append(Text(self.extended(), False, line))
                    continue
                break
            parts += self.piece()
        if self.at == begin:
            self.fail(self.text[self.at : self.at + 40].partition("\n")[0] or "a word is missing")
        return Word(tuple(parts), line)

    def extended(self) -> str:
        """Skip an extended pattern's parentheses."""
        begin, depth = self.at, 0
        while self.at < len(self.text) and self.text[self.at] != "\n":
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
            if depth == 0:
                break
        else:
            self.fail("a pattern without an end", begin)
        return self.text[begin : self.at]

    def inner(self) -> Sequence:
        """Return the commands up to a closing parenthesis."""
        self.enter()
        body = self.sequence()
        if not self.starts_with(")"):
            self.fail(") is missing" if self.at >= len(self.text) else self.text[self.at : self.at + 40])
        self.at += 1
        self.depth -= 1
        return body

    def piece(self) -> list[Part]:
        """Return the part of a word that begins here, outside of quotes."""
        line = self.line()
        character = self.text[self.at]
        if plain := _PLAIN.match(self.text, self.at):
            self.at = plain.end()
            return [Text(plain[0], False, line)]
        if character == "'":
            return self.single()
        if character == '"':
            self.at += 1
            return self.quoted('"', _PLAIN_QUOTED)
        if character == "\\":
            if self.at + 1 >= len(self.text):
                self.fail("the last line goes on")
            escaped = self.text[self.at + 1]
            self.at += 2
            return [] if escaped == "\n" else [Text(escaped, True, line)]
        if character in "$`":
            return self.dollar(quoted=False)
        self.at += 1
        return [Text(character, False, line)]

    def single(self) -> list[Part]:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            self.fail("a quote is not closed")
        line, value = self.line(), self.text[self.at + 1 : end]
        self.at = end + 1
        return _by_line(value, line)

    def quoted(self, end: str, plain: re.Pattern[str]) -> list[Part]:
        """Return the parts between double quotes, or in a here-document, for which `end` is empty."""
        parts: list[Part] = []
        begin = self.at
        buffer: list[str] = []
        line = self.line()

        def flush() -> None:
            if buffer:
                parts.append(Text("".join(buffer), True, line))
                buffer.clear()

        while True:
            if self.at >= len(self.text):
                if end:
                    self.fail("a quote is not closed", begin - 1)
                flush()
                return parts
            if match := plain.match(self.text, self.at):
                buffer.append(match[0])
                self.at = match.end()
                continue
            character = self.text[self.at]
            if character == end:
                flush()
                self.at += 1
                return parts or [Text("", True, line)]
            if character == "\n":
                buffer.append("\n")
                flush()
                self.at += 1
                line = self.line()
                self.spend()
            elif character == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                if escaped == "\n":
                    pass
                elif escaped and escaped in ("$", "`", "\\", end):
                    buffer.append(escaped)
                else:
                    buffer.append("\\" + escaped)
                self.at += 2
            else:
                flush()
                found = self.dollar(quoted=True)
                parts += found
                line = self.line()

    def dollar(self, *, quoted: bool) -> list[Part]:
        text, line = self.text, self.line()
        self.spend()
        if text[self.at] == "`":
            return [self.backquoted(quoted=quoted)]
        if self.starts_with("$(("):
            before = (self.at, self.count)
            self.at += 3
            parts = self.arithmetic()
            if parts is not None:
                return [Arithmetic(Word(tuple(parts), line), quoted)]
            self.at, self.count = before
        if self.starts_with("$("):
            self.at += 2
            return [Substitution(self.inner(), quoted, line)]
        if self.starts_with("${"):
            return [self.parameter(quoted=quoted)]
        if not quoted and self.starts_with("$'"):
            return self.ansi()
        if not quoted and self.starts_with('$"'):
            self.at += 2
            return self.quoted('"', _PLAIN_QUOTED)
        name = _NAME.match(text, self.at + 1)
        if name:
            self.at = name.end()
            return [Parameter(name[0], "", Word((), line), quoted)]
        if text[self.at + 1 : self.at + 2] and text[self.at + 1] in "0123456789@*#?$!-":
            self.at += 2
            return [Parameter(text[self.at - 1], "", Word((), line), quoted)]
        self.at += 1
        return [Text("$", True, line)]

    def backquoted(self, *, quoted: bool) -> Substitution:
        line, at = self.line(), self.at + 1
        characters: list[str] = []
        while True:
            if at >= len(self.text):
                self.fail("a backquote is not closed")
            character = self.text[at]
            if character == "`":
                break
            if character == "\\" and self.text[at + 1 : at + 2] in ("`", "\\", "$", *(('"',) if quoted else ())):
                at += 1
                character = self.text[at]
                # A dollar remains escaped inside.
                characters.append("\\$" if character == "$" else character)
            else:
                characters.append(character)
            at += 1
        self.enter()
        inner = _Parser(
            "".join(characters), first=line, depth=self.depth, count=self.count, origin=self.origin + self.at
        )
        body = inner.whole()
        self.count, self.at = inner.count, at + 1
        self.depth -= 1
        return Substitution(body, quoted, line)

    def arithmetic(self) -> list[Part] | None:
        """Return the parts of an arithmetic expression up to its `))`; None without that end."""
        parts: list[Part] = []
        depth, line = 0, self.line()
        self.enter()
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == ")" and depth == 0:
                self.depth -= 1
                if not self.starts_with("))"):
                    return None
                self.at += 2
                return parts
            if character == "(":
                depth += 1
            elif character == ")":
                depth -= 1
            if character in "$`":
                parts += self.dollar(quoted=True)
                continue
            if character == '"':
                self.at += 1
                continue
            if character == "\\" and self.text.startswith("\\\n", self.at):
                self.at += 2
                continue
            if character in "\n;{}'" and character != ";":
                self.depth -= 1
                return None
            match = re.compile(r"[^$`\"\\\n(){};']+").match(self.text, self.at)
            value = match[0] if match else character
            parts.append(Text(value, True, line))
            self.at += len(value)
        self.depth -= 1
        return None

    def ansi(self) -> list[Part]:
        match = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if not match:
            self.fail("a quote is not closed")
        line = self.line()
        self.at = match.end()

        def one(found: re.Match[str]) -> str:
            if found[1] or found[2]:
                return chr(int(found[1] or found[2], 8 if found[1] else 16) & 0xFF)
            return _ANSI_ONE.get(found[3], found[3] if found[3] in "\\'\"?" else found[0])

        return _by_line(_ANSI.sub(one, match[1]), line)

    def parameter(self, *, quoted: bool) -> Parameter:
        text, line, begin = self.text, self.line(), self.at
        self.enter()
        self.at += 2
        length = indirect = False
        if self.starts_with("#") and not self.starts_with("#}"):
            length = True
            self.at += 1
        elif self.starts_with("!"):
            indirect = True
            self.at += 1
        name = re.compile(r"[A-Za-z_]\w*|[0-9]+|[@*#?$!-]", re.ASCII).match(text, self.at)
        if not name:
            self.fail(text[begin : begin + 20].partition("\n")[0], begin)
        self.at = name.end()
        index = None
        if self.starts_with("["):
            self.at += 1
            index = Word(tuple(self.until("]", quoted=True)), line)
        operator = "length" if length else "indirect" if indirect else ""
        word = Word((), line)
        if not self.starts_with("}"):
            sign = next((sign for sign in _OPERATORS if self.starts_with(sign)), None)
            if sign is None or operator:
                self.fail(text[begin : begin + 20].partition("\n")[0], begin)
            operator = sign
            self.at += len(sign)
            word = Word(tuple(self.until("}", quoted=quoted)), line)
        else:
            self.at += 1
        self.depth -= 1
        return Parameter(name[0], operator, word, quoted, index)

    def until(self, end: str, *, quoted: bool) -> list[Part]:
        """Return the parts up to a closing brace or bracket, and skip that."""
        parts: list[Part] = []
        begin = self.at
        while True:
            if self.at >= len(self.text):
                self.fail(f"{end} is missing", begin)
            character = self.text[self.at]
            line = self.line()
            if character == end:
                self.at += 1
                return parts
            if character == '"':
                self.at += 1
                parts += self.quoted('"', _PLAIN_QUOTED)
            elif character == "'" and not quoted:
                parts += self.single()
            elif character == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                parts.append(Text(escaped if not quoted or escaped in '$`\\"}' else f"\\{escaped}", True, line))
                self.at += 2
            elif character in "$`":
                parts += self.dollar(quoted=quoted)
            else:
                match = re.compile(rf"[^{re.escape(end)}\"'\\$`\n]+").match(self.text, self.at)
                value = match[0] if match else character
                parts.append(Text(value, quoted, line))
                self.at += len(value)


def _by_line(value: str, line: int) -> list[Part]:
    pieces = value.split("\n")
    parts: list[Part] = [Text(f"{piece}\n", True, line + number) for number, piece in enumerate(pieces[:-1])]
    if pieces[-1] or len(pieces) == 1:
        parts.append(Text(pieces[-1], True, line + len(pieces) - 1))
    return parts
