"""How many requests a second the controller of a fleet signs: `python -m tests.benchmarks.fleet`."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen import keys
from opensslgen.authority import Authority
from opensslgen.fleet.sign import sign_all
from opensslgen.jobs import root_job
from opensslgen.openssl import find
from opensslgen.orders import root_order
from opensslgen.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

FLEET = 10_000
ROOTS = ("p-256", "rsa-2048", "rsa-4096")
SIGN = """
set -e
for request; do
    openssl x509 -req -in "$request" -CA pki/ca.crt -CAkey pki/private/ca.key -sha256 -days 820 \\
        -set_serial 0x$(openssl rand -hex 16) -extfile v3_req.cnf -extensions v3_req -out "$request.crt"
    openssl verify -CAfile pki/ca.crt "$request.crt"
done
"""
EXTENSIONS = """[ v3_req ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectAltName = DNS:pbx.example.com
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
extendedKeyUsage = serverAuth,clientAuth
"""


def fleet_benchmark(number: int = 200, runs: int = 3) -> None:
    """Print how fast requests with P-256 keys are signed, by root, and how fast what is signed is seen to be."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"signing {number} requests of a fleet, medians of {runs} runs, {cores} cores")
    print(f"{'':<50} {'per s':>7} {f'{FLEET} hosts':>13} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        batch = _requests(folder, number)
        for root in ROOTS:
            rates = [_rates(root, batch, folder) for _ in range(runs)]
            ours, again, shell = map(statistics.median, zip(*rates, strict=True))
            _row(f"opensslgen.fleet.sign, root {root}", ours, shell)
            _row(f"openssl x509 -req and verify in sh, root {root}", shell, shell)
            _row(f"opensslgen.fleet.sign, all signed, root {root}", again, None)


def _rates(root: str, batch: list[dict[str, object]], folder: Path) -> tuple[float, float, float]:
    """Return requests per second: signed by us, found to be signed, and signed by the plain commands."""
    order = root_order(common_name="Benchmark root", key_type=keys.key_type(root))
    store = Store(folder / "pki")
    Authority(store, find(), str).make(lambda: root_job(order, store=store))
    first, again = (len(batch) / _seconds(lambda: _sign(batch, folder)) for _ in range(2))
    shell = len(batch) / _seconds(lambda: _shell(folder, len(batch)))
    shutil.rmtree(store.path)
    return first, again, shell


def _requests(folder: Path, number: int) -> list[dict[str, object]]:
    """Make one key, and a request by it for each host."""
    _run("openssl ecparam -name prime256v1 -genkey -noout -out key.pem", folder)
    (folder / "v3_req.cnf").write_text(EXTENSIONS)
    batch: list[dict[str, object]] = []
    for index in range(number):
        host = f"pbx{index}.example.com"
        _run(f"openssl req -new -key key.pem -subj /CN={host} -out {index}.req", folder)
        order = {"name": host, "key_type": "p-256"}
        batch.append({"order": order, "request": (folder / f"{index}.req").read_text()})
    return batch


def _sign(batch: list[dict[str, object]], folder: Path) -> None:
    faults = [signed.why for signed in sign_all(batch, pki=folder / "pki") if signed.failed]
    assert not faults, faults[0]


def _shell(folder: Path, number: int) -> None:
    requests = [f"{index}.req" for index in range(number)]
    subprocess.run(["sh", "-c", SIGN, "sh", *requests], cwd=folder, capture_output=True, check=True)


def _run(command: str, folder: Path) -> None:
    subprocess.run(command.split(), cwd=folder, capture_output=True, check=True)


def _seconds(do: Callable[[], None]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def _row(title: str, rate: float, beside: float | None) -> None:
    minutes = FLEET / rate / 60
    print(f"{title:<50} {rate:7.0f} {minutes:9.1f} min {f'{rate / beside:6.2f}' if beside else ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="requests (default 200)")
    fleet_benchmark(parser.parse_args().number)
