"""Requests made elsewhere are signed: for the names that were confirmed or given, and for nothing else they ask."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from cryptography.x509.verification import PolicyBuilder
from cryptography.x509.verification import Store as TrustStore

import opensslgen as library
from opensslgen.cli.main import cli
from opensslgen.errors import Error
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.sign import sign_job
from opensslgen.names.general import parse_names
from opensslgen.names.subject import strict_subject
from opensslgen.openssl import command
from opensslgen.orders import from_request
from opensslgen.pki.store import Store
from opensslgen.plan.script import as_script
from opensslgen.x509.certificate import load
from opensslgen.x509.request import parse_request, read_request

from .conftest import CHECKOUT, make_root, make_server, no_secret, opensslgen
from .needs import need
from .openssls import BINARIES
from .shells import EACH_SHELL, SHELLS
from .signing_requests import CN, KEY, ORG, UNIT, asking, written

OURS = [
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.EXTENDED_KEY_USAGE,
]
GREEDY = """
[req]
prompt = no
distinguished_name = dn
req_extensions = asked
[dn]
O = Acme
CN = PBX.example.com
[asked]
basicConstraints = critical,CA:TRUE
subjectAltName = DNS:pbx.example.com,IP:10.0.0.5,DNS:google.com
keyUsage = critical,keyCertSign,cRLSign
extendedKeyUsage = codeSigning,serverAuth
nameConstraints = critical,permitted;DNS:com
certificatePolicies = 1.2.3.4
tlsfeature = status_request
1.2.3.4.5 = critical,ASN1:UTF8String:anything
"""


def sign(*arguments, stdin=None):
    """Run the command in this process; stdin is no terminal."""
    return CliRunner().invoke(cli, ["sign", *map(str, arguments)], input=stdin)


def read(path):
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def names_of(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def nothing_made():
    return not list(Path("pki/issued").glob("*")) and not list(Path("pki").glob(".work*"))


@pytest.fixture
def root(authority):
    return make_root(authority, common_name="Test root")


def greedy(path="greedy.req"):
    Path("greedy.cnf").write_text(GREEDY)
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", "greedy.cnf", "-keyout", "greedy.key"]
        + ["-out", path],
        check=True,
        capture_output=True,
    )
    return path


def test_only_the_names_are_taken_over_and_each_other_wish_is_noted(root):
    done = sign(greedy(), "--yes")
    assert done.exit_code == 0, done.output
    made = read("pki/issued/pbx.example.com.crt")
    assert names_of(made) == ["pbx.example.com", "10.0.0.5", "google.com"]
    assert [extension.oid for extension in made.extensions] == OURS
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(False, None)
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ]
    assert made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False
    request = x509.load_pem_x509_csr(Path("greedy.req").read_bytes())
    assert made.public_key() == request.public_key()
    assert made.subject.public_bytes() == request.subject.public_bytes()
    made.verify_directly_issued_by(read("pki/ca.crt"))
    assert "asks to be a CA (CA:TRUE); it is not made one" in done.stderr
    noted = next(line for line in done.stderr.splitlines() if "extensions that the request asks for" in line)
    for wish in ("keyCertSign", "codeSigning", "nameConstraints", "certificatePolicies", "tlsfeature", "1.2.3.4.5"):
        assert wish in noted.replace("1.3.6.1.5.5.7.1.24", "tlsfeature").replace("2.5.29.32", "certificatePolicies")
    assert Path("pki/index.txt").read_text().endswith("\t/O=Acme/CN=PBX.example.com\n")
    assert not list(Path("pki/private").glob("pbx*"))


@pytest.mark.slow
def test_cryptography_accepts_what_was_signed(root):
    assert sign(greedy(), "--yes").exit_code == 0
    verifier = PolicyBuilder().store(TrustStore([read("pki/ca.crt")])).build_server_verifier(x509.DNSName("google.com"))
    verifier.verify(read("pki/issued/pbx.example.com.crt"), [])


def test_on_a_pipe_the_names_have_to_be_given(root):
    done = sign(greedy())
    assert done.exit_code == 2
    assert "DNS:pbx.example.com, IP:10.0.0.5, DNS:google.com" in done.stderr
    assert "--san DNS:pbx.example.com --san IP:10.0.0.5 --san DNS:google.com" in done.stderr
    assert nothing_made()


def test_given_names_are_all_that_it_gets(root):
    done = sign(greedy(), "--san", "pbx.example.com, sip.example.com", "--san", "10.0.0.5")
    assert done.exit_code == 0, done.output
    assert names_of(read("pki/issued/pbx.example.com.crt")) == ["pbx.example.com", "sip.example.com", "10.0.0.5"]
    assert "asks for and the certificate does not get: DNS:google.com" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_on_a_terminal_each_name_is_shown_and_confirmed(answer, code, root):
    greedy()
    need("terminals")
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "sign", "greedy.req"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, answer)
    _, stderr = running.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert running.returncode == code, stderr
    for name in ("DNS:pbx.example.com", "IP:10.0.0.5", "DNS:google.com"):
        assert f"\n  name  {name}\n" in stderr
    assert "O=Acme" in stderr
    assert nothing_made() is bool(code)


def test_requests_of_gnutls_are_signed(root):
    Path("template").write_text('organization = "Acme"\ncn = "gnutls.example.com"\ndns_name = "gnutls.example.com"\n')
    subprocess.run(["certtool", "--generate-privkey", "--ecc", "--outfile", "g.key"], check=True, capture_output=True)
    subprocess.run(
        ["certtool", "--generate-request", "--load-privkey", "g.key", "--template", "template", "--outfile", "g.req"],
        check=True,
        capture_output=True,
    )
    done = sign("g.req", "--yes", "--as", "client")
    assert done.exit_code == 0, done.output
    made = read("pki/issued/gnutls.example.com.crt")
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    verified = subprocess.run(
        [
            "certtool",
            "--verify",
            "--load-ca-certificate",
            "pki/ca.crt",
            "--infile",
            "pki/issued/gnutls.example.com.crt",
        ],
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_request_comes_on_standard_input_in_either_form(encoding, root):
    written(asking(x509.DNSName("pbx.example.com")), encoding=encoding)
    done = sign("-", "--yes", "--name", "box", stdin=Path("box.req").read_bytes())
    assert done.exit_code == 0, done.output
    kept = x509.load_pem_x509_csr(Path("pki/reqs/box.req").read_bytes())
    assert kept.public_bytes(Encoding.DER) == asked_der(encoding)
    assert names_of(read("pki/issued/box.crt")) == ["pbx.example.com"]


def asked_der(encoding):
    load = x509.load_pem_x509_csr if encoding is Encoding.PEM else x509.load_der_x509_csr
    return load(Path("box.req").read_bytes()).public_bytes(Encoding.DER)


HOSTILE_NAMES = {
    "newline": x509.DNSName("a.example\nDNS:b.example"),
    "two in one": x509.DNSName("a.example,DNS:b.example"),
    "escape": x509.DNSName("\x1b[2Ja.example"),
    "config": x509.DNSName("${ENV::HOME}.example"),
    "address as host": x509.DNSName("10.0.0.5"),
    "blank": x509.DNSName(" a.example"),
    "empty": x509.DNSName(""),
    "wildcard": x509.DNSName("a.*.example"),
    "copy": x509.RFC822Name("copy"),
    "uri": x509.UniformResourceIdentifier("https://a.example/\r\n"),
    "other kind": x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_name_that_nobody_may_type_is_refused_unless_others_are_given(name, root):
    written(asking(x509.DNSName("good.example"), name))
    done = sign("box.req", "--yes")
    assert done.exit_code == 2
    assert "cannot be used" in done.stderr
    assert re.fullmatch(r"[ -~…\n]*", done.output), "a control character reached the terminal"
    assert nothing_made()
    done = sign("box.req", "--san", "good.example")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(r"[ -~…✓\n]*", done.output)
    assert "does not get: " in done.stderr
    assert names_of(read("pki/issued/good.example.crt")) == ["good.example"]


HOSTILE_SUBJECTS = {
    "bidi": ((ORG, "Acme \u202egnitset"), (CN, "a.example")),
    "newline": ((CN, "a.example\n  X509v3 Extended Key Usage:\n    TLS Web Server Authentication"),),
    "bidi in another attribute": ((CN, "a.example"), (NameOID.TITLE, "Dr \u202egnitset")),
    "blank": ((CN, " a.example"),),
    "long": ((CN, "a" * 65),),
    "slashes in mail": ((CN, "a.example"), (NameOID.EMAIL_ADDRESS, "no mail")),
}


@pytest.mark.parametrize("subject", HOSTILE_SUBJECTS.values(), ids=HOSTILE_SUBJECTS)
def test_a_subject_that_nobody_may_type_is_refused_with_the_cure(subject, root):
    written(asking(x509.DNSName("a.example"), subject=subject))
    done = sign("box.req", "--yes")
    assert done.exit_code == 2
    assert "the request cannot be signed as it is" in done.stderr
    assert "ask for a new request" in done.stderr
    assert re.fullmatch(r"[ -~…\n]*", done.output)
    assert nothing_made()


def test_a_subject_is_kept_byte_for_byte_and_recorded_in_its_own_order(root):
    subject = ((CN, "Größe/1+2"), (ORG, 'O\'Neil $x "Inc."'), (NameOID.COUNTRY_NAME, "de"))
    written(asking(x509.DNSName("a.example"), subject=subject))
    assert sign("box.req", "--san", "a.example").exit_code == 0
    made = read("pki/issued/a.example.crt")
    assert made.subject.public_bytes() == asking(subject=subject)._subject_name.public_bytes()
    printed = subprocess.run(
        ["openssl", "x509", "-in", "pki/issued/a.example.crt", "-noout", "-subject", "-nameopt", "compat"],
        capture_output=True,
        text=True,
    ).stdout
    recorded = Path("pki/index.txt").read_text().rstrip("\n").split("\t")[-1]
    # Before OpenSSL 3 a slash in a value had no backslash before it.
    bare = [re.sub(r"\\([/+])", r"\1", text.strip().removeprefix("subject=")) for text in (recorded, printed)]
    assert bare[0] == bare[1].strip()


def weak_rsa():
    return rsa.generate_private_key(65537, 1024), hashes.SHA256()


def ed25519_key():
    return ed25519.Ed25519PrivateKey.generate(), None


def other_curve():
    return ec.generate_private_key(ec.SECP256K1()), hashes.SHA256()


@pytest.mark.parametrize("kind", ["server", "client", "intermediate"])
@pytest.mark.parametrize(
    ("key", "rule"), [(weak_rsa, "apple-key-size"), (ed25519_key, "apple-key-type"), (other_curve, "apple-key-type")]
)
def test_a_weak_or_odd_key_is_refused_before_anything_is_signed(key, rule, kind, root):
    key, algorithm = key()
    written(asking(x509.DNSName("a.example")), key=key, algorithm=algorithm)
    done = sign("box.req", "--yes", "--as", kind)
    assert done.exit_code == 1
    assert f"[{rule}]" in done.stderr
    assert "this would break a rule, so nothing was made" in done.stderr
    assert nothing_made()


def test_a_curve_that_is_spelled_out_is_refused(root):
    subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit", "-out", "e.key"],
        check=True,
    )
    subprocess.run(["openssl", "req", "-new", "-key", "e.key", "-subj", "/CN=a.example", "-out", "box.req"], check=True)
    done = sign("box.req", "--yes")
    assert done.exit_code == 1
    assert "[ec-explicit]" in done.stderr
    assert nothing_made()


def test_an_empty_common_name_is_no_fault_to_phones(root):
    written(asking(x509.DNSName("a.example"), subject=()))
    assert sign("box.req", "--yes").exit_code == 0
    assert opensslgen("list").returncode == 0


def forged(path="box.req", encoding=Encoding.DER):
    """Write a request whose signature is of another key, as of somebody who wants another's key certified."""
    builder = asking(x509.DNSName("pbx.example.com"))
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    spki = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    Path(path).write_bytes(der.replace(spki, other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)))
    return path


def test_a_request_that_its_key_has_not_signed_is_refused(root):
    done = sign(forged(), "--yes")
    assert done.exit_code == 1
    assert "not signed by the key that it holds" in done.stderr
    assert nothing_made()


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_script_refuses_it_too(shell, root):
    printed = sign(forged(), "--yes", "--script").stdout
    Path("sign.sh").write_text(printed)
    done = subprocess.run([*SHELLS[shell], "sign.sh"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "not signed by the key that it holds" in done.stderr
    assert nothing_made()


@pytest.mark.parametrize("binary", BINARIES)
def test_every_openssl_tells_a_forged_signature(binary, root):
    other = command.find(binary)
    store = Store(Path("pki"))
    written(asking(x509.DNSName("b.example")), path="good.req")
    for path, good in ((forged(), False), ("good.req", True)):
        request = read_request(path)
        order = from_request.leaf_order_of(request, names=from_request.requested_names(request), stem="b.example")
        authority = Authority(store, other, no_secret)
        if good:
            authority.make(lambda request=request, order=order: sign_job(request, order, store=store))
            continue
        with pytest.raises(Error, match="not signed by the key"):
            authority.make(lambda request=request, order=order: sign_job(request, order, store=store))
        script = as_script(sign_job(request, order, store=store).plan, version="test")
        done = subprocess.run(
            ["dash", "/dev/stdin"],
            input=script,
            env={**os.environ, "OPENSSLGEN_OPENSSL": other.path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "not signed by the key" in done.stderr


def request_pem():
    return Path(written(asking(x509.DNSName("a.example")))).read_bytes()


UNREADABLE = {
    "two requests": lambda: request_pem() * 2,
    "a certificate": lambda: Path("pki/ca.crt").read_bytes(),
    "nothing": lambda: b"",
    "cut": lambda: request_pem()[:-80],
    "trailing bytes": lambda: parse_request(request_pem()).der + b"\0",
    "more than 1 MiB": lambda: Path(
        written(
            asking(
                x509.DNSName("a.example"),
                extensions=[x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(2 << 20))],
            )
        )
    ).read_bytes(),
    "more than 16 MiB": lambda: b"-" * (17 << 20),
}


@pytest.mark.parametrize("make", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_single_request_is_unreadable(make, root):
    Path("odd").write_bytes(make())
    for arguments, stdin in ((["odd"], None), (["-"], Path("odd").read_bytes())):
        done = sign(*arguments, "--yes", stdin=stdin)
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: odd: " if arguments == ["odd"] else "Error: standard input: ")
    assert nothing_made()


def test_many_names_are_shown_and_taken(root):
    written(asking(*(x509.DNSName(f"host-{number}.example.com") for number in range(300))))
    done = sign("box.req", "--yes")
    assert done.exit_code == 0, done.output
    assert len(names_of(read("pki/issued/pbx.example.com.crt"))) == 301
    assert sign("box.req", "--san", "other.example").stderr.count("host-") == 20


def test_a_name_that_is_asked_for_twice_is_given_once_and_noted(root):
    written(asking(x509.DNSName("pbx.example.com"), x509.DNSName("B.example"), x509.DNSName("b.example")))
    done = sign("box.req", "--yes")
    assert "DNS:b.example is given 2 times" in done.stderr
    assert names_of(read("pki/issued/pbx.example.com.crt")) == ["pbx.example.com", "b.example"]


def test_an_intermediate_is_made_only_when_asked_for_with_its_limits(root):
    written(asking(subject=((CN, "Site Berlin"),)))
    done = sign("box.req", "--yes", "--kind", "intermediate", "--pathlen", "0", "--permit", "berlin.example.com")
    assert done.exit_code == 0, done.output
    made = read("pki/issued/Site_Berlin.crt")
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    limits = made.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert [str(name.value) for name in limits.value.permitted_subtrees] == ["berlin.example.com"]
    assert made.public_key() == KEY.public_key()
    assert not list(Path("pki/private").glob("Site*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--key-usage", "keyCertSign"], "are for CAs"),
        (["--pathlen", "0"], "--pathlen can only be used with --kind intermediate"),
        (["--permit", "example.com"], "--permit can only be used with --kind intermediate"),
        (["--kind", "intermediate", "--san", "a.example"], "--san cannot be used with --kind intermediate"),
        (["--name", "../../etc/x"], "cannot name a file"),
        (["--eku", "nonsense"], "unknown extended key usage"),
    ],
)
def test_bad_usage_is_refused(arguments, message, root):
    written(asking(x509.DNSName("a.example")))
    done = sign("box.req", "--yes", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert nothing_made()


def test_without_a_root_it_says_so():
    written(asking(x509.DNSName("a.example")))
    done = sign("box.req", "--yes")
    assert done.exit_code == 1
    assert "has no root yet" in done.stderr
    assert not Path("pki").exists()


def test_a_request_of_the_folder_itself_keeps_its_key(root):
    assert opensslgen("server", "own.example.com", "--key-type", "p-256", "--csr-only").returncode == 0
    before = Path("pki/reqs/own.example.com.req").read_bytes()
    done = sign("pki/reqs/own.example.com.req", "--yes")
    assert done.exit_code == 0, done.output
    assert Path("pki/reqs/own.example.com.req").read_bytes() == before
    assert Path("pki/private/own.example.com.key").exists()


def test_a_foreign_certificate_never_lies_beside_another_key(authority, root):
    make_server(authority, "pbx.example.com")
    written(asking(x509.DNSName("pbx.example.com")))
    for more in ((), ("--force",)):
        done = sign("box.req", "--yes", *more)
        assert done.exit_code == 1
        assert "is the key of something else" in done.stderr


def test_signing_again_needs_force_and_keeps_the_old_ones(root):
    written(asking(x509.DNSName("pbx.example.com")))
    assert sign("box.req", "--yes").exit_code == 0
    assert sign("box.req", "--yes").exit_code == 1
    old = Path("pki/issued/pbx.example.com.crt").read_bytes()
    assert sign("box.req", "--yes", "--force").exit_code == 0
    assert old in [path.read_bytes() for path in Path("pki/issued").glob("pbx.example.com.crt.old-*")]


def test_a_key_revoked_as_compromised_is_never_signed_again(root):
    written(asking(x509.DNSName("pbx.example.com")))
    assert sign("box.req", "--yes").exit_code == 0
    assert opensslgen("revoke", "pbx.example.com", "--reason", "keyCompromise", "--yes").returncode == 0
    written(asking(x509.DNSName("other.example.com"), subject=((CN, "other.example.com"),)), path="other.req")
    for arguments in (("box.req",), ("box.req", "--force"), ("other.req",), ("other.req", "--kind", "intermediate")):
        done = sign(*arguments, "--yes")
        assert done.exit_code == 1, done.output
        assert "this key was revoked as compromised" in done.stderr
    assert nothing_made()


@pytest.mark.slow
def test_nor_is_it_taken_as_a_key_of_the_users_own(root):
    subprocess.run(["openssl", "genrsa", "-out", "own.key", "2048"], check=True, capture_output=True)
    assert opensslgen("server", "pbx.example.com", "--key-file", "own.key").returncode == 0
    assert opensslgen("revoke", "pbx.example.com", "--reason", "keyCompromise", "--yes").returncode == 0
    for kind in ("server", "client", "self-signed"):
        done = opensslgen(kind, "other.example.com", "--key-file", "own.key")
        assert done.returncode == 1, done.stdout
        assert "this key was revoked as compromised" in done.stderr


def test_many_requests_are_signed_in_a_loop_from_python(root):
    for number in range(3):
        written(asking(x509.DNSName("google.com"), subject=((CN, f"Phone {number}"),)))
        made = library.sign("box.req" if number else Path("box.req").read_bytes(), names=f"phone-{number}.example")
        assert names_of(read(made.files["certificate"])) == [f"phone-{number}.example"]
        assert "names that the request asks for and the certificate does not get: DNS:google.com" in made.notes
    for request, options in ((b"nothing", {}), ("box.req", {"kind": "self-signed"}), ("box.req", {"kind": "odd"})):
        with pytest.raises(library.Error):
            library.sign(request, names="a.example", **options)


def test_the_parser_of_names_is_that_of_the_command_line():
    request = parse_request(request_pem())
    assert from_request.requested_names(request) == parse_names("pbx.example.com, a.example")


SUBJECTS_OF_OTHERS = {
    "domain components": (
        (NameOID.DOMAIN_COMPONENT, "local"),
        (NameOID.DOMAIN_COMPONENT, "vsphere"),
        (CN, "a.example"),
    ),
    "two common names": ((CN, "b.example"), (CN, "a.example")),
    "person": ((NameOID.GIVEN_NAME, "Ada"), (NameOID.SURNAME, "Lovelace"), (NameOID.USER_ID, "ada"), (CN, "a.example")),
    "easy-rsa --req-serial": ((CN, "a.example"), (NameOID.SERIAL_NUMBER, "77"), (NameOID.STREET_ADDRESS, "Main 1")),
    "two units": ((ORG, "Example"), (UNIT, "Voice"), (UNIT, "Berlin"), (CN, "a.example")),
    "unstructured name": ((NameOID.UNSTRUCTURED_NAME, "a.example"), (CN, "a.example")),
    "unknown to openssl": ((x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "x"), (CN, "a.example")),
}


@pytest.mark.parametrize("subject", SUBJECTS_OF_OTHERS.values(), ids=SUBJECTS_OF_OTHERS)
def test_any_subject_of_a_request_is_kept_and_can_be_asked_for_again(subject, root):
    written(asking(subject=subject))
    assert sign("box.req", "--yes").exit_code == 0
    made = read("pki/issued/a.example.crt")
    assert [(part.oid, part.value) for part in made.subject] == list(subject)

    lines = strict_subject(load("pki/issued/a.example.crt").subject.attributes).config_lines()
    Path("again.cnf").write_text(f"[req]\nprompt = no\nutf8 = yes\ndistinguished_name = dn\n[dn]\n{lines}\n")
    arguments = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", os.devnull]
    subprocess.run(["openssl", "req", "-new", "-config", "again.cnf", *arguments, "-out", "again.req"], check=True)
    again = x509.load_pem_x509_csr(Path("again.req").read_bytes())
    assert [(part.oid, part.value) for part in again.subject] == list(subject)


def test_the_names_of_a_certificate_without_subject_are_critical(root):
    """RFC 5280 section 4.2.1.6."""
    written(asking(x509.DNSName("a.example"), subject=()))
    assert sign("box.req", "--yes").exit_code == 0
    made = read("pki/issued/a.example.crt")
    assert not list(made.subject)
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
