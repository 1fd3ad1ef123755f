"""What a single command costs, in CPU time beside what it cannot do without, and beside the last figures."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .making import EXTENSIONS, REQUEST, SHELL
from .measure import OURS, Entry, commit, measured, ours

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).with_name("results.tsv")
"""The figures of past runs, the newest last, to compare with."""
COLUMNS = ("machine", "date", "commit", "line", "ms", "beside_ms", "ratio")
SLOWER = 1.1
"""A ratio so many times as high as the last one is marked."""

TWO_COMMANDS = """
set -e
openssl req -new -key given.key -sha256 -config request.cnf -out two.req
openssl x509 -req -in two.req -CA pki/ca.crt -CAkey pki/private/ca.key -sha256 -days 820 \\
    -set_serial 0x0123456789ABCDEF0123456789ABCDEF -extfile v3_req.cnf -extensions v3_req -out two.crt
"""
_CLICK = (sys.executable, "-c", "import click")
_CLICK_AND_SH = (sys.executable, "-c", "import click, sh")
_ISSUE = ("server", "pbx.example.com", "--force", "--quiet")


@dataclass(frozen=True)
class Line:
    """A command of ours, what it is measured beside, and the ratio that it should keep."""

    name: str
    arguments: Sequence[str]
    beside: Sequence[str]
    goal: float
    minus: Sequence[str] = ()
    """A command whose time does not count."""


LINES = (
    Line(
        "server --key-file, minus two openssl commands / import click, sh",
        (*_ISSUE, "--key-file", "given.key"),
        _CLICK_AND_SH,
        1.25,
        minus=("sh", "-c", TWO_COMMANDS),
    ),
    Line("server, new RSA 2048 key / three openssl commands", _ISSUE, ("sh", "-c", SHELL), 1.6),
    Line("audit FILE / import click", ("audit", "alone.crt"), _CLICK, 1.4),
    Line("list, 20 certificates / import click", ("list", "--pki", "twenty"), _CLICK, 1.6),
    Line("--help / import click", ("--help",), _CLICK, 1.2),
    Line(
        "renew --within 30, none of 1000 due / list",
        ("renew", "--within", "30", "--pki", "many"),
        (*OURS, "list", "--pki", "many"),
        1.2,
    ),
)


def single(folder: Path, runs: int, *, record: bool) -> None:
    """Print the table, and with `record` add its figures to RESULTS."""
    _prepare(folder)
    taken: dict[str, tuple[list[float], list[float]]] = {line.name: ([], []) for line in LINES}
    for _ in range(runs):
        for line in LINES:  # in turn, so that a machine that slows down does so for all
            mine = _cpu((*OURS, *line.arguments), folder) - (_cpu(line.minus, folder) if line.minus else 0)
            taken[line.name][0].append(mine)
            taken[line.name][1].append(_cpu(line.beside, folder))
    machine = f"{platform.machine()} {os.cpu_count()} cores, Python {platform.python_version()}"
    last = {row["line"]: row for row in _rows() if row["machine"] == machine}
    print(f"\none command, CPU time, medians of {runs} runs; last: {RESULTS.name}, on such a machine")
    print(f"  {'':<66}{'ms':>7}{'beside':>8}{'ratio':>7}{'goal':>7}{'last':>7}")
    new = []
    for line in LINES:
        mine, beside = (statistics.median(each) * 1000 for each in taken[line.name])
        ratio = mine / beside
        before = last.get(line.name)
        mark = "  slower" if before and ratio > SLOWER * float(before["ratio"]) else ""
        missed = "  missed" if ratio > line.goal else ""
        print(
            f"  {line.name:<66}{mine:7.0f}{beside:8.0f}{ratio:7.2f}{line.goal:7.2f}"
            f"{before['ratio'] if before else '-':>7}{missed}{mark}"
        )
        new.append((machine, str(date.today()), commit(), line.name, f"{mine:.0f}", f"{beside:.0f}", f"{ratio:.2f}"))
    if record:
        with RESULTS.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows(new)


def _rows() -> list[dict[str, str]]:
    with RESULTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _cpu(command: Sequence[str], folder: Path) -> float:
    return measured(Entry(" ".join(command)[:40], command), folder)[2]


def _prepare(folder: Path) -> None:
    (folder / "request.cnf").write_text(REQUEST)
    (folder / "v3_req.cnf").write_text(EXTENSIONS)
    ours(folder, "root")
    subprocess.run(["openssl", "genrsa", "-out", "given.key", "2048"], cwd=folder, check=True, capture_output=True)
    for pki, number in (("twenty", 20), ("many", 1000)):
        ours(folder, "root", "--key-type", "p-256", "--pki", pki)
        (folder / "sites.csv").write_text("name\n" + "".join(f"pbx{row}.example.com\n" for row in range(number)))
        ours(folder, "batch", "sites.csv", "--key-type", "p-256", "--quiet", "--pki", pki)
    shutil.copy(folder / "twenty" / "issued" / "pbx0.example.com.crt", folder / "alone.crt")
