"""The parametric script: what `opensslgen server` makes and refuses, by a shell and openssl alone."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click.testing
import idna
import pytest
from hypothesis import HealthCheck, given, settings

from opensslgen.cli.main import cli
from opensslgen.cli.script import script as script_command
from opensslgen.errors import UsageError
from opensslgen.gen_certs import replacement
from opensslgen.jobs import perform
from opensslgen.orders.order import leaf_order, root_order
from opensslgen.plan import issue, template
from opensslgen.plan import issue as recipes
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD
from opensslgen.plan.steps import Write
from opensslgen.x509.certificate import load

from .conftest import agreeing, opensslgen
from .daily import daily
from .jobs import summary
from .name_table import ANY, FIELDS, TABLE, cases, unescaped
from .needs import need, needs, program_path
from .openssls import OTHERS
from .shells import EACH_SHELL, SHELLS

SECRETS = {CA_PASSPHRASE: "correct horse", P12_PASSWORD: "battery staple"}
FAST = ("--key-type", "p-256")
NEEDED = (
    *("cat", "chmod", "cksum", "cp", "cut", "date", "env", "ln", "mkdir", "mktemp", "mv", "od", "printf", "rm"),
    *("rmdir", "sleep", "tr", "uname", "wc", "[", "echo", "false", "test", "true", "grep", "sed"),
)
"""All that there is beside a shell and openssl: coreutils, grep and sed."""

SUBJECT_OPTIONS = {
    "common_name": "--cn",
    "organization": "--org",
    "organizational_unit": "--org-unit",
    "country": "--country",
    "state": "--state",
    "locality": "--locality",
    "email_address": "--email",
}

EVERY_FIELD = (
    ("--cn", "PBX 'one'", "--org", 'O\'Neil $x & Söhne, "Inc." #1\\', "--org-unit", "R+D / `id`", "--country", "de")
    + ("--state", "${ENV::HOME}", "--locality", "Łódź ÿ Москва", "--email", "it@example.com")
)  # fmt: skip

SAME = {
    "root": [("root", *FAST, "--cn", "Test root")],
    "root-every-field": [("root", "--key-type", "P-384", "--days", "0400", *EVERY_FIELD)],
    "root-rsa-3072": [("root", "--key-type=rsa:3072", "--cn=Test root")],
    "server": [("server", "pbx.example.com", "--san", "DNS:sip.example.com, IP:10.0.0.5", "--san", "2001:db8::1")],
    "server-every-field": [("server", "pbx.example.com", *FAST, *EVERY_FIELD)],
    "server-names": [
        ("server", "*.Example.com", *FAST, "--key-type", "p-384")
        + ("--san", "DNS:*.example.com, it@Example.com, sip:Example.com, 10.0.0.5, URI:https://a@B.example:1/?x=%41")
        + ("--san", "::1, 2001:0DB8:0:0:1:0:0:1, 1::, ::10.0.0.1, 1:0:0:2:0:0:0:3, xn--bcher-kva.example, 10.0.0.5")
    ],
    "server-address": [("server", "2001:DB8::1", *FAST), ("server", "10.0.0.5", *FAST)],
    "server-short": [("server", "pbx.example.com", *FAST, "--days", "30", "--eku", "SERVERAUTH")],
    "server-usages": [
        ("server", "pbx.example.com", *FAST, "--eku", "serverAuth, 1.3.6.1.5.5.7.3.17")
        + ("--eku", "codeSigning,1.3.6.1.5.5.7.3.1,1.3.6.1.5.5.7.3.4", "--key-usage", "digitalSignature,keyAgreement")
    ],
    "server-allowed": [
        ("server", "pbx.example.com", *FAST, "--eku", "clientAuth", "--allow", "apple-eku")
        + ("--days", "2555", "--allow", "apple-validity")
    ],
    "server-p12": [("server", "pbx.example.com", *FAST, "--p12")],
    "server-p12-compat": [("server", "pbx.example.com", *FAST, "--p12-compat")],
    "three": [
        ("root", *FAST, "--cn", "Test root", "--org", "Acme"),
        ("server", "one.example.com", *FAST),
        ("server", "two.example.com", *FAST, "--org", "Acme"),
    ],
}  # fmt: skip
ONE_SHELL = {"root-rsa-3072", "server-allowed", "server-p12-compat", "server-short"}
"""What runs no other lines of the script than its neighbours do."""

WITH_PASSPHRASE = {
    "root": [("root", "--passphrase", *FAST, "--cn", "Test root")],
    "both": [("server", "pbx.example.com", *FAST), ("server", "two.example.com", *FAST)],
}


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "gen-certs.sh"
    path.write_text(replacement.gen_certs_script(version="1.2.3"), "utf-8")
    return path


@pytest.fixture(autouse=True)
def hostile_locale(monkeypatch):
    """A shell that counts letters instead of bytes must not matter, wherever there is such a locale."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def run(script, *arguments, shell="dash", cwd=None, prefix=(), new_ca=True, **environment):
    words = [arguments[0], "--new-ca", *arguments[1:]] if new_ca and arguments[:1] == ("server",) else arguments
    return subprocess.run(
        [*prefix, *SHELLS[shell], script, *words],
        env={**os.environ, **environment},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
    )


def made(script, *arguments, **options):
    done = run(script, *arguments, **options)
    assert done.returncode == 0, done.stderr
    return done


def bytes_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_nothing_left(pki):
    """No work folder and no lock: neither files nor folders whose name begins with a dot."""
    assert [path.name for path in pki.glob(".*") if path.name != ".lock"] == []


def as_text(told):
    files, certificates, index = told
    return repr((sorted(files.items()), sorted(certificates.items()), index))


# The form of the script


def test_it_is_clean_under_shellcheck(script):
    done = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_command_prints_it():
    done = click.testing.CliRunner().invoke(script_command, ["gen-certs"])
    assert done.exit_code == 0
    assert done.output.startswith("#!/bin/sh\n")
    assert "#include" not in done.output
    assert not re.search("@[A-Z]", done.output)
    assert "\nopensslgen script gen-certs" in click.testing.CliRunner().invoke(
        script_command, ["gen-certs", "--help"]
    ).output.replace("\n  ", "\n")


def test_the_extensions_come_from_the_templates(script):
    text = script.read_text("utf-8")
    for name in ("openssl-easyrsa.cnf", "root.cnf", "gen_certs.cnf", "v3_req.cnf"):
        assert template.without(template.shipped(name), "CRL_URL", "NAME_CONSTRAINTS") in text
    assert text.count(template.shipped("request.cnf")) == 2


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_help_and_version(script, shell, tmp_path):
    for option in ("-h", "--help"):
        done = made(script, option, shell=shell, cwd=tmp_path, PATH=os.environ["PATH"])
        assert "./gen-certs.sh server pbx.example.com --san IP:10.0.0.5" in done.stdout
        assert done.stderr == ""
        options = {line.split("|")[0] for line in re.findall(r"--[a-z][a-z0-9-]*", done.stdout)}
        assert {*SUBJECT_OPTIONS.values(), "--san", "--days", "--eku", "--p12-compat", "--allow", "--pki"} <= options
    assert made(script, "--version", shell=shell).stdout == "gen-certs.sh, opensslgen 1.2.3\n"
    assert list(tmp_path.iterdir()) == []


# The same inputs give the same


@pytest.fixture(scope="session")
def by_python(tmp_path_factory):
    """What `opensslgen` makes of the same command lines, each made once."""

    @functools.cache
    def make(name, *, encrypted=False):
        folder = tmp_path_factory.mktemp("python")
        for arguments in (WITH_PASSPHRASE if encrypted else SAME)[name]:
            done = click.testing.CliRunner().invoke(
                cli, [*agreeing(arguments), "--pki", str(folder / "pki")], env=secrets(encrypted)
            )
            assert done.exit_code == 0, done.output
        return as_text(summary(folder / "pki"))

    return make


def secrets(encrypted):
    return SECRETS if encrypted else {P12_PASSWORD: SECRETS[P12_PASSWORD]}


@pytest.mark.usefixtures("keys_as_shipped")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shell"), [(name, shell) for name in SAME for shell in SHELLS if shell == "dash" or name not in ONE_SHELL]
)
def test_it_makes_what_opensslgen_makes(script, name, shell, by_python, tmp_path):
    for arguments in SAME[name]:
        done = made(script, *arguments, shell=shell, cwd=tmp_path, **secrets(False))
    assert as_text(summary(tmp_path / "pki")) == by_python(name)
    assert_nothing_left(tmp_path / "pki")
    files = done.stdout.splitlines()
    assert files
    assert all((tmp_path / "pki").samefile(Path(file).parent.parent) or Path(file).name == "ca.crt" for file in files)


@pytest.mark.usefixtures("keys_as_shipped")
@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", WITH_PASSPHRASE)
def test_it_makes_what_opensslgen_makes_with_a_passphrase(script, name, shell, by_python, tmp_path):
    for arguments in WITH_PASSPHRASE[name]:
        made(script, *arguments, shell=shell, cwd=tmp_path, **SECRETS)
    assert as_text(summary(tmp_path / "pki")) == by_python(name, encrypted=True)
    key = tmp_path / "pki" / "private" / "ca.key"
    assert "ENCRYPTED" in key.read_text()
    for option, password, code in (("-passin", SECRETS[CA_PASSPHRASE], 0), ("-passin", "wrong", 1)):
        done = subprocess.run(
            ["openssl", "pkey", "-in", key, option, f"pass:{password}", "-noout"], capture_output=True
        )
        assert (done.returncode != 0) == code


@pytest.mark.slow
def test_opensslgen_goes_on_in_its_folder_and_it_in_that_of_opensslgen(script, tmp_path):
    made(script, "server", "one.example.com", *FAST, cwd=tmp_path)
    assert opensslgen("server", "two.example.com", *FAST, cwd=tmp_path).returncode == 0
    made(script, "server", "three.example.com", *FAST, cwd=tmp_path)
    assert (tmp_path / "pki" / "index.txt").read_text().count("\n") == 3
    root = load(tmp_path / "pki" / "ca.crt")
    for number in ("one", "two", "three"):
        found = perform.check(load(tmp_path / "pki" / "issued" / f"{number}.example.com.crt"), issuer=root)
        assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--p12", "--p12-compat"])
def test_the_p12_file_holds_key_certificate_and_root(script, option, tmp_path):
    made(script, "server", "pbx.example.com", *FAST, option, cwd=tmp_path, **secrets(False))
    told = subprocess.run(
        ["openssl", "pkcs12", "-in", tmp_path / "pki" / "private" / "pbx.example.com.p12", "-nodes"]
        + ["-passin", f"pass:{SECRETS[P12_PASSWORD]}"],
        capture_output=True,
        text=True,
    ).stdout  # fmt: skip
    assert (told.count("BEGIN CERTIFICATE"), told.count("PRIVATE KEY-----\n")) == (2, 2)
    assert "friendlyName: pbx.example.com" in told


@pytest.mark.slow
@pytest.mark.parametrize("program", OTHERS or ["openssl"])
@pytest.mark.parametrize("key_type", ["rsa-2048", "p-256"])
def test_every_openssl(script, program, key_type, tmp_path):
    (tmp_path / "garbage.cnf").write_text("openssl_conf = x\n[[[ garbage $$$\n")
    environment = {**SECRETS, "OPENSSLGEN_OPENSSL": program, "OPENSSL_CONF": str(tmp_path / "garbage.cnf")}
    for name in ("pbx.example.com", "two.example.com"):
        made(
            script, "server", name, "--san", "10.0.0.5, 2001:db8::1", "--key-type", key_type, "--org", "Zürich + Söhne",
            "--p12-compat", cwd=tmp_path, **environment,
        )  # fmt: skip
    pki = tmp_path / "pki"
    root = load(pki / "ca.crt")
    made_one = load(pki / "issued" / "pbx.example.com.crt")
    assert perform.check(root, profile="root") == []
    assert perform.check(made_one, issuer=root) == []
    assert made_one.validity == timedelta(days=820)
    assert [str(name) for name in made_one.names] == ["DNS:pbx.example.com", "IP:10.0.0.5", "IP:2001:db8::1"]
    assert made_one.extended_key_usage == ("serverAuth", "clientAuth")
    assert (pki / "index.txt").read_text().count("/O=Z\\xC3\\xBCrich \\+ S\\xC3\\xB6hne/CN=pbx.example.com\n") == 1
    assert_nothing_left(pki)


# What Python refuses, the script refuses


@pytest.fixture(scope="session")
def stub(tmp_path_factory):
    """A real openssl that stops at the first request, and shows with which configs it was asked for."""
    path = tmp_path_factory.mktemp("stub") / "openssl"
    path.write_text(
        f'#!/bin/sh\n[ "$1" != req ] || {{ cat v3_req.cnf request.cnf >"$SHOWN"; exit 1; }}\n'
        f'exec {shutil.which("openssl")} "$@"\n'
    )
    path.chmod(0o755)
    return path


class Asked:
    """What a shell makes of a value, up to the configs that openssl would read."""

    def __init__(self, script, stub, folder, shell="dash"):
        made(script, "root", *FAST, cwd=folder)
        self.script, self.shell, self.folder, self.stub = script, shell, folder, stub

    def __call__(self, function, text):
        """Return the configs, or None if the script refuses."""
        shown = self.folder / "shown"
        shown.unlink(missing_ok=True)
        arguments = [os.fsencode(argument) for argument in self.arguments(function, text)]
        done = run(
            self.script, "server", *arguments, shell=self.shell, cwd=self.folder,
            OPENSSLGEN_OPENSSL=str(self.stub), SHOWN=str(shown),
        )  # fmt: skip
        assert (self.folder / "pki" / "index.txt").read_text() == ""
        if shown.exists():
            assert done.returncode == 1
            return shown.read_text("utf-8")
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(r"(Note: [ -~]*\n)*Error: [ -~]+\n", done.stderr), done.stderr
        return None

    @staticmethod
    def arguments(function, text):
        if function == "subject":
            attribute, _, value = text.partition("=")
            return [f"{SUBJECT_OPTIONS[FIELDS[attribute]]}={value}", "--", "host.invalid"]
        return ["--", text] if function == "host" else [f"--san={text}", "host.invalid"]


ROOT = issue.Issuer(certificate="../ca.crt", key="../private/ca.key", encrypted=False)


def expected(function, text):
    """Return the configs that Python's plan has, or None if it refuses."""
    try:
        if function == "subject":
            attribute, _, value = text.partition("=")
            order = leaf_order("host.invalid", **{FIELDS[attribute]: value})
        else:
            order = leaf_order(text) if function == "host" else leaf_order("host.invalid", san=[text])
        plan = issue.leaf(order, ROOT)
    except UsageError:
        return None
    return "".join(step.text for step in plan.steps if isinstance(step, Write))


def passable(text):
    """Whether a text can be an argument at all."""
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)


def not_in_shell():
    """The cases above which the table says that the shell may refuse them."""
    lines = TABLE.read_text("utf-8").split("\n")
    marks = [number for number, line in enumerate(lines) if line == "#- not in shell"]
    rows = [lines[number + 1].split("\t") for number in marks]
    return {(row[0], unescaped(row[2])) for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_the_table_of_names(script, stub, shell, tmp_path):
    asked = Asked(script, stub, tmp_path, shell)
    not_known = not_in_shell()
    wrong, good = [], []
    for function, verdict, text, _ in cases():
        right = expected(function, text)
        assert (right is None) == (verdict == "error"), text
        if verdict == "ok" and function == "san" and (function, text) not in not_known and shell != "dash":
            good.append(text)
        elif passable(text):
            answer = asked(function, text)
            if answer != (None if (function, text) in not_known else right):
                wrong.append((function, text, answer, right))
    assert wrong == []
    # One shell takes each by itself; the others take all at once, which is faster.
    assert asked("san", ", ".join(good or ["x"])) == expected("san", ", ".join(good or ["x"]))


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_bytes_that_are_no_utf8(script, stub, shell, tmp_path):
    asked = Asked(script, stub, tmp_path, shell)
    for text in (
        "a\udcff",
        "a\udcc3",
        "\udcbcx",
        "\udced\udca0\udc80",
        "\udcc0\udc80",
        "\udcf8\udc88\udc80\udc80\udc80",
    ):
        assert asked("subject", f"O={text}") is None
        assert asked("san", f"{text}.example.com") is None


@pytest.fixture(scope="module")
def asked(script, stub, tmp_path_factory):
    return Asked(script, stub, tmp_path_factory.mktemp("asked"))


ANYTHING = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@ANYTHING
@given(ANY.filter(passable))
def test_what_is_taken_of_any_name_is_what_python_takes(asked, text):
    assert asked("san", text) in (None, expected("san", text))


@pytest.mark.slow
@ANYTHING
@given(ANY.filter(passable))
def test_what_is_taken_of_any_subject_is_what_python_takes(asked, text):
    assert asked("subject", f"O={text}") in (None, expected("subject", f"O={text}"))


ADDRESSES = (
    "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "0:0:0:0:0:0:0:0",
    "1:0:0:1:0:0:1:1", "1:0:0:1:0:0:0:1", "0:1:0:1:0:1:0:1", "00a::0B", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
    "64:ff9b::1.2.3.4",
    "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1::2:3:4:5:6:7:8", "::1::", ":::", ":1::2", "1::2:", "1:2:3:4:5:6:7:",
    ":", "1:",
    "::12345", "::g", "::1.2.3", "::1.2.3.256", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:0:0",
    "0::ffff:1:2",
    "::01.2.3.4", "1.2.3.4:5:6", "0.0.0.0", "255.255.255.255", "1.2.3.4.5", "1..2.3", "1.2.3.", ".1.2.3", "1e1.2.3.4",
)  # fmt: skip
LABELS = (
    "xn--bcher-kva", "xn--fa-hia", "xn--r8jz45g", "xn--zckzah", "xn--80ak6aa92e", "xn--hxajbheg2az3al",
    "xn--9t4b11yi5a",
    "xn--a", "xn--", "xn--a-", "xn---", "xn--abc-", "xn--99999999", "xn--zzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "xn--0ca", "xn--ls8h", "xn--a_-yka",
    "xn--a_-kva", "xn--ab--c-kva", "xn--kva", "xn--4ca", "xn--nda", "xn--ss-fsa9a", "xn--mgba3a4f16a", "xn--1ch",
)  # fmt: skip


UNKNOWN = {"xn--80ak6aa92e", "xn--mgba3a4f16a", "xn--ab--c-kva"}


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_addresses_and_punycode_one_by_one(script, stub, shell, tmp_path):
    asked = Asked(script, stub, tmp_path, shell)
    texts = [*ADDRESSES, *(f"{label}.example" for label in LABELS)]
    good = [text for text in texts if expected("san", text)]
    # Letters that it does not know, and two hyphens before the code, it refuses although they may be right.
    known = [text for text in good if text.partition(".")[0] not in UNKNOWN]
    assert len(good) - len(known) == len(UNKNOWN)
    assert asked("san", ",".join(known)) == expected("san", ",".join(known))
    for text in texts:
        assert text in known or asked("san", text) is None, text


@pytest.mark.slow
def test_its_letters_are_valid_in_names(script):
    """Every letter that the script takes inside punycode, and what it leaves out beside it."""
    text = script.read_text("utf-8")
    function = text[text.index("is_letter() {") : text.index("# parse_ip TEXT")]
    loop = "point=128; while [ $point -lt 56000 ]; do ! is_letter $point || echo $point; point=$((point + 1)); done"
    done = subprocess.run(["dash", "-c", f"{function}\n{loop}"], capture_output=True, text=True)
    points = list(map(int, done.stdout.split()))
    assert len(points) > 30_000
    for point in points:
        assert idna.alabel(f"a{chr(point)}{chr(point)}b"), point


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "write ./gen-certs.sh server NAME"),
        (("make",), "unknown command 'make'"),
        (("server",), "needs a NAME"),
        (("server", ""), "the name is empty"),
        (("server", "a.example", "b.example"), "one argument too many"),
        (("root", "a.example"), "one argument too many"),
        (("server", "a.example", "--force"), "unknown option '--force'"),
        (("server", "a.example", "-x"), "unknown option '-x'"),
        (("server", "a.example", "--san"), "--san needs a value"),
        (("server", "a.example", "--passphrase"), "an option of root"),
        (("root", "--san", "a.example"), "an option of server"),
        (("root", "--p12"), "an option of server"),
        (("server", "a.example", "--days", "0"), "from 1 to 36500"),
        (("server", "a.example", "--days", "36501"), "more than 36500"),
        (("server", "a.example", "--days", "99999999999999999999"), "from 1 to 36500"),
        (("server", "a.example", "--days", "-1"), "from 1 to 36500"),
        (("server", "a.example", "--days", "1+1"), "from 1 to 36500"),
        (("server", "a.example", "--days", ""), "from 1 to 36500"),
        (("server", "a.example", "--days", "$(id)"), "from 1 to 36500"),
        (("server", "a.example", "--key-type", "rsa-1024"), "unknown key type"),
        (("server", "a.example", "--key-type", "rsa-2048\n"), "line break"),
        (("server", "a.example", "--key-type", ""), "unknown key type"),
        (("server", "a.example", "--eku", "serverauthentication"), "unknown --eku"),
        (("server", "a.example", "--eku", "serverAuth,"), "unknown --eku"),
        (("server", "a.example", "--eku", "1."), "unknown --eku"),
        (("server", "a.example", "--eku", "*"), "unknown --eku '*'"),
        (("server", "a.example", "--key-usage", "1.2.3"), "unknown --key-usage"),
        (("server", "a.example", "--allow", "everything"), "unknown rule"),
        (("server", "a.example", "--allow", ""), "unknown rule"),
        (("server", "a.example", "--pki", ""), "--pki is empty"),
        (("server", "ca", "--cn", "x"), "would name the files of the root"),
        (("server", "CA"), "would name the files of the root"),
        (("server", "a.example", "--p12"), "set OPENSSLGEN_P12_PASSWORD"),
        (("root", "--passphrase"), "set OPENSSLGEN_CA_PASSPHRASE"),
        (("server", "a" * 60 + "." + "b" * 60), "at most 64"),
        (("server", ".".join(["a" * 50] * 4) + ".abc", "--cn", "x"), "too long to name a file"),
        (("server", "a.example", "--org", "x\ny"), "line break"),
        (("server\n", "a.example"), "line break"),
    ],
)
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_wrong_command_line_is_refused_before_anything_is_made(script, shell, arguments, message, tmp_path):
    done = run(script, *arguments, shell=shell, cwd=tmp_path, OPENSSLGEN_OPENSSL="/nowhere/openssl")
    assert done.returncode == 2, done
    assert message in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "rule", "message"),
    [
        (("--days", "826"), "apple-validity", "it is valid for 826 days; the maximum is 825 days"),
        (("--eku", "clientAuth"), "apple-eku", "its extended key usage is clientAuth; serverAuth"),
        (("--eku", "1.3.6.1.5.5.7.3.17"), "apple-eku", "serverAuth (1.3.6.1.5.5.7.3.1) is needed"),
        (("--days", "826", "--eku", "clientAuth", "--allow", "apple-eku"), "apple-validity", "the maximum is 825 days"),
    ],
)
def test_a_broken_rule_is_named_as_opensslgen_names_it(script, arguments, rule, message, tmp_path):
    said = opensslgen("server", "a.example", *arguments).stderr
    for shell in SHELLS:
        done = run(script, "server", "a.example", *arguments, shell=shell, cwd=tmp_path)
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr == said
        assert f"--allow {rule}" in done.stderr
        assert not (tmp_path / "pki").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (CA_PASSPHRASE, "abc", "shorter than 4"),
        (CA_PASSPHRASE, "äöü", "shorter than 4"),
        (CA_PASSPHRASE, "a" * 1001, "longer than 1000"),
        (CA_PASSPHRASE, "abcd\nefgh", "line break"),
        (CA_PASSPHRASE, "abcd\t", "cannot be used"),
        (CA_PASSPHRASE, "abcd\r", "cannot be used"),
        (CA_PASSPHRASE, "abcd\u202e", "cannot be used"),
        (P12_PASSWORD, "abc", "shorter than 4"),
        (P12_PASSWORD, "pässwort", "cannot be used"),
        (P12_PASSWORD, "abcd\n", "line break"),
    ],
)
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_secret_that_some_openssl_does_not_take_is_refused(script, *, shell, name, value, message, tmp_path):
    done = run(script, "server", "a.example", "--p12", shell=shell, cwd=tmp_path, **{**SECRETS, name: value})
    assert done.returncode == 2, done
    assert message in done.stderr
    assert value not in done.stderr
    assert not (tmp_path / "pki").exists()


@pytest.mark.slow
def test_long_input(script, tmp_path):
    longest = [".".join([letter * 49] * 5) + ".abc" for letter in "abcdefghijklmnopqrstuvwxyz"]
    sans = [f"--san={name}" for name in longest] + [f"--san={', '.join(f'10.0.{i}.1' for i in range(100))}"]
    for shell in SHELLS:
        made(script, "server", "pbx.example.com", *sans, *FAST, "--pki", shell, shell=shell, cwd=tmp_path)
        names = load(tmp_path / shell / "issued" / "pbx.example.com.crt").names
        assert [name.value for name in names[:27]] == ["pbx.example.com", *longest]
        assert len(names) == 127
        for arguments in (
            ("server", "x" * 100_000),
            ("server", "a.example", "--san", "x" * 100_000),
            ("server", "a.example", "--san", "x," * 50_000),
            ("server", "a.example", "--san", "x." * 50_000),
            ("server", "a.example", "--org", "x" * 100_000),
            ("server", "a.example", "--days", "9" * 100_000),
            ("server", "a.example", "--eku", "9," * 50_000),
            ("server", "a.example", "-" + "x" * 100_000),
            ("server", "a.example", "--allow", "x" * 100_000),
        ):
            begin = time.monotonic()
            done = run(script, *arguments, shell=shell, cwd=tmp_path)
            assert done.returncode == 2, (shell, arguments[2][:20], done.stderr)
            assert len(done.stderr) < 1500
            assert time.monotonic() - begin < 5, (shell, arguments[-1][:20])


# With nothing but a shell, openssl, coreutils, grep and sed


def libraries(program):
    """The shared libraries of a program, and its loader."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", told.stdout) if told.returncode == 0 else []


def put(root, program, name=None):
    """Copy a program and its libraries into another root."""
    for path in (program, *libraries(program)):
        place = root / (f"bin/{name}" if path == program and name else path.lstrip("/"))
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copy(path, place)


@pytest.fixture
def chroot(tmp_path):
    """Return a function that runs commands in a root that holds only what was put there."""
    need("root", "mount")
    root = tmp_path / "root"
    for folder in ("bin", "dev", "tmp", "work"):
        (root / folder).mkdir(parents=True)
    put(root, shutil.which("openssl"), "openssl")
    devices = ("null", "urandom")
    for device in devices:
        (root / "dev" / device).touch()
    mount = shutil.which("mount")
    mounts = " && ".join(f"{mount} --bind /dev/{device} {root}/dev/{device}" for device in devices)

    def inside(*command, **environment):
        return subprocess.run(
            [
                "unshare",
                "-m",
                "sh",
                "-c",
                f'{mounts} && cd / && exec {shutil.which("chroot")} "$@"',
                "sh",
                root,
                *command,
            ],
            env={"PATH": "/bin", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    inside.root = root
    return inside


@pytest.mark.parametrize("tools", daily(("gnu-dash", "gnu-bash", "gnu-mksh", "busybox"), "busybox"))
def test_with_nothing_else(script, tools, chroot, by_python, keys_as_shipped):
    root = chroot.root
    if tools == "busybox":
        put(root, program_path("busybox"), "busybox")
        for name in ("sh", *NEEDED):
            (root / "bin" / name).symlink_to("busybox")
    else:
        put(root, program_path(tools.removeprefix("gnu-")), "sh")
        for name in NEEDED:
            put(root, shutil.which(name), name)
    shutil.copy(script, root / "work" / "gen-certs.sh")
    for name in ("server-every-field", "server-p12"):
        for arguments in SAME[name]:
            done = chroot(
                "/bin/sh", "/work/gen-certs.sh", *agreeing(arguments), "--pki", f"/work/{name}", **secrets(False)
            )
            assert done.returncode == 0, done.stderr
        assert as_text(summary(root / "work" / name)) == by_python(name)
    done = chroot(
        "/bin/sh", "/work/gen-certs.sh", "server", "--new-ca", "a.example", "--days", "900", "--pki", "/work/none"
    )
    assert (done.returncode, "apple-validity" in done.stderr) == (1, True)
    done = chroot("/bin/sh", "/work/gen-certs.sh", "server", "--new-ca", "a$b.example", "--pki", "/work/none")
    assert (done.returncode, "'a$b.example'" in done.stderr) == (2, True)


# What goes wrong


WRONG = (
    (
        ("\nextendedKeyUsage = $EXTENDED_KEY_USAGE", "\nextendedKeyUsage = clientAuth"),
        "lacks the extended key usage",
    ),
    (("\nextendedKeyUsage = $EXTENDED_KEY_USAGE", ""), "lacks the extended key usage"),
    (('choose_validity "$days"', "choose_validity 821"), "valid for 821 days and not for 820"),
    (("CA=CA:TRUE", "CA=CA:FALSE"), "openssl verify does not accept"),
    (("subjectAltName = $SUBJECT_ALT_NAME\nsubjectKeyIdentifier = hash\nauth", "auth"), "lacks the name DNS:pbx"),
    (("-set_serial", "-no_such_option -set_serial"), "this command failed"),
    (("decide\n    for", "false\n    for"), ""),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "change", "message"),
    # Each in one shell or another, and a wrong extended key usage in all.
    [(shell, *WRONG[0]) for shell in SHELLS]
    + [(list(SHELLS)[number % len(SHELLS)], *wrong) for number, wrong in enumerate(WRONG) if number],
)
def test_it_publishes_nothing_if_what_came_out_is_wrong(script, shell, change, message, tmp_path):
    text = script.read_text("utf-8")
    assert change[0] in text
    (tmp_path / "wrong.sh").write_text(text.replace(*change), "utf-8")
    done = run(tmp_path / "wrong.sh", "server", "pbx.example.com", *FAST, shell=shell, cwd=tmp_path)
    assert done.returncode == 1, done
    assert message in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.sh"]


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_nothing_is_overwritten(script, shell, tmp_path):
    pki = tmp_path / "pki"
    made(script, "server", "pbx.example.com", *FAST, "--p12", shell=shell, cwd=tmp_path, **SECRETS)
    everything = bytes_below(pki)
    names = ("private/{}.key", "reqs/{}.req", "issued/{}-chain.pem", "issued/{}.crt", "private/{}.p12")
    for name in names if shell == "dash" else names[:1]:
        (pki / name.format("two.example.com")).symlink_to("nowhere")
        done = run(script, "server", "two.example.com", *FAST, "--p12", shell=shell, cwd=tmp_path, **SECRETS)
        assert done.returncode == 1
        assert f"{name.format('two.example.com')} exists: nothing is overwritten" in done.stderr
        (pki / name.format("two.example.com")).unlink()
    for arguments in (("root",), ("server", "pbx.example.com"), ("server", "PBX.example.com", "--san=x.example")):
        done = run(script, *arguments, *FAST, shell=shell, cwd=tmp_path, **SECRETS)
        assert (done.returncode, "exists" in done.stderr) == (1, True)
    assert bytes_below(pki) == everything
    assert_nothing_left(pki)


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_no_leaf_outlives_its_root(script, shell, tmp_path):
    made(script, "root", "--days", "100", *FAST, shell=shell, cwd=tmp_path)
    done = run(script, "server", "pbx.example.com", "--days", "101", *FAST, shell=shell, cwd=tmp_path)
    assert done.returncode == 2
    assert "would outlive the root" in done.stderr
    assert "Hint: --days 99 is the most" in done.stderr
    assert not (tmp_path / "pki" / "issued").exists() or not list((tmp_path / "pki" / "issued").iterdir())
    done = made(script, "server", "pbx.example.com", *FAST, shell=shell, cwd=tmp_path)
    assert "valid for 99 days instead of 820, because the root expires on" in done.stderr
    certificate = load(tmp_path / "pki" / "issued" / "pbx.example.com.crt")
    assert certificate.validity == timedelta(days=99)
    assert certificate.not_after <= load(tmp_path / "pki" / "ca.crt").not_after


def test_a_root_that_ends_today_signs_nothing(script, tmp_path):
    made(script, "root", "--days", "1", *FAST, cwd=tmp_path)
    before = bytes_below(tmp_path / "pki")
    done = run(script, "server", "pbx.example.com", *FAST, cwd=tmp_path)
    assert (done.returncode, "expires within a day, or has expired" in done.stderr) == (1, True)
    assert bytes_below(tmp_path / "pki") == before


@pytest.mark.parametrize(
    ("options", "rule", "message"),
    [
        (("-newkey", "rsa:1024", "-sha256"), "apple-key-size", "the root has an RSA key of 1024 bits"),
        (("-newkey", "rsa:2048", "-sha1"), "apple-signature-hash", "the root is signed with 'sha1WithRSA"),
    ],
)
def test_a_root_that_apple_does_not_take_is_refused(script, options, rule, message, tmp_path):
    pki = tmp_path / "pki"
    (pki / "private").mkdir(parents=True)
    subprocess.run(
        ["openssl", "req", "-x509", *options, "-nodes", "-subj", "/CN=Old root", "-days", "1000"]
        + ["-keyout", pki / "private" / "ca.key", "-out", pki / "ca.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    before = bytes_below(pki)
    done = run(script, "server", "pbx.example.com", *FAST, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert f"[{rule}]" in done.stderr
    assert bytes_below(pki) == before
    made(script, "server", "pbx.example.com", *FAST, "--allow", rule, cwd=tmp_path)


def wrapper(folder, name, text):
    """Put a program of this name before the real one, which it finds in $REAL; return the PATH for it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\nREAL={shutil.which(name)}\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.mark.slow
def test_an_openssl_that_fails_or_lies(script, tmp_path):
    for text, message in (
        ("exit 1", "no openssl found"),
        ("exit 0", "openssl rand gave no serial number"),
        ('[ "$1" != req ] || exit 0; exec $REAL "$@"', "openssl cannot read ca.crt"),
        ('[ "$1 $2" != "x509 -req" ] || exit 0; exec $REAL "$@"', "openssl cannot read server.crt"),
        ('[ "$1" != verify ] || { echo server.crt: not OK; exit 0; }; exec $REAL "$@"', "does not accept"),
        ('$REAL "$@" || exit; [ "$1" != req ] || [ ! -f server.key ] || echo x >server.key', "cannot read"),
        ('[ "$1 $4" != "pkey -pubout" ] || { echo other; exit; }; exec $REAL "$@"', "do not belong together"),
        ('[ "$1" != pkcs12 ] || { : >server.p12; exit 0; }; exec $REAL "$@"', "openssl made no server.p12"),
    ):
        path = wrapper(tmp_path / "bin", "openssl", text)
        done = run(script, "server", "pbx.example.com", *FAST, "--p12", cwd=tmp_path, PATH=path, **secrets(False))
        assert done.returncode == 1, (text, done)
        assert message in done.stderr
        assert not (tmp_path / "pki").exists()


@pytest.mark.slow
def test_no_secret_is_ever_an_argument(script, tmp_path):
    log = tmp_path / "log"
    for name in (*NEEDED, "openssl"):
        path = wrapper(tmp_path / "bin", name, f'echo "$0 $*" >>{log}\nexec $REAL "$@"')
    for shell in SHELLS:
        arguments = ("server", "pbx.example.com", *FAST, "--p12", "--pki", shell)
        made(script, *arguments, shell=shell, cwd=tmp_path, PATH=path, **SECRETS)
    told = log.read_text("latin-1")
    assert told.count("OPENSSLGEN_CA_PASSPHRASE") >= 8
    assert not [secret for secret in SECRETS.values() if secret in told]


def is_whole(pki):
    """Whether all of a server's files are there, or none; what is there is recorded, and private where it must be."""
    names = ("private/{}.key", "reqs/{}.req", "issued/{}-chain.pem", "issued/{}.crt")
    there = [(pki / name.format("pbx.example.com")).exists() for name in names]
    index = (pki / "index.txt").read_text() if (pki / "index.txt").exists() else ""
    assert len(set(there)) == 1, there
    assert index.count("/CN=pbx.example.com\n") == there[0]
    assert (pki / "ca.crt").exists() == (pki / "private" / "ca.key").exists()
    if there[0]:
        serial = load(pki / "issued" / "pbx.example.com.crt").serial_hex
        assert serial in index
        serials = (serial, load(pki / "ca.crt").serial_hex)
        copies = {f"{number}.{suffix}" for number in serials for suffix in ("pem", "cnf", "sh")}
        assert {path.name for path in (pki / "certs_by_serial").iterdir()} == copies
    for path in pki.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return there[0]


KILLED = [
    *(("openssl", number, "before") for number in (2, 5, 9, 14)),
    # The files that are published, with a link each; the list of them gets its name by the first mv, the index by the
    # second.
    *(("ln", number, "before") for number in range(1, 8)),
    *((program, 1, when) for program in ("mv", "rm") for when in ("before", "after")),
    *((program, number, "after") for program, number in (("mv", 2), ("ln", 7), ("mktemp", 1), ("cp", 1))),
]


@pytest.mark.slow
@pytest.mark.parametrize(("program", "number", "when"), KILLED)
def test_a_kill_leaves_all_or_nothing_to_the_next_run(script, program, number, when, tmp_path):
    """The whole process group is killed beside the n-th call of a program, and a second run cleans up."""
    counted = f'echo >>{tmp_path}/calls; [ "$(wc -l <{tmp_path}/calls)" -ne {number} ]'
    steps = {
        "before": f'{counted} || kill -9 0\nexec $REAL "$@"',
        "after": f'$REAL "$@"; code=$?\n{counted} || kill -9 0\nexit $code',
    }
    path = wrapper(tmp_path / "bin", program, steps[when])
    shell = list(SHELLS)[number % len(SHELLS)]
    killed = subprocess.Popen(
        [*SHELLS[shell], script, "server", "pbx.example.com", "--new-ca", *FAST],
        env={**os.environ, "PATH": path},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert killed.wait(60) == -signal.SIGKILL
    pki = tmp_path / "pki"
    for path in pki.rglob("*"):
        assert not (path.is_file() and b"PRIVATE" in path.read_bytes() and path.stat().st_mode & 0o077)
    done = run(script, "server", "other.example.com", "--new-ca", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for path in (pki / "certs_by_serial").glob("*.pem"):
        if load(path).subject.common_name == "other.example.com":
            for suffix in (".pem", ".cnf", ".sh"):
                path.with_suffix(suffix).unlink()
    is_whole(pki)
    assert_nothing_left(pki)


@pytest.mark.slow
def test_interrupts_leave_nothing(script, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for shell in SHELLS:
            path = wrapper(
                tmp_path / "bin", "openssl", f'[ "$1" != req ] || kill -{int(number)} $PPID\nexec $REAL "$@"'
            )
            done = run(script, "root", *FAST, shell=shell, cwd=tmp_path, PATH=path)
            assert done.returncode in (128 + number, -number), (shell, number, done)
            assert not (tmp_path / "pki").exists(), (shell, number)


@pytest.mark.slow
def test_two_at_once(script, tmp_path):
    names = ["a.example", "b.example", "c.example", "a.example"]

    def start(job):
        return run(script, "server", job[1], *FAST, shell=list(SHELLS)[job[0]], cwd=tmp_path).returncode

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(start, enumerate(names)))
    assert sorted([codes[0], codes[3]]) == [0, 1]
    assert codes[1:3] == [0, 0]
    pki = tmp_path / "pki"
    root = load(pki / "ca.crt")
    for name in set(names):
        assert perform.check(load(pki / "issued" / f"{name}.crt"), issuer=root) == []
    assert (pki / "index.txt").read_text().count("\n") == 3
    assert len(list((pki / "certs_by_serial").glob("*.pem"))) == 3 + 1  # the root's
    assert_nothing_left(pki)


@pytest.mark.slow
def test_a_lock_in_use_is_named(script, tmp_path):
    lock = tmp_path / "pki" / ".lock.script"
    lock.mkdir(parents=True)
    (lock / "pid").write_text(f"{os.getpid()}\n")
    path = wrapper(tmp_path / "bin", "sleep", "exit 0")
    done = run(script, "server", "pbx.example.com", cwd=tmp_path, PATH=path)
    assert done.returncode == 1
    assert f"is in use by process {os.getpid()}" in done.stderr
    assert [entry.name for entry in (tmp_path / "pki").iterdir()] == [".lock.script"]
    # One without a number is left between two steps.
    (lock / "pid").unlink()
    made(script, "root", *FAST, cwd=tmp_path, PATH=path)
    assert_nothing_left(tmp_path / "pki")


@pytest.mark.slow
@needs("root", "mount")
def test_a_full_disk(script, tmp_path):
    """A file system of so many pages fills up at each of the steps in turn."""
    (tmp_path / "disk").mkdir()
    failures = successes = 0
    for pages in range(2, 60, 4):
        mount = f"mount -t tmpfs -o size={pages * 4}k,mode=700 small {tmp_path}/disk"
        look = f'"$@"; code=$?; cp -a {tmp_path}/disk {tmp_path}/copy; exit $code'
        done = run(
            script, "server", "pbx.example.com", "--pki", tmp_path / "disk" / "pki", *FAST,
            prefix=("unshare", "-m", "sh", "-c", f"{mount} && {look}", "sh"),
        )  # fmt: skip
        pki = tmp_path / "copy" / "pki"
        assert done.returncode in (0, 1), done
        if done.returncode == 1:
            failures += 1
            assert not pki.exists(), (pages, list(pki.rglob("*")))
            assert done.stderr
        else:
            successes += 1
            assert is_whole(pki)
        shutil.rmtree(tmp_path / "copy")
    assert failures >= 5
    assert successes >= 1


@pytest.mark.slow
def test_hostile_settings_and_folders(script, tmp_path):
    (tmp_path / "hostile.cnf").write_text("openssl_conf = x\n[x]\nengines = y\n[y]\n[[[ garbage $$$\n")
    names = ("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SSL_CERT_FILE", "SSL_CERT_DIR", "RANDFILE")
    hostile = {name: str(tmp_path / "hostile.cnf") for name in names}
    mine = ("IFS", "CDPATH", "names", "country", "cn", "allowed", "bits", "p12", "work", "NL", "status", "encrypted")
    hostile |= dict.fromkeys(mine, "$(exit 9); x")
    place = tmp_path / "Zürich *"
    place.mkdir()
    for shell, folder in zip(SHELLS, ("-noout", "a b $x 'q' #1 *", "-", "x?[y]"), strict=True):
        made(script, "server", "pbx.example.com", *FAST, f"--pki={folder}", shell=shell, cwd=place, **hostile)
        assert is_whole(place / folder)
        subject = load(place / folder / "issued" / "pbx.example.com.crt").subject
        assert str(subject) == "CN=pbx.example.com"
    made(script, "root", *FAST, cwd=tmp_path, OPENSSLGEN_PKI="elsewhere")
    assert (tmp_path / "elsewhere" / "ca.crt").exists()


def test_a_relative_openssl(script, tmp_path):
    wrapper(tmp_path / "bin", "openssl", f'echo >>{tmp_path}/used; exec $REAL "$@"')
    made(script, "root", *FAST, cwd=tmp_path, OPENSSLGEN_OPENSSL="bin/openssl")
    assert (tmp_path / "used").exists()


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_dates_go_on_after_2038(script, shell, tmp_path):
    """Some shells count in 32 bits, which end in January 2038."""
    path = wrapper(
        tmp_path / "bin", "date", 'case "$*" in *%s*) echo 4102444800;; *) echo "Jan  1 00:00:00 2100";; esac'
    )
    functions = template.shipped("functions.sh")
    end = "openssl() { echo ' -not_before'; }; choose_validity 820; echo $validity"
    done = subprocess.run(
        [*SHELLS[shell], "-c", f"{functions}\n{end}"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    begin = datetime(2099, 12, 31, 23, tzinfo=timezone.utc)
    assert done.stdout == f"-not_before {begin:%Y%m%d%H%M%SZ} -not_after {begin + timedelta(days=820):%Y%m%d%H%M%SZ}\n"


def test_what_is_written_is_what_root_order_has(script, stub, tmp_path):
    shown = tmp_path / "shown"
    shown_by = tmp_path / "openssl"
    shown_by.write_text(f'#!/bin/sh\n[ "$1" != req ] || {{ cat ca.cnf >{shown}; exit 1; }}\nexec openssl "$@"\n')
    shown_by.chmod(0o755)
    assert run(script, "root", *EVERY_FIELD, cwd=tmp_path, OPENSSLGEN_OPENSSL=str(shown_by)).returncode == 1
    fields = {field: EVERY_FIELD[EVERY_FIELD.index(option) + 1] for field, option in SUBJECT_OPTIONS.items()}
    config = next(step for step in recipes.root(root_order(**fields)).steps if isinstance(step, Write))
    assert shown.read_text("utf-8") == config.text


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_it_creates_no_ca_unless_somebody_says_so(script, shell, tmp_path):
    done = run(script, "server", "a.example", *FAST, new_ca=False, shell=shell, cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no certificate authority (CA)" in done.stderr
    assert "--new-ca" in done.stderr
    assert list(tmp_path.iterdir()) == []
