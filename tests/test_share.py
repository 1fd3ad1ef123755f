"""The site that phones fetch the root from: what it gives to whom, how it ends, and what attacks get out of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from opensslgen.errors import Error, UsageError
from opensslgen.report.trust import Fetches
from opensslgen.trust import anchor, files, pages
from opensslgen.web import http_server, share

from . import qr_codes
from .conftest import CHECKOUT, opensslgen
from .needs import need
from .user_agents import user_agents

HOST = "127.0.0.1"
IPHONE = next(text for device, text in user_agents() if device == "iphone")


@pytest.fixture(scope="session")
def pki(served):
    return served.files["root"].parent


@pytest.fixture(scope="session")
def root(pki):
    return anchor.anchor(pki)


@contextlib.contextmanager
def sharing(pki, *arguments, **options):
    """Run the command until the end of the block, which gets the process and what it said in JSON."""
    words = ["trust", "--pki", pki, "--share", "--address", HOST, "--port", "0", "--json", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def site(pki):
    """What the command says of the site that runs."""
    with sharing(pki, "--for", "10m") as (_, told):
        yield told


@pytest.fixture(scope="module")
def url(site):
    return site["url"]


def fetch(url, path="/", *, method="GET", source=HOST, body=None, **headers):
    """Return the response to one request, its body read."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.data = response.read()
        return response


def raw(url, data, *, source=HOST, timeout=5):
    """Return all that comes back for the bytes of a request, until the connection is closed."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout, (source, 0)) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                answer += chunk
        return answer


# What it gives


def test_it_gives_what_trust_writes_and_its_codes_and_nothing_else(site, url, root):
    pages = files.pages(root, address=url, check=site["check_url"])
    for file in (*files.root_files(root), *pages, *share.codes(url)):
        response = fetch(url, f"/{file.name}")
        assert (response.status, response.data) == (200, file.data)
        assert response.headers["Content-Type"] == file.media_type
    expected = {
        "root.mobileconfig": "application/x-apple-aspen-config",
        "root.crt": "application/x-x509-ca-cert",
        "root.pem": "application/x-pem-file",
        "WebRootCA.pem": "application/x-pem-file",
    }
    for name, media_type in expected.items():
        headers = fetch(url, f"/{name}").headers
        assert headers["Content-Type"] == media_type
        assert headers["Content-Disposition"] == f'inline; filename="{name}"'


@pytest.mark.parametrize(("device", "user_agent"), list(user_agents()))
def test_a_phone_is_shown_the_page_for_it(device, user_agent, root):
    client = share.create_app(root, url="http://192.0.2.7/").test_client()
    response = client.get("/", headers={"User-Agent": user_agent})
    assert response.data == client.get(f"/{device}.html").data
    assert response.headers["Vary"] == "User-Agent, Accept-Language"
    assert root.fingerprint[:23] in response.text
    # A phone has scanned the code already, whatever page it goes to.
    other = client.get("/index.html", headers={"User-Agent": user_agent}).text
    assert ("qr.svg" in other) == (device not in {"iphone", "android"})
    if device == "iphone":
        assert response.text.index('href="root.mobileconfig"') < response.text.index('href="root.crt"')
        assert "qr.svg" not in response.text


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("fr-CH, fr;q=0.9", "fr"),
        ("es-419", "es"),
        ("it", "it"),
        ("pt-BR,pt;q=0.9", "en"),
        ("", "en"),
        ('"><script>', "en"),
    ],
)
def test_a_phone_is_shown_its_language(asked, language, root):
    client = share.create_app(root, url="http://192.0.2.7/").test_client()
    for path in ("/", "/iphone.html", "/android.html", "/index.html", "/servers.html"):
        page = client.get(path, headers={"User-Agent": IPHONE, "Accept-Language": asked}).text
        assert f'<html lang="{language}">' in page


@pytest.mark.slow
def test_a_phone_that_trusts_the_root_sees_the_check_page_and_another_does_not(pki):
    """By TLS as Python verifies it; the certificate is one for this address that the folder has."""
    made = opensslgen("server", HOST, "--pki", pki, "--key-type", "p-256", "--force")
    assert made.returncode == 0, made.stderr
    with sharing(pki) as (_, said):
        guide = fetch(said["url"], "/iphone.html").data.decode()
        assert f'href="{said["check_url"]}"' in guide
        trusting = ssl.create_default_context(cafile=pki / "ca.crt")
        with urllib.request.urlopen(said["check_url"], context=trusting, timeout=10) as answer:
            assert "No warning? Then this phone trusts the root" in answer.read().decode()
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(said["check_url"], context=ssl.create_default_context(), timeout=10)
        # Without TLS it would prove nothing.
        assert fetch(said["url"], "/check").status == 404
        root = said["check_url"].removesuffix("check") + "root.mobileconfig"
        with urllib.request.urlopen(root, context=trusting, timeout=10) as answer:
            assert answer.headers["Content-Type"] == "application/x-apple-aspen-config"


def test_without_a_certificate_for_the_address_it_says_how_to_get_the_check_page(tmp_path):
    assert opensslgen("root", "--cn", "Alone", "--key-type", "p-256", cwd=tmp_path).returncode == 0
    done = opensslgen("trust", "--share", "--address", HOST, "--port", "0", "--for", "1s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "There is no check page" in done.stdout
    assert "opensslgen server 127.0.0.1" in done.stdout


def test_who_has_fetched_what_is_said_once():
    fetches = Fetches()
    assert fetches.line("192.0.2.9", "iPhone and iPad", "root.mobileconfig").endswith(
        "  192.0.2.9  iPhone and iPad  root.mobileconfig"
    )
    assert fetches.line("192.0.2.9", "iPhone and iPad", "root.mobileconfig") is None
    assert fetches.line("192.0.2.9", "iPhone and iPad", "style.css") is None
    assert fetches.line("192.0.2.8", "Android", "root.crt")
    assert fetches.line("192.0.2.7", "Android", "root.crt")
    assert fetches.line("192.0.2.7", "Android", "check")
    assert fetches.summary() == "root.mobileconfig: 1 device\nroot.crt: 2 devices\ncheck page opened: 1\n"
    for number in range(2000):
        fetches.line(f"2001:db8::{number}", "Android", "root.crt")
    assert fetches.line("192.0.2.1", "Android", "root.crt") is None


def test_a_signed_profile_is_given_as_it_was_signed(pki):
    with sharing(pki, "--sign", "pbx.example.com") as (_, told):
        profile = fetch(told["url"], "/root.mobileconfig").data
    Path("signed").write_bytes(profile)
    words = ["openssl", "smime", "-verify", "-inform", "der", "-in", "signed", "-purpose", "any"]
    verified = subprocess.run([*words, "-CAfile", pki / "ca.crt"], capture_output=True)
    assert verified.returncode == 0, verified.stderr
    assert b"com.apple.security.root" in verified.stdout


def test_a_desk_phone_gets_its_settings_and_the_root(url, root):
    """By the names that Avaya's documents say it asks for; no phone has tried it."""
    agent = {"User-Agent": "AVAYA/J100-4.0.10"}
    settings = fetch(url, "/46xxsettings.txt", **agent)
    assert settings.headers["Content-Type"] == "text/plain; charset=utf-8"
    (line,) = (line for line in settings.data.decode().splitlines() if not line.startswith("##"))
    words = line.split()
    assert words[:2] == ["SET", "TRUSTCERTS"]
    assert fetch(url, f"/{words[2]}", **agent).data == next(
        file.data for file in files.root_files(root) if file.name == "root.pem"
    )


def test_the_codes_on_the_site_lead_to_the_site(url):
    assert qr_codes.decoded(fetch(url, "/qr.png").data) == url
    assert qr_codes.decoded(qr_codes.picture(qr_codes.of_svg(fetch(url, "/qr.svg").data))) == url
    assert url in fetch(url, "/index.html").data.decode()


@pytest.mark.parametrize("long", ["http://127.0.0.1/", "http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/"])
def test_the_code_in_the_terminal_decodes(long):
    plain = share.terminal_code(long, coloured=False)
    assert qr_codes.decoded(qr_codes.picture(qr_codes.of_terminal(plain))) == long
    coloured = share.terminal_code(long, coloured=True).splitlines()
    assert coloured == [f"\x1b[97;40m{line}\x1b[0m" for line in plain.splitlines()]


def test_on_a_terminal_it_says_where_it_is_draws_the_code_and_ends_with_ctrl_c(pki, root):
    need("terminals")
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "trust", "--pki", pki, "--share", "--address", HOST, "--port", "0"],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        start_new_session=True,
    )  # fmt: skip
    os.close(child)
    try:
        seen = b""
        while not seen.endswith(b"\x1b[0m\r\n") or seen.count(b"\x1b[0m") < 15:
            seen += os.read(parent, 1024)
        text = seen.decode().replace("\x1b[97;40m", "").replace("\x1b[0m", "")
        url = next(line.strip() for line in text.splitlines() if "http://" in line)
        assert "for 30 minutes; Ctrl-C stops it" in text
        assert all(group in text for group in pages.fingerprint_groups(root))
        assert qr_codes.decoded(qr_codes.picture(qr_codes.of_terminal(text))) == url
        assert fetch(url).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        rest = b""
        with contextlib.suppress(OSError):  # which is how the end of a terminal reads
            while chunk := os.read(parent, 1024):
                rest += chunk
    finally:
        process.kill()
        process.wait()
        os.close(parent)
    said = rest.replace(b"^C", b"").decode().split("\n")
    assert re.fullmatch(r"\d\d:\d\d:\d\d  127\.0\.0\.1  unknown device  the page", said[0].strip())
    assert said[1].strip() == "Stopped."


# How it ends


@pytest.mark.slow
def test_it_ends_by_itself(pki):
    before = time.monotonic()
    done = opensslgen("trust", "--pki", pki, "--share", "--address", HOST, "--port", "0", "--for", "1s", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert 1 <= time.monotonic() - before < 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly_even_with_connections_open(number, code, pki):
    with sharing(pki) as (process, told):
        address = urlsplit(told["url"])
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n")
            assert fetch(told["url"]).status == 200
            process.send_signal(number)
            assert process.wait(10) == code
            assert "Traceback" not in process.stderr.read()
            assert connection.recv(1) == b""


def serving_thread(app, listener, *, seconds, **limits):
    """Return a thread that will serve for so long."""
    options = {"seconds": seconds, "limits": http_server.Limits(**limits)}
    return threading.Thread(target=http_server.serve, args=(app, listener), kwargs=options)


def test_what_was_asked_before_it_ends_is_answered(root):
    """A request is under way when the time is over."""
    app = share.create_app(root, url="http://127.0.0.1/")
    app.before_request(lambda: time.sleep(0.6))
    with http_server.open_listener(HOST, 0) as listener:
        thread = serving_thread(app, listener, seconds=0.3)
        thread.start()
        response = fetch(share.url_of(listener), "/root.crt")
        thread.join(10)
    assert response.data == root.der


# Where it listens


@pytest.mark.parametrize("address", ["localhost", "10.0.0", "fe80::1%eth0", "pbx.example.com", ""])
def test_it_listens_on_addresses_alone(address):
    with pytest.raises(UsageError, match="not an IP address"), http_server.open_listener(address, 0):
        pass


def test_a_port_that_is_taken_is_said_in_one_line(pki):
    with http_server.open_listener(HOST, 0) as listener:
        port = listener.getsockname()[1]
        done = opensslgen("trust", "--pki", pki, "--share", "--address", HOST, "--port", port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use\nHint: --port 0" in done.stderr


def test_its_url_has_an_address_that_others_can_use(monkeypatch):
    with http_server.open_listener("::1", 0) as listener:
        assert share.url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}/"
    monkeypatch.setattr(share, "lan_address", lambda: "192.0.2.7")
    with http_server.open_listener("0.0.0.0", 0) as listener:
        assert share.url_of(listener) == f"http://192.0.2.7:{listener.getsockname()[1]}/"


def test_the_address_on_the_network_is_one_of_this_machine_and_without_a_network_it_is_asked_for(monkeypatch):
    class Unrouted(socket.socket):
        def connect(self, address):
            raise OSError(101, "Network is unreachable")

    # In a sandbox without a network there is none.
    with contextlib.suppress(Error), http_server.open_listener(share.lan_address(), 0):
        pass
    monkeypatch.setattr(share.socket, "socket", Unrouted)
    with pytest.raises(Error, match="no network") as caught:
        share.lan_address()
    assert "--address" in caught.value.hint


def test_without_the_extra_it_says_what_to_install(pki, tmp_path):
    for name in ("flask", "segno", "waitress"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module named {name}', name='{name}')\n")
    done = opensslgen("trust", "--pki", pki, "--share", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"})
    assert done.returncode == 2
    assert done.stderr.endswith("is not installed\nHint: run: pip install flask waitress segno\n")
    written = opensslgen("trust", "--pki", pki, "--out", "x", env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{CHECKOUT}"})
    assert written.returncode == 0, written.stderr


# Attacks


PATHS = [
    "/../private/ca.key", "/..%2fprivate%2fca.key", "/%2e%2e/private/ca.key", "/private/ca.key", "/ca.key",
    "/root.crt/..", "/root.crt%00", "/./root.crt/", "/pki/private/ca.key", "/....//ca.key", "/..\\private\\ca.key",
    "//etc/passwd", "/file:///etc/passwd", "/static/style.css", "/templates/root.cnf", "/.git/config",
    "/%", "/%ff", "/root.key", "/" + "a" * 4000, "/index.html?x=../../private/ca.key#x", "/\u202e",
]  # fmt: skip


def test_no_path_leads_to_a_key_or_out_of_the_site(url, pki):
    assert (pki / "private" / "ca.key").exists()
    for path in PATHS:
        for rest in ("HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close", "HTTP/1.0"):
            answer = raw(url, f"GET {path} {rest}\r\n\r\n".encode())
            status = answer.split()[1]
            assert status in {b"400", b"404"} or (status, path[:11]) == (b"200", "/index.html"), (path, answer[:60])
            assert b"PRIVATE KEY" not in answer
            assert b"Location:" not in answer


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "X"])
@pytest.mark.parametrize("path", ["/", "/root.crt"])
def test_it_takes_no_other_verb(method, path, url, root):
    response = fetch(url, path, method=method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert fetch(url, "/root.crt").data == root.der


def test_head_is_get_without_its_body(url, root):
    response = fetch(url, "/root.crt", method="HEAD")
    assert (response.status, response.data) == (200, b"")
    assert response.headers["Content-Length"] == str(len(root.der))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "a" * 3000, "[::1", "@"]
    + [
        "127.0.0.1:8080.evil",
        "127.0.0.1:8080@evil",
        "evil@127.0.0.1",
        "[::1]:8080.evil",
        "[::1].evil",
        "127.0.0.1/evil",
    ]
    + ["localhost:8080.evil", "localhost:evil", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1?evil", "::1"],
)
def test_a_strangers_name_for_it_is_refused_and_nowhere_repeated(host, url):
    answer = raw(url, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in {b"421", b"400"}
    assert host.encode() not in answer
    assert b"root" not in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("host", ["10.0.0.5:8080", "[2001:db8::1]:8080", "localhost", "", socket.gethostname().upper()])
def test_its_own_names_are_taken(host, url):
    answer = raw(url, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_what_others_claim_about_the_request_is_not_believed(url):
    response = fetch(url, X_Forwarded_Host="evil.example", X_Forwarded_For="10.9.8.7", Forwarded="host=evil.example")
    assert response.status == 200
    assert b"evil" not in response.data


def test_every_answer_forbids_scripts_frames_guesses_and_caches(url):
    for path in ("/", "/root.crt", "/qr.svg", "/missing"):
        headers = fetch(url, path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers
        assert "Set-Cookie" not in headers


@pytest.mark.slow
def test_huge_headers_bodies_and_nonsense_get_an_answer_or_none_and_the_site_goes_on(url, root):
    attacks = {
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n": b"431",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 50_000 + b"\r\n": b"431",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n": b"431",
        b"POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n" + b"a" * 100_000: b"413",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"a" * 1024 + b"\r\n" * 50: b"",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n": b"400",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab": b"400",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200) + b"\r\n\r\n": b"400",
        b"GET / HTTP/9.9\r\n\r\n": b"",
        b"\r\n" * 10_000: b"",
    }
    for data, status in attacks.items():
        answer = raw(url, data, timeout=1)
        if status:
            assert answer.split()[1] == status, (data[:40], answer[:80])
        assert b"Traceback" not in answer
        assert b"/opensslgen/" not in answer
    assert fetch(url, "/root.crt").data == root.der


def test_a_gigabyte_is_not_read(url):
    """The connection is closed long before it is sent, whatever length was claimed."""
    address = urlsplit(url)
    sent = 0
    with socket.create_connection((address.hostname, address.port), 5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            while sent < 1 << 30:
                sent += connection.send(bytes(1 << 16))
    assert sent < 1 << 26


@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.1"])
def test_200_slow_connections_keep_nobody_waiting(source, url, root):
    """Not another phone, nor one that comes from the same address, as behind a router."""
    address = urlsplit(url)
    with contextlib.ExitStack() as stack:
        slow = []
        for number in range(200):
            connection = socket.create_connection((address.hostname, address.port), 5)
            slow.append(stack.enter_context(connection))
            with contextlib.suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nX: "[: number % 18])
        for _ in range(3):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"a")
            before = time.monotonic()
            assert fetch(url, "/root.crt", source=source).data == root.der
            assert time.monotonic() - before < 5  # a slow connection may last longer


@pytest.mark.slow
def test_neither_silence_nor_a_trickle_holds_a_connection_for_long(root):
    app = share.create_app(root, url="http://127.0.0.1/")
    with http_server.open_listener(HOST, 0) as listener:
        thread = serving_thread(app, listener, seconds=3, longest=1.0, idle=1)
        thread.start()
        address = listener.getsockname()
        with socket.create_connection(address, 5) as silent, socket.create_connection(address, 5) as trickling:
            before = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() - before < 4:
                    trickling.send(b"G")
                    time.sleep(0.1)
            trickled = time.monotonic() - before
            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""
            assert 1 <= trickled < 2
            assert time.monotonic() - before < 2.5
        thread.join()


@pytest.mark.slow
def test_a_phone_that_reads_slowly_is_cut_off_too(root):
    """It asks for more than fits into all buffers, and reads none of it."""
    app = share.create_app(root, url="http://127.0.0.1/")
    with http_server.open_listener(HOST, 0) as listener:
        thread = serving_thread(app, listener, seconds=2, longest=1.0)
        thread.start()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.settimeout(0.2)
            connection.connect(listener.getsockname())
            with contextlib.suppress(OSError):
                while True:
                    connection.sendall(b"GET /index.html HTTP/1.1\r\n\r\n" * 50)
            # Others are answered while it holds on, and the site ends in time.
            assert fetch(share.url_of(listener), "/root.crt").data == root.der
            before = time.monotonic()
            thread.join(10)
            assert time.monotonic() - before < 6
        assert not thread.is_alive()
