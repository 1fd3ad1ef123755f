"""`test`, `[` and `[[`: answered where that is certain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .status import Maybe, Status, negate
from .syntax import Text, Word
from .values import is_known
from .words import calculate, pattern

if TYPE_CHECKING:
    from .machine import Machine

_FILES = frozenset("-e -f -s -r -d -x -w -L -h -O -p -S".split())
_NUMBERS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})


def test(machine: Machine, words: list[str]) -> Status:
    """Return the status of `test`, whose words these are."""
    while words[:1] == ["!"] and len(words) > 1:
        return negate(test(machine, words[1:]))
    if len(words) == 5 and words[0] == "(":
        words = words[1:-1]
    for operator in ("-o", "-a"):
        if operator in words[1:-1] and len(words) > 3:
            at = words.index(operator, 1)
            first, second = test(machine, words[:at]), test(machine, words[at + 1 :])
            decisive = 0 if operator == "-o" else 1
            if decisive in (first, second):
                return decisive
            return next((each for each in (first, second) if isinstance(each, Maybe)), 1 - decisive)
    key = f"[ {' '.join(words)} ]"
    if not words:
        return 1
    if len(words) == 1:
        return _has_text(words[0], key)
    if len(words) == 2:
        return _unary(machine, words[0], words[1], key)
    if len(words) == 3:
        return _binary(words[0], words[1], words[2], key)
    return Maybe(key)


def _has_text(value: str, key: str) -> Status:
    if not value:
        return 1
    return 0 if _has_known(value) else Maybe(f"[ {value} ]" if key.startswith("[ -") is False else f"[ -n {value} ]")


def _has_known(value: str) -> bool:
    """Return whether a value certainly has text."""
    return re.sub("\ud800[^\ud801]*\ud801", "", value) != ""


def _unary(machine: Machine, operator: str, value: str, key: str) -> Status:
    if operator == "-n":
        return _has_text(value, key)
    if operator == "-z":
        status = _has_text(value, f"[ -n {value} ]")
        return negate(Maybe(f"[ {value} ]") if isinstance(status, Maybe) else status)
    if operator in _FILES:
        found = machine.exists(value)
        if found is False:
            return 1
        if found and operator in ("-e", "-f", "-r", "-s"):
            return 0
        return Maybe(f"[ {operator} {machine.path(value)} ]")
    if operator == "-v":
        return 0 if machine.get(value) is not None else Maybe(key)
    return Maybe(key)


def _binary(left: str, operator: str, right: str, key: str) -> Status:
    if operator in ("=", "==", "!="):
        if left == right:
            same = True
        elif is_known(left) and is_known(right):
            same = False
        else:
            status: Status = Maybe(f"[ {left} = {right} ]")
            return negate(status) if operator == "!=" else status
        return int(same is (operator == "!="))
    if operator in _NUMBERS:
        values = [calculate(side, {}) if is_known(side) else None for side in (left, right)]
        first, second = values
        if first is None or second is None:
            return Maybe(key)
        answers = {"-eq": first == second, "-ne": first != second, "-lt": first < second, "-le": first <= second,
                   "-gt": first > second, "-ge": first >= second}  # fmt: skip
        return int(not answers[operator])
    if operator in ("<", ">") and is_known(left) and is_known(right):
        return int(not (left < right if operator == "<" else left > right))
    return Maybe(key)


def condition(machine: Machine, words: list[Word]) -> Status:
    """Return the status of `[[ … ]]`."""
    return _Condition(machine, words).whole()


class _Condition:
    def __init__(self, machine: Machine, words: list[Word]) -> None:
        self.machine = machine
        self.words = words
        self.at = 0

    def sign(self) -> str:
        word = self.words[self.at] if self.at < len(self.words) else None
        if word is None or len(word.parts) != 1 or not isinstance(word.parts[0], Text) or word.parts[0].quoted:
            return ""
        return word.parts[0].value

    def whole(self) -> Status:
        status = self.either()
        return status if self.at >= len(self.words) else Maybe(f"[[ at {self.machine.line}")

    def either(self) -> Status:
        status = self.both()
        while self.sign() == "||":
            self.at += 1
            other = self.both()
            status = 0 if 0 in (status, other) else status if isinstance(status, Maybe) else other
        return status

    def both(self) -> Status:
        status = self.one()
        while self.sign() == "&&":
            self.at += 1
            other = self.one()
            status = 1 if 1 in (status, other) else status if isinstance(status, Maybe) else other
        return status

    def one(self) -> Status:
        sign = self.sign()
        if sign == "!":
            self.at += 1
            return negate(self.one())
        if sign == "(":
            self.at += 1
            status = self.either()
            self.at += 1
            return status
        if self.at >= len(self.words):
            return 1
        if re.fullmatch("-[a-zA-Z]", sign) and self.at + 1 < len(self.words):
            value = self.machine.one(self.words[self.at + 1])
            self.at += 2
            return _unary(self.machine, sign, value, f"[[ {sign} {value} ]]")
        left = self.machine.one(self.words[self.at])
        self.at += 1
        operator = self.sign()
        if operator in ("", "&&", "||", ")"):
            return _has_text(left, f"[ {left} ]")
        self.at += 1
        if self.at >= len(self.words):
            return 1
        word = self.words[self.at]
        self.at += 1
        if operator in ("=", "==", "!="):
            text = self.machine.as_pattern(word)
            right = self.machine.one(word)
            if is_known(left) and is_known(text):
                expression = pattern(text)
                if expression is None:
                    return Maybe(f"[ {left} = {right} ]")
                return int(self.machine.fits(expression, left) is (operator == "!="))
            return _binary(left, operator, right, "")
        right = self.machine.one(word)
        return _binary(left, operator, right, f"[[ {left} {operator} {right} ]]")
