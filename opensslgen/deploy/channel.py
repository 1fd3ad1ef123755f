"""The shell on a target: on this machine, or behind OpenSSH's own client with the user's keys and known_hosts."""

from __future__ import annotations

import base64
import getpass
import os
import re
import shlex
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UsageError
from opensslgen.openssl.process import Process, start_with_sh, talk
from opensslgen.text import quote, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opensslgen.openssl.process import Talk

LOCAL = "local"
"""The destination that is this machine."""
LONGEST = 9000.0
"""Seconds that a deployment may take, its commands and the proof together."""
SILENCE = 900.0
"""Seconds that one command on the target may take."""
_OPTIONS = (
    *("-T", "-a", "-x"),
    *("-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "ConnectTimeout=20"),
    *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=6"),
)
"""Nobody can be asked, nothing is forwarded, and a host that is gone is noticed within a minute."""
_MARK = "opensslgen:"
_DESTINATION = re.compile(r"[^\s\-][^\s]*")


@dataclass
class Heard:
    """What the target has said."""

    values: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stderr: str = ""

    def text(self, name: str) -> str | None:
        """Return a value that the target has said, or None."""
        return self.values.get(name)

    @property
    def said(self) -> str:
        """The end of what a command has printed there, in one line."""
        try:
            text = base64.b64decode(self.values.get("said", ""), validate=True).decode("utf-8", "replace")
        except ValueError:
            return ""
        return visible("; ".join(filter(None, map(str.strip, text.splitlines()))))[:500]


@dataclass(frozen=True)
class Channel:
    """Where the target's shell is, and how it is reached."""

    destination: str
    """LOCAL, or a destination as ssh takes it."""
    ssh: tuple[str, ...] = ("ssh",)
    """The client, with options of the user's."""
    sudo: bool = False
    """Whether the shell there is started by sudo, which must not ask."""

    def __post_init__(self) -> None:
        if not _DESTINATION.fullmatch(self.destination) or not self.destination.isprintable():
            raise UsageError(f"{quote(self.destination, always=True)} is not a destination of ssh: write user@host")

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        return self.destination == LOCAL

    @property
    def title(self) -> str:
        """Its name in messages."""
        return "this machine" if self.is_local else visible(self.destination)

    def argv(self) -> list[str]:
        """Return the words that start the shell, which reads all that it is to do from its standard input."""
        shell = ["sudo", "-n", "sh", "-s"] if self.sudo else ["sh", "-s"]
        return shell if self.is_local else [*self.ssh, *_OPTIONS, "--", self.destination, shlex.join(shell)]

    def host(self) -> str:
        """Return the host whose ports are asked: what the user's configuration of ssh makes of the destination."""
        if self.is_local:
            return "127.0.0.1"
        argv = [*self.ssh, "-G", "--", self.destination]
        try:
            process = start_with_sh(argv, env=_environment(), cwd=os.getcwd(), stdin=b"", timeout=30)  # noqa: PTH109
        except (OSError, TimeoutError) as error:
            raise _cannot_start(argv[0], error) from error
        found = re.search(r"^hostname (\S+)$", process.stdout.decode("utf-8", "replace"), re.MULTILINE)
        if process.exit_code != 0 or found is None:
            raise Error(f"ssh does not know where {self.title} is: {_last_line(process) or 'no answer'}")
        return found[1]

    @contextmanager
    def conversation(self, text: str) -> Iterator[Conversation]:
        """Start the shell, give it a text to carry out, and yield what it says."""
        argv = self.argv()
        try:
            with talk(argv, env=_environment(), cwd=os.getcwd(), timeout=LONGEST) as talking:  # noqa: PTH109
                talking.send(text.encode())
                yield Conversation(self, talking)
        except OSError as error:
            raise _cannot_start(argv[0], error) from error

    def ask(self, text: str) -> Heard:
        """Carry out a text that needs no answer, and return what the target says; raises Error if it fails."""
        with self.conversation(text) as conversation:
            if not conversation.hear("end"):
                raise Error(conversation.fault())
            return conversation.heard


@dataclass
class Conversation:
    """A shell on the target that carries something out."""

    channel: Channel
    talking: Talk
    heard: Heard = field(default_factory=Heard)

    def hear(self, *until: str, silence: float = SILENCE) -> str | None:
        """Take in what the target says, and return the first of these words, or None if it says no more.

        Raises Error if it says nothing for so many seconds.
        """
        while True:
            try:
                line = self.talking.line(silence)
            except TimeoutError:
                raise Error(
                    f"{self.channel.title} said nothing for {silence:g} seconds", hint="it undoes what it has begun"
                ) from None
            if line is None:
                self.heard.stderr = self.talking.stderr
                return None
            name, equals, value = line.rstrip("\r\n").removeprefix(_MARK).partition("=")
            if not line.startswith(_MARK) or not equals:
                continue
            if name == "note":
                self.heard.notes.append(visible(value))
            if name == "begun":
                self.heard.values.clear()  # what was said before was of an earlier run
            self.heard.values[name] = value
            if name in until:
                return name

    def send(self, word: bytes) -> None:
        """Say a word to the target."""
        self.talking.send(word)

    def fault(self) -> str:
        """Return why the target has ended, in one line."""
        lines = [line.strip() for line in self.heard.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
        where = "" if self.channel.is_local else f"{self.channel.title}: "
        if errors:
            said = self.heard.said
            return f"{where}{visible(errors[0])}{f': {said}' if said else ''}"
        if self.heard.values:
            return f"{where}the connection broke, or the shell there was killed"
        return f"{where}{visible(lines[-1]) if lines else 'the shell there gave no answer'}"


def by() -> str:
    """Return who deploys, for the one who meets the target's lock."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return visible(f"{user}@{socket.gethostname()}, process {os.getpid()}")


def _environment() -> dict[str, str]:
    """Return the environment of the caller without the secrets that are meant for openssl."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPENSSLGEN_")}


def _cannot_start(program: str, error: Exception) -> Error:
    if isinstance(error, FileNotFoundError) and Path(program).name == "ssh":
        return Error("no ssh found on the PATH", hint="install OpenSSH's client (apt install openssh-client)")
    return Error(f"cannot start {program}: {getattr(error, 'strerror', None) or error}")


def _last_line(process: Process) -> str:
    lines = process.stderr.decode("utf-8", "replace").strip().splitlines()
    return visible(lines[-1]) if lines else ""
