"""An index of 100,000 lines: how fast it is listed, and what it costs whoever issues."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from .measure import OURS, Entry, contest, ours

if TYPE_CHECKING:
    from pathlib import Path


def listing(folder: Path, number: int, runs: int) -> None:
    """Show how long a list of so many takes, and openssl's own look at one of them."""
    (folder / "pki").mkdir()
    _write_index(folder / "pki" / "index.txt", number)
    (folder / "pki" / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=pki/index.txt\nserial=pki/serial\n")
    contest(
        f"an index with {number} lines",
        [
            Entry("opensslgen list", (*OURS, "list")),
            Entry("opensslgen list --json", (*OURS, "list", "--json")),
            Entry("opensslgen list --format nagios", ("sh", "-c", f"{' '.join(OURS)} list --format nagios || :")),
            # It exits with 1 whatever it has found.
            Entry("openssl ca -status, one serial number", ("sh", "-c", "openssl ca -config ca.cnf -status 01 || :")),
        ],
        number=1,
        runs=runs,
        folder=folder,
    )


def issuing(folder: Path, number: int, runs: int) -> None:
    """Show what a certificate takes with ten lines in the index and with many, by us and by a printed script."""
    for lines in (10, number):
        place = folder / str(lines)
        place.mkdir()
        ours(place, "root", "--key-type", "p-256")
        _write_index(place / "pki" / "index.txt", lines)
        key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "given.key"]
        subprocess.run(key, cwd=place, check=True)
        (place / "make.sh").write_bytes(ours(place, "server", "pbx.example.com", "--key-type", "p-256", "--script"))
    issue = f"{' '.join(OURS)} server pbx.example.com --key-file given.key --force --quiet"
    for title, command in (
        ("opensslgen server, key given", issue),
        ("its printed script", "rm -f pki/*/pbx.example.com*; sh make.sh"),
    ):
        contest(
            f"one certificate: {title}",
            [Entry(f"{lines} lines in the index", ("sh", "-c", f"cd {lines} && {command}")) for lines in (10, number)],
            number=1,
            runs=max(runs, 9),
            folder=folder,
        )


def _write_index(path: Path, number: int) -> None:
    with path.open("w") as file:
        for serial in range(1, number + 1):
            file.write(f"V\t490226033848Z\t\t{serial:032X}\tunknown\t/CN=host{serial}.example.com\n")
