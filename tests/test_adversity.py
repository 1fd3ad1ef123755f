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

from opensslgen import certificate as x509
from opensslgen.errors import Error

from .conftest import CHECKOUT, files_below, make_root, make_server, opensslgen

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
        [sys.executable, "-c", "import os; os.umask(0); from opensslgen.cli import main; main()"]
        + ["server", "pbx.example.com", *FAST],
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
        [sys.executable, "-m", "opensslgen", "server", "pbx.example.com", *FAST],
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
        mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(tmp_path)]
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            '"$@" && cd . && exec "$PYTHON" -m opensslgen server a.example',
            "sh",
            *mount,
        ]
    else:
        tmp_path.chmod(0o500)
        command = [sys.executable, "-m", "opensslgen", "server", "a.example"]
    done = subprocess.run(
        [word.replace("server a.example", f"server a.example --pki {tmp_path}/pki") for word in command],
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
mount -t tmpfs -o size=1m,mode=700 tmpfs "$1" || exit 99
cd "$1" || exit 99
free=$2
if [ "$free" -lt 1024 ]; then head -c $((1048576 - free * 1024)) /dev/zero >filler; fi
"$PYTHON" -m opensslgen server pbx.example.com --key-type p-256 >out.txt 2>"$3"; echo $?
rm -f filler out.txt
"$PYTHON" -m opensslgen server next.example.com --key-type p-256 >/dev/null || exit 98
find pki -type f ! -name .lock | sort
cut -f6 pki/index.txt
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
@pytest.mark.parametrize("free", [0, 4, 8, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 64])
def test_a_full_disk_leaves_everything_or_nothing(free, tmp_path):
    """A tmpfs with so many KiB free; afterwards there is room again, and the next run works."""
    (tmp_path / "disk").mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL_DISK, "sh", tmp_path / "disk", str(free), tmp_path / "err.txt"],
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
        assert (tmp_path / "err.txt").read_text().startswith("Error: ")


def started(tmp_path, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "server", "pbx.example.com", *arguments],
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


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_after_sigkill_the_next_run_cleans_up(delay, tmp_path):
    process = started(tmp_path, "--key-type", "rsa-2048")
    until(lambda: list(tmp_path.glob("pki/.work-*")) or process.poll() is not None)
    time.sleep(delay)
    process.kill()
    process.communicate()
    if (tmp_path / "pki").exists():
        assert_private(tmp_path / "pki")
        assert set(finished(tmp_path / "pki")) - set(FINISHED) <= {
            name for name in finished(tmp_path / "pki") if name.startswith((".work-", ".lock.script/"))
        }
    done = opensslgen("server", "next.example.com", *FAST)
    assert done.returncode == 0, done.stderr
    assert not [path for path in (tmp_path / "pki").iterdir() if path.name.startswith(".work-")]
    recorded = (tmp_path / "pki" / "index.txt").read_text().count("\n")
    # The root has a copy, too, and no line in the index.
    assert recorded + 1 == len(list((tmp_path / "pki" / "certs_by_serial").glob("*.pem")))


def test_twenty_at_once_share_one_root(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "opensslgen", "server", f"host{number}.example.com", *FAST, "-q"],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        for number in range(20)
    ]
    answers = [process.communicate()[1] for process in processes]
    assert [answer for answer, process in zip(answers, processes, strict=True) if process.returncode] == []
    pki = tmp_path / "pki"
    root = x509.load(pki / "ca.crt")
    leaves = [x509.load(path) for path in pki.glob("issued/*.crt")]
    assert len(leaves) == 20
    assert {leaf.issuer.der for leaf in leaves} == {root.subject.der}
    assert len({leaf.serial_number for leaf in leaves}) == 20
    assert len((pki / "index.txt").read_text().splitlines()) == 20
    assert [path for path in pki.iterdir() if path.name.startswith(".work")] == []


def test_the_lock_names_its_holder(authority):
    second = authority.store.locked(timeout=0.1)
    with authority.store.locked(), pytest.raises(Error, match=f"in use by process {os.getpid()}"):
        second.__enter__()


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


def test_scripts_and_program_lock_each_other_out(tmp_path):
    """Each may find the other's root and fail with a word; never is a root replaced or a leaf left without its root."""
    commands = [printed_script(tmp_path, f"s{number}.example.com") for number in range(3)]
    program = [sys.executable, "-m", "opensslgen", "server"]
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


@pytest.mark.parametrize("survivors", range(9))
@pytest.mark.parametrize("finisher", ["program", "script"])
def test_what_a_killed_script_had_decided_is_carried_out(finisher, survivors, tmp_path):
    """The script dies at each of its links, and whoever comes next finishes what it had decided."""
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
    if finisher == "program":
        assert opensslgen("server", "b.example.com", *FAST).returncode == 0
    else:
        subprocess.run(later, capture_output=True)  # it was to make a root, and finds that there is one
    pki = tmp_path / "pki"
    for name in ("ca.crt", "private/ca.key", "private/a.example.com.key", "issued/a.example.com.crt"):
        assert (pki / name).exists(), name
    assert (pki / "index.txt").read_text().count("/CN=a.example.com\n") == 1
    assert not list(pki.glob(".script.*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount another file system")
def test_a_folder_on_another_file_system_is_named_before_anything_is_decided(tmp_path):
    (tmp_path / "pki" / "private").mkdir(parents=True)
    mount = 'mount -t tmpfs tmpfs "$1/pki/private" && cd "$1" && exec "$PYTHON" -m opensslgen server a.example'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", tmp_path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "pki/private is on another file system" in done.stderr
    assert opensslgen("server", "a.example", *FAST).returncode == 0


def test_what_was_decided_before_a_kill_is_carried_out_after_it(authority, monkeypatch):
    """The decision is there, the process dies; the next run finishes, at whichever step it died."""
    make_root(authority)
    real = os.rename
    for survivors in range(8):
        name = f"host{survivors}.example.com"
        renames = []

        def dying(source, target, *, survivors=survivors, renames=renames):
            renames.append(target)
            if len(renames) > survivors + 1:
                raise KeyboardInterrupt
            real(source, target)

        monkeypatch.setattr(os, "rename", dying)
        try:
            make_server(authority, name)
        except KeyboardInterrupt:
            pass
        finally:
            monkeypatch.setattr(os, "rename", real)
        with authority.store.locked():
            pass
        for file in (f"private/{name}.key", f"issued/{name}.crt", f"issued/{name}-chain.pem", f"reqs/{name}.req"):
            assert (authority.store.path / file).exists(), (survivors, file)
        assert (authority.store.path / "index.txt").read_text().count(f"/CN={name}\n") == 1
    assert [path for path in authority.store.path.iterdir() if path.name.startswith(".work")] == []
