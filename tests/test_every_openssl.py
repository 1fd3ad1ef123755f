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

from .conftest import files_below, make_root, make_server, no_secret, opensslgen
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, request_from_elsewhere, summary
from .openssls import BINARIES
from .script_shapes import SHAPES, script_text


@pytest.fixture(params=BINARIES, scope="module")
def other(request):
    return command.find(request.param)


def lacks(recipe, openssl):
    """Return what this openssl cannot do of what a recipe asks for, as its refusal names it; None: nothing."""
    if "sip" in str(recipe) and not openssl.can("verify URI:sip"):
        return "URI:sip"
    if "10.0.0." in str(recipe.get("permit", "")) + str(recipe.get("exclude", "")):
        return None if openssl.can("verify name constraints with addresses") else "name constraints with addresses"
    return None


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


def command_line(*words, openssl, cwd, **env):
    """Run opensslgen with this openssl in a folder; fail unless it ends well."""
    done = opensslgen(*words, cwd=cwd, env={**SECRETS, "OPENSSLGEN_OPENSSL": openssl.path, **env})
    assert done.returncode == 0, done.stderr + done.stdout
    return done


EC = ("--key-type", "p-256")
PRINTED = {
    "root": ("root", "--cn", "Other root", *EC, "--pki", "new"),
    "server": ("server", "sip.example.com", "--san", "10.0.0.5,2001:db8::1", "--p12-compat"),
    "client": ("client", "phone-17", *EC, "--p12"),
    "self-signed": ("self-signed", "alone.example.com", *EC, "--pki", "new"),
    "intermediate": ("intermediate", "Site Berlin", *EC, "--permit", "example.com"),
    "sign": ("sign", "elsewhere.req", "--san", "a.example"),
    "adopt": ("adopt", "pki/ca.crt", "--key", "pki/private/ca.key", "--pki", "new"),
    "renew": ("renew", "pbx.example.com"),
    "renew ca": ("renew", "ca", "--days", "4000"),
    "revoke": ("revoke", "pbx.example.com", "--yes", "--reason", "superseded"),
    "crl": ("crl", "--days", "7"),
    "passwd": ("passwd",),
    "passwd --remove": ("passwd", "--remove", "--pki", "locked"),
    "export": ("export", "pbx.example.com", "--for", "ip-office"),
    "export --as der": ("export", "pbx.example.com", "--as", "der"),
    "trust": ("trust",),
    "trust --sign": ("trust", "--sign", "pbx.example.com"),
}
"""The commands that can be printed as a script, each as it is started in the folder `office`."""

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

OTHERWISE = {"backup", "restore"}
"""These have a test of their own."""

NO_OPENSSL = {"rules", "ext", "ansible", "help", "completion", "script", "patch", "web"}
"""These start no openssl, or (web) do the jobs of the others."""


@pytest.fixture(scope="module")
def office(other, tmp_path_factory):
    """A CA that this openssl made, with a server, a revoked client and a CRL; and files from elsewhere."""
    folder = tmp_path_factory.mktemp("office")
    for words in (
        ("root", "--cn", "Office CA", *EC),
        ("server", "pbx.example.com", *EC),
        ("client", "old.example.com", *EC),
        ("revoke", "old.example.com", "--yes"),
        ("crl",),
        ("root", "--cn", "Locked CA", *EC, "--passphrase", "--pki", "locked"),
    ):
        command_line(*words, openssl=other, cwd=folder)
    (folder / "elsewhere.req").write_bytes(request_from_elsewhere().der)
    (folder / "server.cnf").write_text(
        "[v3]\nbasicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n"
    )
    (folder / "sites.csv").write_text("name,p12\nberlin.example.com,yes\nparis.example.com,\n")
    (folder / "vendor.sh").write_text(script_text(next(shape for shape in SHAPES if shape.name == "SHA-1")))
    return folder


def test_every_command_is_tried():
    tried = {words[0] for words in PRINTED.values()} | {words[0] for words, _ in ALONE.values()} | OTHERWISE
    assert tried == set(cli.commands) - NO_OPENSSL


@pytest.mark.parametrize("name", PRINTED)
def test_a_command_and_its_script_do_the_same(name, other, office, tmp_path):
    run, printed = (shutil.copytree(office, tmp_path / way) for way in ("run", "printed"))
    script = command_line(*PRINTED[name], "--script", openssl=other, cwd=printed).stdout
    command_line(*PRINTED[name], openssl=other, cwd=run)
    done = subprocess.run(
        ["busybox", "sh", "/dev/stdin"],
        input=script,
        cwd=printed,
        env={**os.environ, **SECRETS, "OPENSSLGEN_OPENSSL": other.path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for pki in ("pki", "locked", "new"):
        if (run / pki).exists():
            assert summary(printed / pki) == summary(run / pki)
    assert files_outside(printed) == files_outside(run)


def files_outside(folder):
    """Return the names and modes of files that are not in a pki folder."""
    files = files_below(folder)
    return {name: mode for name, mode in files.items() if name.split("/")[0] not in {"pki", "locked", "new"}}


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
