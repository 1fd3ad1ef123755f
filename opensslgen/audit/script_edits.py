"""Edits of scripts, the vendor's and any other: changes only the line of a finding, if the result is judged to comply.

Each possible change in the line of a finding is tried. A change is accepted if the finding is gone afterwards and there
is no new one. If no such line is found, the script is refused.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.gen_certs.patch import DAYS, EKU, LONGEST, Edit, Maker, Patch
from opensslgen.gen_certs.reader import SECTION, VALIDITY, WISH, Script, Validity, read_script
from opensslgen.openssl.command import find
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR, Finding
from opensslgen.shell.parse import parse
from opensslgen.shell.syntax import Simple, Word, literal, nodes
from opensslgen.text import visible

from .result import Settings
from .scripts import Verdict, judge_commands, judge_vendor, script_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opensslgen.files.replace import Original


_MOST_TRIALS = 60
"""Audits of one script; a script that needs more is refused."""
_MARK = b"\xef\xbb\xbf"
_WEAK = r"(?:sha-?1?|md[245]|mdc2|dss1|ripemd160|rmd160)"
_FIXABLE = frozenset({"script-validity", "script-days", "script-sha1", "script-no-eku"})
_PRINTS = frozenset({"echo", "printf"})
_NONE = Word((), 0)
_CONTINUATION = re.compile(r"[ \t]*\\\n[ \t]*")
_REDIRECTED = re.compile(
    r"(?P<gap>(?:[ \t]|\\\n)*)(?<![0-9&])(?P<fd>1?)>>?\|?"
    r"(?P<target>(?:[ \t]|\\\n)*(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'<>])+)\Z"
)
_ALONE = re.compile(r"[ \t]*;?[ \t]*(?:#.*)?")
_TAIL = re.compile(r"[ \t]*(?:&&[ \t]*\\?|\|\|[ \t]*[A-Za-z0-9_][A-Za-z0-9_ \t$?]*)")


def maker(*, days: int = DAYS, any_script: bool = False) -> Maker:
    """Return the function that edits the vendor's script, or any script; raises UnreadableError where it cannot."""

    def make(original: Original, /, *, days: int | None = days) -> Patch:
        edit = edit_script if any_script else edit_vendors
        return edit(original.data, name=str(original.name), days=days or DAYS)

    return make


def edit_vendors(data: bytes, *, name: str, days: int = DAYS) -> Patch:
    """Return the vendor's script after the post's two edits, where they are missing.

    A default validity of 825 days or fewer is kept, unless `days` is less. Raises UnreadableError if either place is
    not recognised, or no edit of it would comply.
    """
    limit = LONGEST if days == DAYS else days
    again: list[Validity] = []

    def judge(text: str) -> Verdict:
        script = read_script(parse(text))
        if not script.validities or not script.extended_blocks:
            raise UnreadableError(_not_recognised(script))
        again[:] = script.validities[1:]
        return judge_vendor(replace(script, validities=script.validities[:1]), _settings(), days=limit)

    task = _Task(name=name, days=days, usage="extendedKeyUsage   = " + ",".join(EKU), judge=judge, inside=False)
    patch = _edited(data, task)
    lines = script_text(patch.data).split("\n")
    notes = [
        f"line {each.line} sets {VALIDITY} again, and was left alone: {lines[each.line - 1].strip()}"
        for each in again if each.days is None or each.days > LONGEST
    ]  # fmt: skip
    return replace(patch, notes=tuple(notes))


def edit_script(data: bytes, *, name: str, settings: Settings | None = None, days: int = DAYS) -> Patch:
    """Return a script after the edits that make its certificates comply; without edits, if they already do.

    `settings` is how the audit judges; by default by Apple's rules with the installed openssl. Raises UnreadableError,
    which names the lines that were tried, if the result would not comply.
    """
    settings = settings or _settings()

    def judge(text: str) -> Verdict:
        return judge_commands(text, target=name, settings=settings)

    return _edited(
        data, _Task(name=name, days=days, usage="extendedKeyUsage = " + ",".join(EKU), judge=judge, inside=True)
    )


def _settings() -> Settings:
    return Settings(rules=rules_of(["apple"]), at=datetime.now(timezone.utc), openssl=find)


def _not_recognised(script: Script) -> str:
    validity = f"found in line {script.validities[0].line}" if script.validities else "not found"
    block = "not found"
    if script.blocks:
        block = f"found in line {script.blocks[0].line}"
        if not script.extended_blocks:
            block += f", but not in the branch of a condition on ${WISH}"
    return (
        f"not recognised: looked for an assignment {VALIDITY}= ({validity}) "
        f"and for commands that write a section [ {SECTION} ] to a file ({block})"
    )


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What to edit a script for."""

    name: str
    """The name of the script in errors."""
    days: int
    usage: str
    """The line that a section lacks."""
    judge: Callable[[str], Verdict]
    inside: bool
    """Whether the line may be added inside of text that a command prints."""


def _edited(data: bytes, task: _Task) -> Patch:
    """Return a script after edits that leave no finding; raises UnreadableError if there are no such edits."""
    reasons: dict[str, str] = {}
    trials = 0
    try:
        original = text = script_text(data)
        while True:
            verdict = task.judge(text)
            wrong = [finding for finding in verdict.findings if finding.rule.severity == ERROR]
            if not wrong:
                break
            if other := [finding for finding in wrong if finding.rule.id not in _FIXABLE]:
                raise _refusal(other, "no line was found that could be changed")
            for trial in _trials(text, wrong[0], verdict, task):
                trials += 1
                if trials > _MOST_TRIALS:
                    raise UnreadableError(f"more than {_MOST_TRIALS} ways to change it")
                if _is_better(trial, verdict, wrong[0], task):
                    old, new = ({line.removesuffix("\r") for line in each.split("\n")} for each in (text, trial))
                    earlier = [reasons[line] for line in old - new if line in reasons]
                    reasons.update((line, "; ".join([*earlier, wrong[0].message])) for line in new - old)
                    text = trial
                    break
            else:
                raise _refusal(wrong[:1], "no place was found there to change")
        if verdict.reasons:
            lines = "; ".join(f"line {reason.line}: {visible(reason.text)}" for reason in verdict.reasons[:5])
            raise UnreadableError(f"whether its certificates comply cannot be told: {lines}")
    except UnreadableError as error:
        raise UnreadableError(f"{task.name}: {error.message}", hint="it was left alone") from error
    mark = _MARK if data.startswith(_MARK) else b""
    return Patch(mark + text.encode("utf-8", "surrogateescape"), tuple(_edits(original, text, reasons)))


def _refusal(findings: list[Finding], why: str) -> UnreadableError:
    lines = "; ".join(f"line {finding.line}: {visible(finding.message)}" for finding in findings[:5])
    return UnreadableError(f"not recognised: {lines}: {why}")


def _is_better(text: str, before: Verdict, finding: Finding, task: _Task) -> bool:
    """Return whether a finding is gone without new findings, openssl accepts the script, and no CA changed."""
    try:
        after = task.judge(text)
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


def _trials(text: str, finding: Finding, verdict: Verdict, task: _Task) -> Iterator[str]:
    """Yield the script with each possible change, the smallest first."""
    lines, days = text.split("\n"), task.days
    place = finding.line or 0
    if finding.rule.id == "script-validity":
        yield from _at(lines, place, lambda line: _validity(line, days))
        return
    if finding.rule.id == "script-days":
        number = str(finding.days)
        literal = partial(_days, number=number, days=days)
        yield from _at(lines, place, literal)
        for change in (
            partial(_assigned_days, number=number, days=days),
            partial(_assigned_product, days=days),
            literal,
        ):
            yield from _everywhere(lines, change)
        yield from _at(lines, place, partial(_used_days, days=days))
        return
    if finding.rule.id == "script-sha1":
        yield from _at(lines, place, _digest)
        yield from _everywhere(lines, _assigned_digest)
        return
    near = list(dict.fromkeys(reversed(verdict.places))) or [place]
    for at in near:
        yield from _at(lines, at, _usage)
    for at in near:
        yield from _add_usage(lines, at, task)


def _at(lines: list[str], place: int, change: Callable[[str], Iterator[str]]) -> Iterator[str]:
    """Yield the script with each change of one line."""
    if not 0 < place <= len(lines):
        return
    line = lines[place - 1]
    body = line.removesuffix("\r")
    for new in change(body):
        if new != body:
            yield "\n".join([*lines[: place - 1], new + line[len(body) :], *lines[place:]])


def _everywhere(lines: list[str], change: Callable[[str], Iterator[str]]) -> Iterator[str]:
    for place in range(1, len(lines) + 1):
        yield from _at(lines, place, change)


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


def _validity(line: str, days: int) -> Iterator[str]:
    """Change the default validity of the vendor's script, and a comment behind it."""
    for match in re.finditer(rf"(?<![\w$]){VALIDITY}=(?:\"[^\"]*\"|'[^']*'|\$\(\(.*?\)\)(?!\))|[0-9]+)(.*)", line):
        rest = f" # {days} days" if re.fullmatch(r"[ \t]*(?:#.*)?", match[1]) else match[1]
        yield f"{line[: match.start()]}{VALIDITY}=$(({days})){rest}"


def _usage(line: str) -> Iterator[str]:
    """Add serverAuth to a usage that is written, or that a variable holds."""
    yield re.sub(
        r"(extendedKeyUsage[ \t]*=[ \t]*(?:critical[ \t]*,[ \t]*)?)(?=[\w$])", r"\g<1>serverAuth,", line, count=1
    )


def _add_usage(lines: list[str], place: int, task: _Task) -> Iterator[str]:
    """Add a usage next to what a line writes."""
    if not 0 < place <= len(lines):
        return
    body = lines[place - 1].removesuffix("\r")
    # In a here-document, and in quotes of several lines.
    if not re.match(r"[ \t]*(?:echo|printf|openssl|cat|\{|\()\b", body) and not body.endswith("\\"):
        yield _inserted(lines, place, body[: len(body) - len(body.lstrip(" \t"))] + task.usage)
    # By another echo behind a command that prints.
    text = "\n".join(line.removesuffix("\r") for line in lines)
    for command in reversed([each for each in nodes(parse(text)) if isinstance(each, Simple)]):
        if command.line <= place <= command.last and literal(command.words[0] if command.words else _NONE) in _PRINTS:
            yield from _add_echo(lines, text, command, task.usage)
    if not task.inside:
        return
    # In the text of a printf or echo, before another extension.
    plain = task.usage.replace(" ", "")
    for name in ("subjectAltName", "basicConstraints", "keyUsage"):
        for old, changed in (
            (rf"(?<![\w\"'])({name}[ \t]*=)", rf"{plain}\\n\g<1>"),
            (rf"(?<=[\"'])({name}[ \t]*=)", rf"{plain}\\n\g<1>"),
            (rf"([ \t])([\"']?)({name}[ \t]*=)", rf"\g<1>\g<2>{plain}\g<2>\g<1>\g<2>\g<3>"),
            (rf"(\\n)({name}[ \t]*=)", rf"\g<1>{plain}\\n\g<2>"),
            (rf"(-addext[ \t]+)([\"']?)({name}[ \t]*=)", rf"\g<1>\g<2>{plain}\g<2> \g<1>\g<2>\g<3>"),
        ):
            yield from _at(lines, place, partial(_once, old, changed))


def _inserted(lines: list[str], place: int, new: str) -> str:
    """Return the script with another line behind one; the last line may have no ending, the first shows its kind."""
    old, pattern = lines[place - 1], lines[place - 1] if place < len(lines) else lines[0]
    if place == len(lines) and pattern.endswith("\r"):
        return "\n".join([*lines[:-1], f"{old}\r", new])
    ending = "\r" if old.endswith("\r") else ""
    return "\n".join([*lines[:place], new + ending, *lines[place:]])


def _add_echo(lines: list[str], text: str, command: Simple, usage: str) -> Iterator[str]:
    """Add an echo behind a command that prints, in its style: on a line of its own, or on the same line."""
    source = text[command.start : command.end]
    before = text[text.rfind("\n", 0, command.start) + 1 : command.start]
    after = text[command.end :].partition("\n")[0]
    match = _REDIRECTED.search(source)
    head = source[: match.start()] if match else source
    style = re.match(r"echo([ \t]+)(?:-[neE]+[ \t]+)*(['\"]?)", head)
    blanks, quote = (style[1], style[2] or '"') if style else (" ", '"')
    echo = f"echo{blanks}{quote}{usage}{quote}"
    gap = redirection = ""
    if match:
        gap, target = (_CONTINUATION.sub(" ", part) for part in (match["gap"], match["target"]))
        redirection = f"{match['fd']}>>{target}"
    if not before.strip(" \t"):
        tail = "" if _ALONE.fullmatch(after) else after if _TAIL.fullmatch(after) else None
        if tail is not None:
            column = None if "\n" in source else _width(gap, _width(before + head))
            aligned = _gap(gap, _width(before + echo), column)
            yield _inserted(lines, command.last, before + echo + aligned + redirection + tail)
    if re.match(r"[ \t]*(?:[;)#]|\Z)", after):
        line = lines[command.last - 1]
        body = line.removesuffix("\r")
        new = f"{body[: len(body) - len(after)]}; {echo}{gap and ' '}{redirection}{after}"
        yield "\n".join([*lines[: command.last - 1], new + line[len(body) :], *lines[command.last :]])


def _width(text: str, start: int = 0) -> int:
    """Return the column after a text that begins at column `start`, with tab stops every 8 columns."""
    for character in text:
        start = start + 8 - start % 8 if character == "\t" else start + 1
    return start


def _gap(gap: str, start: int, column: int | None) -> str:
    """Return the blanks between a text that ends at column `start` and a redirection that should begin at `column`."""
    if not gap or column is None:
        return gap
    if start >= column:
        return gap[-1]
    return "\t" * ((column + 7) // 8 - start // 8) if set(gap) == {"\t"} else " " * (column - start)


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
