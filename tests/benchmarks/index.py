"""How fast an index of 100,000 lines is read, listed and added to: `python -m tests.benchmarks.index`."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen import index

from .audit import make_certificates

if TYPE_CHECKING:
    from collections.abc import Callable

LIST = "import sys; from opensslgen.cli.browse import list_; list_(sys.argv[1:])"


def index_benchmark(number: int = 100_000, copies: int = 5_000) -> None:
    """Print seconds and peak memory for reading an index, for listing it, and for openssl's own look into it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "index.txt"
        _write_index(path, number, state="V")
        print(f"index.txt with {number} lines ({path.stat().st_size >> 20} MiB)")
        begin = time.perf_counter()
        count = sum(1 for _ in index.read(path))
        print(f"{'index.read':<60} {time.perf_counter() - begin:>7.2f} s  ({count} entries)")
        _row("opensslgen list, no copies by serial", ["list", "--pki", name])
        _row("opensslgen list --json, no copies by serial", ["list", "--pki", name, "--json"])
        _row("opensslgen list --within 30", ["list", "--pki", name, "--within", "30"])
        _row("opensslgen list --format nagios", ["list", "--pki", name, "--format", "nagios"])
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={path}\nserial={folder}/serial\n")
        _run("openssl ca -status, one serial number", ["openssl", "ca", "-config", f"{name}/ca.cnf", "-status", "01"])
        _write_index(path, number, state="R")
        _row("opensslgen list, all of them revoked", ["list", "--pki", name])
        (folder / "certs_by_serial").mkdir()
        _with_copies(folder, copies)
        _row(f"opensslgen list, {copies} certificates that are read", ["list", "--pki", name])


def issuing_benchmark(number: int = 100_000, runs: int = 15) -> None:
    """Print how long a certificate takes with ten lines in the index and with many, by us and by a printed script."""
    with tempfile.TemporaryDirectory() as name:
        folders = {lines: Path(name) / str(lines) for lines in (10, number)}
        for lines, folder in folders.items():
            folder.mkdir()
            _opensslgen(folder, "root", "--key-type", "p-256")
            _write_index(folder / "pki" / "index.txt", lines, state="V")
            key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "given.key"]
            subprocess.run(key, cwd=folder, check=True)
            script = _opensslgen(folder, "server", "pbx.example.com", "--key-type", "p-256", "--script")
            (folder / "make.sh").write_bytes(script)
        _issuing_row("opensslgen server, key given", folders, _issue, runs)
        _issuing_row("its printed script", folders, _issue_by_script, runs)


def _issuing_row(what: str, folders: dict[int, Path], issue: Callable[[Path], None], runs: int) -> None:
    times: dict[int, list[float]] = {lines: [] for lines in folders}
    for _ in range(runs):  # in turn, so that a machine that slows down does so for both
        for lines, folder in folders.items():
            begin = time.perf_counter()
            issue(folder)
            times[lines].append((time.perf_counter() - begin) * 1000)
    few, many = (statistics.median(each) for each in times.values())
    print(
        f"{what:<50} {few:>8.1f} ms  {many:>8.1f} ms  {many / few:.2f} x  with {' and '.join(map(str, folders))} lines"
    )


def _opensslgen(folder: Path, *arguments: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    command = [sys.executable, "-m", "opensslgen", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout


def _issue(folder: Path) -> None:
    _opensslgen(folder, "server", "pbx.example.com", "--key-file", "given.key", "--force", "--quiet")


def _issue_by_script(folder: Path) -> None:
    for path in (folder / "pki").glob("*/pbx.example.com*"):
        path.unlink()
    subprocess.run(["sh", "make.sh"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _write_index(path: Path, number: int, *, state: str) -> None:
    revocation = "260101000000Z,superseded" if state == "R" else ""
    with path.open("w") as file:
        for serial in range(1, number + 1):
            file.write(f"{state}\t490226033848Z\t{revocation}\t{serial:032X}\tunknown\t/CN=host{serial}.example.com\n")


def _with_copies(folder: Path, number: int) -> None:
    """Make the index one of certificates that are there."""
    from opensslgen.certificate import load

    make_certificates(folder / "made", number)
    with (folder / "index.txt").open("w") as file:
        for path in sorted((folder / "made").iterdir()):
            certificate = load(path)
            path.rename(folder / "certs_by_serial" / f"{certificate.serial_hex}.pem")
            end = f"{certificate.not_after:%y%m%d%H%M%SZ}"
            file.write(f"V\t{end}\t\t{certificate.serial_hex}\tunknown\t/CN={path.stem}\n")


def _row(what: str, arguments: list[str]) -> None:
    _run(what, [sys.executable, "-c", LIST, *arguments[1:]])


def _run(what: str, command: list[str]) -> None:
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    # In KiB on Linux, in bytes on macOS.
    memory = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)
    print(f"{what:<60} {seconds:>7.2f} s  {memory:>6.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.index", description=__doc__)
    parser.add_argument("--number", type=int, default=100_000, help="lines (default 100000)")
    parser.add_argument("--copies", type=int, default=5_000, help="certificates that are read (default 5000)")
    given = parser.parse_args()
    index_benchmark(given.number, given.copies)
    print()
    issuing_benchmark(given.number)
