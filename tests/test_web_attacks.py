"""Attacks on the form: nothing gets in, nothing leaks, it stays up. All load goes to the loopback, in small doses."""

from __future__ import annotations

import contextlib
import html.parser
import io
import re
import signal
import socket
import stat
import tempfile
import threading
import time
from html import escape as html_escape
from pathlib import Path

import flask
import pytest
from cryptography import x509

from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.web import gate
from opensslgen.web.app import create_app
from opensslgen.web.http_server import CONNECTIONS
from opensslgen.x509.certificate import load

from .conftest import files_below, make_root, make_server, opensslgen
from .forms import (
    FILLED,
    HOST,
    PASSWORD,
    Client,
    Visitor,
    form_config,
    log_in,
    memory,
    raw,
    running,
    slow_connections,
    visitor,
)
from .servers import issue

SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{1009*1013}}"


@pytest.fixture
def config(openssl, tmp_path):
    return form_config(openssl, tmp_path / "pki", token="token")


@pytest.fixture
def client(config):
    return Client(create_app(config)).enter()


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    """A form that runs, in which a certificate was made by whoever has its link."""
    folder = tmp_path_factory.mktemp("form")
    with running("--pki", folder / "pki") as form:
        form.visitor = visitor(form)
        form.made = form.visitor.make(p12_password="for the test")
        form.pki = folder / "pki"
        yield form


def routes(app, **known):
    """Return each address of the app with its methods, what is variable in it filled in."""
    found = {}
    with app.test_request_context(base_url=f"http://{HOST}"):
        for rule in app.url_map.iter_rules():
            path = flask.url_for(
                rule.endpoint, **{name: {"number": 1, **known}.get(name, "x") for name in rule.arguments}
            )
            found[path] = found.get(path, set()) | rule.methods
    return list(found.items())


# Who has no session


def test_without_a_session_nothing_is_shown_but_the_door(config, authority):
    made = make_server(authority)
    app = create_app(config)
    serial = made.certificate.serial_hex
    for path, methods in routes(app, serial=serial, what="certificate", name="root.pem"):
        for method in methods:
            answer = Client(app).ask(method, path)
            if path.startswith("/assets/"):
                continue
            assert answer.status_code in {403, 404, 405}, (method, path)
            assert b"pbx.example.com" not in answer.data
            assert b"root" not in answer.data


@pytest.mark.parametrize("token", ["", "token ", "tokeN", "token\0", "toke", "token" * 1000, "täken"])
def test_a_token_that_is_nearly_right_is_wrong(token, config):
    app = create_app(config)
    client = Client(app)
    assert client.ask("GET", "/enter", query_string={"token": token}).status_code == 403
    assert client.ask("GET", "/enter", query_string=[("token", token), ("token", "token")]).status_code == 403


def test_a_token_is_worth_nothing_the_second_time_even_at_once(form):
    path = form.url.partition(str(form.port))[2]
    with running("--pki", form.pki) as other:
        path = other.url.partition(str(other.port))[2]
        answers = []

        def enter():
            answers.append(Visitor(other.port).get(path).status)

        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [200] + [403] * 7


@pytest.mark.parametrize("cookie", ["", "x", "../", "a" * 4000, "None", "token"])
def test_a_guessed_cookie_opens_nothing(cookie, config):
    answer = Client(create_app(config)).get("/", headers={"Cookie": f"opensslgen-8820={cookie}"})
    assert answer.status_code == 403


# Other sites

ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": f"https://{HOST}"},
    {"Origin": f"http://{HOST}.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
]


def test_nothing_is_changed_by_a_form_of_another_site(config, authority):
    """Each address that changes anything, with each way of having no right to it, and the session's own cookie."""
    made = make_server(authority)
    app = create_app(config)
    mine = Client(app).enter()
    order = mine.post("/new", **{**FILLED, "name": "second.example.com"}).location.rpartition("/")[2]
    before = files_below(config.pki)
    known = {"order": order, "serial": made.certificate.serial_hex}
    changing = [path for path, methods in routes(app, **known) if "POST" in methods]
    assert len(changing) >= 6
    for path in changing:
        for csrf in ("", "x", mine.csrf[:-1], mine.csrf + "x", None):
            fields = {**FILLED, "name": "evil.example.com"} | ({} if csrf is None else {"csrf": csrf})
            assert mine.ask("POST", path, data=fields).status_code in {403, 404}, path
            # A token in the address would be in logs, so it counts for nothing there.
            answer = mine.ask("POST", path, data=fields, query_string={"csrf": mine.csrf})
            assert answer.status_code in {403, 404}
        for headers in ELSEWHERE:
            assert mine.post(path, headers=headers, **FILLED).status_code == 403, (path, headers)
    assert files_below(config.pki) == before
    assert mine.post(f"/orders/{order}", headers={"Origin": f"http://{HOST}"}).status_code == 303


def test_the_token_of_one_session_is_none_of_another(openssl, tmp_path):
    app = create_app(form_config(openssl, tmp_path / "pki", password=PASSWORD))
    first, second = (log_in(Client(app)) for _ in range(2))
    first.csrf, second.csrf = second.csrf, first.csrf
    assert first.post("/new", **FILLED).status_code == 403
    assert second.post("/leave").status_code == 403


def test_looking_changes_nothing(config, authority):
    made = make_server(authority)
    app = create_app(config)
    mine = Client(app).enter()
    before = {path: path.read_bytes() for path in config.pki.rglob("*") if path.is_file()}
    for path, methods in routes(app, serial=made.certificate.serial_hex, name="root.pem", what="chain"):
        if "GET" in methods:
            mine.get(path)
            mine.ask("HEAD", path)
    assert {path: path.read_bytes() for path in config.pki.rglob("*") if path.is_file()} == before
    assert mine.get("/").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:{port}.evil.example",
        "127.1:{port}",
    ]
    + [
        "localhost.evil.example:{port}",
        "evil@127.0.0.1:{port}",
        "127.0.0.1:{port}@evil",
        "[::ffff:127.0.0.1]:{port}",
        "-",
    ]
    + ["0.0.0.0:{port}", "2130706433:{port}"],
)
def test_a_name_that_was_pointed_here_is_refused(host, form):
    answer = form.visitor.get("/", Host=host.format(port=form.port))
    assert answer.status == 421
    assert b"pbx.example.com" not in answer.body
    assert b"csrf" not in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}", "[::1]:{port}"])
def test_the_names_of_the_loopback_are_taken(host, form):
    assert form.visitor.get("/", Host=host.format(port=form.port)).status == 200


def test_without_a_host_there_is_no_answer(form):
    assert b" 421 " in raw(form.port, b"GET / HTTP/1.0\r\n\r\n").splitlines()[0]
    other = "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b" 421 " in raw(form.port, other.encode()).splitlines()[0]


# Verbs

VERBS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MKCOL", "BREW")


def test_no_other_verb_does_anything(config, authority):
    made = make_server(authority)
    app = create_app(config)
    mine = Client(app).enter()
    before = files_below(config.pki)
    for path, methods in routes(app, serial=made.certificate.serial_hex, name="root.pem", what="certificate"):
        for verb in VERBS:
            answer = mine.ask(verb, path, data={"csrf": mine.csrf, **FILLED})
            assert answer.status_code == 405, (verb, path)
        for verb in {"GET", "POST"} - methods:
            assert mine.ask(verb, path, data={"csrf": mine.csrf}).status_code in {404, 405}
    assert files_below(config.pki) == before


@pytest.mark.parametrize("verb", [*VERBS, "get", "G" * 5000])
def test_no_other_verb_is_answered_over_the_wire(verb, form):
    cookies = "; ".join(f"{name}={value}" for name, value in form.visitor.cookies.items())
    request = f"{verb} / HTTP/1.1\r\nHost: 127.0.0.1:{form.port}\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
    answer = raw(form.port, request.encode())
    assert answer == b"" or int(answer.split()[1]) in {400, 405, 501} or verb == "get"
    assert b"TRACE / " not in answer
    assert form.visitor.get("/").status == 200


# Paths

OUTSIDE = [
    "../../private/ca.key", "..%2f..%2fprivate%2fca.key", "%2e%2e/%2e%2e/private/ca.key", "....//....//private/ca.key",
    "..%5c..%5cprivate%5cca.key", "..%252f..%252fprivate%252fca.key", "/etc/passwd", "%2fetc%2fpasswd",
    "../../../../../../etc/passwd", "ca.key", "private/ca.key", "root%20key", "root+key", "ca.key%00.pem", "%00", ".",
    "..", "~root", "pki/private/ca.key", "..;/private/ca.key", "%c0%ae%c0%ae/private/ca.key", "base.html",
    "style.css/../../base.html", "../web/base.html", "__class__", "index.txt", "CON", "..%u2215private",
    "%ef%bc%8e%ef%bc%8e/ca.key",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_leads_out(name, form):
    key = (form.pki / "private" / "ca.key").read_bytes().splitlines()[2]
    serial = next((form.pki / "certs_by_serial").iterdir()).stem
    for base in (
        *(form.made, "/root", "/assets", "/certificates", f"/certificates/{serial}", "/orders", "/made", ""),
        *("/ca", "/ca/above", "/certificates/ca"),
    ):
        answer = form.visitor.get(f"{base}/{name}")
        assert answer.status in {308, 400, 403, 404} or name in {".", ".."}, (base, answer.status)
        assert key not in answer.body
        assert b"root:x:0" not in answer.body
        assert b"{% block" not in answer.body


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "saved"),
    [("*.example.com", "_wildcard.example.com"), ("2001:db8::1", "2001_db8__1"), ("a.b-c.example.com",) * 2],
)
def test_a_download_has_a_name_that_is_safe(name, saved, client):
    made = client.make(name=name, names="", p12_password="for the test")
    for what, ending in (("certificate", ".crt"), ("key", ".key"), ("p12", ".p12"), ("chain", "-chain.pem")):
        header = client.take(f"{made}/{what}").headers["Content-Disposition"]
        assert header == f"attachment; filename={saved}{ending}"


@pytest.mark.parametrize(
    "name", ["../../../etc/cron.d/evil", "/etc/passwd", "-", "con", "a" * 5000, "a\r\nSet-Cookie: x=y", "a\0b", ""]
)
def test_the_name_of_an_upload_is_shown_and_nothing_else(name, client, tmp_path, served):
    before = sorted(tmp_path.rglob("*"))
    data = served.files["certificate"].read_bytes()
    answer = client.post("/audit", text="", profile="", file=(io.BytesIO(data), name or "a"))
    assert answer.status_code in {200, 422}
    assert "Set-Cookie" not in answer.headers
    assert "root:x:0" not in answer.text
    assert sorted(tmp_path.rglob("*")) == before


def test_the_name_of_an_upload_leads_nowhere(client, config, authority):
    """In a pki folder the path of a file would tell what a certificate is, or which one a config has made."""
    made = make_server(authority)
    issued = config.pki / "issued" / "pbx.example.com.crt"
    for sent, path in (
        (issued.read_bytes(), issued),
        ((config.pki / "reqs" / "pbx.example.com.req").read_bytes(), config.pki / "reqs" / "pbx.example.com.req"),
        (
            b"[ v3_req ]\nsubjectAltName = DNS:a\n",
            config.pki / "certs_by_serial" / f"{made.certificate.serial_hex}.cnf",
        ),
        (b"V\t300101000000Z\t\t01\tunknown\t/CN=a\n", config.pki / "index.txt"),
    ):
        answers = [
            re.sub("/audit/[0-9a-f]+/", "/audit/", client.post("/audit", file=(io.BytesIO(sent), name)).text)
            for name in (str(path), "plain.txt")
        ]
        assert answers[0].replace(str(path), "plain.txt") == answers[1]


# Scripts in what is typed, uploaded, and found


class Page(html.parser.HTMLParser):
    """Reads a page as a browser would, and fails at whatever is not one of our own elements."""

    def __init__(self, text):
        super().__init__()
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        assert tag not in {"img", "iframe", "object", "style", "base", "b"}, tag
        if tag == "svg":
            # Ours are drawings and nothing else.
            assert dict(attrs).get("aria-hidden") == "true" or dict(attrs).get("role") == "img"
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name != "style"
            assert not (value or "").lower().strip().startswith(("javascript:", "data:")), value
        if tag == "script":
            assert dict(attrs) in [{"src": f"/assets/{name}.js", "defer": None} for name in ("page", "form")]


FIELDS = {
    "/new": ("name", "names", "days", "eku", "key_type", "key_usage", "p12_password", "passphrase", "where")
    + ("compatible", "passphrase_again", "replace", "kind", "ca_name", "csrf"),
    "/new/commands": ("name", "names", "days", "kind", "permit", "exclude", "pathlen", "text", "purpose", "fragment")
    + ("new_passphrase", "csrf"),
    "/renew": ("title", "passphrase", "p12_password", "keep_key", "csrf"),
    "/audit": ("text", "profile", "password", "servers", "starttls", "csrf"),
    "/login": ("password", "csrf"),
    "/recognise": ("names", "csrf"),
    "/leave": ("csrf",),
    "/ca/passphrase": ("passphrase", "new_passphrase", "new_passphrase_again", "csrf"),
    "/ca/backup": ("backup_passphrase", "backup_passphrase_again", "csrf"),
    "/revocation-list": ("days", "passphrase", "csrf"),
}


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields])
def test_a_script_in_a_field_stays_text(path, field, client):
    for fields in (FILLED, {}):
        answer = client.post(path, **{**fields, field: SCRIPT})
        if answer.status_code == 303:
            answer = client.get(answer.location)
        if answer.mimetype == "text/html":
            Page(answer.text)
            assert "1022117" not in answer.text
        assert "<script>alert" not in answer.text or answer.mimetype == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


ADDRESSES = ["/enter?token={}", "/new?order={}", "/{}", "/made/{}", "/root/{}"]
ADDRESSES += ["/certificates/{}", "/certificates/ca/{}", "/ca/{}", "/ca/above/1.{}", "/ca/crl.{}"]
ADDRESSES += [f"/?{name}={{}}" for name in ("q", "state", "kind", "order", "all", "page")]


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_script_in_an_address_stays_text(path, client):
    from urllib.parse import quote

    page = client.get(path.format(quote(SCRIPT))).text
    Page(page)
    assert "<script>alert" not in page


OF_CERTIFICATES = {
    "export": ("form", "p12_password", "csrf"),
    "check": ("host", "csrf"),
    "renew": ("p12_password", "keep_key", "compatible", "passphrase", "csrf"),
    "revoke": ("reason", "passphrase", "csrf"),
}


def test_a_script_in_a_field_of_a_certificate_stays_text(client, authority):
    serial = make_server(authority).certificate.serial_hex
    for action, fields in OF_CERTIFICATES.items():
        for field in fields:
            for where in (serial, "ca"):
                sent = {"form": "nginx", "host": "x:0", "p12_password": "for the test", field: SCRIPT}
                answer = client.post(f"/certificates/{where}/{action}", **sent)
                if answer.status_code == 303:
                    answer = client.get(answer.location)
                if answer.mimetype == "text/html":
                    Page(answer.text)
                    assert "1022117" not in answer.text
                assert b"<script>alert" not in answer.data


@pytest.mark.parametrize("serial", ["x", "../ca", "%2e%2e", "CA", "ca%00", "0" * 65, "0A.pem", "pbx.example.com", "١٢"])
def test_a_certificate_has_no_other_address(serial, client, authority):
    make_server(authority)
    for action in ("", "/certificate", "/der", "/chain"):
        assert client.get(f"/certificates/{serial}{action}").status_code in {404, 308}
    for action in OF_CERTIFICATES:
        answer = client.post(f"/certificates/{serial}/{action}", form="key", host="127.0.0.1:1")
        assert answer.status_code in {404, 405}
        assert b"PRIVATE KEY" not in answer.data


HOSTILE = [SCRIPT[:60], "a\nbasicConstraints = CA:TRUE", "a\x1b[31mred", "\u202egpj.exe", "a\0b", "a\u2028b", "--><b>"]


def hostile_certificates():
    for text in HOSTILE:
        ascii_text = text.encode("ascii", "replace").decode()
        yield from (
            issue(text, x509.DNSName("pbx.example.com"), organization=text),
            issue("pbx.example.com", x509.DNSName(ascii_text), x509.RFC822Name("a@example.com")),
            issue("pbx.example.com", x509.UniformResourceIdentifier(f"sip:{ascii_text}")),
            issue("pbx.example.com", x509.DNSName("a.example"), issuer=issue(text, ca=True)),
        )


def test_a_script_in_the_names_of_a_certificate_that_is_audited_stays_text(client):
    for certificate in hostile_certificates():
        for fields in ({"text": certificate.pem}, {"text": "", "file": (io.BytesIO(certificate.der), SCRIPT[1:])}):
            answer = client.post("/audit", profile="", **fields)
            assert answer.status_code == 200
            Page(answer.text)
            assert not re.search("[\0\x1b\u202e\u2028]", answer.text)


def test_a_script_in_the_names_of_a_certificate_of_the_folder_stays_text(client, config, authority):
    make_root(authority)
    (config.pki / "issued").mkdir(exist_ok=True)
    (config.pki / "certs_by_serial").mkdir(exist_ok=True)
    for number, certificate in enumerate(hostile_certificates()):
        serial = f"{certificate.certificate.serial_number:X}"
        serial = serial.zfill(len(serial) + len(serial) % 2)
        end = f"{certificate.certificate.not_valid_after_utc:%y%m%d%H%M%SZ}"
        subject = f"/CN={SCRIPT}" if number % 2 else "/CN=\\xE2\\x80\\xAE<b>"
        with (config.pki / "index.txt").open("a") as index:
            index.write(f"V\t{end}\t\t{serial}\tunknown\t{subject}\n")
        if number % 3:
            (config.pki / "certs_by_serial" / f"{serial}.pem").write_text(certificate.pem)
    page = client.get("/?all=1").text
    Page(page)
    links = re.findall(r'href="(/certificates/[^"?]+)"', page)
    assert len(links) > 15
    for link in [*links, "/ca"]:
        answer = client.get(link)
        Page(answer.text)
        assert not re.search("[\0\x1b\u202e\u2028]", answer.text)


# What each answer says to the browser


def test_every_answer_forbids_what_no_page_of_ours_does(config, client):
    for path, methods in routes(client.client.application):
        for method in methods:
            answer = client.ask(method, path) if method != "POST" or path != "/leave" else None
            if answer is None:
                continue
            for name, value in gate.HEADERS.items():
                assert answer.headers[name] == value, (method, path)
            assert "Server" not in answer.headers
    policy = gate.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_an_error_tells_nothing_of_the_inside(client, config, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("detail of the inside")

    monkeypatch.setattr("opensslgen.web.browsing.survey_of", broken)
    config.pki.mkdir()
    (config.pki / "index.txt").touch()
    answer = client.get("/")
    assert answer.status_code == 500
    for inside in ("detail", "Traceback", "RuntimeError", "opensslgen/", "werkzeug", "line "):
        assert inside not in answer.text
    assert "detail of the inside" in caplog.text


def test_what_is_uploaded_never_lies_on_the_disk(client, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a file on the disk")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    parts = {"csrf": client.csrf, "text": "", "profile": ""}
    body = "".join(f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{parts[name]}\r\n' for name in parts)
    body += '--x\r\nContent-Disposition: form-data; name="file"; filename="key.pem"\r\n\r\n'
    body += "-----BEGIN PRIVATE KEY-----\n" + "A" * 900_000 + "\r\n--x--\r\n"
    answer = client.ask("POST", "/audit", data=body.encode(), content_type="multipart/form-data; boundary=x")
    assert "key.pem: cannot be read" in answer.text


LABELS = ["PRIVATE KEY", "PRIVAT KEY", "RSA PRIVTE KEY", "CERTIFICATE", "PRIVATE  KEY", "private key", ""]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("width", [64, 48])
def test_a_key_that_was_pasted_is_not_shown_again_whatever_stands_above_it(label, width, client, served):
    lines = "".join(served.files["key"].read_text().splitlines()[1:-1])
    body = "\n".join(lines[start : start + width] for start in range(0, len(lines), width))
    text = f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n" if label else body
    page = client.post("/audit", text=text, profile="").text
    assert [line for line in body.splitlines()[:-1] if line in page] == []
    # What holds no key is shown again, for a change.
    text = "[ v3_req ]\n# ------------------------------------------------------\nsubjectAltName = DNS:a\n"
    assert html_escape(text) in client.post("/audit", text=text, profile="").text


# Size, number, slowness


def head(form, *, path="/audit", **headers):
    cookies = "; ".join(f"{name}={value}" for name, value in form.visitor.cookies.items())
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{form.port}", f"Cookie: {cookies}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


FORM = "application/x-www-form-urlencoded"


def test_a_gigabyte_is_refused_before_it_is_sent(form):
    request = head(form, **{"Content-Length": 1 << 30, "Content-Type": FORM})
    begun = time.monotonic()
    answer = raw(form.port, request + b"csrf=")
    assert answer.split()[1] == b"413"
    # In the form's own words, as somebody may have chosen the wrong file.
    assert b"1 MiB is the most" in answer
    assert b"Content-Security-Policy" in answer
    chunked = head(form, **{"Transfer-Encoding": "chunked", "Content-Type": FORM})
    answer = raw(form.port, chunked + b"120000\r\n" + b"a" * 0x120000 + b"\r\n")
    assert answer.split()[1] == b"413"
    assert b"1 MiB is the most" in answer
    assert time.monotonic() - begun < 10
    assert form.visitor.get("/").status == 200


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_a_gigabyte_that_is_sent_all_the_same_is_not_kept(way, form):
    """As much of it is sent as the form takes, which is little."""
    length = {"Transfer-Encoding": "chunked"} if way == "chunked" else {"Content-Length": 1 << 30}
    piece = b"A" * (1 << 16)
    if way == "chunked":
        piece = b"10000\r\n" + piece + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", form.port), timeout=10) as connection:
        connection.sendall(head(form, **length, **{"Content-Type": FORM}))
        with contextlib.suppress(OSError):
            while sent < 1 << 30:
                connection.sendall(piece)
                sent += len(piece)
    assert sent < 16 << 20
    assert memory(form.process) < 250
    assert form.visitor.get("/").status == 200


def test_more_than_a_mebibyte_is_refused_with_a_page(form):
    answer = form.visitor.post("/audit", text="A" * ((1 << 20) + 1000))
    assert answer.status == 413
    assert "1 MiB is the most" in answer.text


def test_little_is_read_before_the_form_knows_who_sends_it(tmp_path, form):
    """4 kB are enough for a password; whoever has a session may send more."""
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with running("--pki", form.pki, "--password-file", tmp_path / "password") as other:
        visitor = Visitor(other.port)
        visitor.csrf = visitor.get("/login").csrf
        host = f"Host: 127.0.0.1:{other.port}\r\nCookie: opensslgen-{other.port}=guess"
        for path in ("/login", "/audit", "/"):
            for length in (5000, 900_000):
                # Nothing of it is sent, so that an answer proves that it was not waited for.
                head = f"POST {path} HTTP/1.1\r\n{host}\r\nContent-Length: {length}\r\n\r\n".encode()
                answer = raw(other.port, head, timeout=5)
                assert answer.split()[1] in {b"403", b"413"}, (path, length, answer[:60])
                assert b"Content-Security-Policy" in answer
        assert visitor.post("/login", password=PASSWORD, more="x" * 5000).status == 413
        assert visitor.post("/login", password=PASSWORD).status == 303
        visitor.csrf = visitor.get("/").csrf
        assert visitor.post("/audit", text="# no certificate\n" * 40_000, profile="").status == 200


@pytest.mark.parametrize("what", ["header", "headers", "cookies", "line"])
def test_a_head_without_end_is_refused(what, form):
    data = {
        "header": b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20),
        "headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (1 << 17),
        "cookies": b"GET / HTTP/1.1\r\nCookie: " + b"a=b; " * (1 << 17) + b"\r\n\r\n",
        "line": b"GET /" + b"a" * (1 << 20),
    }[what]
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = raw(form.port, data)
    assert answer == b"" or answer.split()[1] in {b"400", b"431"}
    assert form.visitor.get("/").status == 200


def test_many_fields_and_many_files_are_refused(client):
    body = "csrf=" + client.csrf + "&eku=x" * 150_000
    answer = client.ask("POST", "/new", data=body, content_type=FORM)
    assert answer.status_code in {413, 422}
    files = {f"file{number}": (io.BytesIO(b"x"), "a") for number in range(200)}
    answer = client.post("/audit", **files)
    assert answer.status_code == 413


def test_more_names_than_anyone_types_are_not_recognised(client):
    assert client.post("/recognise", names="a.example.com\n" * 200).status_code == 200
    assert client.post("/recognise", names="a.b," * 20_000).status_code == 413


def test_the_name_of_a_file_is_not_repeated_at_any_length(client):
    calls = b"openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout k -out c -subj /CN=a\n" * 5
    answer = client.post("/audit", file=(io.BytesIO(b"#!/bin/sh\n" + calls), "n" * 100_000))
    report = client.get(re.search(r'href="(/audit/[0-9a-f]+/json)"', answer.text)[1])
    assert b"n" * 255 in report.data
    assert b"n" * 256 not in report.data


@pytest.mark.slow
def test_two_hundred_slow_connections_keep_nobody_out(form):
    with slow_connections(form.port, 200):
        for _ in range(5):
            begun = time.monotonic()
            assert form.visitor.get("/").status == 200
            assert time.monotonic() - begun < 10
            time.sleep(0.2)
        form.visitor.make(name="while-slow.example.com")
    assert memory(form.process) < 250


@pytest.mark.slow
def test_more_connections_than_there_are_places_for_end_and_leave_their_places(form):
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS + 50):
            stack.enter_context(socket.create_connection(("127.0.0.1", form.port), timeout=10))
    assert form.visitor.get("/").status == 200


@pytest.mark.slow
def test_who_sends_a_byte_now_and_then_is_cut_off_in_the_end(tmp_path):
    with running("--pki", tmp_path / "pki", before="import opensslgen.web.form_server as s; s.LONGEST = 2") as form:
        with slow_connections(form.port, 3) as slow:
            slow[0].settimeout(10)
            begun = time.monotonic()
            # Reset, if one of its bytes came when it was closed already.
            with contextlib.suppress(ConnectionResetError):
                assert slow[0].recv(1) == b""
            assert time.monotonic() - begun < 20
        # A browser that comes back later is not kept out by that.
        assert visitor(form).get("/").status == 200


# Secrets


@pytest.mark.slow
def test_no_secret_is_in_what_the_form_prints_nor_in_its_pages_or_addresses(tmp_path):
    passphrase, password, other = "of-the-root-1234", "of-the-p12-5678", "of-the-backup-9012"
    both = {"passphrase": passphrase, "passphrase_again": passphrase}
    with running("--pki", tmp_path / "pki", "-v") as form:
        token = form.url.partition("=")[2]
        mine = visitor(form)
        shown = mine.post("/new", **{**FILLED, "p12_password": password, **both})
        pages = [shown, mine.get(shown.headers["Location"])]
        made = mine.confirm(shown)
        pages += [
            mine.get(made),
            mine.get("/new"),
            mine.get("/"),
            mine.get(f"{shown.headers['Location']}/script"),
        ]
        pages += [mine.post("/new", **{**FILLED, "days": "x", "p12_password": password, **both})]
        key = mine.post(f"{made}/key").text.splitlines()[1]
        twice = {
            f"{name}{again}": other for name in ("new_passphrase", "backup_passphrase") for again in ("", "_again")
        }
        for path, sent in (("/ca/passphrase", {"passphrase": passphrase}), ("/ca/backup", {})):
            shown = mine.post(path, **{**twice, **sent})
            pages += [shown, mine.get(shown.headers["Location"]), mine.get(mine.confirm(shown)), mine.get("/ca")]
        serial = load(tmp_path / "pki" / "issued" / "pbx.example.com.crt").serial_hex
        pages += [mine.post(f"/certificates/{serial}/export", form="p12", p12_password=password)]
        pages += [
            mine.post(f"/certificates/{serial}/export", form="p12", p12_password="abc"),
            mine.get(f"/certificates/{serial}"),
        ]
        for path in Path(f"/proc/{form.process.pid}/task").glob("*/children"):
            assert password not in path.read_text()
        command_line = Path(f"/proc/{form.process.pid}/cmdline").read_text()
        form.stop()
    secret = {token, passphrase, password, other, key, mine.csrf, *mine.cookies.values()}
    for text in (form.log, command_line):
        assert not [part for part in secret if part in text]
    assert "openssl pkcs12 -export" in form.log
    for page in pages:
        assert not [part for part in (passphrase, password, key, token) if part in page.text]
        assert other not in page.text
        assert not [part for part in secret if part in page.headers.get("Location", "")]
        assert page.headers["Cache-Control"] == "no-store"


def test_a_program_that_starts_it_is_told_its_address_in_json_and_nothing_else(tmp_path):
    with running("--pki", tmp_path / "pki", "--json", "-q") as form:
        assert visitor(form).get("/").status == 200
        assert form.stop() == 0
    assert form.log == ""


def test_keys_are_readable_by_the_owner_alone(form):
    for path in (form.pki / "private").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.slow
def test_the_passphrase_may_come_from_the_environment_and_stays_there(tmp_path):
    with running("--pki", tmp_path / "pki", env={CA_PASSPHRASE: "of the root"}) as form:
        mine = visitor(form)
        assert 'name="passphrase"' not in mine.get("/").text
        mine.make()
        assert "of the root" not in mine.get("/").text
    assert b"ENCRYPTED" in (tmp_path / "pki" / "private" / "ca.key").read_bytes()


# Stopping


@pytest.fixture
def slow_openssl(tmp_path):
    """An openssl that takes a while over each request that it makes."""
    script = tmp_path / "openssl"
    script.write_text('#!/bin/sh\n[ "$1" = req ] && touch "$0.begun" && sleep 0.7\nexec openssl "$@"\n')
    script.chmod(0o755)
    return script


def asked(form, slow_openssl):
    """Have a certificate made, in a thread; return the thread and its answers once the making has begun."""
    mine = visitor(form)
    shown = mine.post("/new", **FILLED)
    answers = []

    def confirm():
        with contextlib.suppress(OSError):
            answers.append(mine.post(shown.headers["Location"]))

    thread = threading.Thread(target=confirm)
    thread.start()
    while not Path(f"{slow_openssl}.begun").exists():
        time.sleep(0.05)
    return thread, answers


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_stops_the_form_stops_nothing_in_the_middle(number, tmp_path, slow_openssl):
    with running("--pki", tmp_path / "pki", "--openssl", slow_openssl) as form:
        thread, answers = asked(form, slow_openssl)
        assert form.stop(number) == 0
        thread.join()
    assert [answer.status for answer in answers] == [303]
    assert "Stopped." in form.log
    assert "Traceback" not in form.log
    assert (tmp_path / "pki" / "issued" / "pbx.example.com.crt").exists()
    assert not list((tmp_path / "pki").glob(".work-*"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["twice", "kill"])
def test_who_does_not_wait_loses_nothing_either(how, tmp_path, slow_openssl):
    pki = tmp_path / "pki"
    with running("--pki", pki, "--openssl", slow_openssl) as form:
        thread, _ = asked(form, slow_openssl)
        if how == "twice":
            form.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert form.stop(signal.SIGINT, timeout=20) != 0
        else:
            form.process.kill()
            form.process.wait()
        thread.join()
    assert not (pki / "issued" / "pbx.example.com.crt").exists()
    assert "Traceback" not in form.log
    with running("--pki", pki) as form:
        visitor(form).make()
    assert not list(pki.glob(".work-*"))
    assert (pki / "issued" / "pbx.example.com.crt").exists()


@pytest.mark.slow
def test_an_idle_form_with_open_connections_stops_at_once(tmp_path):
    with running("--pki", tmp_path / "pki") as form, slow_connections(form.port, 20):
        begun = time.monotonic()
        assert form.stop(signal.SIGINT) == 0
        assert time.monotonic() - begun < 10
    assert "Traceback" not in form.log


@pytest.mark.slow
def test_a_port_that_is_taken_is_an_error_with_a_hint(form):
    done = opensslgen("web", "--port", form.port)
    assert done.returncode == 1
    said = f"Error: cannot listen on 127.0.0.1, port {form.port}: Address already in use"
    assert done.stderr.splitlines() == [said, "Hint: --port 0 takes any free port"]
