"""A batch makes what is missing, ends soon or is asked otherwise, leaves the rest alone, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from cryptography import x509 as judge
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from opensslgen.batch.converge import converge
from opensslgen.batch.needs import Needs
from opensslgen.batch.wanted import Batch
from opensslgen.orders.inventory import Row
from opensslgen.orders.kinds import SELF_SIGNED, SERVER
from opensslgen.orders.order import leaf_order
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD
from opensslgen.x509.certificate import load, load_all

from .conftest import CHECKOUT, files_below, is_running, make_root, opensslgen, wait
from .conftest import EC as P256
from .needs import needs
from .openssls import BINARIES

EC = ("--key-type", "p-256")


def table(tmp_path, *lines, header="name,san,kind,days", name="sites.csv"):
    (tmp_path / name).write_text("\n".join((header, *lines)) + "\n")
    return name


def batch(*arguments, **options):
    done = opensslgen("batch", *arguments, *EC, **options)
    assert "Traceback" not in done.stderr
    return done


def answers(*arguments, **options):
    done = batch(*arguments, "--json", **options)
    answer = json.loads(done.stdout)
    return {row["name"]: row for row in answer["rows"]}, answer, done.returncode


SITES = [
    'pbx.example.com,"10.0.0.5,sip.example.com",,',
    "phone.example.com,,client,",
    '192.168.42.1,"ip500.example.com",self-signed,397',
    "other.example.com,2001:db8::1,,30",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One finished batch, for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "secret").write_text("battery staple\n")
    table(folder, *(f"{site},{p12}" for site, p12 in zip(SITES, ("yes", "", "compat", ""), strict=True)),
          header="name,san,kind,days,p12")  # fmt: skip
    done = batch("sites.csv", "--p12-password-file", "secret", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_makes_what_is_asked_for(made):
    root = judge.load_pem_x509_certificate((made / "pki/ca.crt").read_bytes())
    expected = {
        "pbx.example.com": (["pbx.example.com", "sip.example.com"], ["10.0.0.5"], 820, 2, root),
        "phone.example.com": (["phone.example.com"], [], 820, 1, root),
        "192.168.42.1": (["ip500.example.com"], ["192.168.42.1"], 397, 2, None),
        "other.example.com": (["other.example.com"], ["2001:db8::1"], 30, 2, root),
    }
    for name, (hosts, addresses, days, usages, issuer) in expected.items():
        certificate = judge.load_pem_x509_certificate((made / f"pki/issued/{name}.crt").read_bytes())
        names = certificate.extensions.get_extension_for_class(judge.SubjectAlternativeName).value
        assert sorted(names.get_values_for_type(judge.DNSName)) == sorted(hosts)
        assert [str(address) for address in names.get_values_for_type(judge.IPAddress)] == addresses
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == days
        assert len(certificate.extensions.get_extension_for_class(judge.ExtendedKeyUsage).value) == usages
        assert not certificate.extensions.get_extension_for_class(judge.BasicConstraints).value.ca
        certificate.verify_directly_issued_by(issuer or certificate)
        key = load_pem_private_key((made / f"pki/private/{name}.key").read_bytes(), None)
        assert key.public_key() == certificate.public_key()


def test_files_and_modes_are_those_of_a_single_one_but_for_the_request(made):
    found = files_below(made / "pki")
    mine = {re.sub("[0-9A-F]{16,}", "SERIAL", name): mode for name, mode in found.items() if "other" in name}
    assert mine == {
        "issued/other.example.com.crt": "0o644",
        "issued/other.example.com-chain.pem": "0o644",
        "private/other.example.com.key": "0o600",
    }
    serials = [path.stem for path in (made / "pki/certs_by_serial").glob("*.pem")]
    assert len(serials) == 5  # the root's, too
    for serial in serials:
        assert {found[f"certs_by_serial/{serial}.{suffix}"] for suffix in ("pem", "cnf", "sh")} == {"0o600"}
    assert not [name for name in found if ".work" in name]


def test_pkcs12_files_open(made):
    for name in ("pbx.example.com", "192.168.42.1"):
        key, certificate, above = pkcs12.load_key_and_certificates(
            (made / f"pki/private/{name}.p12").read_bytes(), b"battery staple"
        )
        assert key.public_key() == certificate.public_key()
        assert len(above) == (name == "pbx.example.com")
    assert not (made / "pki/private/other.example.com.p12").exists()


def test_openssl_verifies_them_all_and_its_ca_takes_the_index(made):
    pki = made / "pki"
    leaves = [f"issued/{name}.crt" for name in ("pbx.example.com", "phone.example.com", "other.example.com")]
    done = subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", *leaves], cwd=pki)
    assert done.returncode == 0
    lines = (pki / "index.txt").read_text().splitlines()
    assert len({line.split("\t")[3] for line in lines}) == 4
    (made / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={pki}/index.txt\nserial={pki}/serial\n")
    for line in lines:
        status = subprocess.run(
            ["openssl", "ca", "-config", "ca.cnf", "-status", line.split("\t")[3]],
            cwd=made, capture_output=True, text=True,
        )  # fmt: skip
        assert "Valid" in status.stderr + status.stdout


def test_audit_has_nothing_against_the_folder(made):
    done = opensslgen("audit", "pki", cwd=made, env={"OPENSSLGEN_P12_PASSWORD": "battery staple"})
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.splitlines()[:-1]


def test_a_second_run_leaves_all_alone(made):
    before = files_below(made / "pki"), (made / "pki/index.txt").read_bytes()
    done = batch("sites.csv", "--p12-password-file", "secret", cwd=made)
    assert done.returncode == 0
    assert done.stdout == "0 issued, 4 unchanged, 0 failed\n"
    assert (files_below(made / "pki"), (made / "pki/index.txt").read_bytes()) == before


# What changes in the row of pbx.example.com, and why it is then made anew.
CHANGES = [
    ("pbx.example.com,10.0.0.5,,", "another names is asked for"),
    ('pbx.example.com,"10.0.0.5,sip.example.com",,400', "400 days are asked for, not 820"),
    ('pbx.example.com,"10.0.0.5,sip.example.com",client,', "another extended key usage is asked for"),
    ('pbx.example.com,"10.0.0.5,sip.example.com",self-signed,', "another issuer is asked for"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("row", "why"), CHANGES)
def test_what_is_asked_otherwise_is_made_anew_and_the_old_is_kept(row, why, tmp_path):
    batch(table(tmp_path, *SITES[:2]))
    old = (tmp_path / "pki/private/pbx.example.com.key").read_bytes()
    checked, _, code = answers(table(tmp_path, row, SITES[1]), "--check")
    assert code == 1
    assert (checked["pbx.example.com"]["state"], checked["phone.example.com"]["state"]) == ("made", "left")
    assert (tmp_path / "pki/private/pbx.example.com.key").read_bytes() == old
    rows, _, code = answers("sites.csv")
    assert code == 0
    assert rows["pbx.example.com"]["why"] == why
    assert rows["phone.example.com"]["state"] == "left"
    assert (tmp_path / "pki/private/pbx.example.com.key").read_bytes() != old
    assert [path.read_bytes() for path in tmp_path.glob("pki/private/pbx.example.com.key.old-*")] == [old]
    assert answers("sites.csv")[1]["left"] == 2


@pytest.mark.slow
def test_what_ends_soon_is_made_anew(tmp_path):
    batch(table(tmp_path, "a.example.com,,,31", "b.example.com,,,45", "c.example.com,,,10"))
    checked = ["batch", "sites.csv", "--check", *EC]
    # After so many days: who is to be made. What is valid for less than 90 days has its turn in its last third.
    for days, due in ((2, []), (8, ["c"]), (20, ["c"]), (22, ["a", "c"]), (31, ["a", "b", "c"])):
        done = subprocess.run(
            ["faketime", "-f", f"+{days}d", sys.executable, "-m", "opensslgen", *checked],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == bool(due)
        assert [line[0] for line in done.stdout.splitlines()[:-1]] == due
        assert done.stdout.count("it expires on") == len(due)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [f"{part}/a.example.com{end}" for part, end in (("private", ".key"), ("issued", ".crt"), ("issued", "-chain.pem"))],
)
def test_what_is_missing_is_made(name, tmp_path):
    batch(table(tmp_path, "a.example.com,,,", "b.example.com,,,"))
    (tmp_path / "pki" / name).unlink()
    assert answers("sites.csv")[1]["made"] == 1


@pytest.mark.slow
def test_what_was_revoked_is_made_anew(tmp_path):
    batch(table(tmp_path, "a.example.com,,,", "b.example.com,,,"))
    index = tmp_path / "pki/index.txt"
    lines = index.read_text().splitlines()
    # As `openssl ca -revoke` does, which leaves the file where it is.
    index.write_text("".join(
        (re.sub("^V\t([^\t]*)\t", r"R\t\g<1>\t260101000000Z", line) if "a.example.com" in line else line) + "\n"
        for line in lines
    ))  # fmt: skip
    rows, _, _ = answers("sites.csv")
    assert (rows["a.example.com"]["state"], rows["a.example.com"]["why"]) == ("made", "it was revoked")
    assert rows["b.example.com"]["state"] == "left"


@pytest.mark.slow
def test_a_certificate_that_the_roots_end_has_shortened_is_not_made_anew_each_day(tmp_path):
    assert opensslgen("root", "--days", "400", *EC).returncode == 0
    rows, _, _ = answers(table(tmp_path, "a.example.com,,,"))
    assert "valid for" in rows["a.example.com"]["notes"][0]
    done = subprocess.run(
        ["faketime", "-f", "+3d", sys.executable, "-m", "opensslgen", "batch", "--new-ca", "sites.csv", *EC],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "0 issued, 1 unchanged, 0 failed\n"


@pytest.mark.slow
def test_a_request_of_the_key_before_does_not_stay_beside_the_new_key(tmp_path):
    opensslgen("server", "a.example.com", *EC)
    old = (tmp_path / "pki/reqs/a.example.com.req").read_bytes()
    batch(table(tmp_path, "a.example.com,10.0.0.9,,"))
    assert [path.read_bytes() for path in (tmp_path / "pki/reqs").iterdir()] == [old]
    assert not (tmp_path / "pki/reqs/a.example.com.req").exists()


def test_all_rows_are_checked_before_anything_is_made(tmp_path):
    lines = ["a.example.com,,,2555", "b.example.com,10.0.0.300,,", "c.example.com,,,", "C.example.com,,,"]
    done = batch(table(tmp_path, *lines))
    assert done.returncode == 2
    faults = [re.match(r"sites.csv, line (\d+), '([^']*)': (.*)", line) for line in done.stderr.splitlines()[:-1]]
    assert [(match[1], match[2]) for match in faults] == [
        ("2", "a.example.com"), ("3", "b.example.com"), ("5", "C.example.com"),
    ]  # fmt: skip
    assert "the maximum is 825 days [apple-validity]" in faults[0][3]
    assert "its files would be called c.example.com, like those of line 4" in faults[2][3]
    assert done.stderr.splitlines()[-1] == "Error: 3 of 4 rows of sites.csv have errors, so nothing was issued"
    assert not (tmp_path / "pki").exists()


def test_faults_are_rows_of_the_json_that_failed(tmp_path):
    rows, answer, code = answers(table(tmp_path, "a.example.com,,,2555", "b.example.com,,,", "c.example.com,x y,,"))
    assert (code, answer["failed"], list(rows)) == (2, 2, ["a.example.com", "c.example.com"])
    assert [rows["a.example.com"][field] for field in ("line", "state")] == [2, "failed"]
    assert "[apple-validity]" in rows["a.example.com"]["why"]


def new_key(name):
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name], check=True)


@pytest.mark.slow
def test_keys_that_are_given_are_checked_before_anything_is_made_and_seen_to_change(tmp_path):
    (tmp_path / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    lines = ("a.example.com,", "b.example.com,broken.key", "c.example.com,missing.key")
    done = batch(table(tmp_path, *lines, header="name,key-file"))
    assert done.returncode == 2
    assert re.findall(r"^sites.csv, line (\d)", done.stderr, re.MULTILINE) == ["3", "4"]
    assert not (tmp_path / "pki").exists()
    new_key("own.key")
    name = table(tmp_path, "a.example.com,own.key", header="name,key-file")
    assert [answers(name)[1]["made"] for _ in range(2)] == [1, 0]
    new_key("own.key")
    rows, _, _ = answers(name)
    assert rows["a.example.com"]["why"] == "it is for another key"
    public = subprocess.run(["openssl", "pkey", "-in", "own.key", "-pubout"], capture_output=True, check=True).stdout
    command = ["openssl", "x509", "-in", "pki/issued/a.example.com.crt", "-noout", "-pubkey"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == public


@pytest.mark.slow
@pytest.mark.parametrize("text", ["garbage", "[ v3_req ]\nfoo = $NOPE\n", "[ v3_req ]\nfoo = $ENV::HOME\n"])
def test_a_template_is_filled_before_anything_is_made(text, tmp_path):
    (tmp_path / "bad.cnf").write_text(text)
    for more in ((), ("--check",)):
        done = batch(table(tmp_path, "a.example.com,", "b.example.com,bad.cnf", header="name,template"), *more)
        assert done.returncode == 2
        assert done.stderr.startswith("sites.csv, line 3, 'b.example.com': the template ")
    assert not (tmp_path / "pki").exists()


def test_every_fault_is_listed(tmp_path):
    done = batch(table(tmp_path, *(f"h{each}.example.com,,,2555" for each in range(300))))
    assert len(done.stderr.splitlines()) == 301


# What an openssl does with the request of b.example.com, instead of what it should.
SPOILT = {
    "refused": "exit 1",
    "ended": "kill -9 $$",
    "garbage": 'for last do :; done; echo garbage >"$last"; exit 0',
    "two": '"$real" "$@"; for last do :; done; cat "$last" >again; cat again >>"$last"; exit 0',
    "nothing": "exit 0",
}


@pytest.mark.slow
@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_row_that_fails_stops_no_other(spoilt, tmp_path):
    """A stand-in spoils one of them."""
    (tmp_path / "openssl").write_text(
        f"#!/bin/sh\nreal={shutil.which('openssl')}\n"
        'config=$(echo "$*" | sed "s/.*-config //; s/ .*//")\n'
        f'if grep -qs "CN = b.example.com" "$config"; then\n{SPOILT[spoilt]}\nfi\nexec "$real" "$@"\n'
    )
    (tmp_path / "openssl").chmod(0o755)
    name = table(tmp_path, "a.example.com,,,", "b.example.com,,,", "c.example.com,,,")
    done = batch(name, "--openssl", "./openssl")
    assert done.returncode == 1
    assert done.stdout.endswith("2 issued, 0 unchanged, 1 failed\n")
    assert re.search(r"^Error: line 3, b\.example\.com: ", done.stderr, re.MULTILINE)
    assert sorted(path.name for path in (tmp_path / "pki/issued").glob("*.crt")) == [
        "a.example.com.crt",
        "c.example.com.crt",
    ]


@pytest.mark.slow
def test_what_stands_in_the_way_of_one_row_stops_no_other(tmp_path):
    sites = [f"h{each}.example.com,,," for each in range(6)]
    batch(table(tmp_path, *sites[:3]))
    (tmp_path / "pki/index.txt.attr").write_text("unique_subject = yes\n")
    (tmp_path / "pki/private/h4.example.com.key").mkdir()
    (tmp_path / "pki/private/h5.example.com.key").symlink_to(tmp_path / "elsewhere")
    rows, _, code = answers(table(tmp_path, "h0.example.com,10.0.0.1,,", *sites[1:]))
    assert code == 1
    found = [rows[f"h{each}.example.com"] for each in range(6)]
    assert [row["state"] for row in found] == ["failed", "left", "left", "made", "failed", "failed"]
    why = [row["why"] for row in found if row["state"] == "failed"]
    assert [words in told for words, told in zip(
        ("has a certificate for /CN=h0.example.com already", "is not a regular file", "leads out of"), why, strict=True
    )] == [True] * 3, why  # fmt: skip


@pytest.mark.slow
def test_an_inventory_that_is_rewritten_meanwhile_is_taken_as_it_was(tmp_path):
    """A stand-in for an openssl rewrites it in place, when it is first asked for its version."""
    name = table(tmp_path, "a.example.com,,,")
    (tmp_path / "openssl").write_text(
        f'#!/bin/sh\n[ "$1" != version ] || echo "name\nb.example.com" >"{tmp_path / name}"\n'
        f'exec {shutil.which("openssl")} "$@"\n'
    )
    (tmp_path / "openssl").chmod(0o755)
    assert batch(name, "--openssl", "./openssl").returncode == 0
    assert "b.example.com" in (tmp_path / name).read_text()
    assert [path.name for path in (tmp_path / "pki/issued").glob("*.crt")] == ["a.example.com.crt"]


def test_a_row_that_has_got_a_fault_since_it_was_checked_is_told(authority):
    make_root(authority)
    batch = Batch(authority.store, authority.openssl, {}, timedelta(30))
    rows = [Row(2, "a.example.com", leaf_order("a.example.com", key_type=P256)), Row(3, "b", None, "it is gone")]
    outcomes = {outcome.name: outcome for outcome in converge(batch, rows)}
    assert outcomes["a.example.com"].state == "made"
    assert (outcomes["b"].state, outcomes["b"].why) == ("failed", "it is gone")


@pytest.mark.slow
def test_two_at_once_where_there_is_no_root_yet(tmp_path):
    for number in range(2):
        table(tmp_path, f"h{number}.example.com,,,", name=f"{number}.csv")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "opensslgen", "batch", "--new-ca", f"{number}.csv", *EC],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stderr=subprocess.PIPE, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    told = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    assert len(list((tmp_path / "pki/issued").glob("h?.example.com.crt"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_an_openssl_that_hangs_ends_with_the_batch(how, tmp_path):
    (tmp_path / "openssl").write_text(
        f'#!/bin/sh\n[ "$1" != req ] || {{ echo $$ >hangs; exec sleep 987; }}\nexec {shutil.which("openssl")} "$@"\n'
    )
    (tmp_path / "openssl").chmod(0o755)
    opensslgen("root", *EC)
    table(tmp_path, "a.example.com,,,")
    running = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "batch", "--new-ca", "sites.csv", "--openssl", "./openssl", *EC],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    hangs = wait(lambda: next((tmp_path / "pki").glob(".work-*/hangs"), None))
    process = int(wait(hangs.read_text))
    running.send_signal(how)
    assert running.wait() == {signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}[how]
    wait(lambda: not is_running(process))


@pytest.mark.slow
def test_a_process_that_dies_takes_no_more_than_its_own_rows_with_it(tmp_path):
    """The openssl of one row kills the process that waits for the shell which runs it."""
    (tmp_path / "openssl").write_text(
        '#!/bin/sh\nconfig=$(echo "$*" | sed "s/.*-config //; s/ .*//")\n'
        'if grep -qs "CN = h30.example.com" "$config"; then\n'
        '    read -r _ _ _ shell _ <"/proc/$$/stat"; read -r _ _ _ worker _ <"/proc/$shell/stat"\n'
        f'    kill -9 "$worker"\nfi\nexec {shutil.which("openssl")} "$@"\n'
    )
    (tmp_path / "openssl").chmod(0o755)
    name = table(tmp_path, *(f"h{each}.example.com,,," for each in range(100)))
    _, answer, code = answers(name, "--openssl", "./openssl", "--jobs", "2")
    assert code == 1
    assert 1 <= answer["failed"] <= 50
    assert answer["made"] + answer["failed"] == 100
    assert answers(name)[1] | {"rows": []} == answer | {
        "rows": [], "made": answer["failed"], "left": answer["made"], "failed": 0
    }  # fmt: skip
    assert not list((tmp_path / "pki").glob(".work-*"))


@pytest.mark.slow
def test_a_pipe_is_an_inventory_and_a_reader_that_leaves_is_no_fault_of_it(tmp_path):
    ours = f"{sys.executable} -m opensslgen batch --new-ca"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = f"{ours} <(printf 'name\\na.example.com\\n') --key-type p-256"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "1 issued, 0 unchanged, 0 failed"), done.stderr
    name = table(tmp_path, *(f"h{each}.example.com,,," for each in range(30)))
    command = f"{ours} {name} --key-type p-256 | head -1"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.slow
def test_a_root_with_a_passphrase_is_unlocked_by_one_answer(tmp_path):
    environment = {"OPENSSLGEN_CA_PASSPHRASE": "correct horse"}
    done = batch(table(tmp_path, "a.example.com,,,", "b.example.com,,,"), env=environment)
    assert done.returncode == 0, done.stderr
    assert "ENCRYPTED" in (tmp_path / "pki/private/ca.key").read_text()
    done = batch(table(tmp_path, "c.example.com,,,"))
    assert (done.returncode, "the passphrase of the root's key is needed" in done.stderr) == (2, True)
    wrong = batch("sites.csv", env={"OPENSSLGEN_CA_PASSPHRASE": "wrong horse"})
    assert (wrong.returncode, wrong.stderr) == (1, "Error: this is not the passphrase of pki/private/ca.key\n")
    assert "correct horse" not in "".join(path.read_text() for path in (tmp_path / "pki").rglob("*.sh"))


@pytest.mark.slow
def test_below_an_intermediate_the_chain_leads_to_the_root(tmp_path):
    opensslgen("root", "--pki", "head", *EC)
    opensslgen("intermediate", "berlin", "--permit", "example.com", "--pki", "head", *EC)
    opensslgen("adopt", "head/issued/berlin-chain.pem", "--key", "head/private/berlin.key")
    done = batch(table(tmp_path, *(f"h{number}.example.com,,," for number in range(4))))
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "pki/issued").glob("*-chain.pem"):
        assert len(list(load_all(path))) == 3
    forbidden = batch(table(tmp_path, "h.example.org,,,"))
    assert (forbidden.returncode, "[name-constraints]" in forbidden.stderr) == (2, True)


@pytest.mark.slow
def test_standard_input_and_an_empty_inventory(tmp_path):
    done = batch("-", input="name\na.example.com\n", stdin=None)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pki/issued/a.example.com.crt").exists()
    _, answer, code = answers("-", input="name\n", stdin=None)
    assert (answer["rows"], answer["made"], code) == ([], 0, 0)


@pytest.mark.slow
def test_quiet_says_nothing_unless_something_fails(tmp_path):
    done = batch(table(tmp_path, "a.example.com,,,"), "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("binary", BINARIES)
def test_every_openssl_makes_and_checks_many(binary, tmp_path):
    done = batch(table(tmp_path, *SITES, *(f"h{number}.example.com,,," for number in range(9))), "--openssl", binary)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("13 issued, 0 unchanged, 0 failed\n")
    leaves = [path for path in (tmp_path / "pki/issued").glob("*.crt") if path.name != "192.168.42.1.crt"]
    subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", "pki/ca.crt", *leaves], check=True)
    assert answers("sites.csv")[1]["left"] == 13


def started(tmp_path, number=30):
    table(tmp_path, *(f"h{each}.example.com,,," for each in range(number)))
    process = subprocess.Popen(
        [sys.executable, "-m", "opensslgen", "batch", "--new-ca", "sites.csv", *EC],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, cwd=tmp_path, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("pki/issued/*.crt"))) < 5:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_after_an_interruption_the_next_run_goes_on(number, tmp_path):
    process = started(tmp_path)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    if number == signal.SIGKILL:
        # Its processes end with what they have in hand.
        deadline = time.monotonic() + 60
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(process.pid, 0)
                time.sleep(0.05)
    else:
        assert not [path for path in (tmp_path / "pki").iterdir() if path.name.startswith(".work")]
    done = batch("sites.csv")
    assert done.returncode == 0, done.stderr
    made, left = map(int, re.match(r"(\d+) issued, (\d+) unchanged", done.stdout.splitlines()[-1]).groups())
    assert made + left == 30
    assert left >= 5
    issued = {load(path).serial_hex for path in (tmp_path / "pki/issued").glob("*.crt")}
    recorded = {line.split("\t")[3] for line in (tmp_path / "pki/index.txt").read_text().splitlines()}
    assert len(issued) == 30
    assert issued == recorded
    assert not [path for path in (tmp_path / "pki").iterdir() if path.name.startswith((".work", ".lock.script"))]


@pytest.mark.slow
def test_two_batches_and_a_single_one_at_once_share_the_folder(tmp_path):
    assert opensslgen("root", *EC).returncode == 0
    table(tmp_path, *(f"a{each}.example.com,,," for each in range(12)), name="a.csv")
    table(tmp_path, *(f"b{each}.example.com,,," for each in range(12)), name="b.csv")
    commands = [
        ["batch", "--new-ca", "a.csv"],
        ["batch", "--new-ca", "b.csv"],
        ["server", "--new-ca", "single.example.com"],
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "opensslgen", *command, *EC, "-q"],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )
        for command in commands
    ]  # fmt: skip
    answers = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    assert len(list((tmp_path / "pki/issued").glob("*.crt"))) == 25
    assert len((tmp_path / "pki/index.txt").read_text().splitlines()) == 25


@pytest.mark.slow
def test_two_hundred_rows(tmp_path):
    done = batch(table(tmp_path, *(f"h{each}.example.com,10.0.{each // 250}.{each % 250},," for each in range(200))))
    assert done.stdout.endswith("200 issued, 0 unchanged, 0 failed\n")
    assert len((tmp_path / "pki/index.txt").read_text().splitlines()) == 200
    assert batch("sites.csv").stdout == "0 issued, 200 unchanged, 0 failed\n"


@pytest.mark.slow
@needs("terminals")
def test_progress_with_rate_and_time_left_on_a_terminal(tmp_path):
    table(tmp_path, *(f"h{each}.example.com,,," for each in range(250)))
    done = subprocess.run(
        ["script", "-qec", f"{sys.executable} -m opensslgen batch --new-ca sites.csv --key-type p-256 -q", "/dev/null"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0
    assert re.search(r"\[#+-*\] +\d+%  \d+\.\d/s, 0:00:\d\d left", done.stdout)


def rows(*orders):
    return [Row(line, "a", order) for line, order in enumerate(orders, 2)]


@pytest.mark.parametrize(
    ("orders", "has_passphrase", "secrets"),
    [
        ([], True, ()),
        ([leaf_order("a.example")], False, ()),
        ([leaf_order("a.example")], True, (CA_PASSPHRASE,)),
        ([leaf_order("a.example", kind=SELF_SIGNED)], True, ()),
        ([leaf_order("a.example", kind=SELF_SIGNED, p12="p12")], True, (P12_PASSWORD,)),
        ([leaf_order("a.example", p12="p12"), leaf_order("b.example")], True, (P12_PASSWORD, CA_PASSPHRASE)),
    ],
)
def test_only_secrets_that_a_row_needs_are_asked_for(orders, has_passphrase, secrets, authority):
    needs = Needs()
    seen = list(needs.count(rows(*orders, None)))
    assert len(seen) == needs.rows == len(orders) + 1
    assert needs.secrets(authority.store, has_passphrase=has_passphrase) == secrets
    # The key of a root that exists has no passphrase here, whatever could be given.
    make_root(authority)
    assert CA_PASSPHRASE not in needs.secrets(authority.store, has_passphrase=has_passphrase)


@pytest.mark.parametrize(("kind", "is_made"), [(SERVER, True), (SELF_SIGNED, False)])
def test_a_root_is_made_once_and_only_if_a_row_needs_it(kind, is_made, authority):
    batch, needs = Batch(authority.store, authority.openssl, {}, timedelta()), Needs()
    list(needs.count(rows(leaf_order("a.example", kind=kind))))
    assert (needs.make_root(batch) is not None) == is_made
    assert (authority.store.issuer() is not None) == is_made
    assert needs.make_root(batch) is None
