"""What a new user meets in the first minutes: no CA by accident, commands that can be pasted, no nasty surprises."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import NameOID

import opensslgen as library
from opensslgen.cli.main import cli
from opensslgen.jobs.hook import run_post_hook
from opensslgen.jobs.new_ca import limits_of
from opensslgen.names.general import parse_names
from opensslgen.orders.order import root_name
from opensslgen.x509.certificate import load

from .conftest import CHECKOUT, make_root, make_server
from .daily import daily
from .der_writer import tlv
from .mistakes import contents
from .openssls import EACH
from .signing_requests import KEY, asking, written

FAST = ("--key-type", "p-256")
CN = NameOID.COMMON_NAME


def typed(*arguments, stdin=None, **env):
    """Type a command in this process."""
    return CliRunner().invoke(cli, [*map(str, arguments)], input=stdin, env=env, prog_name="opensslgen")


def good(*arguments, **options):
    done = typed(*arguments, **options)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture
def terminal(monkeypatch):
    """Somebody sits at a terminal."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)


def name_of_ca(pki="pki"):
    return load(f"{pki}/ca.crt").subject.common_name


# A second CA by accident

INVENTORY = "name\na.example.com\n"
CREATING = {
    "server": ("server", "a.example.com", *FAST),
    "client": ("client", "a.example.com", *FAST),
    "batch": ("batch", "sites.csv", *FAST),
    "printed": ("server", "a.example.com", *FAST, "--script"),
    "commands": ("server", "a.example.com", *FAST, "--commands"),
}


@pytest.mark.parametrize("quiet", [(), ("-q",), ("--json",)], ids=str)
@pytest.mark.parametrize("arguments", CREATING.values(), ids=CREATING)
def test_no_ca_is_created_unless_somebody_says_so(arguments, quiet):
    Path("sites.csv").write_text(INVENTORY)
    done = typed(*arguments, *quiet)
    assert done.exit_code == 2
    assert "there is no certificate authority (CA) in pki" in done.stderr
    for way in ("--new-ca", "--yes", "--pki"):
        assert way in done.stderr
    assert not Path("pki").exists()


@pytest.mark.parametrize("way", ["--new-ca", "--yes", "-y", "--ca-name=Acme CA"])
@pytest.mark.parametrize("command", daily(CREATING, "server", "printed", "commands"))
def test_each_way_creates_one(command, way):
    arguments = CREATING[command]
    Path("sites.csv").write_text(INVENTORY)
    good(*arguments, way)
    if "--script" not in arguments and "--commands" not in arguments:
        assert "Acme" not in way or name_of_ca() == "Acme CA"
        good(*("server", "b.example.com"), *FAST)


def test_no_program_gets_one_by_accident_either():
    with pytest.raises(library.Error, match="no certificate authority"):
        library.server("a.example.com", key_type="p-256")
    assert not Path("pki").exists()
    library.server("a.example.com", key_type="p-256", ca_name="Acme CA")
    assert name_of_ca() == "Acme CA"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "pbx.example.com CA"),
        (("--org", "Example Ltd"), "Example Ltd"),
        (("--ca-name", "My CA", "--org", "Example Ltd"), "My CA"),
    ],
)
def test_its_name_is_one_that_people_recognise(options, expected):
    good("server", "pbx.example.com", "--new-ca", *FAST, *options)
    assert name_of_ca() == expected


@pytest.mark.parametrize(
    ("host", "expected"), [("*.example.com", "example.com CA"), ("a" * 40 + "." + "b" * 40 + ".example", None)]
)
def test_a_long_or_odd_host_still_gives_a_name(host, expected):
    name = root_name(None, host=host)
    assert len(name) <= 64
    assert name == (expected or "b" * 40 + ".example CA")


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("\n", "pbx.example.com CA"),
        ("yes\n", "pbx.example.com CA"),
        ("Acme CA\n", "Acme CA"),
        (f"{'x' * 65}\nAcme CA\n", "Acme CA"),
    ],
)
def test_on_a_terminal_it_asks_once_for_the_name(answer, name, terminal):
    done = good("server", "pbx.example.com", *FAST, stdin=answer)
    assert "No certificate authority in ./pki. Create one? Name [pbx.example.com CA]: " in done.stderr
    assert name_of_ca() == name
    assert "No certificate authority" not in good("server", "b.example.com", *FAST).output


@pytest.mark.parametrize(("answer", "permitted"), [("y", True), ("", False), ("n", False), ("maybe", False)])
def test_on_a_terminal_it_offers_to_limit_the_ca(answer, permitted, terminal):
    done = good("server", "pbx.example.com", "--san", "DNS:sip.example.org,IP:10.0.0.5", *FAST, stdin=f"\n{answer}\n")
    assert "Limit it to example.com and example.org and 10.0.0.5? " in done.stderr
    extensions = x509.load_pem_x509_certificate(Path("pki/ca.crt").read_bytes()).extensions
    found = [extension for extension in extensions if isinstance(extension.value, x509.NameConstraints)]
    assert bool(found) is permitted
    if permitted:
        names = {str(name.value) for name in found[0].value.permitted_subtrees}
        assert names == {"example.com", "example.org", "10.0.0.5/32"}
        assert typed("server", "pbx.example.net", *FAST).exit_code == 1


@pytest.mark.parametrize(
    ("names", "limits"),
    [
        ("pbx.example.com", ("example.com",)),
        ("*.example.com", ("example.com",)),
        ("pbx.local", ("pbx.local",)),
        ("pbx", ("pbx",)),
        ("a.example.com, b.example.com", ("example.com",)),
        ("10.0.0.5", ()),
    ],
)
def test_the_limits_come_from_its_own_names(names, limits):
    assert limits_of(tuple(parse_names(names))) == limits


@pytest.mark.parametrize("answer", ["no\n", "n\n", ""])
def test_a_no_creates_nothing(answer, terminal):
    assert typed("server", "pbx.example.com", *FAST, stdin=answer).exit_code != 0
    assert not Path("pki").exists()


@pytest.mark.parametrize("inside", ["private", "issued", "reqs", "revoked/certs_by_serial", "elsewhere"])
def test_a_folder_inside_that_of_a_ca_is_recognised(inside, authority):
    make_root(authority)
    before = contents(Path("pki"))
    for command in ("server", "list", "trust"):
        arguments = ("a.example.com", *FAST) if command == "server" else ()
        done = typed(command, *arguments, "--pki", f"pki/{inside}")
        assert done.exit_code == 2
        assert done.stderr.count("--pki pki") == 1, done.stderr if command == "server" else ""
    assert contents(Path("pki")) == before
    is_part = inside != "elsewhere"
    assert typed("server", "a.example.com", "--new-ca", *FAST, "--pki", f"pki/{inside}").exit_code == (
        2 if is_part else 0
    )


def test_in_a_folder_of_a_ca_itself_the_way_to_it_is_named(authority, monkeypatch):
    make_root(authority)
    monkeypatch.chdir("pki")
    done = typed("server", "a.example.com", *FAST)
    assert done.exit_code == 2
    assert "--pki ." in done.stderr


def test_a_lost_ca_certificate_is_restored_and_its_key_never_replaced(authority):
    make_server(authority)
    Path("pki/ca.crt").unlink()
    key = Path("pki/private/ca.key").read_bytes()
    for arguments in (("server", "b.example.com", "--new-ca"), ("root",), ("root", "--force")):
        done = typed(*arguments, *FAST)
        assert done.exit_code == 1
        assert "--force" not in done.stderr
        assert Path("pki/private/ca.key").read_bytes() == key
    cure = re.search(r"to restore it: (cp [^;]*);", done.stderr)[1]
    subprocess.run(["sh", "-ec", cure], check=True)
    good("server", "b.example.com", *FAST)


def test_a_ca_of_another_name_is_not_taken_for_the_one_that_was_named(authority):
    make_root(authority, common_name="Acme CA")
    assert "has a CA already, Acme CA" in typed("server", "a.example.com", "--ca-name", "Other CA", *FAST).stderr
    good("server", "a.example.com", "--ca-name", "Acme CA", *FAST)


# The nightly renewal keeps the .p12

PASSWORD = {"OPENSSLGEN_P12_PASSWORD": "battery staple"}


@pytest.fixture
def imported(authority):
    """A server whose appliance takes a .p12 of the compatible form."""
    make_root(authority)
    good("server", "pbx.example.com", "--p12-compat", *FAST, **PASSWORD)
    return Path("pki/private/pbx.example.com.p12")


def nightly(*options):
    """Run what `script cron` prints, as cron does, but for all certificates."""
    line = good("script", "cron", "--within", 36500, *options).stdout.splitlines()[-1]
    words = shlex.split(line.split(" root ", 1)[1].replace("\\%", "%"))
    return typed(*[{"--within": "--all"}.get(word, word) for word in words[words.index("renew") :] if word != "36500"])


def test_it_makes_a_new_one_in_the_same_form_and_the_hook_finds_it(imported):
    old = imported.read_bytes()
    Path("password").write_text("battery staple\n")
    done = nightly("--p12-password-file", "password", "--deploy-hook", 'echo "[$OPENSSLGEN_P12]"')
    assert done.exit_code == 0, done.output
    assert f"[{imported.absolute()}]" in done.stderr
    new = imported.read_bytes()
    assert new != old
    assert (
        load_pkcs12(new, b"battery staple").cert.certificate.public_bytes(Encoding.DER)
        == load("pki/issued/pbx.example.com.crt").der
    )
    pbe_sha1_3des = bytes.fromhex("060a2a864886f70d010c0103")
    assert pbe_sha1_3des in new
    assert pbe_sha1_3des in old


def test_without_its_password_it_fails_and_leaves_all_files(imported):
    before = contents(Path("pki"))
    done = nightly()
    assert done.exit_code != 0
    assert "pbx.example.com was not renewed: the password of the PKCS#12 file is needed" in done.stderr
    assert "--no-p12" in done.stderr
    assert contents(Path("pki")) == before


def test_what_would_fail_at_night_is_said_by_day(imported):
    assert "--p12-password-file" in typed("script", "cron").stderr
    assert typed("script", "cron", "--p12-password-file", "password").stderr == ""


def test_without_the_file_it_renews_if_somebody_says_so(imported):
    good("renew", "pbx.example.com", "--no-p12")
    assert not imported.exists()
    good("renew", "pbx.example.com")


def test_a_key_that_is_gone_leaves_the_old_ones(imported):
    Path("pki/private/pbx.example.com.key").unlink()
    before = contents(Path("pki"))
    done = typed("renew", "pbx.example.com", **PASSWORD)
    assert done.exit_code == 1
    assert "cannot be made again" in done.stderr
    assert contents(Path("pki")) == before


def test_a_batch_keeps_it_as_well(imported):
    Path("sites.csv").write_text("name,days\npbx.example.com,300\n")
    before = contents(Path("pki"))
    done = typed("batch", "sites.csv", "-q", *FAST)
    assert done.exit_code == 1
    assert "--p12-password-file" in done.stderr
    assert contents(Path("pki")) == before
    good("batch", "sites.csv", "-q", *FAST, **PASSWORD)
    certificate = load_pkcs12(imported.read_bytes(), b"battery staple").cert.certificate
    assert certificate.public_bytes(Encoding.DER) == load("pki/issued/pbx.example.com.crt").der


def test_a_password_without_a_use_is_noted(authority):
    make_server(authority)
    Path("password").write_text("battery staple\n")
    done = good("renew", "pbx.example.com", "--p12-password-file", "password")
    assert "--p12-password-file was not used" in done.stderr


# Hints that lead to the same CA


@pytest.fixture
def place(authority, openssl, tmp_path):
    """A CA in a folder with a space, and an openssl that notes that it was called; both have to be named."""
    program = tmp_path / "my openssl"
    program.write_text(f'#!/bin/sh\necho >>{shlex.quote(str(tmp_path / "called"))}\nexec {openssl.path} "$@"\n')
    program.chmod(0o755)
    return ("--pki", "my pki", "--openssl", str(program))


def suggested(text):
    """Return the commands in a text, each as its words; they end with the line, or before a mark of the sentence."""
    found = []
    for line in text.splitlines():
        for begin in re.finditer(r"(?<!\S)\(?(?=opensslgen [a-z])", line):
            command, quoted = "", False
            for char in line[begin.end() :]:
                quoted ^= char == "'"
                if char in "();," and not quoted:
                    break
                command += char
            found.append(shlex.split(command))
    return found


SITUATIONS = {
    "root": ([], ("root", *FAST), ["server"]),
    "server": (["root"], ("server", "a.example.com", *FAST), ["trust"]),
    "intermediate": (["root"], ("intermediate", "site", *FAST), ["adopt"]),
    "adopt": ([], ("adopt", "elsewhere/ca.crt", "--key", "elsewhere/private/ca.key"), ["trust", "server"]),
    "revoke": (["root", "server"], ("revoke", "pbx.example.com", "--yes"), ["crl"]),
    "renew": (["root", "server"], ("renew", "pbx.example.com"), ["revoke", "trust"]),
    "no CA": ([], ("sign", "box.req", "--yes"), ["root"]),
    "no root": ([], ("trust",), ["root"]),
    "unknown name": (["root", "server"], ("show", "nobody.example.com"), ["list"]),
    "revoked": (["root", "server", "revoke"], ("renew", "pbx.example.com"), ["server"]),
    "old list": (["root", "server", "crl"], ("list",), ["crl"]),
}
STEPS = {
    "root": ("root", *FAST),
    "server": ("server", "pbx.example.com", "--san", "10.0.0.5", *FAST),
    "revoke": ("revoke", "pbx.example.com", "--yes"),
    "crl": ("crl", "--days", "3"),
}


@pytest.mark.parametrize(
    "situation", daily(SITUATIONS, "adopt", "no CA", "no root", "old list", "root", "unknown name")
)
def test_each_suggested_command_works_when_it_is_pasted(situation, place, tmp_path):
    steps, arguments, expected = SITUATIONS[situation]
    written(asking(x509.DNSName("box.example.com")))
    good("root", *FAST, "--pki", "elsewhere")
    for step in steps:
        good(*STEPS[step], *place)
    own = place[:2] if arguments[0] in ("list", "show") else place
    commands = suggested(typed(*arguments, *own).output)
    assert [words[1] for words in commands] == expected
    others = contents(tmp_path / "elsewhere")
    for words in commands:
        (tmp_path / "called").unlink(missing_ok=True)
        pasted = ["new.example.com" if word == "NAME" else word for word in words[1:]]
        pasted += ["--yes"] if words[1] == "revoke" else []
        done = good(*pasted)
        assert words[1] in ("list", "adopt") or "my pki" in words
        # Without --openssl, where it was not typed or has no use.
        assert (tmp_path / "called").exists() or words[1] == "list" or own == place[:2], done.output
    assert contents(tmp_path / "elsewhere") == others
    assert not Path("pki").exists()


def test_the_command_that_shares_the_root_names_the_folder(place):
    good("root", *FAST, *place)
    (words,) = suggested(good("trust", *place).output)
    assert words[1:3] == ["trust", "--share"]
    assert words[3:] == [*place]


def test_a_program_that_is_not_on_the_path_is_called_as_it_was_typed(tmp_path):
    program = Path("bin/opensslgen")
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom opensslgen.cli.main import main\nmain()\n")
    program.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([program, "trust"], env=environment, capture_output=True, text=True)
    assert "Hint: bin/opensslgen root\n" in done.stderr


# One answer to what is due


def test_list_and_renew_agree_and_say_from_when(authority):
    make_server(authority, "new.example.com", days=300)
    (line,) = [line for line in typed("list", "--within", 300).stdout.splitlines() if "new.example.com" in line]
    certificate = load("pki/issued/new.example.com.crt")
    due = f"{certificate.not_after - certificate.validity / 3:%Y-%m-%d}"
    assert f"due for renewal from {due}" in line
    done = good("renew", "--within", 300)
    assert f"new.example.com expires in 299 days, on {certificate.not_after:%Y-%m-%d}; due from {due}" in done.stdout
    assert "no certificate expires" not in done.stdout
    rows = json.loads(typed("list", "--within", 300, "--json").stdout)["certificates"]
    assert [row["due_from"][:10] for row in rows] == [due]


def test_all_renews_each_but_the_root_and_a_hook_runs_once_at_the_end(authority):
    make_server(authority, "a.example.com")
    make_server(authority, "b.example.com")
    root = Path("pki/ca.crt").read_bytes()
    done = good(
        "renew",
        "--all",
        "-q",
        "--deploy-hook",
        'echo "one $OPENSSLGEN_NAME"',
        "--post-hook",
        'echo "end $OPENSSLGEN_NAMES"',
    )
    assert done.stderr.split("\n") == ["one a.example.com", "one b.example.com", "end a.example.com b.example.com", ""]
    assert Path("pki/ca.crt").read_bytes() == root


def test_nothing_renewed_is_no_reason_for_the_hook_at_the_end(authority):
    make_server(authority)
    assert "never" not in good("renew", "--within", 1, "--post-hook", "echo never").output


def test_the_old_name_of_the_hook_still_works(authority):
    make_server(authority)
    assert "said" in good("renew", "pbx.example.com", "--hook", "echo said").stderr
    assert "--hook " not in good("renew", "--help").output


def test_a_failing_hook_at_the_end_is_a_failure(authority, openssl):
    make_server(authority)
    assert typed("renew", "pbx.example.com", "--post-hook", "exit 7").exit_code == 1
    with pytest.raises(library.Error, match="the post-hook failed with exit code 7"):
        run_post_hook("exit 7", [], store=authority.store, openssl=openssl, on_output=lambda _: None)


# A wrong passphrase


RIGHT = {"OPENSSLGEN_CA_PASSPHRASE": "correct horse"}
LOCKED = {
    "server": ("server", "a.example.com", "--p12"),
    "client": ("client", "a.example.com", "--p12"),
    "sign": ("sign", "box.req"),
    "renew": ("renew", "pbx.example.com"),
    "renew all": ("renew", "--all"),
    "revoke": ("revoke", "pbx.example.com"),
    "crl": ("crl",),
    "intermediate": ("intermediate", "site", "--new-passphrase"),
    "passwd": ("passwd",),
    "batch": ("batch", "sites.csv"),
}


@pytest.fixture(scope="module")
def locked_office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    good("root", *FAST, "--pki", folder / "pki", **RIGHT)
    good("server", "pbx.example.com", *FAST, "--pki", folder / "pki", **RIGHT)
    return folder


@pytest.fixture
def locked(locked_office, tmp_path):
    shutil.copytree(locked_office, tmp_path, dirs_exist_ok=True)
    written(asking(x509.DNSName("box.example.com")))
    Path("sites.csv").write_text("name,p12\na.example.com,yes\n")
    return contents(Path("pki"))


@pytest.mark.parametrize("command", daily(LOCKED, "batch", "crl", "sign"))
def test_a_wrong_passphrase_is_one_sentence_and_the_first_answer(command, locked):
    """Everything else that the command needs is missing as well."""
    arguments = LOCKED[command]
    yes = ("--yes",) if arguments[0] in ("sign", "revoke") else ()
    done = typed(*arguments, *yes, OPENSSLGEN_CA_PASSPHRASE="not this one")
    assert done.exit_code == 1
    assert done.stderr == "Error: this is not the passphrase of pki/private/ca.key\n"
    assert contents(Path("pki")) == locked


@pytest.mark.parametrize("command", daily(LOCKED, "passwd", "renew", "server"))
def test_on_a_terminal_it_can_be_typed_three_times(command, locked, terminal):
    done = typed(*LOCKED[command], stdin="wrong one\nwrong two\nwrong three\nnever asked\n")
    assert done.exit_code == 1
    assert done.stderr.count("Error: this is not the passphrase of pki/private/ca.key") == 3
    assert contents(Path("pki")) == locked


def test_the_third_may_be_right(locked, terminal):
    good("server", "a.example.com", *FAST, stdin="wrong one\nwrong two\ncorrect horse\n")
    done = good("renew", "--all", stdin="wrong one\ncorrect horse\n")
    assert done.stderr.lower().count("passphrase of the root's key:") == 2


def test_a_key_to_adopt_has_the_same_sentence(locked, terminal):
    good("adopt", "pki/ca.crt", "--key", "pki/private/ca.key", "--pki", "new", stdin="wrong one\ncorrect horse\n")
    wrong = typed(
        "adopt", "pki/ca.crt", "--key", "pki/private/ca.key", "--pki", "newer", OPENSSLGEN_CA_PASSPHRASE="not this one"
    )
    assert wrong.exit_code == 1
    assert wrong.stderr == "Error: this is not the passphrase of pki/private/ca.key\n"


# What was ignored


def test_the_single_file_is_named_to_cron():
    Path("app").mkdir()
    shutil.copytree(CHECKOUT / "opensslgen", "app/opensslgen")
    shutil.copytree(CHECKOUT / "templates", "app/opensslgen/templates")
    zipapp.create_archive("app", "opensslgen.pyz", main="opensslgen.cli.main:main")
    done = subprocess.run(
        [sys.executable, "opensslgen.pyz", "script", "cron"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout.splitlines()[-1].split(" root ", 1)[1])
    assert words[: words.index("renew")] == [sys.executable, str(Path("opensslgen.pyz").absolute())]
    told = subprocess.run([*words[: words.index("renew")], "--version"], cwd="/", capture_output=True, text=True)
    assert told.stdout.startswith("opensslgen, version")


@pytest.mark.parametrize(("option", "code"), [("-h", 0), ("--help", 0), ("-x", 1), ("--pki", 1)])
def test_a_printed_script_explains_itself_and_makes_no_folder_of_an_option(option, code, authority):
    make_root(authority)
    Path("make.sh").write_text(good("server", "a.example.com", "--script").stdout)
    done = subprocess.run(["sh", "make.sh", option], capture_output=True, text=True)
    assert done.returncode == code
    assert "usage: sh make.sh [PKI-FOLDER]" in done.stdout + done.stderr
    assert not Path(option).exists()


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("pbx.example.com", "pbx.example.com:443"),
        ("10.0.0.5", "10.0.0.5:443"),
        ("pbx.example.com:https", "pbx.example.com:443"),
        ("server.crt", None),
        ("pki/issued/a.crt", None),
        ("notes", None),
    ],
)
def test_a_server_without_its_port_is_recognised(target, meant):
    done = typed("audit", target)
    assert done.exit_code == 2
    assert "no such file or directory" in done.stdout
    assert (f"for a server, write {meant}" in done.stdout) == (meant is not None)


def test_an_underscore_gets_a_remark(authority):
    make_root(authority)
    assert "my_box.example.com has an underscore" in good("server", "my_box.example.com", *FAST).stderr
    assert "underscore" not in good("server", "my-box.example.com", *FAST).stderr


# Subjects of the real world


def joined_subject():
    """A subject with a relative distinguished name of two attributes, as Cisco writes it."""
    pair = [
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "77"),
        x509.NameAttribute(NameOID.UNSTRUCTURED_NAME, "r.example.com"),
    ]
    return x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")]),
            x509.RelativeDistinguishedName(pair),
        ]
    )


@pytest.mark.parametrize("keep", [(), ("--keep-key",)], ids=str)
def test_a_joined_subject_is_signed_and_renewed_unchanged(keep, authority):
    make_root(authority)
    builder = x509.CertificateSigningRequestBuilder(joined_subject())
    written(builder)
    good("sign", "box.req", "--san", "r.example.com")
    (Path("pki/private/r.example.com.key")).write_bytes(KEY.private_bytes(Encoding.PEM, *_plain()))
    good("renew", "r.example.com", *keep)
    subject = x509.load_pem_x509_certificate(Path("pki/issued/r.example.com.crt").read_bytes()).subject
    assert [{(part.oid, part.value) for part in group} for group in subject.rdns] == [
        {(part.oid, part.value) for part in group} for group in joined_subject().rdns
    ]


def _plain():
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    return PrivateFormat.PKCS8, NoEncryption()


@pytest.mark.parametrize("binary", EACH)
def test_another_subject_can_be_set(binary, authority, openssl):
    make_root(authority)
    written(asking(x509.DNSName("a.example.com"), subject=((CN, "x" * 65),)))
    assert typed("sign", "box.req", "--yes").exit_code == 2
    done = typed("sign", "box.req", "--yes", "--cn", "Größe/1+2", "--org", "Acme", "--openssl", binary)
    if "cannot x509 -force_pubkey" in done.stderr:
        return
    assert done.exit_code == 0, done.output
    made = x509.load_pem_x509_certificate(Path("pki/issued/a.example.com.crt").read_bytes())
    assert made.subject.rfc4514_string() == "CN=Größe/1\\+2,O=Acme"
    assert made.public_key() == KEY.public_key()
    assert made.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value == x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    assert typed("audit", "pki").exit_code == 0
    good("renew", "a.example.com")
    assert load("pki/issued/a.example.com.crt").subject == load("pki/issued/a.example.com.crt.old-" + _stamp()).subject


def _stamp():
    (old,) = Path("pki/issued").glob("a.example.com.crt.old-*")
    return old.name.partition(".old-")[2]


@pytest.mark.parametrize(("version", "code"), [(0, 0), (1, 0), (2, 0), (3, 2)])
def test_a_request_of_another_version_is_read(version, code, authority):
    """certbot and salt write version 3."""
    make_root(authority)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    der = asking(x509.DNSName("box.example.com")).sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    tbs = bytearray(x509.load_der_x509_csr(der).tbs_certrequest_bytes)
    at = tbs.index(b"\x02\x01\x00") + 2
    tbs[at] = version
    signature = KEY.sign(bytes(tbs), ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    Path("box.der").write_bytes(tlv(0x30, bytes(tbs) + algorithm + tlv(0x03, b"\0" + signature)))
    assert typed("sign", "box.der", "--yes").exit_code == code


REAL = {
    "Active Directory": (
        (NameOID.DOMAIN_COMPONENT, "com"),
        (NameOID.DOMAIN_COMPONENT, "example"),
        (CN, "a.example.com"),
    ),
    "easy-rsa --req-serial": ((CN, "a.example.com"), (NameOID.SERIAL_NUMBER, "77")),
    "person": ((NameOID.GIVEN_NAME, "Ada"), (NameOID.SURNAME, "Lovelace"), (NameOID.USER_ID, "ada"), (CN, "Ada L")),
    "address": ((NameOID.STREET_ADDRESS, "Main St 1"), (NameOID.POSTAL_CODE, "12345"), (CN, "a.example.com")),
    "Cisco": ((NameOID.UNSTRUCTURED_NAME, "r.example.com"), (CN, "a.example.com")),
    "two of each": (
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "A"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "B"),
        (CN, "x"),
        (CN, "y"),
    ),
    "none": (),
}


@pytest.mark.parametrize("subject", REAL.values(), ids=REAL)
def test_real_subjects_are_signed_and_renewed_with_a_new_key(subject, authority):
    make_root(authority)
    written(asking(x509.DNSName("a.example.com"), subject=subject))
    good("sign", "box.req", "--san", "a.example.com", "--name", "box")
    Path("pki/private/box.key").write_bytes(KEY.private_bytes(Encoding.PEM, *_plain()))
    good("renew", "box")
    made = x509.load_pem_x509_certificate(Path("pki/issued/box.crt").read_bytes())
    assert made.public_key() != KEY.public_key()
    assert [(part.oid, part.value) for part in made.subject] == list(subject)
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical is not bool(subject)


# Output


def test_an_audit_of_a_folder_lists_what_is_wrong_and_the_total(authority):
    make_server(authority, "good.example.com")
    good("server", "long.example.com", "--days", 900, "--allow", "apple-validity", *FAST)
    done = typed("audit", "pki")
    assert done.exit_code == 1
    listed = [line for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert listed[:-1]
    assert all("violates the rules" in line for line in listed[:-1])
    assert re.match(r"\d+ of \d+ comply, \d+ violate the rules", listed[-1])
    assert "-v also lists" in listed[-1]
    everything = typed("audit", "pki", "-v").stdout
    assert "good.example.com.crt: complies" in everything
    assert "-v also lists" not in everything
    assert "complies" in typed("audit", "pki/issued/good.example.com.crt").stdout


def test_the_next_step_is_one_line(authority):
    make_root(authority)
    for arguments in (("server", "a.example.com", *FAST), ("renew", "ca"), ("intermediate", "site", *FAST), ("trust",)):
        text = good(*arguments).stdout
        assert text.splitlines()[-1].startswith("Next: "), text


def test_backdating_is_a_matter_for_the_doctor(authority):
    make_root(authority)
    assert "backdated" not in good("server", "a.example.com", *FAST).output
    assert "backdating" in typed("doctor").stdout
