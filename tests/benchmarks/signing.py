"""Requests that a controller signs for a fleet, beside the plain commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from .making import EXTENSIONS
from .measure import NO_ROOTS, Entry, contest, cores, ours

if TYPE_CHECKING:
    from pathlib import Path

LOOP = """
set -e
i=0
while [ $i -lt "$1" ]; do
    openssl x509 -req -in $i.req -CA pki/ca.crt -CAkey pki/private/ca.key -sha256 -days 820 \\
        -set_serial 0x0123456789ABCDEF01234567$((10000000 + i)) -extfile v3_req.cnf -extensions v3_req -out $i.crt
    openssl verify -CAfile pki/ca.crt $i.crt
    i=$((i + 1))
done
"""
SIGN = """
import json, pathlib, sys
from opensslgen.fleet.sign_requests import sign_all
answers = sign_all(json.load(open("requests.json")), pki=pathlib.Path("fresh"))
faults = [signed.why for signed in answers if signed.failed]
sys.exit(faults[0] if faults else 0)
"""
ROOTS = ("p-256", "rsa-2048", "rsa-4096")


def requests(folder: Path, number: int, runs: int) -> None:
    """Show requests with P-256 keys signed by roots of several kinds, and what is signed found to be so."""
    _make(folder, number)
    for root in ROOTS:
        shutil.rmtree(folder / "pki", ignore_errors=True)
        ours(folder, "root", "--key-type", root)

        def before() -> None:
            shutil.rmtree(folder / "fresh", ignore_errors=True)
            shutil.copytree(folder / "pki", folder / "fresh")

        loop = ("sh", "-c", LOOP, "sh", str(number))
        contest(
            f"{number} requests signed below a root with {root}, {cores()} cores",
            [
                Entry("opensslgen.fleet, all checks on", (sys.executable, "-c", SIGN), before=before),
                Entry("sh, openssl x509 -req and verify", loop),
                Entry("the same without system roots", loop, NO_ROOTS),
                Entry("opensslgen.fleet, all signed already", (sys.executable, "-c", SIGN)),
            ],
            number=number,
            runs=runs,
            folder=folder,
        )


def _make(folder: Path, number: int) -> None:
    """Make one key, and a request by it for each host."""
    key = "openssl ecparam -name prime256v1 -genkey -noout -out key.pem"
    subprocess.run(key.split(), cwd=folder, check=True)
    (folder / "v3_req.cnf").write_text(EXTENSIONS)
    made = []
    for index in range(number):
        host = f"pbx{index}.example.com"
        command = f"openssl req -new -key key.pem -subj /CN={host} -out {index}.req"
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        made.append({"order": {"name": host, "key_type": "p-256"}, "request": (folder / f"{index}.req").read_text()})
    (folder / "requests.json").write_text(json.dumps(made))
