from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone

import click
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from opensslgen import __version__
from opensslgen.cli.main import _FOREIGN, COMMANDS, cli
from opensslgen.cli.options import grouped, together
from opensslgen.cli.secrets import Secrets
from opensslgen.openssl.command import OpenSSL
from opensslgen.plan.secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD

from .conftest import CHECKOUT, make_root, make_server, opensslgen

FAST = ("--key-type", "p-256")


def test_one_command_makes_root_and_certificate_and_tells_about_them(tmp_path):
    done = opensslgen("server", "pbx.example.com", "--san", "IP:10.0.0.5")
    assert done.returncode == 0, done.stderr
    for told in (
        "Made a root certificate first, because there was none",
        "pki/issued/pbx.example.com.crt",
        "pki/issued/pbx.example.com-chain.pem",
        "pki/private/pbx.example.com.key",
        "DNS:pbx.example.com, IP:10.0.0.5",
        "(820 days)",
        "✓ chain, by openssl verify",
        "Next: ",
        "Certificate Trust Settings",
    ):
        assert told in done.stdout
    assert (tmp_path / "pki" / "ca.crt").exists()


def test_without_a_word_about_keys_they_are_of_rsa(tmp_path):
    # A process of its own: in `opensslgen` of conftest the new CA has another type of key.
    command = [sys.executable, "-m", "opensslgen", "server", "--new-ca", "pbx.example.com", "-q"]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, check=True)
    for name in ("ca.crt", "issued/pbx.example.com.crt"):
        key = x509.load_pem_x509_certificate((tmp_path / "pki" / name).read_bytes()).public_key()
        assert (isinstance(key, rsa.RSAPublicKey), key.key_size) == (True, 2048), name


def test_json_has_the_same_for_programs():
    done = opensslgen("server", "pbx.example.com", "--san", "10.0.0.5", *FAST, "--json")
    made = json.loads(done.stdout)
    assert made["root_made"] is True
    assert made["files"]["certificate"] == "pki/issued/pbx.example.com.crt"
    assert made["certificate"]["subject_alternative_names"] == ["DNS:pbx.example.com", "IP:10.0.0.5"]
    assert made["certificate"]["extended_key_usage"] == ["serverAuth", "clientAuth"]
    assert made["certificate"]["days"] == 820


def test_quiet_prints_nothing():
    done = opensslgen("server", "pbx.example.com", *FAST, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_verbose_shows_commands_that_can_be_pasted(tmp_path):
    done = opensslgen("root", "--key-type", "rsa-2048", "-v")
    commands = [line for line in done.stderr.splitlines() if line.startswith("openssl ")]
    assert commands[0].startswith("openssl req -new -x509 -newkey rsa:2048 -nodes -sha256 ")
    assert len(commands) == 3
    # What was shown makes the same again, in any folder that holds its config.
    (tmp_path / "again").mkdir()
    shown = opensslgen("root", "--script", "--cn", "x").stdout
    config = re.search(r"cat >ca\.cnf <<'EOF'\n(.*?)\nEOF", shown, re.DOTALL)[1]
    (tmp_path / "again" / "ca.cnf").write_text(config + "\n")
    for line in commands:
        subprocess.run(["sh", "-ec", line], cwd=tmp_path / "again", check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--days", "2555"), "apple-validity"),
        (("--days", "826"), "apple-validity"),
        (("--eku", "clientAuth"), "apple-eku"),
        (("--key-usage", "keyCertSign", "--template", "ca.cnf"), "leaf-is-ca"),
    ],
)
def test_what_breaks_the_profile_is_refused_before_anything_is_made(arguments, rule, tmp_path):
    (tmp_path / "ca.cnf").write_text(
        "[ v3_req ]\nbasicConstraints = CA:TRUE\nsubjectAltName = $SUBJECT_ALT_NAME\nextendedKeyUsage = serverAuth\n"
    )
    done = opensslgen("server", "pbx.example.com", *FAST, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert f"[{rule}]" in done.stderr
    assert f"--allow {rule}" in done.stderr
    assert ("https://support.apple.com/103769" in done.stderr) == rule.startswith("apple")
    assert not (tmp_path / "pki").exists()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("server", "a.example", "--days", "900"), "to issue it anyway, add --allow apple-validity"),
        (("server", "a.example", "--days", "900", "--script"), "to issue it anyway, add --allow apple-validity"),
        (("ext", "DNS:a.example", "--eku", "clientAuth"), "to print it anyway, add --allow apple-eku"),
        (
            ("self-signed", "a.example", "--days", "900", "--eku", "clientAuth"),
            "to issue it anyway, add --allow apple-eku --allow apple-validity",
        ),
    ],
)
def test_the_hint_names_the_option_that_overrides_the_check(arguments, hint):
    done = opensslgen(*arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Hint: {hint}"


def test_a_violation_is_json_when_json_was_asked_for():
    done = opensslgen("server", "pbx.example.com", "--days", "2555", "--json")
    assert done.returncode == 1
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == ["apple-validity"]


def test_allow_is_the_way_round():
    done = opensslgen("server", "pbx.example.com", *FAST, "--days", "2555", "--allow", "apple-validity", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["certificate"]["days"] == 2555


def test_825_days_are_allowed():
    assert opensslgen("server", "pbx.example.com", *FAST, "--days", "825").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("server",), "Missing argument 'NAME'"),
        (("server", "a.example", "--allow", "no-such-rule"), "unknown rule 'no-such-rule'"),
        (("server", "a.example", "--days", "0"), "0 is not in the range"),
        (("server", "a.example", "--days", "x"), "not a valid integer"),
        (("server", "a.example", "--eku", "serverauthentication"), "unknown extended key usage"),
        (("server", "a.example", "--key-usage", "sign"), "unknown key usage"),
        (("server", "a.example", "--key-type", "rsa-1024"), "unknown key type"),
        (("server", "a.example", "--san", "10.0.0.0/24"), "10.0.0.0/24"),
        (("server", "a.example", "--san", "DNS:10.0.0.1"), "write IP:10.0.0.1"),
        (("server", "a.example", "--san", "a$(id).example"), "$"),
        (("server", "a.example", "--template", "missing.cnf"), "missing.cnf"),
        (("server", "a.example", "--key-file", "missing.key"), "missing.key"),
        (("server", "ca"), "ca"),
        (("server", "a.example", "--org", "x\ny"), "organization"),
        (("nonsense",), "there is no command"),
    ],
)
def test_bad_usage_is_exit_2_without_a_traceback(arguments, message, tmp_path):
    done = opensslgen(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "pki").exists()


def test_slips_are_notes_and_the_names_come_once():
    done = opensslgen(
        "server",
        "avaya.domain.com",
        "--san",
        "DNS:avaya.domian.com, DNS:avaya.domian.com, IP:10.0.0.5",
        *FAST,
        "--json",
    )
    assert done.returncode == 0
    notes = json.loads(done.stdout)["notes"]
    assert [note for note in notes if "given 2 times" in note]
    assert [note for note in notes if "avaya.domain.com" in note and "avaya.domian.com" in note]
    names = json.loads(done.stdout)["certificate"]["subject_alternative_names"]
    assert names == ["DNS:avaya.domain.com", "DNS:avaya.domian.com", "IP:10.0.0.5"]


def test_a_common_name_that_is_no_alternative_name_is_a_note():
    done = opensslgen("server", "pbx.example.com", "--cn", "Reception", *FAST)
    assert done.returncode == 0
    assert "Reception" in done.stderr


def test_pki_comes_from_the_environment(tmp_path):
    assert opensslgen("root", *FAST, env={"OPENSSLGEN_PKI": str(tmp_path / "elsewhere")}).returncode == 0
    assert (tmp_path / "elsewhere" / "ca.crt").exists()


def test_a_users_key_is_used():
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "own.key"], check=True)
    done = opensslgen("server", "pbx.example.com", "--key-file", "own.key", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["certificate"]["key_usage"] == ["digitalSignature"]
    public = [
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True).stdout
        for key in ("own.key", "pki/private/pbx.example.com.key")
    ]
    assert public[0] == public[1]


def test_a_users_weak_key_is_refused(tmp_path):
    subprocess.run(["openssl", "genrsa", "-out", "own.key", "1024"], check=True, capture_output=True)
    done = opensslgen("server", "pbx.example.com", "--key-file", "own.key")
    assert done.returncode == 1
    assert "[apple-key-size]" in done.stderr
    assert not (tmp_path / "pki").exists()


def test_what_is_no_key_is_said_so(tmp_path):
    (tmp_path / "own.key").write_text("nothing")
    done = opensslgen("server", "pbx.example.com", "--key-file", "own.key")
    assert done.returncode == 1
    assert "openssl pkey failed" in done.stderr


def test_a_users_template_is_filled_and_the_result_checked(tmp_path):
    (tmp_path / "own.cnf").write_text(
        "[ v3_req ]\nsubjectAltName = $SUBJECT_ALT_NAME\nextendedKeyUsage = serverAuth\nnsComment = ours\n"
    )
    done = opensslgen("server", "pbx.example.com", *FAST, "--template", "own.cnf", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["certificate"]["extended_key_usage"] == ["serverAuth"]
    (tmp_path / "bad.cnf").write_text("[ v3_req ]\nsubjectAltName = $SUBJECT_ALT_NAME\n")
    done = opensslgen("server", "b.example.com", *FAST, "--template", "bad.cnf")
    assert done.returncode == 1
    assert "extended key usage lacks serverAuth" in done.stderr
    assert not (tmp_path / "pki" / "issued" / "b.example.com.crt").exists()


# What a template can do behind the rules' back, by the program and by the script that it prints.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "message", "printed"),
    [
        ("extendedKeyUsage = serverAuth\nbasicConstraints = CA:TRUE", "[leaf-is-ca]", "(CA:TRUE)"),
        ("keyUsage = digitalSignature", "lacks serverAuth", "lacks the extended key usage"),
        ("extendedKeyUsage = clientAuth", "lacks serverAuth", ""),
        ("extendedKeyUsage = serverAuth\nsubjectAltName = DNS:b.example", "lacks DNS:a.example", "lacks the name"),
    ],
)
def test_a_template_that_gives_something_else_is_found_out_either_way(template, message, printed, tmp_path):
    names = "" if "subjectAltName" in template else "subjectAltName = $SUBJECT_ALT_NAME\n"
    (tmp_path / "own.cnf").write_text(f"[ v3_req ]\n{names}{template}\n")
    done = opensslgen("server", "a.example", "--san", "2001:db8::1", *FAST, "--template", "own.cnf")
    assert done.returncode == 1
    assert message in done.stderr
    script = opensslgen("server", "a.example", "--san", "2001:db8::1", *FAST, "--template", "own.cnf", "--script")
    ran = subprocess.run(["sh", "/dev/stdin"], input=script.stdout, capture_output=True, text=True)
    assert ran.returncode == 1
    assert printed in ran.stderr
    assert not (tmp_path / "pki").exists()


def test_a_template_cannot_read_a_secret_or_be_empty(tmp_path):
    (tmp_path / "own.cnf").write_text("[ v3_req ]\nnsComment = $$ENV::OPENSSLGEN_CA_PASSPHRASE\n")
    assert "ENV::" in opensslgen("server", "a.example", "--template", "own.cnf").stderr
    done = opensslgen("server", "a.example", "--template", "/dev/null")
    assert done.returncode == 2
    assert "[ v3_req ]" in done.stderr


def test_a_terminal_without_a_tick_is_no_failure(tmp_path):
    done = opensslgen("server", "a.example", *FAST, env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "? chain, by openssl verify" in done.stdout


@pytest.mark.slow
def test_a_rule_that_was_allowed_is_not_said_to_be_kept():
    done = opensslgen("server", "a.example", *FAST, "--days", "2555", "--allow", "apple-validity")
    assert "; not apple-validity" in done.stdout


@pytest.mark.slow
def test_extended_key_usages_may_be_dotted():
    done = opensslgen("server", "a.example", *FAST, "--eku", "1.3.6.1.5.5.7.3.1,1.3.6.1.4.1.311.20.2.2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["certificate"]["extended_key_usage"] == ["serverAuth", "1.3.6.1.4.1.311.20.2.2"]


def test_a_key_with_a_passphrase_is_refused_with_the_cure():
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256"]
    subprocess.run([*make, "-pass", "pass:hush", "-out", "own.key"], check=True, capture_output=True)
    done = opensslgen("server", "a.example", "--key-file", "own.key")
    assert done.returncode == 2
    assert "openssl pkey -in own.key" in done.stderr


def test_a_weak_key_usage_is_told():
    done = opensslgen("server", "a.example", *FAST, "--key-usage", "keyAgreement")
    assert done.returncode == 0
    assert "[key-usage]" in done.stderr


@pytest.mark.slow
def test_a_script_works_in_the_folder_that_was_named(tmp_path):
    assert opensslgen("root", *FAST, "--pki", "my pki").returncode == 0
    script = opensslgen("server", "a.example", *FAST, "--pki", "my pki", "--script").stdout
    subprocess.run(["sh", "/dev/stdin"], input=script, text=True, check=True, capture_output=True)
    assert (tmp_path / "my pki" / "issued" / "a.example.crt").exists()
    assert opensslgen("server", "a.example", "--script", "--force").returncode == 2


def test_a_template_without_the_section_is_refused(tmp_path):
    (tmp_path / "own.cnf").write_text("[ other ]\nsubjectAltName = $SUBJECT_ALT_NAME\n")
    done = opensslgen("server", "pbx.example.com", "--template", "own.cnf")
    assert done.returncode == 2
    assert "[ v3_req ]" in done.stderr


@pytest.mark.slow
def test_a_leaf_is_shortened_to_its_root_with_a_note_or_refused_with_days():
    assert opensslgen("root", *FAST, "--days", "100").returncode == 0
    done = opensslgen("server", "a.example.com", *FAST, "--json")
    assert json.loads(done.stdout)["certificate"]["days"] in {98, 99}
    assert [note for note in json.loads(done.stdout)["notes"] if "because the root expires" in note]
    done = opensslgen("server", "b.example.com", *FAST, "--days", "200")
    assert done.returncode == 2
    assert "would outlive the root" in done.stderr


def test_a_leaf_that_would_outlive_the_root_it_comes_with_is_refused_before(tmp_path):
    done = opensslgen("server", "a.example.com", "--days", "5000", "--allow", "apple-validity")
    assert done.returncode == 2
    assert "would outlive the root" in done.stderr
    assert not (tmp_path / "pki").exists()


def test_a_missing_openssl_is_an_error_before_anything_is_made(tmp_path):
    done = opensslgen("server", "a.example.com", "--openssl", "/nonexistent/openssl")
    assert done.returncode == 1
    assert "no openssl found at /nonexistent/openssl" in done.stderr
    assert not (tmp_path / "pki").exists()


def test_a_script_is_printed_without_openssl(tmp_path):
    done = opensslgen("server", "a.example.com", "--script", env={"PATH": "/nonexistent"})
    assert done.returncode == 0
    assert done.stdout.startswith("#!/bin/sh\n")
    assert not (tmp_path / "pki").exists()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_has_help_with_a_worked_example(command):
    done = opensslgen(command, "-h")
    assert done.returncode == 0
    assert re.search(rf"^  opensslgen {command} ", done.stdout, re.MULTILINE)


NOT_TO_USE = r"anew|whose own|those of others|who checks|makes it all|\btold\b|of old\b|, too\b|taken? back"
"""From the list of words in report/README.md."""


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_is_plain_english(command):
    assert re.findall(NOT_TO_USE, re.sub(r"\s+", " ", opensslgen(command, "-h").stdout)) == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_option_has_a_help_text(command):
    for parameter in cli.get_command(click.Context(cli), command).params:
        assert isinstance(parameter, click.Argument) or parameter.help


def test_the_list_of_commands_has_the_first_sentence_of_each_ones_help():
    """One that is too long would be cut; 80 columns are what help texts are written for."""
    listed = re.findall(r"^  ([a-z][a-z0-9-]+) {2,}([A-Z].*)$", opensslgen("--help").stdout, re.MULTILINE)
    helps = {name: cli.get_command(click.Context(cli), name).help for name in COMMANDS}
    # The dot of gen_certs.sh ends no sentence.
    first = {name: re.match(r".*?\.(?=\s)", text)[0] for name, text in helps.items()}
    assert dict(listed) == first


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("gen-crl", 2, "easy-rsa calls 'gen-crl' is here: opensslgen crl"),
        ("build-server-full pbx.example.com nopass", 2, "opensslgen server NAME"),
        ("init-pki", 2, "opensslgen root"),
        ("-install", 2, "mkcert calls '-install' is here: opensslgen trust"),
        ("ca certificate svc.example.com svc.crt svc.key", 2, "step calls 'ca'"),
        ("certonly --standalone", 2, "certbot calls"),
        ("serve", 2, "did you mean: opensslgen server"),
        ("lsit", 2, "did you mean: opensslgen list"),
        ("frobnicate", 2, "opensslgen --help lists the commands"),
        ("--instal", 2, "No such option"),
        ("", 2, "Usage: opensslgen"),
    ],
)
def test_what_another_tool_or_a_slip_calls_a_command_leads_to_ours(typed, code, said):
    done = opensslgen(*typed.split())
    assert (done.returncode, said in done.stderr, done.stdout) == (code, True, "")


def test_each_foreign_name_leads_to_a_command_of_ours():
    for _, ours in _FOREIGN.values():
        assert ours.split()[0] in COMMANDS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    colour: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    size: int
    inner: Inner
    shape: str = "round"


def test_a_group_of_options_reaches_a_command_as_one_value():
    seen = []

    @click.command()
    @together(
        grouped(Inner, click.option("--colour", default="red", help="Colour.")),
        grouped(Outer, click.option("--size", type=int, help="Size.")),
        click.option("--loud", is_flag=True, help="Loud."),
    )
    def command(outer, loud):
        """Do something."""
        seen.append((outer, loud))

    assert CliRunner().invoke(command, ["--size", "3", "--loud"]).exit_code == 0
    assert seen == [(Outer(size=3, inner=Inner(colour="red")), True)]
    assert [parameter.name for parameter in command.params] == ["colour", "size", "loud"]
    assert command.help == "Do something."


@pytest.mark.parametrize(
    ("name", "has_key", "is_new"),
    [
        (CA_PASSPHRASE, False, True),
        (CA_PASSPHRASE, True, False),
        (NEW_PASSPHRASE, True, True),
        (P12_PASSWORD, True, True),
    ],
)
def test_only_a_new_secret_is_typed_twice(name, has_key, is_new, tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    if has_key:
        (tmp_path / "private" / "ca.key").touch()
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "prompt", lambda text, **how: asked.append(how["confirmation_prompt"]) or "battery")
    assert Secrets().for_pki(tmp_path)(name) == "battery"
    assert asked == [is_new]


def test_a_secret_comes_from_its_file_then_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"from the file\r\nsecond line\n")
    monkeypatch.setenv(P12_PASSWORD, "from the environment")
    assert Secrets().get(P12_PASSWORD, is_new=True) == "from the environment"
    assert Secrets(p12_password_file=tmp_path / "file").get(P12_PASSWORD, is_new=True) == "from the file"
    assert not Secrets(p12_password_file=tmp_path / "file").has_passphrase


def test_version():
    assert opensslgen("--version").stdout.strip().endswith(__version__)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(shell):
    done = opensslgen("completion", shell)
    assert done.returncode == 0
    assert "_OPENSSLGEN_COMPLETE" in done.stdout


def test_doctor_finds_a_damaged_index(authority):
    make_root(authority)
    index = authority.store.path / "index.txt"
    index.write_text("V\n" + index.read_text())
    done = opensslgen("doctor", "--pki", str(authority.store.path), "--json")
    answers = {answer["question"]: answer for answer in json.loads(done.stdout)}
    assert (done.returncode, answers["CA"]["good"]) == (1, False)
    assert "index.txt, line 1" in answers["CA"]["answer"]


@pytest.mark.slow
def test_who_may_not_look_into_private_sees_certificates_and_no_traceback(authority, tmp_path):
    make_server(authority, "pbx.example.com")
    (authority.store.path / "private").chmod(0)
    # Root may read everything, unless it gives that up.
    humbly = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for exit_code, typed, answer in (
        (0, "list", "DNS:pbx.example.com"),
        (0, "show pbx.example.com", "DNS:pbx.example.com"),
        (0, "export pbx.example.com --as chain --out -", "BEGIN CERTIFICATE"),
        (2, "export pbx.example.com --as key", "private: permission denied"),
        (2, "audit pki", "private: permission denied"),
        (2, "server new.example.com", "cannot read pki/private/ca.key: Permission denied"),
    ):
        command = [*humbly, sys.executable, "-m", "opensslgen", *typed.split()]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, answer in done.stdout + done.stderr) == (exit_code, True), (typed, done)


def test_doctor_tells_what_it_found():
    done = opensslgen("doctor")
    assert done.returncode == 0
    assert "OpenSSL" in done.stdout
    assert "writable" in done.stdout
    assert re.search(r"- support  .*(ends|ended) (on|in) 20\d\d|not known here", done.stdout)
    done = opensslgen("doctor", "--openssl", "/nonexistent", "--json")
    assert done.returncode == 1
    answers = {answer["question"]: answer for answer in json.loads(done.stdout)}
    assert answers["openssl"]["good"] is False


@pytest.mark.parametrize(
    ("version", "today", "words"),
    [
        ((3, 0, 19), "2026-09-07", "support of OpenSSL 3.0 ends on 2026-09-07"),
        ((3, 0, 19), "2026-09-08", "support of OpenSSL 3.0 ended on 2026-09-07"),
        ((4, 0, 3), "2027-05-31", "support of OpenSSL 4.0 ends in 2027-05"),
        ((4, 0, 3), "2027-06-01", "support of OpenSSL 4.0 ended in 2027-05"),
        ((1, 0, 2), "2026-01-01", "support of OpenSSL 1.0.2 ended on 2019-12-31"),
        ((9, 9, 0), "2026-01-01", "when support of OpenSSL 9.9 ends is not known here"),
    ],
)
def test_the_end_of_each_branch_is_known(version, today, words):
    assert OpenSSL("openssl", "OpenSSL", version, "").support(date.fromisoformat(today)).startswith(words)


def test_doctor_sees_a_clock_that_is_behind():
    done = subprocess.run(
        ["faketime", "2019-01-01", sys.executable, "-m", "opensslgen", "doctor"],
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "before this version" in done.stdout


HOSTILE = "b\x1b]0;PWN\x07\u202e"
"""A name that restyles a terminal, and turns what follows round."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder whose server's files have that name."""
    pki = tmp_path_factory.mktemp("hostile") / "pki"
    assert opensslgen("server", "b.example.com", "--key-type", "p-256", "--pki", pki).returncode == 0
    for path in [*pki.glob("*/b.example.com*")]:
        path.rename(path.with_name(path.name.replace("b.example.com", HOSTILE)))
    return pki


@pytest.fixture
def hostile_pki(hostile, tmp_path):
    """A copy of it, in a folder that is called so, too."""
    return shutil.copytree(hostile, tmp_path / HOSTILE / "pki")


def on_a_terminal(*arguments):
    """Return what a command writes to a terminal, from which click strips nothing."""
    return CliRunner().invoke(
        cli, [*map(str, arguments)], color=True, env={"OPENSSLGEN_P12_PASSWORD": "battery staple"}
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("server", "x.example.com", "--template", HOSTILE), 2),
        (("batch", "rows.csv"), 2),
        (("batch", HOSTILE), 2),
        (("export", "b.example.com", "--as", "p12", "--out", "."), 0),
        (("export", "b.example.com", "--as", "p12"), 0),
        (("renew", "b.example.com"), 0),
        (("renew", "b.example.com", "--keep-key", "-v"), 0),
        (("revoke", "b.example.com", "--yes"), 0),
        (("crl",), 0),
    ],
)
def test_no_name_of_a_file_does_something_to_a_terminal(command, code, hostile_pki, tmp_path):
    (tmp_path / "rows.csv").write_text(f"name,template\nx.example.com,{HOSTILE}\n")
    done = on_a_terminal(*command, "--pki", hostile_pki)
    assert done.exit_code == code, done.output
    assert not {"\x1b", "\x07", "\u202e"} & set(done.output)
    assert "\\u{1B}]0;PWN\\u{7}\\u{202E}" in done.output or "\\x1b" in done.output


def test_no_name_of_a_root_does_something_to_a_terminal_through_json(tmp_path):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root \x9b31m\u202e")])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    nothing = {"encipher_only": False, "decipher_only": False}
    root = (
        x509.CertificateBuilder(name, name, key.public_key(), 4711, now, now + timedelta(days=3000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(*[False] * 5, key_cert_sign=True, crl_sign=True, **nothing), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "root.pem").write_bytes(root.public_bytes(form[0]) + key.private_bytes(*form))
    for command in (("adopt", "root.pem"), ("crl",), ("trust",)):
        done = on_a_terminal(*command, "--json")
        assert done.exit_code == 0, done.output
        assert "Root" in done.output
        assert not {"\x9b", "\u202e"} & set(done.output)
