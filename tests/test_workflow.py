"""Reading back: two witnesses that must agree, and an openssl that lies, errs or is interrupted."""

from __future__ import annotations

import re
import socket
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509 as judge
from cryptography.hazmat.primitives.serialization import pkcs12

from opensslgen.errors import Error
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command, printed
from opensslgen.openssl.process import Process, start_with_sh
from opensslgen.openssl.run import run_together
from opensslgen.openssl.workplace import Workplace
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.plan.steps import CheckSame, Join, Plan, VerifyRequest, Write
from opensslgen.plan.steps import openssl as run_openssl
from opensslgen.x509 import key_types
from opensslgen.x509.certificate import load

from .conftest import make_root, make_server, no_secret


def authority_whose_openssl(authority, change):
    """Return the authority with an openssl whose answers pass through `change(arguments, process) -> process`."""

    def start(argv, **options):
        return change(argv[1:], start_with_sh(argv, **options))

    return Authority(authority.store, command.find(start=start), no_secret)


def replacing(subcommand, old, new, *, code=None):
    def change(arguments, process):
        if arguments[0] != subcommand or (subcommand == "x509" and "-text" not in arguments):
            return process
        assert old in process.stdout or old in process.stderr
        return Process(
            process.exit_code if code is None else code,
            process.stdout.replace(old, new),
            process.stderr.replace(old, new),
        )

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replacing("x509", b"TLS Web Server Authentication, ", b""), "read the new certificate differently: extended"),
        (replacing("x509", b"notAfter=", b"notAfter=Jan  4 00:00:00 2026 GMT\nx="), "differently: validity"),
        (replacing("x509", b"notAfter=", b"x="), "the validity that openssl printed cannot be read"),
        # OpenSSL 1.0.1e and 1.0.2k on an expired certificate: exit 0, and this on stdout.
        (
            replacing(
                "verify",
                b"server.crt: OK\n",
                b"server.crt: CN = pbx.example.com\nerror 10 at 0 depth lookup:certificate has expired\nOK\n",
                code=0,
            ),
            "certificate has expired",
        ),
        (replacing("verify", b"server.crt: OK\n", b""), "openssl verify does not accept"),
        (replacing("verify", b"server.crt: OK\n", b"server.crt: OK\n", code=2), "openssl verify does not accept"),
    ],
)
def test_nothing_is_published_unless_all_witnesses_agree(change, message, authority):
    make_root(authority)
    with pytest.raises(Error, match=message):
        make_server(authority_whose_openssl(authority, change))
    assert not list(authority.store.path.glob("issued/*"))
    assert not list(authority.store.path.glob(".work-*"))
    assert (authority.store.path / "index.txt").read_text() == ""


def test_an_openssl_that_makes_nothing_and_says_nothing_is_found_out(authority):
    """LibreSSL before 4 and OpenSSL before 1.1 exit with 0 for a subcommand that they do not have."""

    def change(arguments, process):
        return process

    def start(argv, **options):
        return Process(0, b"", b"") if argv[1] == "req" else start_with_sh(argv, **options)

    with pytest.raises(Error, match=r"openssl req made no ca\.key"):
        make_root(Authority(authority.store, command.find(start=start), no_secret))
    assert not authority.store.path.exists()


@pytest.mark.parametrize("number", [1, 2])
def test_a_step_that_the_runner_does_not_know_is_an_error(number, openssl, tmp_path):
    plans = [Plan("strange", (Write(f"{position}", ""), ("wipe", "disk"))) for position in range(number)]
    with pytest.raises(TypeError, match="cannot be run: tuple"):
        run_together(plans, Workplace(work=tmp_path, openssl=openssl, secrets={}))


def encode(name, *more):
    """Return a plan that does things in turn: files, commands, checks, and each of them again."""
    return Plan(
        name,
        (
            Write(name, f"text of {name}"),
            run_openssl(f"base64 -in {name} -out {name}.64"),
            run_openssl(f"base64 -d -in {name}.64 -out {name}.back"),
            CheckSame(f"{name}.back", name, f"{name} came back otherwise"),
            *more,
            Join((name, f"{name}.back"), f"{name}.twice"),
            run_openssl(f"base64 -in {name}.twice -out {name}.end"),
        ),
        commands=f"{name}.sh",
    )


@pytest.mark.parametrize("together", [True, False])
def test_each_step_of_plans_that_share_a_folder_is_done_up_to_the_first_that_fails(together, openssl, tmp_path):
    plans = {
        "a": encode("a"),
        "b": encode("b", CheckSame("b", "b.64", "b is not the same")),
        "c": encode("c", run_openssl("x509 -in c -out c.pem")),
        "d": encode("d", VerifyRequest("d")),
        "e": encode("e", Join(("missing",), "e.joined")),
        "f": encode("f"),
    }
    starts = []

    def start(argv, **options):
        starts.append(argv)
        return start_with_sh(argv, **options)

    place = Workplace(work=tmp_path, openssl=replace(openssl, start=start), secrets={})
    found = (
        run_together([*plans.values()], place)
        if together
        else [fault for plan in plans.values() for fault in run_together([plan], place)]
    )
    expected = [None, "b is not the same", "openssl x509 failed: .*", "the request is not signed by .*"]
    expected += ["cannot read .*missing: No such file or directory", None]
    for fault, message in zip(found, expected, strict=True):
        assert (fault is None) == (message is None), fault
        assert fault is None or re.fullmatch(message, fault.message), fault
    assert {path.name for path in tmp_path.glob("?.end")} == {"a.end", "f.end"}
    commands = (tmp_path / "a.sh").read_text().splitlines()
    assert commands == [
        "#!/bin/sh",
        "openssl base64 -in a -out a.64",
        "openssl base64 -d -in a.64 -out a.back",
        "openssl base64 -in a.twice -out a.end",
    ]
    assert len((tmp_path / "c.sh").read_text().splitlines()) == 4
    # Commands are run by two shells where plans go together, and the request is verified by itself.
    assert len(starts) == (3 if together else 16)


PRINTED = """\
        X509v3 extensions:
            X509v3 Extended Key Usage:{after}
                TLS Web Server Authentication, TLS Web Client Authentication
            X509v3 Subject Alternative Name:{after}
                DNS:pbx.example.com
notBefore=Jan  4 00:00:00 2026 GMT
notAfter=Apr  3 23:59:59 2028 GMT
"""


# Recorded: a trailing blank in all but LibreSSL 4.3.2; critical where it is.
@pytest.mark.parametrize("after", [" ", "", " critical", " critical "])
def test_every_versions_print_is_read(after):
    read = printed.parse(PRINTED.format(after=after))
    assert read.extended_key_usage == ("TLS Web Server Authentication", "TLS Web Client Authentication")
    assert read.not_before == datetime(2026, 1, 4, tzinfo=timezone.utc)
    assert read.not_after == datetime(2028, 4, 3, 23, 59, 59, tzinfo=timezone.utc)


def test_a_second_extended_key_usage_in_print_is_not_believed():
    with pytest.raises(Error, match="twice"):
        printed.parse(PRINTED.format(after="") * 2)


@pytest.mark.slow
@pytest.mark.parametrize("key_type", key_types.KEY_TYPES)
def test_an_independent_reader_finds_what_was_asked_for(key_type, authority):
    made = make_server(
        authority, "pbx.example.com", san=["IP:10.0.0.5", "*.example.com"], key_type=key_types.KEY_TYPES[key_type]
    )
    certificate = judge.load_pem_x509_certificate(made.files["certificate"].read_bytes())
    root = judge.load_pem_x509_certificate(made.files["root"].read_bytes())
    certificate.verify_directly_issued_by(root)
    san = certificate.extensions.get_extension_for_class(judge.SubjectAlternativeName).value
    assert san.get_values_for_type(judge.DNSName) == ["pbx.example.com", "*.example.com"]
    assert [str(address) for address in san.get_values_for_type(judge.IPAddress)] == ["10.0.0.5"]
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=820)
    constraints = certificate.extensions.get_extension_for_class(judge.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = certificate.extensions.get_extension_for_class(judge.KeyUsage)
    assert usage.critical
    assert usage.value.key_encipherment is key_type.startswith("rsa")
    identifier = certificate.extensions.get_extension_for_class(judge.AuthorityKeyIdentifier).value
    assert (identifier.authority_cert_issuer, identifier.authority_cert_serial_number) == (None, None)
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert [extension.oid._name for extension in root.extensions] == [
        "basicConstraints",
        "keyUsage",
        "subjectKeyIdentifier",
    ]


def test_a_root_has_a_name_that_people_recognise_and_its_successor_is_warned_of_it(authority, openssl):
    """IP Office builds chains by common names."""
    first = make_root(authority, common_name=None)
    assert first.certificate.subject.common_name == f"{socket.gethostname().partition('.')[0]} CA"
    assert not [note for note in first.notes if "same name" in note]
    second = make_root(Authority(authority.store, openssl, no_secret, force=True), common_name=None)
    assert [note for note in second.notes if "same name" in note]


@pytest.mark.parametrize(
    ("p12", "encryption"), [("p12", b"AES-256-CBC"), ("p12-compat", b"pbeWithSHA1And3-KeyTripleDES-CBC")]
)
def test_a_p12_holds_key_certificate_and_root_in_the_encryption_asked_for(p12, encryption, authority):
    secrets = {P12_PASSWORD: "battery staple"}
    made = make_server(Authority(authority.store, authority.openssl, secrets.__getitem__), p12=p12)
    data = made.files["p12"].read_bytes()
    key, certificate, others = pkcs12.load_key_and_certificates(data, b"battery staple")
    assert certificate == judge.load_pem_x509_certificate(made.files["certificate"].read_bytes())
    assert key.public_key() == certificate.public_key()
    assert others == [judge.load_pem_x509_certificate(made.files["root"].read_bytes())]
    told = subprocess.run(
        ["openssl", "pkcs12", "-in", made.files["p12"], "-info", "-noout", "-passin", "pass:battery staple"],
        capture_output=True,
        check=True,
    ).stderr
    assert told.count(encryption) == 2


def test_the_validity_begins_an_hour_ago_where_openssl_can(authority):
    """The machine's own openssl may be older than 3.5; `doctor` says so, and no certificate does."""
    made = make_server(authority)
    certificate = load(made.files["certificate"])
    age = datetime.now(timezone.utc) - certificate.not_before
    if authority.openssl.can("-not_before"):
        assert timedelta(minutes=59) < age < timedelta(minutes=62)
    else:
        assert age < timedelta(minutes=2)
    assert not made.notes
    assert certificate.not_before >= load(made.files["root"]).not_before
