"""The locks of a pki folder: one that the kernel releases however a process ends, and one that every shell can hold."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from opensslgen.errors import Error

if TYPE_CHECKING:
    from pathlib import Path

_UNNAMED = 5.0
"""Seconds after which a lock of scripts that names no process counts as left by a killed one."""


def lock(path: Path, *, timeout: float) -> IO[bytes]:
    """Open and lock a file; the kernel lets go of it when this process ends, however it ends."""
    deadline = time.monotonic() + timeout
    while True:
        file = os.fdopen(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b", buffering=0
        )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(40).decode("ascii", "replace").strip()
            file.close()
            if time.monotonic() > deadline:
                who = f"process {holder}" if holder.isdigit() else "another process"
                raise Error(f"{path.parent} is in use by {who} (waited {timeout:g} seconds)") from None
            time.sleep(0.02)
            continue
        # Whoever made the folder may have taken it away again while we waited.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate()
                file.write(f"{os.getpid()}\n".encode())
                return file
        file.close()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def lock_out_scripts(lock: Path, *, timeout: float) -> None:
    """Take the lock of printed scripts, too: a folder, as the kernel has no lock that every shell can hold.

    It appears with the process number in it, in one rename, which also replaces one that is still empty: whoever gets
    the number in holds it.
    """
    started = time.monotonic()
    mine = lock.with_name(f".lock.new.{os.getpid()}")
    try:
        while True:
            mine.mkdir(mode=0o700, exist_ok=True)
            (mine / "pid").write_text(f"{os.getpid()}\n", encoding="ascii")
            try:
                mine.rename(lock)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                    raise
            else:
                return
            waited = time.monotonic() - started
            holder = _number(lock / "pid")
            # One with our own number is a dead process's, as numbers come again, in containers soon.
            if holder != os.getpid() and (_alive(holder) if holder else waited < _UNNAMED):
                if waited > timeout:
                    who = f"process {holder}" if holder else "a script"
                    raise Error(
                        f"{lock.parent} is in use by {who} (waited {timeout:g} seconds)",
                        hint=f"if that is no such script, remove {lock}",
                    )
                time.sleep(0.1)
            else:
                _break(lock, holder)
    finally:
        remove(mine)


def _break(lock: Path, holder: int | None) -> None:
    """Move a lock away, which only one can, and back if another one broke and took it meanwhile."""
    dead = lock.with_name(f".lock.dead.{os.getpid()}")
    with suppress(OSError):
        lock.rename(dead)
        if _number(dead / "pid") == holder:
            remove(dead)
        else:
            dead.rename(lock)


def unlock_scripts(lock: Path) -> None:
    """Give that lock back, if it is ours."""
    if _number(lock / "pid") == os.getpid():
        _break(lock, os.getpid())


def _number(pid_file: Path) -> int | None:
    """Return the process number in a file, or None."""
    try:
        return int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _alive(process: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def remove(folder: Path) -> None:
    """Remove a folder of ours; what cannot go now, the next run removes."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        # An openssl that outlives its killed opensslgen may have put something there meanwhile.
        if not folder.exists():
            return
