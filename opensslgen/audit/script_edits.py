"""Edits of any script: changes only the line of a finding, and only if the audit of the result complies.

Each possible change in the line of a finding is tried. A change is accepted if the finding is gone afterwards and there
is no new one. If no such line is found, the script is refused.
"""

from __future__ import annotations

import difflib
import re
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.gen_certs.patch import DAYS, EKU, Edit, Patch
from opensslgen.openssl.command import find
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR
from opensslgen.text import visible

from .result import Settings
from .scripts import judge_commands, script_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opensslgen.files.replace import Original
    from opensslgen.gen_certs.patch import Maker
    from opensslgen.rules.rule import Finding

    from .scripts import Verdict

_MOST_TRIALS = 60
"""Audits of one script; a script that needs more is refused."""
_WEAK = r"(?:sha-?1?|md[245]|mdc2|dss1|ripemd160|rmd160)"
_FIXABLE = {
    "script-days": "is valid for too long",
    "script-sha1": "has a weak digest",
    "script-no-eku": "lacks serverAuth",
}


def maker(*, days: int = DAYS) -> Maker:
    """Return the function that edits any script, judged by Apple's rules with the installed openssl."""
    settings = Settings(rules=rules_of(["apple"]), at=datetime.now(timezone.utc), openssl=find)

    def make(original: Original, /) -> Patch:
        return edit_script(original.data, name=str(original.path), settings=settings, days=days)

    return make


def edit_script(data: bytes, *, name: str, settings: Settings, days: int = DAYS, eku: Sequence[str] = EKU) -> Patch:
    """Return a script after the edits that make its certificates comply; without edits, if they already do.

    `settings` is how the audit judges. Raises UnreadableError, which names the lines that were tried, if the result
    would not comply.
    """
    text = script_text(data)
    original, reasons = text, {}
    trials = 0
    while True:
        verdict = judge_commands(text, target=name, settings=settings)
        wrong = [finding for finding in verdict.findings if finding.rule.severity == ERROR]
        if not wrong:
            break
        if other := [finding for finding in wrong if finding.rule.id not in _FIXABLE]:
            raise _refusal(name, other, "no line was found that could be changed")
        for trial in _trials(text, wrong[0], verdict, days=days, eku=",".join(eku)):
            trials += 1
            if trials > _MOST_TRIALS:
                raise UnreadableError(f"{name}: more than {_MOST_TRIALS} ways to change it", hint="it was left alone")
            if _is_better(trial, verdict, wrong[0], name=name, settings=settings):
                for line in set(trial.split("\n")) - set(text.split("\n")):
                    reasons[line.removesuffix("\r")] = f"the certificate {_FIXABLE[wrong[0].rule.id]}"
                text = trial
                break
        else:
            raise _refusal(name, wrong[:1], "no place was found there to change")
    if verdict.reasons:
        lines = "; ".join(f"line {reason.line}: {visible(reason.text)}" for reason in verdict.reasons[:5])
        raise UnreadableError(
            f"{name}: whether its certificates comply cannot be told: {lines}", hint="it was left alone"
        )
    result = text.encode("utf-8", "surrogateescape").decode("latin-1")
    if data.startswith(b"\xef\xbb\xbf"):
        result = "\xef\xbb\xbf" + result
    return Patch(result, tuple(_edits(original, text, reasons)))


def _refusal(name: str, findings: list[Finding], why: str) -> UnreadableError:
    lines = "; ".join(f"line {finding.line}: {visible(finding.message)}" for finding in findings[:5])
    return UnreadableError(f"{name}: not recognised: {lines}: {why}", hint="it was left alone")


def _is_better(text: str, before: Verdict, finding: Finding, *, name: str, settings: Settings) -> bool:
    """Return whether a finding is gone without new findings, openssl accepts the script, and no CA changed."""
    try:
        after = judge_commands(text, target=name, settings=settings)
    except UnreadableError:
        return False

    def count(verdict: Verdict, rule: str) -> int:
        return sum(each.rule.id == rule for each in verdict.findings)

    rules = {each.rule.id for each in (*before.findings, *after.findings)}
    return (
        count(after, finding.rule.id) < count(before, finding.rule.id)
        and all(count(after, rule) <= count(before, rule) for rule in rules)
        and after.refused <= before.refused
        and after.made == before.made
        and after.authorities == before.authorities
    )


def _trials(text: str, finding: Finding, verdict: Verdict, *, days: int, eku: str) -> Iterator[str]:
    """Yield the script with each possible change, the smallest first."""
    lines = text.split("\n")
    place = finding.line or 0
    if finding.rule.id == "script-days":
        number = re.search(r"([0-9]+) days", finding.message)
        yield from _at(lines, place, lambda line: _days(line, number[1] if number else "", days))
        for at in range(1, len(lines) + 1):
            yield from _at(lines, at, lambda line: _assigned_days(line, number[1] if number else "0", days))
        for at in range(1, len(lines) + 1):
            yield from _at(lines, at, lambda line: _assigned_product(line, days))
        for at in range(1, len(lines) + 1):
            yield from _at(lines, at, lambda line: _days(line, number[1] if number else "0", days))
        yield from _at(lines, place, lambda line: _used_days(line, days))
        return
    if finding.rule.id == "script-sha1":
        yield from _at(lines, place, _digest)
        for at in range(1, len(lines) + 1):
            yield from _at(lines, at, _assigned_digest)
        return
    near = [place, *(each for each in reversed(verdict.places) if each != place)]
    for at in near:
        yield from _at(lines, at, lambda line: _usage(line, eku))
    for at in near:
        yield from _add_usage(lines, at, eku)


def _at(lines: list[str], place: int, change: Callable[[str], Iterator[str]]) -> Iterator[str]:
    """Yield the script with each change of one line."""
    if not 0 < place <= len(lines):
        return
    line = lines[place - 1]
    body = line.removesuffix("\r")
    for new in change(body):
        if new != body:
            yield "\n".join([*lines[: place - 1], new + line[len(body) :], *lines[place:]])


def _days(line: str, number: str, days: int) -> Iterator[str]:
    """Change a literal number of days."""
    yield re.sub(rf"(-days[ \t]+[\"']?){re.escape(number)}(?![0-9])", rf"\g<1>{days}", line)
    yield re.sub(rf"(default_days[ \t]*=[ \t]*){re.escape(number)}(?![0-9])", rf"\g<1>{days}", line)
    yield re.sub(rf"\A([ \t]*[\"']?){re.escape(number)}(?![0-9])", rf"\g<1>{days}", line)
    yield re.sub(r"(-days[ \t]+[\"']?)\$\(\([0-9*+ \t]+\)\)", rf"\g<1>{days}", line)


def _assigned_days(line: str, number: str, days: int) -> Iterator[str]:
    """Change a literal number of days that a variable is set to, or has as its default."""
    value = re.escape(number)
    yield re.sub(rf"((?:\A|[ \t;])[A-Za-z_]\w*=[\"']?){value}(?=[\"' \t;#]|\Z)", rf"\g<1>{days}", line)
    yield re.sub(rf"(\$\{{\w+:?[-=]){value}(?=\}})", rf"\g<1>{days}", line)


def _assigned_product(line: str, days: int) -> Iterator[str]:
    """Change a product or sum of numbers that a variable is set to."""
    yield re.sub(r"((?:\A|[ \t;])[A-Za-z_]\w*=[\"']?)\$\(\([0-9*+ \t]+\)\)", rf"\g<1>$(({days}))", line)


def _used_days(line: str, days: int) -> Iterator[str]:
    """Replace a variable by a number."""
    yield re.sub(r"(-days[ \t]+)(?:\"\$\{?\w+\}?\"|\$\{?\w+\}?|\"?\$\(\([^()]*\)\)\"?)", rf"\g<1>{days}", line)


def _digest(line: str) -> Iterator[str]:
    yield re.sub(rf"(?<![\w-])-{_WEAK}(?![\w-])", "-sha256", line)
    yield re.sub(rf"(-md[ \t]+[\"']?|default_md[ \t]*=[ \t]*){_WEAK}(?![\w-])", r"\g<1>sha256", line)


def _assigned_digest(line: str) -> Iterator[str]:
    yield re.sub(rf"((?:\A|[ \t;])[A-Za-z_]\w*=[\"']?-?){_WEAK}(?=[\"' \t;#]|\Z)", r"\g<1>sha256", line)
    yield re.sub(rf"(\$\{{\w+:?[-=]-?){_WEAK}(?=\}})", r"\g<1>sha256", line)


def _usage(line: str, eku: str) -> Iterator[str]:
    """Add serverAuth to a usage that is written, or that a variable holds."""
    del eku
    yield re.sub(
        r"(extendedKeyUsage[ \t]*=[ \t]*(?:critical[ \t]*,[ \t]*)?)(?=[\w$])", r"\g<1>serverAuth,", line, count=1
    )


def _add_usage(lines: list[str], place: int, eku: str) -> Iterator[str]:
    """Add a usage next to the one that a line writes."""
    if not 0 < place <= len(lines):
        return
    line = lines[place - 1]
    body = line.removesuffix("\r")
    ending = line[len(body) :]
    new = f"extendedKeyUsage = {eku}"
    # In a here-document, and in quotes of several lines.
    blanks = body[: len(body) - len(body.lstrip(" \t"))]
    if not re.match(r"[ \t]*(?:echo|printf|openssl|cat|\{|\()\b", body):
        yield "\n".join([*lines[:place], f"{blanks}{new}{ending}", *lines[place:]])
    # By another echo of the same form.
    if match := re.fullmatch(
        r"([ \t]*)echo([ \t]+(?:-[neE]+[ \t]+)?)(['\"])((?:(?!\3).)*)\3([ \t]*)(>>?)?([^;&|]*)", body
    ):
        behind = f"{match[5]}>>{match[7]}" if match[6] else match[5] + match[7]
        echo = f"{match[1]}echo{match[2]}{match[3]}{new}{match[3]}{behind.rstrip()}"
        yield "\n".join([*lines[:place], echo + ending, *lines[place:]])
    if match := re.fullmatch(r"([ \t]*)echo[ \t]+([^-'\"$;&|>\s][^'\"$;&|>]*?)([ \t]*)(>>?)?([^;&|]*)", body):
        behind = f"{match[3]}>>{match[5]}" if match[4] else match[3] + match[5]
        yield "\n".join([*lines[:place], f'{match[1]}echo "{new}"{behind.rstrip()}{ending}', *lines[place:]])
    # In the text of a printf or echo, before another extension.
    plain = f"extendedKeyUsage={eku}"
    for name in ("subjectAltName", "basicConstraints", "keyUsage"):
        for old, changed in (
            (rf"(?<![\w\"'])({name}[ \t]*=)", rf"{plain}\\n\g<1>"),
            (rf"(?<=[\"'])({name}[ \t]*=)", rf"{plain}\\n\g<1>"),
            (rf"([ \t])([\"']?)({name}[ \t]*=)", rf"\g<1>\g<2>{plain}\g<2>\g<1>\g<2>\g<3>"),
            (rf"(\\n)({name}[ \t]*=)", rf"\g<1>{plain}\\n\g<2>"),
            (rf"(-addext[ \t]+)([\"']?)({name}[ \t]*=)", rf"\g<1>\g<2>{plain}\g<2> \g<1>\g<2>\g<3>"),
        ):
            yield from _at(lines, place, partial(_once, old, changed))


def _once(old: str, changed: str, line: str) -> Iterator[str]:
    yield re.sub(old, changed, line, count=1)


def _edits(before: str, after: str, reasons: dict[str, str]) -> Iterator[Edit]:
    """Yield what differs between two texts."""
    old = [line.removesuffix("\r") for line in before.split("\n")]
    new = [line.removesuffix("\r") for line in after.split("\n")]
    for kind, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for number in range(start, end):
            changed = first + number - start
            why = reasons.get(new[number], "the certificate does not comply")
            yield Edit(
                min(changed, last) + (1 if changed < last else 0),
                old[changed] if changed < last else None,
                new[number],
                why,
            )
