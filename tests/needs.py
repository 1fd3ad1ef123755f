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


@dataclass(frozen=True)
class Other:
    """What a machine has or allows, and is no program."""

    what: str
    is_here: Callable[[], bool]
    install: str = ""
    """How to get it, where that is by a command."""


NEW_LINKS = "ip link add lan type bridge && ip link add near type veth peer name far"
OTHERS = {
    "root": Other("root rights", lambda: os.geteuid() == 0),
    "mount": Other("the right to mount", lambda: works("unshare", "-m", "mount", "-t", "tmpfs", "none", "/tmp")),
    "users": Other("user namespaces", lambda: works("unshare", "-rm", "mount", "--bind", "/etc", "/mnt")),
    "networks": Other("network namespaces", lambda: works("unshare", "-n", "sh", "-c", NEW_LINKS)),
    "tracing": Other("the right to trace", lambda: works("strace", "-o", os.devnull, "true")),
    "axe-core": Other(
        "axe-core",
        lambda: Path(os.environ.get("OPENSSLGEN_TEST_AXE", "")).is_file(),
        "npm install axe-core, and OPENSSLGEN_TEST_AXE=…/axe-core/axe.min.js",
    ),
    "openssls": Other(
        "other versions of openssl",
        lambda: bool(os.environ.get("OPENSSLGEN_TEST_OPENSSLS")),
        'OPENSSLGEN_TEST_OPENSSLS="$(python -m tests.debian_openssls)"',
    ),
}


class Missing(pytest.skip.Exception):
    """A test is skipped for want of these."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(why(names))
        self.names = names


def why(names: tuple[str, ...]) -> str:
    """Return the reason why a test is skipped: what is missing, and which package of Debian brings it."""
    found = [f"{name} (Debian: {programs.PACKAGES[name]})" for name in names if name in programs.PACKAGES]
    others = [OTHERS[name] for name in names if name in OTHERS]
    return "needs " + ", ".join(found + [f"{o.what} ({o.install})" if o.install else o.what for o in others])


@functools.cache
def is_here(name: str) -> bool:
    """Tell whether this machine has what a test needs; KeyError if no table names it."""
    return OTHERS[name].is_here() if name in OTHERS else bool(programs.PACKAGES[name] and programs.find(name))


def need(*names: str) -> None:
    """Skip this test, or fail it, unless all of these are here."""
    missing = tuple(name for name in names if not is_here(name))
    if missing and REQUIRE_ALL:
        pytest.fail(why(missing))
    if missing:
        raise Missing(missing)


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
    ways += [other.install or f"{other.what} cannot be installed" for other in others]
    return f"skipped {len(skipped)} tests for want of programs or rights; {'; '.join(ways)}"
