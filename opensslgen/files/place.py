"""Put finished files in place: each is complete as soon as it has its name; of several, all get their names, or none.

A file is written next to its place, on the same file system, and gets its name in one step: by a rename if it may
replace another file, by a link if it must not. Several files are written to a work folder, and one rename then puts a
decision (what goes where) into that folder. Before that, nothing has happened. After it, everything will happen, if
necessary in the next run, which finds the decision.

The caller chooses what happens to an old file: with `Move.over` it is replaced, after a copy was moved to `free_name`;
otherwise the move fails.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error
from opensslgen.patterns import pattern

from .locks import is_alive
from .write import remove_folder, sync, write_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DECISION = "decision.json"
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""The errors of a file system without hard links, such as that of a USB stick."""


class Move(NamedTuple):
    """A file that gets a new name: one in a work folder, or in the folder around it."""

    source: str
    """Relative to the work folder."""
    target: str
    """Relative to the folder that contains the work folder."""
    over: bool = True
    """Whether it replaces a file of that name."""


class Decision(NamedTuple):
    """What is to be done: all of it, or nothing."""

    moves: tuple[Move, ...]
    lines: tuple[str, ...] = ()
    """Lines to append to the index of a pki folder first."""


def decide(work: Path, decision: Decision) -> None:
    """Write a decision into its work folder."""
    import json  # who only looks at a folder decides nothing

    moves = [(move.source, move.target, move.over) for move in decision.moves]
    write_new(work / "decision.tmp", json.dumps({"index": decision.lines, "moves": moves}).encode())
    (work / "decision.tmp").rename(work / _DECISION)


def is_decided(work: Path) -> bool:
    """Tell whether a work folder has a decision that has not been carried out."""
    return (work / _DECISION).exists()


def undo_decision(work: Path) -> None:
    """Remove a decision; for one that nothing has been done of."""
    (work / _DECISION).unlink()


def read_decision(work: Path) -> Decision:
    """Return the decision of a work folder; raises Error for anything that opensslgen does not write."""
    import json

    path = work / _DECISION
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        decision = Decision(tuple(map(_move, found["moves"])), tuple(map(_line, found["index"])))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Error(
            f"{path} was not written by opensslgen, so it was not carried out",
            hint=f"move what you need out of that folder, and remove it: rm -r {shlex.quote(str(work))}",
        ) from error
    for move in decision.moves:
        refuse_outside(work.parent, work / move.source, work.parent / move.target)
    return decision


def _move(words: object) -> Move:
    match words:
        case [str(source), str(target)] | [str(source), str(target), bool()]:
            if source and target and b"\0" not in os.fsencode(source + target):
                return Move(source, target, all(words[2:]))
    raise ValueError


def _line(line: object) -> str:
    if isinstance(line, str) and is_index_line(line.encode()):
        return line
    raise ValueError


_INDEX_LINE = pattern(rb"[^\t\n]*(?:\t[^\t\n]*){5}\n")


def is_index_line(data: bytes) -> bool:
    """Tell whether this is one line of an index: six fields with tabs between them."""
    return _INDEX_LINE.fullmatch(data) is not None


def refuse_outside(folder: Path, *paths: Path) -> None:
    """Raise Error for a path in a decision that leads out of a folder."""
    for path in paths:
        if not os.path.abspath(path).startswith(os.path.join(os.path.abspath(folder), "")):  # noqa: PTH100, PTH118
            raise Error(f"{path} is outside of {folder}, so it was not moved")


def carry_out(work: Path, decision: Decision, *, fresh: bool = False) -> None:
    """Give the files of a work folder their names, and remove the folder; raises OSError.

    After a kill at any moment, all of it can be done again: a file that is gone was moved before, and a file that must
    not replace another is dropped. If the decision is `fresh` and fails before anything was replaced, everything is
    undone, and the decision is removed; otherwise the decision stays for the next run.
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
    # The decision first: to carry it out once more later could replace newer files.
    undo_decision(work)
    remove_folder(work)


def put(source: Path, target: Path) -> None:
    """Give a finished file a name that no file has; raises FileExistsError. The old name may remain."""
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
def temporary_name(path: Path) -> Iterator[Path]:
    """Yield a name next to a file or folder, for what is to replace it; at the end, a file of that name is removed.

    So are files whose names begin with it and a dot, and those that killed runs have left there.
    """
    prefix = re.compile(rf"\.{re.escape(path.name)}\.opensslgen-([0-9]+)(?:\.|\Z)")
    here = path.with_name(f".{path.name}.opensslgen-{os.getpid()}")
    _sweep(path.parent, prefix, dead=True)
    try:
        yield here
    finally:
        _sweep(path.parent, prefix, dead=False)


def _sweep(folder: Path, prefix: re.Pattern[str], *, dead: bool) -> None:
    """Remove what dead processes, or this one, have left next to a file."""
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
    """Write a file, and replace an old one; raises OSError, and then nothing has changed.

    What is not a regular file, such as a terminal or a pipe, is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with temporary_name(path) as new:
        with new.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync(path.parent)
