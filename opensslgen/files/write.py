"""Write files: nobody else reads them meanwhile, they are on the disk when that is said, and old ones stay."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def name_beside(folder: Path, target: str) -> str:
    """Return a name that nothing has yet, under which an old file is kept beside what replaces it."""
    name = f"{target}.old-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(free for free in names if not os.path.lexists(folder / free))


def overwrite_refusal(folder: Path, targets: list[str]) -> Error:
    """Return the error that says which files exist and are not overwritten."""
    files = ", ".join(str(folder / target) for target in targets)
    return Error(
        f"{files} exist{'s' if len(targets) == 1 else ''}", hint="--force replaces, and keeps the old one beside it"
    )


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file that nobody else can read until it has its mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with name_in_errors(path), os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
        os.fsync(file.fileno())


def copy_file(path: Path, copy: Path) -> None:
    """Copy a file with its mode; a link in its place is not followed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        write_new(copy, file.read(), os.fstat(file.fileno()).st_mode)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with name_in_errors(path):
            os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot do that for a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove a folder of ours; what cannot go now, the next run removes."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        # An openssl that outlives its killed opensslgen may have put something there meanwhile.
        if not folder.exists():
            return


def is_own_folder(path: Path) -> bool:
    """Tell whether it is a folder of ours: what another user has decided in theirs must not be done in our name."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Name the file in a failure that comes from its descriptor."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def explain_errors(folder: Path) -> Iterator[None]:
    """Turn a failure of the disk into an Error that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(explanation(error, folder)) from error


def explanation(error: OSError, folder: Path) -> str:
    """Return what a failure of the disk in a folder is to people."""
    return f"cannot write to {error.filename or folder}: {error.strerror or error}"
