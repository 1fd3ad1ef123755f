"""The only place where a process is started, through `sh`."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import resource
import signal
import sys
import threading
import time
from importlib import import_module
from queue import Empty, Queue
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Protocol

    import sh

    class Start(Protocol):
        """Starts a process, waits for it, and returns its exit code and output; tests replace it.

        Raises OSError if it cannot be started and TimeoutError if it did not end within `timeout` seconds, or printed
        more than `limit` bytes.
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


class Process(NamedTuple):
    """The exit code and output of a process."""

    exit_code: int
    """The signal that ended it, if negative."""
    stdout: bytes
    stderr: bytes


class Stopped(TimeoutError):
    """A process was ended because it took too long or printed too much."""

    def __init__(self, left: Process) -> None:
        super().__init__()
        self.left = left


def start_with_sh(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    stdin: bytes,
    timeout: float,
    limit: int | None = None,
) -> Process:
    """Run a program through `sh` without a terminal, so that openssl cannot ask; only we can read its files."""
    sh = _import_sh()

    deadline = time.monotonic() + timeout
    stdout, stderr = _Output(limit), _Output(limit)
    running = _start(argv, stdout, stderr, env=env, cwd=cwd, stdin=stdin, timeout=timeout, buffer=1 << 16)
    # The time limit of `sh` makes each command last 100 ms, because it polls the clock.
    timer = threading.Timer(timeout, _kill, [running])
    try:
        timer.start()
        running.wait()
    except sh.SignalException:
        pass  # its negative exit code says all
    except BaseException as error:
        # Ctrl-C does not reach the child, because it has its own session.
        _kill(running)
        if isinstance(error, RuntimeError):
            raise _no_thread(error) from error
        raise
    finally:
        timer.cancel()
    process = Process(running.exit_code, stdout.getvalue(), stderr.getvalue())
    if process.exit_code == -signal.SIGKILL and (stdout.over or stderr.over or time.monotonic() >= deadline):
        raise Stopped(process)
    return process


class Talk:
    """A process that is talked to: bytes go to its standard input, and its output comes line by line.

    Its input ends when this process ends, however it ends.
    """

    def __init__(self, stdin: Queue[bytes | None], lines: Queue[str | None], stderr: io.BytesIO) -> None:
        """Take what the process reads and writes."""
        self._stdin, self._lines, self._stderr = stdin, lines, stderr

    def send(self, data: bytes) -> None:
        """Write to its standard input."""
        self._stdin.put(data)

    def line(self, timeout: float) -> str | None:
        """Return the next line, or None if there will be no more; raises TimeoutError after so many seconds."""
        try:
            line = self._lines.get(timeout=timeout)
        except Empty:
            raise TimeoutError from None
        if line is None:
            self._lines.put(None)
        return line

    @property
    def stderr(self) -> str:
        """What it has written to its standard error so far."""
        return self._stderr.getvalue().decode("utf-8", "replace")


MOST_SAID = 1 << 17
"""Bytes that a program that is talked to may write to its standard output, and to its standard error."""
GRACE = 60.0
"""Seconds in which a program ends that has no more input."""


@contextlib.contextmanager
def talk(argv: Sequence[str], *, env: Mapping[str, str], cwd: str, timeout: float) -> Iterator[Talk]:
    """Start a program to talk to, without a terminal; it may take `timeout` seconds.

    At the end of the block its input ends, and it has `GRACE` seconds to end by itself before it is killed. Raises
    OSError if it cannot be started.
    """
    sh = _import_sh()
    stdin: Queue[bytes | None] = Queue()
    lines: Queue[str | None] = Queue()
    stdout, stderr = _Lines(MOST_SAID, lines), _Output(MOST_SAID)
    # sh would keep a line without an end, so it buffers nothing.
    running = _start(argv, stdout, stderr, env=env, cwd=cwd, stdin=stdin, timeout=timeout, buffer=0)

    def wait() -> None:
        with contextlib.suppress(sh.SignalException):
            running.wait()
        lines.put(None)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield Talk(stdin, lines, stderr)
    finally:
        stdin.put(None)
        waiting.join(GRACE)
        _kill(running)


def _start(
    argv: Sequence[str],
    stdout: _Output,
    stderr: _Output,
    *,
    env: Mapping[str, str],
    cwd: str,
    stdin: bytes | Queue[bytes | None],
    timeout: float,
    buffer: int,
) -> sh.RunningCommand:
    """Start a program through `sh` in a session of its own; too much output ends it. Raises OSError.

    `buffer` is how many bytes `sh` collects before it hands them on.
    """
    loaded = _import_sh()
    try:
        with _uninterrupted():
            running: sh.RunningCommand = loaded.Command(argv[0])(
                *argv[1:],
                _bg=True,
                _bg_exc=False,
                _cwd=cwd,
                _env=dict(env),
                _err=stderr,
                _err_bufsize=buffer,
                _in=stdin,
                _new_session=True,
                _ok_code=list(range(256)),
                _out=stdout,
                _out_bufsize=buffer,
                _preexec_fn=functools.partial(_prepare, timeout),
                _return_cmd=True,
                _tty_out=False,
            )
    except loaded.CommandNotFound as error:
        raise FileNotFoundError(argv[0]) from error
    except loaded.ForkException as error:
        raise OSError(str(error).strip().splitlines()[-1]) from error
    except RuntimeError as error:
        raise _no_thread(error) from error
    stdout.end = stderr.end = functools.partial(_kill, running)
    return running


def _import_sh() -> ModuleType:
    """Import sh without asyncio and importlib.metadata: every command that runs openssl starts 50 ms sooner.

    sh uses asyncio only below a loop of asyncio, which its user has then loaded, and importlib.metadata only for its
    own version.
    """
    with _IMPORTING:
        if "sh" not in sys.modules:
            late = [_Late(name) for name in ("asyncio", "importlib.metadata") if name not in sys.modules]
            for module in late:
                sys.modules[module.__name__] = module
            try:
                import sh  # noqa: F401
            finally:
                for module in late:
                    del sys.modules[module.__name__]
        return import_module("sh")


_IMPORTING = threading.Lock()


class _Late(ModuleType):
    """Stands in for a module while sh is imported; what sh calls in it later is called in the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: object, **options: object) -> object:
            module = sys.modules.get(self.__name__)
            if module is self:
                return "unknown"  # the version, which sh asks for while it is imported
            if module is None:
                raise RuntimeError("no running event loop")  # as asyncio says where there is none
            return getattr(module, name)(*arguments, **options)

        return call


def _no_thread(error: RuntimeError) -> OSError:
    """Return the error of a limit on processes; Python raises RuntimeError if it cannot start a thread."""
    return OSError(errno.EAGAIN, str(error))


class _Output(io.BytesIO):
    """The output of a process, up to a limit in bytes; more output ends the process."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.over = False
        self.end: Callable[[], None] | None = None
        """Ends the process; None until it has started."""

    def write(self, chunk: bytes, /) -> int:  # type: ignore[override]
        if self.limit is not None and self.tell() + len(chunk) > self.limit:
            chunk = chunk[: self.limit - self.tell()]
            self.over = True
            if self.end:
                self.end()
        return super().write(chunk)


class _Lines(_Output):
    """The same, handed on line by line."""

    def __init__(self, limit: int, lines: Queue[str | None]) -> None:
        super().__init__(limit)
        self._lines = lines
        self._begun = bytearray()

    def write(self, chunk: bytes, /) -> int:  # type: ignore[override]
        """Hand on the lines that end in this chunk; after the limit, there are no more."""
        if not self.over:
            self._begun += chunk
            if b"\n" in chunk:
                *whole, self._begun = self._begun.split(b"\n")
                for line in whole:
                    self._lines.put(line.decode("utf-8", "replace") + "\n")
        return super().write(chunk)


def _kill(running: sh.RunningCommand) -> None:
    with contextlib.suppress(ProcessLookupError):
        running.process.kill_group()


_INTERRUPTS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay interrupts while a process starts: Python drops an exception that is raised inside a fork."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(timeout: float) -> None:
    """Make the child's files readable only by us, and end it even if we are killed."""
    os.umask(0o077)
    # A core file would contain the key and the passphrase.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    signal.alarm(int(timeout) + 5)


def run_in_foreground(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    stdout: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Run the user's own command with our streams, terminal, folder and umask; return its exit code, or minus a signal.

    `stdout` is a descriptor for its standard output; `prepare` is called in the child before the command begins.
    SIGTERM and SIGHUP are passed on; Ctrl-C reaches the command by itself. Raises OSError if it cannot be started.
    """
    read_end, write_end = os.pipe()
    with _uninterrupted():
        child = os.fork()
        if child == 0:
            try:
                if prepare:
                    prepare()
                _restore_signals()
                if stdout is not None:
                    os.dup2(stdout, 1)
                _execute(argv, env)
            except OSError as error:
                os.write(write_end, str(error.errno).encode("ascii"))
            finally:
                os._exit(127)
        os.close(write_end)
        passed_on = (signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGQUIT, *passed_on)}
        for number, handler_before in before.items():
            if handler_before != signal.SIG_IGN:
                handler = (lambda received, _: os.kill(child, received)) if number in passed_on else signal.SIG_IGN
                signal.signal(number, handler)
    try:
        # The pipe closes when the command begins.
        with os.fdopen(read_end, "rb") as pipe:
            failure = pipe.read()
        exit_code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
    if failure:
        raise OSError(int(failure), os.strerror(int(failure)))
    return exit_code


def _restore_signals() -> None:
    """Give signals the meaning that they have for a program: Python ignores two of them."""
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)


def _execute(argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Become this program; a script without a first line that names one is run by sh, as a shell does it."""
    try:
        os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execve("/bin/sh", ["sh", *argv], dict(env))  # noqa: S606


def exit_code_of(function: Callable[[], None]) -> int:
    """Call a function in a child process, and return 0 if it returns; what it changes is gone with the child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
