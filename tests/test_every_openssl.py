"""The whole command set with every openssl at hand."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from opensslgen.errors import Error
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.pki.store import Store
from opensslgen.plan.script import as_script
from opensslgen.x509.certificate import load

from .conftest import make_root, make_server, no_secret
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, summary
from .openssls import BINARIES


@pytest.fixture(params=BINARIES)
def other(request):
    return command.find(request.param)


@pytest.mark.parametrize("name", RECIPES)
def test_it_runs_and_its_script_runs(name, other, tmp_path):
    run, printed = Store(tmp_path / "run" / "pki"), Store(tmp_path / "printed" / "pki")
    for store in (run, printed):
        store.path.parent.mkdir()
        if name in NEEDS_ROOT:
            make_root(Authority(store, other, no_secret), common_name="Test root")
    if "sip" in str(RECIPES[name]) and not other.can("verify URI:sip"):
        with pytest.raises(Error, match="URI:sip"):
            Authority(run, other, SECRETS.__getitem__).make(lambda: job_of(name, run))
        assert not run.path.exists()
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
