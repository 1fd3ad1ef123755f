"""What goes wrong on real machines: full disks, kills, hostile settings. No half file, no open key, nothing lost."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from opensslgen.errors import Error
from opensslgen.files import locks
from opensslgen.x509 import certificate as x509

from .conftest import CHECKOUT, files_below, make_root, make_server, opensslgen
from .daily import daily
from .needs import need, needs
from .soundness import leftovers, unsound

FAST = ("--key-type", "p-256")
FINISHED = {
    "ca.crt": "0o644",
    "index.txt": "0o600",
    "index.txt.attr": "0o600",
    "serial": "0o600",
    "openssl-easyrsa.cnf": "0o600",
    "private/ca.key": "0o600",
    "private/pbx.example.com.key": "0o600",
    "reqs/pbx.example.com.req": "0o644",
    "issued/pbx.example.com.crt": "0o644",
    "issued/pbx.example.com-chain.pem": "0o644",
    "certs_by_serial/SERIAL.pem": "0o600",
    "certs_by_serial/SERIAL.cnf": "0o600",
    "certs_by_serial/SERIAL.sh": "0o600",
}


def finished(pki):
    return {re.sub("[0-9A-F]{16,}", "SERIAL", name): mode for name, mode in files_below(pki).items()}


def assert_private(folder):
    """Nobody else can read a key or look into a folder, neither in the pki folder nor in what a kill has left."""
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir() or b"PRIVATE KEY" in path.read_bytes():
            assert not mode & 0o077, (path, oct(mode))


def test_umask_000_changes_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.umask(0); from opensslgen.cli.main import main; main()"]
        + ["server", "--new-ca", "pbx.example.com", *FAST],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path / "pki") == FINISHED
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    assert_private(tmp_path / "pki")


def test_a_folder_with_spaces_and_non_ascii(tmp_path):
    pki = tmp_path / "Zürich büro $x 'q' #1" / "my pki"
    done = opensslgen("server", "pbx.example.com", *FAST, "--pki", pki)
    assert done.returncode == 0, done.stderr
    assert finished(pki) == FINISHED


def test_a_folder_that_looks_like_an_option(tmp_path):
    done = opensslgen("server", "pbx.example.com", *FAST, "--pki=-noout")
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path / "-noout") == FINISHED


def test_no_home_and_hostile_settings(tmp_path):
    (tmp_path / "hostile.cnf").write_text("openssl_conf = x\n[x]\nengines = y\n[y]\n[[[ garbage $$$\n")
    hostile = {
        name: str(tmp_path / "hostile.cnf")
        for name in ("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SSL_CERT_FILE", "SSL_CERT_DIR", "RANDFILE")
    }
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **hostile}
    done = subprocess.run(
        [sys.executable, "-m", "opensslgen", "server", "--new-ca", "pbx.example.com", *FAST],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path / "pki") == FINISHED


def test_an_existing_name_is_refused_and_nothing_changes(tmp_path):
    opensslgen("server", "pbx.example.com", *FAST)
    before = {path: path.read_bytes() for path in (tmp_path / "pki").rglob("*") if path.is_file()}
    done = opensslgen("server", "pbx.example.com", *FAST)
    assert done.returncode == 1
    assert "pbx.example.com.key" in done.stderr
    assert "--force" in done.stderr
    after = {path: path.read_bytes() for path in (tmp_path / "pki").rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if path.name != ".lock"} == {
        path: data for path, data in before.items() if path.name != ".lock"
    }


def test_force_keeps_the_old_files_beside_the_new(tmp_path):
    opensslgen("server", "pbx.example.com", *FAST)
    pki = tmp_path / "pki"
    old = {name: (pki / name).read_bytes() for name in ("private/pbx.example.com.key", "issued/pbx.example.com.crt")}
    done = opensslgen("server", "pbx.example.com", *FAST, "--force", "--json")
    assert done.returncode == 0, done.stderr
    kept = json.loads(done.stdout)["kept"]
    for name, data in old.items():
        assert (pki / name).read_bytes() != data
        copy = next(path for path in kept if path.startswith(f"pki/{name}.old-"))
        assert (tmp_path / copy).read_bytes() == data
    assert_private(pki)
    assert len((pki / "index.txt").read_text().splitlines()) == 2


def test_what_is_replaced_twice_within_a_second_is_kept_twice(authority):
    forced = dataclasses.replace(authority, force=True)
    keys = {make_server(forced).files["key"].read_bytes() for _ in range(4)}
    kept = {path.read_bytes() for path in authority.store.path.glob("private/pbx.example.com.key*")}
    assert kept == keys
    assert len(kept) == 4


def test_a_read_only_folder_is_named(tmp_path):
    if os.geteuid() == 0:
        need("mount")
        mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(tmp_path)]
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            '"$@" && cd . && exec "$PYTHON" -m opensslgen server --new-ca a.example',
            "sh",
            *mount,
        ]
    else:
        tmp_path.chmod(0o500)
        command = [sys.executable, "-m", "opensslgen", "server", "--new-ca", "a.example"]
    done = subprocess.run(
        [word.replace(" a.example", f" a.example --pki {tmp_path}/pki") for word in command],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHON": sys.executable},
        cwd="/",
        capture_output=True,
        text=True,
    )
    tmp_path.chmod(0o700)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot write to {tmp_path}/pki: ")
    assert "Traceback" not in done.stderr


FULL_DISK = """
mount -t tmpfs -o "$2,mode=700" tmpfs "$1" && cd "$1" || exit 99
head -c "$3" /dev/zero >filler
"$PYTHON" -m opensslgen server --new-ca pbx.example.com --key-type p-256 2>"$4" >/dev/null; echo $?
rm -f filler && mount -o remount,size=4m,nr_inodes=1000 "$1" || exit 97
"$PYTHON" -m opensslgen server --new-ca next.example.com --key-type p-256 >/dev/null || exit 98
find pki -type f ! -name .lock | sort
cut -f6 pki/index.txt
"""
SMALL_DISKS = {f"{free} KiB free": ("size=1m,nr_inodes=1000", 1024 * (1024 - free)) for free in range(0, 80, 8)}
SMALL_DISKS |= {f"{number} files": (f"size=4m,nr_inodes={number}", 0) for number in (2, 3, 4, 6, 9, 14, 19, 22, 26, 31)}


@needs("root", "mount")
@pytest.mark.parametrize("disk", daily(SMALL_DISKS, "0 KiB free"))
def test_a_full_disk_leaves_everything_or_nothing(disk, tmp_path):
    options, filler = SMALL_DISKS[disk]
    """A tmpfs with so much room, or so many inodes; afterwards there is room again, and the next run works."""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL_DISK, "sh", tmp_path / "disk", options, str(filler), tmp_path / "err.txt"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stderr, (tmp_path / "err.txt").read_text())
    code, *lines = done.stdout.splitlines()
    files, index = [line for line in lines if "/" in line[1:]], [line for line in lines if line.startswith("/CN")]
    first = [line for line in files if "pbx.example.com" in line]
    assert len(first) == (4 if code == "0" else 0)
    assert index == (["/CN=pbx.example.com"] if code == "0" else []) + ["/CN=next.example.com"]
    # The root has a copy, too, and no line in the index.
    for suffix in ("pem", "cnf", "sh"):
        copies = [line for line in files if "certs_by_serial" in line and line.endswith(f".{suffix}")]
        assert len(copies) == len(index) + 1
    assert not [line for line in files if ".work" in line]
    if code != "0":
        assert code == "1"
        assert re.fullmatch("Error: .*(pki|openssl).*\n", (tmp_path / "err.txt").read_text())


def started(tmp_path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "server", "--new-ca", "pbx.example.com", *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(kill, tmp_path):
    process = started(tmp_path, "--key-type", "rsa-4096")
    until(lambda: list(tmp_path.glob("pki/.work-*/ca.cnf")))
    process.send_signal(kill)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in stderr
    assert not (tmp_path / "pki").exists()


FIFTY = """
import os, sys, sh
import opensslgen.jobs.perform, opensslgen.api, opensslgen.report.made
from opensslgen.cli import make, run_job
from opensslgen.cli.main import main

for number in range(50):
    if os.fork() == 0:
        sys.argv = ["opensslgen", "server", "--new-ca", f"host{number}.example.com", "--key-type", "p-256", "-q"]
        main()
sys.exit(sum(os.wait()[1] != 0 for _ in range(50)))
"""


@pytest.mark.slow
def test_fifty_at_once_share_one_root_and_one_index(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FIFTY],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    pki = tmp_path / "pki"
    root = x509.load(pki / "ca.crt")
    leaves = [x509.load(path) for path in pki.glob("issued/*.crt")]
    assert len(leaves) == 50
    assert {leaf.issuer.der for leaf in leaves} == {root.subject.der}
    assert len({leaf.serial_number for leaf in leaves}) == 50
    assert len((pki / "index.txt").read_text().splitlines()) == 50
    # Each is in the index, which openssl ca reads, and has its copies; nothing else is there.
    assert leftovers(tmp_path) + unsound(tmp_path, {}) == []
    names = {re.sub("host[0-9]+", "pbx", name) for name in finished(pki)}
    assert names == set(FINISHED)
    assert len(list(pki.glob("certs_by_serial/*"))) == 51 * 3


def test_the_lock_names_its_holder(authority):
    second = authority.store.lock(timeout=0.1)
    with authority.store.lock(), pytest.raises(Error, match=f"in use by process {os.getpid()}"):
        second.__enter__()


def script_lock(pki, holder):
    (pki / ".lock.script").mkdir(parents=True)
    (pki / ".lock.script" / "pid").write_text(holder)


def test_a_scripts_lock_names_its_holder(authority):
    script_lock(authority.store.path, f"{os.getppid()}\n")
    with pytest.raises(Error, match=rf"in use by process {os.getppid()} \(waited 0.1") as refused:
        authority.store.lock(timeout=0.1).__enter__()
    assert refused.value.hint.endswith(".lock.script")
    assert [path.name for path in authority.store.path.iterdir() if path.name != ".lock"] == [".lock.script"]


@pytest.mark.parametrize("holder", [os.getpid, lambda: 4194305, lambda: "9" * 30])
def test_the_lock_of_a_dead_script_is_taken(holder, authority):
    """The first has our number: those of processes come again, and in a container soon."""
    script_lock(authority.store.path, f"{holder()}\n")
    make_root(authority)
    assert leftovers(authority.store.path) == []


def test_a_scripts_lock_that_never_got_its_number_is_taken_in_the_end(authority, monkeypatch):
    """A script was killed when the file was there, and its number not yet in it; an empty folder is taken at once."""
    monkeypatch.setattr(locks, "_UNNAMED", 0.3)
    script_lock(authority.store.path, "")
    started = time.monotonic()
    make_root(authority)
    assert 0.3 < time.monotonic() - started < 20
    (authority.store.path / ".lock.script").mkdir()
    monkeypatch.setattr(locks, "_UNNAMED", 1000)
    make_server(authority)
    assert leftovers(authority.store.path) == []


def test_a_torn_index_line_is_taken_away_before_the_next(authority):
    make_server(authority, "a.example.com")
    index = authority.store.path / "index.txt"
    whole = index.read_text()
    index.write_text(whole + "V\t2901")
    make_server(authority, "b.example.com")
    lines = index.read_text().splitlines()
    assert lines[0] + "\n" == whole
    assert [line.split("\t")[5] for line in lines] == ["/CN=a.example.com", "/CN=b.example.com"]


def test_a_whole_line_that_lacks_only_its_newline_is_kept(authority):
    make_server(authority, "a.example.com")
    index = authority.store.path / "index.txt"
    index.write_text(index.read_text().rstrip("\n"))
    make_server(authority, "b.example.com")
    assert [line.split("\t")[5] for line in index.read_text().splitlines()] == [
        "/CN=a.example.com",
        "/CN=b.example.com",
    ]


def printed_script(tmp_path, name):
    script = opensslgen("server", name, *FAST, "--script").stdout
    (tmp_path / f"{name}.sh").write_text(script)
    return ["sh", str(tmp_path / f"{name}.sh")]


@pytest.mark.slow
def test_scripts_and_program_lock_each_other_out(tmp_path):
    """Each may find the other's root and fail with a word; never is a root replaced or a leaf left without its root."""
    commands = [printed_script(tmp_path, f"s{number}.example.com") for number in range(3)]
    program = [sys.executable, "-m", "opensslgen", "server", "--new-ca"]
    commands += [[*program, f"p{number}.example.com", *FAST, "-q"] for number in range(3)]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    for process in processes:
        process.communicate()
    pki = tmp_path / "pki"
    assert not list(pki.glob("*.old-*"))
    root = x509.load(pki / "ca.crt")
    leaves = [x509.load(path) for path in pki.glob("issued/*.crt")]
    assert leaves
    assert {leaf.authority_key_identifier.key_identifier for leaf in leaves} == {root.subject_key_identifier}
    assert len((pki / "index.txt").read_text().splitlines()) == len(leaves)
    assert [path.name for path in pki.iterdir() if path.name.startswith((".script", ".work", ".lock."))] == []


@pytest.mark.slow
@pytest.mark.parametrize("survivors", range(0, 9, 2))
def test_what_a_killed_script_had_decided_the_next_script_carries_out(survivors, tmp_path):
    """The script dies at one of its links; test_faults has the program come next."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ln").write_text(
        f'#!/bin/sh\necho x >>{tmp_path}/links\n[ "$(wc -l <{tmp_path}/links)" -le {survivors} ] || kill -9 $PPID\n'
        f'exec {shutil.which("ln")} "$@"\n'
    )
    (tmp_path / "bin" / "ln").chmod(0o755)
    script = printed_script(tmp_path, "a.example.com")
    later = printed_script(tmp_path, "b.example.com")
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(script, env=environment, capture_output=True)
    subprocess.run(later, capture_output=True)  # it was to make a root, and finds that there is one
    pki = tmp_path / "pki"
    for name in ("ca.crt", "private/ca.key", "private/a.example.com.key", "issued/a.example.com.crt"):
        assert (pki / name).exists(), name
    assert (pki / "index.txt").read_text().count("/CN=a.example.com\n") == 1
    assert not list(pki.glob(".script.*"))


@pytest.mark.slow
@needs("root", "mount")
def test_a_folder_on_another_file_system_is_named_before_anything_is_decided(tmp_path):
    (tmp_path / "pki" / "private").mkdir(parents=True)
    mount = 'mount -t tmpfs tmpfs "$1/pki/private" && cd "$1" && exec "$PYTHON" -m opensslgen server --new-ca a.example'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", tmp_path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "pki/private is on another file system" in done.stderr
    assert opensslgen("server", "a.example", *FAST).returncode == 0
