"""What is run on a host: shell text that goes through one pipe, and the answer that comes back.

A host has a shell, openssl and coreutils, and nothing else; `templates/fleet.sh` holds the functions that are called.
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
from opensslgen.x509.pem import base64_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(r"^opensslgen:([a-z0-9_.]+)=(.*?)\r?$", re.MULTILINE)
_END = "end"


class Shell(Protocol):
    """Runs `sh` on a host with this on its standard input; returns exit code, stdout and stderr."""

    def __call__(self, text: bytes, /) -> tuple[int, str, str]: ...  # noqa: D102


@dataclass(frozen=True)
class Host:
    """A machine that is reached through a shell."""

    shell: Shell
    openssl: str = "openssl"
    """Its openssl: a name on its PATH, or an absolute path."""

    def answer(self, *calls: str) -> Answer:
        """Run calls of functions of `fleet.sh` one after another; raises Error unless all of them succeed."""
        code, stdout, stderr = self.shell(program(*calls, openssl=self.openssl).encode())
        lines = dict(_LINE.findall(stdout))
        if code != 0 or _END not in lines:
            raise Error(_reason(code, stderr))
        return Answer(lines)


@dataclass(frozen=True)
class Answer:
    """What the calls have said, by name."""

    lines: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """Return what `say` has said; None if nothing."""
        return self.lines.get(name)

    def data(self, name: str) -> bytes | None:
        """Return what `send` has sent; None if nothing, and raises Error if it is damaged."""
        if name not in self.lines:
            return None
        try:
            return base64.b64decode(self.lines[name], validate=True)
        except ValueError as error:
            raise Error(f"the host's answer {name} is not base64") from error


def program(*calls: str, openssl: str = "openssl") -> str:
    """Return the shell text for some calls, and behind them those functions of `fleet.sh` that they need.

    It is one function, called in its last line: a shell that got only half of it runs nothing.
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


def call(function: str, *arguments: str, stdin: bytes | None = None) -> str:
    """Return the line that calls a function, with bytes on its standard input, in base64."""
    line = shlex.join([function, *arguments])
    if stdin is None:
        return line
    return "\n".join((f"{line} <<'EOF'", *base64_lines(stdin), "EOF"))


def subshell(script: str, argument: str) -> str:
    """Return the lines that run a whole script with one argument, so that what it sets and traps stays its own."""
    return f"(\nset -- {shlex.quote(argument)}\n{script}) >/dev/null"


def _reason(code: int, stderr: str) -> str:
    """Return why a program failed, in one line that is safe to print."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
    if errors:
        return visible(errors[-1])
    return f"the host's shell ended with {code}" + (f": {visible(lines[-1])}" if lines else " and no whole answer")
