"""A folder of the user's, into which finished files are put: all or none, and none over another.

Unlike a pki folder it has no index and no lock: a file is put there by a link, which fails if there is one already.
A file that is there and is the same stays, unless it is a secret: others may be able to read the old one.
Files are made in `.opensslgen-…`, which is locked as long as its process lives. Once all are there, what goes where is
put beside them in one rename, so that the next run can finish what a killed one had begun.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files.write import exists, is_own_folder, is_plain_name, name_beside, reported, sync, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.plan.steps import Plan, Publish

_PREFIX = ".opensslgen-"
_DECISION = "decision.json"


@dataclass(frozen=True)
class Destination:
    """A folder, which need not be there yet."""

    path: Path

    def existing(self, plan: Plan) -> list[Publish]:
        """Return what of the plan has its place taken."""
        return [publish for publish in plan.publish if os.path.lexists(self.path / publish.target)]

    @contextmanager
    def work(self) -> Iterator[Path]:
        """Finish or sweep what killed runs left, and yield a private work folder; raises Error for a failing disk."""
        with reported(self.path), ExitStack() as locks:
            made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            for left in self.path.glob(f"{_PREFIX}*"):
                with _locked(left) as is_left:
                    # Many may write where this goes.
                    if is_left and is_own_folder(left):
                        _recover(left)
            while True:
                work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self.path))
                # Another run may have taken it for left in the moment before.
                if locks.enter_context(_locked(work)) and work.exists():
                    break
            try:
                yield work
            finally:
                if not (work / _DECISION).exists():
                    shutil.rmtree(work, ignore_errors=True)
                if made:
                    with suppress(OSError):
                        self.path.rmdir()

    def publish(self, plan: Plan, *, work: Path, force: bool) -> dict[str, str]:
        """Give what a plan has made its final names: everything or nothing.

        With `force` an old file is replaced and kept beside; returns under which name, by its own. Raises Error if
        there is one and it must not be replaced, and for a link or a folder in its place.
        """
        there = self.existing(plan)
        for publish in there:
            if not stat.S_ISREG((self.path / publish.target).lstat().st_mode):
                raise Error(f"{self.path / publish.target} is not a regular file")
        same = [publish for publish in there if not publish.is_secret and self._is_same(publish, work)]
        old = {publish.target: name_beside(self.path, publish.target) for publish in there if publish not in same}
        if old and not force:
            raise exists(self.path, list(old))
        moves = []
        for number, (target, beside) in enumerate(old.items()):
            shutil.copy2(self.path / target, work / f"old-{number}", follow_symlinks=False)
            moves.append((f"old-{number}", beside, False))
        for publish in plan.publish:
            if publish in same:
                continue
            if publish.mode is not None:
                (work / publish.source).chmod(publish.mode)
            sync(work / publish.source)
            moves.append((publish.source, publish.target, publish.target in old))
        (work / "decision.tmp").write_text(json.dumps(moves), encoding="utf-8")
        (work / "decision.tmp").rename(work / _DECISION)
        _carry_out(work, moves)
        return old

    def _is_same(self, publish: Publish, work: Path) -> bool:
        return (work / publish.source).read_bytes() == (self.path / publish.target).read_bytes()


def _carry_out(work: Path, moves: list[tuple[str, str, bool]]) -> None:
    """Do what was decided, or take back what was done of it and raise, unless a file has been replaced already."""
    done: list[Path] = []
    replaced = False
    try:
        for source, target, over in moves:
            place = work.parent / target
            if over:
                (work / source).rename(place)
                replaced = True
            else:
                _put(work / source, place)
                done.append(place)
    except OSError as error:
        if replaced:
            raise Error(
                told(error, work.parent), hint="what was made is kept, and the next run into this folder puts it there"
            ) from error
        for place in done:
            place.unlink()
        # First of all: what is left of the rest must not be put there by the next run.
        (work / _DECISION).unlink()
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, FileExistsError):
            raise exists(work.parent, [Path(error.filename2 or error.filename).name]) from error
        raise
    shutil.rmtree(work, ignore_errors=True)


def _put(source: Path, target: Path) -> None:
    """Give a file the name of none that exists, or raise FileExistsError; its old name goes with the work folder."""
    try:
        target.hardlink_to(source)
    except FileExistsError:
        raise
    except OSError:
        # Not all file systems have links: a stick that goes to an appliance has none.
        with target.open("xb"):
            pass
        source.rename(target)


def _recover(work: Path) -> None:
    """Finish what was decided when a run was killed; what has got another file in its place meanwhile is dropped."""
    with suppress(FileNotFoundError):
        moves = json.loads((work / _DECISION).read_text(encoding="utf-8"))
        if not all(is_plain_name(name) for source, target, _ in moves for name in (source, target)):
            raise Error(
                f"{work / _DECISION} would move files in other folders, which no run of ours decides: remove it"
            )
        for source, target, over in moves:
            with suppress(FileNotFoundError, FileExistsError):
                if over:
                    (work / source).rename(work.parent / target)
                else:
                    _put(work / source, work.parent / target)
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a folder's lock, which the kernel lets go of when this process ends; yields whether it could be had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
