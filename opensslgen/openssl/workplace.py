"""A work folder for the commands of plans, with their openssl and their secrets."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from .command import OpenSSL, OpenSSLError
    from .process import Process


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """A work folder, and what its commands need."""

    work: Path
    openssl: OpenSSL
    secrets: Mapping[str, str]
    on_command: Callable[[str], None] = lambda _: None
    """Gets each openssl command, quoted so that it can be pasted into a shell in that folder."""

    def run(
        self, arguments: Sequence[str], *, secrets: Iterable[str] = (), stdin: str | None = None, check: bool = True
    ) -> Process:
        """Run `openssl ARGUMENTS…` in the folder, with the secrets of these names in its environment or on stdin.

        Raises OpenSSLError if it cannot be started, hangs, or (with `check`) does not exit with 0.
        """
        self.on_command(shlex.join(["openssl", *arguments]))
        return self.openssl.run(
            arguments,
            cwd=self.work,
            secrets={name: self.secrets[name] for name in secrets},
            stdin=f"{self.secrets[stdin]}\n".encode("utf-8", "surrogateescape") if stdin else b"",
            check=check,
        )

    def run_groups(
        self, groups: Sequence[Sequence[Sequence[str]]], *, secrets: Iterable[str]
    ) -> list[OpenSSLError | None]:
        """Run groups of `openssl ARGUMENTS…` in one shell, see `OpenSSL.run_groups`."""
        lines = [[shlex.join(["openssl", *arguments]) for arguments in group] for group in groups]
        for group in lines:
            for line in group:
                self.on_command(line)
        return self.openssl.run_groups(lines, cwd=self.work, secrets={name: self.secrets[name] for name in secrets})
