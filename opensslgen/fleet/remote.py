"""Run functions on a host: shell text goes through one pipe, and the answer comes back.

A host needs a shell, openssl and coreutils; the functions are in `templates/fleet.sh`.
"""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from opensslgen.errors import Error
from opensslgen.plan import template
from opensslgen.plan.script import with_functions
from opensslgen.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"^opensslgen:([a-z0-9_.]+)=(.*?)\r?$", re.MULTILINE)
_END = "end"


class Shell(Protocol):
    """Runs `sh` on a host with this text on its standard input; returns exit code, stdout and stderr."""

    def __call__(self, text: bytes, /) -> tuple[int, str, str]: ...  # noqa: D102


@dataclass(frozen=True)
class Host:
    """A machine that is reached through a shell."""

    shell: Shell
    openssl: str = "openssl"
    """The openssl on the host: a name on its PATH, or an absolute path."""

    def answer(self, *calls: str) -> Answer:
        """Call functions of `fleet.sh` one after another; raises Error unless all succeed."""
        code, stdout, stderr = self.shell(program(*calls, openssl=self.openssl).encode())
        lines = dict(_LINE.findall(stdout))
        if code != 0 or _END not in lines:
            raise Error(_reason(code, stderr))
        return Answer(lines)


@dataclass(frozen=True)
class Answer:
    """The output of the calls, by name."""

    lines: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """Return a text that `say` has printed; None if it is missing."""
        return self.lines.get(name)

    def data(self, name: str) -> bytes | None:
        """Return data that `send` has printed; None if it is missing; raises Error if it is damaged."""
        if name not in self.lines:
            return None
        try:
            return base64.b64decode(self.lines[name], validate=True)
        except ValueError as error:
            raise Error(f"the host's answer {name} is not base64") from error


def program(*calls: str, openssl: str = "openssl") -> str:
    """Return the shell text of some calls, followed by the functions of `fleet.sh` that they need.

    It is one function, which the last line calls, so that a shell that gets only half of it runs nothing.
    """
    story = (
        "fleet() {",
        "set -eu",
        "mask=$(umask) staged=''",
        "umask 077",
        f"OPENSSLGEN_OPENSSL={shlex.quote(openssl)}",
        "need_openssl",
        *calls,
        f"say {_END} ''",
        "}",
        "",
    )
    return with_functions("\n".join(story), template.shipped("fleet.sh")) + "\nfleet </dev/null\n"


def subshell(script: str, argument: str) -> str:
    """Return the lines that run a script with one argument in a subshell, to keep its variables and traps inside."""
    return f"(\nset -- {shlex.quote(argument)}\n{script}) >/dev/null"


def _reason(code: int, stderr: str) -> str:
    """Return why a program failed, in one line that is safe to print."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    if errors:
        return visible(errors[-1])
    why = f": {visible(lines[-1])}" if lines else " and without a complete answer"
    return f"the shell on the host ended with exit code {code}{why}"
