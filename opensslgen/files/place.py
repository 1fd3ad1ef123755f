"""Put finished files in place: each is whole as soon as it has its name and, of several, all get theirs or none.

What is made lies beside its place, on the same file system, and gets its name in one step: by a rename where it may
replace something, by a link where it must not. For several files there is a work folder, into which a decision (what
goes where) is put in one rename. Before it is there nothing has happened. After that everything will, if need be in
the next run, which finds the decision.

Whoever calls chooses what becomes of an old file: `Move.over` replaces it, after a copy was moved to `name_beside`;
otherwise the new file is refused its place.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.errors import Error

from .locks import is_alive
from .write import remove_folder, sync, write_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DECISION = "decision.json"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""What a file system without hard links answers: a stick that goes to an appliance has none."""


@dataclass(frozen=True, slots=True)
class Move:
    """What gets a name: a file of a work folder, or one of the folder around that."""

    source: str
    """Relative to the work folder."""
    target: str
    """Relative to the folder in which the work folder lies."""
    over: bool = True
    """Whether it replaces what has that name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is to be done, or nothing of it."""

    moves: tuple[Move, ...]
    lines: tuple[str, ...] = ()
    """Those that the index of a pki folder gains first."""


def decide(work: Path, decision: Decision) -> None:
    """Write down in a work folder what is to be done."""
    moves = [(move.source, move.target, move.over) for move in decision.moves]
    write_new(work / "decision.tmp", json.dumps({"index": decision.lines, "moves": moves}).encode())
    (work / "decision.tmp").rename(work / _DECISION)


def is_decided(work: Path) -> bool:
    """Tell whether a work folder has a decision that is still to be carried out."""
    return (work / _DECISION).exists()


def undo_decision(work: Path) -> None:
    """Remove a decision of which nothing has been done."""
    (work / _DECISION).unlink()


def read_decision(work: Path) -> Decision:
    """Return what is still to be done; raises Error for what no run of ours decides."""
    path = work / _DECISION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        decision = Decision(tuple(map(_move, found["moves"])), tuple(map(_line, found["index"])))
    except (ValueError, KeyError, TypeError) as error:
        raise Error(
            f"{path} is not what a run of ours writes, and was not carried out",
            hint=f"move what you need out of that folder, and remove it: rm -r {shlex.quote(str(work))}",
        ) from error
    for move in decision.moves:
        refuse_outside(work.parent, work / move.source, work.parent / move.target)
    return decision


def _move(words: object) -> Move:
    match words:
        case [str(source), str(target)]:
            return Move(source, target)
        case [str(source), str(target), bool(over)]:
            return Move(source, target, over)
    raise ValueError


def _line(line: object) -> str:
    if isinstance(line, str):
        return line
    raise ValueError


def refuse_outside(folder: Path, *paths: Path) -> None:
    """Raise Error for a path in a decision that leads out of a folder."""
    for path in paths:
        if not os.path.abspath(path).startswith(os.path.join(os.path.abspath(folder), "")):  # noqa: PTH100, PTH118
            raise Error(f"{path} lies outside of {folder}, and no run of ours decides to move it")


def carry_out(work: Path, decision: Decision, *, fresh: bool = False) -> None:
    """Give the files of a work folder their names and remove it; raises OSError.

    After a kill at any instant the whole of it can be done again: what has gone was moved before, and what cannot
    replace the file that is there by now is dropped. If it is `fresh` and fails before anything was replaced, all of it
    is undone, the decision too; otherwise that stays for the next run.
    """
    folder = work.parent
    new: list[Path] = []
    replaced = False
    try:
        for move in decision.moves:
            source, target = work / move.source, folder / move.target
            if not fresh and not os.path.lexists(source):
                continue
            if move.over:
                source.rename(target)
                replaced = True
                continue
            try:
                put(source, target)
            except FileExistsError:
                if fresh:
                    raise
            else:
                new.append(target)
        sources = [(work / move.source).parent for move in decision.moves if move.source.startswith("../")]
        for changed in dict.fromkeys([*sources, *((folder / move.target).parent for move in decision.moves), folder]):
            sync(changed)
    except OSError:
        if fresh and not replaced:
            for path in new:
                path.unlink()
            _finish(work)
        raise
    _finish(work)


def _finish(work: Path) -> None:
    # The decision first: what is done again later could move away what has come since.
    undo_decision(work)
    remove_folder(work)


def put(source: Path, target: Path) -> None:
    """Give a finished file a name that nothing has yet; raises FileExistsError. The old name may stay."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(source), None, str(target)) from error
        source.rename(target)


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Yield a name beside a file or folder, for what is to replace it; whatever still has that name goes at the end.

    So does what begins with it and a dot, and what killed runs have left there.
    """
    prefix = re.compile(rf"\.{re.escape(path.name)}\.opensslgen-([0-9]+)(?:\.|\Z)")
    here = path.with_name(f".{path.name}.opensslgen-{os.getpid()}")
    _sweep(path.parent, prefix, dead=True)
    try:
        yield here
    finally:
        _sweep(path.parent, prefix, dead=False)


def _sweep(folder: Path, prefix: re.Pattern[str], *, dead: bool) -> None:
    """Remove what dead processes, or this one, have made beside a file."""
    for entry in os.scandir(folder):
        match = prefix.match(entry.name)
        if not match or not (not is_alive(int(match[1])) if dead else int(match[1]) == os.getpid()):
            continue
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - a Path for each costs more


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, in the place of an old one if there is one; raises OSError, and then nothing has changed."""
    with beside(path) as new:
        with new.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync(path.parent)
