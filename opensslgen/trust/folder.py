"""A folder of finished files that appear in it all together or not at all.

They are made in `.opensslgen-new` inside it. One rename, to `.opensslgen-done`, decides; after that each is moved to
its final name, if need be by the next run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.disk import exists, is_own_folder
from opensslgen.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .files import TrustFile

_NEW, _DONE = ".opensslgen-new", ".opensslgen-done"


def write(folder: Path, files: Iterable[TrustFile], *, force: bool = False) -> tuple[Path, ...]:
    """Put files that everybody may read into a folder, which need not be there; a file that is the same stays.

    Raises Error if one would be replaced, unless `force`: then the old ones are kept beside the new ones, and their
    new names returned.
    """
    try:
        with _locked(folder):
            return _write(folder, {file.name: file.data for file in files}, force=force)
    except OSError as error:
        raise Error(f"cannot write to {error.filename or folder}: {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if need be, and taken away again if nothing came of it."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.lexists(folder / _DONE):
                if not is_own_folder(folder / _DONE):
                    raise Error(f"{folder / _DONE} belongs to another user, and is not put in place: remove it")
                _carry_out(folder)
            shutil.rmtree(folder / _NEW, ignore_errors=True)
            yield
            os.fsync(descriptor)
        finally:
            shutil.rmtree(folder / _NEW, ignore_errors=True)
            if made:
                with suppress(OSError):  # it is not empty, if all went well
                    folder.rmdir()
    finally:
        os.close(descriptor)


def _write(folder: Path, files: dict[str, bytes], *, force: bool) -> tuple[Path, ...]:
    there = [name for name in files if os.path.lexists(folder / name)]
    if odd := [name for name in there if (folder / name).is_symlink() or not (folder / name).is_file()]:
        raise Error(f"{folder / odd[0]} is not a regular file")
    old = {name: data for name in there if (data := (folder / name).read_bytes()) != files[name]}
    if old and not force:
        raise exists(folder, list(old))
    stamp = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    kept = {f"{name}.old-{stamp}": data for name, data in old.items()}
    if taken := [name for name in kept if os.path.lexists(folder / name)]:
        raise Error(f"{folder / taken[0]} exists: wait a second")
    new = {name: data for name, data in files.items() if name not in there or name in old}
    (folder / _NEW).mkdir(mode=0o700)
    for name, data in (new | kept).items():
        with (folder / _NEW / name).open("xb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
    (folder / _NEW).rename(folder / _DONE)
    _carry_out(folder)
    return tuple(folder / name for name in kept)


def _carry_out(folder: Path) -> None:
    """Move what was decided to its final names; after a kill at any point it can be done again."""
    # What is kept of the old ones first: a name that stands for a new one has lost its old content.
    for path in sorted((folder / _DONE).iterdir(), key=lambda path: (".old-" not in path.name, path.name)):
        path.rename(folder / path.name)
    (folder / _DONE).rmdir()
