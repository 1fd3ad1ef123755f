"""The shell's functions of text: escapes, patterns, `printf`, arithmetic, simple `sed` programs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .values import is_known, unknown, with_names

if TYPE_CHECKING:
    from collections.abc import Callable

_ESCAPE = re.compile(r"\\(?:0([0-7]{1,3})|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.)|\Z)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", "e": "\x1b"}
_DIRECTIVE = re.compile(r"%(?:%|([-+ 0#]*)([0-9]*)(?:\.([0-9]+))?([sdiuqbcxX]))")
_TOKEN = re.compile(r"[ \t]*(0[xX][0-9A-Fa-f]+|[0-9]+|[A-Za-z_]\w*|\*\*|<<|>>|[<>=!]=|&&|\|\||[-+*/%()<>?:!~&|^,=])")
_LONGEST = 200  # tokens of an expression
_MOST_STEPS = 1 << 16
"""Most steps of one command of sed, in thousands."""
_LEVELS = (("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<=", ">=", "<", ">"), ("<<", ">>"), ("+", "-"),
           ("*", "/", "%"))  # fmt: skip
_SUBSTITUTE = re.compile(r"s(.)((?:\\.|(?!\1).)*)\1((?:\\.|(?!\1).)*)\1([gI0-9]*)", re.DOTALL)


def unescape(text: str, *, quote: bool = False) -> str:
    """Return the output of `echo -e`, `printf` or `%b` for a text; with `quote`, an escaped quote loses its escape."""

    def one(match: re.Match[str]) -> str:
        octal, number, character = match[1] or match[2], match[3], match[4]
        if octal or number:
            return chr(int(octal or number, 8 if octal else 16) & 0xFF)
        if character == "c":
            return "\0"
        if quote and character in ('"', "'"):
            return str(character)
        return _ESCAPES.get(character or "", match[0])

    return _ESCAPE.sub(one, text).partition("\0")[0]


def printf(format_: str, arguments: list[str]) -> str | None:
    """Return the output of printf; None if not supported."""
    printed: list[str] = []
    rest = list(arguments)
    while True:
        before, at = len(rest), 0
        for match in _DIRECTIVE.finditer(format_):
            printed.append(unescape(format_[at : match.start()], quote=True))
            at = match.end()
            if match[0] == "%%":
                printed.append("%")
                continue
            value = rest.pop(0) if rest else ""
            if match[4] in "diuxX":
                value = value or "0"
                if is_known(value) and not re.fullmatch(r"[-+]?[0-9]{1,15}", value):
                    return None
                if is_known(value) and match[4] in "xX":
                    value = format(int(value), match[4])
            elif match[4] == "b":
                value = unescape(value)
            elif match[4] == "c":
                value = value[:1]
            if (match[2] or match[3]) and is_known(value):
                width = min(int(match[2] or 0), 1000)
                value = value[: int(match[3])] if match[3] and match[4] == "s" else value
                fill = "0" if "0" in match[1] and match[4] != "s" else " "
                value = value.ljust(width) if "-" in match[1] else value.rjust(width, fill)
            printed.append(value)
        if "%" in _DIRECTIVE.sub("", format_):
            return None
        printed.append(unescape(format_[at:], quote=True))
        if not rest or len(rest) == before:
            return "".join(printed)


def calculate(expression: str, variables: dict[str, str]) -> int | None:
    """Return the value of an arithmetic expression, and carry out its assignments; None if not supported."""
    tokens: list[str] = []
    at = 0
    expression = expression.strip()
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if not match or len(tokens) > _LONGEST:
            return None
        tokens.append(match[1])
        at = match.end()
    try:
        calculator = _Calculator(tokens, variables)
        value = calculator.whole()
    except (ArithmeticError, ValueError, IndexError, RecursionError):
        return None
    return value if abs(value) < 1 << 62 else None


class _Calculator:
    def __init__(self, tokens: list[str], variables: dict[str, str]) -> None:
        self.tokens = [*tokens, ""]
        self.variables = variables
        self.at = 0
        self.depth = 0

    def take(self, *signs: str) -> str:
        token = self.tokens[self.at]
        if token and token in signs:
            self.at += 1
            return token
        return ""

    def whole(self) -> int:
        value = self.assignment() if len(self.tokens) > 1 else 0
        if self.tokens[self.at]:
            raise ValueError
        return value

    def assignment(self) -> int:
        name = self.tokens[self.at]
        if re.fullmatch(r"[A-Za-z_]\w*", name) and self.at + 1 < len(self.tokens):
            following = self.tokens[self.at + 1 : self.at + 3]
            if following[0] == "=":
                self.at += 2
                value = self.assignment()
                self.variables[name] = str(value)
                return value
            if len(following) == 2 and following[1] == "=" and following[0] in ("+", "-", "*"):
                self.at += 3
                change, old = self.assignment(), self.variable(name)
                value = {"+": old + change, "-": old - change, "*": old * change}[following[0]]
                self.variables[name] = str(value)
                return value
        return self.choice()

    def choice(self) -> int:
        condition = self.level(0)
        if not self.take("?"):
            return condition
        first = self.assignment()
        if not self.take(":"):
            raise ValueError
        second = self.assignment()
        return first if condition else second

    def level(self, number: int) -> int:
        if number == len(_LEVELS):
            return self.power()
        value = self.level(number + 1)
        while sign := self.take(*_LEVELS[number]):
            value = _apply(sign, value, self.level(number + 1))
        return value

    def power(self) -> int:
        value = self.one()
        if self.take("**"):
            exponent = self.power()
            if not 0 <= exponent <= 64:
                raise ValueError
            return int(value**exponent)
        return value

    def one(self) -> int:
        self.depth += 1
        if self.depth > 30:
            raise ValueError
        value = self.primary()
        self.depth -= 1
        return value

    def primary(self) -> int:
        if sign := self.take("+", "-", "!", "~"):
            if self.tokens[self.at] == sign and sign in "+-":  # ++name
                self.at += 1
                return self.step(self.tokens[self.at], 1 if sign == "+" else -1, before=True)
            value = self.one()
            return {"+": value, "-": -value, "!": int(not value), "~": ~value}[sign]
        if self.take("("):
            value = self.assignment()
            if not self.take(")"):
                raise ValueError
            return value
        token = self.tokens[self.at]
        if re.match(r"[A-Za-z_]", token):
            following = self.tokens[self.at + 1 : self.at + 3]
            if following in (["+", "+"], ["-", "-"]):
                return self.step(token, 1 if following[0] == "+" else -1, before=False)
            self.at += 1
            return self.variable(token)
        self.at += 1
        return _number(token)

    def step(self, name: str, change: int, *, before: bool) -> int:
        self.at += 1 if before else 3
        old = self.variable(name)
        self.variables[name] = str(old + change)
        return old + change if before else old

    def variable(self, name: str) -> int:
        if name not in self.variables:
            raise ValueError
        value = self.variables[name].strip()
        return _number(value) if value else 0


def _number(text: str) -> int:
    if not re.fullmatch(r"-?(?:0[xX][0-9A-Fa-f]{1,15}|[0-9]{1,18})", text, re.ASCII):
        raise ValueError
    if re.fullmatch(r"-?0[0-7]+", text):
        return int(text, 8)
    return int(text, 16 if "x" in text.lower() else 10)


def _apply(sign: str, left: int, right: int) -> int:
    if sign in ("/", "%"):
        size = abs(left) // abs(right)
        quotient = size if (left < 0) == (right < 0) else -size
        return quotient if sign == "/" else left - quotient * right
    if sign in ("<<", ">>") and not 0 <= right < 64:
        raise ValueError
    answers = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "<<": lambda: left << right,
        ">>": lambda: left >> right,
        "&": lambda: left & right,
        "|": lambda: left | right,
        "^": lambda: left ^ right,
    }
    if sign in answers:
        value = answers[sign]()
        if abs(value) >= 1 << 64:
            raise ValueError
        return value
    tests = {"==": left == right, "!=": left != right, "<": left < right, ">": left > right, "<=": left <= right,
             ">=": left >= right, "&&": bool(left and right), "||": bool(left or right)}  # fmt: skip
    return int(tests[sign])


def pattern(text: str) -> re.Pattern[str] | None:
    """Return a shell's pattern as a regular expression; None if not supported. `\\x` is a literal x."""
    found: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*":
            if not found or found[-1] != ".*":
                found.append(".*")
        elif character == "?":
            found.append(".")
        elif character == "[":
            end = text.find("]", at + 1)
            if end < 0:
                found.append(r"\[")
                continue
            content = text[at:end]
            if "[" in content and not re.fullmatch(r"[!^]?(?:\[:\w+:|[^[])*", content):
                return None
            if "[:" in content:
                return None
            inner = content.lstrip("!^")
            sign = "^" if content[:1] in ("!", "^") else ""
            found.append("[" + sign + re.sub(r"([\\\]\[&~|])", r"\\\1", inner) + "]")
            at = end + 1
        elif character == "\\" and at < len(text):
            found.append(re.escape(text[at]))
            at += 1
        else:
            found.append(re.escape(character))
    try:
        return re.compile("".join(found), re.DOTALL)
    except re.error:
        return None


def cost(expression: re.Pattern[str], size: int) -> int:
    """Return how many steps a match of so many characters may take, in thousands."""
    stars = expression.pattern.count("*")
    return int(min(size, 1 << 20) ** min(stars + 1, 8)) >> 10


def quoted_pattern(text: str) -> str:
    """Return a pattern that matches exactly a text."""
    return re.sub(r"([*?\[\\])", r"\\\1", text)


def sed(program: str, text: str, spend: Callable[[int], None], *, extended: bool = False) -> str | None:
    """Return the output of sed for lines, with substitutions, deletions and added lines; None if not supported.

    `spend` is called with its cost, in thousands of steps.
    """
    for command in filter(None, (part.strip() for part in _commands(program))):
        match = _SED.fullmatch(command)
        if not match or len(text) > 100_000:
            return None
        substitutes = _SUBSTITUTE.fullmatch(match["command"])
        adds = _ADD.fullmatch(match["command"])
        if not substitutes and not adds and match["command"] != "d":
            return None
        if match["address"] is None and not substitutes:
            return None
        address = None if match["address"] is None else regular(match["address"], extended=extended)
        expression = regular(substitutes[2], substitutes[4], extended=extended) if substitutes else None
        if (match["address"] is not None and address is None) or (substitutes and expression is None):
            return None
        lines = []
        before = text.splitlines(keepends=True)
        price = sum(cost(each, len(line)) for each in (address, expression) if each for line in before)
        if price > _MOST_STEPS:
            return None
        spend(price + len(text))
        # What is unknown may match, or may not.
        is_plain = not any(re.search(r"[][.*\\]", each.pattern) for each in (address, expression) if each)
        for line in before:
            if not is_plain and not is_known(line):
                lines.append(_what_sed_makes(line))
                continue
            content = line.removesuffix("\n")
            ending = line[len(content) :]
            if address and not address.search(content):
                lines.append(line)
            elif substitutes and expression:
                new = re.sub(r"\\([1-9])|\\n|\\(.)|&|\\", _replacement, substitutes[3])
                which = re.sub("[^0-9]", "", substitutes[4])
                if which and ("g" in substitutes[4] or which == "0"):
                    return None
                if which:
                    found = [*expression.finditer(content)][int(which) - 1 : int(which)]
                    changed = "".join(
                        content[: each.start()] + each.expand(new) + content[each.end() :] for each in found
                    )
                    lines.append((changed or content) + ending)
                else:
                    lines.append(expression.sub(new, content, count=0 if "g" in substitutes[4] else 1) + ending)
            elif adds:
                new = adds[2] + "\n"
                lines += {"a": [content + "\n", new], "i": [new, line], "c": [new]}[adds[1]]
        text = "".join(lines)
    return text


def _what_sed_makes(line: str) -> str:
    return unknown(f"what sed makes of {with_names(line).strip()}") + "\n"


_SED = re.compile(r"(?:/(?P<address>(?:\\.|[^/])*)/[ \t]*)?(?P<command>.*)", re.DOTALL)
_ADD = re.compile(r"([aic])(?:\\\n|\\|[ \t])[ \t]*([^\\\n]*)")


def _commands(program: str) -> list[str]:
    is_one = re.fullmatch(r"(?:/(?:\\.|[^/])*/[ \t]*)?(?:[aic][\\ \t].*)", program, re.DOTALL)
    return [program] if is_one or _SUBSTITUTE.fullmatch(program) else re.split(r";|\n", program)


def _replacement(match: re.Match[str]) -> str:
    if match[1]:
        return rf"\g<{match[1]}>"
    if match[0] == "&":
        return r"\g<0>"
    if match[0] == r"\n":
        return r"\n"
    return r"\\" if match[0] in ("\\", "\\\\") else str(match[2] or "")


_CLASSES = {"space": r"\s", "blank": r" \t", "digit": "0-9", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9",
            "upper": "A-Z", "lower": "a-z"}  # fmt: skip


def regular(expression: str, flags: str = "", *, extended: bool, literal: bool = False) -> re.Pattern[str] | None:
    """Return a regular expression of sed or grep in Python's syntax; None if not supported."""
    if literal:
        return re.compile(re.escape(expression), re.IGNORECASE if "I" in flags else 0)
    found: list[str] = []
    at = 0
    while at < len(expression):
        character = expression[at]
        at += 1
        if character == "\\" and at < len(expression):
            escaped = expression[at]
            at += 1
            if escaped in "(){}+?|":
                # Only with these, basic and extended expressions differ.
                found.append(re.escape(escaped) if extended else escaped)
            elif escaped in "sSwWb":
                found.append(f"\\{escaped}")
            elif escaped.isalnum() or escaped in "<>`'":
                return None
            else:
                found.append(re.escape(escaped))
        elif character in "(){}+?|":
            found.append(character if extended else re.escape(character))
        elif character == "[":
            content = re.match(r"\^?\]?(?:\[:\w+:\]|[^\[\]])*", expression[at:])
            assert content
            end = at + content.end()
            if not expression.startswith("]", end):
                return None
            inside = re.sub(r"\[:(\w+):\]", lambda match: _CLASSES.get(match[1], "["), content[0].replace("\\", "\\\\"))
            if "[" in inside:
                return None
            found.append(f"[{inside}]")
            at = end + 1
        else:
            found.append(character)
    try:
        return re.compile("".join(found), re.IGNORECASE if "I" in flags else 0)
    except re.error:
        return None
