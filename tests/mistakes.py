"""A folder for mistakes: what stands in it, and what the command line answers there.

`mistakes.tsv` has a line for each mistake: what was typed, the exit code, and the first line of the answer. To add one,
add a line. They are typed in the folder that `prepare` makes, and none changes anything there.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from click.testing import CliRunner
from cryptography import x509

from opensslgen.cli.main import cli

from .conftest import CHECKOUT, make_root, make_server, no_secret
from .signing_requests import asking, written

PASSPHRASE = "correct horse"


class Mistake(NamedTuple):
    typed: str
    exit_code: int
    answer: str


def mistakes() -> list[Mistake]:
    lines = (CHECKOUT / "tests" / "mistakes.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [Mistake(typed, int(code), answer) for typed, code, answer in rows]


def prepare(folder: Path, openssl) -> None:
    """Make a pki folder with a CA and two certificates, others with something missing, and files of all kinds."""
    from opensslgen.jobs.perform import Authority
    from opensslgen.pki.store import Store

    authority = Authority(Store(folder / "pki"), openssl, no_secret)
    make_root(authority, common_name="Example CA")
    make_server(authority, "pbx.example.com", san=["10.0.0.5"])
    make_server(authority, "fax.example.com", san=["10.0.0.6"])
    shutil.copytree(folder / "pki", folder / "lost")
    (folder / "lost" / "ca.crt").unlink()
    shutil.copytree(folder / "pki", folder / "again")
    (folder / "again" / "private" / "pbx.example.com.p12").write_bytes(b"the old one")
    shutil.copytree(folder / "pki", folder / "keyless")
    (folder / "keyless" / "private" / "ca.key").unlink()
    shutil.copytree(folder / "pki", folder / "damaged")
    with (folder / "damaged" / "index.txt").open("a") as index:
        index.write("V\n")
    shutil.copytree(folder / "pki", folder / "within" / "pki")
    locked = Authority(Store(folder / "locked"), openssl, lambda _: PASSPHRASE)
    make_root(locked, common_name="Locked CA", encrypted=True)
    make_server(locked, "pbx.example.com")
    (folder / "empty").mkdir()
    written(asking(x509.DNSName("box.example.com")), path=folder / "box.req")
    shutil.copy(folder / "pki" / "issued" / "pbx.example.com.crt", folder / "server.crt")
    shutil.copy(folder / "pki" / "private" / "pbx.example.com.key", folder / "server.key")
    shutil.copy(folder / "locked" / "private" / "ca.key", folder / "locked.key")
    shutil.copy(folder / "locked" / "ca.crt", folder / "locked.crt")
    for name, text in {
        "wrong": "not this one\n",
        "short": "abc\n",
        "password": "battery staple\n",
        "notes.txt": "milk, eggs\n",
        "sites.csv": "name,san\nnew.example.com,10.0.0.7\n",
        "bad.csv": "name,sans\nnew.example.com,10.0.0.7\n",
        "nameless.csv": "host,san\nnew.example.com,10.0.0.7\n",
        "faulty.csv": "name,days\nnew.example.com,2555\nDNS:10.0.0.5,\n",
        "sites.xlsx": "PK\3\4",
        "slip.cnf": "[ v3_req ]\nbasicConstraints = CA:FALSE\n",
        "own.cnf": "[ v3_req ]\nnsComment = $$ENV::HOME\n",
    }.items():
        (folder / name).write_text(text)
    (folder / "empty.crt").write_bytes(b"")


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of each file, but for the locks."""
    paths = (path for path in sorted(folder.rglob("*")) if path.name != ".lock")
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths if path.is_file()}


def answer(typed: str) -> tuple[int, str]:
    """Type a command in this process; return its exit code, and its message or else the first line of its output."""
    done = CliRunner().invoke(cli, shlex.split(typed), prog_name="opensslgen")
    assert not done.exception or isinstance(done.exception, SystemExit), done.exception
    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    messages = [line for line in lines if line.startswith(("Error: ", "Note: ", "Warning: "))]
    first, *more = messages or lines or [""]
    if first.endswith(": cannot be read") and more:
        first = f"{first}: {more[0].strip()}"  # `audit` has the reason in the next line
    return done.exit_code, re.sub(r"\d{4}-\d\d-\d\d", "DATE", first)
