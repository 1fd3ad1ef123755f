"""What was decided to be published is done, all of it, by the same run or the next: the index first, then the renames.

A decision is a file in a work folder, `.work-…/decision.json` or, of a printed script, `.script.…/decided`. Before it
is there nothing has happened; after that all of it will.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files import locks
from opensslgen.files.write import naming, sync, write_new
from opensslgen.plan import layout

from .index import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DECISION = "decision.json"


def decide(work: Path, *, lines: Sequence[str], moves: Sequence[tuple[str, str]]) -> None:
    """Decide what the index gains, and which files of the work folder get which names in the pki folder."""
    write_new(work / "decision.tmp", json.dumps({"index": lines, "moves": moves}).encode())
    (work / "decision.tmp").rename(work / _DECISION)


def is_decided(work: Path) -> bool:
    """Tell whether there is a decision in a work folder that is still to be done."""
    return (work / _DECISION).exists()


def recover(folder: Path) -> None:
    """Carry out what was decided when a run was killed, and sweep the rest; the locks tell that all are dead."""
    for work in _leftovers(folder, ".work-*"):
        if is_decided(work):
            carry_out(folder, work)
        else:
            locks.remove(work)
    for work in _leftovers(folder, ".script.*"):
        if (work / "decided").exists():
            _carry_out_of_script(folder, work)
        locks.remove(work)
    for pattern in (".lock.new.*", ".lock.dead.*"):
        for left in folder.glob(pattern):
            locks.remove(left)


def _leftovers(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the work folders that runs have left; raises Error for one that another user has put there.

    What is decided in it would be done with our rights.
    """
    for work in folder.glob(pattern):
        status = work.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise Error(f"{work} is no folder, and no run of ours leaves such a thing: remove it")
        if status.st_uid != os.geteuid():
            raise Error(f"{work} belongs to another user, and what it may say is not done: have them run opensslgen")
        yield work


def carry_out(folder: Path, work: Path, *, fresh: bool = False) -> None:
    """Do what was decided; after a kill at any point the whole of it can be done again."""
    decision = json.loads((work / _DECISION).read_text(encoding="utf-8"))
    for source, target in decision["moves"]:
        _refuse_outside(folder, work / source, folder / target)
    try:
        sync(work)
        sync(folder)
        _append(folder, [line.encode() for line in decision["index"]], fresh=fresh)
    except OSError:
        if fresh:
            # Nothing has its final name yet, so the decision can still be taken back.
            (work / _DECISION).unlink()
        raise
    for source, target in decision["moves"]:
        # What has gone was moved before the kill.
        if os.path.lexists(work / source):
            (work / source).rename(folder / target)
    left = [(work / source).parent for source, _ in decision["moves"] if source.startswith("../")]
    for changed in dict.fromkeys([*left, *((folder / target).parent for _, target in decision["moves"])]):
        sync(changed)
    sync(folder)
    # First of all: what is done again later could move away what has come since.
    (work / _DECISION).unlink()
    locks.remove(work)


def _carry_out_of_script(folder: Path, work: Path) -> None:
    """Do what a printed script had decided when it was killed, as its own `carry_out` does.

    Raises Error for a line that tells nothing to be done; the new key may be in the work folder, which then stays.
    """
    decided = [line.split(" ") for line in (work / "decided").read_text(encoding="utf-8").splitlines()]
    for number, words in enumerate(decided, 1):
        if len(words) not in (3, 4) or (*words, "new")[3] not in ("new", "over"):
            raise Error(
                f"{work / 'decided'}, line {number}, is not what a script writes: what it had made when it was"
                f" killed stays in {work}",
                hint=f"move what you need out of that folder, and remove it: rm -r {shlex.quote(str(work))}",
            )
    if (work / "line").exists():
        _append(folder, [(work / "line").read_bytes()], fresh=False)
    for source, target, _, how in ((*words, "new")[:4] for words in decided):
        _refuse_outside(folder, work / source, folder / target)
        if (work / source).exists() and (how == "over" or not os.path.lexists(folder / target)):
            (work / source).rename(folder / target)


def _refuse_outside(folder: Path, *paths: Path) -> None:
    """Raise Error for a path in a decision that leads out of the folder."""
    for path in paths:
        if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
            raise Error(f"{path} lies outside of {folder}, and no run of ours decides to move it")


def _append(folder: Path, lines: list[bytes], *, fresh: bool) -> None:
    """Append lines to the index, or raise OSError and leave it as it was.

    Those that are not `fresh` may be there already, and then do not come again.
    """
    with naming(folder / layout.INDEX), (folder / layout.INDEX).open("r+b", buffering=0) as index:
        size = index.seek(0, os.SEEK_END)
        index.seek(max(0, size - 4096) if fresh else 0)
        there = index.read()
        last = there[there.rfind(b"\n") + 1 :]
        mended = b""
        if is_whole(last):
            mended = b"\n"
        else:
            size -= len(last)  # torn by a kill or a full disk
        index.truncate(size)
        index.seek(size)
        # By the serial number: a certificate may have been revoked since.
        new = mended + b"".join(line for line in lines if b"\t%s\t" % line.split(b"\t")[3] not in there + mended)
        try:
            if index.write(new) != len(new):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), index.name)
            os.fsync(index.fileno())
        except OSError:
            index.truncate(size)
            raise
