"""Who else can get in: links that lead out of a pki folder are not followed, and what is open to others is told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from opensslgen.errors import Error
from opensslgen.jobs.issue import intermediate_job, leaf_job, request_job, root_job, self_signed_job
from opensslgen.jobs.passphrase import passphrase_job
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.renew import Renewal, renewal_job, root_renewal_job
from opensslgen.jobs.revoke import revocation_job, revocation_list_job
from opensslgen.jobs.sign import sign_job
from opensslgen.orders import from_request
from opensslgen.orders.kinds import CLIENT, SELF_SIGNED
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.plan.script import as_script
from opensslgen.x509.request import parse_request

from .conftest import EC, files_below, make_server, no_secret, opensslgen
from .shells import EACH_SHELL, SHELLS


def leaf(store, name="pbx.example.com", **options):
    order = leaf_order(name, key_type=EC, **options)
    return leaf_job(order, store=store, root=root_order(key_type=EC), fixed_days=False)


def signed(store):
    request = parse_request(REQUEST)
    order = from_request.leaf_order_of(request, names=from_request.requested_names(request), stem="signed.example.com")
    return sign_job(request, order, store=store)


REQUEST = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx.example.com")]))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("pbx.example.com")]), critical=False)
    .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    .public_bytes(Encoding.PEM)
)
JOBS = {
    "root": lambda store: root_job(root_order(key_type=EC), store=store),
    "server": leaf,
    "client": lambda store: leaf(store, kind=CLIENT),
    "self-signed": lambda store: self_signed_job(
        leaf_order("pbx.example.com", kind=SELF_SIGNED, key_type=EC), store=store
    ),
    "csr-only": lambda store: request_job(leaf_order("pbx.example.com", key_type=EC), store=store),
    "sign": signed,
    "renew": lambda store: renewal_job("pbx.example.com", Renewal(), store=store),
    "revoke": lambda store: revocation_job("pbx.example.com", store=store),
    "crl": lambda store: revocation_list_job(store=store),
    "passwd": lambda store: passphrase_job(store=store),
    "root renewal": lambda store: root_renewal_job(store=store),
    "intermediate": lambda store: intermediate_job(
        intermediate_order("pbx.example.com", key_type=EC), store=store, fixed_days=False
    ),
}
"""What changes a folder; each is tried with each link."""

FOLDERS = ("private", "issued", "reqs", "certs_by_serial", "revoked", ".work-12345678", ".script.abcdef")
FILES = ("index.txt", "index.txt.attr", "serial", "ca.crt", "ca-chain.pem", "crl.pem", ".lock", "private/ca.key")
OWN = ("private/pbx.example.com.key", "reqs/pbx.example.com.req", "issued/pbx.example.com.crt")
OF_ITS_OWN = {"csr-only": 2, "root": 0, "root renewal": 0, "sign": 0, "crl": 0, "passwd": 0}
"""With how many of these a job has to do, if not with all."""
LINKS = (*FOLDERS, *FILES, ".lock.script", *OWN)


@pytest.fixture(scope="session")
def rooted(openssl, tmp_path_factory):
    authority = Authority(Store(tmp_path_factory.mktemp("rooted") / "pki"), openssl, no_secret)
    make_server(authority)
    return authority.store.path


@pytest.fixture
def pki(rooted, tmp_path):
    return shutil.copytree(rooted, tmp_path / "pki")


def plant(pki, name):
    """Move what is there to a place outside, and put a link in its place."""
    outside = pki.parent / "outside"
    outside.mkdir()
    there = outside / name.replace("/", "_")
    if (pki / name).exists():
        shutil.move(pki / name, there)
    elif name in FOLDERS:
        there.mkdir()
        # What a run that was killed had decided, if one were to believe it.
        (there / "decision.json").write_text('{"index": ["mine\\n"], "moves": [["key", "private/ca.key"]]}')
        (there / "decided").write_text("key private/ca.key 0600\n")
        (there / "key").write_text("mine\n")
    elif name in OWN:
        there.write_text("something of somebody's\n")
    (pki / name).symlink_to(there)
    return outside


def below(folder):
    return {str(path): path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("job", JOBS)
def test_no_command_follows_a_link_out_of_the_folder(job, name, pki, openssl):
    if job == "root":
        (pki / "ca.crt").unlink()
        (pki / "private" / "ca.key").unlink()
    if (
        name
        in OWN[{"csr-only": 2, "root": 0, "root renewal": 0, "sign": 0, "crl": 0, "passwd": 0}.get(job, len(OWN)) :]
    ):
        return  # it has nothing to do with that file
    if job == "root":
        (pki / "index.txt").write_text("")  # what is valid keeps the root from being replaced
    outside = plant(pki, name)
    before = below(outside), files_below(pki)
    authority = Authority(Store(pki), openssl, lambda _: "secret", force=True)
    with pytest.raises(Error, match="is a symbolic link that leads out of"):
        authority.make(lambda: JOBS[job](authority.store))
    assert (below(outside), files_below(pki)) == before


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("job", ["server", "root"])
def test_no_script_follows_a_link_out_of_the_folder(job, name, pki):
    refused_by_script(job, name, pki, "dash")


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_no_shell_does(shell, pki):
    refused_by_script("server", "private", pki, shell)


def refused_by_script(job, name, pki, shell):
    if job == "root":
        (pki / "index.txt").write_text("")
    script = as_script(JOBS[job](Store(pki)).plan, version="test")
    if job == "root":
        (pki / "ca.crt").unlink()
        (pki / "private" / "ca.key").unlink()
        if name in OWN:
            return
    outside = plant(pki, name)
    before = below(outside), files_below(pki)
    done = subprocess.run([*SHELLS[shell], "/dev/stdin", pki], input=script, capture_output=True, text=True)
    assert done.returncode == 1
    # What it would make anew it refuses to overwrite, be it a link or not.
    assert re.search("is a symbolic link that leads out of|exists: nothing is overwritten", done.stderr)
    assert (below(outside), files_below(pki)) == before


@pytest.mark.parametrize("way", ["program", "script"])
def test_a_folder_that_is_itself_behind_a_link_is_worked_in(way, pki, openssl, tmp_path):
    (tmp_path / "link").symlink_to(pki)
    store = Store(tmp_path / "link")
    if way == "program":
        Authority(store, openssl, no_secret).make(lambda: leaf(store, "new.example.com"))
    else:
        script = as_script(leaf(store, "new.example.com").plan, version="test")
        subprocess.run(["dash", "/dev/stdin", store.path], input=script, check=True, capture_output=True, text=True)
    assert (pki / "issued" / "new.example.com.crt").exists()


@pytest.mark.parametrize("way", ["program", "script"])
def test_a_link_within_the_folder_is_no_way_out(way, pki, openssl):
    (pki / "latest").symlink_to("issued")
    store = Store(pki)
    if way == "program":
        Authority(store, openssl, no_secret).make(lambda: leaf(store, "new.example.com"))
    else:
        script = as_script(leaf(store, "new.example.com").plan, version="test")
        subprocess.run(["dash", "/dev/stdin", pki], input=script, check=True, capture_output=True, text=True)
    assert (pki / "issued" / "new.example.com.crt").exists()


def test_what_another_user_has_left_is_not_carried_out(pki, openssl, monkeypatch):
    work = pki / ".work-0badc0de"
    work.mkdir(mode=0o700)
    (work / "decision.json").write_text('{"index": [], "moves": [["key", "private/ca.key"]]}')
    (work / "key").write_text("mine\n")
    before = (pki / "private" / "ca.key").read_bytes()
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.raises(Error, match="belongs to another user"):
        Authority(Store(pki), openssl, no_secret).make(lambda: leaf(Store(pki), "new.example.com"))
    assert (pki / "private" / "ca.key").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        (".work-0badc0de/decision.json", '{"index": [], "moves": [["key", "../victim"]]}'),
        (".work-0badc0de/decision.json", '{"index": [], "moves": [["../../mine", "issued/x.crt"]]}'),
        (".script.0badc0/decided", "key ../victim 0600 over\n"),
    ],
)
def test_no_decision_moves_files_of_other_folders(name, decision, pki, openssl):
    left = pki / name
    left.parent.mkdir(mode=0o700)
    left.write_text(decision)
    (left.parent / "key").write_text("evil\n")
    (pki.parent / "mine").write_text("mine\n")
    with pytest.raises(Error, match="is outside of"):
        Store(pki).finish()
    assert not (pki.parent / "victim").exists()
    assert (pki.parent / "mine").exists()


def test_no_decision_moves_files_of_other_folders_from_within(pki, monkeypatch):
    """A folder that is called `.` has no name that a path could begin with."""
    work = pki / ".work-0badc0de"
    work.mkdir(mode=0o700)
    (work / "decision.json").write_text('{"index": [], "moves": [["key", "../victim"]]}')
    (work / "key").write_text("evil\n")
    monkeypatch.chdir(pki)
    with pytest.raises(Error, match="is outside of"):
        Store(Path()).finish()
    assert not (pki.parent / "victim").exists()


@pytest.mark.parametrize(
    "decision",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"index": [], "moves": [["key"]]}',
        '{"index": [1], "moves": []}',
        '{"index": [], "moves": 1}',
    ],
)
def test_a_decision_that_no_run_writes_is_an_error(decision, pki):
    work = pki / ".work-0badc0de"
    work.mkdir(mode=0o700)
    (work / "decision.json").write_text(decision)
    (work / "key").write_text("mine\n")
    with pytest.raises(Error, match="was not written by opensslgen"):
        Store(pki).finish()
    assert (work / "key").exists()


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_what_another_user_has_left_no_script_carries_out(shell, pki, tmp_path):
    script = as_script(leaf(Store(pki), "new.example.com").plan, version="test")
    left = pki / ".script.0badc0"
    left.mkdir(mode=0o700)
    (left / "decided").write_text("key private/ca.key 0600 over\n")
    (left / "key").write_text("mine\n")
    before = (pki / "private" / "ca.key").read_bytes()
    (tmp_path / "id").write_text("#!/bin/sh\necho 4711\n")
    (tmp_path / "id").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = [*SHELLS[shell], "/dev/stdin", pki]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, env=environment)
    assert (done.returncode, (pki / "private" / "ca.key").read_bytes()) == (1, before)
    assert "belongs to another user" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("private", 0o755, "private is open to everybody (mode 0755): chmod 700 "),
        ("private", 0o750, "private is open to its group (mode 0750): chmod 700 "),
        ("private/ca.key", 0o644, "ca.key is open to everybody (mode 0644): chmod 600 "),
        ("private/ca.key", 0o640, "ca.key is open to its group (mode 0640): chmod 600 "),
        (".", 0o775, " is open to its group (mode 0775): chmod go-w "),
    ],
)
def test_what_others_can_read_is_a_warning_on_each_run_and_a_finding(name, mode, said, pki):
    (pki / name).chmod(mode)
    for arguments in (["server", "a.example", "--key-type", "p-256", "-q"], ["list"], ["show", "ca"]):
        done = opensslgen(*arguments, "--pki", pki)
        assert done.returncode == 0, done.stderr
        warnings = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
        assert len(warnings) == 1
        assert said in warnings[0]
    assert "[pki-open-to-others]" in opensslgen("audit", pki).stdout
    subprocess.run(warnings[0].rpartition("): ")[2], shell=True, check=True)
    assert Store(pki).warnings() == ()


def test_keys_in_an_open_folder_are_warned_of(pki):
    for name in ("a.key", "b.key"):
        (pki / "private" / name).touch(mode=0o644)
    assert Store(pki).warnings() == ()
    (pki / "private").chmod(0o755)
    assert Store(pki).warnings()[1].startswith(f"2 more keys in {pki}/private can be read by other users: chmod 600 ")
