"""What a fleet's hosts are told, by shells on this machine; tests/test_ansible.py does the same over the network."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest

from opensslgen.errors import Error, UsageError
from opensslgen.fleet.audit_servers import audit_servers, write_report
from opensslgen.fleet.collection import write_collection
from opensslgen.fleet.install import Wish, parse_place, wish_of
from opensslgen.fleet.install import install as install_on
from opensslgen.fleet.remote import Host, program
from opensslgen.fleet.request import ensure_request, order_of
from opensslgen.fleet.sign_requests import sign_all
from opensslgen.jobs.job import Violation
from opensslgen.pki.folder import Folder
from opensslgen.plan.script import call
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.pem import REQUEST, pem
from opensslgen.x509.request import parse_request

from .conftest import CHECKOUT, files_below, make_root, opensslgen
from .openssls import BINARIES
from .servers import HOST, free_port, issue, s_server
from .shells import EACH_SHELL, SHELLS

ORDER = {"name": "pbx.example.com", "san": ["IP:10.0.0.5"], "key_type": "p-256"}
LATE = timedelta(days=250)
"""What was made 600 days ago, for 820, ends within this time."""


def after_600_days(certificate, within, *, now, ends_soon=Certificate.ends_soon):
    return ends_soon(certificate, within, now=now + timedelta(days=600))


POST = (CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh").read_bytes()


def local(shell="dash", openssl="openssl"):
    """A host that is this machine, reached through one of its shells."""

    def run(text):
        done = subprocess.run(SHELLS[shell], input=text, capture_output=True, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return Host(run, openssl)


@pytest.fixture(params=EACH_SHELL)
def host(request):
    return local(request.param)


@pytest.fixture
def folder(tmp_path):
    """The pki folder of the host; the controller's is tmp_path / "pki"."""
    return str(tmp_path / "host")


def request_of(folder, host=None, **options):
    order = order_of({**ORDER, **options.pop("order", {})})
    return ensure_request(host or local(), order, folder=folder, **options)


def signed(authority, request, **options):
    """Sign one request for ORDER, and return what became of it."""
    order = {**ORDER, **options.pop("order", {})}
    (found,) = sign_all([{"order": order, "request": request}], pki=authority.store.path, **options)
    return found


@pytest.fixture
def ready(authority, folder):
    """A host whose request is signed, and not installed yet."""
    make_root(authority)
    assert signed(authority, request_of(folder).request).changed
    return authority


def install(authority, folder, host=None, name="pbx.example.com", *, check=False, **wish):
    wish.setdefault("script", "")
    return install_on(host or local(), name, pki=authority.store.path, wish=Wish(**wish), folder=folder, check=check)


# ---- What is sent


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_half_of_a_program_does_nothing(shell, tmp_path):
    text = program(f"echo done >{tmp_path}/done", *[call("say", "name", "text")] * 500)
    for share in range(1, 40):
        subprocess.run(SHELLS[shell], input=text[: len(text) * share // 40].encode(), capture_output=True)
        assert not (tmp_path / "done").exists(), share
    subprocess.run(SHELLS[shell], input=text.encode(), capture_output=True, check=True)
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_what_is_sent_is_clean_under_shellcheck(ready, folder, tmp_path):
    sent = []

    def run(text):
        sent.append(text)
        return local().shell(text)

    request_of(folder, Host(run), order={"key_type": "p-384"})
    signed(ready, request_of(folder, order={"key_type": "p-384"}).request, order={"key_type": "p-384"})
    script = tmp_path / "gen_certs.sh"
    script.write_bytes(POST)
    install(
        ready,
        folder,
        Host(run),
        script=str(script),
        places=(parse_place("key", path=f"{tmp_path}/key"),),
        reload="true",
    )
    assert len(sent) == 4
    for text in sent:
        # The functions that this program does not call, and the plan's script, which has its own test.
        command = ["shellcheck", "-s", "sh", "-e", "SC2317,SC2034,SC2329,SC2016,SC2030,SC2031,SC2318,SC3045", "-"]
        done = subprocess.run(command, input=text, capture_output=True)
        assert done.returncode == 0, done.stdout.decode()


def test_what_the_environment_of_a_host_says_to_openssl_changes_nothing(folder, monkeypatch, tmp_path):
    (tmp_path / "bad.cnf").write_text("openssl_conf = nonsense\n[nonsense]\nengines = e\n")
    monkeypatch.setenv("OPENSSL_CONF", str(tmp_path / "bad.cnf"))
    assert request_of(folder).changed


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((0, "", ""), "without a complete answer"),
        ((0, "opensslgen:request=", ""), "without a complete answer"),
        ((1, "opensslgen:end=", "Error: no room\x1b[2J\n"), r"no room\\u\{1B\}"),
        ((127, "", "sh: not found\n"), "ended with exit code 127: sh: not found"),
        ((0, "opensslgen:key=%%\nopensslgen:end=\n", ""), "not base64"),
        ((0, "motd\nopensslgen:key=aGk=\nopensslgen:end=\n", ""), "no public key"),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer, message, folder):
    with pytest.raises(Error, match=message):
        request_of(folder, Host(lambda text: answer))


def test_a_host_that_makes_another_request_than_it_was_told_is_found_out(folder, tmp_path):
    evil = request_of(str(tmp_path / "evil"), order={"san": ["DNS:bank.example"]})
    evil_key = subprocess.run(
        ["openssl", "req", "-pubkey", "-noout"], input=evil.request, capture_output=True, text=True
    ).stdout
    lines = {"key": evil_key, "request": evil.request}
    told = "".join(f"opensslgen:{name}={base64.b64encode(text.encode()).decode()}\n" for name, text in lines.items())
    with pytest.raises(Error, match="a request that differs from the order"):
        request_of(folder, Host(lambda text: (0, f"{told}opensslgen:end=\n", "")))


# ---- Requests


def test_a_host_makes_its_request_once(host, folder):
    made = request_of(folder, host)
    assert made.changed
    request = parse_request(made.request.encode())
    assert [str(name) for name in request.subject_alternative_names] == ["DNS:pbx.example.com", "IP:10.0.0.5"]
    before = files_below(Path(folder))
    assert before["private/pbx.example.com.key"] == "0o600"
    again = request_of(folder, host)
    assert not again.changed
    assert again.request == made.request
    assert files_below(Path(folder)) == before


@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("key_type", ["rsa-2048", "p-256"])
def test_a_host_can_have_any_openssl(binary, key_type, authority, folder, tmp_path):
    host = local(openssl=binary)
    order = {"key_type": key_type}
    make_root(authority)
    made = request_of(folder, host, order=order)
    assert made.changed
    assert not request_of(folder, host, order=order).changed
    assert signed(authority, made.request, order=order).changed
    script = tmp_path / "gen_certs.sh"
    script.write_bytes(POST)
    assert len(install(authority, folder, host, script=str(script)).changes) == 4
    assert not install(authority, folder, host, script=str(script)).changes
    assert (
        Path(folder, "issued/pbx.example.com.crt").read_bytes()
        == (authority.store.path / "issued" / "pbx.example.com.crt").read_bytes()
    )


def test_a_check_makes_nothing(folder):
    told = request_of(folder, check=True)
    assert (told.changed, told.request, told.before) == (True, None, "")
    assert told.after == "subject: CN=pbx.example.com\nnames: DNS:pbx.example.com, IP:10.0.0.5\nkey: p-256, new\n"
    assert not Path(folder).exists()


@pytest.mark.slow
def test_other_names_keep_the_key_and_another_kind_of_key_does_not(host, folder):
    first = parse_request(request_of(folder, host).request.encode())
    renamed = request_of(folder, host, order={"san": ["sip.example.com"], "subject": {"organization": "Example"}})
    assert parse_request(renamed.request.encode()).public_key == first.public_key
    assert "DNS:sip.example.com" in str(renamed.after)
    assert request_of(folder, host, order={"key_type": "p-384"}).changed
    kinds = sorted(name.partition(".old-")[0] for name in files_below(Path(folder)) if ".old-" in name)
    assert kinds == ["private/pbx.example.com.key", *["reqs/pbx.example.com.req"] * 2]
    assert {mode for name, mode in files_below(Path(folder)).items() if "private" in name} == {"0o600"}


@pytest.mark.slow
def test_a_new_key_is_made_for_a_certificate_that_ends_soon(ready, folder, monkeypatch):
    install(ready, folder)
    assert not request_of(folder, new_key=True).changed
    # What lives hardly longer than that would otherwise get a new key each day.
    for days in (819, 821):
        assert not request_of(folder, new_key=True, within=timedelta(days=days)).changed
    monkeypatch.setattr(Certificate, "ends_soon", after_600_days)
    assert not request_of(folder, new_key=True).changed
    assert not request_of(folder, new_key=False, within=LATE).changed
    assert request_of(folder, new_key=True, within=LATE).changed


@pytest.mark.slow
def test_a_key_revoked_as_compromised_is_never_signed_again_and_its_host_makes_another(ready, folder):
    install(ready, folder)
    pki = ready.store.path
    old = request_of(folder).request
    revoked = opensslgen("revoke", "pbx.example.com", "--pki", pki, "--reason", "keyCompromise", "--yes")
    assert revoked.returncode == 0, revoked.stderr
    for check in (True, False):
        done = signed(ready, old, check=check, allow=["apple-validity"])
        assert (done.failed, done.changed, done.why) == (True, False, "this key was revoked as compromised")
    compromised = Folder(pki).compromised
    again = request_of(folder, compromised=compromised)
    assert again.changed
    assert parse_request(again.request.encode()).public_key not in compromised
    assert signed(ready, again.request).changed
    assert not request_of(folder, compromised=compromised).changed


@pytest.mark.slow
def test_a_key_revoked_for_another_reason_is_kept(ready, folder):
    pki = ready.store.path
    assert opensslgen("revoke", "pbx.example.com", "--pki", pki, "--reason", "superseded", "--yes").returncode == 0
    assert not Folder(pki).compromised
    assert signed(ready, request_of(folder).request).changed


def test_a_damaged_request_is_made_again_with_the_same_key(folder):
    first = parse_request(request_of(folder).request.encode())
    Path(folder, "reqs/pbx.example.com.req").write_bytes(b"\0\xff")
    assert parse_request(request_of(folder).request.encode()).public_key == first.public_key


def test_a_key_that_cannot_be_read_is_left_alone(folder):
    request_of(folder)
    key = Path(folder, "private/pbx.example.com.key")
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    before = key.read_bytes()
    with pytest.raises(Error, match="passphrase"):
        request_of(folder)
    assert key.read_bytes() == before


def test_an_order_that_breaks_a_rule_never_reaches_the_host(folder):
    with pytest.raises(Violation):
        request_of(folder, Host(lambda text: pytest.fail("it was asked")), order={"days": 2555})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "10.0.0.5/24"}, "10.0.0.5/24"),
        ({"name": "a.example.com", "colour": "red"}, "unknown option colour"),
        ({"name": "a.example.com", "subject": {"colour": "red"}}, "no such field"),
        ({"name": "a.example.com", "key_type": "dsa"}, "unknown key type"),
        ({"name": "a.example.com", "san": ["DNS:10.0.0.5"]}, "10.0.0.5"),
    ],
)
def test_a_faulty_order_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        order_of(options)


# ---- Signing


@pytest.mark.slow
def test_what_is_signed_is_left_alone_until_it_ends_soon_or_is_asked_differently(authority, folder, monkeypatch):
    make_root(authority)
    request = request_of(folder).request
    assert signed(authority, request).changed
    path = authority.store.path / "issued" / "pbx.example.com.crt"
    first = load(path)
    assert not signed(authority, request).changed
    assert load(path) == first
    with monkeypatch.context() as patched:
        patched.setattr(Certificate, "ends_soon", after_600_days)
        assert not signed(authority, request).changed
        assert signed(authority, request, within=LATE, check=True).changed
        assert load(path) == first
        assert signed(authority, request, within=LATE).changed
    assert load(path).public_key == first.public_key
    other = {"san": ["IP:10.0.0.6"]}
    assert signed(authority, request_of(folder, order=other).request, order=other).changed
    assert "IP:10.0.0.6" in map(str, load(path).names)
    other |= {"key_type": "p-384"}
    assert signed(authority, request_of(folder, order=other).request, order=other).changed
    assert load(path).public_key.bits == 384


def test_the_names_come_from_the_order_and_not_from_the_request(authority, folder, tmp_path):
    make_root(authority)
    request = request_of(folder, order={"san": ["DNS:bank.example"]}).request
    assert signed(authority, request).changed
    certificate = load(authority.store.path / "issued" / "pbx.example.com.crt")
    assert [str(name) for name in certificate.names] == ["DNS:pbx.example.com", "IP:10.0.0.5"]
    request = request_of(str(tmp_path / "evil"), order={"subject": {"organization": "Bank"}}).request
    refused = signed(authority, request)
    assert refused.failed
    assert "another subject: O=Bank" in refused.why


def forgery(request):
    """Return the request with another signature."""
    parsed = parse_request(request.encode())
    return pem(REQUEST, parsed.der[:-1] + bytes([parsed.der[-1] ^ 1]))


@pytest.mark.parametrize("binary", BINARIES)
def test_a_request_that_its_key_has_not_signed_is_refused_by_any_openssl(binary, authority, folder):
    make_root(authority)
    request = request_of(folder).request
    assert signed(authority, forgery(request), openssl=binary or None).failed
    assert not list((authority.store.path / "issued").glob("*"))
    assert signed(authority, request, openssl=binary or None).changed


def test_one_request_that_cannot_be_signed_does_not_stop_the_others(authority, folder, tmp_path):
    make_root(authority)
    good = request_of(folder).request
    long = request_of(str(tmp_path / "long"), order={"name": "long.example.com"}).request
    forged = forgery(request_of(str(tmp_path / "other"), order={"name": "forged.example.com"}).request)
    results = sign_all(
        [
            {"order": ORDER | {"name": "none.example.com"}, "request": None},
            {"order": ORDER | {"name": "garbage.example.com"}, "request": "garbage"},
            {"order": ORDER | {"name": "forged.example.com"}, "request": forged},
            {"order": ORDER | {"name": "long.example.com", "days": 2555}, "request": long},
            {"order": ORDER | {"name": "bad name"}, "request": good},
            {"order": ORDER, "request": good},
        ],
        pki=authority.store.path,
    )
    found = {result.name: result for result in results}
    assert {name for name, result in found.items() if not result.failed} == {"pbx.example.com"}
    assert "825" in found["long.example.com"].why
    assert [path.name for path in (authority.store.path / "issued").glob("*.crt")] == ["pbx.example.com.crt"]


@pytest.mark.slow
def test_another_root_signs_everything_again(ready, folder, tmp_path):
    request = request_of(folder).request
    assert not signed(ready, request).changed
    for name in ("ca.crt", "private/ca.key"):
        (ready.store.path / name).rename(tmp_path / Path(name).name)
    make_root(ready, common_name="Another root")
    assert signed(ready, request).changed


def test_without_a_root_nothing_is_signed(authority, folder):
    with pytest.raises(Error, match="no root"):
        signed(authority, request_of(folder).request)


def test_a_root_with_a_passphrase_signs_with_it_only(folder, tmp_path):
    environment = {"OPENSSLGEN_CA_PASSPHRASE": "only for the test"}
    assert opensslgen("root", "--key-type", "p-256", env=environment, cwd=tmp_path).returncode == 0
    batch = [{"order": ORDER, "request": request_of(folder).request}]
    with pytest.raises(Error, match="passphrase"):
        sign_all(batch, pki=tmp_path / "pki")
    with pytest.raises(Error, match="this is not the passphrase"):
        sign_all(batch, pki=tmp_path / "pki", passphrase="another one")
    (right,) = sign_all(batch, pki=tmp_path / "pki", passphrase=environment["OPENSSLGEN_CA_PASSPHRASE"])
    assert right.changed


# ---- Installing


@pytest.mark.slow
def test_files_are_put_in_place_once(host, ready, folder, tmp_path):
    places = (
        parse_place("key", path=f"{tmp_path}/live/key.pem", mode="0640"),
        parse_place("chain", path=f"{tmp_path}/live/chain.pem", mode="0444", owner=f"{os.getuid()}"),
    )
    done = install(ready, folder, host, places=places, reload=f"echo $$ >>{tmp_path}/reloads")
    assert len(done.changes) == 5
    assert done.reloaded
    assert files_below(tmp_path / "live") == {"chain.pem": "0o444", "key.pem": "0o640"}
    assert (tmp_path / "live/key.pem").read_bytes() == Path(folder, "private/pbx.example.com.key").read_bytes()
    assert (tmp_path / "live/chain.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 2
    assert "PRIVATE" not in str(done)
    again = install(ready, folder, host, places=places, reload=f"echo $$ >>{tmp_path}/reloads")
    assert (again.changes, again.reloaded) == ((), False)
    (tmp_path / "live/key.pem").chmod(0o600)
    (changed,) = install(ready, folder, host, places=places).changes
    assert (changed.before.splitlines()[:2], changed.after.splitlines()[:2]) == (
        ["the key", "mode: 0600"],
        ["the key", "mode: 0640"],
    )
    assert len((tmp_path / "reloads").read_text().split()) == 1
    assert not [name for name in files_below(Path(folder)) if "reload" in name]


def test_a_key_is_not_readable_by_others_for_a_moment(ready, folder, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chmod").write_text(f'#!/bin/sh\nls -l "$2" >>{tmp_path}/seen\nexec /bin/chmod "$@"\n')
    (tmp_path / "bin" / "chmod").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    install(ready, folder, places=(parse_place("key", path=f"{tmp_path}/key.pem", mode="0640"),))
    seen = (tmp_path / "seen").read_text().splitlines()
    assert len(seen) == 4
    assert {line.split()[0] for line in seen} == {"-rw-------"}


def test_a_check_puts_nothing_in_place(ready, folder, tmp_path):
    before = files_below(tmp_path)
    told = install(
        ready, folder, check=True, reload="touch reloaded", places=(parse_place("key", path=f"{tmp_path}/key"),)
    )
    assert [Path(change.path).name for change in told.changes] == [
        "pbx.example.com.crt",
        "pbx.example.com-chain.pem",
        "ca.crt",
        "key",
    ]
    assert told.reloaded
    assert files_below(tmp_path) == before


def test_a_check_can_be_made_before_anything_is_there(authority, folder):
    make_root(authority)
    told = install(authority, folder, check=True)
    assert "not signed yet" in told.changes[0].after
    assert told.not_after is None
    with pytest.raises(Error, match="no certificate for"):
        install(authority, folder)


def test_a_certificate_for_another_key_is_not_put_in_place(ready, folder):
    Path(folder, "private/pbx.example.com.key").unlink()
    with pytest.raises(Error, match="no key"):
        install(ready, folder)
    request_of(folder)
    with pytest.raises(Error, match="not for the present key"):
        install(ready, folder)
    assert not Path(folder, "issued/pbx.example.com.crt").exists()


def test_a_symbolic_link_is_followed_and_a_folder_is_refused(host, ready, folder, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.pem").symlink_to("there/real.pem")
    (tmp_path / "there" / "real.pem").write_text("old\n")
    install(ready, folder, host, places=(parse_place("root", path=f"{tmp_path}/link.pem"),))
    assert (tmp_path / "link.pem").is_symlink()
    assert "CERTIFICATE" in (tmp_path / "there" / "real.pem").read_text()
    with pytest.raises(Error, match="not a regular file"):
        install(ready, folder, host, places=(parse_place("root", path=f"{tmp_path}/there"),))


def test_nothing_is_replaced_if_one_file_cannot_be_written(ready, folder, tmp_path):
    (tmp_path / "file").write_text("in the way of a folder")
    with pytest.raises(Error):
        install(ready, folder, places=(parse_place("root", path=f"{tmp_path}/file/root.pem"),), reload="touch reloaded")
    assert not Path(folder, "issued/pbx.example.com.crt").exists()
    assert not Path("reloaded").exists()


def test_a_command_that_fails_is_run_again_until_it_succeeds(host, ready, folder, tmp_path):
    command = f"cat {tmp_path}/wanted"
    failed = install(ready, folder, host, reload=command)
    assert failed.changes
    assert "failed with exit code 1" in failed.fault
    assert "wanted" in failed.fault
    (tmp_path / "wanted").touch()
    again = install(ready, folder, host, reload=command)
    assert (again.changes, again.reloaded, again.fault) == ((), True, None)
    assert not install(ready, folder, host, reload=command).reloaded


def test_the_command_to_reload_has_the_environment_that_it_is_used_to(host, ready, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENSSL_CONF", "/etc/ssl/openssl.cnf")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("SSL_CERT_DIR", "/etc/ssl/certs")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    os.umask(mask := os.umask(0o022))
    install(ready, folder, host, reload=f"umask >{tmp_path}/umask; env >{tmp_path}/env")
    assert int((tmp_path / "umask").read_text(), 8) == mask
    environment = (tmp_path / "env").read_text().splitlines()
    assert {"OPENSSL_CONF=/etc/ssl/openssl.cnf", "LC_ALL=C.UTF-8", "SSL_CERT_DIR=/etc/ssl/certs"} <= set(environment)
    assert not [line for line in environment if line.startswith(("SSL_CERT_FILE", "OPENSSLGEN_OPENSSL=", "RANDFILE"))]


def test_a_private_key_in_the_place_of_a_certificate_is_not_told(ready, folder, tmp_path):
    key = Path(folder, "private/pbx.example.com.key").read_bytes()
    (tmp_path / "server.pem").write_bytes(key + Path(ready.store.path, "ca.crt").read_bytes())
    (tmp_path / "server.der").write_bytes(os.urandom(100))
    heard = []

    def run(text):
        heard.append(local().shell(text))
        return heard[-1]

    places = tuple(parse_place("chain", path=f"{tmp_path}/server.{end}") for end in ("pem", "der"))
    done = install(ready, folder, Host(run), places=places, check=True)
    assert len(done.changes) == 5
    said = str(heard) + str(done)
    body = b"".join(key.splitlines()[1:-1]).decode()
    for text in (body, *(base64.b64encode(key[30 + shift :]).decode() for shift in range(3))):
        assert not [at for at in range(0, len(text) - 24, 24) if text[at : at + 24] in said]


def test_a_server_that_the_command_starts_does_not_hold_the_connection(ready, folder, tmp_path):
    begun = datetime.now(timezone.utc)
    install(ready, folder, reload=f"sleep 30 & echo $! >{tmp_path}/pid")
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert datetime.now(timezone.utc) - begun < timedelta(seconds=20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "content"),
    [
        ("dash", POST),
        ("bash", POST.replace(b"\n", b"\r\n")),
        ("busybox", POST.rstrip(b"\n")),
        ("mksh", POST + b"# \xfc\n"),
    ],
)
def test_the_vendors_script_is_mended_as_patch_does_it(shell, content, ready, folder, tmp_path):
    host = local(shell)
    script, beside = tmp_path / "gen_certs.sh", tmp_path / "beside" / "gen_certs.sh"
    beside.parent.mkdir()
    for path in (script, beside):
        path.write_bytes(content)
        path.chmod(0o755)
    assert opensslgen("patch", beside).returncode == 0
    install(ready, folder, host, script=str(script))
    assert files_below(beside.parent).keys() == {path.name for path in tmp_path.glob("gen_certs*")}
    for path in beside.parent.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
        assert (tmp_path / path.name).stat().st_mode == path.stat().st_mode
    assert not install(ready, folder, host, script=str(script)).changes


def test_what_a_script_holds_for_a_terminal_is_shown_and_not_obeyed(ready, folder, tmp_path):
    hostile = "# \x1b]0;owned\x07\x1b[2J\x9b1m \u202e\r\tü\n".encode()
    (tmp_path / "gen_certs.sh").write_bytes(POST + hostile)
    done = install(ready, folder, script=f"{tmp_path}/gen_certs.sh", check=True)
    (change,) = [change for change in done.changes if change.path.endswith("gen_certs.sh")]
    for text in (change.before, change.after):
        assert all(char.isprintable() or char in "\n\t" for char in text)
        assert text.endswith("# \\u{1B}]0;owned\\u{7}\\u{1B}[2J\\u{9B}1m \\u{202E}\\u{D}\tü\n")
    assert "820 days" in change.after


def test_a_script_that_is_not_recognised_is_told_and_left_alone(ready, folder, tmp_path):
    (tmp_path / "gen_certs.sh").write_text("#!/bin/sh\necho hello\n")
    done = install(ready, folder, script=f"{tmp_path}/gen_certs.sh")
    assert "not recognised" in done.fault
    assert len(done.changes) == 3
    assert (tmp_path / "gen_certs.sh").read_text() == "#!/bin/sh\necho hello\n"
    (tmp_path / "gen_certs.sh").write_bytes(POST + b"\0")
    assert "NUL" in install(ready, folder, script=f"{tmp_path}/gen_certs.sh").fault


def test_a_script_with_other_hard_links_or_another_content_by_now_is_left_alone(ready, folder, tmp_path):
    script = tmp_path / "gen_certs.sh"
    script.write_bytes(POST)
    (tmp_path / "link").hardlink_to(script)
    with pytest.raises(Error, match="hard links"):
        install(ready, folder, script=str(script))
    (tmp_path / "link").unlink()

    def run(text):
        if b"\nmend /" in text:
            script.write_bytes(POST + b"# changed\n")
        return local().shell(text)

    with pytest.raises(Error, match="changed in the meantime"):
        install(ready, folder, Host(run), script=str(script))
    assert script.read_bytes() == POST + b"# changed\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "relative.pem"}, "not the absolute path"),
        ({"path": "/etc/"}, "not the absolute path"),
        ({"path": "/etc/a\nb"}, "not the absolute path"),
        ({"path": "/etc/a", "mode": "420"}, "four octal digits"),
        ({"path": "/etc/a", "mode": "4755"}, "four octal digits"),
        ({"path": "/etc/a", "mode": "0644"}, "everybody"),
        ({"path": "/etc/a", "owner": "root;reboot"}, "user:group"),
        ({"path": "/etc/a", "owner": ":"}, "user:group"),
    ],
)
def test_a_place_that_is_none_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        parse_place("key", **options)


def test_a_folder_on_the_host_must_be_absolute(folder):
    with pytest.raises(UsageError, match="absolute"):
        request_of("pki")


# ---- Audit


def test_live_servers_are_judged_in_one_report(tmp_path):
    root = issue("Root", ca=True)
    good = issue("good.example.com", issuer=root)
    long = issue("long.example.com", issuer=root, days=(-1, 2555))
    silent = free_port()
    with s_server(tmp_path / "a", good, root) as first, s_server(tmp_path / "b", long, root) as second:
        servers = [
            {"address": HOST, "port": first, "name": "good.example.com"},
            {"address": HOST, "port": second, "name": "long.example.com", "starttls": ""},
            {"address": HOST, "port": silent},
        ]
        found = audit_servers(servers, timeout=5)
        sarif = audit_servers(servers, timeout=5, output="sarif")
    schema = json.loads((CHECKOUT / "opensslgen" / "schema" / "audit.schema.json").read_text())
    report = json.loads(found.report)
    jsonschema.validate(report, schema)
    assert [entry["verdict"] for entry in report["results"]] == ["complies", "violates", "unreadable"]
    assert report["results"][0]["target"] == f"good.example.com ({HOST}:{first})"
    assert (found.tally.complies, found.tally.violates, found.tally.unreadable) == (1, 1, 1)
    assert [server for server, _ in found.faults] == [f"long.example.com ({HOST}:{second})", f"{HOST}:{silent}"]
    results = json.loads(sarif.report)["runs"][0]["results"]
    assert {"apple-validity", "unreadable"} <= {result["ruleId"] for result in results}


def test_a_report_replaces_an_older_one_whole_or_not_at_all(tmp_path):
    write_report(tmp_path / "audit.json", "one")
    write_report(tmp_path / "audit.json", "two")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["two"]
    with pytest.raises(Error, match="cannot write the report"):
        write_report(tmp_path / "missing" / "audit.json", "three")


# ---- The collection itself


def test_the_collection_is_written_and_replaced_only_by_force(tmp_path):
    files, kept = write_collection(tmp_path / "fleet")
    assert kept is None
    assert {"galaxy.yml", "meta/runtime.yml", "plugins/action/request.py", "roles/fleet/tasks/main.yml"} <= set(files)
    assert files == sorted(
        str(path.relative_to(tmp_path / "fleet")) for path in (tmp_path / "fleet").glob("**/*") if path.is_file()
    )
    done = opensslgen("ansible", tmp_path / "fleet")
    assert done.returncode == 1
    assert "exists" in done.stderr
    done = opensslgen("ansible", tmp_path / "fleet", "--force", "--json")
    assert Path(json.loads(done.stdout)["kept"]).is_dir()
    assert json.loads(done.stdout)["files"] == files
    with pytest.raises(Error, match="cannot write"):
        write_collection(tmp_path / "fleet" / "galaxy.yml" / "below")


def test_the_collection_is_written_into_the_empty_folder_one_is_in_and_never_over_the_top(tmp_path):
    (tmp_path / "empty").mkdir()
    inode = (tmp_path / "empty").stat().st_ino
    done = opensslgen("ansible", ".", cwd=tmp_path / "empty")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "empty").stat().st_ino == inode, "a shell is still in it"
    assert (tmp_path / "empty" / "galaxy.yml").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    for more in ((), ("--force",)):
        done = opensslgen("ansible", "/", *more)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: /")
        assert "Traceback" not in done.stderr


def test_a_target_of_deploy_says_what_a_host_gets():
    wish = wish_of("kamailio", {"folder": "/etc/k", "reload": "true"}, stem="sip.example.com")
    assert [(place.what, place.path, place.mode, place.owner) for place in wish.places] == [
        ("key", "/etc/k/sip.example.com.key", "0640", "root:kamailio"),
        ("chain", "/etc/k/sip.example.com-fullchain.pem", "0644", ""),
        ("root", "/etc/k/sip.example.com-ca.pem", "0644", ""),
    ]
    assert wish.reload.endswith('\neval "$reload"')
    assert "reload=true" in wish.reload.splitlines()
    for name in ("haproxy", "ip-office", "synology", "nonsense"):
        with pytest.raises(UsageError):
            wish_of(name, {}, stem="x")
