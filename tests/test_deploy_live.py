"""Deployments to real servers, over a real sshd, in network namespaces."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time

import pytest
from click.testing import CliRunner

from opensslgen.cli.main import cli
from opensslgen.x509.certificate import load

from .boxes import inside
from .conftest import CHECKOUT, agreeing
from .machines import PORT, SERVERS, machine
from .needs import need, needs, program_path

NAME = "pbx.example.com"
pytestmark = [pytest.mark.slow, needs("root", "networks", "sshd", "ssh")]


def run(*arguments):
    done = CliRunner().invoke(cli, agreeing(arguments))
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A machine, and a folder with two certificates of an intermediate CA."""
    folder = tmp_path_factory.mktemp("machine")
    root, pki = folder / "root", folder / "pki"
    folder.chmod(0o755)
    run("root", "--key-type", "p-256", "--cn", "Test root", "--pki", root)
    run("intermediate", "site", "--key-type", "p-256", "--pki", root)
    run("adopt", root / "issued/site-chain.pem", "--key", root / "private/site.key", "--pki", pki)
    for name in (NAME, "old.example.com"):
        run("server", name, "--key-type", "p-256", "--pki", pki)
    with machine(folder / "net") as found:
        yield found, pki


def fingerprint(pki, name=NAME):
    return load(pki / "issued" / f"{name}.crt").fingerprint


def give_old(home, name, pki):
    """Give a server the other certificate under this one's names, as somebody did before."""
    run("export", "old.example.com", "--for", name, "--pki", pki, "--out", home)
    for path in [*home.glob("old.example.com*")]:
        path.rename(path.with_name(path.name.replace("old.example.com", NAME).replace("-haproxy", "")))


@pytest.mark.parametrize("name", SERVERS)
def test_a_real_server_gets_its_certificate_and_keeps_it(name, there):
    machine, pki = there
    server = SERVERS[name]
    need(*server.needs)
    (machine.homes / name).mkdir()
    give_old(machine.homes / name, name, pki)
    home = machine.start(name, NAME)
    port, _, starttls = server.ports.partition("/")
    old = machine.shows(port, starttls)
    assert old == fingerprint(pki, "old.example.com")
    settings = [f"folder={home}", f"state={home}/state", f"ports={server.ports}", *server.settings]
    words = [NAME, "--to", name, "--on", "full", "--pki", pki]
    for setting in settings:
        words += ["--set", setting.format(home=home)]
    checked = machine.deploy(*words, "--check", check=0)
    assert "Would deploy" in checked.stdout
    assert machine.shows(port, starttls) == old
    machine.deploy(*words, check=0)
    assert machine.shows(port, starttls) == fingerprint(pki)
    second = machine.deploy(*words, check=0)
    assert "nothing to do" in second.stdout
    machine.deploy(*words, "--undo", check=0)
    assert machine.shows(port, starttls) == old


@pytest.fixture(scope="module")
def web(there):
    """An nginx with the old certificate, and what deploys the new one to it."""
    machine, pki = there
    need("nginx")
    home = machine.homes / "web"
    home.mkdir()
    give_old(home, "nginx", pki)
    machine.start("nginx", NAME, folder="web", listen=[6443])
    words = [NAME, "--to", "nginx", "--on", "full", "--pki", pki, "--set", f"folder={home}", "--set", "ports=6443"]
    words += ["--set", f"state={home}/state", "--set", f"config={home}/nginx.conf", "--set", "wait=5"]
    return machine, pki, home, words


def is_old(machine, pki, home):
    """Tell whether the old certificate is there and shown, and nothing is left of the new one."""
    key = (home / f"{NAME}.key").read_bytes()
    left = [path.name for path in home.rglob("*") if path.name.endswith(".opensslgen") or path.parent.name == "current"]
    assert left == []
    is_new = key == (pki / "private" / f"{NAME}.key").read_bytes()
    # nginx reloads after it has said so.
    for _ in range(100):
        if machine.shows(6443) == fingerprint(pki, NAME if is_new else "old.example.com"):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("it shows another certificate than it has")
    chain = (home / f"{NAME}-fullchain.pem").read_bytes()
    assert chain.startswith((pki / "issued" / f"{NAME if is_new else 'old.example.com'}.crt").read_bytes())
    return not is_new


def settled(home):
    """Wait until no shell works there any more."""
    for _ in range(600):
        if not (home / "state/lock").exists():
            return
        time.sleep(0.05)
    raise AssertionError("the lock stays")


def test_a_failing_reload_is_undone_and_proved(web):
    machine, pki, home, words = web
    own = machine.folder / "own.ini"
    text = (CHECKOUT / "opensslgen/targets/nginx.ini").read_text()
    command = 'activate = grep -q "$(sed -n 2p {home}/old.key)" "$key" || {{ nginx -s reload -c "$config"; exit 3; }}; '
    command += 'nginx -s reload -c "$config"'
    (home / "old.key").write_bytes((home / f"{NAME}.key").read_bytes())
    own.write_text(text.replace('activate = nginx -s reload -c "$config"', command.format(home=home)))
    changed = [word for word in words if word not in ("--to", "nginx")]
    failed = machine.deploy(*changed, "--target", own, check=1)
    assert "failed there with exit code 3" in failed.stderr
    assert "the old files are back, and 1 ports show what they showed before" in failed.stderr
    assert is_old(machine, pki, home)


def test_a_wrong_host_key_ends_it(web):
    machine, pki, home, words = web
    known = machine.folder / "known_hosts"
    right = known.read_text()
    try:
        known.write_text(
            right.replace(f"]:{PORT} ", f"]:{PORT + 1} ") + f"[{machine.box.address}]:{PORT} {OTHER_KEY}\n"
        )
        done = machine.deploy(*words, check=1)
    finally:
        known.write_text(right)
    assert "Host key verification failed" in done.stderr
    assert is_old(machine, pki, home)


OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJZ1x8rXhb8eLxSg0q3gT4L7VyZfSlqvJ7m5Z0b6n8aT"

SSH = """#!/bin/sh
# ssh that kills who has started it, when the target says a word, or after a while.
parent=$PPID
case "$DELAY $* " in
    " "* | *" -G "*) ;;
    *) (sleep "$DELAY" && kill -9 "$parent") >/dev/null 2>&1 </dev/null & ;;
esac
{ssh} "$@" | while IFS= read -r line; do
    case $line in "opensslgen:${{AT:-?}}="*) kill -9 "$parent" ;; esac
    printf '%s\\n' "$line"
done
"""


def test_a_kill_at_any_step_leaves_the_old_or_the_new_certificate(web):
    machine, pki, home, words = web
    (machine.folder / "bin").mkdir()
    (machine.folder / "bin/ssh").write_text(SSH.format(ssh=program_path("ssh")))
    (machine.folder / "bin/ssh").chmod(0o755)
    undone = 0
    for at, delay in [("lock", "0"), ("begun", ""), ("activated", ""), ("kept", ""), ("end", ""), *DELAYS]:
        environment = {**os.environ, "AT": at, "DELAY": delay}
        environment["PATH"] = f"{machine.folder}/bin:{os.environ['PATH']}"
        killed = machine.boxes.run(*machine.argv(*words), env=environment, cwd=machine.folder)
        settled(home)
        was_old = is_old(machine, pki, home)
        assert killed.returncode in (-9, 137, 0), killed.stderr
        if at in ("begun", "activated"):
            assert was_old
        undone += was_old
        done = machine.deploy(*words, check=0)
        assert ("nothing to do" in done.stdout) == (not was_old)
        assert not is_old(machine, pki, home)
        machine.deploy(*words, "--undo", check=0)
        assert is_old(machine, pki, home)
    assert undone >= 3


DELAYS = [("", "0.2"), ("", "0.5")]


def test_of_two_deployments_at_once_one_is_refused_or_has_nothing_to_do(web):
    machine, pki, home, words = web
    argv = inside(machine.boxes.controller, *machine.argv(*words))
    both = [
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [(*each.communicate(timeout=120), each.returncode) for each in both]
    assert 0 in [code for *_, code in answers], answers
    for out, err, code in answers:
        assert code == 0 or "another deployment" in err, out + err
        assert code != 0 or "Deployed" in out or "nothing to do" in out
    settled(home)
    assert not is_old(machine, pki, home)
    machine.deploy(*words, "--undo", check=0)
    assert is_old(machine, pki, home)


@needs("mount")
@pytest.mark.parametrize("full", ["tls", "state"])
def test_a_full_disk_there_changes_nothing(full, there, tmp_path):
    machine, pki = there
    for folder in ("tls", "state"):
        (tmp_path / folder).mkdir()
    setup = f"mount -t tmpfs -o mode=0700,size=8k none {tmp_path}/{full} && echo old >{tmp_path}/tls/{NAME}.key"
    setup += f" && dd if=/dev/zero of={tmp_path}/{full}/filler bs=4096 count=1 2>/dev/null; "
    setup += f'"$@"; code=$?; ls -A {tmp_path}/tls; cat {tmp_path}/tls/{NAME}.key; ls {tmp_path}/state; exit "$code"'
    words = [NAME, "--to", "local", "--pki", pki, "--set", f"folder={tmp_path}/tls", "--set", f"state={tmp_path}/state"]
    argv = ["unshare", "-m", "sh", "-c", setup, "sh", *machine.argv(*words)]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search("cannot (write|save|make)", done.stderr), done.stderr
    assert sorted(done.stdout.split()) == sorted([*(["filler"]), f"{NAME}.key", "old"])


@pytest.mark.parametrize(
    ("program", "at"), [("bin/cp", "-p"), ("bin/mv", ".key.pem.opensslgen"), ("etc/init.d/tls", "")]
)
def test_a_target_that_dies_in_the_middle_is_undone_when_it_is_back(program, at, small):
    machine, root, words = small
    old = machine.shows(443)
    assert old == fingerprint(root, "old.example.com")
    rest = machine.box.dies_at(program, at)
    try:
        failed = machine.deploy(*words)
    finally:
        assert rest()
    assert failed.returncode == 1, failed.stdout
    machine.box.start()
    machine.wait_for(443)
    done = machine.deploy(*words, check=0)
    if program != "bin/cp":
        assert "undoing what an earlier run had left: pbx.example.com to generic" in done.stderr
    assert machine.shows(443) == fingerprint(root)
    machine.deploy(*words, "--undo", check=0)
    assert machine.shows(443) == old


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An appliance with busybox, openssl and sshd, and nothing else."""
    folder = tmp_path_factory.mktemp("small")
    root = folder / "root"
    run("root", "--key-type", "p-256", "--cn", "Test root", "--pki", root)
    for name in (NAME, "old.example.com"):
        run("server", name, "--key-type", "p-256", "--pki", root)
    with machine(folder / "net") as found:
        tls = found.box.root / "etc/tls"
        tls.mkdir()
        (found.box.root / "etc/opensslgen/pki").mkdir(parents=True)
        shutil.copy(root / "ca.crt", found.box.root / "etc/opensslgen/pki")
        shutil.copy(root / "private/old.example.com.key", tls / "key.pem")
        shutil.copy(root / "issued/old.example.com.crt", tls / "chain.pem")
        subprocess.run(["chroot", found.box.root, "/bin/true"], check=True)
        found.box.kill_processes()
        found.box.start()
        found.wait_for(443)
        words = [NAME, "--to", "generic", "--on", "small", "--pki", root, "--set", "ports=443", "--set", "wait=10"]
        for setting in ("key=/etc/tls/key.pem", "chain=/etc/tls/chain.pem", "reload=/etc/init.d/tls start"):
            words += ["--set", setting]
        words += ["--set", "ca_list=/etc/opensslgen/pki/ca.crt"]
        yield found, root, words


GEN_CERTS = r"""#!/bin/sh
# Stands in for the vendor's script: what a public fork of acme.sh calls, and what it says of the files.
set -e
certs={certs}
printf '%s\n' "$*" >>{home}/calls
case $1 in
    --install-p12cert)
        [ "$2" = --pass ] && [ "$4" = --server-ip ]
        openssl pkcs12 -in "$certs/server_$5.p12" -passin "pass:$3" -nodes -out "$certs/cert_to_import.pem"
        ;;
    --distribute-server-cert)
        rm -f "$certs/.distrib_complete"
        : >"$certs/.distrib_inprogress"
        (
            sleep 1
            openssl pkey -in "$certs/cert_to_import.pem" -out "$certs/key.pem"
            sed -n '/-BEGIN CERT/,/-END CERT/p' "$certs/cert_to_import.pem" >"$certs/server.pem"
            openssl x509 -in "$certs/server.pem" -out "$certs/cert.pem"
            nginx -s reload -c {home}/nginx.conf
            : >"$certs/.distrib_complete"
            rm -f "$certs/.distrib_inprogress"
        ) >/dev/null 2>&1 </dev/null &
        ;;
    *) exit 2 ;;
esac
"""
PORTS = (411, 443, 5061, 7070, 52233, 9443)


def test_an_ip_office_gets_its_certificate_from_the_vendors_script(tmp_path_factory):
    need("nginx", "strace")
    folder = tmp_path_factory.mktemp("office")
    root = folder / "root"
    run("root", "--key-type", "p-256", "--cn", "Test root", "--pki", root)
    with machine(folder / "net") as found:
        deploy_to_office(found, root)


def deploy_to_office(machine, root):
    home = machine.homes / "office"
    certs = home / "certs"
    certs.mkdir(parents=True)
    for name in ("pbx.rsa.example.com", "old.rsa.example.com"):
        run("server", name, "--pki", root)
    run("export", "old.rsa.example.com", "--for", "nginx", "--pki", root, "--out", certs)
    (certs / "old.rsa.example.com.key").rename(certs / "key.pem")
    (certs / "old.rsa.example.com-fullchain.pem").rename(certs / "server.pem")
    (home / "gen_certs.sh").write_text(GEN_CERTS.format(home=home, certs=certs))
    (home / "gen_certs.sh").chmod(0o755)
    machine.start("nginx", "x", folder="office", listen=PORTS, key=certs / "key.pem", chain=certs / "server.pem")
    words = ["pbx.rsa.example.com", "--to", "ip-office", "--on", "full", "--pki", root, "--set", "address=10.0.0.5"]
    words += ["--set", f"certs={certs}", "--set", f"script={home}/gen_certs.sh", "--set", f"state={home}/state"]
    words += ["--set", "calm=1", "--set", "wait=60"]
    log = home / "trace"
    done = machine.boxes.run(
        "strace", "-f", "-v", "-s", "100000", "-e", "trace=execve", "-o", log, *machine.argv(*words), cwd=machine.folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as an argument" in done.stderr
    assert [machine.shows(port) for port in PORTS] == [fingerprint(root, "pbx.rsa.example.com")] * 6
    assert "nothing to do" in machine.deploy(*words, check=0).stdout
    calls = [line.split() for line in (home / "calls").read_text().splitlines()]
    assert [call[0] for call in calls] == ["--install-p12cert", "--distribute-server-cert"]
    password = calls[0][2]
    key = (root / "private/pbx.rsa.example.com.key").read_text().splitlines()[1]
    # The password is an argument of the vendor's script alone, which runs there; of ours it is in none, nor in the
    # environment of another process, nor is the key.
    started = log.read_text()
    assert "execve" in started
    for secret in (password, key):
        assert not any(secret in line for line in started.splitlines() if "OPENSSLGEN_P12_PASSWORD" not in line)
    for path in [*home.rglob("*"), *machine.folder.glob("*")]:
        if path.is_file() and path.name not in ("calls", "trace"):
            assert password.encode() not in path.read_bytes(), path
            assert path.parent == certs or key.encode() not in path.read_bytes(), path
    assert not list(certs.glob("*.p12"))
    machine.deploy(*words, "--undo", check=0)
    assert [machine.shows(port) for port in PORTS] == [fingerprint(root, "old.rsa.example.com")] * 6
