"""A plan by equality, and every recipe both ways: run by us, and printed as a script and run by the shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from opensslgen.jobs.job import stored_issuer
from opensslgen.jobs.perform import Authority
from opensslgen.names.general import parse_names
from opensslgen.openssl.run import run_together
from opensslgen.openssl.workplace import Workplace
from opensslgen.orders import from_request
from opensslgen.orders.kinds import SELF_SIGNED
from opensslgen.orders.order import leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.plan import issue, template
from opensslgen.plan.script import as_script
from opensslgen.plan.steps import Check, Join, Plan, Publish, Record, Run, Serial, Validity, What, Write
from opensslgen.x509.certificate import load

from .conftest import EC, make_root, make_server, no_secret
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, request_from_elsewhere, summary
from .shells import EACH_SHELL, SHELLS


@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", RECIPES)
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


@pytest.mark.parametrize("name", RECIPES)
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


def test_the_plan_for_a_root_is_this():
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
    issuer = None if order.kind is SELF_SIGNED else stored_issuer(authority.store)
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
