"""The only place where a process is started, through `sh`."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sh


@dataclass(frozen=True, slots=True)
class Process:
    """What a finished process left."""

    exit_code: int
    """Negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes


class Stopped(TimeoutError):
    """A process was ended because it took too long or printed too much."""

    def __init__(self, left: Process) -> None:
        """Take what it had printed until then."""
        super().__init__()
        self.left = left


class Start(Protocol):
    """Starts a process, waits for it, and returns what it left; the seam that tests replace.

    Raises OSError if it cannot be started and TimeoutError if it did not end within `timeout` seconds, or printed more
    than `limit` bytes.
    """

    def __call__(  # noqa: D102
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdin: bytes,
        timeout: float,
        limit: int | None = None,
    ) -> Process: ...


def start_with_sh(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    stdin: bytes,
    timeout: float,
    limit: int | None = None,
) -> Process:
    """Run a program through `sh`: no terminal, so that openssl cannot ask and hang; its files readable by us alone."""
    import sh

    deadline = time.monotonic() + timeout
    with _nameless(stdin) as given, _nameless() as stdout, _nameless() as stderr:
        try:
            with _uninterrupted():
                # Files, and no pipes: threads would have to serve them, and openssl writes each dot by itself.
                running = sh.Command(argv[0])(
                    *argv[1:],
                    _bg=True,
                    _bg_exc=False,
                    _cwd=cwd,
                    _env=dict(env),
                    _err=stderr,
                    _in=given,
                    _new_session=True,
                    _ok_code=list(range(256)),
                    _out=stdout,
                    _preexec_fn=functools.partial(_prepare, timeout, limit),
                    _return_cmd=True,
                    _tty_out=False,
                )
        except sh.CommandNotFound as error:
            raise FileNotFoundError(argv[0]) from error
        except sh.ForkException as error:
            raise OSError(str(error).strip().splitlines()[-1]) from error
        except RuntimeError as error:
            raise _no_thread(error) from error
        # The time limit of `sh` looks at the clock only every 100 ms, and so makes each command last that long.
        timer = threading.Timer(timeout, _kill, [running])
        try:
            timer.start()
            running.wait()
        except sh.SignalException:
            pass  # its exit code is negative, which is all that is to be known
        except BaseException as error:
            # Ctrl-C does not reach the child, which has a session of its own.
            _kill(running)
            if isinstance(error, RuntimeError):
                raise _no_thread(error) from error
            raise
        finally:
            timer.cancel()
        printed = _content(stdout), _content(stderr)
    process = Process(running.exit_code, *(content[:limit] for content in printed))
    late = process.exit_code == -signal.SIGKILL and time.monotonic() >= deadline
    if late or (limit is not None and max(map(len, printed)) > limit):
        raise Stopped(process)
    return process


def _nameless(content: bytes = b"") -> BinaryIO:
    """Return a file that has no name, in memory where that can be had, and holds `content`."""
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("openssl"), "w+b", buffering=0)
    else:
        import tempfile

        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _no_thread(error: RuntimeError) -> OSError:
    """Return what a limit on processes is: Python has no exception of its own for a thread that it does not get."""
    return OSError(errno.EAGAIN, str(error))


def _kill(running: sh.RunningCommand) -> None:
    with contextlib.suppress(ProcessLookupError):
        running.process.kill_group()


_INTERRUPTS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold interrupts back while a process is started: Python drops an exception that is raised inside a fork."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(timeout: float, limit: int | None) -> None:
    """Make the files of what is started readable by us alone, and end it even if we are killed before it ends."""
    os.umask(0o077)
    if limit is not None:
        # One byte more tells that there was more. Python ignores the signal that ends a process which writes that.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit + 1, limit + 1))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    # A core file would hold the key, and the passphrase.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    signal.alarm(int(timeout) + 5)
