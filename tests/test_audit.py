"""Targets of every kind, in their order, with one exit code; nothing hangs, and nothing unreadable is called good."""

from __future__ import annotations

import errno
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import FEW, audit
from opensslgen.batch import workers
from opensslgen.cli.main import cli
from opensslgen.errors import Error, UnreadableError
from opensslgen.files.read import pieces
from opensslgen.openssl.command import find
from opensslgen.rules.profiles import RULES, rules_of

from .conftest import CHECKOUT, make_server, opensslgen
from .corpus.writing import GOOD, pem
from .needs import need
from .servers import issue

CONFIG = "[ req ]\nx509_extensions = v3\n[ v3 ]\nsubjectAltName = DNS:a.example.com\n"
SCRIPT = "#!/bin/sh\nopenssl req -x509 -newkey rsa:1024 -days 3000 -out a.crt\n"


@pytest.fixture(scope="module")
def good():
    return issue("pbx.example.com").pem


@pytest.fixture(scope="module")
def bad():
    return issue("pbx.example.com", days=(-1, 900)).pem


def settings(**options):
    return Settings(rules=rules_of(["apple"]), at=datetime.now(timezone.utc), openssl=find, **{"jobs": 2} | options)


def audited(*targets, **options):
    return list(audit(list(map(str, targets)), settings(**options)))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return path


# --- folders


def test_a_folder_is_read_by_content_in_sorted_order(tmp_path, good, bad):
    folder = tmp_path / "folder"
    write(folder / "b" / "x.txt", good)
    write(folder / "a.jpg", bad)
    write(folder / "c.md", "# just a text\n")
    write(folder / "d.bin", bytes(range(256)) * 10)
    write(folder / "e", CONFIG)
    write(folder / "f", SCRIPT)
    write(folder / "g.pem", "")
    write(folder / "h.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    results = audited(folder)
    assert [(os.path.relpath(result.target, folder), result.kind) for result in results] == [
        ("a.jpg", "certificate"),
        ("b/x.txt", "certificate"),
        ("e", "config"),
        ("f", "script"),
        ("h.crl", "crl"),
    ]


def test_what_is_damaged_in_a_folder_is_unreadable_and_the_others_are_judged(tmp_path, good):
    write(tmp_path / "folder" / "a.pem", good.replace("\nMII", "\n!!!", 1))
    write(tmp_path / "folder" / "b.pem", good)
    first, second = audited(tmp_path / "folder")
    assert first.unreadable
    assert second.unreadable is None


def test_what_may_not_be_read_is_unreadable(tmp_path, good):
    write(tmp_path / "folder" / "a.pem", good).chmod(0)
    write(tmp_path / "folder" / "b" / "c.pem", good)
    (tmp_path / "folder" / "b").chmod(0)
    # Root may read everything, unless it gives that up.
    humbly = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*humbly, sys.executable, "-m", "opensslgen", "audit", tmp_path / "folder", "--json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert [bool(result["unreadable"]) for result in json.loads(done.stdout)["results"]] == [True, True]


def test_pipes_sockets_and_circles_in_a_folder_are_left_alone(tmp_path, good):
    folder = tmp_path / "folder"
    write(folder / "z.pem", good)
    os.mkfifo(folder / "pipe.pem")
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "self.pem").symlink_to(folder / "self.pem")
    (folder / "dangling.pem").symlink_to(folder / "nowhere")
    (folder / "zero.pem").symlink_to("/dev/zero")
    (folder / "link.pem").symlink_to(folder / "z.pem")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # the path of a socket must be short
        server.bind("socket.pem")
        results = audited(folder)
    assert [Path(result.target).name for result in results] == ["link.pem", "z.pem"]


# --- files by name


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "pipe", "self", "missing.pem", "text.txt", "empty"])
def test_a_target_that_is_nothing_to_judge_is_unreadable_at_once(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    write(tmp_path / "text.txt", "text\n")
    write(tmp_path / "empty", "")
    begun = time.monotonic()
    (result,) = audited(tmp_path / name)
    assert result.unreadable
    assert time.monotonic() - begun < 5


def test_no_more_than_the_limit_is_read(tmp_path, good):
    path = write(tmp_path / "a.pem", good)
    size = len(good)
    assert audited(path, limit=size)[0].unreadable is None
    assert "larger" in audited(path, limit=size - 1)[0].unreadable
    with (tmp_path / "huge").open("wb") as huge:
        huge.write(good.encode())
        huge.truncate(1 << 34)
    assert "larger" in audited(tmp_path / "huge")[0].unreadable
    assert "without the end" in audited(tmp_path / "huge", each=True)[-1].unreadable


def test_with_each_the_limit_is_of_a_block(tmp_path, good):
    path = write(tmp_path / "bundle.pem", good * 200)
    assert len(audited(path, each=True, limit=len(good))) == 200
    results = audited(path, each=True, limit=len(good) - 1)
    assert [result.unreadable is None for result in results] == [False]


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_however_it_is_read_a_bundle_is_cut_at_its_blocks(good, size, end):
    text = f"before{end}" + (good + "between\n").replace("\n", end) * 3 + "after"
    data = text.encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    cut = list(pieces(chunks, limit=len(good) * 2))
    assert b"".join(piece for _, piece in cut) == data
    assert len(cut) == 4
    assert all(piece.count(b"BEGIN") == 1 for _, piece in cut[:3])
    assert [line for line, _ in cut] == [1 + data[: data.index(piece)].count(b"\n") for _, piece in cut[:1]] + [
        1 + sum(piece.count(b"\n") for _, piece in cut[:index]) for index in range(1, 4)
    ]


def test_an_endless_block_is_given_up_at_the_limit():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1 << 16
            yield b"A" * (1 << 16)

    with pytest.raises(UnreadableError):
        list(pieces(endless(), limit=1 << 20))
    assert taken <= 2 << 20


# --- many


@pytest.mark.slow
def test_many_files_are_judged_by_several_processes_in_order(tmp_path, good, bad):
    for index in range(FEW + 200):
        write(tmp_path / "folder" / f"{index:04}.pem", bad if index % 7 == 0 else good)
    write(tmp_path / "folder" / "0100.cnf", CONFIG)  # needs openssl, and so the first process
    results = audited(tmp_path / "folder")
    alone = audited(tmp_path / "folder", jobs=1)
    assert [(result.target, result.kind, result.findings) for result in results] == [
        (result.target, result.kind, result.findings) for result in alone
    ]
    assert len(results) == FEW + 201


def test_a_large_bundle_is_shared_out_in_order(tmp_path, good, bad):
    broken = good.replace("\nMII", "\n!!!", 1)
    path = write(tmp_path / "bundle.pem", (good * 3 + bad + broken) * 200)
    results = audited(path, each=True)
    assert [(result.line, bool(result.findings), bool(result.unreadable)) for result in results] == [
        (result.line, bool(result.findings), bool(result.unreadable)) for result in audited(path, each=True, jobs=1)
    ]
    assert len(results) == 1000
    assert sum(bool(result.unreadable) for result in results) == 200


def double(batch):
    if batch == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return batch * 2


def test_a_process_that_dies_is_noticed():
    with workers.workers(2, double) as crew:
        crew.give("a")
        crew.give("die")
        assert crew.take() == "aa"
        with pytest.raises(Error, match="ended too early"):
            crew.take()


def test_a_bug_in_a_process_is_raised_here():
    with workers.workers(1, double) as crew:
        crew.give(None)
        with pytest.raises(TypeError):
            crew.take()


def test_a_process_that_cannot_be_had_is_an_error(monkeypatch):
    def refused():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    with pytest.raises(Error, match="Resource temporarily unavailable"), workers.workers(2, double):
        pass


@pytest.mark.slow
def test_no_process_outlives_a_run_that_is_killed(tmp_path, good):
    path = write(tmp_path / "bundle.pem", good * 20000)
    running = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "audit", "--each", "--jobs", "2", path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    running.stdout.read(1)
    running.kill()
    running.wait()
    running.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(running.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("processes are left")


def peak_memory(*arguments):
    """Return the memory in MiB of the largest process of a run."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    argv = [sys.executable, "-c", code, sys.executable, "-m", "opensslgen", "audit", *arguments]
    done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, check=True)
    return int(done.stdout) / (1024 if sys.platform == "linux" else 1 << 20)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_certificates(tmp_path, good):
    small = write(tmp_path / "small.pem", good * 1000)
    large = write(tmp_path / "large.pem", good * 10000)
    assert peak_memory("--each", large) < peak_memory("--each", small) + 8


# --- the command line


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli, ["audit", *map(str, arguments)], input=stdin)


def test_results_stand_in_the_order_of_the_targets(tmp_path, good, bad):
    write(tmp_path / "folder" / "a.pem", good)
    second = write(tmp_path / "b.pem", bad)
    done = run(second, tmp_path / "folder", "-", second, "--json", stdin=good)
    targets = [result["target"] for result in json.loads(done.stdout)["results"]]
    assert targets == [str(second), str(tmp_path / "folder" / "a.pem"), "-", str(second)]


def test_unreadable_wins_over_a_violation_which_wins_over_good(tmp_path, good, bad):
    fine, wrong = write(tmp_path / "good.pem", good), write(tmp_path / "bad.pem", bad)
    missing = tmp_path / "missing.pem"
    assert run(fine).exit_code == 0
    assert run(fine, wrong).exit_code == 1
    assert run(missing, wrong, fine).exit_code == 2
    assert "complies" in run(missing, wrong, fine).stdout
    assert run(fine, "--within", "300").exit_code == 1
    assert run(fine, "--within", "200").exit_code == 0
    assert run(wrong, "--allow", "apple-validity").exit_code == 0
    assert run(wrong, *(option for rule in RULES for option in ("--allow", rule))).exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--allow", "no-such-rule"],
        ["--profile", "no-such-profile"],
        ["--profile", "apple,nothing"],
        ["--at", "yesterday"],
        ["--at", "2026-02-30"],
        ["--at", "2026-02-01T00:00:00"],
        ["--at", "0001-01-01T00:00:00+23:00"],
        ["--within", "-1"],
        ["--format", "xml"],
        ["--limit", "0"],
        ["--warning", "3"],
        ["pbx.example.com:99999"],
    ],
)
def test_what_is_not_known_is_a_usage_error(tmp_path, good, options):
    done = run(write(tmp_path / "good.pem", good), *options)
    assert done.exit_code == 2
    assert done.stdout == ""


@pytest.mark.slow
def test_an_authority_is_judged_as_such_unless_a_profile_is_named(authority):
    made = make_server(authority)
    folder = authority.store.path
    assert opensslgen("audit", folder).returncode == 0
    assert opensslgen("audit", made.files["root"], "--profile", "apple").returncode == 1
    # What a client could take for a server is held to what is asked of servers, whatever it says of itself.
    own = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-subj", "/CN=pbx.example"]
    names = ["-addext", "subjectAltName=DNS:pbx.example", "-days", "800", "-out", "own.pem"]
    subprocess.run([*own, *names], check=True, capture_output=True)
    done = opensslgen("audit", "own.pem")
    assert done.returncode == 1
    assert "[leaf-is-ca]" in done.stdout


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-02-01", "2026-02-01T00:00:00Z"),
        ("2026-02-01T12:30:00Z", "2026-02-01T12:30:00Z"),
        ("2026-02-01t12:30:00.25z", "2026-02-01T12:30:00Z"),
        ("2026-02-01T00:30:00+02:00", "2026-01-31T22:30:00Z"),
    ],
)
def test_the_time_of_judgement(tmp_path, good, at, said):
    done = run(write(tmp_path / "good.pem", good), "--at", at, "--json")
    assert json.loads(done.stdout)["at"] == said


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("pbx.example.com", 0, "complies"),
        ("PBX.example.com", 0, "complies"),
        ("other.example.com", 1, "it is not valid for DNS:other.example.com"),
        ("192.0.2.99", 1, "it is not valid for IP:192.0.2.99"),
        ("https://pbx.example.com/", 2, "write pbx.example.com"),
        ("", 2, "empty"),
    ],
)
def test_a_certificate_in_a_file_has_to_be_valid_for_the_name_that_is_given(tmp_path, name, code, said):
    (tmp_path / "server.crt").write_text(pem(GOOD))
    done = opensslgen("audit", "--at", "2026-02-01", "--servername", name, tmp_path / "server.crt")
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


def test_standard_input_of_each_kind(tmp_path, good, bad):
    done = run("-", "--each", "--json", stdin=good + bad)
    assert [result["verdict"] for result in json.loads(done.stdout)["results"]] == ["complies", "violates"]
    assert run("-", stdin="").exit_code == 2
    assert run("-", "--each", stdin="").exit_code == 2
    assert run("-", "--each", stdin="text").exit_code == 2
    assert json.loads(run("-", "--json", stdin=CONFIG).stdout)["results"][0]["kind"] == "config"
    assert json.loads(run("-", "--json", "--each", stdin=SCRIPT).stdout)["results"][0]["kind"] == "script"
    assert run("-", "--limit", "1000", stdin="A" * 2000).exit_code == 2


def test_a_path_that_exists_goes_before_a_server(tmp_path, good):
    os.chdir(tmp_path)
    write(tmp_path / "localhost:1", good)
    assert json.loads(run("localhost:1", "--json").stdout)["results"][0]["kind"] == "certificate"
    (tmp_path / "localhost:1").unlink()
    done = run("127.0.0.1:1", "--json", "--timeout", "2")
    assert json.loads(done.stdout)["results"][0]["kind"] == "server"
    assert done.exit_code == 2


def test_the_password_comes_from_a_file_the_environment_or_not_at_all(tmp_path, monkeypatch):
    path = CHECKOUT / "tests" / "certificates" / "p12-compatible.p12"
    secret = write(tmp_path / "password", "bell pepper\r\nnot this\n")
    at = ("--at", "2026-02-01")
    assert run(path, *at, "--password-file", secret).exit_code == 0
    assert run(path, *at, "--password-file", tmp_path / "none").exit_code == 2
    done = run(path, *at)
    assert done.exit_code == 2
    assert "OPENSSLGEN_P12_PASSWORD" in done.stdout
    monkeypatch.setenv("OPENSSLGEN_P12_PASSWORD", "bell pepper")
    assert run(path, *at).exit_code == 0


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    (tmp_path / "folder").mkdir()
    done = run(tmp_path / "folder")
    assert (done.exit_code, done.stdout) == (0, "nothing found to check\n")


def test_quiet_shows_only_what_does_not_comply(tmp_path, good, bad):
    fine, wrong = write(tmp_path / "good.pem", good), write(tmp_path / "bad.pem", bad)
    assert run(fine, "-q").stdout == ""
    shown = run(fine, wrong, "-q").stdout
    assert "good.pem" not in shown
    assert "bad.pem" in shown


@pytest.mark.slow
def test_a_bar_is_drawn_on_a_terminal_only(tmp_path, good):
    path = write(tmp_path / "bundle.pem", good * 10000)
    assert opensslgen("audit", "--each", path).stderr == ""
    need("terminals")
    primary, secondary = pty.openpty()
    opensslgen("audit", "--each", path, capture_output=False, stdout=subprocess.DEVNULL, stderr=secondary, text=False)
    os.close(secondary)
    shown = b""
    try:
        while chunk := os.read(primary, 1 << 16):
            shown += chunk
    except OSError:
        pass  # Linux's way to say that all is read
    os.close(primary)
    assert b"[#" in shown
    assert shown.endswith(b"\r\x1b[K")


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_run(tmp_path, good):
    path = write(tmp_path / "bundle.pem", good * 10000)
    running = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "audit", "--each", path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    running.stdout.readline()
    running.stdout.close()
    assert b"Traceback" not in running.stderr.read()
    assert running.wait(timeout=30) == 1
    running.stderr.close()


def test_rules_are_listed_with_their_sources():
    listed = json.loads(CliRunner().invoke(cli, ["rules", "--json"]).stdout)
    assert [rule["id"] for rule in listed] == list(RULES)
    assert all(rule["citation"] and rule["profiles"] for rule in listed)
    of_root = json.loads(CliRunner().invoke(cli, ["rules", "--profile", "root", "--json"]).stdout)
    assert [rule["id"] for rule in of_root] == [rule.id for rule in rules_of(["root"])]
    shown = CliRunner().invoke(cli, ["rules"]).stdout
    assert all(rule in shown for rule in RULES)
    assert CliRunner().invoke(cli, ["rules", "--profile", "x"]).exit_code == 2
    only = json.loads(CliRunner().invoke(cli, ["rules", "apple-eku", "--json"]).stdout)
    assert [rule["id"] for rule in only] == ["apple-eku"]


def test_folders_may_be_nested_deeply(tmp_path, good):
    folder = tmp_path / "deep"
    folder.mkdir()
    os.chdir(folder)
    for _ in range(1500):
        Path("a").mkdir()
        os.chdir("a")
    write(Path("x.pem"), good)
    os.chdir(folder)
    (result,) = audited(".")
    assert result.target.endswith("a/a/x.pem")
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.slow
def test_with_other_threads_the_processes_are_started_anew(tmp_path, good):
    path = write(tmp_path / "bundle.pem", good * (FEW + 100))
    code = (
        "import sys, threading, time\n"
        "from datetime import datetime, timezone\n"
        "from opensslgen.audit.result import Settings\n"
        "from opensslgen.audit.targets import audit\n"
        "from opensslgen.openssl.command import find\n"
        "from opensslgen.rules.profiles import rules_of\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "    settings = Settings(rules=rules_of(['apple']), at=datetime.now(timezone.utc), each=True, jobs=2,\n"
        "                        password=lambda _: '', openssl=find)\n"
        "    print(sum(not result.findings for result in audit([sys.argv[1]], settings)))\n"
    )
    script = write(tmp_path / "run.py", code)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", script, path], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(FEW + 100), done.stderr
