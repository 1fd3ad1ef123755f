"""How much there is of it: lines of Python and shell, and how long the tests take, beside the last figures."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .measure import CHECKOUT, commit

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS = Path(__file__).with_name("weight.tsv")
"""The figures of past commits, the newest last."""
_LINES = {
    "lines of Python, opensslgen/": ("opensslgen", "*.py"),
    "lines of Python, tests/": ("tests", "*.py"),
    "lines of shell, templates/": ("templates", "*.sh"),
}
QUICK, WHOLE = "quick suite, seconds", "whole suite, seconds"


def table(suites: Mapping[str, int | None], *, record: bool) -> None:
    """Print the lines of the checkout, and the seconds of the `suites` that were just measured, else the last ones.

    With `record`, add to RESULTS what was counted or measured now.
    """
    new = {what: _lines(*where) for what, where in _LINES.items()}
    new |= {what: seconds for what, seconds in suites.items() if seconds is not None}
    with RESULTS.open(encoding="utf-8", newline="") as file:
        last = {row["figure"]: row for row in csv.DictReader(file, delimiter="\t")}
    print(f"\nlines, and seconds of the tests; last: {RESULTS.name}")
    print(f"  {'':<36}{'now':>10}{'last':>10}")
    for what in (*_LINES, QUICK, WHOLE):
        row = last.get(what)
        before = f"{row['value']:>10}  {row['commit']}, {row['date']}" if row else f"{'-':>10}"
        print(f"  {what:<36}{new.get(what, '-'):>10}{before}")
    if record:
        rows = [(str(date.today()), commit(), what, value) for what, value in new.items()]
        with RESULTS.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def _lines(folder: str, names: str) -> int:
    """Return how many lines the files below a folder of the checkout have together."""
    return sum(path.read_bytes().count(b"\n") for path in Path(CHECKOUT, folder).rglob(names))
