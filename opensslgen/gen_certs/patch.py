"""A script on disk: edited by a function that makes an edited script of it, and restored.

`templates/patch.sh` does the same for the vendor's script on an appliance without Python.
"""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files import replace
from opensslgen.plan import template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.files.replace import Original

DAYS = 820
"""The post's default validity."""

LONGEST = 825
"""Days that Apple's published list allows (support page 103769)."""

EKU = ("serverAuth", "clientAuth")
"""The post's extended key usage; SIP with mutual TLS needs both."""

_LABEL = "orig"
_NUMBER = re.compile(rb"(?<![0-9])[1-9][0-9]{0,2}(?![0-9])")
_MOST_EDITS = 50


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

    data: bytes
    edits: tuple[Edit, ...]
    """Empty if there was nothing to edit."""
    notes: tuple[str, ...] = ()
    """What was seen, but not changed."""


class Maker(Protocol):
    """A function that edits a script."""

    def __call__(self, original: Original, /, *, days: int | None = None) -> Patch:
        """Return the edited script, with other days if they are given; raises UnreadableError for an unknown script."""


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


def patch_file(
    path: Path,
    *,
    syntax_check: Callable[[Path], str | None],
    make: Maker,
    now: datetime | None = None,
) -> Outcome:
    """Make the edits that are missing in a script on disk, and keep the original next to it as `NAME.orig-YYYYMMDD`.

    Symbolic links are followed; mode, owner, access control list and SELinux context are kept. `syntax_check` returns
    a shell's error in a script, or None; only a script without errors replaces the original, by one rename. Raises
    Error, UsageError or UnreadableError; then the script is unchanged.
    """
    original = replace.read(path)
    patch = make(original)
    if not patch.edits:
        return Outcome(original.path, patch, None)
    new = patch.data
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


def check_file(path: Path, *, make: Maker) -> tuple[tuple[Edit, ...], str]:
    """Return the edits that are missing in a script on disk, and a diff; raises UnreadableError if it is unknown.

    The diff is unified; bytes that are not UTF-8 appear in it as `\\xNN`.
    """
    original = replace.read(path)
    patch = make(original)
    old, new = (_rows(data) for data in (original.data, patch.data))
    rows = difflib.unified_diff(old, new, fromfile=str(path), tofile=str(path))
    diff = "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)
    return patch.edits, diff


def restore_file(path: Path, *, make: Maker, force: bool = False, now: datetime | None = None) -> Restoration:
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
    if not 1 <= days <= LONGEST:
        raise UsageError(f"{days} days: the default validity must be 1 to {LONGEST} days")
    return template.shipped("patch.sh").replace(f" DAYS={DAYS}\n", f" DAYS={days}\n", 1)


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


def _backup(original: Original, make: Maker) -> Path | None:
    """Return the existing copy of the original, if there is one; no other copy is needed then."""
    newest = replace.newest(original.path, _LABEL)
    if not newest:
        return None
    former = replace.read(newest)
    is_same = former.data == original.data and replace.has_attributes_of(former.status, original.status)
    return newest if is_same or _is_made_of(original, former, make) else None


def _is_made_of(current: Original, former: Original, make: Maker) -> bool:
    """Return whether a patch, with any days, makes this script of another."""
    new = set(current.data.splitlines()) - set(former.data.splitlines())
    numbers = {int(number) for line in new for number in _NUMBER.findall(line)} if len(new) < _MOST_EDITS else set()
    for days in (None, *(number for number in numbers if number <= LONGEST)):
        with suppress(UnreadableError):
            if make(former, days=days).data == current.data:
                return True
    return False


def _rows(data: bytes) -> list[str]:
    rows = data.decode("utf-8", "backslashreplace").split("\n")
    return [f"{row}\n" for row in rows[:-1]] + [row for row in rows[-1:] if row]
