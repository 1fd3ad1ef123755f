"""What a test needs beside Python and openssl: without it the test is skipped, or fails where nothing may be missing.

A test that starts a program of programs.py needs it and does not have to say so. What a shell starts for it, and what
the machine has to allow, a test declares by `@needs("busybox", "root")`, and a helper by `need("root")`.
"""

from __future__ import annotations

import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import programs

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIRE_ALL = bool(os.environ.get("OPENSSLGEN_TEST_REQUIRE_ALL"))
"""Whether a test fails for want of what it needs, as in CI, where no test is skipped."""

needs = pytest.mark.needs


def works(*command: str) -> bool:
    """Tell whether this machine runs a command to a good end."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


def has_terminals() -> bool:
    """Tell whether a program can be given a terminal."""
    try:
        for end in os.openpty():
            os.close(end)
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Other:
    """What a machine has or allows, and is no program."""

    what: str
    is_here: Callable[[], bool]
    by: tuple[str, ...] = ()
    """The programs that use it, and tell whether it is here."""
    install: str = ""
    """How to get it, where that is by a command."""


NEW_LINKS = "ip link add lan type bridge && ip link add near type veth peer name far"
OTHERS = {
    "root": Other("root rights", lambda: os.geteuid() == 0),
    "terminals": Other("pseudo-terminals (/dev/pts)", has_terminals),
    "mount": Other(
        "the right to mount", lambda: works("unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp"), ("unshare",)
    ),
    "users": Other("user namespaces", lambda: works("unshare", "-rm", "mount", "--bind", "/etc", "/mnt"), ("unshare",)),
    "networks": Other(
        "network namespaces", lambda: works("unshare", "-n", "sh", "-c", NEW_LINKS), ("unshare", "nsenter", "ip")
    ),
    "tracing": Other("the right to trace", lambda: works("strace", "-o", os.devnull, "true"), ("strace",)),
    "axe-core": Other(
        "axe-core",
        lambda: Path(os.environ.get("OPENSSLGEN_TEST_AXE", "")).is_file(),
        install="npm install axe-core, and OPENSSLGEN_TEST_AXE=…/axe-core/axe.min.js",
    ),
    "corpus": Other(
        "certificates of others",
        lambda: Path(os.environ.get("OPENSSLGEN_TEST_CORPUS", "/nowhere")).is_dir(),
        install="OPENSSLGEN_TEST_CORPUS=DIRECTORY, such as zlint's v3/testdata and the sources of openssl and gnutls",
    ),
    "cases": Other(
        "cases with the right answers",
        lambda: Path(os.environ.get("OPENSSLGEN_TEST_CASES", "/nowhere")).is_dir(),
        install="OPENSSLGEN_TEST_CASES=DIRECTORY",
    ),
    "openssls": Other(
        "other versions of openssl",
        lambda: bool(os.environ.get("OPENSSLGEN_TEST_OPENSSLS")),
        install='OPENSSLGEN_TEST_OPENSSLS="$(python -m tests.debian_openssls)"',
    ),
}


def why(names: tuple[str, ...]) -> str:
    """Return the reason why a test is skipped: what is missing, and which package of Debian brings it."""
    found = [f"{name} (Debian: {programs.PACKAGES[name]})" for name in names if name in programs.PACKAGES]
    others = [OTHERS[name] for name in names if name in OTHERS]
    return "needs " + ", ".join(found + [f"{o.what} ({o.install})" if o.install else o.what for o in others])


@functools.cache
def missing(name: str) -> tuple[str, ...]:
    """Return what this machine lacks of what a test needs; raises KeyError if no table names it."""
    if name in programs.PACKAGES:
        return () if programs.find(name) else (name,)
    other = OTHERS[name]
    return tuple(program for program in other.by if missing(program)) or (() if other.is_here() else (name,))


def need(*names: str) -> None:
    """Skip this test, or fail it, unless all of these are here."""
    found = tuple(dict.fromkeys(lack for name in names for lack in missing(name)))
    if found and REQUIRE_ALL:
        pytest.fail(why(found))
    if found:
        skipped = pytest.skip.Exception(why(found))
        skipped.missing = found
        raise skipped


def program_path(program: str) -> str:
    """Return the path of a program that this test needs."""
    need(program)
    return str(programs.find(program))


def see(event: str, arguments: tuple) -> None:
    """Take the start of a program as the need for it: a hook for `sys.addaudithook`."""
    if event == "subprocess.Popen" and (program := os.fspath(arguments[0])) in programs.PACKAGES:
        need(program)


def summary(skipped: list[tuple[str, ...]]) -> str:
    """Return what to install for the tests that were skipped, each for want of what is named."""
    names = sorted({name for each in skipped for name in each})
    install = programs.packages([name for name in names if name in programs.PACKAGES])
    others = [OTHERS[name] for name in names if name in OTHERS]
    ways = [f"apt-get install {' '.join(install)}"] if install else []
    ways += [other.install for other in others if other.install]
    if rights := [other.what for other in others if not other.install]:
        ways.append(f"and this machine does not give {', '.join(rights)}")
    return f"skipped {len(skipped)} tests for want of programs or rights: {'; '.join(ways)}"
