"""Commands measured beside one another: in turn, several times, with medians, peak memory and ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHECKOUT = str(Path(__file__).parent.parent.parent)
OURS = (sys.executable, "-m", "opensslgen")
NO_ROOTS = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": ""}
"""What spares openssl the loading of the system's roots, which takes longer than most of what it does."""

_MEASURE = """
import resource, subprocess, sys, time
begun = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
taken = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, taken, used.ru_maxrss, used.ru_utime + used.ru_stime)
sys.stderr.buffer.write(done.stderr[-2000:])
"""
"""Runs a command in a process of its own, whose children are that command's alone."""


@dataclass(frozen=True)
class Entry:
    """One way of doing what others do, too."""

    title: str
    command: Sequence[str] | None
    """None: the program is not on this machine."""
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    """Makes ready for a run; its time does not count."""
    number: int | None = None
    """How many it does, if not as many as the others."""


def contest(title: str, entries: Sequence[Entry], *, number: int, runs: int, folder: Path) -> None:
    """Print what each entry takes; the first is ours, and the others are told how many times as long they take.

    All take turns, so that a machine that slows down does so for all.
    """
    print(f"\n{title}")
    times: dict[str, list[float]] = {entry.title: [] for entry in entries}
    peaks: dict[str, float] = {}
    computing: dict[str, list[float]] = {entry.title: [] for entry in entries}
    for _ in range(runs):
        for entry in entries:
            if entry.command is not None:
                entry.before()
                seconds, peaks[entry.title], cpu = measured(entry, folder)
                times[entry.title].append(seconds / (entry.number or number))
                computing[entry.title].append(cpu / (entry.number or number))
    ours, of_cpu = (statistics.median(each[entries[0].title]) for each in (times, computing))
    for entry in entries:
        if entry.command is None:
            print(f"  {entry.title:<58} not installed")
            continue
        each = statistics.median(times[entry.title])
        cpu = statistics.median(computing[entry.title])
        ratio = "" if entry is entries[0] else f"{each / ours:8.2f} x {cpu / of_cpu:8.2f} x CPU"
        rates = f"{1 / each:9.1f}/s {1 / cpu:9.1f}/CPU s"
        print(f"  {entry.title:<58} {_time(each)} {rates} {peaks[entry.title]:7.0f} MiB {ratio}")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:9.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:9.1f} us"


def measured(entry: Entry, folder: Path) -> tuple[float, float, float]:
    """Return the seconds of a command, the MiB of its largest process, and the CPU seconds of all its processes."""
    assert entry.command is not None
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *entry.command],
        cwd=folder,
        env=_environment() | entry.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    code, taken, peak, cpu = done.stdout.split()
    if code != "0":
        sys.exit(f"{entry.title}: exit {code}: {done.stderr}")
    # Linux counts kibibytes, macOS bytes.
    return float(taken), float(peak) / (1024 if sys.platform == "linux" else 1 << 20), float(cpu)


def _environment() -> dict[str, str]:
    """Return the environment of a command of ours, which finds its compiled modules, as when it is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
        "PYTHONPATH": CHECKOUT
    }


def ours(folder: Path, *arguments: str) -> bytes:
    """Run opensslgen in a folder, and return what it prints."""
    done = subprocess.run([*OURS, *arguments], cwd=folder, env=_environment(), check=True, capture_output=True)
    return done.stdout


@cache
def commit() -> str:
    """Return the commit of the checkout, with -dirty if files were changed before figures were added to it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
