"""What one audited thing may cost, so that a small hostile file takes neither hours nor gigabytes."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NoReturn

from .errors import UnreadableError

MOST_SECONDS = 10.0
"""Seconds of CPU, with those of the openssl commands."""
MOST_MEMORY = 256
"""MiB, for this process and for each openssl command."""
MOST_CERTIFICATES = 10_000
"""Certificates and requests that are decoded."""
MOST_FINDINGS = 1000
"""Findings on one certificate or config."""
MOST_PRINTED = 4 << 20
"""Characters of one verdict."""

_LEAST_GROWTH = 128
"""MiB that may be added in a process that needed more than half of MOST_MEMORY before."""
_MEMORY_EVERY = 64
"""How often the time is checked for each check of the memory, which takes longer."""


class CostlyError(UnreadableError):
    """Something takes more than its budget."""


class Reserve:
    """The seconds of CPU that the files of a folder share; without it, each has a twentieth of what it may take alone.

    So an honest file is judged whatever the others cost, and a folder costs in proportion to its number of files.
    """

    def __init__(self, seconds: float = MOST_SECONDS) -> None:
        """Take what one file alone may take."""
        self.seconds = self.left = seconds
        self.each = seconds / 20


class Budget:
    """What is left for one thing; it is charged for what is done inside `running`, which may be entered again."""

    def __init__(self, seconds: float = MOST_SECONDS, *, reserve: Reserve | None = None) -> None:
        """Take the seconds of CPU, and where they come from if other things share them."""
        self.seconds = seconds
        self.reserve = reserve
        self._drawn = 0.0
        """Seconds taken from the reserve."""
        self.spent = 0.0
        """Seconds before the current `running`, and of openssl commands."""
        self.certificates = 0
        self.over: CostlyError | None = None
        """What was used up first; some callers leave out what cannot be read."""
        self._checks = 0
        self._since = 0.0
        self._most_memory = 0.0
        """MiB that this process may have; 0: not known yet."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Charge this budget for the work of this thread inside the `with` block."""
        self._since = time.thread_time()
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self.spent += time.thread_time() - self._since
            if self.reserve:
                # Half of its share is kept for its signatures, which are verified last.
                drawn = max(self._drawn, self.spent - self.reserve.each / 2)
                self.reserve.left -= drawn - self._drawn
                self._drawn = drawn

    @property
    def left(self) -> float:
        """The seconds that are left inside `running`; may be negative."""
        seconds = self.seconds
        if self.reserve:
            seconds = min(seconds, self.reserve.each + self._drawn + max(0.0, self.reserve.left))
        return seconds - self.spent - (time.thread_time() - self._since)

    def check(self) -> None:
        """Raise CostlyError if more time or memory was used than allowed."""
        if self.left < 0:
            self.refuse_time()
        self._checks += 1
        if self._checks % _MEMORY_EVERY == 0:
            used = _memory_used()
            self._most_memory = self._most_memory or max(MOST_MEMORY, used + _LEAST_GROWTH)
            if used > self._most_memory:
                self.refuse_memory()

    def count_certificate(self) -> None:
        """Count a certificate that is decoded; raises CostlyError as `check`, and if there are too many."""
        self.certificates += 1
        if self.certificates > MOST_CERTIFICATES:
            self._refuse(CostlyError(f"more than {MOST_CERTIFICATES} certificates"))
        self.check()

    def refuse_time(self) -> NoReturn:
        """Raise CostlyError, because the time is used up."""
        spent = self.spent + time.thread_time() - self._since
        if self.reserve and spent < self.seconds:
            shared = f"and nothing is left of the {self.reserve.seconds:g} s that the files of a folder share"
            self._refuse(CostlyError(f"more than {self.reserve.each:g} s of CPU, {shared}; audit it alone"))
        self._refuse(CostlyError(f"more than {self.seconds:g} s of CPU"))

    def refuse_memory(self) -> NoReturn:
        """Raise CostlyError, because the memory is used up."""
        self._refuse(CostlyError(f"more than {MOST_MEMORY} MiB of memory"))

    def _refuse(self, error: CostlyError) -> NoReturn:
        self.over = self.over or error
        raise error


_current: ContextVar[Budget | None] = ContextVar("budget", default=None)
"""The budget of what is being judged; None where nothing is limited."""


def current() -> Budget | None:
    """Return the budget that is charged now; None if there is none."""
    return _current.get()


def check() -> None:
    """Raise CostlyError if the budget, if any, is used up; long work calls it again and again."""
    budget = _current.get()
    if budget is not None:
        budget.check()


def count_certificate() -> None:
    """Count a certificate that is decoded; raises CostlyError if the budget, if any, is used up."""
    budget = _current.get()
    if budget is not None:
        budget.count_certificate()


def whole_seconds(budget: Budget) -> int:
    """Return the time that is left, as a limit for a process: in whole seconds, and at least one."""
    return max(1, math.ceil(budget.left))


def _memory_used() -> float:
    """Return the MiB that this process has in memory; where the system does not say, the most it ever had."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - as fast as possible
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / (1 << 20)
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (1 << 20) if sys.platform == "darwin" else most / 1024
