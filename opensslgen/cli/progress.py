"""A progress bar on the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


class Bar:
    """A progress bar for long runs; without a terminal, it shows nothing."""

    _WIDTH = 30
    _PAUSE = 0.1
    """Seconds between two drawings."""

    def __init__(self, *, rate: bool = False) -> None:
        """With `rate`, also show how many are done per second, and how much time is left."""
        self._rate = rate
        self._total = self._done = 0
        self._begun = self._due = float("inf")
        self._drawn = False

    def begin(self, total: Callable[[], int]) -> None:
        """Show the bar if there is a terminal, but not for a run of less than half a second."""
        if sys.stderr.isatty():
            self._total = total()
            self._begun = time.monotonic()
            self._due = self._begun + 5 * self._PAUSE

    def advance(self, by: int) -> None:
        """Count things that are done."""
        self._done += by
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._PAUSE
        share = min(1.0, self._done / max(self._total, 1))
        bar = "#" * int(share * self._WIDTH)
        sys.stderr.write(f"\r  [{bar:-<{self._WIDTH}}] {share:4.0%}{self._pace(now) if self._rate else ''}\x1b[K")
        sys.stderr.flush()
        self._drawn = True

    def _pace(self, now: float) -> str:
        rate = self._done / (now - self._begun)
        left = int((self._total - self._done) / rate) if rate else 0
        return f"  {rate:.1f}/s, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"

    def clear(self) -> None:
        """Remove the bar, so that something can be written in its place."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
