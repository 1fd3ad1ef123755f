"""The form for other machines: behind a password and TLS, by a certificate of its own root, or not at all."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509

from opensslgen.jobs.issue import intermediate_job, leaf_job
from opensslgen.jobs.perform import Authority
from opensslgen.orders.kinds import CLIENT
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.web.entrance import Entrance

from .conftest import CHECKOUT, EC, make_root, make_server, no_secret, opensslgen
from .forms import FILLED, PASSWORD, Visitor, memory, raw, running, slow_connections

NAME = "form.example.com"


@pytest.fixture(scope="module")
def folder(openssl, tmp_path_factory):
    """A folder with a root and a certificate for the form itself, and a password."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(Store(folder / "pki"), openssl, no_secret)
    make_root(authority)
    make_server(authority, NAME, san=["127.0.0.1"])
    (folder / "password").write_text(f"{PASSWORD}\n")
    return folder


def options(folder, *more):
    return (
        "--pki",
        folder / "pki",
        "--address",
        "0.0.0.0",
        "--password-file",
        folder / "password",
        "--name",
        NAME,
        *more,
    )


@pytest.fixture(scope="module")
def form(folder):
    with running(*options(folder)) as form:
        yield form


@pytest.fixture(scope="module")
def context(folder):
    return ssl.create_default_context(cafile=folder / "pki" / "ca.crt")


def logged_in(form, context, **more):
    visitor = Visitor(form.port, context=context, name=NAME, **more)
    visitor.csrf = visitor.get("/login").csrf
    answer = visitor.post("/login", password=PASSWORD)
    assert answer.status == 303, answer.text
    visitor.csrf = visitor.get("/").csrf
    return visitor


def test_it_works_over_tls_by_its_name(form, context):
    assert form.url == f"https://{NAME}:{form.port}/login"
    visitor = logged_in(form, context)
    made = visitor.make(p12_password="for the test")
    assert visitor.post(f"{made}/p12").body.startswith(b"0\x82")
    # As much as may be sent, and as much back.
    text = "# " + "x" * 900_000
    assert visitor.post("/audit", text=text, profile="").text.count("x" * 900_000) == 1


def test_a_browser_that_has_been_here_by_tls_never_comes_without(form, context):
    for path in ("/login", "/", "/missing"):
        answer = Visitor(form.port, context=context, name=NAME).get(path)
        assert int(re.fullmatch(r"max-age=(\d+)", answer.headers["Strict-Transport-Security"])[1]) >= 86400


def test_curl_takes_it_with_the_root_and_not_without(form, folder):
    url = f"https://{NAME}:{form.port}/login"
    curl = ["curl", "-sS", "--resolve", f"{NAME}:{form.port}:127.0.0.1", url]
    good = subprocess.run([*curl, "--cacert", folder / "pki" / "ca.crt", "-i"], capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    assert "Log in" in good.stdout
    cookie = re.search(r"^Set-Cookie: (.*)$", good.stdout, re.MULTILINE | re.IGNORECASE)[1].strip()
    assert cookie.startswith("__Host-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    bad = subprocess.run(curl, capture_output=True, text=True)
    assert bad.returncode == 60


def test_what_does_not_speak_tls_gets_no_word(form):
    assert b"HTTP" not in raw(form.port, f"GET / HTTP/1.1\r\nHost: {NAME}:{form.port}\r\n\r\n".encode())


@pytest.mark.parametrize("host", ["evil.example", "localhost:{port}", "0.0.0.0:{port}", "127.0.0.2:{port}"])
def test_only_the_names_of_its_certificate_are_answered(host, form, context):
    visitor = Visitor(form.port, context=context, name=NAME)
    assert visitor.get("/login", Host=host.format(port=form.port)).status == 421
    assert visitor.get("/login", Host=f"127.0.0.1:{form.port}").status == 200


def test_there_is_no_link_beside_the_password(form, context):
    visitor = Visitor(form.port, context=context, name=NAME)
    for path in ("/enter", "/enter?token=", "/enter?token=None", "/"):
        assert visitor.get(path).status == 403


@pytest.mark.slow
def test_who_guesses_passwords_keeps_nobody_else_out(folder, context):
    """Whatever a client says of where it comes from, and however many go through the same socket of ours."""
    with running(*options(folder)) as form:
        guessing = Visitor(form.port, context=context, name=NAME, source="127.0.0.2")
        answers = []
        for number in range(7):
            csrf = guessing.get("/login").csrf
            body = {"csrf": csrf, "password": f"guess {number}"}
            told = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
            answers.append(guessing.ask("POST", "/login", body, told).status)
        assert answers == [403] * 5 + [429] * 2
        assert logged_in(form, context).get("/").status == 200


def test_old_tls_is_not_spoken(form):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", form.port), 10) as plain, pytest.raises(OSError, match=r"TLS|SSL|rese"):
        old.wrap_socket(plain)


# Nobody keeps others out


@pytest.mark.slow
def test_two_hundred_slow_connections_keep_nobody_out(form, context):
    visitor = logged_in(form, context)
    for source in ("127.0.0.2", "127.0.0.1"):
        with slow_connections(form.port, 100, source=source, context=context), slow_connections(form.port, 100):
            for _ in range(3):
                begun = time.monotonic()
                assert visitor.get("/").status == 200
                assert time.monotonic() - begun < 10
    assert memory(form.process) < 250


@pytest.mark.slow
def test_who_never_finishes_the_handshake_is_cut_off(folder):
    before = "import opensslgen.web.tls as t; t.HANDSHAKE = t.LONGEST = 1"
    with running(*options(folder), before=before) as form, socket.create_connection(("127.0.0.1", form.port), 10) as it:
        begun = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert it.recv(1) == b""
        assert 0.5 < time.monotonic() - begun < 20


@pytest.mark.slow
def test_whoever_leaves_in_the_middle_leaves_nothing_behind(form, context):
    visitor = logged_in(form, context)
    for number in range(30):
        connection = socket.create_connection(("127.0.0.1", form.port), 10)
        with contextlib.suppress(OSError):
            if number % 2:
                connection = context.wrap_socket(connection, server_hostname=NAME)
                connection.sendall(f"GET /certificates HTTP/1.1\r\nHost: {NAME}".encode())
            else:
                connection.sendall(b"\x16\x03\x01\x02\x00")
        connection.close()
    assert visitor.get("/").status == 200
    time.sleep(0.5)
    assert len(list(Path(f"/proc/{form.process.pid}/fd").iterdir())) < 40


@pytest.mark.slow
def test_who_stops_it_stops_nothing_in_the_middle(folder, context, tmp_path):
    slow = tmp_path / "openssl"
    slow.write_text('#!/bin/sh\n[ "$1" = req ] && touch "$0.begun" && sleep 1\nexec openssl "$@"\n')
    slow.chmod(0o755)
    answers = []
    with running(*options(folder, "--openssl", slow)) as form:
        visitor = logged_in(form, context)
        shown = visitor.post("/new", **{**FILLED, "name": "stopped.example.com"})
        path = shown.headers["Location"]
        thread = threading.Thread(target=lambda: answers.append(visitor.post(path)))
        thread.start()
        while not (tmp_path / "openssl.begun").exists():
            time.sleep(0.05)
        assert form.stop() == 0
        thread.join()
    assert [answer.status for answer in answers] == [303]
    assert "Traceback" not in form.log
    assert "exception" not in form.log
    assert (folder / "pki" / "issued" / "stopped.example.com.crt").exists()


def test_nothing_secret_is_printed(folder, context):
    with running(*options(folder, "-v")) as form:
        visitor = logged_in(form, context)
        wrong = Visitor(form.port, context=context, name=NAME)
        wrong.csrf = wrong.get("/login").csrf
        assert wrong.post("/login", password="a wrong password").status == 403
        form.stop()
    for secret in (PASSWORD, "a wrong password", *visitor.cookies.values(), visitor.csrf):
        assert secret not in form.log


# What it takes to be reached from elsewhere


@pytest.fixture
def other(openssl, tmp_path):
    """A folder of another root, which has a certificate of the same name."""
    authority = Authority(Store(tmp_path / "pki"), openssl, no_secret)
    make_root(authority)
    make_server(authority, NAME)
    return tmp_path


def refused(*arguments):
    done = opensslgen("web", "--port", "0", *arguments, timeout=30)
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_without_a_password_it_stays_on_this_machine(folder):
    said = refused("--pki", folder / "pki", "--address", "0.0.0.0", "--name", NAME)
    assert "a password is needed" in said
    assert "--password-file" in said


def test_without_a_certificate_it_stays_on_this_machine(folder):
    said = refused("--pki", folder / "pki", "--address", "0.0.0.0", "--password-file", folder / "password")
    assert "0.0.0.0 stands for every address of this machine" in said
    assert "add --name NAME" in said
    said = refused(*options(folder)[:-1], "other.example.com")
    assert "TLS needs a certificate for other.example.com" in said
    assert said.rstrip().endswith(f"opensslgen server other.example.com --pki {folder / 'pki'}")


def test_a_password_that_is_short_is_refused(folder, tmp_path):
    (tmp_path / "password").write_text("elevenchars\n")
    said = refused("--pki", folder / "pki", "--password-file", tmp_path / "password")
    assert "shorter than 12 characters" in said
    assert "elevenchars" not in said


def test_a_certificate_of_another_root_is_refused(folder, other):
    """As it would be after the root was replaced."""
    (other / "pki" / "ca.crt").write_bytes((folder / "pki" / "ca.crt").read_bytes())
    said = refused(*options(folder)[4:], "--pki", other / "pki", "--address", "0.0.0.0")
    assert "own root" in said


def test_an_expired_certificate_is_refused(folder):
    command = [
        "faketime",
        "2100-01-01 00:00:00",
        sys.executable,
        "-m",
        "opensslgen",
        "web",
        *map(str, options(folder)),
        "--port",
        "0",
    ]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "openssl verify does not accept" in done.stderr


@pytest.mark.slow
def test_in_the_folder_of_an_intermediate_it_speaks_tls_below_the_root(openssl, tmp_path, folder):
    authority = Authority(Store(tmp_path / "pki"), openssl, no_secret)
    make_root(authority)
    order = intermediate_order("Site Berlin", key_type=EC)
    made = authority.make(lambda: intermediate_job(order, store=authority.store, fixed_days=False))
    site = tmp_path / "site"
    done = opensslgen("adopt", made.files["chain"], "--key", made.files["key"], "--pki", site)
    assert done.returncode == 0, done.stderr
    make_server(Authority(Store(site), openssl, no_secret), NAME)
    context = ssl.create_default_context(cafile=authority.store.path / "ca.crt")
    with running(*options(folder)[2:], "--pki", site) as form:
        assert logged_in(form, context).get("/root").status == 200
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{form.port}", "-servername", NAME, "-showcerts"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
        ).stdout  # fmt: skip
    sent = x509.load_pem_x509_certificates(shown.encode())
    names = [certificate.subject.rfc4514_string().rpartition("CN=")[2] for certificate in sent]
    assert names[:2] == [NAME, "Site Berlin"]


def test_a_certificate_for_clients_alone_is_refused(openssl, tmp_path, folder):
    authority = Authority(Store(tmp_path / "pki"), openssl, no_secret)
    make_root(authority)
    order = leaf_order(NAME, kind=CLIENT, key_type=EC)
    authority.make(lambda: leaf_job(order, store=authority.store, root=root_order(), fixed_days=False))
    said = refused(*options(folder)[2:], "--pki", tmp_path / "pki")
    assert "openssl verify does not accept" in said


def test_a_key_that_does_not_fit_is_refused(other, folder, openssl):
    make_server(Authority(Store(other / "pki"), openssl, no_secret), "b.example.com")
    key = (other / "pki" / "private" / "b.example.com.key").read_bytes()
    (other / "pki" / "private" / f"{NAME}.key").write_bytes(key)
    said = refused(*options(folder)[2:], "--pki", other / "pki")
    assert "cannot use" in said


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("form.example.com", "not an IP address"),
        ("10.255.255.254", "cannot listen on"),
        ("127.0.0.1", "--name can only be used with"),
    ],
)
def test_an_address_that_is_none_of_ours_is_refused(address, said, folder, openssl):
    make = Authority(Store(folder / "pki"), openssl, no_secret)
    with contextlib.suppress(Exception):
        make_server(make, "10.255.255.254")
    arguments = ["--pki", folder / "pki", "--address", address, "--password-file", folder / "password"]
    named = {"127.0.0.1": ["--name", NAME]}.get(address, [])
    assert said in refused(*arguments, *named)


@pytest.mark.slow
def test_on_this_machine_alone_a_password_is_enough(folder):
    with running("--pki", folder / "pki", "--password-file", folder / "password") as form:
        assert form.url == f"http://127.0.0.1:{form.port}/login"
        visitor = Visitor(form.port)
        visitor.csrf = visitor.get("/login").csrf
        assert visitor.post("/login", password=PASSWORD).status == 303


PORTS = {80: False, 443: True, 8820: None}
"""Whether a port is the default one of TLS; None: of neither scheme."""


@pytest.mark.parametrize("is_tls", [False, True])
@pytest.mark.parametrize("port", PORTS)
def test_browsers_leave_out_the_port_that_is_the_default(port, is_tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if is_tls else None
    entrance = Entrance(host="2001:db8::1", names=frozenset({"2001:db8::1", NAME}), context=context)
    with_port = {f"[2001:db8::1]:{port}", f"{NAME}:{port}"}
    assert entrance.hosts(port) == with_port | ({"[2001:db8::1]", NAME} if PORTS[port] is is_tls else set())
    assert entrance.url(port) == f"{'https' if is_tls else 'http'}://[2001:db8::1]:{port}/"
