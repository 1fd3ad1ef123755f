"""Folders and processes on busy machines: several runs at once, other readers, junk, no descriptors, Ctrl-C."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opensslgen.errors import Error
from opensslgen.jobs.issue import leaf_job
from opensslgen.orders.order import leaf_order

from .conftest import CHECKOUT, EC, make_root, opensslgen
from .daily import daily
from .shells import EACH_SHELL, SHELLS

FAST = ("--key-type", "p-256")
KEY = "pki/private/a.example.com.key"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assert opensslgen("server", "a.example.com", *FAST, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--keep-key",)], ids=["new key", "old key"])
def test_several_renewals_at_once_all_succeed(folder, options):
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: opensslgen("renew", "a.example.com", *options), range(8)))
    assert [each.returncode for each in done] == [0] * 8, [each.stderr for each in done]


def test_an_error_that_another_run_has_caused_is_not_the_answer(authority):
    make_root(authority)
    tries = []

    def prepare():
        tries.append(1)
        if len(tries) == 1:
            raise Error("the request is of another key than the certificate")
        return leaf_job(leaf_order("a.example.com", key_type=EC), store=authority.store, root=None, fixed_days=False)

    assert authority.make(prepare).certificate


def shared(path, mode=0o640):
    """Let a group read a file, as a web server's does; only root can give it to one."""
    if os.geteuid() == 0:
        os.chown(path, 0, 33)
    path.chmod(mode)
    return attributes(path)


def attributes(path):
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


@pytest.mark.parametrize("command", ["renew a.example.com", "server a.example.com --key-type p-256 --force"])
def test_a_replaced_file_keeps_mode_owner_and_group(folder, command):
    before = {name: shared(folder / name) for name in (KEY, "pki/issued/a.example.com.crt")}
    done = opensslgen(*command.split())
    assert done.returncode == 0, done.stderr
    assert {name: attributes(folder / name) for name in before} == before
    assert "is open to its group, as the file was that it replaces (mode 0640)" in done.stderr
    assert stat.S_IMODE((folder / "pki/private/ca.key").stat().st_mode) == 0o600


def test_a_new_file_is_private_as_ever(folder):
    assert attributes(folder / KEY)[2] == 0o600


def test_an_exported_file_keeps_mode_owner_and_group(folder):
    assert opensslgen("export", "a.example.com", "--for", "nginx", "--out", "out/").returncode == 0
    keys = [path for path in (folder / "out").iterdir() if b"PRIVATE KEY" in path.read_bytes()]
    before = {path: shared(path) for path in keys}
    assert before
    assert opensslgen("renew", "a.example.com").returncode == 0
    done = opensslgen("export", "a.example.com", "--for", "nginx", "--out", "out/", "--force")
    assert done.returncode == 0, done.stderr
    assert {path: attributes(path) for path in keys} == before


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_file_that_a_script_replaces_keeps_mode_owner_and_group(folder, shell):
    before = shared(folder / KEY)
    Path("renew.sh").write_text(opensslgen("renew", "a.example.com", "--script").stdout)
    done = subprocess.run([*SHELLS[shell], "renew.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert attributes(folder / KEY) == before


JUNK = {
    "empty": "",
    "a word": "junk",
    "a list": "[]",
    "a number for a list": '{"moves": 3, "index": []}',
    "a list for a name": '{"moves": [["a", [1]]], "index": []}',
    "a NUL byte": '{"moves": [["a\\u0000b", "c"]], "index": []}',
    "half a character": '{"moves": [["\\ud800", "c"]], "index": []}',
    "no name": '{"moves": [["", "c"]], "index": []}',
    "a line without fields": '{"moves": [], "index": ["x"]}',
    "a line without its end": '{"moves": [], "index": ["V\\t1\\t\\t2\\tunknown\\t/CN=a"]}',
    "two lines in one": '{"moves": [], "index": ["V\\t1\\t\\t2\\tunknown\\t/CN=a\\nV\\n"]}',
    "half a character in a line": '{"moves": [], "index": ["\\ud800"]}',
    "deep": "[" * 100_000,
    "a way out": '{"moves": [["a", "../b"]], "index": []}',
    "a folder in the way": '{"moves": [["a", "issued"]], "index": []}',
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_a_decision_that_is_junk_is_one_clear_error(folder, junk):
    index = (folder / "pki/index.txt").read_bytes()
    work = folder / "pki/.work-0"
    work.mkdir()
    (work / "a").write_text("a")
    (work / "decision.json").write_bytes(junk if isinstance(junk, bytes) else junk.encode())
    done = opensslgen("crl")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert done.stderr.startswith("Error: ")
    assert (folder / "pki/index.txt").read_bytes() == index


@pytest.mark.parametrize(
    ("decided", "line"),
    [(b"\xff\n", None), (b"a b c\n", b"x"), (b"a\0 b c\n", None), (b"a b c\n", b"\xff"), (b"a issued c over\n", None)],
)
def test_the_decision_of_a_script_that_is_junk_is_one_clear_error(folder, decided, line):
    work = folder / "pki/.script.0"
    work.mkdir()
    (work / "a").write_text("a")
    (work / "decided").write_bytes(decided)
    if line is not None:
        (work / "line").write_bytes(line)
    done = opensslgen("crl")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert done.stderr.startswith("Error: ")


@pytest.mark.parametrize("limit", daily(range(4, 16), 4, 9, 14))
def test_without_free_file_descriptors_there_is_one_clear_error(folder, limit):
    done = subprocess.run(
        [sys.executable, "-m", "opensslgen", "crl"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    if done.returncode:
        assert "Error: " in done.stderr
        assert "opensslgen" not in done.stderr.partition("Traceback")[2], done.stderr


@pytest.mark.slow
def test_ctrl_c_at_any_time_leaves_no_traceback(folder):
    for moment in range(4, 60, 2):
        running = subprocess.Popen(
            [sys.executable, "-m", "opensslgen", "server", "b.example.com", *FAST],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(moment / 100)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate()
        # Python itself begins before any line of ours.
        assert "Traceback" not in said or f"{CHECKOUT}/opensslgen/" not in said, said
        (folder / "pki/issued/b.example.com.crt").exists() and opensslgen("revoke", "b.example.com", "--yes")


def test_a_batch_without_a_temporary_folder_is_one_clear_error(folder):
    (folder / "sites.csv").write_text("name\nb.example.com\n")
    program = "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']; "
    program += "from opensslgen.cli.main import main; main()"
    words = [sys.executable, "-c", program, "batch", "sites.csv"]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "Error: no folder for temporary files can be written")


def test_a_batch_without_ctypes_works(folder):
    (folder / "sites.csv").write_text("name\nb.example.com\n")
    program = "import sys; sys.modules['ctypes'] = None; from opensslgen.cli.main import main; main()"
    words = [sys.executable, "-c", program, "batch", "sites.csv", *FAST]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault_and_no_file_takes_their_numbers(closed, tmp_path):
    program = f"{sys.executable} -m opensslgen"
    commands = (
        f"{program} server a.example.com --new-ca --key-type p-256 {closed}",
        f"{program} audit pki {closed}",
        f"{program} list {closed}",
    )
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, command
        assert "Traceback" not in done.stderr
    for path in tmp_path.glob("pki/private/*.key"):
        lines = path.read_text().splitlines()
        assert (lines[0], lines[-1]) == ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")
