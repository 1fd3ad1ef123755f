from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opensslgen.cli.browse import list_, show
from opensslgen.cli.main import cli
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import read as read_index
from opensslgen.pki.survey import survey_of
from opensslgen.report import browse

from .conftest import agreeing, make_server
from .needs import needs, program_path

NOW = datetime.now(timezone.utc).replace(microsecond=0)
KEY = ec.generate_private_key(ec.SECP256R1())
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Both(type(cli)):
    """The command line with these two commands, whether or not it has more."""

    def get_command(self, ctx, cmd_name):
        return {"list": list_, "show": show}.get(cmd_name)


def run(*arguments):
    group = Both(params=cli.params, callback=cli.callback)
    return CliRunner().invoke(group, agreeing(arguments), prog_name="opensslgen")


class Pki:
    """A pki folder written by hand, with certificates as they are wanted."""

    def __init__(self, path):
        self.path = path
        for folder in ("certs_by_serial", "issued"):
            (path / folder).mkdir(parents=True)
        self.index = path / "index.txt"
        self.index.touch()
        self.root = self.certificate("Root", issuer="Root", serial=99, usage=None, ca=True, days=(-10, 3650))
        (path / "ca.crt").write_bytes(self.root)

    def certificate(self, name, *, serial, days, issuer="Root", usage=(SERVER,), san=None, ca=False, public_key=None):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public_key or KEY.public_key())
            .serial_number(serial)
            .not_valid_before(NOW + timedelta(days=days[0]))
            .not_valid_after(NOW + timedelta(days=days[1], hours=1))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if san:
            names = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in san]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)

    def line(self, name, *, serial, ends, state="V", revocation=""):
        with self.index.open("a", newline="") as file:
            end = NOW + timedelta(days=ends, hours=1)
            file.write(f"{state}\t{end:%y%m%d%H%M%SZ}\t{revocation}\t{serial:02X}\tunknown\t/CN={name}\n")

    def add(self, name, *, serial, days=(-1, 400), state="V", revocation="", issued=False, **options):
        self.line(name, serial=serial, ends=days[1], state=state, revocation=revocation)
        pem = self.certificate(name, serial=serial, days=days, san=options.pop("san", (name,)), **options)
        (self.path / "certs_by_serial" / f"{serial:02X}.pem").write_bytes(pem)
        if issued:
            (self.path / "issued" / f"{name}.crt").write_bytes(pem)


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path / "pki")


def listed(*arguments):
    """Return what `list --json` says, as serial numbers and states."""
    done = run("list", "--json", *arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    answer = json.loads(done.stdout)
    return [(row["serial_number"], row["state"]) for row in answer["certificates"]]


def test_what_ends_first_stands_first_below_the_root(pki):
    pki.add("late.example.com", serial=1, days=(-1, 500))
    pki.add("soon.example.com", serial=2, days=(-1, 10), san=("soon.example.com", "10.0.0.5"))
    pki.add("phone", serial=3, days=(-1, 400), usage=(CLIENT,), san=None)
    done = run("list")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [re.sub(r"\d{4}-\d\d-\d\d", "DAY", " ".join(line.split())) for line in done.stdout.splitlines()] == [
        "NAMES EXPIRES DAYS STATE KIND SERIAL",
        "CN=Root DAY 3650 valid root 63",
        "DNS:soon.example.com, IP:10.0.0.5 DAY 10 expiring server 02",
        "CN=phone DAY 400 valid client 03",
        "DNS:late.example.com DAY 500 valid server 01",
    ]


def test_expired_revoked_and_replaced_ones_are_shown_with_all_only(pki):
    pki.add("a.example.com", serial=1, days=(-400, -3))
    pki.add("b.example.com", serial=2, state="R", revocation="240101000000Z,keyCompromise")
    pki.add("c.example.com", serial=3, days=(-300, 100))
    pki.add("c.example.com", serial=4, days=(-1, 400))
    pki.add("e.example.com", serial=5, days=(-300, 90), state="E")
    done = run("list")
    assert [line.split()[-1] for line in done.stdout.splitlines()[1:]] == ["63", "04"]
    assert done.stderr == (
        "Note: not listed: 2 expired, 1 revoked, 1 replaced; to see them, add --all\n"
        "Note: expired and never renewed: /CN=a.example.com, /CN=e.example.com\n"
    )
    assert listed("--all") == [
        ("63", "valid"),
        ("01", "expired"),
        ("05", "expired"),
        ("03", "replaced"),
        ("02", "revoked"),
        ("04", "valid"),
    ]
    assert "revoked on 2024-01-01: keyCompromise" in run("list", "--all").stdout


@pytest.mark.parametrize(
    ("newer", "state"),
    [
        ({}, "replaced"),
        ({"san": ("c.example.com", "more.example.com")}, "replaced"),
        ({"san": ("other.example.com",)}, "valid"),
        ({"usage": (CLIENT,)}, "valid"),
        ({"days": (5, 700)}, "valid"),
        ({"state": "R", "revocation": "240101000000Z"}, "valid"),
        ({"days": (-50, -20)}, "valid"),
    ],
)
def test_a_certificate_is_replaced_only_by_one_that_can_stand_in_for_it(newer, state, pki):
    pki.add("c.example.com", serial=1, days=(-300, 100))
    pki.add("c.example.com", serial=2, **newer)
    assert dict(listed("--all"))["01"] == state


def test_without_copies_the_subject_has_to_do(pki):
    pki.line("c.example.com", serial=1, ends=100)
    pki.line("c.example.com", serial=2, ends=300)
    pki.line("d.example.com", serial=3, ends=200)
    assert listed() == [("63", "valid"), ("03", "valid"), ("02", "valid")]
    assert re.search(r"/CN=d\.example\.com .*  \(its copy is missing\)\n", run("list").stdout)


COPIES = {
    "certs_by_serial/02.pem": "ours and easy-rsa's",
    "newcerts/02.pem": "openssl ca's",
    "revoked/certs_by_serial/02.crt": "easy-rsa's, after revoke",
    "revoked/certs_by_serial/02.pem": "an older easy-rsa's",
    "renewed/certs_by_serial/02.crt": "easy-rsa's, after renew",
    "renewed/certs_by_serial/02.pem": "an older easy-rsa's",
}


@pytest.mark.parametrize("place", COPIES)
def test_list_and_audit_find_a_copy_in_the_same_places(place, pki):
    pki.add("b.example.com", serial=2, state="R", revocation="240101000000Z")
    (pki.path / place).parent.mkdir(parents=True, exist_ok=True)
    (pki.path / "certs_by_serial" / "02.pem").rename(pki.path / place)
    (pki.path / "issued" / "b.example.com.crt").unlink(missing_ok=True)
    copy = Folder(pki.path).copy(next(read_index(pki.index)))
    assert (copy.path, copy.fault) == (pki.path / place, None)
    assert "its copy is missing" not in run("list", "--all").stdout
    judged = CliRunner().invoke(cli, ["audit", "pki", "--json"])
    assert "pki-copy-missing" not in judged.stdout


def test_list_and_audit_miss_a_copy_alike(pki):
    pki.line("b.example.com", serial=2, ends=400, state="R", revocation="240101000000Z")
    assert "its copy is missing" in run("list", "--all").stdout
    assert "pki-copy-missing" in CliRunner().invoke(cli, ["audit", "pki", "--json"]).stdout


def test_a_certificate_of_the_future_is_not_yet_valid(pki):
    pki.add("a.example.com", serial=1, days=(3, 400))
    assert listed() == [("63", "valid"), ("01", "not yet valid")]


@pytest.mark.parametrize(("days", "serials", "code"), [("5", [], 0), ("20", ["01"], 1), ("200", ["01", "02"], 1)])
def test_within_answers_by_its_exit_code(days, serials, code, pki):
    pki.add("a.example.com", serial=1, days=(-1, 10))
    pki.add("b.example.com", serial=2, days=(-1, 100))
    pki.add("gone.example.com", serial=3, days=(-300, -1))
    pki.add("revoked.example.com", serial=4, days=(-1, 4), state="R", revocation="240101000000Z")
    done = run("list", "--within", days)
    assert done.exit_code == code
    assert re.findall(r"server +(\d\d)\b", done.stdout) == serials
    assert serials or done.stdout == "no certificate expires within 5 days\n"
    assert [serial for serial, _ in listed("--within", days)] == serials


def test_within_tells_of_a_root_that_ends(pki):
    (pki.path / "ca.crt").write_bytes(pki.certificate("Root", serial=99, ca=True, usage=None, days=(-9, 9)))
    assert listed("--within", "30") == [("63", "expiring")]
    assert run("list", "--within", "30").exit_code == 1


def test_a_root_in_the_index_is_one_row(pki):
    pki.line("Root", serial=99, ends=3650)
    assert listed() == [("63", "valid")]
    # Who begins to count at the root's own number has another certificate with it.
    pki.line("a.example.com", serial=99, ends=365)
    assert listed() == [("63", "valid"), ("63", "valid")]


@pytest.mark.parametrize(
    ("certificates", "line", "code"),
    [
        ([("a", 400)], "OK - /CN=a has 400 days left", 0),
        ([("a", 400), ("b", 25)], "WARNING - /CN=b has 25 days left (first of 2)", 1),
        ([("a", 400), ("b", 5)], "CRITICAL - /CN=b has 5 days left (first of 2)", 2),
        ([("a", 400), ("b", -5)], "CRITICAL - /CN=b expired on ", 2),
        ([("b", -5), ("b", 400)], "OK - /CN=b has 400 days left", 0),
        ([], "OK - the root has 36", 0),
    ],
)
def test_nagios(certificates, line, code, pki):
    for serial, (name, days) in enumerate(certificates, 1):
        pki.line(name, serial=serial, ends=days)
    done = run("list", "--format", "nagios")
    assert done.stdout.startswith(f"OPENSSLGEN {line}")
    assert done.stdout.count("\n") == 1
    assert "| days=" in done.stdout
    assert done.exit_code == code


def test_nagios_takes_limits(pki):
    pki.line("a|b", serial=1, ends=25)
    done = run("list", "--format", "nagios", "--within", "20", "--critical", "10")
    assert (done.exit_code, done.stdout) == (0, "OPENSSLGEN OK - /CN=a¦b has 25 days left | days=25;20:;10:\n")
    assert run("list", "--format", "nagios", "--within", "60", "--critical", "50").exit_code == 2
    assert run("list", "--critical", "3").exit_code == 2


@pytest.mark.parametrize("fault", ["no folder", "no index", "bad line", "bad root"])
def test_nagios_does_not_know_what_it_cannot_read(fault, pki):
    if fault == "no folder":
        shutil.rmtree(pki.path)
    elif fault == "no index":
        pki.index.unlink()
    elif fault == "bad line":
        pki.index.write_text("nonsense\n")
    else:
        (pki.path / "ca.crt").write_text("nonsense")
    done = run("list", "--format", "nagios")
    assert done.stdout.startswith("OPENSSLGEN UNKNOWN - ")
    assert done.exit_code == 3
    if fault != "bad root":
        assert run("list").exit_code == 2
        assert run("list").stderr.startswith("Error: pki")


def test_a_bad_root_or_copy_is_said_in_its_row(pki):
    (pki.path / "ca.crt").write_text("nonsense")
    pki.add("a.example.com", serial=1)
    pki.add("b.example.com", serial=2)
    pki.add("c.example.com", serial=3)
    copies = pki.path / "certs_by_serial"
    (copies / "01.pem").write_text("nonsense")
    shutil.copy(copies / "03.pem", copies / "02.pem")
    pki.index.write_text(pki.index.read_text().replace("V\t", "V\t4", 1).replace("V\t42", "V\t2"))
    done = run("list")
    assert done.exit_code == 0
    assert "pki/ca.crt: no certificate in it" in done.stdout
    assert "(its copy cannot be read: pki/certs_by_serial/01.pem: no certificate in it)" in done.stdout
    assert "02.pem is another certificate, with the serial number 03" in done.stdout


def test_an_end_other_than_the_index_says_is_said(pki):
    pki.add("a.example.com", serial=1, days=(-1, 400))
    pki.index.write_text("")
    pki.line("a.example.com", serial=1, ends=300)
    assert "not as in the index" in run("list").stdout


def test_the_copy_in_issued_will_do(pki):
    pki.add("a.example.com", serial=1, issued=True)
    (pki.path / "certs_by_serial" / "01.pem").unlink()
    assert "\nDNS:a.example.com " in run("list").stdout


def test_hostile_names_are_made_visible(pki):
    evil = "a\x1b[2J\u202eb|c"
    pki.add(evil, serial=1, san=None, usage=(CLIENT,))
    with pki.index.open("a") as file:
        file.write("V\t490101000000Z\t\t02\tunknown\t/CN=\\x1B[2J\\xE2\\x80\\xAE\x1b\n")
        file.write("R\t490101000000Z\t250101000000Z,\x1b[2J\t03\tunknown\t/CN=c\n")
    for arguments in (("list", "--all"), ("list", "--all", "--json"), ("list", "--format", "nagios"), ("show", "01")):
        done = run(*arguments)
        assert done.exit_code in (0, 1), done.output
        assert all(char.isprintable() or char == "\n" for char in done.output), done.output
    assert json.loads(run("list", "--all", "--json").stdout)["certificates"][3]["reason"] == "\x1b[2J"


def test_a_torn_line_and_windows_line_ends_are_lived_with(pki):
    pki.add("a.example.com", serial=1)
    whole = pki.index.read_bytes()
    pki.index.write_bytes(whole.replace(b"\n", b"\r\n") + b"V\t2902")
    done = run("list")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)
    assert done.stderr == "Warning: pki/index.txt, line 2, is cut off, and was ignored\n"


def test_a_bad_line_is_an_error_that_names_it(pki):
    pki.add("a.example.com", serial=1)
    with pki.index.open("a") as file:
        file.write("nonsense\n")
    done = run("list")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: pki/index.txt, line 2: 1 field; expected six")


def revocation_list(pki, made, due):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(NOW + timedelta(days=made)).next_update(NOW + timedelta(days=due))
    (pki.path / "crl.pem").write_bytes(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    ("made", "due", "warning"),
    [
        (-1, 30, ""),
        (-40, -10, "expired on "),
        (-1, 5, "expires on "),
        (1, 30, "is not valid before"),
        (-3, 30, "lacks the last revocation"),
    ],
)
def test_a_stale_revocation_list_is_a_warning(made, due, warning, pki):
    revocation_list(pki, made, due)
    pki.line("b", serial=2, ends=200, state="R", revocation=f"{NOW - timedelta(days=2):%y%m%d%H%M%SZ}")
    pki.line("a", serial=1, ends=200)
    done = run("list")
    assert done.exit_code == 0
    assert ("Warning: pki/crl.pem" in done.stderr) == bool(warning)
    assert warning in done.stderr
    nagios = run("list", "--format", "nagios")
    assert nagios.exit_code == bool(warning)
    assert warning in nagios.stdout
    fault = json.loads(run("list", "--json").stdout)["crl_fault"]
    assert (fault is None) == (not warning)


def test_an_unreadable_revocation_list_is_a_warning(pki):
    (pki.path / "crl.pem").write_text("nonsense")
    done = run("list")
    assert (done.exit_code, done.stderr) == (0, "Warning: pki/crl.pem: no CRL in it\n")


def test_colour_goes_by_urgency(pki):
    for serial, days in enumerate((400, 20, 3), 1):
        pki.line(f"host{serial}", serial=serial, ends=days)
    survey = survey_of(Folder(pki.path), at=NOW)
    rows = [survey.row(entry) for entry in survey.current]
    lines = list(browse.table(rows, serial_width=6, width=None, colour=True))[1:]
    assert [line[line.index("\x1b") :][:5] for line in lines] == ["\x1b[31m", "\x1b[33m", "\x1b[32m"]
    assert "\x1b" not in "".join(browse.table(rows, serial_width=6, width=None, colour=False))


@pytest.mark.slow
def test_many_lines_are_listed_soon(pki):
    with pki.index.open("a") as file:
        for number in range(1, 20_001):
            file.write(f"V\t490101000000Z\t\t{number:06X}\tunknown\t/CN=host{number}\n")
    begin = time.process_time()
    assert len(run("list").stdout.splitlines()) == 20_002
    assert time.process_time() - begin < 10


def without_rest(text):
    return re.sub(r"; \d+ days left", "", text)


def test_show_explains_what_we_made(authority):
    made = make_server(authority, san=["10.0.0.5", "sip.example.com"])
    serial = made.certificate.serial_hex
    by_name = run("show", "pbx.example.com")
    assert (by_name.exit_code, by_name.stderr) == (0, "")
    for told in (
        "pbx.example.com\n  for        server: it shows the certificate to clients that connect (serverAuth,",
        "DNS:pbx.example.com, IP:10.0.0.5, DNS:sip.example.com",
        ", 820 days; ",
        "EC P-256, signed by ecdsa-with-SHA256",
        "(pki/ca.crt, found by name; expires ",
        "valid (line 1)",
        "pki/issued/pbx.example.com.crt",
        "pki/private/pbx.example.com.key",
        f"pki/certs_by_serial/{serial}.pem",
        "✓ all clients: no known problem",
        "✓ iPhone, iPad, Mac: complies with Apple's published rules",
        "✓ Python 3.13 and later: complies",
    ):
        assert told in by_name.stdout
    assert "refuse" not in by_name.stdout
    colons = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
    by_serial = (serial, serial.lower(), f"0x{serial}", colons)
    for other in (*by_serial, "10.0.0.5", "SIP.example.com", "DNS:sip.example.com", "pki/issued/pbx.example.com.crt"):
        # The time that is left goes on while we look.
        assert without_rest(run("show", other).stdout) == without_rest(by_name.stdout)
    told = json.loads(run("show", "10.0.0.5", "--json").stdout)
    assert told["kind"] == "server"
    assert told["index"] == {"state": "V", "line": 1, "revoked_at": None, "reason": None}
    assert told["files"]["certificate"] == "pki/issued/pbx.example.com.crt"
    assert {each["device"]: each["complies"] for each in told["devices"]} == {
        "all clients": True,
        "iPhone, iPad, Mac": True,
        "Android": None,
        "Python 3.13 and later": True,
        "browsers": None,
    }
    root = run("show", "ca").stdout
    assert "root CA: it issues certificates" in root
    assert "pki/private/ca.key" in root
    assert "✗" not in root


def test_show_says_which_of_apples_published_rules_is_violated(pki):
    pki.add("long.example.com", serial=1, days=(-1, 2555), usage=(CLIENT, SERVER), issued=True)
    pki.add("noeku.example.com", serial=2, usage=None, issued=True)
    long, none = run("show", "long.example.com").stdout, run("show", "noeku.example.com").stdout
    assert "✗ iPhone, iPad, Mac: violates Apple's published rule:\n      error: it is valid for 2556 days" in long
    assert "[apple-eku]" in none
    assert "any use" not in long
    for text in (long, none):
        assert "iPhone will" not in text
        # Rules that are not Apple's are not said to be.
        assert "strict" not in text[text.index("iPhone, iPad") : text.index("Android")]


def test_show_knows_who_checks_what(pki):
    pki.add("phone", serial=1, usage=(CLIENT,), san=None)
    assert (
        "- iPhone, iPad, Mac: Apple's published rules are for servers, and this is not a server's certificate"
        in run("show", "1").stdout
    )
    pki.add("old.example.com", serial=2, days=(-100, -2))
    old = run("show", "2").stdout
    assert "expired 2 days ago" in old or "expired 1 day ago" in old
    assert "✗ all clients: violates these rules:\n      error: it expired on " in old
    pem = pki.certificate(
        "box.example.com", issuer="box.example.com", serial=7, days=(-1, 500), san=("box.example.com",)
    )
    Path("box.pem").write_bytes(pem)
    box = run("show", "box.pem").stdout
    assert "phones cannot install it as a root" in box
    assert "no entry" in box
    ca = pki.certificate(
        "box.example.com", issuer="box.example.com", serial=8, days=(-1, 500), san=("box.example.com",), ca=True
    )
    Path("ca.pem").write_bytes(ca)
    assert (
        "✗ used by a server: violates these rules:\n      error: it is a certificate authority"
        in run("show", "ca.pem").stdout
    )
    public = pki.certificate("a.example.com", issuer="Public", serial=1, days=(-1, 600), san=("a.example.com",))
    Path("public.pem").write_bytes(public)
    told = run("show", "public.pem").stdout
    assert "✗ browsers: violates the rules for public CAs, if a public CA issued it" in told
    # The folder's own certificate has the same serial number, and is another.
    assert "  index      no entry\n" in told
    assert "issuer     CN=Public (not found)" in told


def test_show_keeps_apart_who_asks_for_what(pki):
    # That the common name is not among the names is a likely slip to all, and nothing to Python's strict check.
    pki.add("a.example.com", serial=1, san=("b.example.com",))
    told = json.loads(run("show", "01", "--json").stdout)
    rules = {each["device"]: [finding["rule"] for finding in each["findings"]] for each in told["devices"]}
    assert "cn-not-in-san" in rules["all clients"]
    assert rules["Python 3.13 and later"]
    assert all(rule.startswith("strict-") for rule in rules["Python 3.13 and later"])
    # What was read in Apple's code is not said to be published.
    key = ec.generate_private_key(ec.SECP256K1())
    pem = pki.certificate("k.example.com", serial=2, days=(-1, 5), san=("k.example.com",), public_key=key.public_key())
    Path("k.pem").write_bytes(pem)
    told = run("show", "k.pem").stdout
    assert (
        "✗ iPhone, iPad, Mac: uses something that Apple's code does not accept:\n      error: it has an EC key" in told
    )


def test_who_revokes_an_expired_certificate_is_done_with_its_name(pki):
    pki.line("a", serial=1, ends=-20)
    pki.line("a", serial=2, ends=-10, state="R", revocation="240101000000Z")
    assert "never renewed" not in run("list").stderr
    assert run("list", "--format", "nagios").exit_code == 0


def test_a_serial_number_is_taken_before_a_common_name(pki):
    pki.add("0A", serial=1, san=None)
    pki.add("ten.example.com", serial=10)
    assert "  serial     0A\n" in run("show", "0A").stdout


def test_show_tells_of_a_revocation_first(pki):
    pki.add("a.example.com", serial=1, state="R", revocation="240101000000Z,keyCompromise")
    told = run("show", "a.example.com").stdout
    assert "REVOKED on 2024-01-01 00:00 UTC: keyCompromise (line 1)" in told
    assert "Where it works:\n  ✗ all clients that check revocation: it is revoked\n" in told


def test_show_asks_back_when_a_name_is_ambiguous(pki):
    pki.add("a.example.com", serial=1, san=("a.example.com", "shared.example.com"), issued=True)
    pki.add("b.example.com", serial=2, san=("b.example.com", "shared.example.com"), issued=True)
    done = run("show", "shared.example.com")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is in 2 certificates: pki/issued/a.example.com.crt, pki/issued/b.example.com.crt\nHint: " in done.stderr
    # A file name is no doubt, although another certificate has the name, too.
    pki.add("shared.example.com", serial=3, issued=True)
    assert "  serial     03\n" in run("show", "shared.example.com").stdout
    pki.add("gone.example.com", serial=4)
    pki.add("gone.example.com", serial=5)
    assert "certs_by_serial/04.pem, pki/certs_by_serial/05.pem" in run("show", "gone.example.com").stderr


def test_show_takes_a_file_before_a_name(pki):
    pki.add("a.example.com", serial=1, issued=True)
    Path("a.example.com").write_bytes(pki.certificate("other", serial=5, days=(-1, 5)))
    assert "  serial     05\n" in run("show", "a.example.com").stdout


@pytest.mark.parametrize("wanted", ["nobody.example.com", "FFFF", "../../etc/passwd", "\x1b[2J", "."])
def test_what_is_not_there_is_a_usage_error(wanted, pki):
    done = run("show", "--", wanted)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is neither a file, nor the name or serial number of a certificate in pki" in done.stderr
    assert "\x1b" not in done.stderr


def test_what_show_cannot_read_it_names(pki):
    Path("broken.crt").write_text("nonsense")
    assert "broken.crt: not a certificate, request, key" in run("show", "broken.crt").stderr
    pki.line("a", serial=1, ends=100)
    done = run("show", "01")
    assert (done.exit_code, done.stderr) == (
        2,
        "Error: pki/index.txt, line 1: the certificate 01: its copy is missing\n",
    )
    pki.index.write_text("nonsense\n")
    Path("good.crt").write_bytes(pki.certificate("good", serial=5, days=(-1, 5)))
    assert "index      cannot be read: pki/index.txt, line 1: 1 field" in run("show", "good.crt").stdout
    shutil.rmtree(pki.path)
    assert run("show", "good.crt").exit_code == 0


def test_show_finds_the_issuer_behind_a_certificate_in_its_file(pki):
    chain = pki.certificate("a", issuer="Between", serial=5, days=(-1, 5))
    chain += pki.certificate("Between", serial=6, days=(-1, 50), ca=True, usage=None)
    Path("chain.pem").write_bytes(chain)
    assert "CN=Between (chain.pem, found by name; expires " in run("show", "chain.pem").stdout


FORMS = {
    "chain.pem": lambda chain, _: chain,
    "upper.p7b": lambda _, read: pkcs7.serialize_certificates(read, Encoding.PEM),
    "lower.p7c": lambda _, read: pkcs7.serialize_certificates(read, Encoding.DER),
    "wrong.crt": lambda _, read: pkcs7.serialize_certificates(read, Encoding.PEM).replace(b"PKCS7", b"CERTIFICATE"),
    "both.der": lambda _, read: b"".join(each.public_bytes(Encoding.DER) for each in read),
    "sealed.p12": lambda _, read: pkcs12.serialize_key_and_certificates(
        b"a", None, read[0], read[1:], BestAvailableEncryption(b"secret")
    ),
    "values.yaml": lambda chain, _: b"tls:\n  chain: |\n" + b"".join(b"    " + each for each in chain.splitlines(True)),
    "secret.yaml": lambda chain, _: b"data:\n  tls.crt: " + b64encode(chain) + b"\n",
    "chain.go": lambda chain, _: b"const chain = `" + chain + b"`\n",
    "heredoc.sh": lambda chain, _: b"#!/bin/sh\ncat >chain.pem <<'EOF'\n" + chain + b"EOF\n",
    "notepad.txt": lambda chain, _: chain.decode().replace("\n", "\r\n").encode("utf-16"),
    "pasted.txt": lambda chain, _: chain.replace(b"\n", b" "),
}
"""Forms in which a chain of two certificates is kept."""


@pytest.mark.parametrize("name", FORMS)
def test_show_reads_what_audit_reads(name, pki, monkeypatch):
    leaf = pki.certificate("a", issuer="Between", serial=5, days=(-1, 5), san=["a.example.com"])
    chain = leaf + pki.certificate("Between", serial=6, days=(-1, 50), ca=True, usage=None)
    Path(name).write_bytes(FORMS[name](chain, x509.load_pem_x509_certificates(chain)))
    monkeypatch.setenv("OPENSSLGEN_P12_PASSWORD", "secret")
    done = run("show", name)
    assert done.stdout.startswith(f"a (the first of 2 certificates in {name})\n"), done.stderr
    assert "    beside it        certificate 2: CN=Between, until " in done.stdout
    answer = json.loads(run("show", name, "--json").stdout)
    assert answer["certificate"]["subject_alternative_names"] == ["DNS:a.example.com"]
    assert answer["certificates_in_file"] == 2


def test_show_finds_a_false_signature_in_any_form(pki):
    made = pki.certificate("a", serial=5, days=(-1, 5))
    leaf = x509.load_pem_x509_certificate(made).public_bytes(Encoding.DER)
    broken = x509.load_der_x509_certificate(leaf[:-1] + bytes([leaf[-1] ^ 1]))
    both = [broken, x509.load_pem_x509_certificate(pki.root)]
    Path("broken.p7b").write_bytes(pkcs7.serialize_certificates(both, Encoding.PEM))
    assert "signature  it was not signed by CN=Root, or was changed afterwards" in run("show", "broken.p7b").stdout


def test_show_lists_what_is_in_a_file_without_certificates(pki):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example.com")])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example.com")]), critical=False)
        .sign(KEY, hashes.SHA256())
    )
    revoked = x509.RevokedCertificateBuilder().serial_number(0xABC).revocation_date(NOW).build()
    revocations = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
        .add_revoked_certificate(revoked)
        .sign(KEY, hashes.SHA256())
    )
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path("mixed.pem").write_bytes(request.public_bytes(Encoding.PEM) + revocations.public_bytes(Encoding.PEM) + key)
    shown = run("show", "mixed.pem").stdout
    for line in (
        "mixed.pem: no certificate\n",
        "  names      DNS:a.example.com\n",
        "  revokes    ABC\n",
        "  passphrase not encrypted\n",
    ):
        assert line in shown
    kinds = [each["kind"] for each in json.loads(run("show", "mixed.pem", "--json").stdout)["contents"]]
    assert kinds == ["request", "CRL", "private key"]
    Path("openssl.cnf").write_text("[req]\ndistinguished_name = d\n[d]\nCN = a\n")
    done = run("show", "openssl.cnf")
    assert done.exit_code == 2
    assert "Error: openssl.cnf: an openssl config, not a certificate; opensslgen audit judges" in done.stderr


@pytest.mark.parametrize("command", ["list", "show"])
def test_the_help_has_worked_examples(command):
    done = run(command, "--help")
    assert done.exit_code == 0
    assert done.stdout.count(f"  opensslgen {command}") >= 3


@pytest.mark.slow
@needs("easyrsa")
def test_a_folder_that_easyrsa_made(tmp_path):
    environment = {
        **os.environ,
        "EASYRSA_PKI": str(tmp_path / "pki"),
        "EASYRSA_BATCH": "1",
        "EASYRSA_ALGO": "ec",
        "EASYRSA_CURVE": "prime256v1",
        "EASYRSA_CERT_EXPIRE": "700",
    }
    for command in (
        ("init-pki",),
        ("build-ca", "nopass"),
        ("build-server-full", "srv.example.com", "nopass"),
        ("build-client-full", "phone", "nopass"),
        ("build-client-full", "lost", "nopass"),
        ("revoke", "lost", "keyCompromise"),
        ("gen-crl",),
    ):
        done = subprocess.run([program_path("easyrsa"), *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    done = run("list", "--all", "--json")
    assert done.stderr == ""
    rows = json.loads(done.stdout)["certificates"]
    assert [(row["kind"], row["state"], row["fault"]) for row in rows] == [
        ("root", "valid", None),
        ("server", "valid", None),
        ("client", "valid", None),
        ("client", "revoked", None),
    ]
    assert "complies with Apple's published rules" in run("show", "srv.example.com").stdout
    assert "REVOKED on " in run("show", "lost").stdout
    assert run("list", "--within", "30").exit_code == 0


def test_a_folder_that_openssl_ca_made(tmp_path, openssl):
    folder = tmp_path / "demoCA"
    (folder / "newcerts").mkdir(parents=True)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndir={folder}\ndatabase=$dir/index.txt\nserial=$dir/serial\nnew_certs_dir=$dir/newcerts\n"
        "certificate=$dir/cacert.pem\nprivate_key=$dir/key.pem\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
        "unique_subject=no\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:a.example.com\nextendedKeyUsage=serverAuth\n"
        "[req]\ndistinguished_name=n\nx509_extensions=r\n[n]\ncommonName=x\n[r]\nbasicConstraints=critical,CA:TRUE\n"
    )

    def ssl(*arguments):
        done = subprocess.run([openssl.path, *map(str, arguments)], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "ca.cnf")
    ssl(
        "req",
        "-x509",
        *new,
        "-subj",
        "/CN=Old root",
        "-days",
        "999",
        "-keyout",
        folder / "key.pem",
        "-out",
        folder / "cacert.pem",
    )
    ssl("req", "-new", *new, "-subj", "/CN=a.example.com", "-keyout", "a.key", "-out", "a.csr")
    for _ in range(2):
        ssl("ca", "-batch", "-config", "ca.cnf", "-days", "100", "-in", "a.csr", "-out", "a.crt", "-notext")
    ssl("ca", "-config", "ca.cnf", "-revoke", folder / "newcerts/01.pem", "-crl_reason", "superseded")
    assert [row[1] for row in listed("--pki", folder, "--all")] == ["valid", "revoked", "valid"]
    assert "CN=Old root" in run("list", "--pki", folder).stdout
    assert "REVOKED" in run("show", "--pki", folder, "01").stdout
    assert "valid (line 2)" in run("show", "--pki", folder, "02").stdout
