"""The whole command set with every openssl at hand: done, and done by the printed script."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from opensslgen.cli.main import cli
from opensslgen.errors import Error
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.pki.store import Store
from opensslgen.plan.script import as_script
from opensslgen.x509.certificate import load

from .commands import PRINTED, both_ways, command_line, prepare
from .conftest import files_below, make_root, make_server, no_secret, opensslgen
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, lacks, summary
from .openssls import BINARIES


@pytest.fixture(params=BINARIES, scope="module")
def other(request):
    return command.find(request.param)


@pytest.mark.parametrize("name", RECIPES)
def test_it_runs_and_its_script_runs(name, other, tmp_path):
    run, printed = Store(tmp_path / "run" / "pki"), Store(tmp_path / "printed" / "pki")
    for store in (run, printed):
        store.path.parent.mkdir()
        if name in NEEDS_ROOT:
            make_root(Authority(store, other, no_secret), common_name="Test root")
    if lack := lacks(RECIPES[name], other):
        before = run.path.exists() and files_below(run.path)
        with pytest.raises(Error, match=lack):
            Authority(run, other, SECRETS.__getitem__).make(lambda: job_of(name, run))
        assert (run.path.exists() and files_below(run.path)) == before
        return
    script = as_script(job_of(name, printed).plan, version="test")
    Authority(run, other, SECRETS.__getitem__).make(lambda: job_of(name, run))
    done = subprocess.run(
        ["busybox", "sh", "/dev/stdin"],
        input=script,
        cwd=printed.path.parent,
        env={**os.environ, **SECRETS, "OPENSSLGEN_OPENSSL": other.path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert summary(printed.path) == summary(run.path)


ALONE = {
    "list": (("list", "--all"), "pbx.example.com"),
    "show": (("show", "pbx.example.com"), "pbx.example.com"),
    "audit": (("audit", "pki", "--root", "pki/ca.crt"), "0 errors"),
    "audit of a config": (("audit", "server.cnf", "--section", "v3"), "complies"),
    "run": (("run", "--fix", "--", "sh", "vendor.sh"), "complies"),
    "doctor": (("doctor",), "writable"),
    "batch": (("batch", "sites.csv"), "2 issued, 0 unchanged, 0 failed"),
}
"""The other commands that may start openssl, and a part of what they print."""

OTHERWISE = {"backup", "deploy", "restore", "why"}
"""These have a test of their own."""

NO_OPENSSL = {"rules", "ext", "ansible", "help", "completion", "script", "patch", "web"}
"""These start no openssl, or (web) do the jobs of the others."""


@pytest.fixture(scope="module")
def office(other, tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("office"), other)


def test_every_command_is_tried():
    tried = {words[0] for words in PRINTED.values()} | {words[0] for words, _ in ALONE.values()} | OTHERWISE
    assert tried == set(cli.list_commands(None)) - NO_OPENSSL


@pytest.mark.parametrize("name", PRINTED)
def test_a_command_and_its_script_do_the_same(name, other, office, tmp_path):
    both_ways(PRINTED[name], office, tmp_path, openssl=other, shell=["busybox", "sh"])


@pytest.mark.parametrize("name", ALONE)
def test_a_command_that_prints_no_script(name, other, office, tmp_path):
    words, answer = ALONE[name]
    shutil.copytree(office, tmp_path / "run")
    Path("first").mkdir()
    Path("first/openssl").symlink_to(other.path)
    path = f"{tmp_path / 'first'}{os.pathsep}{os.environ['PATH']}"
    done = command_line(*words, openssl=other, cwd=tmp_path / "run", PATH=path)
    assert answer in done.stdout


def test_a_backup_is_restored(other, office, tmp_path):
    secret = {"OPENSSLGEN_BACKUP_PASSPHRASE": "correct horse"}
    if not other.can("enc -pbkdf2"):
        done = opensslgen("backup", tmp_path / "b", "--openssl", other.path, cwd=office, env=secret)
        assert done.returncode != 0
        assert "which cannot enc -pbkdf2" in done.stderr
        assert not list(tmp_path.iterdir())
        return
    command_line("backup", tmp_path / "b", openssl=other, cwd=office, **secret)
    command_line("restore", tmp_path / "b", "--pki", "again", openssl=other, cwd=tmp_path, **secret)
    assert summary(tmp_path / "again") == summary(office / "pki")


def test_what_it_makes_the_machines_own_openssl_accepts(other, tmp_path):
    made = make_server(Authority(Store(tmp_path / "pki"), other, no_secret), san=["10.0.0.5"])
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "10.0.0.5"]
        + ["-CAfile", made.files["root"], made.files["certificate"]],
        check=True,
        capture_output=True,
    )
    subprocess.run(["openssl", "pkey", "-in", made.files["key"], "-check", "-noout"], check=True, capture_output=True)
    assert load(made.files["certificate"]).public_key.curve == "P-256"


def test_backdating_is_what_the_version_can_do(other, tmp_path):
    made = make_server(Authority(Store(tmp_path / "pki"), other, no_secret))
    age = datetime.now(timezone.utc) - made.certificate.not_before
    assert (age > timedelta(minutes=59)) is other.can("-not_before")
    assert made.certificate.validity.days == 820


def test_explicit_curve_parameters_are_refused(tmp_path, openssl):
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit", "-out", "own.key"],
        check=True,
    )
    authority = Authority(Store(tmp_path / "pki"), openssl, no_secret)
    with pytest.raises(Error):
        make_server(authority, key_file=tmp_path / "own.key")
    assert not (tmp_path / "pki").exists()
