"""What people send in place of PEM is read as they mean it, or called what it is."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import datetime, timedelta, timezone
from textwrap import indent
from urllib.parse import quote, quote_plus

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs7, pkcs12
from cryptography.x509 import ReasonFlags

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit
from opensslgen.cli.main import cli
from opensslgen.openssl import command
from opensslgen.rules.profiles import rules_of
from opensslgen.x509.pem import pem

from . import readers
from .der_writer import certificate, tlv
from .servers import issue

NOW = datetime.now(timezone.utc)
PASSWORD = "bell pepper"


@pytest.fixture(scope="module")
def root():
    return issue("Test root", ca=True, days=(-60, 900))


@pytest.fixture(scope="module")
def leaf(root):
    return issue("pbx.example.com", issuer=root)


def judged(path, content, *, each=False, roots=(), limit=16 << 20):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    settings = Settings(
        rules=rules_of(["apple"]), at=NOW, openssl=command.find, each=each, roots=roots, password=lambda _: PASSWORD
    )
    return list(audit([str(path)], settings))


# --- PEM where openssl does not find it

STRING = "openssl cannot read it out of this text"
ONE_LINE, UTF_16, BARE, TWICE = "without line breaks", "UTF-16", "without the lines BEGIN and END", "once more"


def concatenated(before, after):
    """Return a writer of each line as a quoted string."""
    return lambda text: "".join(f'{before}"{line}\\n"{after}\n' for line in text.splitlines())


def without_frame(text):
    return "".join(text.splitlines()[1:-1])


# How it is written, the line of the certificate, and what is said of it.
WRITTEN = {
    "CRLF": (lambda text: text.replace("\n", "\r\n"), None, ""),
    "CR": (lambda text: text.replace("\n", "\r"), None, ""),
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text.encode(), None, ""),
    "one long line": (lambda text: f"{pem_begin(text)}\n{without_frame(text)}\n{pem_end(text)}\n", None, ""),
    "YAML block": (lambda text: f"a: 1\ntls:\n  cert: |\n{indent(text, '    ')}b: 2\n", None, ""),
    "heredoc": (lambda text: f"cat >x.pem <<'EOF'\n{text}EOF\n", None, ""),
    "YAML quoted": (lambda text: f"a: 1\ncert: {json.dumps(text)}\nb: 2\n", 2, STRING),
    "YAML folded": (lambda text: "cert: '" + "\n\n  ".join(text.splitlines()) + "'\n", 1, STRING),
    "YAML escaped line ends": (
        lambda text: 'cert: "' + "".join(f"{line}\\n\\\n  " for line in text.splitlines()) + '"\n',
        1,
        STRING,
    ),
    "JSON": (lambda text: json.dumps({"a": 1, "cert": text}, indent=1), 3, STRING),
    "JSON with escaped slashes": (
        lambda text: json.dumps([text]).replace("/", "\\/").replace("+", "\\u002b"),
        1,
        STRING,
    ),
    "JSON in JSON": (lambda text: json.dumps({"a": json.dumps({"cert": text})}), 1, STRING),
    "JSON lines": (lambda text: json.dumps(text.splitlines(), indent=1), 2, STRING),
    "Go raw string": (lambda text: f"package main\n\nvar cert = `{text}`\n", 3, STRING),
    "Go strings": (lambda text: "package main\n\nvar cert = " + concatenated("\t", " +")(text), 3, STRING),
    "JavaScript strings": (lambda text: "let a;\nb = ''" + concatenated("  + ", "")(text), 2, STRING),
    "Java strings": (
        lambda text: "String c =\n" + " + System.lineSeparator() +\n".join(f'"{each}"' for each in text.splitlines()),
        2,
        STRING,
    ),
    "C strings": (lambda text: "const char *c =\n" + concatenated("  ", "")(text) + ";\n", 2, STRING),
    "C macro": (lambda text: "#define C \\\n" + concatenated("", " \\")(text), 2, STRING),
    "Perl": (concatenated("$c .= ", ";"), 1, STRING),
    "PHP": (lambda text: "<?php $c = " + " . PHP_EOL .\n".join(f"'{each}'" for each in text.splitlines()), 1, STRING),
    "TOML": (lambda text: f'a = 1\nc = """{text}"""\n', 2, STRING),
    "CSV": (lambda text: f'name,"{text}",x\n', 1, STRING),
    "shell variable": (lambda text: f'CERT="{text}"\nprintf "%s" "$CERT" >x.pem\n', 1, STRING),
    "shell with escapes": (lambda text: "CERT=$'" + text.replace("\n", "\\n") + "'\n", 1, STRING),
    "echo": (lambda text: "".join(f'echo "{line}" >> x.pem\n' for line in text.splitlines()), 1, STRING),
    "environment": (lambda text: "CERT=" + text.replace("\n", "\\n") + "\n", 1, STRING),
    "literal escapes": (lambda text: text.replace("\n", "\\n"), 1, STRING),
    "quoted mail": (lambda text: f"Hello,\n{indent(text, '> ')}", 2, STRING),
    "mail quoted twice": (lambda text: indent(text, "> > "), 1, STRING),
    "comments": (lambda text: indent(text, "# "), 1, STRING),
    "slashes": (lambda text: indent(text, "// "), 1, STRING),
    "stars": (lambda text: "/* " + text.rstrip().replace("\n", "\n * ") + " */\n", 1, STRING),
    "patch": (lambda text: indent(text, "+"), 1, STRING),
    "numbered lines": (lambda text: "".join(f"{n:6}\t{line}\n" for n, line in enumerate(text.splitlines())), 1, STRING),
    "URL": (lambda text: quote(text, safe=""), 1, STRING),
    "web form": (quote_plus, 1, STRING),
    "XML attribute": (lambda text: '<a c="' + text.replace("\n", "&#10;") + '"/>', 1, STRING),
    "HTML": (lambda text: "<p>" + text.replace("\n", "<br>") + "</p>", 1, STRING),
    "no line breaks": (lambda text: text.replace("\n", ""), 1, ONE_LINE),
    "spaces": (lambda text: text.replace("\n", " "), 1, ONE_LINE),
    "UTF-16": (lambda text: text.encode("utf-16"), 1, UTF_16),
    "UTF-16 big endian": (lambda text: ("\ufeff" + text).encode("utf-16-be"), 1, UTF_16),
    "UTF-16 without mark": (lambda text: text.encode("utf-16-le"), 1, UTF_16),
    "base64 in lines": (lambda text: "\n".join(text.splitlines()[1:-1]) + "\n", 1, BARE),
    "base64 in one line": (without_frame, 1, BARE),
    "four hyphens": (lambda text: text.replace("-----", "----"), 2, BARE),
    "dashes": (lambda text: text.replace("-----", "\u2014\u2013"), 2, BARE),
    "JSON web key": (lambda text: json.dumps({"keys": [{"x5c": [without_frame(text)]}]}, indent=1), 5, BARE),
    "SAML": (lambda text: f"<x>\n<X509Certificate>{without_frame(text)}</X509Certificate></x>", 2, BARE),
    "LDIF": (
        lambda text: "dn: x\nc:: " + text.split("\n", 1)[1].split("\n-")[0].replace("\n", "\n ") + "\nsn: y\n",
        2,
        BARE,
    ),
    "Kubernetes": (lambda text: f"data:\n  tls.crt: {base64.b64encode(text.encode()).decode()}\n  a: b\n", 2, TWICE),
    "Kubernetes in lines": (
        lambda text: "data:\n  tls.crt: |\n" + indent(base64.encodebytes(text.encode()).decode(), "    ") + "  a: b\n",
        3,
        TWICE,
    ),
}


def pem_begin(text):
    return text.splitlines()[0]


def pem_end(text):
    return text.splitlines()[-1]


def said(result):
    return [*result.notes, *(finding.message for finding in result.findings)]


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("how", WRITTEN)
def test_a_certificate_is_read_wherever_it_stands(tmp_path, leaf, how, each):
    write, line, form = WRITTEN[how]
    (result,) = judged(tmp_path / "a.txt", write(leaf.pem), each=each)
    assert result.unreadable is None, result.unreadable
    assert result.certificate.der == leaf.der
    assert not [finding for finding in result.findings if finding.rule.severity == "error"]
    assert result.line == line or each
    assert not form or any(form in text for text in said(result))
    if form in (ONE_LINE, UTF_16, BARE):
        assert [finding.rule.id for finding in result.findings] == ["not-pem"]


@pytest.mark.parametrize("how", [how for how in WRITTEN if how not in ("LDIF",)])
def test_a_damaged_one_is_never_good(tmp_path, leaf, how):
    write, _, _ = WRITTEN[how]
    lines = leaf.pem.splitlines()
    lines[3] = lines[3][:20] + lines[3][21:]
    for result in judged(tmp_path / "a.txt", write("\n".join(lines) + "\n")):
        assert result.unreadable


@pytest.mark.parametrize(
    "how", ["JSON", "quoted mail", "spaces", "Kubernetes", "C strings", "UTF-16", "shell variable"]
)
def test_a_chain_is_read_as_one(tmp_path, leaf, root, how):
    write, line, _ = WRITTEN[how]
    (result,) = judged(tmp_path / "a.txt", write(leaf.pem + root.pem))
    assert result.certificate.der == leaf.der
    assert [each.der for each in result.path] == [root.der]
    assert result.line == line
    assert len(judged(tmp_path / "a.txt", write(leaf.pem + root.pem), each=True)) == 2


@pytest.mark.parametrize(
    "text",
    [
        'if "-----BEGIN CERTIFICATE-----" in text and "-----END CERTIFICATE-----" in text:\n',
        'x = "-----BEGIN CERTIFICATE-----\\n%s\\n-----END CERTIFICATE-----"\n',
        "x: -----BEGIN CERTIFICATE----- {{ cert }} -----END CERTIFICATE-----\n",
        "MIAMI is no base64\n",
        "sig: MIIabcdefgh\n",
        "a: LS0tLS1CRUdJTi\n",
    ],
)
def test_a_text_that_only_mentions_pem_has_none(tmp_path, text):
    (result,) = judged(tmp_path / "a.txt", text)
    assert "not a certificate, request, key" in result.unreadable
    assert judged_folder(tmp_path) == []


def judged_folder(path):
    return list(audit([str(path)], Settings(rules=rules_of(["apple"]), at=NOW, openssl=command.find)))


def test_a_block_in_quotes_that_is_cut_off_is_damage(tmp_path, leaf):
    (result,) = judged(tmp_path / "a.json", json.dumps({"cert": leaf.pem[:300]}))
    assert "BEGIN without the END" in result.unreadable


def test_a_name_that_imitates_a_block_does_not_come_first(tmp_path, leaf):
    lie = issue("lie.example.com")
    text = "Subject: CN=" + lie.pem.replace("\n", " ") + "\n" + leaf.pem
    (result,) = judged(tmp_path / "a.pem", text)
    assert result.certificate.der == leaf.der
    assert any("line 1: a certificate was not judged" in note for note in result.notes)
    assert [each.certificate.der for each in judged(tmp_path / "a.pem", text, each=True)] == [lie.der, leaf.der]


def test_a_script_that_holds_a_certificate_is_judged_with_it(tmp_path, leaf):
    script = "#!/bin/sh\nopenssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=x -keyout k -out c\n"
    kinds = [each.kind for each in judged(tmp_path / "a.sh", f"{script}cat >ca.pem <<EOF\n{leaf.pem}EOF\n")]
    assert kinds == ["script", "certificate"]


# --- labels, and what else is in a file


def p7(certificates, encoding=Encoding.PEM):
    return pkcs7.serialize_certificates([each.certificate for each in certificates], encoding)


@pytest.mark.parametrize("label", ["CERTIFICATE", "X509 CRL", "CERTIFICATE REQUEST", "PUBLIC KEY", "PRIVATE KEY", "X"])
@pytest.mark.parametrize("each", [False, True])
def test_pkcs7_with_a_wrong_label_is_read_and_named(tmp_path, leaf, root, label, each):
    results = judged(tmp_path / "a.pem", "\n" + pem(label, p7([root, leaf], Encoding.DER)), each=each)
    assert [result.certificate.der for result in results] == ([leaf.der, root.der] if each else [leaf.der])
    (finding,) = [finding for finding in results[0].findings if finding.rule.id == "not-pem"]
    assert f"line 2: this is a PKCS#7 file with the label {label}" in finding.message
    assert "openssl pkcs7" in finding.message


@pytest.mark.parametrize("label", ["PKCS7", "CMS", "X509 CRL", "CERTIFICATE REQUEST", "PUBLIC KEY", "EC PRIVATE KEY"])
def test_a_certificate_with_a_wrong_label_is_read_and_named(tmp_path, leaf, label):
    (result,) = judged(tmp_path / "a.pem", pem(label, leaf.der))
    assert result.certificate.der == leaf.der
    assert [finding.message for finding in result.findings if finding.rule.id == "not-pem"] == [
        f"line 1: this is a certificate with the label {label}: openssl reads it with the label CERTIFICATE"
    ]


def request(leaf):
    name = x509.Name.from_rfc4514_string("CN=pbx.example.com")
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(leaf.key, hashes.SHA256())


def test_a_request_with_the_label_of_a_certificate_is_one(tmp_path, leaf):
    (result,) = judged(tmp_path / "a.pem", pem("CERTIFICATE", request(leaf).public_bytes(Encoding.DER)))
    assert result.kind == "request"
    assert any("a certificate request with the label CERTIFICATE" in text for text in said(result))


def test_a_request_beside_a_certificate_is_named(tmp_path, leaf):
    text = leaf.pem + request(leaf).public_bytes(Encoding.PEM).decode()
    (result,) = judged(tmp_path / "a.pem", text)
    assert any("a certificate request, not judged" in note for note in result.notes)
    assert [each.kind for each in judged(tmp_path / "a.pem", text, each=True)] == ["certificate", "request"]


def test_base64_of_pkcs7_and_pkcs12_is_read(tmp_path, leaf, root):
    for name, data in {
        "a.p7b": p7([root, leaf], Encoding.DER),
        "a.p12": pkcs12.serialize_key_and_certificates(
            None, leaf.key, leaf.certificate, [root.certificate], BestAvailableEncryption(PASSWORD.encode())
        ),
    }.items():
        (result,) = judged(tmp_path / name, base64.encodebytes(data))
        assert result.certificate.der == leaf.der
        assert any(BARE in text for text in said(result))


@pytest.mark.parametrize("place", ["file", "bundle", "each", "folder"])
def test_a_precertificate_is_called_so(tmp_path, root, leaf, place):
    builder = x509.CertificateBuilder(
        root.certificate.subject, leaf.certificate.subject, leaf.key.public_key(), 1 << 90, NOW, NOW + timedelta(days=9)
    ).add_extension(x509.PrecertPoison(), critical=True)
    text = builder.sign(root.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    content = {"file": text, "folder": text, "bundle": leaf.pem + text, "each": leaf.pem + text}[place]
    results = judged(tmp_path / "in" / "a.pem", content, each=place == "each")
    if place == "folder":
        results = judged_folder(tmp_path / "in")
    assert "precertificate" in " ".join(results[-1].notes)


NAMED = {
    "a public key": lambda leaf: openssl(leaf, "x509", "-pubkey", "-noout"),
    "what openssl x509 -text prints": lambda leaf: openssl(leaf, "x509", "-text", "-noout"),
    "a hex dump of DER": lambda leaf: leaf.der.hex().encode(),
    "a hex dump": lambda leaf: leaf.der.hex(":").encode(),
    "xxd": lambda leaf: b"00000000: " + leaf.der[:16].hex(" ", 2).encode() + b"  0...0..F........\n",
    "a hex": lambda leaf: b"00000000  " + leaf.der[:16].hex(" ").encode() + b"  |0...0..F........|\n",
    "a Java keystore": lambda _: b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1",
    "a web page": lambda _: b"\n<!DOCTYPE html>\n<title>Log in</title>",
    "a ZIP archive": lambda _: b"PK\x03\x04\0\0",
    "an SSH public key": lambda _: b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI x\n",
    "an OpenPGP": lambda _: (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    ),
    "Diffie-Hellman": lambda _: pem("DH PARAMETERS", b"\x30\x06\x02\x01\x05\x02\x01\x02").encode(),
}


def openssl(leaf, *arguments):
    return subprocess.run(["openssl", *arguments], input=leaf.pem.encode(), capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", NAMED)
def test_what_holds_no_certificate_is_named(tmp_path, leaf, name):
    (result,) = judged(tmp_path / "a.pem", NAMED[name](leaf))
    assert name in result.unreadable


# --- CRLs


def crl(issuer, *, revoked=(), days=30, begin=-1, number_is_critical=None):
    builder = x509.CertificateRevocationListBuilder(
        issuer.certificate.subject, NOW + timedelta(days=begin), NOW + timedelta(days=days)
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder(each.certificate.serial_number, NOW - timedelta(hours=9))
        builder = builder.add_revoked_certificate(
            entry.add_extension(x509.CRLReason(ReasonFlags.superseded), critical=False).build()
        )
    if number_is_critical is not None:
        builder = builder.add_extension(x509.CRLNumber(1), critical=number_is_critical)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def damaged(der):
    return der[:-3] + bytes([der[-3] ^ 1]) + der[-2:]


def roots_of(root):
    from opensslgen.x509.certificate import decode

    return (decode(root.der),)


@pytest.mark.parametrize("form", [lambda der: der, lambda der: pem("X509 CRL", der), base64.encodebytes])
def test_the_signature_of_a_crl_is_verified_where_its_issuer_is_at_hand(tmp_path, root, form):
    for der, findings in ((crl(root), []), (damaged(crl(root)), ["crl-signature"])):
        (alone,) = judged(tmp_path / "alone" / "a.crl", form(der))
        assert alone.kind == "crl"
        assert "Test root was not found: its signature was not verified" in alone.unreadable
        (named,) = judged(tmp_path / "alone" / "a.crl", form(der), roots=roots_of(root))
        assert [finding.rule.id for finding in named.findings] == findings
        (tmp_path / "beside").mkdir(exist_ok=True)
        (tmp_path / "beside" / "root.pem").write_text(root.pem)
        (beside,) = judged(tmp_path / "beside" / "a.crl", form(der))
        assert [finding.rule.id for finding in beside.findings] == findings
        (in_folder,) = (each for each in judged_folder(tmp_path / "beside") if each.kind == "crl")
        assert [finding.rule.id for finding in in_folder.findings] == findings
        (tmp_path / "beside" / "root.pem").unlink()


@pytest.mark.parametrize("each", [False, True])
def test_a_crl_in_a_bundle_is_judged(tmp_path, leaf, root, each):
    for der, findings in ((crl(root), []), (damaged(crl(root)), ["crl-signature"])):
        *_, result = judged(tmp_path / "a.pem", leaf.pem + root.pem + pem("X509 CRL", der), each=each)
        assert (result.kind, result.line) == ("crl", (leaf.pem + root.pem).count("\n") + 1)
        assert [finding.rule.id for finding in result.findings] == findings


def test_a_crl_that_revokes_what_it_stands_beside_is_an_error(tmp_path, leaf, root):
    *_, result = judged(tmp_path / "a.pem", leaf.pem + root.pem + pem("X509 CRL", crl(root, revoked=[leaf])))
    assert [finding.rule.id for finding in result.findings] == ["pki-revoked-in-use"]
    assert "revokes one certificate" in result.notes[0]


def test_an_old_crl_and_one_of_a_namesake_are_errors(tmp_path, root):
    (old,) = judged(tmp_path / "a.crl", crl(root, days=-1, begin=-9), roots=roots_of(root))
    assert [finding.rule.id for finding in old.findings] == ["pki-crl-stale"]
    namesake = issue("Test root", ca=True)
    (other,) = judged(tmp_path / "a.crl", crl(namesake), roots=roots_of(root))
    assert [finding.rule.id for finding in other.findings] == ["crl-signature"]


def test_a_crl_that_openssl_refuses_is_an_error(tmp_path, leaf, root):
    no_crls = issue("Root", ca=True, crls=False)
    for issuer, der, is_good in (
        (root, crl(root, number_is_critical=False), True),
        (root, crl(root, number_is_critical=True), False),
        (no_crls, crl(no_crls), False),
    ):
        (result,) = judged(tmp_path / "a.crl", pem("X509 CRL", der), roots=roots_of(issuer))
        assert [finding.rule.id for finding in result.findings] == ([] if is_good else ["crl-refused"])
        below = issue("pbx.example.com", x509.DNSName("pbx.example.com"), issuer=issuer)
        (tmp_path / "below.pem").write_text(below.pem)
        (tmp_path / "both.pem").write_text(issuer.pem + pem("X509 CRL", der))
        argv = ["openssl", "verify", "-crl_check", "-CAfile", "both.pem", "below.pem"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True)
        assert (done.returncode == 0) is is_good, done.stderr


def test_a_crl_in_pkcs7_is_judged(tmp_path, leaf, root):
    (tmp_path / "c.pem").write_text(leaf.pem + root.pem)
    (tmp_path / "crl.pem").write_text(pem("X509 CRL", damaged(crl(root))))
    argv = ["openssl", "crl2pkcs7", "-in", "crl.pem", "-certfile", "c.pem", "-out", "a.p7b"]
    subprocess.run(argv, check=True, cwd=tmp_path)
    first, second = judged(tmp_path / "in" / "a.p7b", (tmp_path / "a.p7b").read_bytes())
    assert first.certificate.der == leaf.der
    assert [finding.rule.id for finding in second.findings] == ["crl-signature"]


# --- BER


def elements(content):
    """Return the elements one after another."""
    found = []
    while content:
        _start, stop = content_of(content)
        found.append(content[:stop])
        content = content[stop:]
    return found


def content_of(element):
    size = element[1] & 0x7F if element[1] > 0x80 else 0
    length = int.from_bytes(element[2 : 2 + size], "big") if size else element[1]
    return 2 + size, 2 + size + length


def inner(element):
    return element[slice(*content_of(element))]


def indefinite(element, *, depth=0):
    """Return an element, and those in it down to some depth, with an indefinite length."""
    parts = elements(inner(element)) if element[0] & 0x20 else []
    if not parts:
        return element
    content = b"".join(indefinite(part, depth=depth - 1) if depth else part for part in parts)
    return element[:1] + b"\x80" + content + b"\0\0"


def pieces(element, size=7):
    """Return a string that is built from pieces."""
    content = inner(element)
    if element[0] == 3:
        parts = [tlv(3, b"\0" + content[1:9]), tlv(3, content[:1] + content[9:])]
    else:
        parts = [tlv(element[0], content[at : at + size]) for at in range(0, len(content), size)]
    return tlv(element[0] | 0x20, *parts)


def rebuilt(der, change, *path):
    """Return DER in which an element at a path of positions is changed."""
    if not path:
        return change(der)
    parts = elements(inner(der))
    parts[path[0]] = rebuilt(parts[path[0]], change, *path[1:])
    return tlv(der[0], *parts)


BER = {
    "outermost": indefinite,
    "signed part": lambda der: rebuilt(der, indefinite, 0),
    "two levels": lambda der: indefinite(der, depth=1),
    "all levels": lambda der: indefinite(der, depth=20),
    "algorithm": lambda der: rebuilt(der, indefinite, 1),
    "subject": lambda der: rebuilt(der, indefinite, 0, 5),
    "key": lambda der: rebuilt(der, indefinite, 0, 6),
    "extensions": lambda der: rebuilt(der, indefinite, 0, 7),
    "common name in pieces": lambda der: rebuilt(der, pieces, 0, 5, 0, 0, 1),
    "extension in pieces": lambda der: rebuilt(der, pieces, 0, 7, 0, 0, -1),
    "signature in pieces": lambda der: rebuilt(der, pieces, 2),
}


@pytest.mark.parametrize("how", BER)
def test_a_certificate_in_ber_that_openssl_reads_is_read_alike_with_a_warning(tmp_path, leaf, how):
    ber = BER[how](leaf.der)
    assert readers.agree(readers.ours(ber), readers.by_openssl(ber))
    assert readers.agree(readers.ours(ber), readers.by_python(ber))
    assert readers.ours(ber) == readers.ours(leaf.der)
    for content in (ber, pem("CERTIFICATE", ber)):
        (result,) = judged(tmp_path / "a.crt", content)
        assert "not-der" in [finding.rule.id for finding in result.findings]
        assert result.certificate.der == ber


def test_openssl_verifies_the_bytes_that_are_there(tmp_path, leaf, root):
    """A signature covers the bytes of the signed part, not what they mean."""
    for how, findings in (("outermost", ["not-der"]), ("signed part", ["chain-signature", "not-der"])):
        text = pem("CERTIFICATE", BER[how](leaf.der)) + root.pem
        (result,) = judged(tmp_path / "a.pem", text)
        assert sorted(finding.rule.id for finding in result.findings) == findings


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 4])
def test_pkcs7_in_ber_is_read_whole(tmp_path, leaf, root, depth):
    der = p7([root, leaf], Encoding.DER)

    def change(element, depth):  # the certificates keep their bytes
        if element in (leaf.der, root.der) or not element[0] & 0x20 or not elements(inner(element)):
            return element
        parts = elements(inner(element))
        return element[:1] + b"\x80" + b"".join(change(p, depth - 1) if depth else p for p in parts) + b"\0\0"

    ber = change(der, depth)
    subprocess.run(["openssl", "pkcs7", "-inform", "DER", "-noout"], input=ber, check=True)
    for content in (ber, pem("PKCS7", ber), base64.encodebytes(ber)):
        (result,) = judged(tmp_path / "a.p7b", content)
        assert result.certificate.der == leaf.der
        assert [each.der for each in result.path] == [root.der]
        assert "not-der" not in [finding.rule.id for finding in result.findings]
    for cut in range(2, len(ber), 37):
        (result,) = judged(tmp_path / "a.p7b", ber[:-cut])
        assert result.unreadable


def test_pkcs12_in_ber_is_read(tmp_path, leaf, root):
    der = pkcs12.serialize_key_and_certificates(
        None, leaf.key, leaf.certificate, [root.certificate], BestAvailableEncryption(PASSWORD.encode())
    )
    (result,) = judged(tmp_path / "a.p12", indefinite(der, depth=20))
    assert result.certificate.der == leaf.der


def test_a_crl_in_ber_is_read(tmp_path, root):
    (result,) = judged(tmp_path / "a.crl", indefinite(crl(root)), roots=roots_of(root))
    assert result.unreadable is None
    assert [finding.rule.id for finding in result.findings] == []


@pytest.mark.parametrize("depth", [50, 5000])
def test_deep_nesting_is_refused_in_time(tmp_path, depth):
    (result,) = judged(tmp_path / "a.crt", b"\x30\x80" + b"\xa0\x80" * depth)
    assert result.unreadable


# --- dates

DATES = [
    (b"\x18\x0f00010101000000Z", "0001-01-01T00:00:00Z"),
    (b"\x18\x0f09991231235959Z", "0999-12-31T23:59:59Z"),
    (b"\x18\x0f99991231235959Z", "9999-12-31T23:59:59Z"),
    (b"\x17\x0d500101000000Z", "1950-01-01T00:00:00Z"),
    (b"\x18\x0f99991231235960Z", None),
    (b"\x18\x0f00000101000000Z", None),
    (b"\x18\x1099999123123595959Z"[:18], None),
    (b"\x18\x13" + b"99991231235959-2300", None),
    (b"\x18\x13" + b"00010101000000+0100", None),
    (b"\x17\x0d" + b"999999999999Z", None),
    (b"\x18\x00", None),
    (b"\x17\x01Z", None),
]


@pytest.mark.parametrize(("written", "read"), DATES)
@pytest.mark.parametrize("field", ["not_before", "not_after"])
@pytest.mark.parametrize("arguments", [(), ("--within", "9999")])
def test_json_has_dates_as_rfc_3339_writes_them(tmp_path, written, read, field, arguments):
    (tmp_path / "a.crt").write_bytes(certificate(**{field: written}))
    path = str(tmp_path / "a.crt")
    answer = CliRunner().invoke(cli, ["audit", path, "--json", *arguments])
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    (result,) = json.loads(answer.stdout)["results"]
    if read is None:
        assert answer.exit_code == 2
        assert result["unreadable"]
        return
    assert result["certificate"][field] == read
    text = CliRunner().invoke(cli, ["audit", path, *arguments])
    assert text.exit_code == answer.exit_code == 1
    assert field == "not_before" or f"expires {read[:10]}" in text.stdout


def test_a_root_is_taken_from_any_file(tmp_path, leaf, root):
    (tmp_path / "leaf.pem").write_text(leaf.pem)
    for name, content in (
        ("root.p7b", p7([root], Encoding.DER)),
        ("root.json", json.dumps({"ca": root.pem}).encode()),
        ("root.b64", base64.encodebytes(root.der)),
    ):
        (tmp_path / name).write_bytes(content)
        answer = CliRunner().invoke(cli, ["audit", str(tmp_path / "leaf.pem"), "--root", str(tmp_path / name)])
        assert answer.exit_code == 0, answer.output
    (tmp_path / "none").write_bytes(b"x")
    answer = CliRunner().invoke(cli, ["audit", str(tmp_path / "leaf.pem"), "--root", str(tmp_path / "none")])
    assert (answer.exit_code, "none: no certificate in it" in answer.stderr) == (2, True)
