"""A folder of the user, which gets all finished files or none; no file overwrites another.

Unlike a pki folder it has no index and no lock: files are put in place by links, which fail if the name is taken.
An identical file stays, unless it is secret: other users may be able to read the old one.
Files are made in `.opensslgen-…`, which is locked while its process lives. When all are ready, the list of moves is
put next to them in one rename, so that the next run can finish what a killed run began.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files import place
from opensslgen.files.locks import try_hold
from opensslgen.files.place import Decision, Move
from opensslgen.files.write import (
    explain_errors,
    explanation,
    free_name,
    is_own_folder,
    overwrite_refusal,
    remove_folder,
    replace_attributes,
    sync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.plan.steps import Plan, Publish

_PREFIX = ".opensslgen-"
_TRIES = 20


@dataclass(frozen=True)
class Destination:
    """A folder, which may not exist yet."""

    path: Path

    def existing(self, plan: Plan) -> list[Publish]:
        """Return the files of the plan whose names are taken."""
        return [publish for publish in plan.publish if os.path.lexists(self.path / publish.target)]

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Clean up after killed runs, and yield a private work folder; raises Error for a failing disk."""
        with explain_errors(self.path), ExitStack() as locks:
            if not self.path.exists():
                locks.callback(self._remove_if_empty)
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"{_PREFIX}*"):
                with try_hold(left) as is_left:
                    # Other users may be able to write here.
                    if is_left and is_own_folder(left):
                        if place.is_decided(left):
                            place.carry_out(left, place.read_decision(left))
                        else:
                            remove_folder(left)
            for _ in range(_TRIES):
                work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self.path))
                locks.callback(self._leave, work)
                # Another run may have removed it just before it was locked.
                if locks.enter_context(try_hold(work)) and work.exists():
                    break
            else:
                raise Error(f"other runs remove what is made in {self.path}")
            yield work

    def _leave(self, work: Path) -> None:
        if not place.is_decided(work):
            remove_folder(work)

    def _remove_if_empty(self) -> None:
        with suppress(OSError):
            self.path.rmdir()

    def publish(self, plan: Plan, *, work: Path, force: bool) -> tuple[dict[str, str], tuple[str, ...]]:
        """Give the plan's files their final names: all or none.

        With `force` an old file is kept under another name. Returns old names by new ones, and notes about modes.
        Raises Error if a file would be replaced without `force`, or if the name is taken by a link or a folder.
        """
        there = self.existing(plan)
        for publish in there:
            if not stat.S_ISREG((self.path / publish.target).lstat().st_mode):
                raise Error(f"{self.path / publish.target} is not a regular file")
        same = [publish for publish in there if not publish.is_secret and self._is_same(publish, work)]
        old = {publish.target: free_name(self.path, publish.target) for publish in there if publish not in same}
        if old and not force:
            raise overwrite_refusal(self.path, list(old))
        moves: list[Move] = []
        notes: list[str | None] = []
        for number, (target, beside) in enumerate(old.items()):
            shutil.copy2(self.path / target, work / f"old-{number}", follow_symlinks=False)
            sync(work / f"old-{number}")
            moves.append(Move(f"old-{number}", beside, over=False))
        for publish in plan.publish:
            if publish in same:
                continue
            new = work / publish.source
            mode = stat.S_IMODE(new.stat().st_mode) if publish.mode is None else publish.mode
            if publish in there and publish.is_secret and (self.path / publish.target).lstat().st_mode & 0o007:
                new.chmod(mode)
                notes.append(f"{self.path / publish.target} was open to everybody, and has the mode {mode:04o} now")
            else:
                notes.append(
                    replace_attributes(new, self.path / publish.target, mode=mode, is_secret=publish.is_secret)
                )
            sync(work / publish.source)
            moves.append(Move(publish.source, publish.target, over=publish.target in old))
        decision = Decision(tuple(moves))
        place.decide(work, decision)
        try:
            place.carry_out(work, decision, fresh=True)
        except OSError as error:
            if place.is_decided(work):
                raise Error(
                    explanation(error, self.path),
                    hint="the new files are kept, and the next run into this folder puts them in place",
                ) from error
            if isinstance(error, FileExistsError):
                raise overwrite_refusal(self.path, [Path(error.filename2 or error.filename).name]) from error
            raise
        return old, tuple(filter(None, notes))

    def _is_same(self, publish: Publish, work: Path) -> bool:
        return (work / publish.source).read_bytes() == (self.path / publish.target).read_bytes()
