"""What opensslgen costs, beside what people use today, in one run: `python -m tests.benchmarks`.

Prints medians of several runs and ratios. It judges nothing: machines differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from . import auditing, index, making, one, signing, weight, wrapping

if TYPE_CHECKING:
    from collections.abc import Callable

    Part = Callable[[Path, argparse.Namespace], None]


def _single(folder: Path, given: argparse.Namespace) -> None:
    one.single(folder, max(given.runs, 9), record=given.record)
    weight.table({weight.QUICK: given.quick, weight.WHOLE: given.whole}, record=given.record)


PARTS: dict[str, Part] = {
    "single": _single,
    "ec": lambda folder, given: making.many_ec(folder, given.number, given.runs),
    "rsa": lambda folder, given: making.many_rsa(folder, given.number, given.runs),
    "sign": lambda folder, given: signing.requests(folder, given.requests, given.runs),
    "audit": lambda folder, given: auditing.certificates(folder, given.certificates, given.runs),
    "list": lambda folder, given: index.listing(folder, given.lines, given.runs),
    "issue": lambda folder, given: index.issuing(folder, given.lines, given.runs),
    "wrapper": lambda folder, given: wrapping.overhead(folder, given.number),
    "memory": lambda folder, given: making.memory(folder, (given.rows // 10, given.rows)),
}


def main() -> None:
    """Run the parts that are named, or all, and print their table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command (default 3; 9 for single ones)")
    parser.add_argument(
        "--number", type=int, default=200, help="certificates of a batch, or calls of a wrapper (default 200)"
    )
    parser.add_argument("--requests", type=int, default=1000, help="requests to sign (default 1000)")
    parser.add_argument("--certificates", type=int, default=10_000, help="certificates to audit (default 10000)")
    parser.add_argument("--lines", type=int, default=100_000, help="lines of the index (default 100000)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the largest batch (default 100000)")
    parser.add_argument("--quick", type=int, metavar="SECONDS", help="what the quick tests just took, for `single`")
    parser.add_argument("--whole", type=int, metavar="SECONDS", help="what all tests just took, for `single`")
    parser.add_argument(
        "--record", action="store_true", help="add the figures of `single` to results.tsv and weight.tsv"
    )
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split(" (")[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {openssl.strip()}")
    print(f"medians of {given.runs} runs or more: time of one, how many in a second, largest process, and how many")
    print("times as long as the first line of its part it takes")
    for name in given.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder), given)


if __name__ == "__main__":
    main()
