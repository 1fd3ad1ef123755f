"""What opensslgen costs, beside what people use today, in one run: `python -m tests.benchmarks`.

Prints medians of several runs and ratios. It judges nothing: machines differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .audit import audit_benchmark
from .fleet import fleet_benchmark
from .index import index_benchmark, issuing_benchmark

if TYPE_CHECKING:
    from collections.abc import Callable

# The three commands of the shell workflow; $KEY is empty or names a key that is there already.
SHELL = """
set -e
mkdir -p "$1"; cd "$1"
openssl req -new ${KEY:--newkey rsa:2048 -nodes -keyout server.key} -sha256 -config ../request.cnf -out server.req
openssl x509 -req -in server.req -CA ../pki/ca.crt -CAkey ../pki/private/ca.key -sha256 -days 820 \\
    -set_serial 0x$(openssl rand -hex 16) -extfile ../v3_req.cnf -extensions v3_req -out server.crt
openssl verify -CAfile ../pki/ca.crt server.crt
"""
REQUEST = "[ req ]\nprompt = no\ndistinguished_name = subject\n[ subject ]\nCN = pbx.example.com\n"
EXTENSIONS = """[ v3_req ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,keyEncipherment
subjectAltName = DNS:pbx.example.com
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
extendedKeyUsage = serverAuth,clientAuth
"""


def main() -> None:
    """Run all comparisons and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (default 15)")
    runs = parser.parse_args().runs
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split(" (")[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {openssl.strip()}")
    print(f"medians of {runs} runs, in ms\n")
    with tempfile.TemporaryDirectory() as folder:
        single_certificate(Path(folder), runs)
    print()
    audit_benchmark()
    print()
    index_benchmark()
    print()
    issuing_benchmark()
    print()
    fleet_benchmark()


def single_certificate(folder: Path, runs: int) -> None:
    """Show one server certificate by opensslgen and by the shell workflow, and the bare imports."""
    (folder / "request.cnf").write_text(REQUEST)
    (folder / "v3_req.cnf").write_text(EXTENSIONS)
    ours = [sys.executable, "-m", "opensslgen"]
    _run([*ours, "root"], folder, {})
    _run(["openssl", "genrsa", "-out", "given.key", "2048"], folder, {})
    quick = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": ""}
    given = {"KEY": "-key ../given.key"}
    rows: dict[str, Callable[[], None]] = {
        "python -c 'import click, sh'": lambda: _run([sys.executable, "-c", "import click, sh"], folder, {}),
        "opensslgen server, key given": lambda: _ours(folder, [*ours, "server", "--key-file", "given.key"]),
        "shell script, key given": lambda: _shell(folder, given),
        "shell script, key given, no system roots": lambda: _shell(folder, given | quick),
        "opensslgen server, new RSA 2048 key": lambda: _ours(folder, [*ours, "server"]),
        "shell script, new RSA 2048 key": lambda: _shell(folder, {}),
        "shell script, new RSA 2048 key, no system roots": lambda: _shell(folder, quick),
    }
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(runs):  # in turn, so that a machine that slows down does so for all
        for name, run in rows.items():
            begun = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - begun) * 1000)
    medians = {name: statistics.median(values) for name, values in times.items()}
    bare, *_ = medians.values()
    for name, median in medians.items():
        print(f"{name:<50} {median:8.1f}")
    print()
    for key in ("key given", "new RSA 2048 key"):
        ours_ms = medians[f"opensslgen server, {key}"]
        for roots in ("", ", no system roots"):
            added = ours_ms - medians[f"shell script, {key}{roots}"]
            print(f"added to the shell script, {key}{roots}: {added:.0f} ms = {added / bare:.2f} x the bare import")


def _ours(folder: Path, command: list[str]) -> None:
    _run([*command, "pbx.example.com", "--force", "--quiet"], folder, {})


def _shell(folder: Path, environment: dict[str, str]) -> None:
    _run(["sh", "-c", SHELL, "sh", "shell"], folder, environment)
    shutil.rmtree(folder / "shell")


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    checkout = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": checkout, **environment}, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode()}")


if __name__ == "__main__":
    main()
