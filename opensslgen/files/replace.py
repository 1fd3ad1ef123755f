"""Replace a file so that at every moment either the old or the new content is there, complete.

The new file is written next to the old one and replaces it in one rename, after a copy of the old one was made.
Unfinished files are called `.NAME.opensslgen-PID…`; the next run removes those of killed runs.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error, UnreadableError

from .place import put, temporary_name
from .write import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LARGEST = 1 << 20
"""Most bytes of a file."""

# Hashes and signatures of the old content, which the kernel maintains.
_NOT_COPIED = frozenset({"security.ima", "security.evm"})


class Original(NamedTuple):
    """A regular file as it was when it was read."""

    name: Path
    """As the caller gave it."""
    path: Path
    """Without symbolic links."""
    data: bytes
    status: os.stat_result

    def is_unchanged(self) -> bool:
        """Tell whether the file still has the same identity, times and content."""
        try:
            now = read(self.path)
        except UnreadableError:
            return False
        return now.data == self.data and _identity(now.status) == _identity(self.status)


class Work(NamedTuple):
    """The place where the files of one replacement are written."""

    original: Original
    path: Path

    def write(self, data: bytes) -> Path:
        """Write the new content to a file with the mode, owner and attributes of the old one."""
        self._create(self.path, data)
        return self.path

    def keep(self, label: str, now: datetime) -> Path:
        """Keep a copy of the file, with its times, as `NAME.LABEL-YYYYMMDD`, or with `-2` and so on at the end."""
        copy = self.path.with_name(f"{self.path.name}.{label}")
        self._create(
            copy, self.original.data, times=(self.original.status.st_atime_ns, self.original.status.st_mtime_ns)
        )
        dated = self.original.path.with_name(f"{self.original.path.name}.{label}-{now:%Y%m%d}")
        for number in count(1):
            kept = dated if number == 1 else dated.with_name(f"{dated.name}-{number}")
            with suppress(FileExistsError):
                put(copy, kept)
                break
        copy.unlink(missing_ok=True)
        sync(kept.parent)
        return kept

    def _create(self, path: Path, data: bytes, *, times: tuple[int, int] | None = None) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, which no Path opens)
            file.write(data)
            file.flush()
            _copy_attributes(self.original, descriptor)
            if times:
                os.utime(descriptor, ns=times)
            os.fsync(descriptor)


def read(name: Path) -> Original:
    """Return a regular file, symbolic links resolved; raises UnreadableError for anything else, or a larger one."""
    try:
        path = name.resolve(strict=True)
        # Without O_NONBLOCK, opening a FIFO would hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, which no Path opens)
            status = os.fstat(descriptor)
            data = file.read(LARGEST + 1) if stat.S_ISREG(status.st_mode) else None
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a loop of symbolic links"
        raise UnreadableError(f"{name}: {reason}") from error
    if data is None:
        raise UnreadableError(f"{name}: not a regular file")
    if len(data) > LARGEST:
        raise UnreadableError(f"{name}: larger than {LARGEST} bytes")
    return Original(name, path, data, status)


@contextmanager
def work(original: Original) -> Iterator[Work]:
    """Yield a place to write files, and clean it up; raises Error if the original has several hard links."""
    if original.status.st_nlink > 1:
        raise Error(
            f"{original.name}: has {original.status.st_nlink} hard links, which a new file would not have",
            hint="make a copy of it, which has one hard link",
        )
    with temporary_name(original.path) as here:
        try:
            yield Work(original, here)
        except OSError as error:
            raise Error(f"{original.name}: {error.strerror}; it was not changed") from error


def replace(original: Original, new: Path) -> None:
    """Replace a file in one rename; raises Error if it has changed since it was read."""
    if not original.is_unchanged():
        raise Error(f"{original.name}: was changed in the meantime, so it was not replaced")
    new.replace(original.path)
    sync(original.path.parent)


def newest(path: Path, label: str) -> Path | None:
    """Return the newest copy that was kept of a file; None if there are none."""
    found = []
    for entry in os.scandir(path.parent):
        match = re.fullmatch(rf"{re.escape(path.name)}\.{label}-([0-9]{{8}})(?:-([0-9]+))?", entry.name)
        if match and entry.is_file(follow_symlinks=False):
            found.append((match[1], int(match[2] or 1), Path(entry.path)))
    return max(found)[2] if found else None


def has_attributes_of(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether two files have the same mode, owner and modification time."""
    return all(
        getattr(one, name) == getattr(other, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_size")
    )


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # Without the change time: a backup program that restores the access time changes it.
    return (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)


def _copy_attributes(original: Original, descriptor: int) -> None:
    wanted = original.status
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (wanted.st_uid, wanted.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, wanted.st_uid, wanted.st_gid)
    # After the owner: to change that clears some bits.
    os.fchmod(descriptor, stat.S_IMODE(wanted.st_mode))
    if sys.platform == "linux":
        _copy_extended_attributes(original.path, descriptor)
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid, now.st_mode) != (wanted.st_uid, wanted.st_gid, wanted.st_mode):
        raise Error(
            f"{original.name}: a new file would not have its owner and mode", hint="run this as its owner, or as root"
        )


if sys.platform == "linux":

    def _copy_extended_attributes(path: Path, descriptor: int) -> None:
        """Copy the extended attributes: the SELinux context, the access control list, those of the user."""
        try:
            names = set(os.listxattr(path)) - _NOT_COPIED
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return
            raise
        for name in sorted(names):
            value = os.getxattr(path, name)
            try:
                os.setxattr(descriptor, name, value)
            except OSError:
                # The new file may have inherited the same value from the folder.
                if name not in os.listxattr(descriptor) or os.getxattr(descriptor, name) != value:
                    raise
