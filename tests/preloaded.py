"""opensslgen in a process that has imported it already and forks for each command: a third of the time of a start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent


class Preloaded:
    """Runs one command after another, each in a process of its own."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """Start it; of what speaks to opensslgen only `secrets` is in the environment of its commands."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENSSLGEN_")}
        # So that all runs make the same calls in the same order.
        fixed = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
        self.environment = {**plain, **fixed, **secrets}
        self._said = Path(tempfile.mkdtemp(prefix="said-"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.preloaded"],
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def run(
        self, arguments: tuple[str, ...], *, folder: Path, attach: Callable[[int], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `opensslgen ARGUMENTS` in a folder; `attach` gets its process number before it does anything."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        said = (self._said / "stdout", self._said / "stderr")
        job = {"arguments": arguments, "folder": str(folder), "said": [*map(str, said)], "stop": attach is not None}
        stdin.write(json.dumps(job) + "\n")
        process = int(stdout.readline())
        if attach:
            attach(process)
            os.kill(process, signal.SIGCONT)
        code = int(stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(path.read_text("utf-8", "replace") for path in said))

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        for path in self._said.iterdir():
            path.unlink()
        self._said.rmdir()


def serve() -> None:
    """Fork for each line of stdin, and print the process number, and then its exit code."""
    import sh  # noqa: F401 - what commands import late is imported here, before the forks

    import opensslgen.api
    import opensslgen.cli.main
    import opensslgen.jobs.perform
    import opensslgen.report.made

    for name in set(opensslgen.cli.main.COMMANDS.values()):
        __import__(f"opensslgen.cli.{name.split('.')[0]}")
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            run(job)
        if job["stop"]:
            os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(job: dict) -> None:
    """Become the command."""
    os.chdir(job["folder"])
    for descriptor, path in enumerate((os.devnull, *job["said"])):
        flags = os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(path, flags, 0o600), descriptor)
    os.closerange(3, 64)
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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    import opensslgen.cli.main

    serve()
