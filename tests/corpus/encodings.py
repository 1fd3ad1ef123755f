"""The same in all the forms that files have, and requests."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from .der import UTF8, basic_constraints, dns, eku, key_usage, name, oid, request, rsa_key, san, seq, tlv
from .writing import (
    BY_CHANCE,
    FILES,
    GOOD,
    GOOD_ROOT,
    LEAF_KEY,
    NAMES,
    OTHER_KEY,
    PASSWORD,
    PBX,
    Expected,
    add,
    beside,
    by_chance,
    file,
    key_pem,
    leaf,
    pem,
)


def encodings():
    text = pem(GOOD)
    beside("encoding-der.crt", "DER", GOOD)
    beside("encoding-der-bad.crt", "DER is judged like PEM", leaf(usages=()), "apple-eku")
    add(
        "encoding-text-around",
        "what openssl x509 -text and s_client print beside it",
        f"Certificate:\n    Data:\n        Version: 3 (0x2)\n\n{text}---\nServer certificate\n",
    )
    crlf = str(Expected("CRLF at the ends of lines")) + text
    file("encoding-crlf.pem", crlf.replace("\n", "\r\n").encode())
    file("encoding-bom.pem", b"\xef\xbb\xbf" + text.encode() + str(Expected("a byte order mark before BEGIN")).encode())
    add(
        "encoding-one-line",
        "all base64 in one line",
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(GOOD).decode()}\n-----END CERTIFICATE-----\n",
    )
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    add("encoding-indented", "pasted into a configuration file", indented)
    trust = seq(seq(oid("1.3.6.1.5.5.7.3.1")), tlv(UTF8, b"box"))
    add("encoding-trusted", "what openssl x509 -trustout writes", pem(GOOD + trust, "TRUSTED CERTIFICATE"))
    add(
        "encoding-trusted-bad",
        "and its certificate counts",
        pem(leaf(usages=()) + trust, "TRUSTED CERTIFICATE"),
        "apple-eku",
    )
    add("encoding-old-label", "as Netscape called it", pem(GOOD, "X509 CERTIFICATE"))
    add("encoding-no-newline", "the last line does not end", text.rstrip("\n"))

    add("key-before", "the key first, as an iDRAC wants it", key_pem(LEAF_KEY) + text)
    add("key-after", "as a Vodia wants it", text + pem(GOOD_ROOT) + key_pem(LEAF_KEY))
    add("key-readable", "everybody may read the key", key_pem(LEAF_KEY) + text, "key-mode", mode="644")
    add("key-readable-by-group", "a group may read the key", key_pem(LEAF_KEY) + text, "key-mode", mode="640")
    add("key-mismatch", "another certificate's key", text + key_pem(OTHER_KEY), "key-mismatch")
    rsa = rsa_key("leaf")
    traditional = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    add("key-rsa", "as OpenSSL before 3 writes it", traditional + pem(leaf(key=rsa)))
    add("key-rsa-mismatch", "as OpenSSL before 3 writes it", traditional + text, "key-mismatch")
    encrypted = LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    by_chance_pem("key-encrypted", "whether an encrypted key fits cannot be seen", text + encrypted.decode())

    good = [x509.load_der_x509_certificate(each) for each in (GOOD, GOOD_ROOT)]
    as_pem = pkcs7.serialize_certificates(good, Encoding.PEM).decode()
    add("pkcs7", "leaf and root", as_pem)
    beside("pkcs7-der.p7b", "the same, binary", pkcs7.serialize_certificates(good, Encoding.DER))
    bad = [x509.load_der_x509_certificate(each) for each in (leaf(usages=()), GOOD_ROOT)]
    beside("pkcs7-der-bad.p7b", "its leaf is judged", pkcs7.serialize_certificates(bad, Encoding.DER), "apple-eku")

    old = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(PASSWORD.encode())
    )
    new = BestAvailableEncryption(PASSWORD.encode())
    at_hand = {"password": PASSWORD}
    by_chance(
        "p12-compatible.p12",
        "the form that all read",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, good[0], good[1:], old),
        **at_hand,
    )
    by_chance(
        "p12-modern.p12",
        "what OpenSSL 3 writes by itself",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, good[0], good[1:], new),
        "p12-too-new",
        **at_hand,
    )
    by_chance(
        "p12-bad-leaf.p12",
        "its leaf is judged",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, bad[0], bad[1:], old),
        "apple-eku",
        **at_hand,
    )
    by_chance("p12-rc2.p12", "what OpenSSL before 3 writes by itself", rc2(), "p12-rc2", **at_hand)
    beside(
        "p12-wrong-password.p12", "it cannot be opened", FILES["p12-compatible.p12"], unreadable="", password="wrong"
    )
    BY_CHANCE.add("p12-wrong-password.p12")


def by_chance_pem(stem, why, content):
    add(stem, why, content)
    BY_CHANCE.add(f"{stem}.pem")


def rc2():
    """Let openssl encrypt the certificates by RC2-40, which cryptography reads and does not write."""
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder, "both.pem")
        both.write_text(key_pem(LEAF_KEY) + pem(GOOD))
        options = ["-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-passout", f"pass:{PASSWORD}"]
        command = ["openssl", "pkcs12", "-export", "-in", str(both), "-name", "box", *options]
        return subprocess.run(command, capture_output=True, check=True).stdout


def requests():
    def extensions(*others, usages=("server", "client"), names=NAMES):
        return [
            basic_constraints(),
            key_usage("digitalSignature"),
            eku(*usages) if usages else b"",
            san(*names) if names else b"",
            *others,
        ]

    def judged(stem, why, der, *findings, **expected):
        add(f"request-{stem}", why, pem(der, "CERTIFICATE REQUEST"), *findings, **expected)

    subject = name(("CN", PBX))
    good = request(subject=subject, key=LEAF_KEY, extensions=extensions())
    judged("good", "it asks for all that is needed", good)
    beside("request-der.csr", "the same, binary", good)
    add("request-old-label", "as Windows writes it", pem(good, "NEW CERTIFICATE REQUEST"))
    plain = request(subject=subject, key=LEAF_KEY)
    judged("plain", "it asks for nothing", plain, "apple-san", "apple-eku")
    judged(
        "no-eku",
        "what the vendor's script asks for",
        request(subject=subject, key=LEAF_KEY, extensions=extensions(usages=())),
        "apple-eku",
    )
    judged(
        "ca",
        "it asks to be an authority",
        request(subject=subject, key=LEAF_KEY, extensions=[*extensions()[1:], basic_constraints(ca=True)]),
        "leaf-is-ca",
    )
    judged(
        "rsa-1024",
        "a small key",
        request(subject=subject, key=rsa_key("leaf", 1024), extensions=extensions()),
        "apple-key-size",
    )
    judged(
        "ip-as-dns",
        "an address as a DNS name",
        request(subject=subject, key=LEAF_KEY, extensions=extensions(names=(dns(PBX), dns("10.0.0.1")))),
        "ip-as-dns",
    )
    sha1 = request(subject=subject, key=rsa_key("leaf"), extensions=extensions(), digest="sha1")
    judged("sha1", "its own signature is not the certificate's", sha1)
    judged("cn-missing", "no subject", request(subject=name(), key=LEAF_KEY, extensions=extensions()), "no-common-name")
    judged("truncated", "cut off", good[:-10], unreadable="")
