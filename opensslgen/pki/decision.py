"""Carry out all of a decision to publish files, in the same run or the next: first the index, then the renames.

A decision is a file in a work folder: that of `files.place` in `.work-…`, or `.script.…/decided` of a printed script.
"""

from __future__ import annotations

import errno
import os
import shlex
import stat
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files import locks, place
from opensslgen.files.write import name_in_errors, remove_folder, sync
from opensslgen.plan import layout

from .index import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def recover(folder: Path) -> None:
    """Carry out the decisions of killed runs, and remove the rest; hold the locks, so that no run is still alive."""
    for work in _leftovers(folder, ".work-*"):
        if place.is_decided(work):
            carry_out(work)
        else:
            remove_folder(work)
    for work in _leftovers(folder, ".script.*"):
        if (work / "decided").exists():
            _carry_out_of_script(folder, work)
        remove_folder(work)
    locks.remove_leftovers(folder)


def _leftovers(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the work folders that runs have left; raises Error for the work folder of another user.

    Its decision would be carried out with our rights.
    """
    for work in folder.glob(pattern):
        status = work.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise Error(f"{work} is not a folder, so opensslgen did not leave it there: remove it")
        if status.st_uid != os.geteuid():
            raise Error(f"{work} belongs to another user, so it was not read: have them run opensslgen")
        yield work


def carry_out(work: Path, *, fresh: bool = False) -> None:
    """Carry out a decision; after a kill at any moment, all of it can be done again."""
    decision = place.read_decision(work)
    try:
        sync(work)
        sync(work.parent)
        _append(work.parent / layout.INDEX, [line.encode() for line in decision.lines], fresh=fresh)
    except OSError:
        if fresh:
            place.undo_decision(work)
        raise
    # From here on it is not undone, as the index has it.
    place.carry_out(work, decision)


def _carry_out_of_script(folder: Path, work: Path) -> None:
    """Carry out the decision of a killed script, as its function `carry_out` does.

    Raises Error for a line that it does not write; then the work folder stays, as the new key may be in it.
    """
    text = (work / "decided").read_text(encoding="utf-8", errors="surrogateescape")
    decided = [line.split(" ") for line in text.split("\n") if line]
    for number, words in enumerate(decided, 1):
        if len(words) not in (3, 4) or (*words, "new")[3] not in ("new", "over") or "\0" in "".join(words):
            raise _not_ours(f"{work / 'decided'}, line {number},", work)
    if (work / "line").exists():
        line = (work / "line").read_bytes()
        if not place.is_index_line(line):
            raise _not_ours(str(work / "line"), work)
        _append(folder / layout.INDEX, [line], fresh=False)
    for source, target, _, how in ((*words, "new")[:4] for words in decided):
        place.refuse_outside(folder, work / source, folder / target)
        if (work / source).exists() and (how == "over" or not os.path.lexists(folder / target)):
            (work / source).rename(folder / target)


def _not_ours(what: str, work: Path) -> Error:
    return Error(
        f"{what} was not written by a script of opensslgen, so {work} remains",
        hint=f"move what you need out of that folder, and remove it: rm -r {shlex.quote(str(work))}",
    )


def _append(path: Path, lines: list[bytes], *, fresh: bool) -> None:
    """Append lines to the index, or raise OSError and leave it as it was.

    Unless they are `fresh`, lines that are there already are not appended again.
    """
    with name_in_errors(path), path.open("r+b", buffering=0) as index:
        size = index.seek(0, os.SEEK_END)
        index.seek(max(0, size - 4096) if fresh else 0)
        there = index.read()
        last = there[there.rfind(b"\n") + 1 :]
        mended = b""
        if is_whole(last):
            mended = b"\n"
        else:
            size -= len(last)  # incomplete, because of a kill or a full disk
        index.truncate(size)
        index.seek(size)
        # Compared by the serial number: the certificate may have been revoked in the meantime.
        new = mended + b"".join(line for line in lines if b"\t%s\t" % line.split(b"\t")[3] not in there + mended)
        try:
            if index.write(new) != len(new):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), index.name)
            os.fsync(index.fileno())
        except OSError:
            index.truncate(size)
            raise
