"""Folders as they are found: on another clock, with an index that was edited or is huge, made by others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from opensslgen.errors import UnreadableError
from opensslgen.jobs.job import Violation
from opensslgen.pki import index
from opensslgen.x509.certificate import load

from .conftest import make_root, make_server, opensslgen
from .needs import needs, program_path

LINE = "V\t490226033848Z\t\t{:032X}\tunknown\t/CN=host{}.example.com\n"


def issue(authority, name="pbx.example.com"):
    make_server(authority, name)
    return load(authority.store.path / "issued" / f"{name}.crt")


def openssl_ca_knows(pki, certificate):
    """Tell whether `openssl ca` finds a certificate in the index."""
    config = pki.parent / "ca.cnf"
    config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={pki}/index.txt\nserial={pki}/serial\n")
    argv = ["openssl", "ca", "-config", config, "-status", certificate.serial_hex]
    done = subprocess.run(argv, capture_output=True, text=True)
    return f"{certificate.serial_hex}=Valid" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("last", ["whole", "without an end"])
def test_an_index_that_an_editor_has_saved_gains_a_line_that_openssl_ca_finds(ending, last, authority):
    first = issue(authority, "a.example")
    path = authority.store.path / "index.txt"
    text = path.read_text().replace("\n", ending)
    path.write_bytes((text if last == "whole" else text.removesuffix(ending)).encode())
    second = issue(authority, "b.example")
    assert [entry.serial_number for entry in index.read(path)] == [first.serial_number, second.serial_number]
    assert openssl_ca_knows(authority.store.path, first)
    assert openssl_ca_knows(authority.store.path, second)


@pytest.mark.slow
def test_a_line_that_is_none_is_named_before_a_certificate_is_added_that_could_not_be_revoked(authority):
    issue(authority, "a.example")
    path = authority.store.path / "index.txt"
    path.write_text("# hello\nhello\n" + path.read_text())
    before = path.read_text()
    with pytest.raises(UnreadableError, match="line 2: 1 field; expected six"):
        issue(authority, "b.example")
    assert path.read_text() == before
    done = opensslgen("list")
    assert done.returncode == 2
    assert "index.txt, line 2: 1 field; expected six" in done.stderr
    done = opensslgen("audit", "-q", "pki")
    assert done.returncode == 1
    assert "pki/index.txt: violates the rules\n  error: line 2: 1 field; expected six" in done.stdout
    assert done.stdout.count("error:") == 1


def test_a_root_of_the_future_signs_nothing_and_says_whose_clock_it_may_be(openssl, tmp_path):
    environment = {**os.environ, "FAKETIME": "+2d", "OPENSSLGEN_OPENSSL": shutil.which("openssl")}
    made = subprocess.run(
        ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt"]
        + ["-subj", "/CN=Tomorrow root", "-days", "100"],
        env={**environment, "LD_PRELOAD": faketime()},
        cwd=tmp_path,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    (tmp_path / "pki" / "private").mkdir(parents=True, mode=0o700)
    shutil.move(tmp_path / "ca.key", tmp_path / "pki" / "private" / "ca.key")
    shutil.move(tmp_path / "ca.crt", tmp_path / "pki" / "ca.crt")
    (tmp_path / "pki" / "index.txt").touch()
    for arguments in (["server", "pbx.example.com"], ["server", "pbx.example.com", "--script"], ["intermediate", "x"]):
        done = opensslgen(*arguments)
        assert done.returncode == 1
        assert "the clock of this machine, or of the one that made it, is wrong" in done.stderr
    done = opensslgen("audit", "pki")
    assert "[not-yet-valid]" in done.stdout
    assert sorted(path.name for path in (tmp_path / "pki").iterdir()) == ["ca.crt", "index.txt", "private"]


def faketime():
    done = subprocess.run(
        ["faketime", "now", "sh", "-c", "echo $LD_PRELOAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_a_certificate_of_the_future_is_told_from_a_valid_one(authority, tmp_path):
    make_root(authority)
    argv = [
        "faketime",
        "-f",
        "+3d",
        sys.executable,
        "-m",
        "opensslgen",
        "server",
        "later.example",
        "--key-type",
        "p-256",
    ]
    subprocess.run(argv, check=True, capture_output=True)
    done = opensslgen("list")
    assert "not yet valid" in done.stdout
    done = opensslgen("audit", "-q", "pki")
    assert done.returncode == 1
    assert "it is valid from" in done.stdout
    with pytest.raises(Violation, match="the clock is wrong"):
        issue(authority, "now.example")
    assert issue(replace(authority, allow=["clock"]), "now.example")


@pytest.mark.slow
def test_what_has_expired_counts_where_it_is_in_use_and_not_where_it_is_kept(authority):
    issue(authority, "pbx.example.com")
    authority = replace(authority, force=True)
    issue(authority, "pbx.example.com")
    later = ("audit", "-q", "pki", "--at", f"{datetime.now(timezone.utc) + timedelta(days=900):%Y-%m-%d}")
    done = opensslgen(*later)
    targets = {line.partition(":")[0] for line in done.stdout.splitlines() if not line.startswith(" ")}
    assert targets - {line for line in targets if " of " in line} == {
        "pki/issued/pbx.example.com.crt",
        "pki/issued/pbx.example.com-chain.pem",
    }


def test_issuing_reads_no_more_of_a_long_index_than_its_end(authority, monkeypatch):
    """How long it takes tells tests.benchmarks; here it is how much is read."""
    issue(authority, "a.example")
    path = authority.store.path / "index.txt"
    with path.open("a") as file:
        for number in range(100_000):
            file.write(LINE.format(number, number))
    size = path.stat().st_size
    before = read_so_far()
    certificate = issue(authority, "b.example")
    assert read_so_far() - before < size / 4
    assert path.stat().st_size - size < 200
    assert path.read_text().endswith(f"{certificate.serial_hex}\tunknown\t/CN=b.example\n")


def read_so_far():
    """Return how many bytes this process has read, of files and pipes."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.fixture(scope="session")
def easyrsa_folder(tmp_path_factory):
    """A folder that easy-rsa 3 made, with a server, a client, and one that is revoked."""
    pki = tmp_path_factory.mktemp("easyrsa") / "pki"
    for command in (
        ("init-pki",),
        ("build-ca", "nopass"),
        ("build-server-full", "srv.example.com", "nopass"),
        ("build-client-full", "phone", "nopass"),
        ("build-client-full", "lost", "nopass"),
        ("revoke", "lost", "keyCompromise"),
        ("gen-crl",),
    ):
        easyrsa(pki, *command)
    return pki


def easyrsa(pki, *command):
    settings = {"PKI": str(pki), "BATCH": "1", "ALGO": "ec", "CURVE": "prime256v1", "CERT_EXPIRE": "700"}
    environment = {**os.environ, **{f"EASYRSA_{name}": value for name, value in settings.items()}}
    done = subprocess.run([program_path("easyrsa"), *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def of_folder(pki):
    """Return what is found of folder and index, and of the files that are named."""
    done = opensslgen("audit", "--json", pki)
    results = json.loads(done.stdout)["results"]
    whole = [result for result in results if result["kind"] in ("folder", "index")]
    assert [result["kind"] for result in whole] == ["folder", "index"]
    assert [result["unreadable"] for result in whole] == [None, None]
    verdicts = {str(Path(result["target"]).relative_to(pki)): result["verdict"] for result in results}
    return [finding["rule"] for result in whole for finding in result["findings"]], verdicts


@pytest.mark.slow
@needs("easyrsa")
def test_a_folder_of_easyrsa_is_audited_as_a_whole(easyrsa_folder, tmp_path):
    found, verdicts = of_folder(easyrsa_folder)
    assert found == []
    assert (verdicts["ca.crt"], verdicts["issued/srv.example.com.crt"]) == ("complies", "complies")
    # It is for clients alone, as all that easy-rsa makes for them.
    assert verdicts["issued/phone.crt"] == "complies"
    pki = shutil.copytree(easyrsa_folder, tmp_path / "pki")
    easyrsa(pki, "revoke", "phone", "superseded")
    shutil.copy(easyrsa_folder / "issued" / "phone.crt", pki / "issued")
    shutil.copy(pki / "private" / "ca.key", pki / "private" / "srv.example.com.key")
    assert sorted(of_folder(pki)[0]) == ["pki-crl-incomplete", "pki-key-mismatch", "pki-revoked-in-use"]


@pytest.mark.slow
def test_a_folder_of_openssl_ca_is_audited_as_a_whole(openssl, tmp_path):
    folder = tmp_path / "demoCA"
    for name in ("newcerts", "private"):
        (folder / name).mkdir(parents=True, mode=0o700)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    (folder / "crlnumber").write_text("01\n")
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndir={folder}\ndatabase=$dir/index.txt\nserial=$dir/serial\ndefault_md=sha256\n"
        "new_certs_dir=$dir/newcerts\ncertificate=$dir/cacert.pem\nprivate_key=$dir/private/cakey.pem\npolicy=p\n"
        "unique_subject=no\nx509_extensions=e\ncrlnumber=$dir/crlnumber\ndefault_crl_days=30\n"
        "[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:a.example.com\nextendedKeyUsage=serverAuth\n"
        "[req]\ndistinguished_name=n\nx509_extensions=r\n[n]\ncommonName=x\n[r]\nbasicConstraints=critical,CA:TRUE\n"
        "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
    )

    def ssl(*arguments):
        openssl.run([*map(str, arguments)], cwd=tmp_path)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "ca.cnf", "-sha256")
    key = ("-keyout", folder / "private" / "cakey.pem")
    ssl("req", "-x509", *new, "-subj", "/CN=root", "-days", 999, *key, "-out", folder / "cacert.pem")
    ssl("req", "-new", *new, "-subj", "/CN=a.example.com", "-keyout", "a.key", "-out", "a.csr")
    for _ in range(2):
        ssl("ca", "-batch", "-config", "ca.cnf", "-days", 100, "-in", "a.csr", "-out", "a.crt", "-notext")
    ssl("ca", "-config", "ca.cnf", "-revoke", folder / "newcerts" / "01.pem", "-crl_reason", "superseded")
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-out", folder / "crl.pem")
    found, verdicts = of_folder(folder)
    assert found == []
    assert (verdicts["cacert.pem"], verdicts["newcerts/02.pem"]) == ("complies", "complies")
    (folder / "newcerts" / "02.pem").unlink()
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-crlsec", "1", "-out", folder / "crl.pem")
    (folder / "private" / "cakey.pem").chmod(0o644)
    shutil.copy(tmp_path / "a.crt", folder / "newcerts" / "0A.pem")
    time.sleep(2.2)  # it is judged by whole seconds
    assert sorted(of_folder(folder)[0]) == ["pki-copy-missing", "pki-crl-stale", "pki-open-to-others"]
