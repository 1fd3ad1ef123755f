"""The passphrase of the authority's key: set, changed and removed, and no way left to open it by the old one."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys

import pytest

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.passphrase import passphrase_job
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.pki.store import Store
from opensslgen.plan.script import as_script
from opensslgen.plan.secrets import CA_PASSPHRASE, NEW_PASSPHRASE

from .conftest import CHECKOUT, files_below, make_root, make_server, no_secret, opensslgen
from .needs import need
from .openssls import BINARIES, EVERY

OLD, NEW = "correct-horse-battery", "staple and Zürich"


@pytest.fixture(scope="session")
def locked(openssl, tmp_path_factory):
    """A folder whose key has a passphrase, in the form that older versions write: triple DES."""
    authority = Authority(Store(tmp_path_factory.mktemp("locked") / "pki"), openssl, {CA_PASSPHRASE: OLD}.__getitem__)
    make_root(authority, encrypted=True)
    return authority.store.path


@pytest.fixture
def pki(locked, tmp_path):
    shutil.copytree(locked, tmp_path / "pki")
    return tmp_path / "pki"


def opens(path, passphrase, openssl="openssl"):
    done = subprocess.run(
        [openssl, "pkey", "-in", path, "-noout", "-passin", "env:PASS"],
        env={**os.environ, "PASS": passphrase},
        capture_output=True,
    )
    return done.returncode == 0


def change(pki, openssl, *, remove=False, **secrets):
    store = Store(pki)
    authority = Authority(store, openssl, secrets.__getitem__)
    return authority.make(lambda: passphrase_job(store=store, remove=remove))


def test_the_new_one_opens_and_the_old_one_does_not(openssl, pki):
    names = files_below(pki)
    change(pki, openssl, **{CA_PASSPHRASE: OLD, NEW_PASSPHRASE: NEW})
    assert opens(pki / "private" / "ca.key", NEW)
    assert not opens(pki / "private" / "ca.key", OLD)
    # Nothing of the old one stays beside it.
    assert {name: mode for name, mode in files_below(pki).items() if "index" not in name and name != "serial"} == {
        name: mode for name, mode in names.items() if "index" not in name and name != "serial"
    }
    authority = Authority(Store(pki), openssl, {CA_PASSPHRASE: NEW}.__getitem__)
    assert make_server(authority, "a.example.com").issuer.der == authority.store.issuer().der


@pytest.mark.parametrize("path", BINARIES)
def test_every_openssl_reads_what_every_openssl_wrote(path, pki):
    change(pki, command.find(path), **{CA_PASSPHRASE: OLD, NEW_PASSPHRASE: NEW})
    assert all(opens(pki / "private" / "ca.key", NEW, other) for other in EVERY)


def test_it_is_removed_and_set_again(openssl, pki):
    change(pki, openssl, remove=True, **{CA_PASSPHRASE: OLD})
    key = (pki / "private" / "ca.key").read_text()
    assert key.startswith("-----BEGIN PRIVATE KEY-----")
    assert (pki / "private" / "ca.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="has no passphrase"):
        change(pki, openssl, remove=True)
    change(pki, openssl, **{NEW_PASSPHRASE: NEW})
    assert opens(pki / "private" / "ca.key", NEW)


def test_a_wrong_passphrase_changes_nothing(openssl, pki):
    before = (pki / "private" / "ca.key").read_bytes()
    with pytest.raises(Error):
        change(pki, openssl, **{CA_PASSPHRASE: "not this", NEW_PASSPHRASE: NEW})
    assert (pki / "private" / "ca.key").read_bytes() == before


def test_a_key_that_is_not_the_certificates_stays_as_it_is(openssl, pki, tmp_path):
    other = Authority(Store(tmp_path / "other"), openssl, no_secret)
    made = make_root(other)
    shutil.copy(made.files["root key"], pki / "private" / "ca.key")
    with pytest.raises(Error, match="do not belong together"):
        change(pki, openssl, **{NEW_PASSPHRASE: NEW})
    assert (pki / "private" / "ca.key").read_bytes() == made.files["root key"].read_bytes()
    script = as_script(passphrase_job(store=Store(pki)).plan, version="test")
    done = subprocess.run(
        ["dash", "/dev/stdin"], input=script, env={**os.environ, NEW_PASSPHRASE: NEW}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "do not belong together" in done.stderr


def test_no_argv_output_or_file_holds_a_secret_and_no_key_is_ever_plain(pki, tmp_path):
    """Each openssl call is noted, and followed by a look at all files in the folder."""
    real = command.find().path
    script = tmp_path / "openssl"
    script.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/argv\n{real} "$@"; code=$?\n'
        f'grep -rlE "BEGIN (RSA |EC )?PRIVATE KEY" {pki} >>{tmp_path}/plain 2>/dev/null\nexit $code\n'
    )
    script.chmod(0o755)
    (tmp_path / "old").write_text(f"{OLD}\n")
    (tmp_path / "new").write_text(f"{NEW}\r\n")
    files = ("--passphrase-file", tmp_path / "old", "--new-passphrase-file", tmp_path / "new")
    printed = opensslgen("passwd", *files, "--script").stdout
    done = opensslgen("passwd", *files, "-v", "--json", "--openssl", script)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr + (tmp_path / "argv").read_text() + printed
    assert "pkcs8 -topk8" in told
    assert OLD not in told
    assert NEW not in told
    assert (tmp_path / "plain").read_text() == ""
    assert opens(pki / "private" / "ca.key", NEW)


def test_on_a_pipe_nothing_is_asked_for(pki):
    done = opensslgen("passwd", env={CA_PASSPHRASE: OLD})
    assert done.returncode == 2
    assert "use --new-passphrase-file FILE or set OPENSSLGEN_NEW_PASSPHRASE" in done.stderr
    assert opensslgen("passwd", "--remove", "--new-passphrase-file", "x").returncode == 2


def test_on_a_terminal_the_old_one_is_asked_for_once_and_the_new_one_twice(pki):
    need("terminals")
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "passwd"],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, close_fds=True,
        start_new_session=True,
    )  # fmt: skip
    os.close(child)
    seen = b""
    for prompt, answer in ((b"root's key: ", OLD), (b"new passphrase: ", NEW), (b"confirmation: ", NEW)):
        while not seen.lower().endswith(prompt):
            seen += os.read(parent, 1)
        os.write(parent, answer.encode() + b"\n")
        seen += b"|"
    with contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while chunk := os.read(parent, 1024):
            seen += chunk
    assert process.wait() == 0, seen
    assert b"Changed the passphrase of the CA's key" in seen
    assert OLD.encode() not in seen
    assert opens(pki / "private" / "ca.key", NEW)
