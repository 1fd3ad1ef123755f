"""Locks on folders: one that the kernel releases when a process ends, and one that every shell can hold.

`hold` takes both for a pki folder, where printed scripts work as well. `try_hold` takes the first on a work folder, to
show other processes that its process is alive.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from opensslgen.errors import Error

from .write import remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK = ".lock"
"""The file in a pki folder that the kernel locks; it is never removed."""
_SCRIPTS = ".lock.script"
_NEW, _DEAD = ".lock.new.", ".lock.dead."
_UNNAMED = 5.0
"""Seconds after which a script's lock without a process number counts as left by a killed one."""


@contextmanager
def hold(folder: Path, *, timeout: float, finish: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold both locks of a folder, and create the folder again if it disappears while we wait.

    At the end, `finish` is called while other processes are still locked out, but scripts no longer are. Raises Error
    if the folder cannot be locked within `timeout` seconds, and OSError.
    """
    with _lock(folder / LOCK, timeout=timeout):
        try:
            _lock_out_scripts(folder / _SCRIPTS, timeout=timeout)
            yield
        finally:
            if _read_number(folder / _SCRIPTS / "pid") == os.getpid():
                _break(folder / _SCRIPTS, os.getpid())
            finish()


def has_been_held(folder: Path) -> bool:
    """Tell whether a process may hold a lock of a folder, or has held one before."""
    return any(os.path.lexists(folder / name) for name in (LOCK, _SCRIPTS))


@contextmanager
def try_hold(folder: Path) -> Iterator[bool]:
    """Try to lock a work folder, without waiting, and yield whether that worked; raises Error if none can be locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        except OSError as error:
            raise _no_locks(folder, error) from error
        yield is_ours
    finally:
        os.close(descriptor)


def _no_locks(folder: Path, error: OSError) -> Error:
    return Error(
        f"{folder} cannot be locked: {error.strerror}",
        hint="use a folder on a file system with locks; over NFS, lockd or rpc.statd may not be running",
    )


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left of the lock of scripts; hold the locks for this."""
    for prefix in (_NEW, _DEAD):
        for left in folder.glob(f"{prefix}*"):
            remove_folder(left)


def _lock(path: Path, *, timeout: float) -> IO[bytes]:
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
        except OSError as error:
            file.close()
            raise _no_locks(path.parent, error) from error
        # The process that made the folder may have removed it while we waited.
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate()
                file.write(f"{os.getpid()}\n".encode())
                return file
        file.close()
        if time.monotonic() > deadline:
            raise Error(f"{path.parent} disappears again and again")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _lock_out_scripts(lock: Path, *, timeout: float) -> None:
    """Take the lock of printed scripts: a folder, as the kernel has no lock that every shell can hold.

    One rename creates it with the process number inside. A rename also replaces a folder that is still empty, so the
    process whose number is inside holds the lock.
    """
    started = time.monotonic()
    mine = lock.with_name(f"{_NEW}{os.getpid()}")
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
            holder = _read_number(lock / "pid")
            # A lock with our own number belongs to a dead process: numbers are used again, in containers very soon.
            if holder != os.getpid() and (is_alive(holder) if holder else waited < _UNNAMED):
                if waited > timeout:
                    who = f"process {holder}" if holder else "a script"
                    raise Error(
                        f"{lock.parent} is in use by {who} (waited {timeout:g} seconds)",
                        hint=f"if no such script is running, remove {lock}",
                    )
                time.sleep(0.1)
            else:
                _break(lock, holder)
    finally:
        remove_folder(mine)


def _break(lock: Path, holder: int | None) -> None:
    """Move a lock away, which only one process can do; move it back if another process has taken it in the meantime."""
    dead = lock.with_name(f"{_DEAD}{os.getpid()}")
    with suppress(OSError):
        lock.rename(dead)
        if _read_number(dead / "pid") == holder:
            remove_folder(dead)
        else:
            dead.rename(lock)


def _read_number(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def is_alive(process: int) -> bool:
    """Tell whether a process with this number is running."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
