"""The audit of configs: a folder of them with what is to be found, and the reader held against openssl itself."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opensslgen.audit.configs import ABOUT, judge_config, looks_like_config
from opensslgen.audit.result import Settings
from opensslgen.audit.throwaway import _workshop
from opensslgen.config.reader import ConfigError, Entry, Section, read_config, written
from opensslgen.errors import Error
from opensslgen.openssl import command
from opensslgen.openssl.process import start_with_sh
from opensslgen.rules.profiles import PROFILES, RULES, rules_of

from .conftest import CHECKOUT
from .needs import need, needs
from .openssls import EVERY

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.cnf"))
AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
EXPECTATION = re.compile(r"^# (expect|unreadable|note|profile|section): (.*?)\r?$", re.MULTILINE)


def audit(data, openssl, *, profiles=("apple",), sections=(), allow=()):
    data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    settings = Settings(rules=rules_of(profiles, allow), at=AT, sections=tuple(sections), openssl=lambda: openssl)
    return judge_config(data, target="some.cnf", settings=settings)


def found(results):
    return [(finding.line, finding.rule.id) for result in results for finding in result.findings]


@pytest.fixture(scope="session", params=EVERY)
def each_openssl(request):
    return command.find(request.param)


# --- the folder


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_gives_what_it_says_that_it_gives(path, openssl):
    data = path.read_bytes()
    expected = [(kind, value) for kind, value in EXPECTATION.findall(data.decode("utf-8", "replace"))]
    values = {kind: [value for other, value in expected if other == kind] for kind, _ in expected}
    profiles = " ".join(values.get("profile", ["apple"])).split()
    results = audit(data, openssl, profiles=profiles, sections=values.get("section", ()))

    lines = [expectation.split() for expectation in values.get("expect", ())]
    assert Counter(found(results)) == Counter((int(line), rule) for line, rule in lines)
    unreadable = [(result.line, result.unreadable) for result in results if result.unreadable]
    assert len(unreadable) == len(values.get("unreadable", ()))
    for (line, why), expectation in zip(unreadable, values.get("unreadable", ()), strict=True):
        wanted, _, text = expectation.partition(" ")
        assert ("-" if line is None else str(line)) == wanted
        assert text in why
    notes = [note for result in results for note in result.notes]
    assert len(notes) == len(values.get("note", ())), notes
    for note, text in zip(notes, values.get("note", ()), strict=True):
        assert text in note
    for result in results:
        for text in (result.unreadable or "", *result.notes, *(finding.message for finding in result.findings)):
            assert text.isprintable()


def test_every_file_of_the_folder_looks_like_a_config():
    strange = [path.stem for path in CONFIGS if not looks_like_config(path.read_bytes())]
    assert strange == ["nul"]


@needs("openssls")
def test_all_openssls_agree_on_what_is_found(each_openssl, openssl):
    for path in CONFIGS:
        if path.stem in DIFFERENT:
            continue
        data = path.read_bytes()
        profiles = ("apple", "strict")
        mine, theirs = (audit(data, each, profiles=profiles) for each in (openssl, each_openssl))
        assert found(theirs) == found(mine), path.stem
        assert [bool(result.unreadable) for result in theirs] == [bool(result.unreadable) for result in mine], path.stem


DIFFERENT = {"other-extensions", "terminal-escapes", "san-section"}
"""Old versions lack an extension, or refuse a name."""


# --- the rules


def test_every_rule_is_about_an_extension_or_about_what_a_section_cannot_say():
    cannot = {"apple-key-size", "apple-key-type", "apple-signature-hash", "apple-validity", "public-validity"} | {
        "expired", "not-yet-valid", "expires-soon", "key-mismatch", "issuer-mismatch", "aki-mismatch", "issuer-not-ca",
        "chain-order", "leaf-outlives-issuer", "ec-explicit", "serial-negative", "serial-long", "serial-short",
        "host-mismatch", "empty-cn", "cn-not-in-san", "root-cn", "strict-version", "path-length", "name-constraints",
    }  # fmt: skip
    assert {rule.id for rule in RULES.values() if rule.check} == set(ABOUT) | cannot
    assert not set(ABOUT) & cannot


def test_allowed_rules_are_not_found(openssl):
    data = "[ v3_req ]\nsubjectAltName = $ENV::SAN\n[ req ]\ndefault_bits = 512\n[ ca ]\ndefault_md = md5\n"
    rules = {rule for _, rule in found(audit(data, openssl))}
    assert rules == {"apple-eku", "config-reads-environment", "config-default-bits"}
    for rule in rules:
        assert {rule for _, rule in found(audit(data, openssl, allow=[rule]))} == rules - {rule}


def test_the_time_of_judgement_is_the_one_that_is_given(openssl):
    data = b"subjectAltName = DNS:pbx.example.com\n"
    old = Settings(rules=rules_of(["apple"]), at=datetime(2019, 6, 30, tzinfo=timezone.utc), openssl=lambda: openssl)
    assert found(judge_config(data, target="-", settings=old)) == []
    new = replace(old, at=datetime(2019, 7, 1, tzinfo=timezone.utc))
    assert found(judge_config(data, target="-", settings=new)) == [(1, "apple-eku")]


def test_messages_name_the_section_and_not_what_they_were_tried_on(openssl):
    profiles = [name for name in PROFILES if name != "root"]
    messages = [
        finding.message
        for path in CONFIGS
        for result in audit(path.read_bytes(), openssl, profiles=profiles)
        for finding in result.findings
    ]
    assert messages
    assert [message for message in messages if "throwaway" in message] == []
    [result] = audit("[ v3_req ]\nextendedKeyUsage = serverAuth\n", openssl)
    assert result.findings[0].message.startswith("[ v3_req ]: it has no subject alternative name")


def test_without_openssl_a_section_is_unreadable_and_the_rest_is_found():
    def missing():
        raise command.OpenSSLError("no openssl found on the PATH")

    data = b"[ v3_req ]\nextendedKeyUsage = $ENV::EKU\n"
    for openssl in (None, missing):
        settings = Settings(rules=rules_of(["apple"]), at=AT, openssl=openssl)
        whole, section = judge_config(data, target="-", settings=settings)
        assert found([whole]) == [(2, "config-reads-environment")]
        assert section.unreadable.startswith("[ v3_req ]: ")
        assert section.line == 1
        assert judge_config(b"[ req ]\ndefault_bits = 512\n", target="-", settings=settings)[0].unreadable is None


# --- nothing is run, read or seen


def test_openssl_gets_nothing_that_runs_or_reads(openssl, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("subjectAltName = DNS:10.0.0.1\n")
    given = []

    def start(argv, *, env, cwd, stdin, timeout):
        given.append((stdin, env))
        return start_with_sh(argv, env=env, cwd=cwd, stdin=stdin, timeout=timeout)

    data = f"""openssl_conf = init
.include {secret}
[ init ]
engines = engines
[ engines ]
evil = evil
[ evil ]
dynamic_path = {secret}
[ v3_req ]
extendedKeyUsage = serverAuth
subjectAltName = DNS:$ENV::SECRET,DNS:b
nsComment = "$x" \\$y
proxyCertInfo = language:id-ppl-anyLanguage,policy:file:{secret}
"""
    audit(data, replace(openssl, start=start))
    written_for_openssl = given[-1][0]
    assert b"subjectAltName = DNS:b\n" in written_for_openssl
    assert b"nsComment = \\$x \\$y\n" in written_for_openssl
    for sign in (b"secret", b"include", b"engines", b"openssl_conf", b"ENV", b"SECRET", b"proxyCertInfo"):
        assert sign not in written_for_openssl
    assert given[-1][1]["OPENSSL_CONF"] == os.devnull


def test_the_throwaway_keys_are_private_and_made_once(openssl):
    audit("extendedKeyUsage = serverAuth\n", openssl)
    folder = _workshop(openssl)
    assert folder.stat().st_mode & 0o777 == 0o700
    before = (folder / "key.pem").stat().st_mtime_ns
    audit("extendedKeyUsage = clientAuth\n", openssl)
    assert (folder / "key.pem").stat().st_mtime_ns == before
    assert {path.name for path in folder.iterdir()} <= {"key.pem", "request.pem", "root.cnf", "root.pem", ".rnd"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"a=1\n" * 200_000,
        b"a=$a\n" * 3,
        b"a=" + b"x" * 60_000 + b"\n" + b"b=$a\n" * 100_000,
        b"".join(b"[%d]\nx509_extensions=%d\n" % (number, number) for number in range(20_000)),
        b"[req]\nx509_extensions=a\n[a]\n" + b"".join(b"1.2.%d=@a,@b\n" % number for number in range(50_000)),
        b"x509_extensions=a\n[a]\n1.2.3=ASN1:SEQUENCE:0\n"
        + b"".join(b"[%d]\na=SEQUENCE:%d\nb=SEQUENCE:%d\n" % (n, n + 1, n + 1) for n in range(60)),
        b"x509_extensions=a\n[a]\n"
        + b"".join(b"1.2.%d=@0\n" % n for n in range(90))
        + b"".join(b"[%d]\na=@%d\n" % (n, n + 1) for n in range(30_000)),
        b"\\\n" * 400_000,
        b'a="' * 300_000,
        b"[" + b"a " * 500_000,
        b"[" + b"\\a" * 500_000,
        b"$" * 1_000_000,
        b"a=" + b"${" * 400_000,
        b"#" * 1_000_001,
        b"a=1\n" * 300_000,
    ],
    ids=range(15),
)
def test_hostile_configs_are_refused_or_read_in_time(data, openssl):
    begin = time.monotonic()
    audit(data, openssl)
    looks_like_config(data)
    assert time.monotonic() - begin < 10


LOUD = "[]=$\\\"'`#:,@\n\r{}()v3_req .ENV;\x00"


@given(data=st.binary(max_size=300) | st.text(alphabet=LOUD, max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data):
    looks_like_config(data)
    try:
        config = read_config(data.decode("utf-8", "surrogateescape"))
    except ConfigError as error:
        lines = {error.line}
    else:
        lines = {entry.line for part in config.sections.values() for entry in part.entries}
    assert lines <= set(range(1, data.count(b"\n") + 2))


@pytest.mark.slow
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.text(alphabet='DNS:IP,@critical abt1.;=$\\"', max_size=30),
    key=st.sampled_from(["subjectAltName", "keyUsage"]),
)
def test_any_value_gives_findings_or_is_unreadable(value, key, openssl):
    for result in audit(f"a=1\n[t]\nDNS=x\n[v3_req]\n{key} = {value}\n", openssl):
        assert result.kind == "config"


# --- the reader and openssl

PIECES = (
    *("nsComment", "nsComment = ", "nsComment=", "\nnsComment=", "\nnsComment = $a", "\nb = ", "\nb=1", "\na=$b"),
    *("a", "b", "=", " = ", "[", "]", "\n[ s ]\n", "\n[t]\n", "$a", "${a}", "$(b)", "${s::a}", "$s::b", "$nsComment"),
    *("\\\r\n", '"', "'", "`", "#", " ", "\t", "\r\n", "\n", "::", "s::", "t::b=2\n"),
    *("é", "0", "-", ",", ";", "\n.pragma = dollarid:on\n", "\n.pragma=dollarid:off\n", "$", "{", "}", "\\$", "\\#"),
    *("\\", "\\\n", "\\n", "\\\\", "default", "\nb=$a$a", "$t::a", "${default::b}"),
)  # fmt: skip


class Raw:
    """Makes certificates of a config as it stands, which is safe with the pieces above."""

    def __init__(self, openssl):
        self.openssl = openssl

    def comment(self, text, section):
        """Return the comment of a certificate; None if openssl refuses the config."""
        done = subprocess.run(
            [self.openssl.path, "x509", "-req", "-in", "request.pem", "-CA", "root.pem", "-CAkey", "key.pem"]
            + ["-days", "30", "-sha256", "-set_serial", "1", "-extfile", "/dev/stdin", "-outform", "DER"]
            + ["-extensions", section],
            cwd=_workshop(self.openssl),
            input=text.encode("utf-8", "surrogateescape"),
            env=command.environment(folder=os.sep, secrets={}),
            capture_output=True,
        )
        if done.returncode:
            return None
        certificate = x509.load_der_x509_certificate(done.stdout)
        return certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("2.16.840.1.113730.1.13")).value.value


@pytest.mark.slow
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    beginning=st.lists(st.sampled_from(PIECES), max_size=3).map("".join),
    rest=st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
)
def test_the_reader_and_openssl_agree_on_values(beginning, rest, openssl):
    text = f"a = 1\nb=2\n[t]\na=3{beginning}\n[ s ]\nnsComment = x{rest}\n"
    raw = Raw(openssl)
    theirs = raw.comment(text, "s")
    try:
        config = read_config(text)
    except ConfigError:
        assert theirs is None
        return
    ours = raw.comment(written([config.sections["s"]]), "s") if "s" in config.sections else None
    assert ours == theirs


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("plain", "plain"),
        ("  blanks \t ", "blanks"),
        ("'  quoted  '", "  quoted  "),
        (r'"a\"b" `c` \'d', "a\"b c 'd"),
        (r"\n\t\b\r\x\\", "\n\t\b\rx\\"),
        (r'"\n"', "n"),
        ("a # b", "a"),
        (r"a \# b", "a # b"),
        ("'a # b'", "a # b"),
        ("one\\\n  two\\\nthree", "one  twothree"),
        ("one\\\\\nnsCaPolicyUrl = 2", "one\\"),
        ("$v-$v.$v", "5-5.5"),
        ("${v}x$(v)x", "5x5x"),
        ("${s::nsBaseUrl}$s::nsBaseUrl$default::v$other::v", "6655"),
        (r"\$v '$v' \"$v", '$v $v "5'),
        ("$$v", None),
        ("$", None),
        ("${v", None),
        ("$(v}", None),
        ("$nsBaseUrl", "6"),
        ("$default::nsBaseUrl", None),
        ("'open", "open"),
        ("a'b\\", "ab"),
    ],
)
def test_values_are_read_as_openssl_reads_them(value, read, openssl):
    text = f"v = 5\n[ s ]\nnsBaseUrl = 6\nnsComment = {value}\n"
    # An IA5String shorter than 128 bytes.
    assert Raw(openssl).comment(text, "s") == (None if read is None else bytes([0x16, len(read), *read.encode()]))
    if read is None:
        with pytest.raises(ConfigError):
            read_config(text)
    else:
        assert read_config(text).index["s"]["nsComment"].value == read


@pytest.mark.slow
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=50), st.text("ab 'é\\\n]#\t$", max_size=9)
)
def test_what_is_written_is_read_again(value, name):
    name = "".join(character for character in name if character.isascii())
    sections = [Section(name, 1, (Entry("a", value, 2),))]
    if "\n" not in value:
        assert read_config(written(sections)).index[name]["a"].value == value


def test_lines_are_counted_as_editors_count_them():
    text = "\ufeffa = 1\r\n\r\nb = 2\\\r\n2\n\n[ s ]\nc = \\\n\\\n3\nc::d = 4\n[ t ]\n[ s ]\n"
    config = read_config(text)
    assert [(entry.key, entry.line) for part in config.sections.values() for entry in part.entries] == [
        ("a", 1), ("b", 3), ("c", 7), ("d", 10),
    ]  # fmt: skip
    assert [(part.name, part.line) for part in config.sections.values()] == [
        ("default", 1), ("s", 6), ("c", 10), ("t", 11),
    ]  # fmt: skip


def test_a_key_that_is_there_twice_stands_where_its_last_value_does():
    config = read_config("a = 1\nb = 2\na = 3\n")
    assert [(entry.key, entry.value, entry.line) for entry in config.sections["default"].entries] == [
        ("b", "2", 2), ("a", "3", 3),
    ]  # fmt: skip


# --- real ones


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/ssl/openssl.cnf", {"apple-san", "apple-eku"}),
        ("/usr/share/easy-rsa/x509-types/server", {"apple-san"}),
        ("/usr/share/easy-rsa/x509-types/client", {"apple-san", "apple-eku"}),
        ("/usr/share/easy-rsa/x509-types/ca", set()),
        ("/usr/share/easy-rsa/x509-types/kdc", {"apple-eku", "config-reads-environment"}),
        ("/usr/share/easy-rsa/openssl-easyrsa.cnf", {"apple-san", "apple-eku", "config-reads-environment"}),
    ],
)
def test_real_configs_give_what_is_wrong_and_nothing_else(path, expected, openssl):
    path = Path(path)
    if not path.exists():
        need(*(["easyrsa"] if "easy-rsa" in path.parts else []))
        pytest.skip(f"there is no {path} here")
    data = path.read_bytes()
    assert looks_like_config(data)
    results = audit(data, openssl)
    assert [result.unreadable for result in results] == [None]
    assert {rule for _, rule in found(results)} == expected
    lines = data.decode().splitlines()
    for finding in results[0].findings:
        if finding.rule.id in ("apple-san", "apple-eku"):
            line = lines[finding.line - 1]
            assert line.startswith("[") or "extendedKeyUsage" in line or "basicConstraints" in line


@pytest.mark.parametrize(
    ("text", "is_config"),
    [
        ("", False),
        ("hello\n", False),
        ("keyUsage = digitalSignature\n", True),
        ("   keyUsage=digitalSignature\r\n", True),
        ("[ req ]\ndistinguished_name = dn\n", True),
        ("[ server ]\nport = 80\n", False),
        ("#!/bin/sh\nkeyUsage = x\n", False),
        ("cat > x <<E\nkeyUsage = digitalSignature\nE\nopenssl req -new\nls\n", False),
        ("To make it, write\n\n    keyUsage = digitalSignature\n\nand then sign it.\nThen use it.\n", False),
        ("keyUsage = x\0", False),
        ("# keyUsage = digitalSignature\n", False),
        ("v3::keyUsage = digitalSignature\n", True),
        ("nsComment = a\\\nb c d\\\ne f\\\ng\n", True),
    ],
)
def test_what_looks_like_a_config(text, is_config):
    assert looks_like_config(text.encode()) is is_config


def test_no_file_of_the_checkout_is_taken_for_a_config_but_configs():
    taken = {
        path.relative_to(CHECKOUT).parts[:2]
        for folder in ("opensslgen", "templates", "tests")
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and looks_like_config(path.read_bytes())
    }
    others = {part for part in taken if part[:2] != ("tests", "configs")}
    assert others <= {("templates", path.name) for path in (CHECKOUT / "templates").glob("*.cnf")}


def test_errors_of_the_reader_are_of_the_project():
    assert issubclass(ConfigError, Error)
