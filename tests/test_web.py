"""The form: what it makes, what it says of a slip, and who it lets in."""

from __future__ import annotations

import concurrent.futures
import html
import io
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opensslgen.errors import Error
from opensslgen.jobs import due, job, next_step
from opensslgen.jobs.perform import Authority
from opensslgen.pki.store import Store
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD
from opensslgen.report.fixes import FIXES
from opensslgen.rules.profiles import RULES
from opensslgen.trust.files import root_files
from opensslgen.web import auditing, browsing, making, renewing, sessions, share
from opensslgen.web.app import create_app
from opensslgen.x509.certificate import load

from . import qr_codes
from .conftest import CHECKOUT, files_below, make_root, make_server, no_secret, opensslgen
from .corpus.writing import GOOD, GOOD_ROOT
from .corpus.writing import pem as pem_of
from .forms import FILLED, HOST, PASSWORD, Client, form_config, log_in
from .servers import issue, s_server


@pytest.fixture
def config(openssl, tmp_path):
    return form_config(openssl, tmp_path / "pki", token="token")


@pytest.fixture
def client(config):
    return Client(create_app(config)).enter()


@pytest.fixture
def by_password(openssl, tmp_path):
    return create_app(form_config(openssl, tmp_path / "pki", password=PASSWORD))


@pytest.fixture
def root(authority):
    """A root with an EC key, made by the command line's own functions."""
    return make_root(authority)


def beside(page, field):
    """Return what stands beside a field as its error; None if there is none, or the field is not told of it."""
    found = re.search(rf'<div class="error" id="{field}-error">(.*?)</div>', page, re.DOTALL)
    if found is None or f'aria-describedby="{field}-error' not in page:
        return None
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))


# What it makes


def test_the_name_of_a_new_ca_is_typed_in_the_form(client, config):
    assert 'name="ca_name"' in client.get("/new").text
    too_long = client.post("/new", **{**FILLED, "ca_name": "x" * 65})
    assert too_long.status_code == 422
    assert "at most 64" in beside(too_long.text, "ca_name")
    client.make(ca_name="Acme CA")
    assert load(config.pki / "ca.crt").subject.common_name == "Acme CA"
    assert 'name="ca_name"' not in client.get("/new").text


def test_what_is_made_is_what_was_filled_in(client):
    made = client.make(p12_password="for the test")
    data = client.take(f"{made}/p12").data
    key, certificate, others = pkcs12.load_key_and_certificates(data, b"for the test")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pbx.example.com", "sip.example.com"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=820)
    certificate.verify_directly_issued_by(others[0])
    pem = x509.load_pem_x509_certificate(client.get(f"{made}/certificate").data)
    chain = x509.load_pem_x509_certificates(client.get(f"{made}/chain").data)
    alone = load_pem_private_key(client.take(f"{made}/key").data, None)
    assert [pem, chain] == [certificate, [certificate, others[0]]]
    assert key.public_key() == alone.public_key() == certificate.public_key()


def test_the_result_shows_each_check_and_each_kind_of_device(client):
    page = client.get(client.make()).text
    assert page.count('<li class="good">') >= 6
    assert "chain, by openssl verify" in page
    assert "iPhone, iPad, Mac:" in page
    assert '<li class="bad">' not in page


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize(
    ("fields", "arguments"),
    [
        ({}, ["--san", "10.0.0.5", "--san", "DNS:sip.example.com", "--key-type", "p-256"]),
        (
            {
                "names": "2001:db8::1, sip:example.com\n",
                "days": "397",
                "eku": ["serverAuth"],
                "key_type": "rsa-2048",
                "key_usage": ["digitalSignature", "keyAgreement"],
                "p12_password": "for the test",
                "compatible": "on",
            },
            ["--san", "2001:db8::1, sip:example.com", "--days", "397", "--eku", "serverAuth", "--p12-compat"]
            + ["--key-usage", "digitalSignature,keyAgreement"],
        ),
    ],
)
@pytest.mark.usefixtures("root")
def test_what_is_shown_is_what_script_prints(where, fields, arguments, client, config):
    shown = client.post("/new", **{**FILLED, **fields, "where": where})
    printed = opensslgen("server", "pbx.example.com", *arguments, "--script", "--pki", config.pki).stdout
    assert printed.startswith("#!/bin/sh")
    assert client.get(f"{shown.location}/script").text == printed
    page = client.get(shown.location).text
    assert html.escape(printed, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page


def test_for_another_machine_nothing_is_made(client, config, root):
    before = files_below(config.pki)
    shown = client.post("/new", **{**FILLED, "where": "elsewhere", "p12_password": "for the test"})
    page = client.get(shown.location)
    assert "private/ca.key" in page.text
    assert P12_PASSWORD in page.text
    assert client.post(shown.location).status_code == 400
    assert files_below(config.pki) == before


def test_the_plan_is_made_once_however_often_it_is_confirmed(client, config):
    shown = client.post("/new", **FILLED)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        cookie = client.client.get_cookie("opensslgen-8820", "127.0.0.1").value
        answers = list(
            pool.map(
                lambda _: client.client.application.test_client(use_cookies=False).post(
                    shown.location,
                    base_url=f"http://{HOST}",
                    data={"csrf": client.csrf},
                    headers={"Cookie": f"opensslgen-8820={cookie}"},
                ),
                range(4),
            )
        )
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert len((config.pki / "index.txt").read_text().splitlines()) == 1


@pytest.fixture
def held(openssl, tmp_path):
    """A form whose openssl waits until a file is there, and who is in it."""
    script = tmp_path / "openssl"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = req ] && until [ -e "$0.go" ]; do sleep 0.05; done\nexec {openssl.path} "$@"\n'
    )
    script.chmod(0o755)
    config = form_config(replace(openssl, path=str(script)), tmp_path / "pki", token="token", patience=0.1)
    client = Client(create_app(config)).enter()
    yield client
    (tmp_path / "openssl.go").touch()
    client.client.application.extensions["opensslgen.workers"].finish(30)


def test_a_long_job_shows_its_progress_runs_once_and_is_found_again(held, tmp_path):
    shown = held.post("/new", **FILLED)
    began = time.monotonic()
    first, again = held.post(shown.location), held.post(shown.location)
    assert time.monotonic() - began < 2
    assert first.location == again.location == f"{shown.location}/progress"
    page = held.get(first.location)
    assert page.headers["Refresh"] == "1"
    assert "openssl req" in page.text
    assert re.search(r"\d+ seconds?\.", page.text)
    # The tab is closed: the overview leads back.
    assert first.location in held.get("/").text
    (tmp_path / "openssl.go").touch()
    held.client.application.extensions["opensslgen.workers"].finish(30)
    made = held.get(first.location)
    assert made.status_code == 303
    assert held.get(made.location).status_code == 200
    assert held.get(first.location).location == held.post(shown.location).location == made.location
    assert made.location in held.get("/").text
    assert len((tmp_path / "pki" / "index.txt").read_text().splitlines()) == 1


def test_a_long_job_that_fails_says_so_on_its_page(held, tmp_path):
    shown = held.post("/new", **FILLED)
    progress = held.post(shown.location).location
    (tmp_path / "openssl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "openssl.go").touch()
    held.client.application.extensions["opensslgen.workers"].finish(30)
    answer = held.get(progress)
    assert answer.status_code == 409
    assert "No certificate was issued" in answer.text
    assert not (tmp_path / "pki" / "index.txt").exists()
    # It has ended, so its page leads to the plan, which can be tried again.
    assert held.get(progress).location == shown.location


def test_the_progress_of_a_job_is_shown_to_its_session_alone(held, config):
    progress = held.post(held.post("/new", **FILLED).location).location
    other = Client(held.client.application)
    assert other.get(progress).status_code == 403


def test_nothing_is_made_that_was_not_shown(client, config, openssl):
    shown = client.post("/new", **FILLED)
    assert "is made first" in client.get(shown.location).text
    make_root(Authority(Store(config.pki), openssl, no_secret))
    before = files_below(config.pki)
    answer = client.post(shown.location)
    assert answer.status_code == 409
    assert "check it again" in answer.text
    assert files_below(config.pki) == before
    assert client.post(shown.location).status_code == 303


def test_what_was_typed_comes_back_for_a_change(client):
    shown = client.post("/new", **{**FILLED, "days": "397", "p12_password": "for the test"})
    page = client.get(f"/new?order={shown.location.rpartition('/')[2]}").text
    assert 'value="397"' in page
    assert "DNS:sip.example.com" in page
    assert "for the test" not in page


def csr(name="pbx.example.com", *names):
    """Return a request in PEM by another program."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.SubjectAlternativeName([x509.DNSName(each) for each in (name, *names)])
    request = x509.CertificateSigningRequestBuilder(subject).add_extension(asked, critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


REQUEST = {"kind": "request", "purpose": "server", "names": "", "days": "397"}


@pytest.mark.parametrize("upload", [False, True])
@pytest.mark.usefixtures("root")
def test_a_request_that_is_pasted_or_uploaded_is_signed(upload, client, config):
    text = csr("pbx.example.com", "sip.example.com")
    file = {"file": (io.BytesIO(text.encode()), "box.csr")} if upload else {}
    shown = client.post("/new", **{**REQUEST, "text": "" if upload else text}, **file)
    assert shown.status_code == 303, shown.text
    made = client.post(shown.location).location
    certificate = loaded(client, f"{made}/certificate")
    assert certificate.public_key() == x509.load_pem_x509_csr(text.encode()).public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pbx.example.com", "sip.example.com"]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((config.pki / "ca.crt").read_bytes()))
    assert client.take(f"{made}/key").status_code == 404


@pytest.mark.parametrize(
    ("field", "fields", "said"),
    [
        ("text", {"text": ""}, "paste a request"),
        ("text", {"text": "nonsense"}, "the request"),
        ("names", {"names": "10.0.0.0/24"}, "a network"),
        ("days", {"days": "two"}, "number of days"),
        ("days", {"days": "2555"}, "825"),
    ],
)
@pytest.mark.usefixtures("root")
def test_a_slip_with_a_request_is_told_beside_its_field(field, fields, said, client, config):
    before = files_below(config.pki)
    answer = client.post("/new", **{**REQUEST, "text": csr(), **fields})
    assert answer.status_code == 422
    assert said in beside(answer.text, field)
    assert f'href="#{field}"' in answer.text
    assert files_below(config.pki) == before


def test_an_intermediate_is_issued_with_its_limits_and_a_passphrase(client, config, root):
    wanted = {
        "kind": "intermediate",
        "name": "site-berlin",
        "days": "1825",
        "permit": "berlin.example.com\n10.3.0.0/16",
    }
    wanted |= {"pathlen": "0", "key_type": "p-256", "new_passphrase": "of the site", "where": "here"}
    differs = client.post("/new", **wanted)
    assert "differ" in beside(differs.text, "new_passphrase_again")
    shown = client.post("/new", **wanted, new_passphrase_again="of the site")
    assert "10.3.0.0/16" in client.get(shown.location).text
    made = client.post(shown.location).location
    certificate = x509.load_pem_x509_certificate(client.get(f"{made}/certificate").data)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((config.pki / "ca.crt").read_bytes()))
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    assert [str(each.value) for each in limits.permitted_subtrees] == ["berlin.example.com", "10.3.0.0/16"]
    key = load_pem_private_key(client.take(f"{made}/key").data, b"of the site")
    assert key.public_key() == certificate.public_key()


PREVIEWS = [
    ({}, ["server", "pbx.example.com", "--san", "10.0.0.5", "--san", "DNS:sip.example.com", "--key-type", "p-256"]),
    ({"p12_password": "typed", "names": ""}, ["server", "pbx.example.com", "--key-type", "p-256", "--p12"]),
    ({"kind": "client", "eku": "clientAuth", "names": ""}, ["client", "pbx.example.com", "--key-type", "p-256"]),
    ({"kind": "self-signed", "names": ""}, ["self-signed", "pbx.example.com", "--key-type", "p-256"]),
    ({"kind": "intermediate", "name": "site", "days": "1825", "permit": "example.com"},
     ["intermediate", "site", "--permit", "example.com", "--key-type", "p-256"]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "arguments"), PREVIEWS)
def test_the_commands_next_to_the_form_are_those_that_the_command_line_prints(fields, arguments, client, config, root):
    before = files_below(config.pki)
    page = client.post("/new/commands", **{**FILLED, **fields}, fragment="1").text
    printed = opensslgen(*arguments, "--commands", "--pki", config.pki, env={P12_PASSWORD: "typed"}).stdout
    assert printed.startswith("# These commands")
    shown = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    extension, commands = (html.unescape(text) for text in shown)
    assert commands == printed
    assert extension in printed
    assert "[ v3_" in extension
    assert "<html" not in page
    assert files_below(config.pki) == before


def test_the_commands_of_a_request_and_of_a_first_certificate_are_shown_and_nothing_is_written(client, config):
    page = client.post("/new/commands", **FILLED, fragment="1").text
    assert "Extension file <code>root.cnf" in page.replace("ca.cnf", "root.cnf")
    assert not config.pki.exists()
    # What a killed run has left is not touched either.
    (config.pki / ".work-left").mkdir(parents=True)
    client.post("/new/commands", **FILLED, fragment="1")
    assert [path.name for path in config.pki.iterdir()] == [".work-left"]
    lacks = client.post("/new/commands", **{**REQUEST, "text": "nonsense"}, fragment="1").text
    assert 'href="#text"' in lacks
    assert "<pre" not in lacks


def test_no_secret_is_in_the_commands_and_without_scripts_the_whole_page_comes_back(client, config):
    secrets = {
        "p12_password": "kept-to-myself",
        "passphrase": "kept-to-myself too",
        "passphrase_again": "typed otherwise",
    }
    for fragment in ({"fragment": "1"}, {}):
        page = client.post("/new/commands", **FILLED, **secrets, **fragment).text
        assert "OPENSSLGEN_CA_PASSPHRASE" in page
        assert "kept-to-myself" not in page
        assert ("<html" in page) == (not fragment)
    assert 'value="pbx.example.com"' in page
    assert not config.pki.exists()


def test_a_preview_costs_little(client, monkeypatch):
    begun = time.process_time()
    many = "\n".join(f"host{number}.example.com" for number in range(2500))
    assert client.post("/new/commands", **{**FILLED, "names": many}, fragment="1").status_code == 200
    assert time.process_time() - begun < 4
    assert client.post("/new/commands", **{**FILLED, "names": "a" * (65 << 10)}, fragment="1").status_code == 413
    monkeypatch.setattr("opensslgen.web.making._previews", threading.BoundedSemaphore(1))
    with making._previews:
        assert client.post("/new/commands", **FILLED, fragment="1").status_code == 503


def test_a_key_that_is_pasted_in_place_of_a_request_is_not_shown_again(client):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    answer = client.post("/new", **{**REQUEST, "text": pem})
    assert answer.status_code == 422
    assert pem.splitlines()[1] not in answer.text


@pytest.mark.parametrize(
    ("kind", "fields", "usages"),
    [
        (
            "client",
            {"name": "alice@example.com", "names": "", "eku": ["clientAuth"]},
            [ExtendedKeyUsageOID.CLIENT_AUTH],
        ),
        ("self-signed", {}, [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
    ],
)
def test_other_kinds_are_made(kind, fields, usages, client, config):
    page = client.get(f"/new?kind={kind}").text
    assert f'name="kind" value="{kind}"' in page
    assert ('name="ca_name"' in page) == (kind == "client")
    made = client.make(kind=kind, ca_name="Example CA", **fields)
    certificate = loaded(client, f"{made}/certificate")
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == usages
    assert (certificate.issuer == certificate.subject) == (kind == "self-signed")
    assert (config.pki / "ca.crt").exists() == (kind == "client")


def test_the_rarer_options_are_open_if_one_has_an_error_or_was_chosen(client):
    assert '<details class="more">' in client.get("/new").text
    assert '<details class="more" open>' in client.post("/new", **{**FILLED, "eku": []}).text
    shown = client.post("/new", **FILLED)
    assert '<details class="more" open>' in client.get(f"/new?order={shown.location.rpartition('/')[2]}").text


# What it says of a slip

SLIPS = [
    ("name", {"name": ""}, "empty"),
    ("name", {"name": "pbx example.com"}, "space"),
    ("name", {"name": "pbx.example.com, sip.example.com"}, "more than one name"),
    ("names", {"names": "good.example.com\nDNS:10.0.0.5"}, "write IP:10.0.0.5"),
    ("names", {"names": "10.0.0.0/24"}, "a network"),
    ("days", {"days": "2555"}, "Apple support 103769"),
    ("days", {"days": "826"}, "the maximum is 825 days"),
    ("days", {"days": "0"}, "1 to 36500"),
    ("days", {"days": "-1"}, "number of days"),
    ("days", {"days": "two years"}, "number of days"),
    ("days", {"days": "٨٢٠"}, "number of days"),
    ("days", {"days": ""}, "number of days"),
    ("eku", {"eku": []}, "serverAuth"),
    ("eku", {"eku": ["clientAuth"]}, "serverAuth"),
    ("eku", {"eku": ["serverAuth", "teaAuth"]}, "unknown extended key usage"),
    ("key_type", {"key_type": "rsa-1024"}, "unknown key type"),
    ("key_usage", {"key_usage": ["tea"]}, "unknown key usage"),
    ("p12_password", {"p12_password": "abc"}, "shorter than 4"),
    ("p12_password", {"p12_password": "päßwort"}, "outside ASCII"),
    ("p12_password", {"compatible": "on"}, "type one"),
    ("passphrase", {"passphrase": "abc"}, "shorter than 4"),
]


@pytest.mark.parametrize(("field", "fields", "said"), SLIPS)
def test_a_slip_is_told_beside_its_field_and_what_was_typed_is_kept(field, fields, said, client, config):
    typed = {**FILLED, "name": "kept.example.com", "names": "10.9.8.7", "days": "397", **fields}
    answer = client.post("/new", **typed)
    assert answer.status_code == 422
    assert said in beside(answer.text, field)
    assert set(re.findall(r'<div class="error" id="([a-z0-9_]+)-error"', answer.text)) == {field}
    assert f'value="{html.escape(typed["name"])}"' in answer.text
    assert html.escape(typed["names"]) in answer.text
    assert f'value="{typed["days"]}"' in answer.text
    assert not config.pki.exists()


def test_several_slips_are_told_at_once(client):
    page = client.post("/new", name="", names="10.0.0.0/24", days="x", key_type="p-256").text
    assert [field for field in ("name", "names", "days", "eku") if beside(page, field)] == [
        "name",
        "names",
        "days",
        "eku",
    ]


def test_a_certificate_that_would_outlive_its_root_is_refused_and_the_default_shortened(client, authority):
    make_root(authority, days=100)
    assert "outlive the root" in beside(client.post("/new", **{**FILLED, "days": "300"}).text, "days")
    shown = client.post("/new", **FILLED)
    assert "instead of 820" in client.get(shown.location).text


def test_what_exists_is_replaced_only_when_that_is_ticked(client, config):
    client.make()
    answer = client.post("/new", **FILLED)
    assert answer.status_code == 422
    assert "exist" in beside(answer.text, "replace")
    old = (config.pki / "issued" / "pbx.example.com.crt").read_bytes()
    made = client.make(replace="on")
    assert (config.pki / "issued" / "pbx.example.com.crt").read_bytes() != old
    assert "The old files are now" in client.get(made).text
    assert [path.read_bytes() for path in (config.pki / "issued").glob("pbx.example.com.crt.old-*")] == [old]


def test_a_likely_slip_in_a_name_is_noted_before_it_is_made(client):
    shown = client.post("/new", **{**FILLED, "names": "pxb.example.com"})
    assert "swapped letters" in client.get(shown.location).text


@pytest.mark.usefixtures("root")
def test_a_key_that_others_can_read_is_warned_of(client, config):
    assert "is open to" not in client.get("/").text
    (config.pki / "private" / "ca.key").chmod(0o644)
    assert "ca.key is open to everybody" in client.get("/").text


def test_the_first_root_gets_a_passphrase_and_later_it_is_asked_for(client, config):
    client.make(passphrase="of the root", name="a.example.com")
    assert b"ENCRYPTED" in (config.pki / "private" / "ca.key").read_bytes()
    missing = client.post("/new", **{**FILLED, "name": "b.example.com"})
    assert "has a passphrase" in beside(missing.text, "passphrase")
    answer = client.post("/new", **{**FILLED, "name": "b.example.com", "days": "x", "passphrase": "wrong one"})
    assert answer.status_code == 422
    assert "this is not the passphrase" in beside(answer.text, "passphrase")
    assert "number of days" in beside(answer.text, "days")
    assert "wrong one" not in answer.text
    assert not (config.pki / "issued" / "b.example.com.crt").exists()
    client.make(name="b.example.com", passphrase="of the root")


AGAIN = [
    ({"passphrase": "correct horse", "passphrase_again": "correct hose"}, True),
    ({"passphrase": "correct horse", "passphrase_again": ""}, True),
    ({"passphrase": "correct horse"}, True),
    ({"passphrase": "", "passphrase_again": "correct horse"}, True),
    ({"passphrase": "correct horse", "passphrase_again": "correct horse"}, False),
    ({"passphrase": "", "passphrase_again": ""}, False),
    ({}, False),
]


@pytest.mark.parametrize(("fields", "is_refused"), AGAIN)
def test_a_typing_error_in_the_passphrase_of_a_new_root_is_found(fields, is_refused, client, config):
    answer = client.post("/new", **{**FILLED, **fields})
    assert answer.status_code == (422 if is_refused else 303)
    if is_refused:
        assert "differ" in beside(answer.text, "passphrase_again")
        assert "correct ho" not in answer.text
    assert not config.pki.exists()


@pytest.mark.slow
def test_the_passphrase_of_a_root_that_exists_is_typed_once(client, config):
    client.make(passphrase="of the root")
    assert "passphrase_again" not in client.get("/new").text
    answer = client.post("/new", **{**FILLED, "name": "b.example.com", "passphrase": "of the root"})
    assert answer.status_code == 303


@pytest.mark.slow
def test_a_passphrase_that_is_changed_before_the_yes_is_asked_for_again(client, config):
    client.make(passphrase="of the root")
    serial = load(config.pki / "issued" / "pbx.example.com.crt").serial_hex
    shown = [
        client.post("/new", **{**FILLED, "name": "b.example.com", "passphrase": "of the root"}),
        client.post(f"/certificates/{serial}/renew", passphrase="of the root"),
    ]
    key = config.pki / "private" / "ca.key"
    pem = load_pem_private_key(key.read_bytes(), b"of the root")
    key.write_bytes(pem.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"another one")))
    answers = [client.post(plan.location) for plan in shown]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "this is not the passphrase" in beside(answers[0].text, "passphrase")
    assert "this is not the passphrase" in answers[1].text


def test_a_passphrase_that_the_command_was_given_is_not_asked_for(openssl, tmp_path):
    secrets = {CA_PASSPHRASE: "of the root"}
    config = form_config(openssl, tmp_path / "pki", token="t", secrets=secrets)
    client = Client(create_app(config)).enter("t")
    assert 'name="passphrase"' not in client.get("/new").text
    client.make()
    assert b"ENCRYPTED" in (config.pki / "private" / "ca.key").read_bytes()


@pytest.mark.parametrize(
    ("typed", "recognised"),
    [
        ("10.0.0.5", [{"kind": "IP", "value": "10.0.0.5"}]),
        ("PBX.example.com, sip:example.com", [{"kind": "DNS", "value": "pbx.example.com"}]
         + [{"kind": "URI", "value": "sip:example.com"}]),
        ("a@example.com\n\n*.example.com", [{"kind": "email", "value": "a@example.com"}]
         + [{"kind": "DNS", "value": "*.example.com"}]),
        ("", []),
    ],
)  # fmt: skip
def test_names_are_recognised_while_they_are_typed(typed, recognised, client):
    answer = client.post("/recognise", names=typed)
    assert answer.mimetype == "application/json"
    assert json.loads(answer.text) == recognised


def test_a_wrong_name_is_told_while_it_is_typed(client):
    first, second = json.loads(client.post("/recognise", names="10.0.0.5:443\nok.example.com").text)
    assert "port" in first["error"]
    assert second == {"kind": "DNS", "value": "ok.example.com"}


# The other pages


def test_the_list_shows_what_there_is_and_one_page_explains_it(client, authority):
    make_server(authority, "pbx.example.com")
    make_server(authority, "soon.example.com", days=20)
    page = client.get("/").text
    rows = re.findall(r'<th scope="row"><a href="([^"]+)">([^<]+)</a>', page)
    assert [names for _, names in rows] == ["DNS:soon.example.com", "DNS:pbx.example.com"]
    assert "expiring" in page
    assert 'href="/ca"' in page
    assert 'href="/certificates/ca"' in client.get("/ca").text
    for link in ("/certificates/ca", *(link for link, _ in rows)):
        one = client.get(link).text
        assert "Where it works" in one
    pem = client.get(f"{rows[0][0]}/certificate").data
    assert x509.load_pem_x509_certificate(pem).subject.rfc4514_string() == "CN=soon.example.com"
    assert client.get(f"{rows[0][0]}/key").status_code == 404
    assert client.get("/certificates/0123456789ABCDEF").status_code == 404


@pytest.mark.slow
def test_the_list_links_to_a_renewal_exactly_where_there_is_one(client, authority):
    made = make_server(authority, "pbx.example.com")
    other = make_server(authority, "other.example.com")
    client.make(replace="on")
    confirmed(client, f"/certificates/{other.certificate.serial_hex.upper()}/revoke")
    page = client.get("/?all=1").text
    links = {*re.findall(r'href="(/certificates/[^"?#]+)"', page), "/certificates/ca"}
    renewals = {*re.findall(r'href="(/certificates/[^"?#]+)#renew"', page), "/certificates/ca"}
    assert len(links) == 4
    assert renewals == {link for link in links if f'action="{link}/renew"' in client.get(link).text}
    assert f"/certificates/{made.certificate.serial_hex.upper()}" in links - renewals
    assert len(renewals) == 2


def confirmed(client, path, **fields):
    """Ask for something on a certificate's page, confirm it, and return the page of what came of it."""
    shown = client.post(path, **fields)
    assert shown.status_code == 303, shown.text
    done = client.post(shown.location)
    assert done.status_code == 303, done.text
    return done.location


def loaded(client, path):
    return x509.load_pem_x509_certificate(client.get(path).data)


def test_a_certificate_is_renewed_with_a_new_key_or_the_old_one(client, config, authority):
    made = make_server(authority, san=["10.0.0.5"], days=30)
    page = f"/certificates/{made.certificate.serial_hex}"
    assert f'action="{page}/renew"' in client.get(page).text
    new = confirmed(client, f"{page}/renew", p12_password="for the test")
    assert "Renewed a server certificate for pbx.example.com" in client.get(new).text
    old, renewed = x509.load_der_x509_certificate(made.certificate.der), loaded(client, f"{new}/certificate")
    assert renewed.subject == old.subject
    san = x509.SubjectAlternativeName
    assert renewed.extensions.get_extension_for_class(san) == old.extensions.get_extension_for_class(san)
    assert renewed.not_valid_after_utc >= old.not_valid_after_utc
    assert renewed.public_key() != old.public_key()
    key, _, _ = pkcs12.load_key_and_certificates(client.post(f"{new}/p12").data, b"for the test")
    assert key.public_key() == renewed.public_key()
    again = confirmed(client, f"/certificates/{renewed.serial_number:032X}/renew", keep_key="on")
    assert loaded(client, f"{again}/certificate").public_key() == renewed.public_key()
    assert client.post(f"{again}/key").status_code == 404
    assert len((config.pki / "index.txt").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("action", ["renew", "revoke"])
def test_a_yes_may_take_its_time(action, client, config):
    """What is put aside is named after a time, which must not make another plan of it."""
    client.make(p12_password="for the test")
    serial = load(config.pki / "issued" / "pbx.example.com.crt").serial_hex
    shown = client.post(f"/certificates/{serial}/{action}")
    time.sleep(1.2)
    assert client.post(shown.location).status_code == 303


def test_a_certificate_is_revoked_after_a_yes(client, config, authority):
    made = make_server(authority)
    page = f"/certificates/{made.certificate.serial_hex}"
    before = files_below(config.pki)
    shown = client.post(f"{page}/revoke", reason="keyCompromise")
    assert "This cannot be undone" in client.get(shown.location).text
    printed = opensslgen("revoke", "pbx.example.com", "--reason", "keyCompromise", "--script", "--pki", config.pki)
    assert client.get(f"{shown.location}/script").text == printed.stdout
    assert files_below(config.pki) == before
    done = client.post(shown.location)
    assert "Revoked pbx.example.com" in client.get(done.location).text
    assert (config.pki / "index.txt").read_text().startswith("R\t")
    assert "REVOKED" in client.get(page).text
    assert f'action="{page}/revoke"' not in client.get(page).text
    # A second yes, and a second try, change nothing.
    assert client.post(shown.location).location == done.location
    assert client.post(f"{page}/revoke").status_code == 422
    made = confirmed(client, "/revocation-list")
    revoked = x509.load_pem_x509_crl(client.get(f"{made}/crl").data)
    assert [entry.serial_number for entry in revoked] == [authority_serial(config)]
    assert x509.load_der_x509_crl(client.get(f"{made}/crl%20in%20DER").data) == revoked


def authority_serial(config):
    return int((config.pki / "index.txt").read_text().split("\t")[3], 16)


@pytest.fixture
def three_due(authority, monkeypatch):
    """A folder in which three certificates are due, and a fourth is not: the form lives 80 days later."""
    for name in ("a", "b", "c"):
        make_server(authority, f"{name}.example.com", days=100)
    make_server(authority, "later.example.com")

    def later(survey, *, days, now):
        return due_now(survey, days=days, now=now + timedelta(80))

    due_now = due.due
    for module in (renewing, browsing, next_step):
        monkeypatch.setattr(module, "due", later)


@pytest.mark.usefixtures("three_due")
def test_what_is_due_is_renewed_at_once_and_a_failure_stops_no_other(client, config):
    assert "Renew 3 certificates" in client.get("/").text
    page = client.get("/renew").text
    assert re.findall(r'name="title" value="([^"]+)" checked', page) == [f"{name}.example.com" for name in "abc"]
    nothing = client.post("/renew")
    assert nothing.status_code == 422
    assert "choose at least one" in beside(nothing.text, "title")
    shown = client.post("/renew", title=["a.example.com", "b.example.com", "later.example.com"])
    assert shown.status_code == 303, shown.text
    page = client.get(shown.location).text
    assert page.count("<pre") == 2
    assert "openssl x509 -req" in page
    before = {name: (config.pki / f"issued/{name}.example.com.crt").read_bytes() for name in "abc"}
    # In the meantime one of them was revoked, at the command line for example.
    done = opensslgen("revoke", "a.example.com", "--yes", "--pki", config.pki)
    assert done.returncode == 0, done.stderr
    ended = client.post(shown.location)
    assert ended.location == client.post(shown.location).location == f"{shown.location}/results"
    page = client.get(ended.location).text
    assert "Renewed 1 of 2 certificates" in page
    assert "a.example.com:</strong>" in page
    after = {name: (config.pki / f"issued/{name}.example.com.crt") for name in "bc"}
    assert after["b"].read_bytes() != before["b"]
    assert after["c"].read_bytes() == before["c"]
    (made,) = re.findall(r'href="(/made/[0-9a-f]+)"', page)
    key = load_pem_private_key(client.take(f"{made}/key").data, None)
    assert key.public_key() == x509.load_pem_x509_certificate(after["b"].read_bytes()).public_key()


@pytest.mark.usefixtures("three_due")
def test_a_certificate_that_cannot_be_renewed_is_named_before_the_others_run(client, config):
    (config.pki / "private" / "b.example.com.key").unlink()
    (config.pki / "reqs" / "b.example.com.req").unlink()
    answer = client.post("/renew", title=["a.example.com", "b.example.com"])
    assert answer.status_code == 422
    assert "choose only the others" in beside(answer.text, "title")
    assert "b.example.com.req, which would be signed again, is missing" in answer.text


def test_a_reason_that_is_none_revokes_nothing(client, config, authority):
    made = make_server(authority)
    answer = client.post(f"/certificates/{made.certificate.serial_hex}/revoke", reason="tea")
    assert answer.status_code == 422
    assert "choose a reason" in answer.text
    assert client.post("/certificates/ca/revoke").status_code == 422
    assert (config.pki / "index.txt").read_text().startswith("V\t")


def test_how_a_certificate_is_renewed_is_what_script_prints(client, config, authority):
    made = make_server(authority)
    shown = client.post(f"/certificates/{made.certificate.serial_hex}/renew")
    printed = opensslgen("renew", "pbx.example.com", "--script", "--pki", config.pki).stdout
    assert client.get(f"{shown.location}/script").text == printed


def test_the_root_is_renewed_with_its_key(client, config, root):
    assert "remove it from the devices" not in client.get("/certificates/ca").text
    confirmed(client, "/certificates/ca/renew")
    new = load(config.pki / "ca.crt")
    assert new.public_key == root.certificate.public_key
    assert new.serial_number != root.certificate.serial_number


def test_what_keeps_a_certificate_from_being_renewed_is_said_on_its_page(client, config, authority):
    made = make_server(authority)
    page = f"/certificates/{made.certificate.serial_hex}/renew"
    assert "shorter than 4" in client.post(page, p12_password="abc").text
    (config.pki / "reqs" / "pbx.example.com.req").unlink()
    answer = client.post(page, keep_key="on")
    assert answer.status_code == 422
    assert "is missing" in answer.text
    # It is told when the folder changes between the plan and the yes, too.
    shown = client.post(page)
    (config.pki / "issued" / "pbx.example.com.crt").unlink()
    assert client.post(shown.location).status_code == 409


@pytest.mark.slow
def test_renewing_asks_for_the_passphrase_of_the_root(client, config):
    client.make(passphrase="of the root")
    serial = load(config.pki / "issued" / "pbx.example.com.crt").serial_hex
    assert 'name="passphrase"' in client.get(f"/certificates/{serial}").text
    answer = client.post(f"/certificates/{serial}/renew")
    assert "has a passphrase: type it" in beside(answer.text, "renew-passphrase")
    for path in ("ca/renew", f"{serial}/renew", f"{serial}/revoke"):
        answer = client.post(f"/certificates/{path}", passphrase="wrong one")
        assert answer.status_code == 422
        assert "this is not the passphrase" in beside(answer.text, f"{path.rpartition('/')[2]}-passphrase")
    answer = client.post("/revocation-list", passphrase="wrong one")
    assert "this is not the passphrase" in beside(answer.text, "list-passphrase")
    confirmed(client, f"/certificates/{serial}/renew", passphrase="of the root")


def test_an_empty_folder_has_pages_too(client, config):
    assert "no certificates yet" in client.get("/").text
    assert "no root yet" in client.get("/root").text
    assert client.get("/root/root.crt").status_code == 404
    assert not config.pki.exists()


def test_the_root_is_given_in_every_form_and_its_key_in_none(client, config, root):
    page = client.get("/root").text
    for file in root_files(root.issuer):
        assert f'href="/root/{file.name}"' in page
        answer = client.get(f"/root/{file.name}")
        assert (answer.data, answer.content_type) == (file.data, file.media_type)
        assert answer.headers["Content-Disposition"] == f"attachment; filename={file.name}"
    assert "Certificate Trust Settings" in client.get("/root/iphone.html").text
    assert client.get("/root/ca.key").status_code == 404
    key = (config.pki / "private" / "ca.key").read_bytes()
    for name in ("", "/index.html", "/root.pem", "/servers.html"):
        assert key[40:90] not in client.get(f"/root{name}").data


def test_the_form_starts_and_stops_the_site_for_phones(client, root, monkeypatch):
    monkeypatch.setattr(share, "lan_address", lambda: "127.0.0.1")
    assert client.get("/root/qr.svg").status_code == 404
    for _ in range(2):  # a second click changes nothing
        assert client.post("/root/share").status_code == 303
    page = client.get("/root").text
    url = re.search(r"http://127\.0\.0\.1:\d+/", page)[0]
    assert qr_codes.decoded(qr_codes.picture(qr_codes.of_svg(client.get("/root/qr.svg").data))) == url
    assert "to issue one, run: opensslgen server 127.0.0.1" in page
    with urllib.request.urlopen(f"{url}root.crt", timeout=10) as answer:
        assert answer.read() == root.issuer.der
    assert "127.0.0.1  unknown device  root.crt" in client.get("/root").text
    assert client.post("/root/share/stop").status_code == 303
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}root.crt", timeout=10)
    page = client.get("/root").text
    assert "Start sharing" in page
    assert "unknown device  root.crt" in page


def test_without_a_network_or_with_a_root_that_phones_refuse_nothing_is_shared(client, config, root, monkeypatch):
    def nowhere():
        raise Error("this machine is on no network")

    monkeypatch.setattr(share, "lan_address", nowhere)
    answer = client.post("/root/share")
    assert (answer.status_code, "on no network" in answer.text) == (409, True)
    shutil.copy(CHECKOUT / "tests" / "certificates" / "root-cn-missing.pem", config.pki / "ca.crt")
    assert client.post("/root/share").status_code == 409
    assert "<button disabled>Start sharing" in client.get("/root").text


def test_what_a_phone_has_against_the_root_is_said_above_what_can_be_fetched_all_the_same(client, config):
    config.pki.mkdir()
    shutil.copy(CHECKOUT / "tests" / "certificates" / "root-cn-missing.pem", config.pki / "ca.crt")
    page = client.get("/root").text
    assert "a phone would hide or refuse this root<" in page
    assert "nothing was made" not in page
    assert 'href="/root/root.crt"' in page


CONFIG = "[ v3_req ]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:pbx.example.com\n"


def test_what_is_pasted_is_judged(client, served):
    pem = served.files["certificate"].read_text()
    good = client.post("/audit", text=pem.replace("\n", "\r\n"), profile="").text
    assert "pasted: complies" in good
    false = pem_of(GOOD[:-1] + bytes([GOOD[-1] ^ 1])) + pem_of(GOOD_ROOT)
    assert "chain-signature" not in client.post("/audit", text=pem_of(GOOD) + pem_of(GOOD_ROOT), profile="").text
    assert "chain-signature" in client.post("/audit", text=false, profile="").text
    assert "violates the rules" in client.post("/audit", text=CONFIG, profile="apple").text
    script = "#!/bin/bash\nDEFAULT_SERVER_CERT_VALIDITY=$((365*7))\nopenssl x509 -req -days 2555 -in a -out b\n"
    assert "line 2" in client.post("/audit", text=script, profile="").text
    assert "cannot be read" in client.post("/audit", text="hallo", profile="").text


def test_findings_are_grouped_by_target_and_severity_each_with_its_fix(client, served):
    config = b"[ v3_req ]\nbasicConstraints = CA:FALSE\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:10.0.0.5\n"
    good = served.files["certificate"].read_bytes() + served.files["root"].read_bytes()
    files = [(io.BytesIO(good), "good.pem"), (io.BytesIO(config), "a.cnf"), (io.BytesIO(b"hallo"), "a.txt")]
    page = client.post("/audit", file=files).text
    targets = re.findall(r'<h3 id="target[^>]*>(.*?)</h3>', page, re.DOTALL)
    assert [re.sub("<[^>]+>", "", each).split()[1].rstrip(":,") for each in targets] == ["a.cnf", "a.txt", "good.pem"]
    assert page.index("Errors (") < page.index("Warnings (")
    findings = re.findall(r'<li class="(?:error|warning|note)">.*?</li>', page, re.DOTALL)
    assert findings
    assert all("<strong>Fix:</strong>" in each for each in findings)
    assert "Let it issue the certificate with the address as IP:10.0.0.5" in page


def test_the_report_of_an_audit_is_that_of_the_command_line(client, tmp_path):
    (tmp_path / "a.cnf").write_text(CONFIG)
    page = client.post("/audit", file=(io.BytesIO(CONFIG.encode()), "a.cnf"), profile="strict").text
    at, *_ = re.findall(r'"(/audit/[0-9a-f]+)/json"', page)
    assert "a.cnf: " in client.get(at).text
    now = json.loads(client.get(f"{at}/json").text)["at"]
    for form in ("text", "json", "sarif"):
        given = client.get(f"{at}/{form}")
        assert "attachment" in given.headers["Content-Disposition"]
        options = ("--profile", "strict", "--format", form, "--at", now)
        assert given.text == opensslgen("audit", "a.cnf", *options, cwd=tmp_path).stdout
    assert client.get(f"{at}/nagios").status_code == 404
    other = Client(client.client.application)
    assert other.get(f"{at}/json").status_code == 403


def test_a_server_is_audited_by_its_name_and_port(client, tmp_path):
    leaf = issue("pbx.example.com", x509.DNSName("pbx.example.com"))
    with s_server(tmp_path, leaf) as port:
        page = client.post("/audit", servers=f"127.0.0.1:{port}\n127.0.0.1:1").text
    assert f"127.0.0.1:{port}: violates the rules" in page
    assert "host-mismatch" in page
    assert "127.0.0.1:1: cannot be read" in page
    assert "sent: " in page
    wrong = client.post("/audit", servers="pbx.example.com:0")
    assert wrong.status_code == 422
    assert "ports are 1 to 65535" in beside(wrong.text, "servers")


def test_an_audit_has_a_budget_for_each_file_for_all_files_and_for_all_visitors(client, monkeypatch):
    files = [(io.BytesIO(CONFIG.encode()), f"{number}.cnf") for number in range(3)]
    many = client.post("/audit", file=[(io.BytesIO(b"x"), f"{number}") for number in range(21)])
    assert many.status_code == 422
    assert "at most 20" in beside(many.text, "file")
    monkeypatch.setattr(auditing, "_LONGEST_WAIT", 0)
    with auditing._turns, auditing._turns:
        assert client.post("/audit", text=CONFIG).status_code == 503
    with auditing._places, auditing._places, auditing._places:
        assert client.post("/audit", text=CONFIG).status_code == 503
    monkeypatch.setattr(auditing, "_SECONDS", 0)
    page = client.post("/audit", file=files, servers="localhost:1").text
    assert page.count("not checked, because the others took") == 4


def test_every_rule_has_a_fix():
    assert FIXES.keys() == RULES.keys()


def test_a_key_that_is_pasted_is_judged_and_not_shown_again(client, served):
    key = served.files["key"].read_text()
    page = client.post("/audit", text=served.files["certificate"].read_text() + key, profile="").text
    assert "pasted: complies" in page
    assert key.splitlines()[1] not in page
    alone = client.post("/audit", text=key)
    assert alone.status_code == 200
    assert "a private key, not a certificate" in alone.text


def test_what_is_uploaded_is_judged(client, served, openssl):
    der = load(served.files["certificate"]).der
    answer = client.post("/audit", text="", profile="strict", file=(io.BytesIO(der), "server.der"))
    assert "server.der: complies" in answer.text
    made = client.make(p12_password="for the test")
    data = client.take(f"{made}/p12").data
    locked = client.post("/audit", text="", profile="", file=(io.BytesIO(data), "a.p12"))
    assert "it needs a password" in locked.text
    fields = {"text": "", "profile": "", "password": "for the test"}
    assert "a.p12: complies" in client.post("/audit", **fields, file=(io.BytesIO(data), "a.p12")).text


@pytest.mark.parametrize(
    ("fields", "said"), [({"text": ""}, "paste something"), ({"text": "x", "profile": "no"}, "choose one")]
)
def test_an_audit_of_nothing_says_so(fields, said, client):
    answer = client.post("/audit", **fields)
    assert answer.status_code == 422
    assert said in answer.text


# Sessions


def test_the_token_lets_in_once_and_only_whoever_shows_it(config):
    app = create_app(config)
    assert Client(app).get("/enter?token=wrong").status_code == 403
    assert Client(app).ask("HEAD", "/enter?token=token").status_code == 405
    first = Client(app).enter()
    assert Client(app).get("/enter?token=token").status_code == 403
    assert first.get("/enter?token=token").status_code == 302
    assert first.get("/").status_code == 200


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie_is_for_this_form_alone(secure, openssl, tmp_path):
    config = form_config(openssl, tmp_path, token="t", secure=secure)
    cookie = Client(create_app(config)).get("/enter?token=t").headers["Set-Cookie"]
    assert cookie.startswith("__Host-opensslgen=" if secure else "opensslgen-8820=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert ("Secure" in cookie) == secure
    assert "Domain" not in cookie


@pytest.mark.slow
def test_a_key_is_given_only_to_the_session_that_made_it(by_password):
    first, second = (log_in(Client(by_password)) for _ in range(2))
    made = first.make(p12_password="for the test")
    assert b"PRIVATE KEY" in first.post(f"{made}/key").data
    for what in ("", "/key", "/p12", "/certificate"):
        assert second.take(f"{made}{what}").status_code == 404
    # What somebody else has put in its place since is theirs; the old PKCS#12 file was put aside.
    assert first.post(f"{made}/p12").status_code == 200
    second.make(replace="on")
    assert first.post(f"{made}/key").status_code == 404
    assert first.post(f"{made}/p12").status_code == 404


def test_a_review_that_renames_an_old_pkcs12_file_is_still_true_a_second_later(client, monkeypatch):
    client.make(p12_password="for the test")
    monkeypatch.setattr(job, "free_name", lambda folder, name: f"{name}.old-{time.monotonic_ns()}")
    client.make(replace="on")


def test_a_key_of_another_session_is_not_given_to_who_revokes_its_certificate(by_password):
    first, second = (log_in(Client(by_password)) for _ in range(2))
    serial = loaded(first, f"{first.make(p12_password='for the test')}/certificate").serial_number
    revoked = confirmed(second, f"/certificates/{serial:032X}/revoke")
    assert f'"{revoked}/' not in second.get(revoked).text
    for what in ("key", "p12", "certificate", "chain", "request"):
        assert second.take(f"{revoked}/{what}").status_code == 404
    listed = confirmed(second, "/revocation-list")
    assert set(re.findall(rf'href="{listed}/([^"]+)"', second.get(listed).text)) == {"crl", "crl%20in%20DER"}


@pytest.mark.slow
def test_renewing_gives_no_key_of_before_away(client, config):
    serial = loaded(client, f"{client.make()}/certificate").serial_number
    path = f"/certificates/{serial:032X}/renew"
    answer = client.post(path, keep_key="on", p12_password="for the test")
    assert answer.status_code == 422
    assert "only contain a new key" in beside(answer.text, "renew")
    renewed = confirmed(client, path, keep_key="on")
    for what in ("key", "p12"):
        assert client.take(f"{renewed}/{what}").status_code == 404
    assert not (config.pki / "private" / "pbx.example.com.p12").exists()


def test_a_pkcs12_file_without_a_password_is_not_left_out_in_silence(client):
    serial = loaded(client, f"{client.make()}/certificate").serial_number
    answer = client.post(f"/certificates/{serial:032X}/renew", compatible="on")
    assert answer.status_code == 422
    assert "needs a password" in beside(answer.text, "renew")


def test_who_leaves_is_out(client):
    made = client.make()
    assert client.post("/leave").status_code == 200
    for path in ("/", made, f"{made}/key"):
        assert client.get(path).status_code == 403


def test_a_session_ends_by_itself():
    now = [0.0]
    all_of_them = sessions.Sessions(lambda: now[0])
    session = all_of_them.begin()
    now[0] += sessions.IDLE - 1
    assert all_of_them.find(session.key) is session
    now[0] += sessions.IDLE + 1
    assert all_of_them.find(session.key) is None
    session = all_of_them.begin()
    for _ in range(20):
        now[0] += sessions.IDLE - 1
        found = all_of_them.find(session.key)
    assert found is None
    assert all_of_them.find("") is None


def test_the_memory_that_sessions_take_is_bounded():
    all_of_them = sessions.Sessions()
    keys = [all_of_them.begin().key for _ in range(300)]
    assert sum(all_of_them.find(key) is not None for key in keys) == 100
    session = sessions.Session()
    running = session.remember(SimpleNamespace(work=True))
    names = [session.remember(SimpleNamespace(work=None)) for _ in range(50)]
    assert list(session.orders) == [running, *names[-19:]]


# A password in place of the link


def test_the_password_lets_in_and_a_wrong_one_does_not(by_password):
    wrong = log_in(Client(by_password), "a guess")
    assert wrong.status_code == 403
    assert "Wrong password" in wrong.text
    assert "a guess" not in wrong.text
    assert log_in(Client(by_password)).get("/").status_code == 200
    assert Client(by_password).get("/enter?token=None").status_code == 403
    assert Client(by_password).get("/enter?token=").status_code == 403


def test_passwords_cannot_be_tried_without_end(by_password):
    assert [log_in(Client(by_password), f"guess {number}").status_code for number in range(7)] == [403] * 5 + [429] * 2
    # Not even the right one is looked at, so that nobody can tell it from the others.
    late = log_in(Client(by_password))
    assert late.status_code == 429
    assert 0 < int(late.headers["Retry-After"]) <= 60


def test_after_a_minute_passwords_are_looked_at_again():
    now = [0.0]
    door = sessions.Door(None, PASSWORD, lambda: now[0])
    assert [door.opens_by_password("guess", "10.0.0.5") for _ in range(5)] == [False] * 5
    assert not door.opens_by_password(PASSWORD, "10.0.0.5")
    now[0] += 60
    assert door.opens_by_password(PASSWORD, "10.0.0.5")


@pytest.mark.parametrize(
    ("guessing", "owner", "waits"),
    [
        ("10.0.0.5", "10.0.0.6", False),
        ("2001:db8::5", "10.0.0.6", False),
        ("2001:db8:0:1::5", "2001:db8:0:2::5", False),
        ("::ffff:10.0.0.5", "::ffff:10.0.0.6", False),
        ("10.0.0.5", "::ffff:10.0.0.5", True),
        ("2001:db8::5", "2001:db8::abcd:6", True),
        ("fe80::5%eth0", "fe80::6%eth0", True),
        (None, "", True),
    ],
)
def test_who_guesses_keeps_nobody_else_out(guessing, owner, waits):
    door = sessions.Door(None, PASSWORD)
    assert not any(door.opens_by_password("guess", guessing) for _ in range(9))
    assert door.wait(guessing) > 0
    assert (door.wait(owner) > 0) == waits
    assert door.opens_by_password(PASSWORD, owner) != waits


def test_the_memory_that_wrong_passwords_take_is_bounded():
    door = sessions.Door(None, PASSWORD)
    for number in range(3000):
        door.opens_by_password("guess", f"10.0.{number // 256}.{number % 256}")
    assert len(door._wrong) == 1000


def test_the_login_takes_no_form_of_another_site(by_password):
    client = Client(by_password)
    assert client.ask("POST", "/login", data={"password": PASSWORD}).status_code == 403
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)[1]
    elsewhere = Client(by_password)
    assert elsewhere.ask("POST", "/login", data={"csrf": csrf, "password": PASSWORD}).status_code == 403


def test_a_login_gets_a_new_cookie_whatever_came_with_it(by_password):
    client = Client(by_password)
    client.client.set_cookie("opensslgen-8820", "chosen-by-an-attacker", domain="127.0.0.1")
    log_in(client)
    assert client.client.get_cookie("opensslgen-8820", "127.0.0.1").value != "chosen-by-an-attacker"
    assert client.get("/").status_code == 200


# The command


def test_without_its_extra_the_command_says_what_to_install():
    code = (
        "import sys; sys.modules['waitress'] = None; sys.argv = ['opensslgen', 'web'];"
        "from opensslgen.cli.main import main; main()"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Error: this command needs waitress, which is not installed" in done.stderr
    assert "pip install flask waitress segno" in done.stderr
