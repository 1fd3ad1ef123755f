"""Deployments as plans, as scripts, and to this machine; test_deploy_live.py has servers behind ssh."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from opensslgen.cli.main import cli
from opensslgen.deploy.channel import Channel
from opensslgen.deploy.order import prepare
from opensslgen.errors import UsageError
from opensslgen.pki.store import Store
from opensslgen.plan import targets
from opensslgen.plan.deploy import transaction
from opensslgen.plan.targets import Where, where

from . import servers
from .conftest import CHECKOUT, agreeing
from .machines import NGINX, SERVERS
from .needs import need, program_path
from .shells import EACH_SHELL, SHELLS

NAME, OLD = "pbx.example.com", "old.example.com"
PAGE = (CHECKOUT / "opensslgen/manual/deploy.md").read_text("utf-8")


def run(*arguments, **env):
    return CliRunner().invoke(cli, agreeing(arguments), env=env)


def succeed(*arguments):
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy") / "pki"
    succeed("root", "--key-type", "p-256", "--cn", "Test root", "--pki", folder)
    for name in (NAME, OLD):
        succeed("server", name, "--key-type", "p-256", "--pki", folder)
    return folder


@pytest.fixture
def deploy(pki, tmp_path):
    """A function that deploys the certificate to this machine, with files below the test's folder."""

    def deploy(*words, reload=":", name=NAME):
        there = ("--set", f"folder={tmp_path}/tls", "--set", f"state={tmp_path}/state", "--set", f"reload={reload}")
        return run("deploy", name, "--to", "local", *there, *words, "--pki", pki)

    return deploy


def contents(folder):
    return {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in Path(folder).iterdir()}


# What is known of targets


@pytest.mark.parametrize("name", targets.NAMES)
def test_a_target_claims_no_more_than_was_tested(name):
    known = targets.target(name)
    if name in SERVERS:
        assert known.tested.startswith("a real "), known.tested
    elif name in ("generic", "ip-office", "proxmox"):
        assert not known.tested.startswith("a real ")
    else:
        assert known.tested.startswith("not tested")
    assert known.source is None or known.source.startswith("https://")
    assert f"`{name}`" in PAGE
    values = {"address": "10.0.0.5"} if "address" in known.settings else {}
    if known.is_deployable:
        found = known.values(list(values.items()), name=NAME)
        assert all(found[place.variable].startswith("/") for place in known.places if place.path)
        assert targets.ports(found["ports"]) or name in ("generic",)


GOOD = """[target]
tested = nothing
use = {key}
[file key]
suffix = .key
parts = key
path = {folder}/k
[settings]
folder = /etc/foo
[commands]
activate = true
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("tested = nothing\n", "", "[target]: tested is missing"),
        ("tested", "testd", "[target]: there is no testd: did you mean tested?"),
        ("[commands]", "[comands]", "[comands]: there is no such section"),
        ("[file key]", "[file kee]", "[file kee]: there is no file kee: use certificate, "),
        ("parts = key", "parts = key key", "[file key] parts: use each of certificate, "),
        ("parts = key", "parts = cert", "[file key] parts: use each of certificate, "),
        ("parts = key", "form = p13", "[file key] form: use one of pem, der, p12, p12-compat"),
        ("parts = key", "", "[file key] parts: a PEM file has parts, and no other has"),
        ("suffix = .key", "suffix = ../key", "[file key] suffix: write the end of its name"),
        ("parts = key", "parts = key\nmode = 0644", "[file key] mode: everybody could read the key"),
        ("parts = key", "parts = key\nmode = rw", "[file key] mode: write four octal digits"),
        ("parts = key", "parts = key\nowner = root;id", "[file key] owner: write USER or USER:GROUP"),
        ("{folder}/k", "{foldr}/k", "[file key] path: there is no setting foldr"),
        ("{folder}/k", "k", "[file key] path: it has to begin with / or a setting"),
        ("folder = /etc/foo", "folder = /etc/foo\nports = https", "[settings] ports: https is not a port"),
        ("folder = /etc/foo", "Folder = /etc/foo", "[settings]: Folder is not a name"),
        ("activate = true", "", "[file key] path"),
        ("activate = true", "test = true", "[commands]: activate is missing"),
        ("tested = nothing", "tested = nothing\nkeys = dsa", "[target] keys: there is no type dsa"),
        ("[settings]", "[target]", "line 8: the section [target] is there twice"),
        ("tested = nothing", "tested = nothing\ntested = all", "line 3: tested is there twice"),
        ("[target]\n", "", "line 1: a section such as [target] has to come first"),
        ("tested = nothing", "tested", "line 2: write NAME = VALUE"),
        ("tested = nothing", "tested = a\u202eb", "[target] tested: it has several lines, or a character"),
    ],
)
def test_a_wrong_description_of_a_target_says_where(before, after, message, tmp_path):
    assert before in GOOD
    path = tmp_path / "own.ini"
    path.write_text(GOOD.replace(before, after, 1))
    if message == "[file key] path":  # without commands it is a target that people do by hand
        assert not targets.read(path).is_deployable
        return
    done = run("deploy", NAME, "--target", path, "--on", "local", "--pki", tmp_path)
    assert done.exit_code == 2
    assert f"Error: {path}: {message}" in done.stderr, done.stderr


def test_a_file_that_is_no_description_is_refused(tmp_path):
    (tmp_path / "large").write_bytes(b"#" * (1 << 17))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("large", "binary", "missing"):
        done = run("deploy", NAME, "--target", tmp_path / name, "--on", "local", "--pki", tmp_path)
        assert done.exit_code == 2
        assert str(tmp_path / name) in done.stderr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nginx", Where("nginx", None)),
        ("nginx@root@web1", Where("nginx", "root@web1")),
        ("./own.ini@local", Where("./own.ini", "local")),
        ("local", Where("generic", "local")),
        ("nginx@", None),
        ("@box", None),
    ],
)
def test_a_target_and_its_host_are_one_word(text, found):
    if found:
        assert where(text) == found
    else:
        with pytest.raises(UsageError):
            where(text)


# Plans


def test_the_story_of_a_deployment_is_what_is_done(pki, tmp_path):
    told = succeed("deploy", NAME, "--to", "nginx", "--commands", "--pki", pki).stdout.splitlines()
    print_ = x509.load_pem_x509_certificate((pki / f"issued/{NAME}.crt").read_bytes())
    shown = ":".join(f"{byte:02X}" for byte in print_.fingerprint(print_.signature_hash_algorithm))
    assert told[2:] == [
        f"# First: opensslgen export {NAME} --for nginx",
        f"cp {NAME}.key /etc/nginx/tls/{NAME}.key",
        f"chmod 0600 /etc/nginx/tls/{NAME}.key",
        f"cp {NAME}-fullchain.pem /etc/nginx/tls/{NAME}-fullchain.pem",
        f"chmod 0644 /etc/nginx/tls/{NAME}-fullchain.pem",
        "config=/etc/nginx/nginx.conf",
        "# test the new files",
        'nginx -t -q -c "$config"',
        "# make them active",
        'nginx -s reload -c "$config"',
        f"# port 443 has to show {shown}",
        f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null"
        " | openssl x509 -noout -fingerprint -sha256",
    ]


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_the_printed_script_deploys_and_undoes(shell, pki, deploy, tmp_path):
    succeed("export", NAME, "--for", "generic", "--pki", pki, "--out", tmp_path / "files/")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / f"{NAME}.key").write_text("old")
    before = contents(tmp_path / "tls")
    script = tmp_path / "deploy.sh"
    script.write_text(deploy("--script", reload=f"touch {tmp_path}/reloaded").stdout)
    assert "PRIVATE KEY" not in script.read_text()

    def act(*words):
        return subprocess.run(
            [*SHELLS[shell], script, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )

    missing = act(tmp_path)
    assert (missing.returncode, contents(tmp_path / "tls")) == (1, before)
    assert "is missing" in missing.stderr
    done = act(tmp_path / "files")
    assert done.returncode == 0, done.stderr
    files = contents(tmp_path / "tls")
    assert files == {**contents(tmp_path / "files"), f"{NAME}.key": (files[f"{NAME}.key"][0], 0o640)}
    assert (tmp_path / "reloaded").exists()
    (tmp_path / "reloaded").unlink()
    again = act(tmp_path / "files")
    assert again.stdout == f"nothing to do: {NAME} to generic\n"
    assert not (tmp_path / "reloaded").exists()
    undone = act("--undo")
    assert undone.returncode == 0, undone.stderr
    assert contents(tmp_path / "tls") == before
    assert "the old files are back" in undone.stderr
    assert [path.name for path in (tmp_path / "state").iterdir()] == []


def test_the_printed_script_and_the_commands_of_all_targets_please_shellcheck(deploy):
    need("shellcheck")
    lines = [deploy("--script").stdout.removesuffix('main "$@"\n')]
    for name in targets.NAMES:
        known = targets.target(name)
        values = {**targets.SETTINGS, **known.settings, **{place.variable: "/x" for place in known.places}}
        values |= {"password": "/x", "name": NAME}
        lines += ["(", *(f"{key}=$1" for key in values), f": {' '.join(f'${key}' for key in values)}"]
        lines += [*known.commands.values(), ")"]
    text = "\n".join(lines) + "\n"
    excluded = ("shellcheck", "-s", "sh", "-e", "SC2015,SC2030,SC2031,SC2086", "-")
    checked = subprocess.run(excluded, input=text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


# To this machine


def test_a_second_run_changes_nothing_and_check_says_so(deploy, pki, tmp_path):
    checked = deploy("--check")
    assert checked.exit_code == 0
    assert "Would deploy" in checked.stdout
    assert not (tmp_path / "tls").exists()
    done = deploy(reload=f"echo again >>{tmp_path}/reloads")
    assert done.exit_code == 0, done.output
    files = contents(tmp_path / "tls")
    assert files[f"{NAME}.key"] == ((pki / f"private/{NAME}.key").read_bytes(), 0o600)
    assert files[f"{NAME}-fullchain.pem"] == ((pki / f"issued/{NAME}.crt").read_bytes(), 0o644)
    assert files[f"{NAME}-ca.pem"] == ((pki / "ca.crt").read_bytes(), 0o644)
    second = deploy("--json", reload=f"echo again >>{tmp_path}/reloads")
    answer = json.loads(second.stdout)
    schema = json.loads((CHECKOUT / "opensslgen/schema/answers.schema.json").read_text())
    jsonschema.validate(answer, {**schema, "anyOf": [{"$ref": "#/$defs/deployed"}]})
    assert not answer["changed"]
    assert (tmp_path / "reloads").read_text() == "again\n"
    other = deploy("--undo", name=OLD)
    assert (other.exit_code, contents(tmp_path / "tls")) == (1, files)
    assert f"the last deployment here was another one: {NAME} to generic" in other.stderr
    assert deploy("--undo").exit_code == 0
    assert contents(tmp_path / "tls") == {}
    assert deploy("--undo").exit_code == 1


def test_a_failing_reload_is_undone(deploy, tmp_path):
    assert deploy(name=OLD).exit_code == 0
    for path in [*(tmp_path / "tls").iterdir()]:
        path.rename(path.with_name(path.name.replace(OLD, NAME)))
    (tmp_path / "tls" / f"{NAME}.key").chmod(0o640)
    before = contents(tmp_path / "tls")
    old = before[f"{NAME}.key"][0].splitlines()[1].decode()
    key = tmp_path / "tls" / f"{NAME}.key"
    command = f"echo $(cksum <{key}) >>{tmp_path}/seen; echo the reason; grep -q {old} {key}"
    failed = deploy(reload=command)
    assert failed.exit_code == 1
    assert "failed there with exit code 1: the reason; the old files are back" in failed.stderr
    assert contents(tmp_path / "tls") == before
    # It was run with the new files, and then with the old ones.
    seen = (tmp_path / "seen").read_text().splitlines()
    assert len(seen) == 2
    assert seen[0] != seen[1]


def test_an_old_file_keeps_its_mode_and_a_link_stays(deploy, tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / f"{NAME}.key").write_text("old")
    (folder / f"{NAME}.key").chmod(0o644)
    (tmp_path / "elsewhere.pem").write_text("old")
    (tmp_path / "elsewhere.pem").chmod(0o664)
    (folder / f"{NAME}-ca.pem").symlink_to("../elsewhere.pem")
    assert deploy().exit_code == 0
    files = contents(folder)
    assert files[f"{NAME}.key"][1] == 0o640  # everybody could read it
    assert (folder / f"{NAME}-ca.pem").is_symlink()
    assert files[f"{NAME}-ca.pem"][1] == 0o664
    assert "BEGIN CERTIFICATE" in (tmp_path / "elsewhere.pem").read_text()


def test_the_lock_names_its_owner_and_a_dead_one_is_broken(deploy, tmp_path):
    lock = tmp_path / "state/lock"
    lock.parent.mkdir(mode=0o700)
    lock.mkdir()
    (lock / "pid").write_text(f"{os.getpid()}\n")
    (lock / "born").write_text(born(os.getpid()))
    (lock / "who").write_text("somebody, since then\n")
    refused = deploy()
    assert refused.exit_code == 1
    assert "another deployment is at work" in refused.stderr
    assert "somebody, since then" in refused.stderr
    assert not (tmp_path / "tls").exists()
    # Another process has got the number meanwhile.
    (lock / "born").write_text("1\n")
    assert deploy().exit_code == 0
    assert not lock.exists()
    lock.mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    (lock / "pid").write_text(f"{ended.pid}\n")
    assert deploy(name=OLD).exit_code == 0
    assert not lock.exists()
    # It has ended, and nobody has waited for it yet.
    lock.mkdir()
    ended = subprocess.Popen(["sleep", "60"])
    (lock / "pid").write_text(f"{ended.pid}\n")
    (lock / "born").write_text(born(ended.pid))
    ended.kill()
    assert deploy().exit_code == 0
    ended.wait()


def born(pid):
    """Return what the lock of a process says of it."""
    function = re.search(r"(?ms)^born\(\) \{.*?^\}\n", (CHECKOUT / "templates/deploy.sh").read_text())[0]
    return subprocess.run(["sh", "-c", f"{function}born {pid}"], capture_output=True, text=True).stdout


def test_a_shell_that_dies_there_is_undone_by_the_same_run_or_the_next(deploy, tmp_path):
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / f"{NAME}.key").write_text("old")
    before = contents(tmp_path / "tls")
    done = deploy(reload=f"[ -e {tmp_path}/died ] || {{ : >{tmp_path}/died; kill -9 $PPID; }}")
    assert done.exit_code == 1
    assert "the connection broke, or the shell there was killed; the old files are back" in done.stderr
    assert contents(tmp_path / "tls") == before
    # What that run would have left, had it been killed as well: the next one says so.
    done = deploy(reload=f"[ -e {tmp_path}/good ] || {{ : >{tmp_path}/good; kill -9 $PPID; sleep 9; }}", name=OLD)
    assert done.exit_code == 1
    assert deploy().exit_code == 0


def test_ports_are_proved_and_the_old_certificate_comes_back(deploy, pki, tmp_path):
    folder = tmp_path / "tls"
    assert deploy(name=OLD).exit_code == 0
    for path in [*folder.iterdir()]:
        path.rename(path.with_name(path.name.replace(OLD, NAME)))
    port = servers.free_port()
    (tmp_path / "nginx.conf").write_text(
        NGINX.format(
            home=folder,
            listen=f"listen 127.0.0.1:{port} ssl;",
            chain=folder / f"{NAME}-fullchain.pem",
            key=folder / f"{NAME}.key",
        )
    )
    argv = [program_path("nginx"), "-c", tmp_path / "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with servers.program(argv, port):
        # The server never reads its new files.
        failed = deploy("--set", f"ports={port}", "--set", "wait=1")
        assert failed.exit_code == 1
        assert f"does not show the new certificate after 1 s: port {port}: it shows " in failed.stderr
        assert "the old files are back, and 1 ports show what they showed before" in failed.stderr
        master = (folder / "pid").read_text().strip()
        done = deploy("--set", f"ports={port}", reload=f"kill -HUP {master}")
        assert done.exit_code == 0, done.output
        assert f"✓ port {port} shows it, with its whole chain" in done.stdout
        undone = deploy("--set", f"ports={port}", "--undo")
        assert undone.exit_code == 0, undone.output


def test_a_port_without_the_whole_chain_is_not_proved():
    from opensslgen.deploy.proof import Shown

    port = targets.Port(443, None)
    assert Shown(port, ((b"leaf", b"ca"),), ()).fault([b"leaf", b"ca"]) is None
    assert Shown(port, ((b"leaf", b"ca", b"root"),), ("refused",)).fault([b"leaf", b"ca"]) is None
    assert "not all of the CAs" in Shown(port, ((b"leaf",),), ()).fault([b"leaf", b"ca"])
    assert "it shows " in Shown(port, ((b"leaf", b"ca"), (b"old", b"ca")), ()).fault([b"leaf", b"ca"])
    assert Shown(port, (), ("connection refused",)).fault([b"leaf"]) == "connection refused"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "folder=tls"], "key is 'tls/pbx.example.com.key': write an absolute path"),
        (["--set", "folder=/a/../b"], "write an absolute path"),
        (["--set", "fodler=/a"], "the target generic has no setting fodler"),
        (["--set", "wait=soon"], "the setting wait is soon"),
        (["--set", "ports=443 443"], "the port 443 is listed twice"),
        (["--set", "ports=25/smpt"], "smpt is not a protocol for STARTTLS"),
        (["--set", "reload"], "the setting reload has no value"),
        (["--set", "key=/a", "--set", "chain=/a"], "would have the same path"),
        (["--on", "-oProxyCommand=id"], "is not a destination of ssh"),
        (["--on", "root@-oProxyCommand=id"], "is not a destination of ssh"),
        (["--on", "ssh://-oProxyCommand=id"], "is not a destination of ssh"),
        (["--on", "root@$(id)"], "is not a destination of ssh"),
        (["--on", "root@a`id`"], "is not a destination of ssh"),
        (["--on", "root@"], "is not a destination of ssh"),
        (["--set", "ports=00000165536"], "00000165536 is not a port"),
        (["--set", "ports=65536"], "65536 is not a port"),
        (["--set", "ports=0"], "0 is not a port"),
        (["--set", "wait=0000019999"], "the setting wait is 0000019999"),
        (["--set", "wait=3601"], "the setting wait is 3601"),
        (["--set", "ports=443", "--ask", "no host!"], "no host!"),
        (["--ssh", " "], "--ssh"),
        (["--on", "a b"], "is not a destination of ssh"),
        (["--ssh", "ssh '"], "--ssh: No closing quotation"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(words, message, pki):
    where = () if "--on" in words else ("--on", "local")
    done = run("deploy", NAME, "--to", "generic", *where, *words, "--pki", pki)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    "destination",
    [
        "web1",
        "root@web1",
        "root@2001:db8::1",
        "root@fe80::1%eth0",
        "ssh://root@web1:2222",
        r"dom\user@web1",
        "a@b@web1",
    ],
)
def test_a_destination_of_ssh_is_taken_as_it_stands(destination):
    assert Channel(destination).argv()[-2:] == [destination, "sh -s"]


def test_a_state_folder_that_others_could_fill_is_not_believed(deploy, tmp_path):
    """It has commands that the next run carries out."""
    planted = tmp_path / "state/current"
    planted.mkdir(parents=True)
    for name, text in {"paths": "", "restore": f"touch {tmp_path}/run", "activating": "", "placing": ""}.items():
        (planted / name).write_text(text)
    planted.parent.chmod(0o777)
    for words in ((), ("--undo",), ("--check",)):
        done = deploy(*words)
        assert done.exit_code == 1
        assert "others can write to it" in done.stderr
    planted.parent.chmod(0o700)
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    (tmp_path / "state").symlink_to("elsewhere")
    assert "is a link" in deploy().stderr
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "tls").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to others")
def test_what_another_user_has_planted_is_refused(deploy, tmp_path):
    (tmp_path / "tls").mkdir()
    (tmp_path / "victim").write_text("victim")
    link = tmp_path / "tls" / f"{NAME}.key"
    link.symlink_to(tmp_path / "victim")
    os.lchown(link, 12345, 12345)
    assert "is a symbolic link of another user" in deploy().stderr
    link.unlink()
    (tmp_path / "state").mkdir(exist_ok=True)
    os.chown(tmp_path / "state", 12345, 12345)
    assert deploy().exit_code == 1
    assert list((tmp_path / "tls").iterdir()) == []
    assert (tmp_path / "victim").read_text() == "victim"


def test_links_at_the_names_of_new_files_are_not_followed(deploy, tmp_path):
    (tmp_path / "tls").mkdir()
    (tmp_path / "victim").write_text("victim")
    for name in (f"{NAME}.key.opensslgen", f"{NAME}.key.opensslgen.d", f"{NAME}-ca.pem.opensslgen"):
        (tmp_path / "tls" / f".{name}").symlink_to(tmp_path / "victim")
    (tmp_path / "tls" / f"{NAME}.key").write_text("old")
    assert deploy().exit_code == 0
    assert (tmp_path / "victim").read_text() == "victim"
    assert not [path for path in (tmp_path / "tls").iterdir() if path.name.startswith(".")]


def test_undo_leaves_alone_what_was_changed_since_and_names_what_it_restored(deploy, tmp_path):
    key = tmp_path / "tls" / f"{NAME}.key"
    assert deploy().exit_code == 0
    new = key.read_bytes()
    key.write_text("by hand")
    refused = deploy("--undo")
    assert refused.exit_code == 1
    assert "a file was changed after that deployment" in refused.stderr
    assert key.read_text() == "by hand"
    key.write_bytes(new)
    undone = deploy("--undo", "--set", "folder=/elsewhere", "--set", "ports=1")
    assert undone.exit_code == 0, undone.output
    assert str(key) in undone.stdout
    assert "/elsewhere" not in undone.stdout
    assert "not known what they showed before: port 1" in undone.stderr
    assert not key.exists()


LIARS = {
    "kept": "echo opensslgen:kept=; echo opensslgen:activated=; echo opensslgen:end=",
    "all": "echo opensslgen:begun=; echo opensslgen:kept=; echo opensslgen:activated=; echo opensslgen:restored=;"
    " echo opensslgen:end=",
    "nothing at all": "exit 0",
    "lines without end": "exec yes opensslgen:note=x",
    "a line without end": "yes | tr -d '\\n'",
    "errors without end": "exec yes x >&2",
    "escapes": r"printf 'opensslgen:left=\033]0;x\007\n\377\n'; printf 'Error: \033[2J\n' >&2; exit 1",
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_target_that_lies_proves_nothing(lie, pki, tmp_path):
    fake = tmp_path / "ssh"
    fake.write_text(f"#!/bin/sh\ncase $* in *' -G '*|-G*) echo hostname 127.0.0.1; exit 0 ;; esac\n{LIARS[lie]}\n")
    fake.chmod(0o755)
    port = servers.free_port()
    done = run(
        "deploy", NAME, "--to", "generic@box", "--ssh", fake, "--set", f"ports={port}", "--set", "wait=1", "--pki", pki
    )
    assert done.exit_code == 1, done.output
    assert "✓" not in done.stdout
    assert "\x1b" not in done.output
    assert "Traceback" not in done.output
    assert len(done.output) < 2000


@pytest.mark.parametrize(
    ("words", "message"), [(("local", "--sudo"), "no sudo found"), (("generic@box",), "no ssh found")]
)
def test_a_missing_program_is_named(words, message, pki, monkeypatch):
    monkeypatch.setattr("opensslgen.deploy.channel.talk", missing)
    done = run("deploy", NAME, "--to", *words, "--pki", pki)
    assert done.exit_code == 1
    assert message in done.stderr


def missing(argv, **_):
    raise FileNotFoundError(argv[0])


def test_targets_that_have_no_shell_say_what_people_do(pki):
    done = run("deploy", NAME, "--to", "vodia@local", "--pki", pki)
    assert done.exit_code == 2
    assert f"opensslgen export {NAME} --for vodia" in done.stderr
    done = run("deploy", NAME, "--to", "ip-office@local", "--set", "address=10.0.0.5", "--pki", pki)
    assert done.exit_code == 1
    assert "takes only keys of the type rsa-2048" in done.stderr


def test_a_revoked_certificate_is_not_deployed(tmp_path):
    pki = tmp_path / "pki"
    succeed("root", "--key-type", "p-256", "--cn", "Test root", "--pki", pki)
    succeed("server", NAME, "--key-type", "p-256", "--pki", pki)
    (tmp_path / "kept").mkdir()
    key = (pki / f"private/{NAME}.key").read_bytes()
    crt = (pki / f"issued/{NAME}.crt").read_bytes()
    succeed("revoke", NAME, "--yes", "--pki", pki)
    (pki / f"private/{NAME}.key").write_bytes(key)
    (pki / f"issued/{NAME}.crt").write_bytes(crt)
    done = run("deploy", NAME, "--to", "local", "--pki", pki)
    assert done.exit_code == 1
    assert re.search("is revoked|revoked", done.stderr)


def test_the_shell_that_is_started_sees_no_secret_of_ours(deploy, tmp_path):
    done = deploy(reload=f"env >{tmp_path}/env; ls -l /proc/$PPID/fd >/dev/null 2>&1 || :")
    assert done.exit_code == 0, done.output
    assert "OPENSSLGEN_CA_PASSPHRASE" not in (tmp_path / "env").read_text()
    state = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in state)
    assert all(not stat.S_IMODE(path.stat().st_mode) & 0o077 for path in state)


def test_sudo_starts_the_shell_and_must_not_ask(deploy, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/sudo"
    fake.write_text(f'#!/bin/sh\n[ "$1" = -n ] && shift\necho "$@" >>{tmp_path}/sudo\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert deploy("--sudo").exit_code == 0
    assert set((tmp_path / "sudo").read_text().splitlines()) == {"sh -s"}


def test_a_deployment_that_nobody_ends_undoes_itself(pki, tmp_path):
    """The connection may hang for hours; the shell there waits for its last word only so long."""
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/k").write_text("old")
    own = tmp_path / "own.ini"
    own.write_text(GOOD)
    order = prepare(
        NAME, targets.read(own), [("folder", f"{tmp_path}/tls"), ("state", f"{tmp_path}/state")], store=Store(pki)
    ).deployment
    seen = hashlib.sha256(b"old").hexdigest()
    text = transaction(order, {f"{NAME}.key": b"new"}, by="me", digests=[seen], before="", password=None)
    text = re.sub("(?m)^await_word [0-9]+$", "await_word 1", text)
    with subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        shell.stdin.write(text)
        shell.stdin.flush()
        assert shell.wait(timeout=60) != 0
        said = shell.stdout.read()
    assert "opensslgen:activated=" in said
    assert "opensslgen:restored=" in said
    assert (tmp_path / "tls/k").read_text() == "old"
    assert list((tmp_path / "state").iterdir()) == []


def test_an_unknown_host_is_an_error_of_ssh(pki, tmp_path):
    need("ssh")
    fake = tmp_path / "ssh"
    fake.write_text("#!/bin/sh\necho 'ssh: Could not resolve hostname' >&2\nexit 255\n")
    fake.chmod(0o755)
    done = run("deploy", NAME, "--to", "generic@box", "--ssh", fake, "--pki", pki)
    assert done.exit_code == 1
    assert "box: ssh: Could not resolve hostname" in done.stderr


# After other commands


def place(tmp_path, reload=":"):
    return f'generic@local folder={tmp_path}/tls state={tmp_path}/state "reload={reload}"'


def answer_kept(text, kind):
    answer = json.loads(text)
    schema = json.loads((CHECKOUT / "opensslgen/schema/answers.schema.json").read_text())
    jsonschema.validate(answer, {**schema, "anyOf": [{"$ref": f"#/$defs/{kind}"}]})
    return answer


def test_an_inventory_says_where_its_certificates_go(tmp_path):
    pki, inventory = tmp_path / "pki", tmp_path / "sites.csv"
    cell = place(tmp_path).replace('"', '""')
    inventory.write_text(f'name,key-type,deploy\n{NAME},p-256,"{cell}"\n{OLD},p-256,\n')
    words = ("batch", inventory, "--new-ca", "--pki", pki)
    assert run(*words, "--check").exit_code == 1
    assert not (tmp_path / "tls").exists()
    done = succeed(*words)
    assert f"Deployed {NAME} to generic on this machine" in done.stdout
    assert sorted(contents(tmp_path / "tls")) == [f"{NAME}-ca.pem", f"{NAME}-fullchain.pem", f"{NAME}.key"]
    succeed(*words, "--check")
    # Somebody changes a file there: the next run puts it right.
    (tmp_path / "tls" / f"{NAME}.key").write_text("other")
    assert run(*words, "--check").exit_code == 1
    (answer,) = answer_kept(succeed(*words, "--json").stdout, "batch")["deployed"]
    assert answer["changed"]
    assert (tmp_path / "tls" / f"{NAME}.key").read_bytes() == (pki / f"private/{NAME}.key").read_bytes()
    bad = place(tmp_path, "exit 7").replace('"', '""')
    inventory.write_text(f'name,key-type,deploy\n{NAME},p-256,"{bad}"\n')
    (tmp_path / "tls" / f"{NAME}.key").write_text("other")
    failed = run(*words)
    assert failed.exit_code == 1
    assert f"{NAME} was not deployed to generic on local: " in failed.stderr


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("nginx", "deploy: nginx does not say where it is: write nginx@HOST"),
        ("ngnix@web1", "deploy: there is no target 'ngnix'"),
        ("vodia@pbx", "deploy: vodia has no shell"),
        ("ip-office@pbx", "deploy: the target ip-office has to know: address"),
        ("nginx@web1 folder", "deploy: the setting folder has no value"),
        ("nginx@web1; postfix", "deploy: postfix does not say where it is"),
    ],
)
def test_a_wrong_cell_is_found_before_anything_is_issued(cell, message, tmp_path):
    (tmp_path / "sites.csv").write_text(f'name,deploy\n{NAME},"{cell}"\n')
    done = run("batch", tmp_path / "sites.csv", "--new-ca", "--pki", tmp_path / "pki")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "pki").exists()


def test_a_renewed_certificate_is_installed(tmp_path):
    pki = tmp_path / "pki"
    succeed("root", "--key-type", "p-256", "--cn", "Test root", "--pki", pki)
    succeed("server", NAME, "--key-type", "p-256", "--pki", pki)
    done = succeed("renew", NAME, "--deploy", place(tmp_path), "--json", "--pki", pki)
    (answer,) = answer_kept(done.stdout, "renewed")
    assert answer["deployed"][0]["changed"]
    shown = contents(tmp_path / "tls")[f"{NAME}-fullchain.pem"][0]
    assert shown == (pki / f"issued/{NAME}.crt").read_bytes()
    failed = run("renew", NAME, "--deploy", place(tmp_path, "exit 7"), "--pki", pki)
    assert failed.exit_code == 1
    assert contents(tmp_path / "tls")[f"{NAME}-fullchain.pem"][0] == shown
    before = (pki / f"issued/{NAME}.crt").read_bytes()
    assert run("renew", NAME, "--deploy", "nowhere", "--pki", pki).exit_code == 2
    assert (pki / f"issued/{NAME}.crt").read_bytes() == before


# Stand-ins

PVENODE = """#!/bin/sh
# Stands in for pvenode, after https://pve.proxmox.com/pve-docs/pvenode.1.html: cert set CHAIN KEY [OPTIONS],
# and cert delete [RESTART].
set -e
case "$1 $2" in
    "cert set")
        [ "$5 $6 $7 $8" = "--force 1 --restart 1" ]
        grep -q 'BEGIN CERTIFICATE' "$3" && grep -q 'PRIVATE KEY' "$4"
        cp "$3" {active}.pem && cp "$4" {active}.key
        ;;
    "cert delete")
        [ "$3" = 1 ] && [ $# -eq 3 ]
        cp {own}.pem {active}.pem && cp {own}.key {active}.key
        ;;
    *) exit 2 ;;
esac
kill -HUP "$(cat {home}/pid)"
"""


@pytest.mark.slow
@pytest.mark.parametrize("has_custom", [True, False])
def test_a_proxmox_node_gets_its_certificate_from_pvenode(has_custom, pki, tmp_path, monkeypatch):
    active, own, port = tmp_path / "pveproxy-ssl", tmp_path / "own", servers.free_port()
    for path in (active, own):
        shutil.copy(pki / f"issued/{OLD}.crt", f"{path}.pem")
        shutil.copy(pki / f"private/{OLD}.key", f"{path}.key")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pvenode").write_text(PVENODE.format(active=active, own=own, home=tmp_path))
    (tmp_path / "bin/pvenode").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    (tmp_path / "nginx.conf").write_text(
        NGINX.format(home=tmp_path, listen=f"listen 127.0.0.1:{port} ssl;", chain=f"{active}.pem", key=f"{active}.key")
    )
    settings = [f"ports={port}", f"folder={tmp_path}/tls", f"state={tmp_path}/state"]
    settings.append(f"active={active if has_custom else tmp_path / 'none'}")
    words = ["deploy", NAME, "--to", "proxmox@local", "--pki", pki]
    for setting in settings:
        words += ["--set", setting]
    argv = [program_path("nginx"), "-c", tmp_path / "nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    with servers.program(argv, port):
        succeed(*words)
        assert Path(f"{active}.key").read_bytes() == (pki / f"private/{NAME}.key").read_bytes()
        assert "nothing to do" in succeed(*words).stdout
        succeed(*words, "--undo")
        assert Path(f"{active}.key").read_bytes() == (pki / f"private/{OLD}.key").read_bytes()


def test_a_unifi_controller_gets_a_keystore_that_it_can_open(pki, tmp_path):
    words = ["--set", f"keystore={tmp_path}/keystore", "--set", f"state={tmp_path}/state"]
    words += ["--set", f"reload=touch {tmp_path}/restarted", "--set", "ports="]
    own = tmp_path / "unifi.ini"
    text = (CHECKOUT / "opensslgen/targets/unifi.ini").read_text()
    own.write_text(text.replace("owner = unifi:unifi\n", ""))
    succeed("deploy", NAME, "--target", own, "--on", "local", *words, "--pki", pki)
    found = pkcs12.load_pkcs12((tmp_path / "keystore").read_bytes(), b"aircontrolenterprise")
    assert found.cert.friendly_name == b"unifi"
    assert found.cert.certificate == x509.load_pem_x509_certificate((pki / f"issued/{NAME}.crt").read_bytes())
    assert stat.S_IMODE((tmp_path / "keystore").stat().st_mode) == 0o640
    assert (tmp_path / "restarted").exists()
