"""What `opensslgen run`, and the wrapper that `script wrapper` prints, add to each call of openssl."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from .measure import CHECKOUT, OURS, ours

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CALLS = """
import subprocess, sys, time
with open(sys.argv[1], "w") as times:
    for _ in range(int(sys.argv[2])):
        begun = time.perf_counter()
        subprocess.run(sys.argv[3:], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        print(time.perf_counter() - begun, file=times)
"""
"""Makes so many calls one after the other, and writes how many seconds each takes."""

_ROUNDS = 5
_EXTENSIONS = "basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n"


def overhead(folder: Path, number: int) -> None:
    """Print the median of a call without a wrapper, within `opensslgen run`, and with the printed wrapper."""
    (folder / "server.ext").write_text(_EXTENSIONS)
    for name, more in ("ca", ["-x509", "-days", "400"]), ("server", []):
        out = ["-out", f"{name}.crt" if more else f"{name}.csr"]
        subject = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", f"/CN={name}.example.com"]
        command = ["openssl", "req", *more, *subject, "-nodes", "-keyout", f"{name}.key", *out]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "openssl").write_bytes(ours(folder, "script", "wrapper"))
    (folder / "bin" / "openssl").chmod(0o755)
    sign = "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -set_serial 1 -days 30 -extfile server.ext"
    for command in ("openssl version", f"{sign} -sha256 -out server.crt"):
        print(f"\n{number} calls, one after the other: {command.split(' -in')[0]}")
        before = os.environ["PATH"]
        ways: list[tuple[str, Sequence[str], str]] = [
            ("without a wrapper", [], before),
            ("within opensslgen run", [*OURS, "run", "--"], before),
            ("with the wrapper of script wrapper", [], f"{folder / 'bin'}{os.pathsep}{before}"),
        ]
        seconds: list[list[float]] = [[], [], []]
        # In turn, so that a machine that slows down does so for all.
        for _ in range(_ROUNDS):
            for taken, (_, way, path) in zip(seconds, ways, strict=True):
                taken.extend(_taken(folder, number // _ROUNDS, way, path, command.split()))
        medians = [statistics.median(taken) for taken in seconds]
        for (title, _, _), median in zip(ways, medians, strict=True):
            print(f"  {title:<58} {median * 1000:9.1f} ms {(median - medians[0]) * 1000:+9.1f} ms")


def _taken(folder: Path, number: int, way: Sequence[str], path: str, command: Sequence[str]) -> list[float]:
    """Return how many seconds each of so many calls takes."""
    environment = {**os.environ, "PYTHONPATH": CHECKOUT, "PATH": path}
    times = folder / "times"
    times.unlink(missing_ok=True)
    program = shutil.which(sys.executable) or sys.executable
    done = subprocess.run(
        [*way, program, "-c", _CALLS, times, str(number), *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
    )
    seconds = [float(line) for line in times.read_text().split()] if times.exists() else []
    assert len(seconds) == number, done.stderr
    return seconds
