"""opensslgen in a process that has imported it already and forks for each command: a tenth of the time of a start."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

CHECKOUT = Path(__file__).parent.parent
_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "FAKETIME", "COVERAGE")
"""How variables begin that a program reads before it runs a line of ours."""


class Preloaded:
    """Runs commands, each in a process of its own; several threads may use it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it, with the environment that commands have unless another one is passed."""
        self.environment = {**environment, "PYTHONPATH": str(CHECKOUT)}
        self._lock = threading.Lock()
        self._jobs, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded"],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def is_like(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a new interpreter in this environment would begin as this one has begun."""
        both = (environment, self.environment)
        ours, other = ({name: each[name] for name in each if name.startswith(_AT_START)} for each in both)
        return ours == other

    def run(
        self,
        arguments: tuple[str, ...],
        *,
        folder: Path | str,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float | None = None,
        attach: Callable[[int], None] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `opensslgen ARGUMENTS` in a folder; `attach` gets its process number before it does anything."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            env = dict(environment or self.environment)
            job = {"arguments": arguments, "folder": str(folder), "env": env, "stop": attach is not None}
            code = self._run(job, (given, out, err), timeout=timeout, attach=attach)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def _run(
        self,
        job: dict[str, object],
        streams: tuple[IO[bytes], ...],
        *,
        timeout: float | None,
        attach: Callable[[int], None] | None,
    ) -> int:
        read_end, write_end = os.pipe()
        text = json.dumps(job).encode()
        with os.fdopen(read_end, "rb", buffering=0) as answers:
            with self._lock:
                descriptors = [*(stream.fileno() for stream in streams), write_end]
                socket.send_fds(self._jobs, [len(text).to_bytes(8, "big")], descriptors)
                self._jobs.sendall(text)
            os.close(write_end)
            process = int(answers.read(20))
            if attach:
                attach(process)
                os.kill(process, signal.SIGCONT)
            if not select.select([answers], [], [], timeout)[0]:
                os.kill(process, signal.SIGKILL)
                answers.read(20)
                raise subprocess.TimeoutExpired("opensslgen", timeout or 0)
            return int(answers.read(20))

    def close(self) -> None:
        """End it."""
        self._jobs.close()
        self._process.wait()


def quick_ca_keys() -> None:
    """Have a CA that is created beside a certificate get an EC key: RSA takes thirty times as long.

    `root` keeps its default, and so does opensslgen in a process of its own (see test_cli).
    """
    from opensslgen.orders.order import root_order
    from opensslgen.x509.key_types import KEY_TYPES

    assert root_order.__kwdefaults__
    root_order.__kwdefaults__["key_type"] = KEY_TYPES["p-256"]


def serve() -> None:
    """Run a command for each job that comes through the socket on stdin."""
    import sh  # noqa: F401 - what commands import late is imported here, before the forks

    import opensslgen.api
    import opensslgen.audit.targets
    import opensslgen.cli.main
    import opensslgen.jobs.perform
    import opensslgen.report.made

    quick_ca_keys()
    for name in set(opensslgen.cli.main.COMMANDS.values()):
        __import__(f"opensslgen.cli.{name.split('.')[0]}")
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(fileno=os.dup(0)) as jobs:
        while length := (head := socket.recv_fds(jobs, 8, 4))[0]:
            text = jobs.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
            if os.fork() == 0:
                jobs.close()
                watch(json.loads(text), head[1])
            for descriptor in head[1]:
                os.close(descriptor)


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def watch(job: dict, descriptors: list[int]) -> None:
    """Start the command, and write its process number, and then its exit code, to the last of the descriptors."""
    *streams, answers = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(answers)
        run(job, streams)
    if job["stop"]:
        os.waitpid(child, os.WUNTRACED)
    os.write(answers, str(child).encode().rjust(20))
    os.write(answers, str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode().rjust(20))
    os._exit(0)


def run(job: dict, streams: list[int]) -> None:
    """Become the command."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, 64)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = ["opensslgen", *job["arguments"]]
    code: object = 1
    if job["stop"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        opensslgen.cli.main.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    import opensslgen.cli.main

    serve()
