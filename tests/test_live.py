from __future__ import annotations

import ipaddress
import math
import re
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509

from opensslgen.audit.live import judge_servers, server_target
from opensslgen.audit.result import Settings
from opensslgen.errors import UnreadableError, UsageError
from opensslgen.openssl import command, s_client
from opensslgen.openssl.command import OpenSSLError
from opensslgen.openssl.process import Process, Stopped, start_with_sh
from opensslgen.openssl.s_client import STARTTLS
from opensslgen.rules.profiles import rules_of
from opensslgen.x509.certificate import decode

from . import servers
from .daily import daily
from .needs import needs
from .openssls import OTHERS
from .servers import HOST, issue, nginx, s_server, scripted, tls_context

# Python 3.12 and later warn of what `sh` does by its nature: it forks while other threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

LOCALHOST = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("pbx.example.com"))


ASKING = OTHERS or ["openssl"]


@pytest.fixture(scope="module", params=daily(ASKING, ASKING[-1]))
def client(request):
    """Each openssl that is to ask."""
    return command.find(request.param, start=start_with_sh)


@pytest.fixture(scope="module")
def root():
    return issue("Test root", ca=True, days=(-60, 900))


@pytest.fixture(scope="module")
def middle(root):
    return issue("Test authority", issuer=root, ca=True, days=(-60, 900))


@pytest.fixture(scope="module")
def leaf(middle):
    return issue("localhost", *LOCALHOST, issuer=middle)


def audit(*texts, client=None, timeout=10.0, jobs=16, at=None, starttls=None, servername=None, until=math.inf):
    targets = [server_target(text, starttls=starttls, servername=servername) for text in texts]
    settings = Settings(
        rules=rules_of(["apple"]),
        at=at or datetime.now(timezone.utc),
        openssl=(lambda: client) if client else command.find,
    )
    return list(judge_servers(targets, settings=settings, timeout=timeout, jobs=jobs, until=until))


def judged(*texts, **options):
    """Return the verdict on the one address of one server."""
    (result,) = audit(*texts, **options)
    return result


def ids(result):
    assert result.unreadable is None, result.unreadable
    return {finding.rule.id for finding in result.findings}


# --- what names a server


@pytest.mark.parametrize(
    ("text", "host", "port", "starttls"),
    [
        ("pbx.example.com:443", "pbx.example.com", 443, None),
        ("PBX.Example.com:443", "pbx.example.com", 443, None),
        ("bücher.example:443", "xn--bcher-kva.example", 443, None),
        ("localhost:05061", "localhost", 5061, None),
        ("10.0.0.5:443", "10.0.0.5", 443, None),
        ("[::1]:443", "::1", 443, None),
        ("[2001:DB8:0:0::1]:65535", "2001:db8::1", 65535, None),
        ("https://pbx.example.com", "pbx.example.com", 443, None),
        ("https://pbx.example.com:8443/index.html?a=b:1#c", "pbx.example.com", 8443, None),
        ("HTTPS://[::1]/", "::1", 443, None),
        ("smtp://mail.example.com", "mail.example.com", 25, "smtp"),
        ("submission://mail.example.com", "mail.example.com", 587, "smtp"),
        ("imap://mail.example.com:1143", "mail.example.com", 1143, "imap"),
        ("imaps://mail.example.com", "mail.example.com", 993, None),
        ("ldap://[::1]/dc=example", "::1", 389, "ldap"),
        ("sips://pbx.example.com", "pbx.example.com", 5061, None),
    ],
)
def test_a_server_is_named_by_host_and_port_or_by_a_url(text, host, port, starttls):
    target = server_target(text)
    assert (target.host, target.port, target.starttls, target.text) == (host, port, starttls, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "leaf.pem",
        "pki/issued/a:443",
        "/etc/ssl",
        "pbx.example.com",
        "a:b",
        "C:\\certs",
        "a:443.pem",
        "a:",
        ":",
    ],
)
def test_what_names_no_server_is_left_to_others(text):
    assert server_target(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pbx.example.com:99999", "ports are 1 to 65535"),
        ("pbx.example.com:0", "ports are 1 to 65535"),
        ("pbx.example.com:" + "9" * 5000, "ports are 1 to 65535"),
        ("pbx.example.com:٤٤٣", None),
        (":443", "empty"),
        ("-connect:443", "letter or digit"),
        ("--help:443", "letter or digit"),
        ("[fe80::1%eth0]:443", "zone"),
        ("[::1]", r"write .*\[2001:db8::1\]:443"),
        ("[::1]:", "not a host and port"),
        ("::1:443", "not a host and port"),
        ("2001:db8::1", "not a host and port"),
        ("[10.0.0.5]:443", "brackets"),
        ("[pbx]:443", "brackets"),
        ("*.example.com:443", "wildcard"),
        ("a\x1bb:443", "U\\+001B"),
        ("a\nb:443", "U\\+000A"),
        ("a b:443", "space"),
        ("a$(id):443", "character"),
        ("127.1:443", "number"),
        ("http://pbx.example.com/", "not the URL of a server with TLS"),
        ("https://", "empty"),
        ("https://pbx.example.com:x/", "not a host and port"),
    ],
)
def test_what_is_meant_as_a_server_but_is_none_is_a_usage_error(text, message):
    if message is None:
        assert server_target(text) is None
        return
    with pytest.raises(UsageError, match=message) as caught:
        server_target(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(UsageError) as caught:
        server_target("https://admin:hush-hush@pbx.example.com/")
    assert "hush" not in f"{caught.value.message} {caught.value.hint}"


def test_a_scheme_goes_before_the_option_and_the_option_before_nothing():
    assert server_target("mail:2525", starttls="smtp").starttls == "smtp"
    assert server_target("https://mail", starttls="smtp").starttls is None
    with pytest.raises(UsageError, match="smtp, pop3"):
        server_target("mail:25", starttls="gopher")


@pytest.mark.parametrize("name", ["10.0.0.5", "::1", "*.example.com", "-x", "a\nb", ""])
def test_a_server_name_is_a_whole_host_name(name):
    with pytest.raises(UsageError):
        server_target("pbx:443", servername=name)


# --- servers as they should be, asked by every openssl


@needs("nginx")
def test_nginx_with_a_good_chain_complies(client, tmp_path, leaf, middle):
    with nginx(tmp_path, leaf, middle) as port:
        result = judged(f"localhost:{port}", client=client)
    assert ids(result) == set()
    assert (result.kind, result.target, result.notes) == (
        "server",
        f"localhost:{port}",
        (
            "sent: CN=localhost <- CN=Test authority <- CN=Test root, *not sent*",
            "phones have to trust CN=Test root, which was not found, or a root above it; that it signed"
            " CN=Test authority was not verified",
        ),
    )
    assert result.certificate.der == leaf.der


@needs("nginx")
def test_a_chain_out_of_order_is_a_finding(client, tmp_path, leaf, middle, root):
    with nginx(tmp_path, leaf, root, middle) as port:
        assert ids(judged(f"localhost:{port}", client=client)) == {"chain-order"}


def test_the_server_name_chooses_the_certificate(client, tmp_path, leaf, middle):
    other = issue("other.example.com", issuer=middle)
    certificate, key = servers.write(tmp_path / "other", other)
    options = ["-servername", "other.example.com", "-cert2", certificate, "-key2", key]
    with s_server(tmp_path, leaf, middle, options=options) as port:
        plain = judged(f"localhost:{port}", client=client)
        named = judged(f"{HOST}:{port}", client=client, servername="other.example.com")
        address = judged(f"{HOST}:{port}", client=client)
        wrong = judged(f"localhost:{port}", client=client, servername="absent.example.com")
    assert (plain.certificate.der, ids(plain)) == (leaf.der, set())
    assert (named.certificate.der, ids(named)) == (other.der, set())
    assert (address.certificate.der, ids(address)) == (leaf.der, set())
    assert ids(wrong) == {"host-mismatch"}


def test_an_ipv6_address_is_asked(client, tmp_path, middle):
    six = issue("six", x509.IPAddress(ipaddress.ip_address("::1")), x509.DNSName("six"), issuer=middle)
    with s_server(tmp_path, six, middle, host="::1") as port:
        result = judged(f"[::1]:{port}", client=client)
    if client.version < (1, 1, 0) and client.flavour == "OpenSSL":
        assert result.unreadable == f"{version(client)} cannot talk to IPv6 addresses"
    else:
        assert ids(result) == set()


def test_expired_and_wrong_name_are_findings(client, tmp_path, middle):
    old = issue("old.example.com", issuer=middle, days=(-30, -1))
    with s_server(tmp_path, old, middle) as port:
        assert ids(judged(f"localhost:{port}", client=client)) == {"expired", "host-mismatch"}
        at = datetime.now(timezone.utc) - timedelta(days=10)
        assert ids(judged(f"{HOST}:{port}", client=client, at=at, servername="old.example.com")) == set()


def test_a_server_that_wants_a_clients_certificate_shows_its_own(client, tmp_path, leaf, middle, root):
    servers.write(tmp_path / "root", root)
    strict = ["-Verify", "2", "-verify_return_error", "-CAfile", tmp_path / "root" / "chain.pem"]
    for protocol in ("-tls1_2", "-tls1_3"):
        with s_server(tmp_path, leaf, middle, options=[*strict, protocol]) as port:
            result = judged(f"localhost:{port}", client=client)
        if protocol == "-tls1_3" and not speaks_tls_1_3(client):
            assert re.search("does not speak TLS, or only versions|alert protocol version", result.unreadable)
            continue
        assert (result.certificate.der, ids(result)) == (leaf.der, set())
        if protocol == "-tls1_2" and client.flavour == "OpenSSL":
            assert "may ask for a client's certificate" in result.notes[0]


def version(client):
    return " ".join(client.banner.split()[:2])


def speaks_tls_1_3(client):
    return client.version >= ((1, 1, 1) if client.flavour == "OpenSSL" else (3, 3, 0))


def test_tls_1_0_is_a_finding_and_old_appliances_can_be_audited(client, tmp_path, leaf, middle):
    with s_server(tmp_path, leaf, middle, options=["-tls1", "-cipher", "ALL:@SECLEVEL=0"]) as port:
        result = judged(f"localhost:{port}", client=client)
    if client.flavour == "LibreSSL" and client.version >= (4, 0, 0):
        assert "does not speak TLS, or only versions that LibreSSL" in result.unreadable
        return
    assert ids(result) == {"protocol"}
    assert result.findings[-1].message == "it uses TLSv1; the minimum is TLS 1.2"
    if client.flavour == "OpenSSL" and client.version >= (3, 0, 0):
        assert "security level 0" in result.notes[0]


# --- STARTTLS


@pytest.fixture
def smtp(tmp_path, leaf, middle):
    from aiosmtpd.controller import Controller

    controller = Controller(
        lambda: None,
        hostname=HOST,
        port=servers.free_port(),
        tls_context=tls_context(tmp_path / "smtp", leaf, middle),
        # What a server says before TLS must not pass for what s_client says.
        ident="CONNECTED(00000003)",
        ready_timeout=20,
    )
    controller.start()
    yield controller.port
    controller.stop()


def test_a_real_mail_server_is_asked_for_tls(client, smtp, leaf):
    result = judged(f"smtp://localhost:{smtp}", client=client)
    assert (result.certificate.der, ids(result)) == (leaf.der, set())
    assert "does not speak TLS" in judged(f"localhost:{smtp}", client=client).unreadable or client.flavour == "LibreSSL"


LDAP_SUCCESS = bytes.fromhex("300c02010178070a010004000400")


@pytest.mark.parametrize(
    ("protocol", "steps"),
    [
        ("imap", [b"* OK hi\r\n", None, b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK\r\n", None, b". OK go\r\n"]),
        ("pop3", [b"+OK hi\r\n", None, b"+OK go\r\n"]),
        ("ldap", [None, LDAP_SUCCESS]),
    ],
)
def test_other_protocols_are_asked_for_tls_if_openssl_can(client, tmp_path, leaf, protocol, steps):
    with scripted(servers.dialogue(*steps, context=tls_context(tmp_path, leaf))) as port:
        result = judged(f"localhost:{port}", client=client, starttls=protocol)
    if (needed := STARTTLS[protocol]) and not client.can(needed):
        assert result.unreadable == f"{version(client)} does not know -starttls {protocol}"
    else:
        assert (result.certificate.der, ids(result)) == (leaf.der, set())


def test_a_server_that_offers_no_starttls_says_so(client):
    steps = [b"220 mail\r\n", None, b"250 mail\r\n", None, b"502 no\r\n"]
    with scripted(servers.dialogue(*steps)) as port:
        assert (
            judged(f"{HOST}:{port}", client=client, starttls="smtp").unreadable == "it does not offer TLS by STARTTLS"
        )


# --- servers as they should not be


SPOOFS = (
    "\n-----END CERTIFICATE-----\n---\nServer certificate\nsubject=x\n",
    "\r\n-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n",
    "\nNew, TLSv1.3, Cipher is x\nProtocol: TLSv1.9\n    Protocol  : TLSv1.9",
)


@pytest.mark.parametrize("protocol", ["-tls1_2", "-tls1_3"])
def test_names_that_look_like_s_clients_own_lines_are_not_taken_for_them(client, tmp_path, protocol):
    """Names, those of the authorities that are acceptable included, are a stranger's text among s_client's lines."""
    authority, other = (issue("x", ca=True, organization=spoof) for spoof in SPOOFS[1:])
    hostile = issue("localhost", *LOCALHOST, issuer=authority, organization=SPOOFS[0])
    named, _ = servers.write(tmp_path / "named", other, authority)
    options = ["-verify", "1", "-CAfile", named, protocol]
    with s_server(tmp_path / "server", hostile, authority, other, options=options) as port:
        openssl = replace(client, timeout=10, limit=1 << 20)
        if protocol == "-tls1_3" and not speaks_tls_1_3(client):
            with pytest.raises(UnreadableError, match="does not speak TLS, or only versions"):
                s_client.answer(openssl, HOST, port, starttls=None, servername=None)
            return
        answer = s_client.answer(openssl, HOST, port, starttls=None, servername=None)
    assert answer.chain == (hostile.der, authority.der, other.der)
    assert answer.protocol == protocol.replace("-tls1_", "TLSv1.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (servers.silent, r"it accepts the connection, but sent no TLS within 1 s"),
        (servers.dripping, r"it accepts the connection, but sent no TLS within 1 s"),
        (servers.closing, r"it closes the connection before it sends a certificate"),
        (servers.garbage, r"it does not speak TLS|no TLS at all"),
        (servers.alert, r"it ends the handshake with the alert handshake failure"),
    ],
)
def test_a_server_without_tls_is_unreadable_in_time_and_with_its_reason(client, behaviour, reason):
    begun = time.monotonic()
    with scripted(behaviour) as port:
        result = judged(f"{HOST}:{port}", client=client, timeout=1)
    assert re.fullmatch(reason, re.sub("it speaks .* or ", "", result.unreadable))
    assert not result.findings
    assert time.monotonic() - begun < 5


def test_a_closed_port_is_refused(client):
    assert judged(f"{HOST}:{servers.free_port()}", client=client).unreadable == "connection refused"


@pytest.mark.slow
def test_a_server_that_never_stops_sending_is_judged_and_left(client, tmp_path, leaf, middle):
    begun = time.monotonic()
    with scripted(servers.endless(tls_context(tmp_path, leaf, middle))) as port:
        result = judged(f"localhost:{port}", client=client, timeout=8)
    assert (result.certificate.der, ids(result)) == (leaf.der, set())
    assert time.monotonic() - begun < 7, "it is left as soon as it has sent too much, not at the time limit"


def test_one_that_does_not_stop_is_cut_off_and_judged_by_what_it_sent(leaf):
    body = leaf.pem.split("\n", 1)[1].rsplit("\n", 2)[0]
    limits = []

    def start(*_, limit, **__):
        limits.append(limit)
        raise Stopped(Process(-9, (HEAD + ENTRY.format(0, body) + TAIL.format("")).encode(), b""))

    result = judged("localhost:443", client=replace(printed(""), start=start))
    assert (result.certificate.der, ids(result), limits) == (leaf.der, set(), [1 << 20])
    assert "closed" in result.notes[0]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="others refuse what does not fit into the queue")
def test_a_host_that_does_not_answer_at_all_says_so(client):
    with servers.deaf() as port:
        assert judged(f"{HOST}:{port}", client=client, timeout=1).unreadable == "no answer within 1 s"


def test_a_server_without_a_certificate_is_unreadable(tmp_path, leaf):
    with s_server(tmp_path, leaf, options=["-nocert", "-cipher", "aNULL:@SECLEVEL=0", "-tls1_2"]) as port:
        assert judged(f"{HOST}:{port}").unreadable == "it speaks TLS, but sends no certificate"


def test_the_usual_starttls_of_a_port_is_advised(monkeypatch):
    with scripted(servers.garbage) as port:
        monkeypatch.setitem(s_client._USUAL, port, "smtp")
        unreadable = judged(f"{HOST}:{port}").unreadable
    assert unreadable == f"it does not speak TLS; on port {port}, --starttls smtp is usual"


# --- what s_client prints

BLOCK = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
ENTRY = " {} s:CN = x\n   i:CN = x\n" + BLOCK
HEAD = "CONNECTED(00000003)\n---\nCertificate chain\n"
TAIL = "---\nServer certificate\n{}subject=CN = x\n\nNew, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384\n"


def printed(text):
    """Return an openssl that prints this for any server."""
    start = lambda *_, **__: Process(0, text.encode(), b"")  # noqa: E731
    return command.OpenSSL("openssl", "OpenSSL", (3, 0, 19), "OpenSSL 3.0.19", start)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + ENTRY.format(0, "TUlJ") + TAIL.format(BLOCK.format("QUJD")), "two different certificates"),
        (HEAD + ENTRY.format(1, "TUlJ") + TAIL.format(""), "did not number its certificates in order"),
        (
            HEAD + ENTRY.format(0, "TUlJ") + ENTRY.format(0, "TUlJ") + TAIL.format(""),
            "did not number its certificates in order",
        ),
        (HEAD + TAIL.format(""), "in an unknown form"),
        (HEAD + ENTRY.format(0, "TUlJ") + "x\n" + TAIL.format(""), "in an unknown form"),
        (HEAD + ENTRY.format(0, "TUlJ") + BLOCK.format("QUJD") + TAIL.format(""), "in an unknown form"),
        (HEAD + ENTRY.format(0, "TUlJ"), "in an unknown form"),
        (HEAD + ENTRY.format(0, "TUlJQ") + TAIL.format(""), "not base64"),
        (HEAD + ENTRY.format(0, "TUlJ") + TAIL.format(""), "certificate 1 of its chain"),
        (HEAD + " 0 s:x\n   i:x\n-----BEGIN CERTIFICATE-----\nTUlJ\n", "in an unknown form"),
    ],
)
def test_an_output_that_is_not_laid_out_as_it_should_be_is_unreadable(text, reason):
    result = judged(f"{HOST}:443", client=printed(text))
    assert reason in result.unreadable


def test_a_certificate_that_cannot_be_decoded_names_its_place(leaf):
    body = leaf.pem.split("\n", 1)[1].rsplit("\n", 2)[0]
    text = HEAD + ENTRY.format(0, body) + ENTRY.format(1, "TUlJ") + TAIL.format("")
    assert judged(f"{HOST}:443", client=printed(text)).unreadable.startswith("certificate 2 of its chain")


def test_what_a_server_says_after_the_handshake_is_not_read(leaf):
    body = leaf.pem.split("\n", 1)[1].rsplit("\n", 2)[0]
    good = HEAD + ENTRY.format(0, body) + TAIL.format("").replace("TLSv1.3, Cipher", "TLSv1.0, Cipher")
    spoofed = good + "    Protocol  : TLSv1\n---\nNew, TLSv1.3, Cipher is x\n    Protocol  : TLSv1.2\n"
    assert "protocol" in ids(judged(f"{HOST}:443", client=printed(spoofed)))


# --- names, addresses, many at once


@pytest.fixture
def resolved(monkeypatch):
    """Set what names resolve to."""
    places: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        if host not in places:
            return real(host, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in places[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return places


def test_every_address_of_a_name_is_tried(tmp_path, leaf, middle, resolved):
    resolved["pbx.example.com"] = [HOST, "127.0.0.9", HOST, "::1"]
    with s_server(tmp_path, leaf, middle) as port:
        results = audit(f"pbx.example.com:{port}", timeout=3)
    text = f"pbx.example.com:{port}"
    assert [result.target for result in results] == [f"{text} ({at})" for at in (HOST, "127.0.0.9", "::1")]
    assert ids(results[0]) == set()
    assert [result.unreadable for result in results] == [None, "connection refused", "connection refused"]


def test_a_name_with_thousands_of_addresses_ends_in_time_and_each_is_named(monkeypatch, resolved):
    """In the form, one request would otherwise keep its place for hours."""
    resolved["many.example.com"] = [f"10.0.{each >> 8}.{each & 255}" for each in range(1000)]
    asked = []

    def slow(_, address, *__, **___):
        asked.append(address)
        time.sleep(0.2)
        raise UnreadableError("connection refused")

    monkeypatch.setattr("opensslgen.audit.live.answer", slow)
    results = audit("many.example.com:443", jobs=4, until=time.monotonic() + 0.3)
    assert len(asked) < 20
    late = [result for result in results if result.unreadable.startswith("not asked, because")]
    assert (len(results), len(late)) == (1000, 1000 - len(asked))


def test_a_name_that_does_not_resolve_is_unreadable():
    assert judged("absent.invalid:443").unreadable.startswith("absent.invalid does not resolve: ")


def test_a_look_up_that_hangs_ends_at_the_time_limit(monkeypatch):
    forever = threading.Event()

    def getaddrinfo(*_, **__):
        forever.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    begun = time.monotonic()
    assert judged("pbx.example.com:443", timeout=0.5).unreadable == "pbx.example.com was not resolved within 0.5 s"
    assert time.monotonic() - begun < 3
    forever.set()


@pytest.mark.slow
def test_fifty_servers_of_which_half_hang_take_about_one_time_limit(tmp_path, leaf, middle):
    limit = 4
    context = tls_context(tmp_path, leaf, middle)
    with scripted(servers.silent) as hanging, scripted(servers.dialogue(context=context)) as good:
        texts = [f"localhost:{port}" for _ in range(25) for port in (hanging, good)]
        begun = time.monotonic()
        results = audit(*texts, timeout=limit, jobs=50)
        took = time.monotonic() - begun
    assert [result.target for result in results] == texts, "in the order in which they were named"
    assert Counter(bool(result.unreadable) for result in results) == {True: 25, False: 25}
    assert all(ids(result) == set() for result in results[1::2])
    assert limit <= took < 2 * limit


def test_no_more_than_jobs_are_talked_to_at_once():
    now, most, lock = 0, 0, threading.Lock()

    def start(*_, **__):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return Process(1, b"", b"")

    client = command.OpenSSL("openssl", "OpenSSL", (3, 0, 19), "OpenSSL 3.0.19", start)
    port = servers.free_port()
    results = audit(*[f"{HOST}:{port}"] * 40, client=client, jobs=4)
    assert [result.unreadable for result in results] == ["connection refused"] * 40
    assert most == 4


def test_results_come_while_others_are_talked_to(tmp_path, leaf, middle):
    context = tls_context(tmp_path, leaf, middle)
    with scripted(servers.silent) as hanging, scripted(servers.dialogue(context=context)) as good:
        targets = [server_target(f"localhost:{port}") for port in (good, hanging)]
        settings = Settings(rules=(), at=datetime.now(timezone.utc))
        begun = time.monotonic()
        results = judge_servers(targets, settings=settings, timeout=20)
        assert next(results).certificate == decode(leaf.der)
        results.close()
        assert time.monotonic() - begun < 10, "nor does who leaves wait for the rest"


def test_threads_end_with_their_work():
    before = threading.active_count()
    audit(f"{HOST}:{servers.free_port()}", jobs=8)
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_without_openssl_each_server_is_unreadable():
    def missing():
        raise OpenSSLError("no openssl found on the PATH")

    settings = Settings(rules=(), at=datetime.now(timezone.utc), openssl=missing)
    targets = [server_target("a:443"), server_target("b:443")]
    results = list(judge_servers(targets, settings=settings))
    assert [(each.target, each.unreadable) for each in results] == [
        ("a:443", "no openssl found on the PATH"),
        ("b:443", "no openssl found on the PATH"),
    ]


def test_a_fault_of_ours_is_not_taken_for_one_of_the_server():
    def start(*_, **__):
        raise ZeroDivisionError

    client = command.OpenSSL("openssl", "OpenSSL", (3, 0, 19), "OpenSSL 3.0.19", start)
    with pytest.raises(ZeroDivisionError):
        audit(f"{HOST}:443", client=client)


def test_the_output_of_openssl_is_bounded(tmp_path, through_sh):
    script = tmp_path / "openssl"
    script.write_text("#!/bin/sh\n[ $1 = version ] && { echo OpenSSL 3.0.0; exit; }\nexec cat /dev/zero\n")
    script.chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(OpenSSLError, match="and 100000 bytes") as caught:
        replace(command.find(str(script)), limit=100_000, timeout=30).run(["x"])
    assert caught.value.left.stdout == bytes(100_000)
    assert time.monotonic() - begun < 10


def test_the_folder_of_the_caller_stays_clean(client, tmp_path, leaf, middle, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with s_server(tmp_path / "server", leaf, middle) as port:
        assert ids(judged(f"localhost:{port}", client=client)) == set()
    assert list((tmp_path / "here").iterdir()) == []


# --- App Transport Security

CBC, GCM = "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"


def severities(result):
    return {finding.rule.id: finding.rule.severity for finding in result.findings}


@pytest.mark.parametrize(
    ("ciphers", "severity", "note"),
    [
        (CBC, "warning", ""),
        (f"{CBC}:{GCM}", None, f"it prefers the cipher suite {CBC}, but also agrees to"),
        (GCM, None, ""),
    ],
)
def test_a_server_without_authenticated_encryption_does_not_pass_without_a_word(
    ciphers, severity, note, *, client, tmp_path, leaf, middle
):
    with s_server(tmp_path, leaf, middle, options=["-tls1_2", "-serverpref", "-cipher", ciphers]) as port:
        result = judged(f"localhost:{port}", client=client)
    assert severities(result).get("ats-cipher") == severity
    assert any(each.startswith(note) for each in result.notes if note) is bool(note)
    assert result.answer.cipher == ciphers.split(":")[0]


def test_in_its_own_profile_it_is_an_error(tmp_path, leaf, middle):
    settings = Settings(rules=rules_of(["ats"]), at=datetime.now(timezone.utc), openssl=command.find)
    with s_server(tmp_path, leaf, middle, options=["-tls1_2", "-cipher", CBC]) as port:
        (result,) = judge_servers([server_target(f"localhost:{port}")], settings=settings)
    assert severities(result) == {"ats-cipher": "error"}


@pytest.mark.parametrize(
    ("cipher", "is_modern"),
    [
        ("TLS_AES_128_GCM_SHA256", True),
        ("TLS_CHACHA20_POLY1305_SHA256", True),
        ("ECDHE-RSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("AES128-SHA", False),
        ("AES128-GCM-SHA256", False),
        ("DHE-RSA-AES128-GCM-SHA256", False),
        ("ECDHE-RSA-AES128-SHA256", False),
        ("ECDHE-RSA-RC4-SHA", False),
        ("AECDH-AES128-SHA", False),
    ],
)
def test_the_cipher_suites_of_ats(cipher, is_modern):
    assert s_client.is_modern(cipher) is is_modern
