"""The audit of shell scripts: a folder of them with what is to be found."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensslgen.audit.result import Settings
from opensslgen.audit.script_edits import edit_vendors
from opensslgen.audit.scripts import HINT, judge_script, looks_like_script
from opensslgen.openssl.command import find
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR

from .conftest import CHECKOUT, opensslgen
from .daily import daily
from .needs import program_path

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.sh"))
STAND_INS = Path(__file__).parent / "gen_certs"
AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
EXPECTATION = re.compile(r"^# (expect|unreadable|note): (.*?)\r?$", re.MULTILINE)


def audit(data, *, allow=()):
    data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    [result] = judge_script(
        data, target="some.sh", settings=Settings(rules=rules_of(["apple"], allow), at=AT, openssl=find)
    )
    assert result.kind == "script"
    return result


def found(result):
    return [(finding.line, finding.rule.id) for finding in result.findings]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_gives_what_it_says_that_it_gives(path):
    data = path.read_bytes()
    expected = EXPECTATION.findall(data.decode("utf-8", "replace"))
    result = audit(data)
    lines = [value.split() for kind, value in expected if kind == "expect"]
    assert Counter(found(result)) == Counter((int(line), rule) for line, rule in lines)
    assert found(result) == sorted(found(result), key=lambda finding: finding[0])
    # What cannot be told is a note beside findings; without any, it is the answer.
    told = list(result.notes)
    if result.is_unknown and HINT in result.unreadable:
        told.insert(0, result.unreadable)
    notes = [value for kind, value in expected if kind == "note"]
    assert len(told) == len(notes), told
    assert all(text in note for note, text in zip(told, notes, strict=True)), told
    refusals = [value.partition(" ") for kind, value in expected if kind == "unreadable"]
    assert all(result.line == int(line) and text in result.unreadable for line, _, text in refusals)
    assert bool(result.unreadable) == bool(refusals or (notes and not result.findings))
    for text in (result.unreadable or "", *result.notes, *(finding.message for finding in result.findings)):
        assert text.isprintable()


def test_every_file_of_the_folder_looks_like_a_script():
    assert [path.stem for path in SCRIPTS if not looks_like_script(path.read_bytes())] == ["nul"]


def test_messages_say_what_is_there_and_what_is_needed():
    messages = [
        finding.message for name in ("days-from-variables", "keys", "digests", "vendor-usage-from-variable")
        for finding in audit((STAND_INS.parent / "scripts" / f"{name}.sh").read_bytes()).findings
    ]  # fmt: skip
    assert "-days is 3650 days; the limit for a server is 825" in messages
    assert "-days is 900 days; the limit for a server is 825" in messages
    assert "it makes an RSA key of 1024 bits; the minimum is 2048" in messages
    assert "it signs with sha1; sha256 is needed" in messages
    assert "the extended key usage is clientAuth; serverAuth is needed" in messages


@pytest.mark.parametrize("path", sorted((STAND_INS / "edited").glob("*.sh")), ids=lambda path: path.stem)
def test_what_patch_would_edit_is_found_and_nothing_afterwards(path):
    data = path.read_bytes()
    assert looks_like_script(data)
    rules = {rule for _, rule in found(audit(data))}
    patch = edit_vendors(data, name="script")
    reasons = " ".join(edit.reason for edit in patch.edits)
    assert ("script-validity" in rules) == ("validity" in reasons)
    assert ("script-no-eku" in rules) == ("extended" in reasons.lower())
    after = audit(patch.data)
    # A later assignment is left alone by the patch, and said so.
    assert len(found(after)) == len(patch.notes)
    assert after.unreadable is None


@pytest.mark.parametrize("path", sorted((STAND_INS / "complete").glob("*.sh")), ids=lambda path: path.stem)
def test_a_patched_script_has_no_findings(path):
    assert audit(path.read_bytes()).findings == ()


@pytest.mark.parametrize("path", sorted((STAND_INS / "refused").glob("*.sh")), ids=lambda path: path.stem)
def test_what_patch_refuses_never_passes_in_silence(path):
    data = path.read_bytes()
    result = audit(data)
    assert not looks_like_script(data) or result.findings or result.notes or result.unreadable


def test_allowed_rules_are_not_found():
    data = (STAND_INS.parent / "scripts" / "vendor-as-shipped.sh").read_bytes()
    assert found(audit(data, allow=["script-validity"])) == [(3, "script-no-eku")]
    assert found(audit(data, allow=["script-no-eku"])) == [(1, "script-validity")]


@pytest.mark.parametrize(
    "arguments", daily(("root", "server pbx.example.com --san 10.0.0.5", "client alice@example.com"), "root")
)
def test_the_scripts_that_we_print_have_no_findings(arguments, tmp_path):
    printed = opensslgen(*arguments.split(), "--script", cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    result = audit(printed.stdout)
    assert result.findings == ()
    # They ask openssl what it can, in more ways than are followed, and compute dates from the clock.
    assert result.is_unknown
    assert result.line
    # The commands alone are followed to their end.
    commands = opensslgen(*arguments.split(), "--commands", cwd=tmp_path)
    assert audit(commands.stdout).unreadable is None


def test_easy_rsa_can_be_read():
    data = Path(program_path("easyrsa")).read_bytes()
    assert looks_like_script(data)
    result = audit(data)
    # What it makes depends on how it is called.
    assert result.findings == ()
    assert result.unreadable


@pytest.mark.parametrize(
    ("text", "is_script"),
    [
        ("", False),
        ("hello\n", False),
        ("#!/bin/sh\nls\n", False),
        ("#!/bin/sh\nopenssl genrsa 2048\n", True),
        ("#!/usr/bin/env -S bash -e\nOPENSSL=x; $OPENSSL req -new\n", True),
        ("#! /bin/dash\nopenssl version\n", False),
        ("#!/usr/bin/python3\nrun('openssl req -new')\n", False),
        ("#!/bin/fish\nopenssl req -new\n", False),
        ("DEFAULT_SERVER_CERT_VALIDITY=3\n", True),
        ("  declare -r DEFAULT_SERVER_CERT_VALIDITY=3\n", True),
        ("The line DEFAULT_SERVER_CERT_VALIDITY=3 is to be changed.\n", False),
        ("Run this:\n\n    openssl req -new\n", False),
        ("# Certificates\n\nRun this:\n\nopenssl req -new\n", False),
        ("set -e\nopenssl req -new\n", True),
        ("openssl req -new\n", True),
        ("rm -f a\nopenssl req -new\n", True),
        ("[ -f a ] || openssl req -new\n", True),
        ("${OPENSSL:?} x509 -req -in a\n", True),
        ("cp a b\n\t/usr/local/bin/openssl ca -in a\n", True),
        ("A=1 sudo openssl req -new\n", True),
        ("set -e\nopenssl \\\n  req -new\n", True),
        ("#!/bin/sh\nO=openssl\n$O req -new\n", True),
        ("For a certificate, run\nopenssl req -new\n", False),
        ("openssl is a tool\n", False),
        ("[ v3_req ]\nkeyUsage = digitalSignature\n", False),
        ("#!/bin/sh\nopenssl req -new\n\0", False),
    ],
)
def test_what_looks_like_a_script(text, is_script):
    assert looks_like_script(text.encode()) is is_script


def test_no_file_of_the_checkout_is_taken_for_a_script_but_scripts():
    taken = [
        path.suffix
        for folder in ("opensslgen", "templates", "tests")
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and looks_like_script(path.read_bytes())
    ]
    assert set(taken) <= {".sh", ".patched"}


LOUD = "[]=$\\\"'`#(){};|&<>\n -daysgenrsaopenssl1024req x509 \x00\x1b"


@given(data=st.binary(max_size=300) | st.text(alphabet=LOUD, max_size=300).map(str.encode))
def test_any_bytes_give_findings_or_are_unreadable(data):
    looks_like_script(data)
    for result in (audit(data), audit(b"openssl x509 -req -days " + data)):
        for text in (result.unreadable or "", *result.notes, *(finding.message for finding in result.findings)):
            assert text.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"openssl x509 -req -days 1\n" * 20_000,
        b"openssl x509 " * 40_000,
        b"openssl x509 -req " + b"-days " * 80_000,
        b"openssl genrsa " + b"1024 " * 80_000,
        b"openssl genrsa " + b"-out " * 80_000,
        b"openssl genrsa " + b"\\\n" * 200_000,
        b"openssl req -x509 -days " + b"$((1)" * 80_000,
        b"openssl req -x509 -days " + b"'" * 399_999,
        b"openssl req -x509 -days " + b"${a" * 100_000,
        b"A=$A\n" * 80_000 + b"openssl req -x509 -days $A\n" * 1000,
        b"DEFAULT_SERVER_CERT_VALIDITY=" + b"(" * 400_000,
        b"$" * 400_000,
        b"x;" * 250_000,
        b"if x; then " * 40_000,
        b"if x\nthen\n" * 40_000,
        b"x\n" * 200_000,
        b"ssl" * 100_000,
        b"$ssl" * 100_000,
        b"".join(b"V%d=%s\n" % (i, b"x" * 3000) for i in range(20))
        + (b"echo " + b"".join(b"$V%d" % i for i in range(20)) + b" >> f\n") * 2000,
        b"".join(b"V%d=%s\n" % (i, b"9" * 3000) for i in range(20)) + b"openssl x509 -req -signkey k -days $V1\n" * 500,
        b"if x; then\n" * 4900 + b":\n" + b"fi\n" * 4900,
        b"DEFAULT_SERVER_CERT_VALIDITY=3\n" + b"{ echo '[ v3_req ]'; } > $A\n" * 8000,
        b"DEFAULT_SERVER_CERT_VALIDITY=3\n" + b"".join(b"echo '[ v3_req ]' > $A%d\n" % i for i in range(8000)),
        b"A=xx\n" + b"A=$A$A\n" * 60,
        b"f() { f; f; }\nf\n",
        b"f() { while true; do f; done; }\nf\n",
        b"".join(b"if grep x%d y; then A=1; else A=2; fi\n" % i for i in range(40)) + b"openssl x509 -req -signkey k\n",
        b"for a in 1 2 3 4 5 6 7 8 9; do " * 12 + b"openssl x509 -req -signkey k\n" + b"done\n" * 12,
        b"echo a >f\n" + b"cat f f > g; cat g g > f\n" * 3000,
        b"A=" + b"a" * 9000 + b"\n" + b"B=${A%%*a*a*a*a*a*b}\n" * 100,
        b"echo " + b"a" * 90_000 + b" > f\n" + b"sed -i 's/a*a*a*b/x/' f\n" * 100,
        b"set -- " + b"a " * 20_000 + b"\n" + b'set -- "$@" "$@"\n' * 100,
        b"openssl genrsa -out k 2048\n"
        + b"".join(
            b"echo subjectAltName=DNS:a%d > e\nopenssl x509 -req -signkey k -extfile e\n" % i for i in range(2000)
        ),
        b"DEFAULT_SERVER_CERT_VALIDITY=3\n" + b"if a; then\n" * 35 + b"echo '[ v3_req ]' >f\n" + b"fi\n" * 35,
        b"DEFAULT_SERVER_CERT_VALIDITY=3\n" + b"{\n" * 35 + b"echo '[ v3_req ]' >f\n" + b"}\n" * 35,
    ],
    ids=range(35),
)
def test_hostile_scripts_are_refused_or_read_in_time(data):
    begin = time.process_time()
    result = audit(data)
    assert (
        len(result.unreadable or "") + sum(map(len, result.notes)) + sum(len(f.message) for f in result.findings)
        < 50_000
    )
    looks_like_script(data)
    looks_like_script(b"#!/bin/sh\n" + data)
    assert time.process_time() - begin < 10


BESIDE = """\
openssl req -new -newkey rsa:2048 -nodes -keyout k -subj /CN=a -out r
openssl x509 -req -in r -signkey k -extfile e
"""
"""Makes a certificate with the extensions of a file next to the script."""


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        ("", "complies"),
        ("chmod 600 e", "complies"),
        ("echo other > f", "complies"),
        ("dd of=e < f", "cannot be told"),
        ("curl -so e https://example.com/e", "cannot be told"),
        ("tar xf all.tar", "cannot be told"),
        ("git checkout v2", "cannot be told"),
        ("sort -u -o e f", "cannot be told"),
        ("python3 - <<E\nopen('e', 'w').write('')\nE", "cannot be told"),
        ("rm -f ?; echo subjectAltName=DNS:a.example.com >> e", "violates"),
    ],
)
def test_a_file_next_to_the_script_counts_as_long_as_nothing_may_have_changed_it(before, answer, tmp_path):
    (tmp_path / "e").write_text("subjectAltName=DNS:a.example.com\nextendedKeyUsage=serverAuth\n")
    path = tmp_path / "make.sh"
    path.write_text(f"#!/bin/sh\n{before}\n{BESIDE}\n")
    settings = Settings(rules=rules_of(["apple"]), at=AT, openssl=find)
    [result] = judge_script(path.read_bytes(), target=str(path), settings=settings)
    found = "violates" if any(finding.rule.severity == ERROR for finding in result.findings) else "complies"
    assert (found if result.unreadable is None else "cannot be told") == answer


def test_a_host_from_the_caller_is_taken_for_a_host_and_said_so():
    text = (
        'openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 800 -subj "/CN=$1"'
        ' -addext "subjectAltName=DNS:$1,DNS:$2" -addext extendedKeyUsage=serverAuth'
        " -addext basicConstraints=CA:FALSE\n"
    )
    result = audit(text)
    assert result.unreadable is None
    assert result.notes == ("not checked: whether $1, $2 is a host name or an address",)
