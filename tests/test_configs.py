"""The audit of configs: a folder of them with what is to be found, and the reader held against openssl itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opensslgen.audit.configs import judge_config, judge_text, looks_like_config
from opensslgen.audit.result import Settings
from opensslgen.audit.throwaway import _workshop
from opensslgen.budget import Budget
from opensslgen.cli.main import cli
from opensslgen.config.reader import UNKNOWN, ConfigError, Entry, Section, config_text, read_config
from opensslgen.config.use import CA, FILE, REQUEST, SELF
from opensslgen.errors import Error
from opensslgen.openssl import command
from opensslgen.openssl.process import Process, start_with_sh
from opensslgen.rules.profiles import PROFILES, RULES, rules_of

from .conftest import CHECKOUT
from .needs import need, needs
from .openssls import EACH

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.cnf"))
AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
EXPECTATION = re.compile(r"^# (expect|unreadable|note|profile|section): (.*?)\r?$", re.MULTILINE)


def audit(data, openssl, *, profiles=("apple",), sections=(), allow=()):
    data = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    settings = Settings(rules=rules_of(profiles, allow), at=AT, sections=tuple(sections), openssl=lambda: openssl)
    return judge_config(data, target="some.cnf", settings=settings)


def found(results):
    return [(finding.line, finding.rule.id) for result in results for finding in result.findings]


@pytest.fixture(scope="session", params=EACH)
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
        "apple-signature-type", "chain-unrelated", "issuer-eku", "issuer-key-usage", "no-common-name",
        "serial-21-bytes", "not-der", "malformed", "strict-der", "strict-key-type", "strict-issuer-name",
        "ats-signature-hash", "public-validity-next",
    }  # fmt: skip
    assert {rule.id for rule in RULES.values() if rule.check and rule.extension is None} == cannot


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
        [section] = judge_config(data, target="-", settings=settings)
        assert found([section]) == [(2, "config-reads-environment")]
        assert section.unreadable.startswith("[ v3_req ]: ")
        assert section.line == 1
        assert judge_config(b"[ req ]\ndefault_bits = 512\n", target="-", settings=settings)[0].unreadable is None


# --- unknown values, and what takes too much


def exit_code(path, *options):
    done = CliRunner().invoke(cli, ["audit", "--at", "2026-02-01", *options, str(path)])
    return done.exit_code, done.stdout


UNKNOWN_TO_ALL = {
    "eku": b"extendedKeyUsage = $ENV::EKU\nsubjectAltName = DNS:pbx.example.com\n",
    "part of an eku": b"extendedKeyUsage = serverAuth,$ENV::EKU\nsubjectAltName = DNS:pbx.example.com\n",
    "authority": b"basicConstraints = $ENV::CA\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n",
    "names in a section": b"extendedKeyUsage = serverAuth\nsubjectAltName = @n\n[n]\nDNS.1 = $ENV::NAME\n",
    "include above": b".include inc.cnf\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n",
    "include below": b"extendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n.include = inc.cnf\n",
    "refused": b"[ v3_req ]\nextendedKeyUsage = serverAuth\nkeyUsage = maybe\nsubjectAltName = DNS:pbx.example.com\n",
    "nothing": b"[ req ]\ndistinguished_name = dn\n[ dn ]\nCN = pbx.example.com\n",
    "malformed": b"[ v3_req\nextendedKeyUsage = serverAuth\n",
}


@pytest.mark.parametrize("data", UNKNOWN_TO_ALL.values(), ids=UNKNOWN_TO_ALL)
@pytest.mark.parametrize("options", [(), ("--profile", "apple"), ("--profile", "strict")], ids=str)
def test_what_cannot_be_told_never_complies(data, options, tmp_path):
    (tmp_path / "inc.cnf").write_text("extendedKeyUsage = clientAuth\n")
    (tmp_path / "some.cnf").write_bytes(data)
    code, answer = exit_code(tmp_path / "some.cnf", *options)
    assert code == 2
    assert "some.cnf: complies" not in answer
    assert "0 of " in answer


def test_what_is_missing_for_a_verdict_is_not_called_unreadable(tmp_path):
    (tmp_path / "some.cnf").write_bytes(UNKNOWN_TO_ALL["eku"])
    assert (
        "some.cnf:1: cannot be told\n  extendedKeyUsage depends on the environment\n"
        in exit_code(tmp_path / "some.cnf")[1]
    )


@pytest.mark.parametrize(
    ("names", "tail", "state"),
    [
        (("good",), "1 of 1 comply, 0 violate the rules: ", "OK"),
        (
            ("unknown",), "0 of 1 comply, 0 violate the rules, 1 cannot be told: ",
            "UNKNOWN - unknown.cnf:1: cannot be told: ",
        ),
        (
            ("refused",), "0 of 1 comply, 0 violate the rules, 1 cannot be read: ",
            "UNKNOWN - refused.cnf:1: cannot be read: ",
        ),
        (
            ("good", "unknown", "refused", "unknown"),
            "1 of 4 comply, 0 violate the rules, 1 cannot be read, 2 cannot be told: ", "UNKNOWN",
        ),
        (("bad", "unknown"), "0 of 2 comply, 1 violate the rules, 1 cannot be told: ", "CRITICAL - bad.cnf"),
        (
            ("both",), "0 of 1 comply, 0 violate the rules, 1 cannot be told: ",
            "CRITICAL - both.cnf:2: its extended key usage is clientAuth; serverAuth (1.3.6.1.5.5.7.3.1) is needed"
            " [apple-eku], the rest cannot be told",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_totals_tell_the_three_answers_apart(names, tail, state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = "extendedKeyUsage = serverAuth\nsubjectAltName = DNS:pbx.example.com\n"
    texts = {
        "good": good,
        "bad": good.replace("server", "client"),
        "unknown": "extendedKeyUsage = $ENV::EKU\nsubjectAltName = DNS:pbx.example.com\n",
        "refused": "extendedKeyUsage = $EKU\nsubjectAltName = DNS:pbx.example.com\n",
        "both": "extendedKeyUsage = clientAuth\n.include other.cnf\nsubjectAltName = DNS:pbx.example.com\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.cnf").write_text(text)
    paths = [f"{name}.cnf" for name in names]
    unread = tail.partition("rules")[2]
    code, answer = exit_code(*paths)
    assert answer.splitlines()[-1].startswith(tail)
    assert code == (2 if unread.startswith(",") else 0)
    _, answer = exit_code(*paths, "--format", "nagios")
    assert answer.startswith(f"CERTIFICATES {state}")
    _, answer = exit_code(*paths, "--json")
    totals = json.loads(answer)["totals"]
    assert totals["unknown"] == sum(result["unknown"] for result in json.loads(answer)["results"])
    assert totals["unknown"] == names.count("unknown") + names.count("both")
    assert totals["unreadable"] == totals["unknown"] + names.count("refused")


@pytest.mark.parametrize("path", sorted((CHECKOUT / "templates").glob("*.cnf")), ids=lambda path: path.stem)
def test_our_own_templates_are_understood_as_they_stand(path):
    code, answer = exit_code(path)
    # Nothing in the one is for certificates, and easy-rsa fills the other in from the environment.
    assert code == (2 if path.stem in ("request", "openssl-easyrsa") else 0), answer
    assert "has no value" not in answer
    assert ("a template of opensslgen" in answer) is (path.stem != "openssl-easyrsa")


@pytest.mark.parametrize("lost", ["subjectAltName", "extendedKeyUsage"])
def test_a_template_that_has_lost_a_line_violates_the_rules(lost, openssl):
    lines = (CHECKOUT / "templates" / "v3_req.cnf").read_text().splitlines(keepends=True)
    rules = {rule for _, rule in found(audit("".join(line for line in lines if lost not in line), openssl))}
    assert rules == {{"subjectAltName": "apple-san", "extendedKeyUsage": "apple-eku"}[lost]}


def test_a_variable_that_is_none_of_a_template_is_an_error(openssl):
    [result] = audit("extendedKeyUsage = $USAGES\nkeyUsage = $KEY_USAGE\n", openssl)
    assert (result.line, result.unreadable) == (1, "line 1: the variable $USAGES has no value")


SMALL = "[v3_req]\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:pbx.example.com\n"
COSTLY = {
    "policies": SMALL + "certificatePolicies=" + ",".join(["@p"] * 5000) + "\n[p]\npolicyIdentifier=1.2.3\n"
    + "".join(f"userNotice.{n}=@n\n" for n in range(1000)) + "[n]\nexplicitText=x\n",
    "names": "".join(f"[server{n}]\nextendedKeyUsage=serverAuth\nsubjectAltName=@alt\n" for n in range(99))
    + "[alt]\n" + "".join(f"DNS.{n}=host{n}.example.com\n" for n in range(30_000)),
    "points": SMALL + "crlDistributionPoints=" + ",".join(["c"] * 9000) + "\n[c]\nfullname=@n\n[n]\n"
    + "".join(f"URI.{n}=http://a/{n}\n" for n in range(500)),
    "subjects": SMALL + "issuerAltName=" + ",".join(["dirName:d"] * 3000) + "\n[d]\n"
    + "".join(f"{n}.OU=x{n}\n" for n in range(900)),
    "long values": "x=" + "a" * 60_000 + "\n" + SMALL + "issuerAltName=@a\n[a]\n"
    + "".join(f"URI.{n}=$x\n" for n in range(100)),
    "wrappers": SMALL + "1.2.3=ASN1:" + "SEQWRAP," * 60_000 + "NULL\n",
}  # fmt: skip


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_what_takes_too_much_is_not_asked_of_openssl(data, openssl, tmp_path):
    asked = []

    def start(argv, **options):
        asked.append(options["stdin"])
        return start_with_sh(argv, **options)

    [result] = audit(data, replace(openssl, start=start))
    assert result.unreadable == "more than 10000 values"
    assert sum(map(len, asked)) < 1 << 20
    (tmp_path / "costly.cnf").write_text(data)
    (tmp_path / "good.cnf").write_text(SMALL)
    code, answer = exit_code(tmp_path, "-v")
    assert code == 2
    assert "costly.cnf: cannot be read\n  more than 10000 values" in answer
    assert "good.cnf: complies" in answer


def test_many_names_are_judged_in_linear_time(openssl):
    def counted(size):
        names = "".join(f"DNS.{n}=10.{n // 65536}.{n // 256 % 256}.{n % 256}\n" for n in range(size))
        steps = 0

        def count(*_):
            nonlocal steps
            steps += 1

        audit(SMALL, openssl)
        sys.setprofile(count)
        try:
            audit("[v3_req]\nextendedKeyUsage=serverAuth\nsubjectAltName=@n\n[n]\n" + names, openssl)
        finally:
            sys.setprofile(None)
        return steps

    assert counted(900) < 2.5 * counted(450)


def test_more_findings_than_anyone_reads_are_not_shown(openssl):
    [result] = audit("[v3_req]\n" + "a=1\n" * 2000, openssl)[:1]
    assert result.unreadable == "more than 1000 findings"
    assert len(result.findings) == 1000


@pytest.mark.parametrize(
    "left", [Process(-24, b"", b""), Process(-9, b"", b""), Process(1, b"", b"...:malloc failure:...")], ids=str
)
def test_an_openssl_that_is_ended_for_its_cost_is_an_answer(left, openssl):
    def start(argv, **options):
        return left if "-extfile" in argv else start_with_sh(argv, **options)

    [result] = audit(f"nsComment = {left.exit_code}{len(left.stderr)}\n", replace(openssl, start=start))
    assert result.unreadable == f"more than {'10 s of CPU' if left.exit_code < 0 else '256 MiB of memory'}"


def test_openssl_has_limits_while_it_judges(openssl, tmp_path):
    limits = tmp_path / "openssl"
    limits.write_text("#!/bin/sh\nulimit -v\nulimit -t\n")
    limits.chmod(0o755)
    limited = replace(openssl, path=str(limits))
    with Budget(10).running():
        printed = limited.run(["x509"]).stdout.split()
    assert printed[-1] == b"10"
    if sys.platform == "linux":
        assert printed == [b"262144", b"10"]
    assert limited.run(["x509"]).stdout.split()[-1] != b"10"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory in this way")
def test_openssl_gets_no_more_memory_than_a_config_is_worth(openssl):
    [result] = audit("[v3_req]\n1.2.3 = ASN1:FORMAT:BITLIST,BITSTRING:2147483640\n", openssl)
    assert result.unreadable == "more than 256 MiB of memory"


# --- one section of a text


@pytest.mark.parametrize(
    ("text", "named", "rules", "doubt"),
    [
        ("", (None, FILE), ["apple-san", "apple-eku"], None),
        ("extendedKeyUsage = serverAuth\nsubjectAltName = DNS:a.example.com\n", (None, FILE), [], None),
        ("[a]\nextendedKeyUsage = serverAuth\nsubjectAltName = DNS:a.example.com\n", ("a", FILE), [], None),
        ("[a]\nextendedKeyUsage = serverAuth\n[b]\n", (None, FILE), ["apple-san", "apple-eku"], None),
        ("extensions = a\n[a]\nsubjectAltName = DNS:a.example.com\n", (None, FILE), ["apple-eku"], None),
        ("[a]\n", ("b", FILE), [], "unreadable"),
        ("[a\n", (None, FILE), [], "unreadable"),
        ("[req]\nx509_extensions = a\n[a]\nextendedKeyUsage = serverAuth\n", (None, SELF), ["apple-san"], None),
        ("[req]\nreq_extensions = a\n[a]\nextendedKeyUsage = serverAuth\n", (None, REQUEST), ["apple-san"], None),
        ("[ca]\ndefault_ca=c\n[c]\nx509_extensions=a\n[a]\nnsComment=x", (None, CA), ["apple-san", "apple-eku"], None),
        ("[req]\nx509_extensions = a\n[a]\nbasicConstraints = critical,CA:TRUE\n", (None, SELF), [], None),
        (f"extendedKeyUsage = serverAuth\nsubjectAltName = {UNKNOWN}\n", (None, FILE), [], "unknown"),
        (f"extendedKeyUsage = serverAuth\nsubjectAltName = DNS:a.b\n{UNKNOWN}\n", (None, FILE), [], "unknown"),
        (f"[ {UNKNOWN} ]\nkeyUsage = x\n[ a ]\nsubjectAltName = DNS:a.b\n", ("a", FILE), ["apple-eku"], "unknown"),
        ("extendedKeyUsage = serverAuth\nsubjectAltName = $SUBJECT_ALT_NAME\n", (None, FILE), [], "unreadable"),
        ("DNS.1 = a\nDNS.1 = b\nsubjectAltName = DNS:a\n", (None, FILE), ["config-key-twice"], "unreadable"),
    ],
)  # fmt: skip
def test_what_one_section_of_a_text_gives(text, named, rules, doubt, openssl):
    settings = Settings(rules=rules_of(["apple"]), at=AT, openssl=lambda: openssl)
    section, use = named
    judged = judge_text(text, section=section, use=use, settings=settings)
    assert [finding.rule.id for finding in judged.findings] == rules
    assert (judged.unknown is not None, judged.unreadable is not None) == (doubt == "unknown", doubt == "unreadable")
    assert judged.purpose == ("authority" if "CA:TRUE" in text else "server")


def test_findings_name_extension_and_name_as_data(openssl):
    text = "extendedKeyUsage = serverAuth\nsubjectAltName = @n\n1.2.3 = critical,ASN1:NULL\n[n]\nDNS.1 = 10.0.0.1\n"
    [result] = audit(
        text + "DNS.2 = a_b..c\nDNS.3=A.example.com\nDNS.4=a.example.com\nIP.1=2001:DB8::1\nIP.2=2001:db8::1\n", openssl
    )
    assert [(each.line, each.rule.id, each.extension, each.name and each.name.value) for each in result.findings] == [
        (3, "critical-unknown", "1.2.3", None),
        (5, "ip-as-dns", None, "10.0.0.1"),
        (6, "dns-malformed", None, "a_b..c"),
        (8, "san-twice", None, "a.example.com"),
        (10, "san-twice", None, "2001:db8::1"),
    ]  # fmt: skip


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
    begin = time.process_time()
    audit(data, openssl)
    looks_like_config(data)
    assert time.process_time() - begin < 10


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
        """Return the comment of a certificate, empty if it has none; None if openssl refuses the config."""
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
        comment = x509.ObjectIdentifier("2.16.840.1.113730.1.13")
        return next((each.value.value for each in certificate.extensions if each.oid == comment), b"")


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
    ours = raw.comment(config_text([config.sections["s"]]), "s") if "s" in config.sections else None
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
        assert read_config(config_text(sections)).index[name]["a"].value == value


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
    ("path", "expected", "unknown"),
    [
        ("/etc/ssl/openssl.cnf", {"apple-san", "apple-eku"}, ""),
        ("/usr/share/easy-rsa/x509-types/server", {"apple-san"}, ""),
        ("/usr/share/easy-rsa/x509-types/client", set(), "it has no extension section for servers or CAs"),
        ("/usr/share/easy-rsa/x509-types/ca", set(), ""),
        (
            "/usr/share/easy-rsa/x509-types/kdc",
            {"config-reads-environment"},
            "it has no extension section for servers or CAs",
        ),
        (
            "/usr/share/easy-rsa/openssl-easyrsa.cnf",
            {"apple-san", "apple-eku", "config-reads-environment"},
            "default_md, default_days, default_bits",
        ),
    ],
)
def test_real_configs_give_what_is_wrong_and_nothing_else(path, expected, unknown, openssl):
    path = Path(path)
    if not path.exists():
        need(*(["easyrsa"] if "easy-rsa" in path.parts else []))
        pytest.skip(f"there is no {path} here")
    data = path.read_bytes()
    assert looks_like_config(data)
    results = audit(data, openssl)
    doubts = [result.unreadable for result in results if result.unreadable is not None]
    assert [why.partition(" depend")[0] for why in doubts] == ([unknown] if unknown else [])
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


SUBJECTS = """\
[ ca ]
default_ca = here
[ here ]
database = index.txt
x509_extensions = v3_server
policy = matched
[ matched ]
commonName = supplied
[ anything ]
commonName = optional
subjectAltName = supplied
[ req ]
distinguished_name = server
[ server ]
commonName = pbx.example.com
subjectAltName = pbx.example.com
[ v3_server ]
basicConstraints = CA:FALSE
subjectAltName = DNS:pbx.example.com
extendedKeyUsage = serverAuth
"""


def test_the_name_of_an_extension_does_not_make_a_subject_or_a_policy_extensions(openssl):
    results = audit(SUBJECTS, openssl)
    assert [result.unreadable for result in results] == [None]
    assert found(results) == []
    assert "for subjects, which have no extensions, so not judged: [ anything ], [ server ]" in (
        notes := results[0].notes
    ), notes
