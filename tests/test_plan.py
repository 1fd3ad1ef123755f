"""A plan by equality, and every recipe both ways: run by us, and printed as a script and run by the shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click.testing
import pytest
from cryptography import x509 as asked

from opensslgen.cli.main import COMMANDS, cli
from opensslgen.gen_certs.patch import patcher_script
from opensslgen.gen_certs.replacement import gen_certs_script
from opensslgen.jobs.issue import leaf_job, root_job
from opensslgen.jobs.job import issuer_of
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.revoke import revocation_job, revocation_list_job
from opensslgen.names.general import parse_names
from opensslgen.openssl.run import run_together
from opensslgen.openssl.workplace import Workplace
from opensslgen.orders import from_request
from opensslgen.orders.kinds import SELF_SIGNED
from opensslgen.orders.order import leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.plan import issue, secrets, template
from opensslgen.plan.script import as_commands, as_script
from opensslgen.plan.steps import Check, Join, Plan, Publish, Record, Run, Serial, Validity, What, Write
from opensslgen.x509.certificate import load

from .conftest import CHECKOUT, EC, make_root, make_server, no_secret
from .daily import daily
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, request_from_elsewhere, summary
from .shells import EACH_SHELL, SHELLS

DAILY = daily(
    RECIPES,
    "root-limited",
    "server-second",
    "server-p12",
    "client",
    "self-signed",
    "intermediate",
    "csr-only",
    "signed",
)


@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", DAILY)
def test_run_and_script_make_the_same(name, shell, openssl, tmp_path):
    run, printed = Store(tmp_path / "run" / "pki"), Store(tmp_path / "printed" / "pki")
    for store in (run, printed):
        store.path.parent.mkdir()
        if name in NEEDS_ROOT:
            first = Authority(store, openssl, no_secret)
            make_root(first, common_name="Test root")
            make_server(first, "first.example.com")
    script = as_script(job_of(name, printed).plan, version="test")
    assert not set(SECRETS.values()) & set(re.split(r"[\n']", script))
    Authority(run, openssl, SECRETS.__getitem__).make(lambda: job_of(name, run))
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=script,
        cwd=printed.path.parent,
        env={**os.environ, **SECRETS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert summary(printed.path) == summary(run.path)
    assert not [path for path in printed.path.iterdir() if path.name.startswith(".script")]


@pytest.mark.parametrize("name", daily(RECIPES, "intermediate"))
def test_a_script_is_clean_under_shellcheck(name, authority, tmp_path):
    if name in NEEDS_ROOT:
        make_root(authority)
    (tmp_path / "script.sh").write_text(as_script(job_of(name, authority.store).plan, version="test"))
    done = subprocess.run(["shellcheck", "-s", "sh", tmp_path / "script.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def script_of(tmp_path, name="server-short"):
    return as_script(job_of(name, Store(tmp_path / "pki")).plan, version="test")


def run_script(script, tmp_path, shell="dash", **environment):
    return subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=script,
        cwd=tmp_path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("extendedKeyUsage = serverAuth", "extendedKeyUsage = clientAuth"), "lacks the extended key usage"),
        (("extendedKeyUsage = serverAuth", ""), "lacks the extended key usage"),
        (("choose_validity 30", "choose_validity 31"), "valid for 31 days and not for 30"),
        (("critical,CA:TRUE", "critical,CA:FALSE"), "openssl verify does not accept"),
        (("choose_validity 3650", "choose_validity 7"), "valid for 7 days"),
    ],
)
def test_a_script_stops_if_what_came_out_is_wrong(change, message, shell, tmp_path):
    script = script_of(tmp_path)
    assert change[0] in script
    done = run_script(script.replace(*change), tmp_path, shell)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "pki").exists()


def test_a_script_sees_a_leaf_that_would_outlive_its_root(tmp_path):
    script = (
        script_of(tmp_path).replace("choose_validity 3650", "choose_validity 7").replace(" ca.crt 3650 ", " ca.crt 7 ")
    )
    done = run_script(script, tmp_path)
    assert done.returncode == 1
    assert "would outlive its issuer" in done.stderr


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_script_refuses_existing_files(shell, tmp_path):
    script = script_of(tmp_path)
    assert run_script(script, tmp_path, shell).returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = run_script(script, tmp_path, shell)
    assert done.returncode == 1
    assert "exists: nothing is overwritten" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_script_needs_the_secrets_it_names(tmp_path):
    done = run_script(script_of(tmp_path, "root-passphrase"), tmp_path)
    assert done.returncode == 1
    assert "set OPENSSLGEN_CA_PASSPHRASE in the environment first" in done.stderr


def test_a_script_runs_in_a_folder_with_spaces_and_without_home(tmp_path):
    folder = tmp_path / "Büro 1 $x"
    folder.mkdir()
    done = subprocess.run(
        ["env", "-i", f"PATH={os.environ['PATH']}", "dash", "/dev/stdin", "my pki"],
        input=script_of(tmp_path),
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "my pki" / "issued" / "pbx.example.com.crt").exists()


# The form of what is printed


@pytest.mark.parametrize("name", RECIPES)
def test_a_script_begins_with_what_it_does_and_has_no_function_that_it_does_not_call(name, authority):
    if name in NEEDS_ROOT:
        make_root(authority)
    plan = job_of(name, authority.store).plan
    script = as_script(plan, version="test")
    code = [line for line in script.splitlines() if line and not line.startswith("#")]
    assert (code[0], code[-1]) == ("main() {", 'main "$@"')
    story, helpers = script.split("\n}\n", 1)
    assert story.count("run openssl") == sum(isinstance(step, Run) for step in plan.steps)
    assert not re.search(r"\brun openssl", helpers)
    functions = re.findall(r"^(\w+)\(\) [{(]$", script, re.MULTILINE)
    assert len(functions) == len(set(functions)) > 20
    without_comments = re.sub(r"^ *#.*$", "", script, flags=re.MULTILINE)
    assert [name for name in functions if len(re.findall(rf"\b{name}\b", without_comments)) < 2] == []
    assert "copy_database" not in functions


PRINTED = {
    "script": lambda: as_script(issue.root(root_order(common_name="Test root", key_type=EC)), version="test"),
    "gen-certs": lambda: gen_certs_script(version="test"),
    "patch": patcher_script,
}
ARGUMENTS = {"script": [], "gen-certs": ["root", "--key-type", "p-256"], "patch": ["gen_certs.sh"]}


@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", PRINTED)
def test_a_script_that_ends_too_soon_does_nothing(name, shell, tmp_path):
    text = PRINTED[name]()
    (tmp_path / "gen_certs.sh").write_bytes((CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh").read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    whole = text.rindex("main")
    for length in (*range(1, whole, whole // 25), whole - 1, whole, whole + 3):
        subprocess.run(
            [*SHELLS[shell], "/dev/stdin", *ARGUMENTS[name]],
            input=text[:length],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before, length
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin", *ARGUMENTS[name]], input=text, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 2


# The commands alone

TWO_SHELLS = EACH_SHELL[:2]
"""Those that people paste into: dash and bash."""


def usages_of(certificate):
    known = {
        asked.ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
        asked.ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
        asked.ExtendedKeyUsageOID.EMAIL_PROTECTION: "emailProtection",
    }
    try:
        return {known[oid] for oid in certificate.extensions.get_extension_for_class(asked.ExtendedKeyUsage).value}
    except asked.ExtensionNotFound:
        return set()


def names_of(certificate):
    kinds = {asked.DNSName: "DNS", asked.IPAddress: "IP", asked.RFC822Name: "email"}
    kinds[asked.UniformResourceIdentifier] = "URI"
    try:
        names = certificate.extensions.get_extension_for_class(asked.SubjectAlternativeName).value
    except asked.ExtensionNotFound:
        return set()
    return {f"{kinds[type(name)]}:{name.value}" for name in names}


def paste(text, shell, folder):
    return subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=text,
        cwd=folder,
        env={**os.environ, **SECRETS},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shell", TWO_SHELLS)
@pytest.mark.parametrize("name", DAILY)
def test_the_commands_make_what_the_plan_says(name, shell, openssl, tmp_path):
    pki = tmp_path / "pki"
    if name in NEEDS_ROOT:
        make_root(Authority(Store(pki), openssl, no_secret), common_name="Test root")
    before = {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()}
    plan = job_of(name, Store(pki)).plan
    text = as_commands(plan, version="test")
    assert text.startswith("# These commands neither check nor publish anything")
    assert "../" not in text
    assert not set(SECRETS.values()) & set(re.split(r"[\n']", text))
    done = paste(text, shell, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()} == before
    checks = [step for step in plan.steps if isinstance(step, Check)]
    assert checks or name == "csr-only"
    for check in checks:
        made = asked.load_pem_x509_certificate((tmp_path / check.certificate).read_bytes())
        assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(days=check.days)
        assert abs(made.not_valid_before_utc - datetime.now(timezone.utc)) < timedelta(minutes=5)
        assert usages_of(made) == set(check.extended_key_usage)
        assert names_of(made) == {str(name) for name in check.names}
        assert made.serial_number.bit_length() > 64
        issuer = tmp_path / check.issuer.replace("../", "pki/")
        made.verify_directly_issued_by(asked.load_pem_x509_certificate(issuer.read_bytes()))
    for key in tmp_path.glob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_the_commands_for_a_server_are_few(authority):
    make_root(authority)
    text = as_commands(job_of("server-second", authority.store).plan, version="test")
    assert len(text.splitlines()) < 40
    assert len(re.findall("^openssl ", text, re.MULTILINE)) == 3


@pytest.mark.parametrize("name", DAILY)
def test_commands_are_clean_under_shellcheck(name, authority, tmp_path):
    if name in NEEDS_ROOT:
        make_root(authority)
    text = as_commands(job_of(name, authority.store).plan, version="test")
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shell", TWO_SHELLS)
@pytest.mark.parametrize("folder", ["pki", "Büro 1 $x #2 'q'", "-pki", "pki\\"])
def test_the_commands_that_revoke_make_a_list(folder, shell, openssl, tmp_path):
    store = Store(tmp_path / folder)
    authority = Authority(store, openssl, no_secret)
    make_server(authority, "old.example.com")
    authority.make(lambda: revocation_list_job(store=store))
    root = asked.load_pem_x509_certificate((store.path / "ca.crt").read_bytes())
    old = asked.load_pem_x509_certificate((store.path / "issued" / "old.example.com.crt").read_bytes())
    for number, (plan, revoked) in enumerate(
        (
            (revocation_list_job(store=store).plan, []),
            (revocation_job("old.example.com", store=store).plan, [old.serial_number]),
        )
    ):
        work = tmp_path / f"work{number}"
        work.mkdir()
        (work / folder).symlink_to(store.path)
        done = paste(as_commands(plan, version="test", folder=folder), shell, work)
        assert done.returncode == 0, done.stderr
        made = asked.load_pem_x509_crl((work / "crl.pem").read_bytes())
        assert made.is_signature_valid(root.public_key())
        assert [entry.serial_number for entry in made] == revoked
        assert asked.load_der_x509_crl((work / "crl.der").read_bytes()) == made
    assert (store.path / "index.txt").read_text().startswith("V")
    assert (work / "index.txt").read_text().startswith("R")


def test_a_folder_with_a_line_break_stays_in_its_comment(authority):
    make_root(authority)
    text = as_commands(job_of("server-second", authority.store).plan, version="test", folder="a\ntouch bad")
    assert not re.search("^touch bad'[.]$", text, re.MULTILINE)


def test_a_template_of_the_users_finds_no_passphrase(openssl, tmp_path):
    """As in the script: openssl would read $ENV:: in it, and put what it finds into the certificate."""
    store = Store(tmp_path / "pki")
    order = root_order(common_name="Test root", encrypted=True, key_type=EC)
    Authority(store, openssl, SECRETS.__getitem__).make(lambda: root_job(order, store=store))
    template = "[ v3_req ]\nextendedKeyUsage = serverAuth\nsubjectAltName = $SUBJECT_ALT_NAME\n"
    order = leaf_order("pbx.example.com", key_type=EC, template=template)
    plan = leaf_job(order, store=store, root=root_order(), fixed_days=False).plan
    text = as_commands(plan, version="test")
    log = tmp_path / "log"
    (tmp_path / "openssl").write_text(f'#!/bin/sh\nenv >>{log}\nexec {shutil.which("openssl")} "$@"\n')
    (tmp_path / "openssl").chmod(0o755)
    signing = text[text.index("(unset") :]
    assert paste(text, "dash", tmp_path).returncode == 0
    done = subprocess.run(
        ["dash", "/dev/stdin"],
        input=signing,
        cwd=tmp_path,
        env={**os.environ, **SECRETS, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = log.read_text()
    assert "PATH=" in told
    assert SECRETS[secrets.CA_PASSPHRASE] not in told


def commands_that_print():
    commands = {name: cli.get_command(None, name) for name in COMMANDS}
    options = {name: {option.name for option in command.params} for name, command in commands.items()}
    # `patch` prints a program that mends scripts; no openssl command is in it.
    return [name for name, names in options.items() if "script" in names and name != "patch"]


def test_every_command_that_prints_a_script_prints_commands():
    assert len(commands_that_print()) >= 12
    for name in commands_that_print():
        assert "--commands" in click.testing.CliRunner().invoke(cli, [name, "--help"]).output


@pytest.mark.parametrize("both", [("--script", "--commands"), ("--commands", "--script")])
@pytest.mark.parametrize("name", commands_that_print())
def test_script_and_commands_exclude_each_other(name, both, tmp_path):
    done = click.testing.CliRunner().invoke(cli, [name, *both])
    assert done.exit_code == 2
    assert "--script cannot be used with --commands" in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_them_and_makes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["server", "--new-ca", "pbx.example.com", "--san", "10.0.0.5", "--commands"]
    done = click.testing.CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    assert done.stdout.startswith("# These commands neither check nor publish anything")
    assert list(tmp_path.iterdir()) == []
    for option in ("--force", "--verbose"):
        refused = click.testing.CliRunner().invoke(cli, [*arguments, option])
        assert refused.exit_code == 2
        assert f"{option} has no effect with --commands" in refused.output


@pytest.mark.parametrize("days", [0, 1, 59, 60, 365, 366, 11016, 19000, 20000, 47481, 47482, 60000])
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_dates_survive_the_shells_arithmetic(days, shell):
    functions = template.shipped("functions.sh")
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days=days, seconds=3723)
    printed = f"{moment:%b} {moment.day:2} {moment:%H:%M:%S %Y} GMT"
    done = subprocess.run(
        [
            *SHELLS[shell],
            "-c",
            f'{functions}\ntimestamp {days} 3723; echo; read_date "{printed}"; echo "$day $second $stamp"',
        ],
        capture_output=True,
        text=True,
    )
    stamp = f"{moment:%y%m%d%H%M%SZ}" if moment.year < 2050 else f"{moment:%Y%m%d%H%M%SZ}"
    assert done.stdout.splitlines() == [f"{moment:%Y%m%d%H%M%SZ}", f"{days} 3723 {stamp}"], done.stderr


def test_a_script_backdates_where_openssl_can(tmp_path):
    """A stand-in that has the option and drops it, as the machine's openssl may be older than 3.5."""
    real = shutil.which("openssl")
    (tmp_path / "openssl").write_text(
        f"""#!/bin/sh
[ "$2" = -help ] && {{ echo ' -not_before val'; exit; }}
for word; do case $word in -not_before|-not_after) echo "$*" >>{tmp_path}/asked;; esac; done
exec {real} "$@"
"""
    )
    (tmp_path / "openssl").chmod(0o755)
    run_script(script_of(tmp_path), tmp_path, OPENSSLGEN_OPENSSL=str(tmp_path / "openssl"))
    asked = re.search(r"-not_before (\d{14})Z -not_after (\d{14})Z", (tmp_path / "asked").read_text())
    begin, end = (datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc) for stamp in asked.groups())
    assert timedelta(minutes=59) < datetime.now(timezone.utc) - begin < timedelta(minutes=62)
    assert end - begin == timedelta(days=3650)


def test_the_plan_for_a_root_is_this(keys_as_shipped):
    plan = issue.root(root_order(common_name="Test root", organization="Acme"))
    config, run, check = plan.steps
    assert config == Write(
        "ca.cnf",
        "[ req ]\nprompt = no\nutf8 = yes\nstring_mask = utf8only\ndistinguished_name = subject\n\n"
        "[ subject ]\nO = Acme\nCN = Test root\n\n"
        "[ v3_ca ]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier = hash\n",
    )
    assert run == Run(
        ("req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", Validity(3650), "-set_serial", Serial())
        + ("-config", "ca.cnf", "-extensions", "v3_ca", "-keyout", "ca.key", "-out", "ca.crt")
    )
    assert run.creates == ("ca.key", "ca.crt")
    assert check == Check("ca.crt", issuer="ca.crt", days=3650, purpose="any", extended_key_usage=(), names=())


def test_the_plan_for_a_server_signs_with_its_own_extension_file():
    root = issue.Issuer(certificate="../ca.crt", key="../private/ca.key", encrypted=True)
    plan = issue.leaf(leaf_order("pbx.example.com", san=["10.0.0.5"]), root)
    extensions = next(step for step in plan.steps if isinstance(step, Write) and step.path == "v3_req.cnf")
    assert extensions.text.splitlines() == [
        "[ v3_req ]",
        "basicConstraints = critical,CA:FALSE",
        "keyUsage = critical,digitalSignature,keyEncipherment",
        "subjectAltName = DNS:pbx.example.com,IP:10.0.0.5",
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid:always",
        "extendedKeyUsage = serverAuth,clientAuth",
    ]
    sign = next(step for step in plan.steps if isinstance(step, Run) and step.arguments[0] == "x509")
    assert sign.secrets == ("OPENSSLGEN_CA_PASSPHRASE",)
    assert sign.arguments[:10] == (
        ("x509", "-req", "-in", "server.req", "-CA", "../ca.crt", "-CAkey", "../private/ca.key")
        + ("-passin", "env:OPENSSLGEN_CA_PASSPHRASE")
    )
    assert Join(("server.crt", "../ca.crt"), "server-chain.pem") in plan.steps
    assert plan.records == (Record("server.crt", "v3_req.cnf", "/CN=pbx.example.com"),)
    assert plan.needs == ("ca.crt", "private/ca.key")


def test_a_request_never_carries_an_authority_key_identifier():
    for order in (leaf_order("a.example"), leaf_order("a.example", key_type=EC)):
        texts = [step.text for step in issue.new_request(order).steps if isinstance(step, Write)]
        assert "authorityKeyIdentifier" not in "".join(texts)


def test_an_ec_leaf_does_not_claim_to_encipher():
    assert leaf_order("a.example", key_type=EC).usages == ("digitalSignature",)
    assert leaf_order("a.example").usages == ("digitalSignature", "keyEncipherment")


def test_two_plans_publish_together():
    first = Plan("a", (Write("a", "a"),), publish=(Publish("a", "ca.crt", 0o644, What.ROOT),))
    second = Plan("b", (Write("b", "b"),), needs=("ca.crt", "private/ca.key"))
    both = first + second
    assert both.steps == first.steps + second.steps
    assert both.needs == ("private/ca.key",)


ORDERS = {
    "rsa": leaf_order("pbx.example.com", san=["10.0.0.5"]),
    "ec-p12": leaf_order("pbx.example.com", key_type=EC, p12="p12", crl_url="http://pki.example.com/crl.der"),
    "own-key": leaf_order("pbx.example.com", key_file=Path("own.key")),
    "self-signed": leaf_order("pbx.example.com", kind=SELF_SIGNED, key_type=EC, p12="p12-compat"),
    "signed": from_request.leaf_order_of(request_from_elsewhere(), names=parse_names("pbx.example.com")),
}
ISSUERS = {
    "root": issue.Issuer(certificate="../ca.crt", key="../private/ca.key", encrypted=True),
    "intermediate": issue.Issuer(
        certificate="../ca.crt", key="../private/ca.key", encrypted=False, above="../ca-chain.pem"
    ),
}


@pytest.mark.parametrize("one_command", [False, True])
@pytest.mark.parametrize("issuer", ISSUERS)
@pytest.mark.parametrize("name", ORDERS)
def test_one_recipe_makes_a_certificate_alone_and_among_others(name, issuer, one_command):
    order = ORDERS[name]

    def plan(prefix):
        request = issue.existing_request(order, order.request, prefix=prefix) if order.request else None
        below = None if order.kind is SELF_SIGNED else ISSUERS[issuer]
        return issue.leaf(order, below, request=request, prefix=prefix, one_command=one_command and not request)

    alone, first, second = map(plan, ("", "n0-", "n1-"))
    assert repr(first).replace("n0-", "") == repr(second).replace("n1-", "") == repr(alone)
    assert "n0-" not in repr(alone)
    # Each writes files of its own, but for what is the same for all of them.
    files = [
        {path for step in plan.steps for path in getattr(step, "creates", (getattr(step, "path", None),)) if path}
        for plan in (first, second)
    ]
    assert files[0] & files[1] <= {"issuers.pem"}


@pytest.mark.parametrize("name", ["rsa", "ec-p12", "self-signed"])
def test_one_command_makes_what_two_make(name, authority, openssl):
    if not openssl.can("req -CA"):
        pytest.skip(f"{openssl.banner} makes no certificate of an authority by one command")
    make_root(authority)
    order = ORDERS[name]
    issuer = None if order.kind is SELF_SIGNED else issuer_of(authority.store)
    plans = [
        issue.leaf(order, issuer, prefix=prefix, one_command=one_command)
        for prefix, one_command in (("n0-", False), ("n1-", True))
    ]
    work = authority.store.path / ".work-test"
    work.mkdir()
    assert run_together(plans, Workplace(work=work, openssl=openssl, secrets=SECRETS)) == [None, None]
    two, one = (load(work / plan.records[0].certificate) for plan in plans)
    for field in ("subject", "issuer", "names", "extended_key_usage", "key_usage", "basic_constraints", "crl_urls"):
        assert getattr(one, field) == getattr(two, field), field
    assert one.validity == two.validity
    assert [(each.oid, each.critical) for each in one.extensions] == [
        (each.oid, each.critical) for each in two.extensions
    ]
    assert {publish.what for publish in plans[0].publish} - {publish.what for publish in plans[1].publish} == {
        What.REQUEST
    }
