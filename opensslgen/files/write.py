"""Write files: private until they have their mode, synced to the disk, and never over old files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import chain
from typing import TYPE_CHECKING

from opensslgen.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def free_name(folder: Path, target: str) -> str:
    """Return a name that no file has, under which an old file is kept next to the new one."""
    name = f"{target}.old-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"
    names = chain([name], (f"{name}-{number}" for number in range(2, 1000)))
    return next(free for free in names if not os.path.lexists(folder / free))


def overwrite_refusal(folder: Path, targets: list[str]) -> Error:
    """Return the error that says which files exist, so that they are not overwritten."""
    files = ", ".join(str(folder / target) for target in targets)
    exist, them, are = ("exists", "it", "one is") if len(targets) == 1 else ("exist", "them", "ones are")
    return Error(f"{files} {exist}", hint=f"to replace {them}, add --force; the old {are} kept")


def write_new(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file that only we can read until it has its mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with name_in_errors(path), os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
        os.fsync(file.fileno())


def copy_file(path: Path, copy: Path) -> None:
    """Copy a file with its mode; raises OSError for a symbolic link."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        write_new(copy, file.read(), os.fstat(file.fileno()).st_mode)


def replace_attributes(new: Path, old: Path, *, mode: int, is_secret: bool) -> str | None:
    """Give a new file the mode, owner and group of the file that it replaces, so that its readers remain.

    Without an old file it gets `mode`; so does a secret if its owner cannot be kept. Returns a note if others can read
    a secret, or no longer can.
    """
    try:
        there = old.lstat()
    except FileNotFoundError:
        there = None
    if there is None or not stat.S_ISREG(there.st_mode):
        new.chmod(mode)
        return None
    status = new.stat()
    if (status.st_uid, status.st_gid) != (there.st_uid, there.st_gid):
        try:
            os.chown(new, there.st_uid, there.st_gid)
        except PermissionError:
            if is_secret:
                new.chmod(mode)
                return f"{old} now belongs to you, with the mode {mode:04o}: only root can keep its owner and group"
    bits = stat.S_IMODE(there.st_mode)
    new.chmod(bits)
    if is_secret and bits & 0o077:
        who = "everybody" if bits & 0o007 else "its group"
        return f"{old} is open to {who}, as the file was that it replaces (mode {bits:04o})"
    return None


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with name_in_errors(path):
            os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove one of our folders; what cannot be removed now, the next run removes."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        # An openssl that outlives its killed opensslgen may have written a file there in the meantime.
        if not folder.exists():
            return


def is_own_folder(path: Path) -> bool:
    """Tell whether a folder is ours: we must not carry out what another user has decided in theirs."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


@contextmanager
def name_in_errors(path: Path) -> Iterator[None]:
    """Add the name of the file to an OSError that comes from its descriptor."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def explain_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError into an Error that names the file."""
    try:
        yield
    except OSError as error:
        raise Error(explanation(error, folder)) from error


def explanation(error: OSError, folder: Path) -> str:
    """Return the message for an OSError from writing to a folder."""
    return f"cannot write to {error.filename or folder}: {error.strerror or error}"
