"""The page of a certificate and the page of the CA in the form: what they say, give away, and change."""

from __future__ import annotations

import html
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from opensslgen.cli.main import cli
from opensslgen.jobs.backup import Backup
from opensslgen.jobs.destination import Destination
from opensslgen.plan.export import FORMATS
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.plan.targets import NAMES
from opensslgen.web import auditing
from opensslgen.web.app import create_app
from opensslgen.x509.certificate import load

from .conftest import agreeing, files_below, make_root, make_server, wait
from .daily import daily
from .forms import Client, form_config

PBX = "pbx.example.com"
PASSWORD = "for the test"


def run(*arguments, **env):
    done = CliRunner().invoke(cli, agreeing(arguments), env=env)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a limited root, an intermediate, a server, and one that breaks rules; it is only read."""
    folder = tmp_path_factory.mktemp("made")
    key, pki = ("--key-type", "p-256"), ("--pki", folder / "pki")
    run(
        "root",
        "--cn",
        "Example Ltd CA",
        "--permit",
        "example.com,10.0.0.0/8",
        "--exclude",
        "no.example.com",
        *key,
        *pki,
    )
    run("intermediate", "Office", *key, *pki)
    run("server", PBX, "--san", "10.0.0.5", *key, *pki)
    run("server", "long.example.com", "--days", "2555", "--allow", "apple-validity", *key, *pki)
    run("server", "named.example.com", "--cn", "Another name", *key, *pki)
    site = folder / "site"
    run("adopt", folder / "pki/issued/Office-chain.pem", "--key", folder / "pki/private/Office.key", "--pki", site)
    run("server", PBX, *key, "--pki", site)
    return folder


def entered(openssl, pki, **options):
    return Client(create_app(form_config(openssl, pki, token="token", **options))).enter()


@pytest.fixture(scope="module")
def client(openssl, made):
    return entered(openssl, made / "pki")


@pytest.fixture(scope="module")
def below(openssl, made):
    """The form in the folder of the intermediate."""
    return entered(openssl, made / "site")


@pytest.fixture
def config(openssl, tmp_path):
    return form_config(openssl, tmp_path / "pki", token="token")


@pytest.fixture
def mine(config):
    """A form whose folder a test may change."""
    client = Client(create_app(config)).enter()
    client.pki = config.pki
    return client


def address(pki, name=PBX):
    return f"/certificates/{load(pki / 'issued' / f'{name}.crt').serial_hex}"


def text_of(page):
    """Return the words of a page, in one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page[page.index("<main") :])).split())


def error_of(page, field):
    found = re.search(rf'<div class="error" id="{field}-error">(.*?)</div>', page, re.DOTALL)
    return text_of(f"<main>{found[1]}") if found else None


def confirm(client, shown):
    assert shown.status_code == 303, shown.text
    done = client.post(shown.location)
    assert done.status_code == 303, done.text
    return done.location


def files_in(answer):
    """Return the files of a download by name, and the mode that each gets when an archive is unpacked."""
    name = re.search("filename=(.*)", answer.headers["Content-Disposition"])[1]
    if not name.endswith(".zip"):
        return {name: answer.data}
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o600}
        return {name: archive.read(name) for name in archive.namelist()}


# Exports


@pytest.mark.parametrize(
    "name", daily([*NAMES, *FORMATS], "ip-office", "nginx", "haproxy", "unifi", "p12", "jks", "chain", "der", "key")
)
def test_each_export_is_that_of_the_command(name, below, made, tmp_path):
    before = files_below(made / "site")
    where = address(made / "site")
    option = "--for" if name in NAMES else "--as"
    run("export", PBX, option, name, "--pki", made / "site", "--out", f"{tmp_path}/", OPENSSLGEN_P12_PASSWORD=PASSWORD)
    expected = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found = files_in(below.post(f"{where}/export", form=name, p12_password=PASSWORD))
    assert found.keys() == expected.keys()
    leaf = x509.load_pem_x509_certificate((made / "site" / "issued" / f"{PBX}.crt").read_bytes())
    for file, data in found.items():
        if not file.endswith((".p12", ".jks")):
            assert data == expected[file]
            continue
        ours, theirs = (pkcs12.load_pkcs12(each, PASSWORD.encode()) for each in (data, expected[file]))
        assert ours.cert.certificate == leaf
        assert ours.cert.friendly_name == theirs.cert.friendly_name
        assert ours.key.public_key() == leaf.public_key()
        assert {each.certificate for each in ours.additional_certs} == {
            each.certificate for each in theirs.additional_certs
        }
    assert files_below(made / "site") == before


def test_the_page_offers_every_export_and_links_lead_to_no_key(client, made):
    where = address(made / "pki")
    page = client.get(where).text
    assert set(re.findall(r'name="form" value="([^"]+)"', page)) == {*NAMES, "p12", "p12-compat", "key", "jks"}
    assert set(re.findall(rf'href="{where}/([^"]+)"', page)) == {"certificate", "chain", "der"}
    for name in (*NAMES, "p12", "p12-compat", "key", "jks", "export"):
        assert client.get(f"{where}/{name}").status_code in {404, 405}
    loaded = x509.load_pem_x509_certificate(client.get(f"{where}/certificate").data)
    assert loaded == x509.load_der_x509_certificate(client.get(f"{where}/der").data)
    assert [loaded, x509.load_pem_x509_certificate((made / "pki" / "ca.crt").read_bytes())] == (
        x509.load_pem_x509_certificates(client.get(f"{where}/chain").data)
    )


@pytest.mark.parametrize("form", ["", "x", "../key", "key\0", "pem\n", "__class__"])
def test_what_is_no_export_is_not_found(form, client, made):
    assert client.post(f"{address(made / 'pki')}/export", form=form).status_code == 404


@pytest.mark.parametrize("password", ["", "abc", "päss", "a\tbcd", "x" * 1001])
def test_a_password_that_no_file_can_have_is_said_beside_its_field(password, client, made):
    answer = client.post(f"{address(made / 'pki')}/export", form="ip-office", p12_password=password)
    assert answer.status_code == 422
    assert "password of the PKCS#12 file" in error_of(answer.text, "export-ip-office")
    assert 'aria-describedby="export-ip-office-hint export-ip-office-error"' in answer.text


def test_no_key_of_a_ca_is_exported(client, made):
    office = address(made / "pki", "Office")
    for where in ("/certificates/ca", office):
        assert "its key stays where it is" in text_of(client.get(where).text)
        for form in (*NAMES, "p12", "p12-compat", "key", "jks"):
            answer = client.post(f"{where}/export", form=form, p12_password=PASSWORD)
            assert answer.status_code == 422
            assert "its key stays where it is" in text_of(answer.text)
            assert "PRIVATE KEY" not in answer.text
        assert x509.load_der_x509_certificate(client.get(f"{where}/der").data)


def test_a_key_that_is_missing_or_that_a_server_cannot_use_is_said(mine, config, authority):
    make_server(authority)
    where, key = address(config.pki), config.pki / "private" / f"{PBX}.key"
    plain = key.read_text()
    for content, said in (
        (None, "is not in the folder"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "has a passphrase"),
    ):
        key.unlink()
        if content:
            key.write_text(content)
        assert said in text_of(mine.get(where).text)
        assert mine.post(f"{where}/export", form="nginx").status_code == 422
        key.write_text(plain)
    # A certificate of another key: openssl compares them.
    shutil.copy(config.pki / "private" / "ca.key", key)
    answer = mine.post(f"{where}/export", form="nginx")
    assert answer.status_code == 422
    assert "PRIVATE KEY" not in answer.text
    assert not list(config.pki.glob(".opensslgen-*"))


@pytest.mark.parametrize("stem", ["two\r\nSet-Cookie: x=y", "\u202egpj.exe", 'a"b', "a;b", "büro", "..", "-rf"])
def test_a_file_that_somebody_has_named_badly_is_downloaded_under_a_safe_name(stem, mine, config, authority):
    make_server(authority)
    where = address(config.pki)
    for folder, ending in (("issued", ".crt"), ("private", ".key")):
        (config.pki / folder / f"{PBX}{ending}").rename(config.pki / folder / f"{stem}{ending}")
    for answer in (mine.get(f"{where}/certificate"), mine.post(f"{where}/export", form="nginx")):
        assert answer.status_code == 200, text_of(answer.text)
        assert "Set-Cookie" not in answer.headers
        assert not re.search("[\r\n\u202e/]", answer.headers["Content-Disposition"].replace("UTF-8''", ""))
    for name in files_in(answer) if answer.mimetype == "application/zip" else ():
        assert not re.search(r"[/\\\r\n\u202e]", name)


# What the page says


def test_the_page_says_what_it_is_whether_it_complies_and_how_it_would_be_renewed(client, made):
    where = address(made / "pki")
    page = client.get(where).text
    words = text_of(page)
    for said in (
        "Server certificate",
        "valid until",
        "It complies: no rule is violated",
        "DNS:pbx.example.com, IP:10.0.0.5",
    ):
        assert said in words
    certificate = x509.load_pem_x509_certificate((made / "pki" / "issued" / f"{PBX}.crt").read_bytes())
    copied = {
        html.unescape(re.sub("<[^>]+>", "", text)).strip()
        for text in re.findall(r"data-copy[^>]*>(.*?)</(?:code|pre)>", page, re.DOTALL)
    }
    assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() in copied
    assert certificate.public_bytes(Encoding.PEM).decode().strip() in copied
    assert f"{certificate.serial_number:032X}" in copied
    assert run("renew", PBX, "--commands", "--pki", made / "pki").strip() in copied


REMEDIES = [
    ("long.example.com", "apple-validity", "Renew it: the new certificate will not have this."),
    ("named.example.com", "cn-not-in-san", "Renewing it would not change this. Add the common name to the subject"),
]


@pytest.mark.parametrize(("name", "rule", "said"), REMEDIES)
def test_each_finding_has_its_fix_and_the_fix_is_true(name, rule, said, made, mine):
    shutil.copytree(made / "pki", mine.pki)
    page = mine.get(address(mine.pki, name)).text
    (finding,) = re.findall(r'<li class="(?:error|warning)">(.*?)</li>', page, re.DOTALL)
    assert rule in finding
    assert f"Fix: {said}" in text_of(f"<main>{finding}")
    standing = re.search(r'<p class="standing (\w+)"', page)[1]
    assert standing == ("bad" if rule == "apple-validity" else "warn")
    confirm(mine, mine.post(f"{address(mine.pki, name)}/renew"))
    assert (rule in mine.get(address(mine.pki, name)).text) is (said.startswith("Renewing"))


def test_what_is_revoked_is_never_called_good(mine, config, authority):
    make_server(authority)
    where = address(config.pki)
    confirm(mine, mine.post(f"{where}/revoke", reason="superseded"))
    words = text_of(mine.get(where).text)
    assert "It is revoked. Clients that check revocation refuse it." in words
    assert "Nowhere where clients check revocation" in words
    assert "It complies" not in words
    assert "was revoked, so it cannot be renewed" in words
    assert "moved away when the certificate was revoked" in words
    assert f'action="{where}/revoke"' not in mine.get(where).text


def test_a_signature_that_nobody_has_verified_is_not_called_good(client, made, openssl):
    other = entered(replace(openssl, path="/nonexistent/openssl"), made / "pki")
    words = text_of(other.get(address(made / "pki")).text)
    assert "It complies" not in words
    assert "ignatures were not verified" in words


# A live server


class Server:
    """A TLS server on the loopback that shakes hands and closes."""

    def __init__(self, context):
        self.context, self.socket = context, socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as inside:
                    inside.settimeout(2)
                    inside.recv(1)
            except OSError:
                connection.close()


@pytest.fixture(scope="module")
def served_port(made):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pki = made / "pki"
    context.load_cert_chain(pki / "issued" / "long.example.com-chain.pem", pki / "private" / "long.example.com.key")
    server = Server(context)
    yield server.port
    server.socket.close()


def test_a_live_server_is_compared_with_the_certificate_and_judged(client, made, served_port):
    for name, said in (
        ("long.example.com", "sends this certificate"),
        (PBX, "sends another certificate: long.example.com"),
    ):
        answer = client.post(f"{address(made / 'pki', name)}/check", host=f"127.0.0.1:{served_port}")
        assert answer.status_code == 200
        words = text_of(answer.text)
        assert f"127.0.0.1:{served_port} {said}" in words
        assert "Why phones refuse it" in words
        assert "it is valid for 2555 days" in words
        assert "Fix: opensslgen" in words
        assert f'value="127.0.0.1:{served_port}"' in answer.text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "type a server"),
        ("/etc/passwd", "is not a server"),
        ("file:///etc/passwd", "is not the URL of a server with TLS"),
        ("{pki}/private/ca.key", "is not a server"),
        ("../private/ca.key", "is not a server"),
        ("-", ""),
        ("host:0", "ports are 1 to 65535"),
        ("*.example.com:443", "is a wildcard"),
        ("https://user:secret@host/", "user name"),
        ("a b", ""),
        ("-connect", ""),
        ("host:443\r\nX: y", ""),
        ("x" * 100_000, ""),
    ],
)
def test_only_a_server_can_be_checked_and_never_a_file(typed, said, client, made, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it was asked")

    monkeypatch.setattr("opensslgen.audit.live.answer", refuse)
    answer = client.post(f"{address(made / 'pki')}/check", host=typed.format(pki=made / "pki"))
    assert answer.status_code == 422, text_of(answer.text)
    assert said in error_of(answer.text, "check")
    assert "root:x:0" not in answer.text
    assert "PRIVATE KEY" not in answer.text
    assert "user:secret" not in error_of(answer.text, "check")


def test_a_server_that_does_not_answer_is_not_called_good(client, made):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = client.post(f"{address(made / 'pki')}/check", host=f"127.0.0.1:{taken.getsockname()[1]}")
    words = text_of(answer.text)
    assert "gives no answer that can be judged" in words
    assert "No fault" not in words


def test_checks_share_the_turns_of_the_audit(client, made, monkeypatch):
    monkeypatch.setattr(auditing, "_LONGEST_WAIT", 0.01)
    with auditing.turn() as first, auditing.turn() as second:
        assert first
        assert second
        answer = client.post(f"{address(made / 'pki')}/check", host="127.0.0.1:1")
        assert answer.status_code == 422
        assert "try again in a moment" in error_of(answer.text, "check")
        assert client.post("/audit", text="x").status_code == 503


# The CA


def test_the_page_of_the_ca_shows_its_certificates_and_gives_them_in_each_format(client, below, made):
    page = client.get("/ca").text
    words = text_of(page)
    assert "only DNS:example.com, IP:10.0.0.0/8, but not DNS:no.example.com" in words
    assert "Issued by it" in words
    root = x509.load_pem_x509_certificate((made / "pki" / "ca.crt").read_bytes())
    office = x509.load_pem_x509_certificate((made / "pki" / "issued" / "Office.crt").read_bytes())
    plain = re.sub("<wbr>", "", page)
    for certificate in (root, office):
        assert certificate.fingerprint(hashes.SHA256()).hex(":").upper() in plain
        assert f"{certificate.not_valid_after_utc:%Y-%m-%d}" in words
    # In the folder of an intermediate, the root is above it.
    assert "It complies: no rule is violated" in text_of(below.get("/certificates/ca").text)
    page = below.get("/ca").text
    found = []
    for link in re.findall(r'href="((?:/ca|/certificates)/[^"]+)" download', page):
        data = below.get(link).data
        found += (
            x509.load_pem_x509_certificates(data)
            if data.startswith(b"-----")
            else [x509.load_der_x509_certificate(data)]
        )
    assert found == [office, office, office, root, root, root]
    for path in ("/ca/above/0.pem", "/ca/above/2.pem", "/ca/above/1.key", "/ca/above/-1.pem", "/ca/above/x.pem"):
        assert below.get(path).status_code == 404


def test_without_a_ca_the_page_says_so(mine, config):
    assert "There is no CA yet" in mine.get("/ca").text
    assert mine.get("/ca/crl.pem").status_code == 404
    new = {"new_passphrase": PASSWORD, "new_passphrase_again": PASSWORD}
    assert mine.post("/ca/passphrase", **new).status_code == 422
    assert mine.post("/ca/backup", backup_passphrase=PASSWORD, backup_passphrase_again=PASSWORD).status_code == 409
    assert mine.post("/revocation-list", days="30").status_code == 422
    assert not config.pki.exists()


def test_a_revocation_list_is_issued_and_downloaded(mine, config, authority):
    make_server(authority)
    number = int(address(config.pki).rpartition("/")[2], 16)
    confirm(mine, mine.post(f"{address(config.pki)}/revoke"))
    assert "None yet" in mine.get("/ca").text
    for days, said in (
        ("0", "1 to 3650 days"),
        ("3651", "1 to 3650 days"),
        ("x", "number of days"),
        ("", "number of days"),
    ):
        answer = mine.post("/revocation-list", days=days)
        assert answer.status_code == 422
        assert said in error_of(answer.text, "list")
    confirm(mine, mine.post("/revocation-list", days="7"))
    found = x509.load_pem_x509_crl(mine.get("/ca/crl.pem").data)
    assert found == x509.load_der_x509_crl(mine.get("/ca/crl.der").data)
    assert [each.serial_number for each in found] == [number]
    assert (found.next_update_utc - found.last_update_utc).days == 7
    assert mine.get("/ca/crl.key").status_code == 404
    assert "Lists 1 certificate" in text_of(mine.get("/ca").text)


def test_the_passphrase_is_set_and_changed_and_the_form_forgets_the_old_one(config, root, mine):
    key = config.pki / "private" / "ca.key"
    public = load_pem_private_key(key.read_bytes(), None).public_key()
    for typed, said in (
        ({"new_passphrase": PASSWORD, "new_passphrase_again": "other"}, "differ"),
        ({"new_passphrase": "abc", "new_passphrase_again": "abc"}, "shorter than 4"),
        ({}, "shorter than 4"),
    ):
        answer = mine.post("/ca/passphrase", **typed)
        assert answer.status_code == 422
        assert said in error_of(answer.text, "new_passphrase")
    done = confirm(mine, mine.post("/ca/passphrase", new_passphrase="first one", new_passphrase_again="first one"))
    page = mine.get(done).text
    assert "Set the passphrase of the CA's key" in text_of(page)
    # The key of a CA is never a download.
    assert f'"{done}/' not in page
    assert mine.post(f"{done}/key").status_code == 404
    started = Client(create_app(replace(config, secrets={CA_PASSPHRASE: "first one"}))).enter()
    assert 'name="passphrase"' not in started.get("/ca").text
    confirm(started, started.post("/ca/passphrase", new_passphrase="second one", new_passphrase_again="second one"))
    assert load_pem_private_key(key.read_bytes(), b"second one").public_key() == public
    with pytest.raises(ValueError, match=r"(?i)password|decrypt"):
        load_pem_private_key(key.read_bytes(), b"first one")
    assert 'name="passphrase"' in started.get("/ca").text
    answer = mine.post("/ca/passphrase", passphrase="first one", new_passphrase="third", new_passphrase_again="third")
    assert "this is not the passphrase" in error_of(answer.text, "passphrase-passphrase")


def test_a_backup_is_downloaded_and_openssl_opens_it(mine, config, authority, tmp_path):
    make_server(authority)
    before = files_below(config.pki)
    for typed, said in (({"backup_passphrase": PASSWORD}, "differ"), ({}, "shorter than 4")):
        answer = mine.post("/ca/backup", **typed)
        assert answer.status_code == 422
        assert said in error_of(answer.text, "backup_passphrase")
    typed = {"backup_passphrase": PASSWORD, "backup_passphrase_again": PASSWORD}
    shown = mine.post("/ca/backup", **typed)
    assert mine.get(f"{shown.location}/script").status_code == 404
    done = confirm(mine, shown)
    # A second confirmation makes no second one.
    assert mine.post(shown.location).location == done
    words = text_of(mine.get(done).text)
    assert "restored into an empty folder, all files are the same" in words
    assert "0 violate the rules" in words
    assert PASSWORD not in words
    data = mine.take(f"{done}/backup").data
    command = ["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256"]
    opened = subprocess.run(
        [*command, "-pass", "env:SECRET"],
        input=data,
        env={"SECRET": PASSWORD, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(opened.stdout)) as archive:
        inside = {
            member.name.removeprefix("pki/"): archive.extractfile(member).read()
            for member in archive
            if member.isfile()
        }
    for name in files_below(config.pki):
        if (config.pki / name).is_file() and not name.startswith(".lock"):
            assert inside[name] == (config.pki / name).read_bytes()
    assert without_lock(files_below(config.pki)) == without_lock(before)
    # Only the latest one is kept in memory.
    again = confirm(mine, mine.post("/ca/backup", **typed))
    assert mine.get(done).status_code == 404
    assert mine.take(f"{again}/backup").status_code == 200
    mine.post("/leave")
    assert mine.post(f"{again}/backup").status_code == 403


def without_lock(files):
    return {name: mode for name, mode in files.items() if not name.startswith(".lock")}


def test_a_long_backup_shows_its_progress_and_runs_once(openssl, authority, root, monkeypatch):
    client = entered(openssl, authority.store.path, patience=0.01)
    go, runs = threading.Event(), []

    @contextmanager
    def slow(*_, on_command, **__):
        runs.append(1)
        on_command("openssl enc -e")
        assert go.wait(30)
        yield b"archive", Backup(7, authority.store.path)

    monkeypatch.setattr("opensslgen.web.authority.backup_contents", slow)
    shown = client.post("/ca/backup", backup_passphrase=PASSWORD, backup_passphrase_again=PASSWORD)
    progress = client.post(shown.location).location
    assert progress == client.post(shown.location).location == f"{shown.location}/progress"
    page = wait(lambda: "openssl enc -e" in (text := client.get(progress).text) and text)
    assert PASSWORD not in page
    assert progress in client.get("/").text
    go.set()
    done = wait(lambda: client.get(progress).location)
    assert "7 files" in client.get(done).text
    assert client.take(f"{done}/backup").data == b"archive"
    assert runs == [1]


def test_a_backup_that_fails_says_so_and_can_be_tried_again(mine, config, root):
    os.mkfifo(config.pki / "odd")
    shown = mine.post("/ca/backup", backup_passphrase=PASSWORD, backup_passphrase_again=PASSWORD)
    answer = mine.post(shown.location)
    assert answer.status_code == 409
    assert "neither a file nor a folder" in text_of(answer.text)
    assert not list(config.pki.glob(".opensslgen-*"))
    (config.pki / "odd").unlink()
    assert mine.post(shown.location).status_code == 303


@pytest.fixture
def root(authority):
    return make_root(authority)


def test_files_of_an_export_lie_nowhere_else_while_it_is_made(mine, config, authority, monkeypatch):
    make_server(authority)
    seen = []
    work = Destination.work

    def noted(self):
        seen.append(self.path)
        return work(self)

    monkeypatch.setattr(Destination, "work", noted)
    assert mine.post(f"{address(config.pki)}/export", form="nginx").status_code == 200
    assert set(seen) == {Path(config.pki)}


def test_a_folder_in_disorder_still_has_its_pages(mine, config, authority):
    """A key that is kept elsewhere, an index that cannot be read, a chain that is damaged."""
    make_server(authority)
    where = address(config.pki)
    (config.pki / "private" / "ca.key").rename(config.pki / "away")
    assert "cannot be read here" in text_of(mine.get("/ca").text)
    assert "Where it works" in mine.get(where).text
    assert mine.post(f"{where}/renew").status_code == 422
    assert mine.post("/revocation-list", days="30").status_code == 422
    (config.pki / "issued" / f"{PBX}-chain.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    assert "nothing can be downloaded" in text_of(mine.get(where).text)
    (config.pki / "index.txt").write_text("no line of an index\n")
    assert "index.txt, line 1" in text_of(mine.get("/ca").text)
