"""Jobs that run while their page can be reloaded or closed."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.errors import Error
    from opensslgen.jobs.perform import JobResult

_AT_ONCE = 4
"""Jobs that run at the same time; others wait."""


@dataclass(kw_only=True)
class Work:
    """One job that runs."""

    begun: float = field(default_factory=time.monotonic)
    commands: list[str] = field(default_factory=list)
    """The commands so far, the running one last."""
    made: list[JobResult | Error] = field(default_factory=list)
    """What each job of it has made, or why it failed; empty before the end, or if `fault` is set."""
    fault: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds(self) -> int:
        """How long it has been running."""
        return int(time.monotonic() - self.begun)


class Workers:
    """Run jobs in threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._threads: set[threading.Thread] = set()

    def start(self, make: Callable[[Callable[[str], None]], list[JobResult | Error]]) -> Work:
        """Run a function that takes what gets each command, and return its work."""
        work = Work()

        def run() -> None:
            with self._slots:
                try:
                    work.made = make(work.commands.append)
                except Exception as error:
                    work.fault = error
                finally:
                    work.ended.set()
            self._threads.discard(thread)

        # A second signal ends the process at once, and so does not wait for it.
        thread = threading.Thread(target=run, daemon=True)
        self._threads.add(thread)
        thread.start()
        return work

    def finish(self, seconds: float) -> None:
        """Wait for all of them, at most so many seconds."""
        end = time.monotonic() + seconds
        for thread in tuple(self._threads):
            thread.join(max(0.0, end - time.monotonic()))


def workers() -> Workers:
    """Return those of the form."""
    found = current_app.extensions["opensslgen.workers"]
    assert isinstance(found, Workers)
    return found
