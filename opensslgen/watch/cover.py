"""Mount the wrapper over an openssl program, for one command only: in a mount namespace, on Linux.

Only that command and its child processes see the mount. Users other than root get a user namespace in which all user
and group ids stay the same.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_NEW_MOUNTS, _NEW_USERS = 0x20000, 0x10000000  # CLONE_NEWNS and CLONE_NEWUSER of sched.h
_BIND, _RECURSIVE, _SLAVE = 0x1000, 0x4000, 0x80000  # MS_BIND, MS_REC and MS_SLAVE of sys/mount.h
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of sys/prctl.h


@dataclass(frozen=True)
class Cover:
    """A program over which the wrapper is mounted."""

    program: str
    """Its real path."""
    wrapper: Path
    """The wrapper for it."""
    hidden: Path
    """An empty file; the real program is mounted over it, for the wrapper."""


def is_possible() -> bool:
    """Tell whether this system supports covers; the kernel may still refuse them."""
    return sys.platform == "linux"


def put(covers: tuple[Cover, ...]) -> None:
    """Mount the wrappers over their programs, for this process and its children; raises OSError."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _call("unshare", _NEW_MOUNTS)
    else:
        _call("unshare", _NEW_USERS | _NEW_MOUNTS)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    # Mounts from outside remain visible here; mounts made here are not visible outside.
    _call("mount", b"none", b"/", None, _RECURSIVE | _SLAVE, None)
    for cover in covers:
        _call("mount", os.fsencode(cover.program), bytes(cover.hidden), None, _BIND, None)
        _call("mount", bytes(cover.wrapper), os.fsencode(cover.program), None, _BIND, None)


def die_with_parent(signal: int) -> None:
    """Make the kernel end this process when its parent ends, if the system supports that."""
    if is_possible():
        _call("prctl", _DIE_WITH_PARENT, signal, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
