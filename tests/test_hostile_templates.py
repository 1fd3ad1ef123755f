"""A user's template puts no secret into a certificate: it reads nothing, and no secret is there when it is read."""

from __future__ import annotations

import os
import subprocess

import pytest

from opensslgen.openssl import command
from opensslgen.orders.usages import key_usages
from opensslgen.plan.section import Section

from .conftest import opensslgen
from .shells import EACH_SHELL, SHELLS

CANARY = "battery staple \"$'canary"
SECRETS = {"OPENSSLGEN_CA_PASSPHRASE": CANARY, "OPENSSLGEN_P12_PASSWORD": CANARY}
GOOD = """[ v3_req ]
basicConstraints = critical,$CA
keyUsage = critical,$KEY_USAGE
subjectAltName = $SUBJECT_ALT_NAME
extendedKeyUsage = $EXTENDED_KEY_USAGE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""
VARIABLE = "OPENSSLGEN_CA_PASSPHRASE"

HOSTILE = {
    "plain": f"nsComment = $$ENV::{VARIABLE}\n",
    "braces": f"nsComment = $${{ENV::{VARIABLE}}}\n",
    "parentheses": f"nsComment = $$(ENV::{VARIABLE})\n",
    "a line joined inside the word": f"nsComment = $${{EN\\\nV::{VARIABLE}}}\n",
    "a line joined between the colons": f"nsComment = $${{ENV:\\\n:{VARIABLE}}}\n",
    "a line with CRLF joined inside the word": f"nsComment = $${{EN\\\r\nV::{VARIABLE}}}\r\n",
    "three lines joined": f"nsComment = $$\\\n{{E\\\nNV::{VARIABLE}}}\n",
    "by way of a variable": f"here = $${{ENV::{VARIABLE}}}\nnsComment = $$here\n",
    "a section called ENV": f"[ENV]\nthere = $${VARIABLE}\n[v3_req]\nnsComment = $$ENV::there\n",
    "a section called ENV, which an extension lists": f"subjectAltName = @ENV\n[ E\\NV ]\nDNS.1 = $${VARIABLE}\n",
    "a key of a section called ENV": f"ENV::there = $${VARIABLE}\n",
    "in another section": f"certificatePolicies = @policy\n[policy]\npolicyIdentifier = 1.2.3\n"
    f"userNotice.1 = @notice\n[notice]\nexplicitText = $${{E\\\nNV::{VARIABLE}}}\n",
    "in a name": f"[other]\nx = y\n[v3_req]\n$${{ENV::{VARIABLE}}} = y\n",
    "in the name of a section": f"[ $${{ENV::{VARIABLE}}} ]\n",
    "in an include's path": f".include $${{ENV::{VARIABLE}}}\n",
    "an include": ".include ../secret.cnf\n",
    "an include with an equal sign": ".include = ../secret.cnf\n",
    "an include, blanks before it": "   \t.include ../secret.cnf\n",
    "an include, joined": ".inc\\\nlude ../secret.cnf\n",
    "an include behind a line that some versions cut": f"nsComment = {'x' * 498}\\\n.include ../secret.cnf\n",
    "a pragma": ".pragma dollarid:on\n",
    "a pragma that older versions take for a key": f".pragma = dollarid:on\nnsComment = $$ENV::{VARIABLE}\n",
    "a file in a proxy certificate's policy": "proxyCertInfo = language:1.2.3,policy:file:../private/ca.key\n",
    "the same in a section": "proxyCertInfo = critical,@p\n[p]\nlanguage = 1.2.3\npolicy = file:../private/ca.key\n",
    "the same under a joined name": "proxyCer\\\ntInfo = language:1.2.3,policy:file:../private/ca.key\n",
    "code to load": "default::openssl_conf = evil\n[evil]\nengines = e\n[e]\nx = y\n[y]\ndynamic_path = /tmp/evil.so\n",
    "a file of identifiers": "default::oid_file = ../private/ca.key\n",
    "settings of the request": "[req]\ninput_password = secret\n",
    "settings of the authority": "[ca]\ndefault_ca = x\n",
    "malformed": "nsComment\n",
    "a NUL byte's neighbour, a carriage return": "nsComment = a\rb\n",
}


def template(tmp_path, text):
    path = tmp_path / "hostile.cnf"
    path.write_bytes((GOOD + text).encode())
    return path


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A folder whose CA's key has the canary as its passphrase."""
    folder = tmp_path_factory.mktemp("hostile") / "pki"
    made = opensslgen("root", "--pki", folder, "--key-type", "p-256", env=SECRETS)
    assert made.returncode == 0, made.stderr
    (folder / "secret.cnf").write_text(f"[ v3_req ]\nnsComment = {VARIABLE}\n")
    return folder


def holds_canary(folder):
    # A certificate holds it in the clear, a PEM file in base64.
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if path.suffix == ".crt":
            data += subprocess.run(
                ["openssl", "x509", "-outform", "DER"], input=data, capture_output=True, check=True
            ).stdout
        if CANARY.encode() in data:
            yield path


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_template_that_reads_something_is_refused_on_every_way_in(text, pki, tmp_path):
    path = template(tmp_path, text)
    inventory = tmp_path / "sites.csv"
    inventory.write_text(f"name,template\nb.example.com,{path}\n")
    before = sorted(file for file in pki.rglob("*"))
    for arguments in (
        ("server", "a.example.com", "--pki", pki, "--template", path),
        ("server", "a.example.com", "--pki", pki, "--template", path, "--script"),
        ("client", "a.example.com", "--pki", pki, "--template", path, "--p12"),
        ("self-signed", "a.example.com", "--pki", pki, "--template", path),
        ("batch", inventory, "--pki", pki),
        ("ext", "DNS:a.example.com", "--template", path),
    ):
        done = opensslgen(*arguments, env=SECRETS)
        assert done.returncode == 2, (arguments, done.stdout, done.stderr)
        assert "template" in done.stderr
        assert "Traceback" not in done.stderr
        assert CANARY not in done.stdout + done.stderr
    assert sorted(file for file in pki.rglob("*")) == before
    assert not list(holds_canary(pki))


def test_what_only_looks_alike_is_taken():
    section = Section(names=(), key_usage=key_usages(["digitalSignature"]))
    for line in ("nsComment = ENV: $$$$ENV", "# .include nothing", "nsComment = see /etc/.include", "x = y\nz = $$x"):
        text = f"[ v3_req ]\nnsComment = hello\n{line}\n"
        text = text.replace("$$$$ENV", "the environment")
        assert "[ v3_req ]" in section.fill(text)


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """An openssl that notes the environment of each command that reads an extension file or a config."""
    real = command.find().path
    script = tmp_path / "bin" / "openssl"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" -extfile "* | *" -config "*) {{ echo "$*"; env; }} >>{tmp_path}/environments ;; esac\n'
        f'exec {real} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("OPENSSLGEN_OPENSSL", str(script))
    return tmp_path / "environments"


def issued(pki, name):
    done = subprocess.run(
        ["openssl", "verify", "-CAfile", pki / "ca.crt", pki / "issued" / f"{name}.crt"], capture_output=True, text=True
    )
    return done.returncode == 0


def test_no_secret_is_in_the_environment_of_what_reads_a_template(pki, watched, tmp_path):
    path = template(tmp_path, "nsComment = mine\n")
    done = opensslgen(
        "server", "one.example.com", "--pki", pki, "--template", path, "--p12", "--key-type", "p-256", env=SECRETS
    )
    assert done.returncode == 0, done.stderr
    assert issued(pki, "one.example.com")
    (tmp_path / "sites.csv").write_text(f"name,template,key_type\ntwo.example.com,{path},p-256\n")
    done = opensslgen("batch", "sites.csv", "--pki", pki, env=SECRETS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert issued(pki, "two.example.com")
    seen = watched.read_text()
    assert "x509 -req" in seen
    assert "-passin stdin" in seen
    assert CANARY not in seen
    assert "PASSPHRASE=" not in seen.replace("OPENSSLGEN_CA_PASSPHRASE=\n", "")


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_nor_in_that_of_a_printed_script(shell, pki, watched, tmp_path):
    name = f"{shell}.example.com"
    path = template(tmp_path, "nsComment = mine\n")
    script = opensslgen(
        "server", name, "--pki", pki, "--template", path, "--p12", "--key-type", "p-256", "--script", env=SECRETS
    )
    assert script.returncode == 0, script.stderr
    assert CANARY not in script.stdout
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin", pki],
        input=script.stdout,
        env={**os.environ, **SECRETS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert issued(pki, name)
    seen = watched.read_text()
    assert "-passin stdin" in seen
    reading = seen.split("x509 -req", 1)[1].split("\nx509", 1)[0]
    assert CANARY not in reading
