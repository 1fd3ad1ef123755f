"""Revocations and their lists, held against cryptography, openssl verify and ocsp, GnuTLS and easy-rsa."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509 as judge
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.issue import intermediate_job, leaf_job, self_signed_job
from opensslgen.jobs.passphrase import passphrase_job
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.revoke import revocation_job, revocation_list_job
from opensslgen.openssl import command
from opensslgen.orders.kinds import CLIENT, SELF_SIGNED
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki import decision, index
from opensslgen.pki.store import Store
from opensslgen.plan import secrets
from opensslgen.plan.script import as_script
from opensslgen.x509.certificate import load

from .conftest import CHECKOUT, EC, files_below, make_root, make_server, no_secret, opensslgen
from .daily import daily
from .jobs import SECRETS
from .needs import need, needs, program_path
from .openssls import BINARIES
from .shells import EACH_SHELL, SHELLS


@pytest.fixture(scope="session")
def stock(openssl, tmp_path_factory):
    """A folder with a root, two servers and a client, which tests copy."""
    authority = Authority(Store(tmp_path_factory.mktemp("stock") / "pki"), openssl, no_secret)
    make_root(authority, common_name="Test root")
    for name in ("a.example.com", "b.example.com"):
        make_server(authority, name)
    order = leaf_order("bob", kind=CLIENT, key_type=EC)
    authority.make(lambda: leaf_job(order, store=authority.store, root=root_order(), fixed_days=False))
    return authority.store.path


@pytest.fixture
def pki(stock, tmp_path):
    shutil.copytree(stock, tmp_path / "pki")
    return tmp_path / "pki"


@pytest.fixture
def work(openssl, pki):
    return Authority(Store(pki), openssl, SECRETS.__getitem__)


def revoke(authority, wanted, reason=None):
    return authority.make(lambda: revocation_job(str(wanted), store=authority.store, reason=reason))


def make_list(authority, **options):
    return authority.make(lambda: revocation_list_job(store=authority.store, **options))


def serial_of(pki, name):
    return load(pki / "issued" / f"{name}.crt").serial_number


def judged(pki):
    """Return the list as cryptography reads it, once in PEM and once in DER, with its signature checked."""
    found = judge.load_pem_x509_crl((pki / "crl.pem").read_bytes())
    assert found == judge.load_der_x509_crl((pki / "crl.der").read_bytes())
    issuer = next(path for path in (pki / "ca.crt", pki / "cacert.pem") if path.exists())
    assert found.is_signature_valid(judge.load_pem_x509_certificate(issuer.read_bytes()).public_key())
    return found


def reason_of(entry):
    with contextlib.suppress(judge.ExtensionNotFound):
        return entry.extensions.get_extension_for_class(judge.CRLReason).value.reason.name
    return None


def number_of(revocation_list):
    return revocation_list.extensions.get_extension_for_class(judge.CRLNumber).value.crl_number


def verified(pki, certificate):
    done = subprocess.run(
        ["openssl", "verify", "-crl_check", "-CAfile", pki / "ca.crt", "-CRLfile", pki / "crl.pem", certificate],
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


def test_what_is_revoked_is_refused_and_the_others_are_not(work, pki):
    first, second = serial_of(pki, "a.example.com"), serial_of(pki, "bob")
    revoke(work, "a.example.com", "keyCompromise")
    assert not (pki / "crl.pem").exists()
    make_list(work)
    assert [entry.serial_number for entry in judged(pki)] == [first]
    made = revoke(work, "bob")
    assert made.files["crl"] == pki / "crl.pem"
    listed = judged(pki)
    assert {entry.serial_number: reason_of(entry) for entry in listed} == {first: "key_compromise", second: None}
    assert number_of(listed) == 2
    assert listed.issuer == judge.load_pem_x509_certificate((pki / "ca.crt").read_bytes()).subject
    identifier = listed.extensions.get_extension_for_class(judge.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == load(pki / "ca.crt").subject_key_identifier
    assert listed.signature_hash_algorithm.name == "sha256"
    assert listed.next_update_utc - listed.last_update_utc == timedelta(days=30)
    for serial in (first, second):
        assert "certificate revoked" in verified(pki, pki / "certs_by_serial" / f"{serial:032X}.pem")
    assert verified(pki, pki / "issued" / "b.example.com.crt").endswith("b.example.com.crt: OK\n")


def test_gnutls_finds_the_same(work, pki):
    revoke(work, "a.example.com", "superseded")
    make_list(work)
    done = subprocess.run(
        ["certtool", "--verify-crl", "--load-ca-certificate", pki / "ca.crt", "--infile", pki / "crl.pem"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Verified" in done.stdout
    told = subprocess.run(
        ["certtool", "--crl-info", "--inder", "--infile", pki / "crl.der"], capture_output=True, text=True
    )
    assert "Revoked certificates (1):" in told.stdout
    serial = load(next(pki.glob("revoked/certs_by_serial/*.crt"))).serial_hex
    assert serial.lower() in told.stdout.lower()


@pytest.fixture
def responder(pki):
    """Start a real responder over the index, as often as is asked for; it answers one question and ends."""

    def answer(certificate):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen(
            ["openssl", "ocsp", "-index", pki / "index.txt", "-CA", pki / "ca.crt", "-port", str(port)]
            + ["-rsigner", pki / "ca.crt", "-rkey", pki / "private" / "ca.key", "-nrequest", "1"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(100):
                told = subprocess.run(
                    ["openssl", "ocsp", "-CAfile", pki / "ca.crt", "-issuer", pki / "ca.crt"]
                    + [*certificate, "-url", f"http://127.0.0.1:{port}"],
                    capture_output=True,
                    text=True,
                )
                if "Response verify OK" in told.stderr:
                    return told.stdout
                time.sleep(0.05)
        finally:
            server.kill()
            server.wait()
        raise AssertionError(told.stderr)

    return answer


def test_a_responder_answers_from_our_index(work, pki, responder):
    serial = serial_of(pki, "a.example.com")
    certificate = ("-cert", pki / "certs_by_serial" / f"{serial:032X}.pem")
    assert ": good" in responder(certificate)
    revoke(work, "a.example.com", "cessationOfOperation")
    told = responder(certificate)
    assert ": revoked" in told
    assert "Reason: cessationOfOperation" in told
    assert ": good" in responder(("-cert", pki / "issued" / "b.example.com.crt"))
    assert ": unknown" in responder(("-serial", "0x123456"))


def test_the_files_go_where_easy_rsa_has_them(work, pki):
    (pki / "private" / "a.example.com.p12").write_bytes(b"p12")
    old = {path.name: path.read_bytes() for path in pki.rglob("a.example.com*")}
    serial = load(pki / "issued" / "a.example.com.crt").serial_hex
    made = revoke(work, "a.example.com")
    revoked = pki / "revoked"
    assert files_below(revoked) == {
        f"certs_by_serial/{serial}.crt": "0o644",
        f"certs_by_serial/{serial}-chain.pem": "0o644",
        f"private_by_serial/{serial}.key": "0o600",
        f"private_by_serial/{serial}.p12": "0o644",
        f"reqs_by_serial/{serial}.req": "0o644",
    }
    assert not list(pki.rglob("a.example.com*"))
    assert {path.stat().st_mode & 0o777 for path in (revoked, *revoked.iterdir())} == {0o700}
    assert (revoked / "certs_by_serial" / f"{serial}.crt").read_bytes() == old["a.example.com.crt"]
    assert (revoked / "private_by_serial" / f"{serial}.key").read_bytes() == old["a.example.com.key"]
    assert set(made.files) == {"certificate", "chain", "key", "request", "p12"}
    assert (pki / "certs_by_serial" / f"{serial}.pem").exists()
    shown = opensslgen("show", serial)
    assert shown.returncode == 0, shown.stderr
    assert "revoked" in shown.stdout
    make_server(work, "a.example.com")  # the name is free again


def test_files_of_another_certificate_stay(work, pki):
    """The certificate that was replaced is revoked by its serial number, and the new one keeps its name."""
    old = load(pki / "issued" / "a.example.com.crt").serial_hex
    make_server(replace(work, force=True), "a.example.com")
    before = files_below(pki)
    revoke(work, old)
    assert files_below(pki) == before
    assert {entry.serial_hex: entry.state for entry in index.read(pki / "index.txt")}[old] == "R"


def test_a_key_that_is_not_its_own_stays(work, pki):
    order = leaf_order("a.example.com", key_type=EC)
    opensslgen("server", "a.example.com", "--csr-only", "--force", "--key-type", "p-256")
    assert order.stem == "a.example.com"
    key = (pki / "private" / "a.example.com.key").read_bytes()
    made = revoke(work, "a.example.com")
    assert (pki / "private" / "a.example.com.key").read_bytes() == key
    assert set(made.files) == {"certificate", "chain"}
    assert [note for note in made.notes if "another key" in note]


def test_the_index_keeps_its_mode(work, pki):
    """A responder that runs as somebody else reads it."""
    (pki / "index.txt").chmod(0o644)
    revoke(work, "a.example.com")
    assert (pki / "index.txt").stat().st_mode & 0o777 == 0o644


REFUSED = {
    "nobody.example.com": (UsageError, "neither a file, nor the name or serial number of a certificate in"),
    "DEADBEEF": (UsageError, "neither a file, nor the name or serial number of a certificate in"),
    "ca": (UsageError, "is self-signed, and nobody can revoke it"),
    "self.example.com": (UsageError, "is self-signed, and nobody can revoke it"),
    "other.crt": (UsageError, "was issued by CN=Other root, and only that CA can revoke it"),
    "b.example.com": (Error, r"was revoked on \d{4}-\d\d-\d\d \d\d:\d\d UTC, for superseded"),
    "empty.crt": (Error, "empty.crt"),
}


@pytest.fixture(scope="session")
def mixed(stock, openssl, tmp_path_factory):
    """The same folder with one revoked and one self-signed, and beside it a certificate of another authority."""
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(stock, folder / "pki")
    authority = Authority(Store(folder / "pki"), openssl, no_secret)
    revoke(authority, "b.example.com", "superseded")
    order = leaf_order("self.example.com", kind=SELF_SIGNED, key_type=EC)
    authority.make(lambda: self_signed_job(order, store=authority.store))
    other = Authority(Store(folder / "other"), openssl, no_secret)
    make_root(other, common_name="Other root")
    (folder / "other.crt").write_bytes(make_server(other, "a.example.com").files["certificate"].read_bytes())
    (folder / "empty.crt").touch()
    return folder


@pytest.mark.parametrize("wanted", REFUSED)
def test_what_cannot_be_revoked_is_told_apart(wanted, mixed, openssl, monkeypatch):
    monkeypatch.chdir(mixed)
    if wanted == "b.example.com":
        wanted, known = str(next((mixed / "pki/revoked/certs_by_serial").glob("*.crt"))), REFUSED[wanted]
    else:
        known = REFUSED[wanted]
    authority = Authority(Store(mixed / "pki"), openssl, no_secret)
    before = {path: path.read_bytes() for path in mixed.rglob("*") if path.is_file() and path.name != ".lock"}
    with pytest.raises(known[0], match=known[1]):
        revoke(authority, wanted)
    assert {path: path.read_bytes() for path in mixed.rglob("*") if path.is_file() and path.name != ".lock"} == before


def test_an_intermediate_cannot_revoke_itself(work, pki, tmp_path):
    site = intermediate_site(work, tmp_path)
    with pytest.raises(UsageError, match="only its issuer can revoke it"):
        revoke(site, "ca")


def intermediate_site(work, tmp_path):
    """Make an intermediate and the folder that it signs in."""
    order = intermediate_order("Site Berlin", key_type=EC)
    made = work.make(lambda: intermediate_job(order, store=work.store, fixed_days=True))
    site = tmp_path / "site"
    (site / "private").mkdir(parents=True, mode=0o700)
    shutil.copy(made.files["certificate"], site / "ca.crt")
    shutil.copy(made.files["key"], site / "private" / "ca.key")
    shutil.copy(work.store.path / "ca.crt", site / "ca-chain.pem")
    return Authority(Store(site), work.openssl, SECRETS.__getitem__)


@pytest.mark.slow
def test_an_intermediate_revokes_what_it_signed(work, tmp_path):
    site = intermediate_site(work, tmp_path)
    made = make_server(site, "berlin.example.com")
    make_list(site)
    revoke(site, "berlin.example.com")
    assert [entry.serial_number for entry in judged(site.store.path)] == [made.certificate.serial_number]
    revoke(work, "Site_Berlin", "CACompromise")
    assert [entry.reason for entry in index.read(work.store.path / "index.txt") if entry.reason] == ["CACompromise"]


@pytest.mark.slow
def test_an_expired_one_is_revoked_with_a_note(pki, openssl, tmp_path):
    day = tmp_path / "day"
    script = ["faketime", "-f", "-40d", sys.executable, "-m", "opensslgen", "server", "--new-ca", "old.example.com"]
    subprocess.run(
        [*script, "--key-type", "p-256", "--days", "30", "--pki", day],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=True,
        capture_output=True,
    )
    made = revoke(Authority(Store(day), openssl, no_secret), "old.example.com")
    assert [note for note in made.notes if note.startswith("it expired on ")]
    assert [entry.state for entry in index.read(day / "index.txt")] == ["R"]


def test_one_that_the_index_never_had_is_revoked_by_its_file(work, pki):
    certificate = pki / "issued" / "a.example.com.crt"
    lines = (pki / "index.txt").read_text().splitlines(keepends=True)
    (pki / "index.txt").write_text("".join(line for line in lines if "a.example.com" not in line))
    serial = serial_of(pki, "a.example.com")
    made = revoke(work, certificate, "keyCompromise")
    make_list(work)
    assert [entry.serial_number for entry in judged(pki)] == [serial]
    assert "it was missing from index.txt, and has been added" in made.notes
    assert len((pki / "index.txt").read_text().splitlines()) == 3


def forged(path, pki, **other):
    """Write a certificate that says of itself what the server's does, and that a stranger has signed."""
    genuine = judge.load_pem_x509_certificate((pki / "issued" / "a.example.com.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        judge.CertificateBuilder(genuine.issuer, genuine.subject, key.public_key())
        .serial_number(other.get("serial", genuine.serial_number))
        .not_valid_before(genuine.not_valid_before_utc)
        .not_valid_after(genuine.not_valid_after_utc)
    )
    for extension in genuine.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("other", [{}, {"serial": 4711}], ids=["the-number-of-another", "never-issued"])
@pytest.mark.parametrize("has_copies", [True, False])
def test_nothing_is_revoked_by_a_file_that_the_authority_has_not_signed(has_copies, other, work, pki, tmp_path):
    if not has_copies:
        shutil.rmtree(pki / "certs_by_serial")
    file = forged(tmp_path / "forged.crt", pki, **other)
    before = files_below(pki)
    told = (
        "another certificate with this serial number is in the folder"
        if has_copies and not other
        else "openssl verify does not"
    )
    with pytest.raises(Error, match=told):
        revoke(work, file)
    after = files_below(pki)
    assert {name: after.get(name) for name in before} == before


def test_no_script_revokes_what_the_authority_has_not_signed(work, pki, tmp_path):
    file = forged(tmp_path / "forged.crt", pki, serial=4711)
    before = (pki / "index.txt").read_bytes()
    script = as_script(revocation_job(str(file), store=work.store).plan, version="test")
    done = subprocess.run(["sh", "/dev/stdin", pki], input=script, capture_output=True, text=True)
    assert done.returncode == 1
    assert "openssl verify does not accept revoked.pem" in done.stderr
    assert (pki / "index.txt").read_bytes() == before


@pytest.mark.slow
def test_what_has_no_copy_is_revoked_by_its_signature_though_it_expired(openssl, tmp_path):
    day = tmp_path / "day"
    make = [
        sys.executable,
        "-m",
        "opensslgen",
        "server",
        "--new-ca",
        "old.example.com",
        "--key-type",
        "p-256",
        "--days",
        "30",
    ]
    subprocess.run(
        ["faketime", "-f", "-40d", *make, "--pki", day],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=True,
        capture_output=True,
    )
    shutil.rmtree(day / "certs_by_serial")
    shutil.copytree(day, tmp_path / "other")
    made = revoke(Authority(Store(day), openssl, no_secret), day / "issued/old.example.com.crt")
    assert "chain, by openssl verify" in made.checks
    other = Store(tmp_path / "other")
    script = as_script(revocation_job("old.example.com", store=other).plan, version="test")
    subprocess.run(["sh", "/dev/stdin", other.path], input=script, check=True, capture_output=True, text=True)
    assert [entry.state for pki in (day, other.path) for entry in index.read(pki / "index.txt")] == ["R", "R"]


def test_an_intermediate_revokes_what_it_signed_and_has_no_copy_of(work, tmp_path):
    site = intermediate_site(work, tmp_path)
    make_server(site, "site.example.com")
    shutil.rmtree(site.store.path / "certs_by_serial")
    assert "chain, by openssl verify" in revoke(site, "site.example.com").checks


def test_a_file_may_be_in_der_and_lie_anywhere(work, pki, tmp_path):
    (tmp_path / "leaked.der").write_bytes(load(pki / "issued" / "bob.crt").der)
    revoke(work, tmp_path / "leaked.der")
    assert not (pki / "issued" / "bob.crt").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "V\t2902",
        lambda text: text.replace("\n", "\r\n") + "V\t2902\t",
        lambda text: "# by hand\n" + text,
    ],
)
def test_line_ends_and_torn_lines_are_mended(spoil, work, pki):
    whole = (pki / "index.txt").read_text()
    (pki / "index.txt").write_bytes(spoil(whole).encode())
    serial = serial_of(pki, "bob")
    make_list(work)
    revoke(work, "bob")
    text = (pki / "index.txt").read_bytes().decode()
    assert re.sub(r"R(\t.*?\t)\d+Z", r"V\1", text) == whole
    assert [entry.serial_number for entry in judged(pki)] == [serial]


def test_a_line_that_is_none_is_named_and_nothing_changes(work, pki):
    with (pki / "index.txt").open("a") as file:
        file.write("nonsense\n")
    before = (pki / "index.txt").read_bytes()
    for attempt in (lambda: revoke(work, "bob"), lambda: make_list(work)):
        with pytest.raises(Error, match=r"index\.txt, line 4: 1 field"):
            attempt()
    assert (pki / "index.txt").read_bytes() == before


def test_a_serial_number_that_openssl_would_not_find_is_named(work, pki):
    text = (pki / "index.txt").read_text()
    (pki / "index.txt").write_text(re.sub(r"[0-9A-F]{30,}", lambda found: found[0].lower(), text))
    with pytest.raises(Error, match=r"index\.txt, line 3: openssl writes the serial number"):
        revoke(work, "bob")


@pytest.mark.slow
def test_a_hundred_thousand_lines(work, pki):
    """Those with leading zeros in their serial numbers, too, which openssl drops."""
    make_list(work)
    with (pki / "index.txt").open("a") as file:
        for number in range(1 << 100, (1 << 100) + 50000):
            file.write(f"V\t290101000000Z\t\t{number:032X}\tunknown\t/CN=phone-{number}\n")
            file.write(f"R\t290101000000Z\t250101000000Z\t{number << 1:032X}\tunknown\t/CN=phone-{number}\n")
    copy = shutil.copytree(pki, pki.parent / "copy" / "pki")
    revoke(work, "bob")
    script = as_script(revocation_job("bob", store=Store(copy)).plan, version="test")
    subprocess.run(["busybox", "sh", "/dev/stdin"], input=script, cwd=copy.parent, check=True, text=True)
    for folder in (pki, copy):
        assert len(judged(folder)) == 50001
        assert sum(1 for _ in index.read(folder / "index.txt")) == 100003


def test_a_new_list_serves_as_long_as_the_last_one(work, pki):
    make_list(work, days=7)
    revoke(work, "bob")
    listed = judged(pki)
    assert listed.next_update_utc - listed.last_update_utc == timedelta(days=7)
    assert number_of(listed) == 2
    now = datetime.now(timezone.utc).replace(microsecond=0)
    key = judge_key(pki)
    builder = judge.CertificateRevocationListBuilder().issuer_name(listed.issuer)
    builder = builder.last_update(now).next_update(now + timedelta(hours=36))
    builder = builder.add_extension(judge.CRLNumber(0xFFF), critical=False)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    (pki / "crl.pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (pki / "crlnumber").unlink()
    revoke(work, "a.example.com")
    listed = judged(pki)
    assert listed.next_update_utc - listed.last_update_utc == timedelta(hours=36)
    assert number_of(listed) == 0x1000
    assert (pki / "crlnumber").read_text() == "1001\n"


def judge_key(pki):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key((pki / "private" / "ca.key").read_bytes(), None)


def test_a_list_that_cannot_be_read_is_replaced(work, pki):
    (pki / "crl.pem").write_text("nonsense")
    made = revoke(work, "bob")
    assert len(judged(pki)) == 1
    assert [note for note in made.notes if "no CRL in it" in note]


def test_where_clients_find_the_list_is_in_the_certificate(work, pki):
    url = "http://pki.example.com/crl.der"
    assert opensslgen("server", "c.example.com", "--key-type", "p-256", "--crl-url", url).returncode == 0
    assert load(pki / "issued" / "c.example.com.crt").crl_urls == (url,)
    read = judge.load_pem_x509_certificate((pki / "issued" / "c.example.com.crt").read_bytes())
    (point,) = read.extensions.get_extension_for_class(judge.CRLDistributionPoints).value
    assert [name.value for name in point.full_name] == [url]


# Run and script

JOBS = {
    "revoke": lambda store: revocation_job("a.example.com", store=store),
    "revoke-listed": lambda store: revocation_job("a.example.com", store=store, reason="keyCompromise"),
    "revoke-unlisted": lambda store: revocation_job(
        str(store.path / "issued" / "bob.crt"), store=store, reason="superseded"
    ),
    "revoke-crlf": lambda store: revocation_job("bob", store=store, reason="unspecified"),
    "list": lambda store: revocation_list_job(store=store),
    "list-torn": lambda store: revocation_list_job(store=store, days=7),
    "list-numbered": lambda store: revocation_list_job(store=store),
    "list-openssl-ca": lambda store: revocation_list_job(store=store),
    "list-passphrase": lambda store: revocation_list_job(store=store),
    "set-passphrase": lambda store: passphrase_job(store=store),
    "change-passphrase": lambda store: passphrase_job(store=store),
    "remove-passphrase": lambda store: passphrase_job(store=store, remove=True),
}


def prepared(name, pki, work):
    """Bring the folder into the state that the job is about."""
    if name in ("revoke-listed", "list-numbered"):
        revoke(work, "b.example.com", "affiliationChanged")
        make_list(work, days=3)
    if name == "list-numbered":
        (pki / "crlnumber").unlink()
    text = (pki / "index.txt").read_text()
    if name == "revoke-unlisted":
        (pki / "index.txt").write_text("".join(line for line in text.splitlines(keepends=True) if "bob" not in line))
    if name == "revoke-crlf":
        (pki / "index.txt").write_bytes(text.replace("\n", "\r\n").encode())
    if name == "list-torn":
        (pki / "index.txt").write_text(
            text.replace("V", "R", 1).replace("\t\t", "\t240101000000Z,superseded\t", 1) + "R\t26"
        )
    if name == "list-openssl-ca":
        (pki / "ca.crt").rename(pki / "cacert.pem")
        (pki / "private" / "ca.key").rename(pki / "private" / "cakey.pem")
    if name in ("list-passphrase", "change-passphrase", "remove-passphrase"):
        encrypted = replace(work, secret={secrets.NEW_PASSPHRASE: SECRETS[secrets.CA_PASSPHRASE]}.__getitem__)
        encrypted.make(lambda: passphrase_job(store=work.store))


def state(pki):
    """Return all that two ways of doing the same must agree on."""
    answer = {"files": files_below(pki)}
    # A torn line goes when something is published, or when the next line is added: it is none.
    lines = (pki / "index.txt").read_bytes().decode().removesuffix("R\t26")
    answer["index"] = re.sub(r"\t26\d{10}Z", "\tNOW", lines)
    answer["encrypted"] = [b"ENCRYPTED" in path.read_bytes() for path in sorted(pki.glob("private/ca*"))]
    if (pki / "crl.der").exists():
        listed = judged(pki)
        answer["list"] = [(entry.serial_number, reason_of(entry)) for entry in listed]
        answer["number"] = number_of(listed), (pki / "crlnumber").read_text()
        answer["lifetime"] = listed.next_update_utc - listed.last_update_utc
    return answer


def both_ways(name, pki, openssl, shell):
    """Do a job, and the same by its script in a copy of the folder; return what came of each."""
    prepared(name, pki, Authority(Store(pki), openssl, SECRETS.__getitem__))
    printed = pki.parent / "printed" / "pki"
    shutil.copytree(pki, printed)
    script = as_script(JOBS[name](Store(printed)).plan, version="test")
    assert not set(SECRETS.values()) & set(re.split(r"[\n']", script))
    run = Authority(Store(pki), openssl, SECRETS.__getitem__)
    run.make(lambda: JOBS[name](run.store))
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=script,
        cwd=printed.parent,
        env={**os.environ, **SECRETS, "OPENSSLGEN_OPENSSL": openssl.path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return state(pki), state(printed)


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", JOBS)
def test_run_and_script_do_the_same(name, shell, openssl, pki):
    ours, script = both_ways(name, pki, openssl, shell)
    assert ours == script
    if name.startswith("list"):
        assert ours["number"] == ((2, "03\n") if name == "list-numbered" else (1, "02\n"))


@pytest.mark.parametrize("name", ["revoke-listed", "revoke-crlf", "revoke-unlisted", "change-passphrase"])
@pytest.mark.parametrize("path", BINARIES)
def test_every_openssl_does_it(name, path, pki):
    ours, script = both_ways(name, pki, command.find(path), "busybox")
    assert ours == script


@pytest.mark.parametrize("name", daily(("revoke-listed", "revoke-unlisted", "list", "change-passphrase"), "list"))
def test_a_script_is_clean_under_shellcheck(name, work, pki, tmp_path):
    prepared(name, pki, work)
    (tmp_path / "script.sh").write_text(as_script(JOBS[name](work.store).plan, version="test"))
    done = subprocess.run(["shellcheck", "-s", "sh", tmp_path / "script.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


LIES = {
    "another line": (
        "-revoke",
        "sed -i '1s/^V\\t\\([^\\t]*\\)\\t/R\\t\\1\\t260101000000Z/' index.txt",
        "changed more in the index",
    ),
    "a lost line": ("-revoke", "sed -i 1d index.txt", "changed more in the index"),
    "nothing": ("-revoke", "cp index.before index.txt", "changed more in the index"),
    "a list without it": ("-gencrl", "cp ../../old.pem crl.pem", "the same revocations"),
    "another's list": ("-gencrl", "cp ../../foreign.pem crl.pem", "accept the signature"),
}


@pytest.mark.slow
@pytest.mark.parametrize("lie", LIES)
def test_what_openssl_gets_wrong_is_seen_both_ways(lie, work, pki, tmp_path):
    """A stand-in that does its work and then spoils it."""
    make_list(work)
    shutil.copy(pki / "crl.pem", tmp_path / "old.pem")
    other = Authority(Store(tmp_path / "other"), work.openssl, no_secret)
    make_root(other, common_name="Test root")
    make_list(other)
    shutil.copy(tmp_path / "other" / "crl.pem", tmp_path / "foreign.pem")
    option, harm, message = LIES[lie]
    liar = tmp_path / "openssl"
    liar.write_text(f'#!/bin/sh\n{work.openssl.path} "$@" || exit\ncase "$*" in "ca "*{option}*) {harm};; esac\n')
    liar.chmod(0o755)
    script = as_script(revocation_job("bob", store=work.store).plan, version="test")
    before = files_below(pki), (pki / "index.txt").read_bytes(), (pki / "crl.pem").read_bytes()
    with pytest.raises(Error, match=message):
        revoke(Authority(work.store, command.find(str(liar)), no_secret), "bob")
    done = subprocess.run(
        ["dash", "/dev/stdin"],
        input=script,
        env={**os.environ, "OPENSSLGEN_OPENSSL": str(liar)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert (files_below(pki), (pki / "index.txt").read_bytes(), (pki / "crl.pem").read_bytes()) == before


# The command line


@pytest.mark.slow
def test_the_session_of_a_leak():
    assert opensslgen("server", "pbx.example.com", "--key-type", "p-256").returncode == 0
    done = opensslgen("revoke", "pbx.example.com")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--yes" in done.stderr
    done = opensslgen("revoke", "pbx.example.com", "--reason", "keycompromise", "--yes")
    assert done.returncode == 0, done.stderr
    assert "opensslgen crl" in done.stdout
    done = opensslgen("crl", "--days", "5")
    assert done.returncode == 0, done.stderr
    assert "Made a CRL with 1 certificate, valid until" in done.stdout
    done = opensslgen("list")
    assert "expires on " in done.stderr
    assert opensslgen("crl", "-q").stdout == ""
    assert opensslgen("list").stderr == "Note: not listed: 1 revoked; to see them, add --all\n"


def test_a_script_is_printed_without_a_question(pki):
    done = opensslgen("revoke", "bob", "--script")
    assert done.returncode == 0, done.stderr
    assert "Replaces index.txt." in done.stdout
    assert (pki / "issued" / "bob.crt").exists()


@pytest.mark.parametrize(("answer", "revoked"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_is_asked_for(answer, revoked, pki):
    need("terminals")
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "revoke", "bob", "--reason", "superseded"],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, close_fds=True,
        start_new_session=True,
    )  # fmt: skip
    os.close(child)
    seen = b""
    while not seen.endswith(b"[y/N]: "):
        seen += os.read(parent, 1)
    os.write(parent, answer.encode() + b"\n")
    with contextlib.suppress(OSError):  # which is how the end of a terminal reads
        while chunk := os.read(parent, 1024):
            seen += chunk
    assert process.wait() == (0 if revoked else 1), seen
    assert b"Revoke bob, serial number " in seen
    assert (pki / "issued" / "bob.crt").exists() is not revoked


# easy-rsa


def easyrsa(*arguments, pki):
    done = subprocess.run(
        [program_path("easyrsa"), "--batch", *arguments],
        env={**os.environ, "EASYRSA_PKI": str(pki), "EASYRSA_ALGO": "ec", "EASYRSA_CURVE": "prime256v1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs("easyrsa")
def test_easy_rsa_goes_on_in_our_folder(work, pki):
    shutil.copy("/usr/share/easy-rsa/openssl-easyrsa.cnf", pki)
    first, second = serial_of(pki, "a.example.com"), serial_of(pki, "b.example.com")
    revoke(work, "a.example.com", "superseded")
    make_list(work)
    easyrsa("gen-crl", pki=pki)
    listed = judge.load_pem_x509_crl((pki / "crl.pem").read_bytes())
    assert {entry.serial_number: reason_of(entry) for entry in listed} == {first: "superseded"}
    easyrsa("revoke", "b.example.com", "keyCompromise", pki=pki)
    make_list(work)
    assert {entry.serial_number for entry in judged(pki)} == {first, second}
    with pytest.raises(Error, match="was revoked on"):
        revoke(work, f"{second:032X}")


def test_we_go_on_in_easy_rsas_folder(openssl, tmp_path):
    pki = tmp_path / "pki"
    for arguments in (["init-pki"], ["--req-cn=Easy root", "build-ca", "nopass"]):
        easyrsa(*arguments, pki=pki)
    for name in ("one", "two"):
        easyrsa("build-server-full", name, "nopass", pki=pki)
    easyrsa("gen-crl", pki=pki)
    one, two = serial_of(pki, "one"), serial_of(pki, "two")
    easyrsa("revoke", "one", pki=pki)
    work = Authority(Store(pki), openssl, no_secret)
    revoke(work, "two", "cessationOfOperation")
    listed = judged(pki)
    assert {entry.serial_number: reason_of(entry) for entry in listed} == {one: None, two: "cessation_of_operation"}
    assert number_of(listed) == 1
    assert listed.next_update_utc - listed.last_update_utc == timedelta(days=180)
    assert {path.name[-4:] for path in (pki / "revoked").rglob("*.*")} == {".crt", ".key", ".req"}
    assert "revoked" in opensslgen("list", "--all", "--pki", pki).stdout
    easyrsa("gen-crl", pki=pki)
    assert len(judge.load_pem_x509_crl((pki / "crl.pem").read_bytes())) == 2


def test_we_go_on_in_a_folder_of_openssl_ca(openssl, tmp_path):
    """Whose root, as older ones, has no subject key identifier that a list could name."""
    (tmp_path / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndir=demoCA\ndatabase=$dir/index.txt\nnew_certs_dir=$dir/newcerts\n"
        "serial=$dir/serial\ncertificate=$dir/cacert.pem\nprivate_key=$dir/private/cakey.pem\ndefault_md=sha256\n"
        "default_days=100\npolicy=p\ncrlnumber=$dir/crlnumber\n[p]\ncommonName=supplied\n"
        "[req]\nprompt=no\ndistinguished_name=dn\n[dn]\nCN=openssl root\n"
        "[v3]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\n"
    )
    pki = tmp_path / "demoCA"
    for folder in ("newcerts", "private"):
        (pki / folder).mkdir(parents=True)
    (pki / "index.txt").touch()
    (pki / "serial").write_text("01\n")

    def ssl(*arguments):
        done = subprocess.run(["openssl", *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    root = ("-keyout", pki / "private/cakey.pem", "-out", pki / "cacert.pem", "-config", "ca.cnf", "-extensions", "v3")
    ssl("req", "-new", "-x509", *new, *root, "-days", "1000")
    for name in ("one", "Zürich"):
        ssl("req", "-new", *new, "-utf8", "-keyout", "k", "-out", "r", "-subj", f"/CN={name}", "-config", "ca.cnf")
        ssl("ca", "-config", "ca.cnf", "-batch", "-in", "r", "-out", "c")
    work = Authority(Store(pki), openssl, no_secret)
    assert work.store.issuer().subject_key_identifier is None
    revoke(work, "02", "superseded")
    make_list(work)
    revoke(work, "one")
    listed = judged(pki)
    assert {entry.serial_number: reason_of(entry) for entry in listed} == {2: "superseded", 1: None}
    ssl("ca", "-config", "ca.cnf", "-gencrl", "-crldays", "3", "-out", "crl.pem")
    theirs = judge.load_pem_x509_crl((tmp_path / "crl.pem").read_bytes())
    assert (len(theirs), number_of(theirs)) == (2, 3)


def test_a_revocation_that_was_decided_is_not_lost(work, pki, monkeypatch):
    """The process ends right after the decision; whatever runs next carries it out."""
    serial = serial_of(pki, "bob")
    with monkeypatch.context() as patched:
        patched.setattr(decision, "carry_out", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            revoke(work, "bob")
    assert (pki / "issued" / "bob.crt").exists()
    make_list(work)
    assert [entry.serial_number for entry in judged(pki)] == [serial]
    assert not (pki / "issued" / "bob.crt").exists()
    assert not list(pki.glob(".work-*"))
