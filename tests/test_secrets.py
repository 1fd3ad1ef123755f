"""With a passphrase set, neither the argv of any child, nor logs, exceptions, nor a printed script hold it."""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import stat
import subprocess
import sys
import traceback

import pytest

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.issue import root_job
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.orders.order import root_order
from opensslgen.pki.store import Store
from opensslgen.plan import secrets

from .conftest import CHECKOUT, EC, make_server, opensslgen
from .needs import need
from .shells import EACH_SHELL, SHELLS

PASSPHRASE = "correct-horse-battery"
PASSWORD = "staple-and-more"


@pytest.fixture
def witnessed(tmp_path, monkeypatch):
    """An openssl that notes each argv before it does its work, as anyone who calls ps could."""
    real = command.find().path
    script = tmp_path / "bin" / "openssl"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/argv\nexec {real} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("OPENSSLGEN_OPENSSL", str(script))
    return tmp_path / "argv"


def test_no_argv_log_or_output_holds_a_secret(witnessed, tmp_path):
    environment = {"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE, "OPENSSLGEN_P12_PASSWORD": PASSWORD}
    done = opensslgen("server", "pbx.example.com", "--key-type", "p-256", "--p12", "-v", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    script = opensslgen("server", "b.example.com", "--p12", "--script", env=environment).stdout
    everything = done.stdout + done.stderr + witnessed.read_text() + script
    assert "pkcs12 -export" in witnessed.read_text()
    assert PASSPHRASE not in everything
    assert PASSWORD not in everything
    for path in (tmp_path / "pki").rglob("*"):
        assert path.is_dir() or PASSPHRASE.encode() not in path.read_bytes()
    assert "ENCRYPTED" in (tmp_path / "pki" / "private" / "ca.key").read_text()


def test_neither_exceptions_nor_logs_hold_a_secret(authority, caplog, through_sh):
    caplog.set_level(logging.DEBUG)
    openssl = command.find()
    order = root_order(key_type=EC, encrypted=True)
    Authority(authority.store, openssl, lambda _: PASSPHRASE).make(lambda: root_job(order, store=authority.store))
    with pytest.raises(Error) as caught:
        make_server(Authority(authority.store, openssl, lambda _: "wrong" + PASSPHRASE))
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert caplog.records
    assert PASSPHRASE not in told
    assert not list(authority.store.path.glob("issued/*"))


def test_a_wrong_passphrase_is_a_plain_error(tmp_path):
    opensslgen("root", "--key-type", "p-256", env={"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE})
    done = opensslgen("server", "a.example.com", env={"OPENSSLGEN_CA_PASSPHRASE": "not this one"})
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pki" / "issued" / "a.example.com.crt").exists()


def test_a_passphrase_comes_from_a_file_whose_line_end_does_not_count(tmp_path):
    (tmp_path / "pass").write_bytes(PASSPHRASE.encode() + b"\r\nsecond line\n")
    assert opensslgen("root", "--key-type", "p-256", "--passphrase-file", tmp_path / "pass").returncode == 0
    done = opensslgen("server", "a.example.com", "--key-type", "p-256", env={"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE})
    assert done.returncode == 0, done.stderr


def test_on_a_pipe_nothing_is_asked_for():
    done = opensslgen("root", "--passphrase")
    assert done.returncode == 2
    assert "--passphrase-file" in done.stderr


@pytest.mark.parametrize("secret", ["", "abc", "with\nnewline", "bell\a", "x" * 1001])
def test_what_openssl_cannot_take_as_a_passphrase_is_refused(secret):
    with pytest.raises(UsageError, match="passphrase"):
        secrets.fit_secret(secrets.CA_PASSPHRASE, secret)


def test_a_p12_password_is_ascii_as_openssls_differ_in_how_they_encode_others():
    assert secrets.fit_secret(secrets.CA_PASSPHRASE, "Zürich") == "Zürich"
    with pytest.raises(UsageError, match="PKCS#12"):
        secrets.fit_secret(secrets.P12_PASSWORD, "Zürich")


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(tmp_path):
    need("terminals")
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "root", "--key-type", "p-256", "--passphrase"],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, close_fds=True,
        start_new_session=True,
    )  # fmt: skip
    os.close(child)
    seen = b""
    for prompt in (b"root's key: ", b"confirmation: "):
        while not seen.lower().endswith(prompt):
            seen += os.read(parent, 1)
        os.write(parent, PASSPHRASE.encode() + b"\n")
        seen += b"|"
    with contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while chunk := os.read(parent, 1024):
            seen += chunk
    assert process.wait() == 0, seen
    assert PASSPHRASE.encode() not in seen
    key = tmp_path / "pki" / "private" / "ca.key"
    assert "ENCRYPTED" in key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("shell", [None, *EACH_SHELL])
def test_no_openssl_leaves_a_core_file(shell, tmp_path):
    """A stand-in says how large its own could be, where the user's shell would allow any size."""
    (tmp_path / "openssl").write_text(f'#!/bin/bash\nulimit -c >>{tmp_path}/limits\nexec {command.find().path} "$@"\n')
    (tmp_path / "openssl").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OPENSSLGEN_OPENSSL": str(tmp_path / "openssl")}
    program = [sys.executable, "-m", "opensslgen", "root", "--key-type", "p-256"]
    if shell:
        need(shell)
        (tmp_path / "make.sh").write_text(opensslgen("root", "--key-type", "p-256", "--script").stdout)
        program = [*SHELLS[shell], "make.sh"]
    subprocess.run(["bash", "-c", 'ulimit -S -c unlimited; "$@"', "bash", *program], env=environment, check=True)
    assert set((tmp_path / "limits").read_text().split()) == {"0"}


def test_the_key_of_a_root_with_a_passphrase_is_never_on_the_disk_in_plain(tmp_path):
    """Each openssl call is followed by a look at all files in the pki folder."""
    real = command.find().path
    script = tmp_path / "openssl"
    script.write_text(
        f'#!/bin/sh\n{real} "$@"; code=$?\n'
        f'grep -rlE "BEGIN (RSA |EC )?PRIVATE KEY" {tmp_path}/pki >>{tmp_path}/plain 2>/dev/null\nexit $code\n'
    )
    script.chmod(0o755)
    store = Store(tmp_path / "pki")
    order = root_order(encrypted=True)
    Authority(store, command.find(str(script)), lambda _: PASSPHRASE).make(lambda: root_job(order, store=store))
    assert (tmp_path / "plain").read_text() == ""
