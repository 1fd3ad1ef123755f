"""Exports, judged by those who are to read them: cryptography, keytool, and servers that serve them to clients."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from opensslgen.cli import export as command
from opensslgen.cli.main import cli
from opensslgen.errors import Error
from opensslgen.jobs.destination import Destination
from opensslgen.plan import export, targets
from opensslgen.plan.steps import Plan, Publish

from . import servers
from .conftest import CHECKOUT, agreeing, files_below
from .needs import needs
from .openssls import BINARIES
from .servers import HOST, nginx_of, program
from .shells import SHELLS

PASSWORD = "battery staple"
PBX = "pbx.example.com"
ALL = [*(("--as", name) for name in export.FORMATS), *(("--for", name) for name in targets.NAMES)]


def run(*arguments, **env):
    return CliRunner().invoke(cli, agreeing(arguments), env={"OPENSSLGEN_P12_PASSWORD": PASSWORD, **env})


def succeed(*arguments, **env):
    done = run(*arguments, **env)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder whose authority is an intermediate, and one whose authority is a root."""
    folder = tmp_path_factory.mktemp("made")
    pki, site = folder / "pki", folder / "site"
    succeed("root", "--key-type", "p-256", "--cn", "Test root", "--pki", pki)
    succeed("intermediate", "site", "--key-type", "p-256", "--pki", pki)
    succeed("adopt", pki / "issued/site-chain.pem", "--key", pki / "private/site.key", "--pki", site)
    for place in (pki, site):
        succeed("server", PBX, "--san", "127.0.0.1,localhost", "--key-type", "p-256", "--pki", place)
    succeed("self-signed", "alone.example.com", "--key-type", "p-256", "--pki", pki)
    return folder


def certificates_in(path):
    return x509.load_pem_x509_certificates(Path(path).read_bytes())


def names_in(path):
    return [each.subject.rfc4514_string() for each in certificates_in(path)]


def stored(made, pki="site", name=PBX):
    return certificates_in(made / pki / "issued" / f"{name}.crt")[0]


@pytest.mark.parametrize(("option", "name"), ALL)
def test_an_export_and_its_script_make_the_same(option, name, made, tmp_path):
    done = succeed("export", PBX, option, name, "--pki", made / "site", "--out", "run/")
    assert "Next: " in done.stdout
    script = succeed("export", PBX, option, name, "--pki", made / "site", "--out", "printed/", "--script").stdout
    assert PASSWORD not in script
    shell = list(SHELLS)[ALL.index((option, name)) % len(SHELLS)]
    by_script = subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=script,
        env={**os.environ, "OPENSSLGEN_P12_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
    )
    assert by_script.returncode == 0, by_script.stderr
    modes = files_below(tmp_path / "run")
    assert modes
    assert modes == files_below(tmp_path / "printed")
    for file, mode in modes.items():
        data = (tmp_path / "run" / file).read_bytes()
        assert mode == ("0o600" if b"PRIVATE KEY" in data or file.endswith((".p12", ".jks")) else "0o644")
        assert file.endswith((".p12", ".jks")) or data == (tmp_path / "printed" / file).read_bytes()
    if name in ("p12", "synology", "der"):
        checked = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("binary", BINARIES)
def test_every_openssl_exports(binary, made, tmp_path):
    for name in ("ip-office", "vodia", "nginx"):
        succeed("export", PBX, "--for", name, "--pki", made / "site", "--out", "out/", OPENSSLGEN_OPENSSL=binary)
    succeed("export", PBX, "--as", "der", "--pki", made / "site", "--out", "out/", OPENSSLGEN_OPENSSL=binary)
    key, leaf, _ = pkcs12.load_key_and_certificates(Path(f"out/{PBX}.p12").read_bytes(), PASSWORD.encode())
    assert leaf == stored(made) == x509.load_der_x509_certificate(Path(f"out/{PBX}.der").read_bytes())
    assert key.public_key() == leaf.public_key()


@pytest.mark.parametrize(
    ("arguments", "file", "alias"),
    [
        (("--as", "p12"), f"{PBX}.p12", PBX),
        (("--as", "p12-compat"), f"{PBX}.p12", PBX),
        (("--for", "ip-office"), f"{PBX}.p12", PBX),
        (("--for", "unifi"), f"{PBX}-unifi.p12", "unifi"),
    ],
)
def test_a_p12_holds_everything_under_the_name_that_its_reader_looks_for(arguments, file, alias, made):
    succeed("export", PBX, *arguments, "--pki", made / "site")
    found = pkcs12.load_pkcs12(Path(file).read_bytes(), PASSWORD.encode())
    assert found.cert.friendly_name.decode() == alias
    assert found.cert.certificate == stored(made)
    assert found.key.public_key() == stored(made).public_key()
    above = [each.certificate.subject.rfc4514_string() for each in found.additional_certs]
    assert sorted(above) == ["CN=Test root", "CN=site"]
    told = subprocess.run(
        ["openssl", "pkcs12", "-in", file, "-info", "-noout", "-passin", f"pass:{PASSWORD}"],
        capture_output=True,
        text=True,
    ).stderr
    assert ("PBES2" in told) is (arguments == ("--as", "p12"))


@pytest.mark.slow
@needs("keytool")
def test_a_controllers_keystore_takes_the_p12(made, tmp_path):
    succeed("export", PBX, "--for", "unifi", "--pki", made / "site")
    subprocess.run(
        ["keytool", "-importkeystore", "-noprompt", "-srckeystore", f"{PBX}-unifi.p12", "-srcstoretype", "PKCS12"]
        + ["-srcstorepass", PASSWORD, "-alias", "unifi", "-destkeystore", "keystore", "-deststorepass", "aircontrol"],
        check=True,
        capture_output=True,
    )
    told = subprocess.run(
        ["keytool", "-list", "-v", "-keystore", "keystore", "-storepass", "aircontrol"], capture_output=True, text=True
    ).stdout
    assert "Alias name: unifi" in told
    assert "Entry type: PrivateKeyEntry" in told
    assert "Certificate chain length: 3" in told


LEAF, SITE, ROOT = f"CN={PBX}", "CN=site", "CN=Test root"


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        (("--as", "pem"), {f"{PBX}.pem": [LEAF]}),
        (("--as", "chain"), {f"{PBX}-chain.pem": [LEAF, SITE, ROOT]}),
        (("--as", "key"), {f"{PBX}.key": ["key"]}),
        (("--for", "vodia"), {f"{PBX}-vodia.pem": [LEAF, SITE, "key"]}),
        (("--for", "synology"), {f"{PBX}.key": ["key"], f"{PBX}.crt": [LEAF], f"{PBX}-ca.crt": [SITE, ROOT]}),
        (("--for", "nginx"), {f"{PBX}.key": ["key"], f"{PBX}-fullchain.pem": [LEAF, SITE]}),
        *(
            (
                ("--for", name),
                {f"{PBX}.key": ["key"], f"{PBX}-fullchain.pem": [LEAF, SITE], f"{PBX}-ca.pem": [ROOT]},
            )
            for name in ("asterisk", "kamailio")
        ),
    ],
)
def test_the_files_hold_what_their_reader_wants_in_this_order(arguments, holds, made, tmp_path):
    succeed("export", PBX, *arguments, "--pki", made / "site", "--out", "out/")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(holds)
    for name, parts in holds.items():
        text = (tmp_path / "out" / name).read_text()
        blocks = [block for block in text.split("-----BEGIN ") if block.strip()]
        assert ["key" if "PRIVATE KEY" in block else "certificate" for block in blocks] == [
            part if part == "key" else "certificate" for part in parts
        ]
        assert (names_in(tmp_path / "out" / name) if parts != ["key"] else []) == [p for p in parts if p != "key"]
        if "key" in parts:
            key = serialization.load_pem_private_key(text[text.index("-----BEGIN PRIVATE") :].encode(), None)
            assert key.public_key() == stored(made).public_key()


@needs("nginx", "curl")
def test_nginx_serves_what_is_exported_for_it_to_curl(made, tmp_path):
    succeed("export", PBX, "--for", "nginx", "--pki", made / "site", "--out", "tls/")
    (tmp_path / "nginx").mkdir()
    tls = tmp_path / "tls"
    (tmp_path / "root.pem").write_bytes((made / "pki" / "ca.crt").read_bytes())
    with nginx_of(tmp_path / "nginx", tls / f"{PBX}-fullchain.pem", tls / f"{PBX}.key") as port:
        done = subprocess.run(
            ["curl", "-sS", "-o", os.devnull, "-w", "%{ssl_verify_result}", "--cacert", "root.pem"]
            + ["--connect-to", f"{PBX}:{port}:{HOST}:{port}", f"https://{PBX}:{port}/"],
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stdout) == (0, "0"), done.stderr


def test_one_file_for_vodia_is_all_that_a_server_needs(made, tmp_path):
    succeed("export", PBX, "--for", "vodia", "--pki", made / "site")
    port = servers.free_port()
    bundle = f"{PBX}-vodia.pem"
    argv = ["openssl", "s_server", "-accept", f"{HOST}:{port}", "-cert", bundle, "-cert_chain", bundle, "-quiet"]
    with program(argv, port):
        context = ssl.create_default_context(cafile=made / "pki" / "ca.crt")
        with socket.create_connection((HOST, port), timeout=20) as connection:
            context.wrap_socket(connection, server_hostname=PBX).close()


def test_what_is_for_asterisk_lets_two_of_them_trust_each_other(made, tmp_path):
    """Certificate, key and CA list are what both ends of mutual TLS load."""
    succeed("export", PBX, "--for", "asterisk", "--pki", made / "site")
    contexts = [ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.load_cert_chain(f"{PBX}-fullchain.pem", f"{PBX}.key")
        context.load_verify_locations(f"{PBX}-ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((HOST, 0)) as listening, socket.create_connection(listening.getsockname()) as near:
        far, _ = listening.accept()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(contexts[0].wrap_socket(far, server_side=True)))
        thread.start()
        with contexts[1].wrap_socket(near, server_hostname=PBX) as secure:
            thread.join(20)
            assert secure.getpeercert()["subject"] == seen[0].getpeercert()["subject"]
        seen[0].close()


def test_what_signed_itself_has_no_chain(made, tmp_path):
    done = succeed("export", "alone.example.com", "--for", "asterisk", "--pki", made / "pki", "--out", "out/")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "alone.example.com-fullchain.pem",
        "alone.example.com.key",
    ]
    assert "ca_list_file=(none)" in done.stdout
    succeed("export", "alone.example.com", "--as", "p12", "--pki", made / "pki")
    found = pkcs12.load_pkcs12(Path("alone.example.com.p12").read_bytes(), PASSWORD.encode())
    assert found.additional_certs == []


def test_nothing_is_overwritten_unless_forced_and_then_it_is_kept(made, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{PBX}.crt").write_text("mine")
    arguments = ("export", PBX, "--for", "synology", "--pki", made / "site", "--out", "out")
    script = succeed(*arguments, "--script").stdout
    done = run(*arguments)
    assert done.exit_code == 1
    assert f"{PBX}.crt exists" in done.stderr
    by_script = subprocess.run(["dash", "/dev/stdin"], input=script, capture_output=True, text=True)
    assert by_script.returncode == 1
    assert "nothing is overwritten" in by_script.stderr
    assert [path.name for path in out.iterdir()] == [f"{PBX}.crt"]
    assert '"kept"' in succeed(*arguments, "--force", "--json").stdout
    (kept,) = out.glob("*.old-*")
    assert kept.read_text() == "mine"
    assert names_in(out / f"{PBX}.crt") == [LEAF]
    assert len(list(out.iterdir())) == 4


def identity(path):
    """Return what changes when a file is replaced or written to, and not when it is read."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_mode


def test_a_file_that_is_the_same_stays_but_no_secret_is_taken_for_it(made, tmp_path):
    nginx = ("export", PBX, "--for", "nginx", "--pki", made / "site", "--out", "out/")
    key, chain = tmp_path / f"out/{PBX}.key", tmp_path / f"out/{PBX}-fullchain.pem"
    succeed(*nginx)
    key.chmod(0o644)
    before = identity(chain)
    done = run(*nginx)
    assert done.exit_code == 1
    assert f"Error: out/{PBX}.key exists\n" in done.stderr
    succeed(*nginx, "--force")
    assert files_below(tmp_path / "out")[key.name] == "0o600"
    assert identity(chain) == before
    assert [path.name.split(".old-")[0] for path in (tmp_path / "out").glob("*.old-*")] == [key.name]
    p12 = ("export", PBX, "--as", "p12", "--pki", made / "site", "--out", "out/")
    succeed(*p12)
    # Nobody is asked for a password in vain.
    assert f"{PBX}.p12 exists" in run(*p12, OPENSSLGEN_P12_PASSWORD=None).stderr
    pem = ("export", PBX, "--as", "pem", "--pki", made / "site", "--out", "out/")
    succeed(*pem)
    before = identity(tmp_path / f"out/{PBX}.pem")
    succeed(*pem)
    assert identity(tmp_path / f"out/{PBX}.pem") == before


def test_a_file_that_appears_meanwhile_is_not_overwritten_and_nothing_is_left(tmp_path):
    """Between the look at the folder and the last step, which is a link and not a rename."""
    publishes = (Publish("new.a", "a", 0o600), Publish("new.b", "b", 0o600))
    plan = Plan("two", (), publish=publishes, database=False)
    destination = Destination(tmp_path / "out")

    class Late(Destination):
        def existing(self, plan):
            found = super().existing(plan)
            (self.path / "b").write_text("theirs")
            return found

    with destination.work() as work:
        (work / "new.a").write_text("a")
        (work / "new.b").write_text("b")
        with pytest.raises(Error, match="b exists"):
            Late(tmp_path / "out").publish(plan, work=work, force=False)
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"b": "theirs"}


KILLED = """
import os, signal, sys
from pathlib import Path
from opensslgen.cli.main import cli
number = int(sys.argv[1])
def touch(event, arguments):
    global number
    if event in ("os.link", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "open"):
        where = str(arguments[0])
        if "out" in where and (event != "open" or isinstance(arguments[1], str) and set(arguments[1]) & set("wx")):
            number -= 1
            if not number:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(touch)
cli(sys.argv[2:], prog_name="opensslgen")
"""


@pytest.mark.slow
def test_a_kill_at_any_point_leaves_all_or_nothing_for_the_next_run(made, tmp_path):
    arguments = ["export", PBX, "--for", "synology", "--pki", str(made / "site"), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ends = set()
    for number in itertools.count(1):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(number), *arguments], env=environment, capture_output=True
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        for folder in (tmp_path / "out").glob(".opensslgen-*"):
            assert folder.stat().st_mode & 0o777 == 0o700
        # Whatever runs there next finishes it or sweeps it away.
        with Destination(tmp_path / "out").work():
            pass
        left = sorted(path.name for path in (tmp_path / "out").glob("*"))
        assert left in ([], [f"{PBX}-ca.crt", f"{PBX}.crt", f"{PBX}.key"])
        assert not list((tmp_path / "out").glob(".*"))
        ends.add(len(left))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert number > 8
    assert ends == {0, 3}


@pytest.mark.parametrize("is_ours", [True, False])
def test_what_a_stranger_decided_in_a_shared_folder_is_not_done(tmp_path, monkeypatch, is_ours):
    (tmp_path / "victim").mkdir()
    shared = tmp_path / "shared"
    left = shared / ".opensslgen-evil"
    left.mkdir(parents=True)
    (left / "p").write_text("evil\n")
    target = "../victim/authorized_keys" if is_ours else "authorized_keys"
    (left / "decision.json").write_text(f'{{"index": [], "moves": [["p", "{target}", true]]}}')
    if is_ours:
        # Whoever could put that into a folder of ours must not reach what lies outside either.
        with pytest.raises(Error, match="is outside of"), Destination(shared).work():
            pass
    else:
        real = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: real + 1)
        with Destination(shared).work():
            pass
    assert (left / "p").exists()
    assert not (tmp_path / "victim/authorized_keys").exists()
    assert not (shared / "authorized_keys").exists()


def test_two_exports_at_once_do_not_sweep_each_other(tmp_path):
    with Destination(tmp_path).work() as first, Destination(tmp_path).work() as second:
        assert first.is_dir()
        assert second.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_is_written_too(made, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    succeed("export", PBX, "--for", "nginx", "--pki", made / "site", "--out", "out/")
    assert files_below(tmp_path / "out") == {f"{PBX}-fullchain.pem": "0o644", f"{PBX}.key": "0o600"}
    assert run("export", PBX, "--for", "nginx", "--pki", made / "site", "--out", "out/").exit_code == 1


def test_a_key_that_is_not_in_the_folder_is_no_export(made, tmp_path):
    shutil.copytree(made / "site", "pki")
    Path(f"pki/private/{PBX}.key").unlink()
    for arguments in (("--as", "p12"), ("--as", "key"), ("--for", "nginx")):
        done = run("export", PBX, *arguments, "--out", "out/")
        assert done.exit_code == 1
        assert f"the key of {PBX} is not in the folder: it is where the request was made" in done.stderr
    assert not (tmp_path / "out").exists()
    assert names_in(succeed("export", PBX, "--as", "chain") and f"{PBX}-chain.pem") == [LEAF, SITE, ROOT]


def test_another_certificates_key_is_not_exported_with_it(made, tmp_path):
    shutil.copytree(made / "site", "pki")
    shutil.copy(made / "pki" / "private" / f"{PBX}.key", f"pki/private/{PBX}.key")
    done = run("export", PBX, "--as", "p12", "--out", "out/")
    assert done.exit_code == 1
    assert "do not belong together" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_authoritys_key_stays_where_it_is(made):
    done = run("export", "ca", "--as", "p12", "--pki", made / "pki")
    assert done.exit_code == 1
    assert "is a CA: its key stays where it is" in done.stderr
    succeed("export", "ca", "--as", "der", "--pki", made / "pki")
    assert x509.load_der_x509_certificate(Path("ca.der").read_bytes()).subject.rfc4514_string() == ROOT


def test_a_key_with_a_passphrase_is_not_exported(made):
    shutil.copytree(made / "site", "pki")
    key = f"pki/private/{PBX}.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-out", f"{key}.new", "-passout", "pass:geheim"], check=True
    )
    Path(f"{key}.new").rename(key)
    done = run("export", PBX, "--as", "p12")
    assert done.exit_code == 1
    assert "has a passphrase" in done.stderr


def test_standard_output_gets_certificates_and_never_a_key(made):
    done = succeed("export", PBX, "--as", "chain", "--out", "-", "--pki", made / "site")
    assert done.stdout.count("BEGIN CERTIFICATE") == 3
    for arguments in (("--as", "key"), ("--as", "der"), ("--for", "vodia"), ("--for", "synology")):
        done = run("export", PBX, *arguments, "--out", "-", "--pki", made / "site")
        assert done.exit_code == 2
        assert done.stdout == ""
    assert list(Path().iterdir()) == []


def test_one_file_can_be_given_a_name(made, tmp_path):
    (tmp_path / "stick").mkdir()
    succeed("export", PBX, "--as", "p12", "--out", "stick/my pbx.p12", "--pki", made / "site")
    assert [path.name for path in (tmp_path / "stick").iterdir()] == ["my pbx.p12"]
    assert run("export", PBX, "--as", "p12", "--out", "nowhere/pbx.p12", "--pki", made / "site").exit_code == 2
    assert run("export", PBX, "--as", "p12", "--out", "my.p12", "--for", "nginx", "--pki", made / "site").exit_code == 2
    refused = run("export", PBX, "--as", "p12", "--out", "a b.p12", "--script", "--pki", made / "site")
    assert refused.exit_code == 2


def test_the_help_has_a_line_for_each_receiver_and_the_note_names_its_files(made):
    assert tuple(export.FORMATS) == command.FORMATS
    assert targets.NAMES == command.RECEIVERS
    text = run("export", "--help").stdout
    lines = [line.split() for line in text.splitlines()]
    for name in targets.NAMES:
        form = targets.target(name).form
        assert any(name in line[:2] and len(line) > 3 for line in lines), name
        for piece in form.pieces:
            assert f"{{{piece.what.value}}}" in form.use
            assert f"NAME{piece.suffix}" in text


def test_no_secret_is_in_any_argv(made, tmp_path):
    real = shutil.which("openssl")
    witness = tmp_path / "openssl"
    witness.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/argv\nexec {real} "$@"\n')
    witness.chmod(0o755)
    succeed("export", PBX, "--as", "p12", "--pki", made / "site", OPENSSLGEN_OPENSSL=str(witness))
    assert "pkcs12 -export" in (tmp_path / "argv").read_text()
    assert PASSWORD not in (tmp_path / "argv").read_text()


def test_no_file_with_a_key_is_ever_open_to_others(made, tmp_path):
    """Looked at all the time by someone who is quick, with an umask that forbids nothing."""
    seen, stop = {}, threading.Event()

    def look():
        while not stop.is_set():
            for folder, folders, files in os.walk(tmp_path):
                for name in (*folders, *files):
                    with contextlib.suppress(OSError):
                        seen[name] = seen.get(name, 0) | (Path(folder) / name).stat().st_mode & 0o077

    thread = threading.Thread(target=look)
    before = os.umask(0)
    thread.start()
    try:
        succeed("export", PBX, "--for", "vodia", "--pki", made / "site")
        time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
        os.umask(before)
    assert seen[f"{PBX}-vodia.pem"] == 0
    assert [name for name, mode in seen.items() if mode and name.startswith(".opensslgen-")] == []
    assert seen.get("key.part", 0) == seen.get("new-vodia.pem", 0) == 0
