"""Writing files: nobody else reads them meanwhile, they are on the disk when that is said, and old ones stay."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def name_beside(folder: Path, target: str) -> str:
    """Return a name beside a file that is to be replaced, which nothing has yet."""
    name = f"{target}.old-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(free for free in names if not os.path.lexists(folder / free))


def exists(folder: Path, targets: list[str]) -> Error:
    """Return the refusal to overwrite."""
    files = ", ".join(str(folder / target) for target in targets)
    return Error(
        f"{files} exist{'s' if len(targets) == 1 else ''}", hint="--force replaces, and keeps the old one beside it"
    )


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file that nobody else can read until it has its mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with naming(path), os.fdopen(descriptor, "wb") as file:
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
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_own_folder(path: Path) -> bool:
    """Tell whether it is a folder of ours: what another user has decided in theirs must not be done in our name."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def is_plain_name(name: object) -> bool:
    """Tell whether it names a file in the very folder, and not one on a way out of it."""
    return isinstance(name, str) and name not in ("", ".", "..") and not {"/", "\0"} & set(name)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in a failure that comes from its descriptor."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def reported(folder: Path) -> Iterator[None]:
    """Turn a failure of the disk into an Error that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(told(error, folder)) from error


def told(error: OSError, folder: Path) -> str:
    """Return what a failure of the disk in a folder is to people."""
    return f"cannot write to {error.filename or folder}: {error.strerror or error}"
