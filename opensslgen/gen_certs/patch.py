"""The vendor's script `gen_certs.sh`: makes the post's two edits where they are missing, and restores the original.

`templates/patch.sh` does the same on an appliance without Python, byte for byte.
"""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files import replace
from opensslgen.patterns import pattern
from opensslgen.plan import template
from opensslgen.values import dataclass

from .reader import ASSIGNMENT, PRINTED, SECTION, VALIDITY, WISH, Script, read_script, width
from .shell import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from opensslgen.files.replace import Original

    from .reader import Block
    from .shell import Command

DAYS = 820
"""The post's default validity."""

LONGEST = 825
"""Days that Apple's published list allows (support page 103769)."""

EKU = ("serverAuth", "clientAuth")
"""The post's extended key usage; SIP with mutual TLS needs both."""

_LABEL = "orig"
_CONTINUATION = pattern(r"[ \t]*\\\n[ \t]*")
_TRUNCATION = pattern(r"\A([01&]?)>(?![>&])\|?")
_ALONE = pattern(r"[ \t]*;?[ \t]*(?:#.*)?")
_TAIL = pattern(r"[ \t]*(?:&&[ \t]*\\?|\|\|[ \t]*[A-Za-z0-9_][A-Za-z0-9_ \t$?]*)")
_USAGE = pattern(r"extendedKeyUsage[ \t]*=[ \t]*(?:critical[ \t]*,[ \t]*)?")


@dataclass(frozen=True)
class Edit:
    """One line that is changed or added."""

    line: int
    """The line that is changed, or after which one is added; from 1, counted before any edit."""
    old: str | None
    """The line as it was, without its line ending; None if one is added."""
    new: str
    reason: str


@dataclass(frozen=True)
class Patch:
    """A script after its edits, and the edits."""

    text: str
    edits: tuple[Edit, ...]
    """Empty if the script already has both."""
    notes: tuple[str, ...] = ()
    """What was seen, but not changed."""


class Maker(Protocol):
    """A function that edits a script."""

    def __call__(self, original: Original, /) -> Patch:
        """Return the edited script, decoded as in `patch_text`; raises UnreadableError for an unknown script."""


@dataclass(frozen=True)
class Outcome:
    """What `patch_file` did."""

    path: Path
    """The script, symbolic links resolved."""
    patch: Patch
    backup: Path | None
    """The path of the original; None if there was nothing to do."""


@dataclass(frozen=True)
class Restoration:
    """What `restore_file` did."""

    path: Path
    """The script, symbolic links resolved."""
    backup: Path
    """The former path of the original."""
    kept: Path | None
    """The path of the replaced script, if it was not made by a patch."""


def patch_text(text: str, *, days: int = DAYS, eku: Sequence[str] = EKU, name: str = "the script") -> Patch:
    """Return the script with the post's two edits where they are missing; either all edits are made or none.

    A default validity of 825 days or fewer is kept, unless `days` is less. `text` is
    decoded so that any byte is preserved (latin-1); `name` is the script's name in errors. Raises UsageError for values
    that Apple's published list does not allow, UnreadableError if either place is not recognised.
    """
    _check_wish(days, eku)
    try:
        script = read_script(text)
        lines = text.split("\n")
        _refuse_unrecognised(script)
        edits = [*_validity_edits(script, lines, days), *_usage_edits(script, lines, ",".join(eku))]
        result = _apply(lines, {edit.line: edit for edit in edits}, len(edits))
    except UnreadableError as error:
        raise UnreadableError(f"{name}: {error.message}", hint="it was left alone") from error
    return Patch(result, tuple(sorted(edits, key=lambda edit: edit.line)), tuple(_notes(script)))


def patch_file(
    path: Path,
    *,
    syntax_check: Callable[[Path], str | None],
    days: int = DAYS,
    eku: Sequence[str] = EKU,
    make: Maker | None = None,
    now: datetime | None = None,
) -> Outcome:
    """Make the edits that are missing in a script on disk, and keep the original next to it as `NAME.orig-YYYYMMDD`.

    Symbolic links are followed; mode, owner, access control list and SELinux context are kept. `syntax_check` returns
    a shell's error in a script, or None; only a script without errors replaces the original, by one rename. Raises
    Error, UsageError or UnreadableError; then the script is unchanged.
    """
    original = replace.read(path)
    patch = make(original) if make else _patch(original, days=days, eku=eku)
    if not patch.edits:
        return Outcome(original.path, patch, None)
    new = patch.text.encode("latin-1")
    with replace.work(original) as work:
        made = work.write(new)
        _check_syntax(original, made, new, syntax_check)
        backup = _backup(original, make)
        kept = backup or work.keep(_LABEL, now or datetime.now())
        try:
            replace.replace(original, made)
        except (Error, OSError):
            if not backup:
                kept.unlink()
            raise
    return Outcome(original.path, patch, kept)


def check_file(
    path: Path, *, days: int = DAYS, eku: Sequence[str] = EKU, make: Maker | None = None
) -> tuple[Edit, ...]:
    """Return the edits that are missing in a script on disk; raises UnreadableError if it is not recognised."""
    original = replace.read(path)
    return (make(original) if make else _patch(original, days=days, eku=eku)).edits


def diff_file(path: Path, *, days: int = DAYS, eku: Sequence[str] = EKU, make: Maker | None = None) -> str:
    """Return what `patch_file` would change, as a unified diff; bytes that are not UTF-8 appear as `\\xNN`."""
    original = replace.read(path)
    patch = make(original) if make else _patch(original, days=days, eku=eku)
    old, new = (_rows(data) for data in (original.data, patch.text.encode("latin-1")))
    rows = difflib.unified_diff(old, new, fromfile=str(path), tofile=str(path))
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def restore_file(
    path: Path, *, force: bool = False, make: Maker | None = None, now: datetime | None = None
) -> Restoration:
    """Move the newest original back over a script: its bytes, mode, owner and times.

    The patched script is not kept, because it can be made again. A script that was not made from that original (perhaps
    an upgrade replaced it) is left alone; with `force` it is kept as `NAME.replaced-YYYYMMDD`. Raises Error if
    there is no original, UnreadableError if the script cannot be read.
    """
    original = replace.read(path)
    with replace.work(original) as work:
        backup = replace.newest(original.path, _LABEL)
        if not backup:
            hint = f"looked for {original.path.name}.{_LABEL}-YYYYMMDD"
            raise Error(f"{path}: there is no original next to it", hint=hint)
        former = replace.read(backup)
        kept = None
        if original.data != former.data and not _is_made_of(original, former, make):
            if not force:
                raise Error(
                    f"{path}: it was not made from {backup.name}, perhaps because of an upgrade, so it was left alone",
                    hint="to restore that original and keep the current script, add --force",
                )
            kept = work.keep("replaced", now or datetime.now())
        replace.replace(original, backup)
        with suppress(OSError):  # reading it changed its access time
            os.utime(original.path, ns=(former.status.st_atime_ns, former.status.st_mtime_ns))
    return Restoration(original.path, backup, kept)


def patcher_script(days: int = DAYS) -> str:
    """Return a POSIX shell script that makes the same edits, checks, shows and restores; raises UsageError."""
    _check_wish(days, EKU)
    return template.shipped("patch.sh").replace(f" DAYS={DAYS}\n", f" DAYS={days}\n", 1)


def _check_wish(days: int, eku: Sequence[str]) -> None:
    if not 1 <= days <= LONGEST:
        raise UsageError(f"{days} days: the default validity must be 1 to {LONGEST} days")
    if "serverAuth" not in eku or not all(re.fullmatch(r"[A-Za-z0-9.]+", value) for value in eku):
        raise UsageError(f"the extended key usage {','.join(eku)!r} must contain serverAuth, and only names or OIDs")


def _patch(original: Original, *, days: int, eku: Sequence[str]) -> Patch:
    if b"\0" in original.data:
        raise UnreadableError(f"{original.name}: contains a NUL byte, so it is not a shell script")
    return patch_text(original.data.decode("latin-1"), days=days, eku=eku, name=str(original.name))


def _check_syntax(original: Original, made: Path, new: bytes, syntax_check: Callable[[Path], str | None]) -> None:
    """Raise Error if a shell refuses the new script.

    Shells refuse a script with CR LF line ends even before the edits; it is checked without the CRs.
    """
    reason = syntax_check(made)
    if reason and new.count(b"\n") == new.count(b"\r\n") > 0:
        plain = made.with_name(f"{made.name}.lf")
        with plain.open("xb") as file:
            file.write(new.replace(b"\r\n", b"\n").removesuffix(b"\r"))
        reason = syntax_check(plain)
    if reason:
        raise Error(f"{original.name}: a shell does not accept the result, so it was left alone: {reason}")


def _backup(original: Original, make: Maker | None) -> Path | None:
    """Return the existing copy of the original, if there is one; no other copy is needed then."""
    newest = replace.newest(original.path, _LABEL)
    if not newest:
        return None
    former = replace.read(newest)
    is_same = former.data == original.data and replace.has_attributes_of(former.status, original.status)
    return newest if is_same or _is_made_of(original, former, make) else None


def _is_made_of(current: Original, former: Original, make: Maker | None) -> bool:
    """Tell whether `patch_text` makes this script from another, with any days and usages."""
    try:
        if make:
            return make(former).text.encode("latin-1") == current.data
        script = read_script(current.data.decode("latin-1"))
        days = script.validities[0].days if script.validities else None
        usages = [usage.values for block in script.extended_blocks for usage in block.usages if usage.values]
        return any(
            _patch(former, days=days or 0, eku=eku).text.encode("latin-1") == current.data for eku in [EKU, *usages[:1]]
        )
    except (UnreadableError, UsageError):
        return False


def _rows(data: bytes) -> list[str]:
    rows = data.decode("utf-8", "backslashreplace").split("\n")
    return [f"{row}\n" for row in rows[:-1]] + [row for row in rows[-1:] if row]


def _refuse_unrecognised(script: Script) -> None:
    if script.validities and script.extended_blocks:
        return
    validity = f"found in line {script.validities[0].line}" if script.validities else "not found"
    if script.extended_blocks:
        block = f"found in line {script.extended_blocks[0].line}"
    elif script.blocks:
        block = f"found in line {script.blocks[0].line}, but not in the branch of a condition on ${WISH}"
    else:
        block = "not found"
    raise UnreadableError(
        f"not recognised: looked for an assignment {VALIDITY}= ({validity}) "
        f"and for echo lines or a here-document that write a section [ {SECTION} ] to a file ({block})"
    )


def _validity_edits(script: Script, lines: list[str], days: int) -> Iterator[Edit]:
    validity = script.validities[0]
    if validity.days is None:
        raise UnreadableError(f"line {validity.line}: not understood: {validity.command.text.splitlines()[0]}")
    if 1 <= validity.days <= (LONGEST if days == DAYS else days):
        return
    command = validity.command
    assignment = ASSIGNMENT.match(command.text)
    assert assignment
    alone = re.fullmatch(r"[ \t]*(?:#.*)?", command.after)
    new = f"{command.before}{assignment[1]}$(({days}))" + (f" # {days} days" if alone else command.after)
    reason = f"the default validity is {validity.days} days: {days} instead"
    yield Edit(command.line, lines[command.line - 1].removesuffix("\r"), new, reason)


def _usage_edits(script: Script, lines: list[str], eku: str) -> Iterator[Edit]:
    for block in script.extended_blocks:
        if block.complies:
            continue
        if not block.usages:
            yield _add_line(block, lines, f"extendedKeyUsage   = {eku}")
        for usage in block.usages:
            if usage.conditional:
                raise UnreadableError(f"line {usage.line}: extendedKeyUsage is written under an additional condition")
            if usage.server:
                continue
            old = lines[usage.line - 1].removesuffix("\r")
            if usage.values is None or not usage.alone or old.count("extendedKeyUsage") != 1:
                raise UnreadableError(f"line {usage.line}: not understood: extendedKeyUsage = {usage.text}")
            new = _USAGE.sub(r"\g<0>serverAuth,", old)
            yield Edit(usage.line, old, new, "the extended key usage lacks serverAuth")


def _add_line(block: Block, lines: list[str], printed: str) -> Edit:
    """Return the edit that adds a line to a section, in the style of the line before it."""
    reason = "the section has no extendedKeyUsage"
    if isinstance(block.last, Line):
        blanks = block.last.text[: len(block.last.text) - len(block.last.text.lstrip(" \t"))]
        return Edit(block.last.number, None, blanks + printed, reason)
    if block.last is None:
        raise UnreadableError(
            f"line {block.line}: nothing can be added to the section [ {SECTION} ] that is written here"
        )
    last = block.last
    echo, gap, redirection = _echo(last, printed)
    tail = "" if _ALONE.fullmatch(last.after) else last.after if _TAIL.fullmatch(last.after) else None
    if tail is not None and not last.before.strip(" \t"):
        start = last.before + echo
        return Edit(last.last, None, start + _gap(gap, width(start), block.column) + redirection + tail, reason)
    if not last.operator and re.match(r"[ \t]*(?:[;)#]|\Z)", last.after):
        old = lines[last.last - 1].removesuffix("\r")
        new = f"{old[: len(old) - len(last.after)]}; {echo}{gap and ' '}{redirection}{last.after}"
        return Edit(last.last, old, new, reason)
    raise UnreadableError(f"line {last.line}: not understood: nothing can be put behind this part of [ {SECTION} ]")


def _echo(last: Command, printed: str) -> tuple[str, str, str]:
    """Return an echo in the style of another command, the blanks after it, and its redirection."""
    match = PRINTED.match(last.text)
    assert match
    quote, blanks = ("'" if match[3][0] == "'" else '"', match[2]) if match[1] == "echo" else ('"', " ")
    rest = _CONTINUATION.sub(" ", last.text[len(last.arguments) :])
    redirection = _TRUNCATION.sub(r"\1>>", rest.lstrip(" \t"))
    if "\n" in redirection:
        raise UnreadableError(f"line {last.line}: not understood: {last.text.splitlines()[0]}")
    return f"echo{blanks}{quote}{printed}{quote}", rest[: len(rest) - len(rest.lstrip(" \t"))], redirection


def _gap(gap: str, start: int, column: int | None) -> str:
    """Return the blanks between a text that ends at column `start` and a redirection that should begin at `column`."""
    if not gap or column is None:
        return gap
    if start >= column:
        return gap[-1]
    return "\t" * ((column + 7) // 8 - start // 8) if set(gap) == {"\t"} else " " * (column - start)


def _apply(lines: list[str], edits: dict[int, Edit], count: int) -> str:
    if len(edits) != count:
        raise UnreadableError("not understood: two edits in one line")
    result = []
    for number, line in enumerate(lines, start=1):
        edit = edits.get(number)
        text, ending = line.removesuffix("\r"), line[len(line.removesuffix("\r")) :]
        if not edit:
            result.append(line)
        elif edit.old is not None:
            result.append(edit.new + ending)
        else:
            # The last line of a file may have no line ending; then the first line shows which kind the file uses.
            is_last = number == len(lines)
            result.append(text + (lines[0][len(lines[0].removesuffix("\r")) :] if is_last else ending))
            result.append(edit.new + ending)
    return "\n".join(result)


def _notes(script: Script) -> Iterator[str]:
    for validity in script.validities[1:]:
        if validity.days is None or validity.days > LONGEST:
            yield f"line {validity.line} sets {VALIDITY} again, and was left alone: {validity.command.text}"
