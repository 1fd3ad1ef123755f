"""Several processes that work in parallel, each on one batch at a time.

A pipe leads to each process, without threads and queues: either side notices if the other dies.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from opensslgen.errors import Error

Batch = TypeVar("Batch")
Answer = TypeVar("Answer")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerError(Error):
    """A process ended before it answered."""

    def __init__(self, batch: Any) -> None:
        super().__init__("a worker process has ended too early")
        self.batch = batch


class Workers(Generic[Batch, Answer]):
    """Processes that take batches in turn."""

    def __init__(self, connections: list[Connection]) -> None:
        self._idle = deque(connections)
        self._busy: deque[Connection] = deque()
        self._doing: dict[Connection, Batch] = {}

    def __len__(self) -> int:
        """Return the number of processes that are alive."""
        return len(self._idle) + len(self._busy)

    @property
    def are_busy(self) -> bool:
        """Whether each has a batch, so that an answer must be taken first."""
        return not self._idle

    def give(self, batch: Batch) -> None:
        """Give a batch to an idle process."""
        connection = self._idle.popleft()
        self._busy.append(connection)
        self._doing[connection] = batch
        with suppress(OSError):  # its death shows when its answer is read
            connection.send(batch)

    def take(self) -> Answer:
        """Return the answer to the batch that was given first; raises WorkerError."""
        return self._answer(self._busy.popleft())

    def take_any(self) -> Answer:
        """Return the next answer of any process; raises WorkerError."""
        ready = wait(self._busy)[0]
        self._busy.remove(ready)  # type: ignore[arg-type]
        return self._answer(ready)  # type: ignore[arg-type]

    def _answer(self, connection: Connection) -> Answer:
        batch = self._doing.pop(connection)
        try:
            answer, error = connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerError(batch) from error
        if error is not None:
            raise error
        self._idle.append(connection)
        return answer  # type: ignore[no-any-return]


@contextmanager
def workers(number: int, work: Callable[[Batch], Answer]) -> Iterator[Workers[Batch, Answer]]:
    """Start worker processes, and end them."""
    # A fork costs a tenth of a new interpreter, and is safe with only one thread.
    forks = sys.platform == "linux" and _is_alone()
    context: Any = multiprocessing.get_context("fork" if forks else "spawn")
    connections: list[Connection] = []
    processes = []
    try:
        for _ in range(number):
            ours, theirs = context.Pipe()
            inherited = [*connections, ours] if forks else []
            process = context.Process(target=_labour, args=(theirs, work, inherited), daemon=True)
            try:
                process.start()
            except OSError as error:
                raise Error(f"cannot start a worker process: {error.strerror}") from error
            theirs.close()
            connections.append(ours)
            processes.append(process)
        yield Workers(connections)
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.terminate()
            process.join()


def _is_alone() -> bool:
    """Tell whether this is the only thread, after giving threads that waited for openssl time to end."""
    deadline = time.monotonic() + 0.2
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    return threading.active_count() == 1


def _labour(connection: Connection, work: Callable[[Batch], Answer], inherited: list[Connection]) -> None:
    # Ctrl-C reaches all processes of the group; the first of them ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An exception, so that their child processes end with them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if sys.platform == "linux":
        with suppress(ImportError):  # some Pythons are built without it
            import ctypes

            # The same if the first process is killed: PR_SET_PDEATHSIG of prctl(2).
            ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    for other in inherited:
        other.close()  # otherwise its end would go unnoticed
    while True:
        try:
            batch = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = work(batch), None
        except Exception as error:  # a bug, raised again where the answer is read
            answer = None, error  # type: ignore[assignment]
        try:
            connection.send(answer)
        except OSError:
            return
