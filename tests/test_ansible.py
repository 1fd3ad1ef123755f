"""The Ansible collection, with real sshds on machines without Python, some of which die in the middle."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import opensslgen as package

from . import needs
from .boxes import boxes, with_libraries
from .conftest import CHECKOUT, opensslgen
from .manual import MANUAL, blocks

BIN = Path(sys.executable).parent
COLLECTION = CHECKOUT / "opensslgen" / "ansible"
POST = CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh"
VENDOR = "opt/Avaya/scripts/gen_certs.sh"
PASSPHRASE = "correct horse battery staple"
NAMES = [f"pbx{number}.example.com" for number in range(1, 6)]
SETTINGS = """
[defaults]
log_path = {folder}/ansible.log
fact_caching = jsonfile
fact_caching_connection = {folder}/facts
home = {folder}/home
forks = 5
[ssh_connection]
ssh_args = -F none -o UserKnownHostsFile={boxes}/known_hosts
    -o ControlMaster=auto -o ControlPersist=20s -o ServerAliveInterval=1 -o ServerAliveCountMax=2
control_path_dir = {sockets}
"""
FILES = [
    {"what": "chain", "path": "/etc/tls/chain.pem", "owner": "root:tls"},
    {"what": "root", "path": "/etc/tls/root.pem"},
    {"what": "key", "path": "/etc/tls/key.pem", "mode": "0640", "owner": "0:99"},
]


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Where the collection is installed, as a user does it: written out, and installed by ansible-galaxy."""
    folder = tmp_path_factory.mktemp("collections")
    done = opensslgen("ansible", "fleet", cwd=folder)
    assert done.returncode == 0, done.stderr
    ansible(folder, *done.stdout.partition("Next: ")[2].split(), "-p", folder, cwd=folder)
    return folder


PLAYBOOKS = blocks(MANUAL / "ansible.md", "yaml")


def ansible(collections, *command, **options):
    """Run one of Ansible's commands on this machine."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(collections / "home"),
    }
    command = [BIN / command[0], *map(str, command[1:])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Fleet:
    """Appliances, and the folder of whoever looks after them."""

    def __init__(self, found, folder, collections, *, sockets, passphrase=None):
        self.boxes = found
        self.folder = folder
        self.collections = collections
        self.said = []
        (folder / "ansible.cfg").write_text(SETTINGS.format(folder=folder, boxes=found.folder, sockets=sockets))
        self.inventory()
        environment = {"OPENSSLGEN_CA_PASSPHRASE": passphrase} if passphrase else {}
        done = opensslgen("root", "--cn", "Fleet root", "--key-type", "p-256", cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr

    def inventory(self, **variables):
        hosts = {box.name: {"ansible_host": box.address, "fleet_san": [box.address]} for box in self.boxes.boxes}
        common = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.boxes.key),
            "fleet_key_type": "p-256",
            "fleet_files": FILES,
            "fleet_reload": "/etc/init.d/tls restart",
            **variables,
        }
        common = {name: value for name, value in common.items() if value is not None}
        (self.folder / "hosts.json").write_text(json.dumps({"appliances": {"hosts": hosts, "vars": common}}))

    def play(self, *options, playbook="opensslgen.fleet.fleet"):
        """Run a playbook as verbosely as can be, and return its exit code, what it said, and each host's sums."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "PWD": str(self.folder),
        }
        command = [BIN / "ansible-playbook", "-i", "hosts.json", "-vvv", *options, playbook]
        done = self.boxes.run(*command, env=environment, cwd=self.folder)
        self.said.append(done.stdout + done.stderr)
        recap = done.stdout.partition("PLAY RECAP")[2]
        sums = {
            name: {what: int(count) for what, count in re.findall(r"(\w+)=(\d+)", rest)}
            for name, rest in re.findall(r"^(\S+)\s+: (ok=.*)$", recap, re.MULTILINE)
        }
        return done.returncode, done.stdout + done.stderr, sums

    def report(self):
        report = json.loads((self.folder / "audit.json").read_text())
        return {entry["target"].split()[0]: entry for entry in report["results"]}

    def keys(self):
        """What private keys on the hosts look like: as in their files, and with those files in base64 once more."""
        found = []
        for box in self.boxes.boxes:
            for path in (box.root / "etc").glob("**/*"):
                data = path.read_bytes() if path.is_file() else b""
                if b"PRIVATE KEY-" in data:
                    found.append("".join(data.decode().split("-----")[2].split()))
                    # From the second line on, at any of three places in a group of four characters.
                    found += [base64.b64encode(data[30 + shift :]).decode().rstrip("=")[:-2] for shift in range(3)]
        return found


@contextlib.contextmanager
def appliances(tmp_path, collections, names, **options):
    folder = tmp_path / "controller"
    folder.mkdir()
    (tmp_path / "boxes").mkdir()
    # The path of a Unix domain socket has room for about 100 characters, and pytest's folders are long.
    sockets = tempfile.mkdtemp(prefix="oc-", dir="/tmp")
    try:
        with boxes(tmp_path / "boxes", names) as found:
            yield Fleet(found, folder, collections, sockets=sockets, **options)
    finally:
        shutil.rmtree(sockets)


@pytest.fixture
def fleet(tmp_path, collections):
    with appliances(tmp_path, collections, NAMES) as found:
        yield found


@pytest.fixture
def pair(tmp_path, collections):
    """Two appliances, and a root with a passphrase."""
    with appliances(tmp_path, collections, NAMES[:2], passphrase=PASSPHRASE) as found:
        yield found


def state_of(root):
    """What a box holds, but for what comes and goes."""
    found = {}
    for path in sorted(root.glob("**/*")):
        if path.is_file() and not path.is_symlink() and path.name not in {"sshd.log", "tls.pid"}:
            status = path.stat()
            found[str(path.relative_to(root))] = (status.st_mtime_ns, status.st_ino, oct(status.st_mode))
    return found


@pytest.mark.slow
def test_a_fleet_two_of_which_die_in_the_middle(fleet):
    first, *_, fourth, fifth = fleet.boxes.boxes
    alive = fleet.boxes.boxes[:3]
    (first.root / VENDOR).parent.mkdir(parents=True)
    shutil.copy(POST, first.root / VENDOR)

    # A check changes nothing, anywhere.
    before = [state_of(box.root) for box in fleet.boxes.boxes]
    code, said, sums = fleet.play("--check", "--diff", "--skip-tags", "audit")
    assert all(host["failed"] == 0 and host["changed"] >= 2 for host in sums.values()), said
    assert len(sums) == 5
    assert [state_of(box.root) for box in fleet.boxes.boxes] == before
    assert not list((fleet.folder / "pki" / "issued").glob("*.crt"))
    assert "+names: DNS:pbx3.example.com, IP:10.77.0.13" in said
    assert "+DEFAULT_SERVER_CERT_VALIDITY=$((820)) # 820 days" in said

    # One dies while it makes its request, one when the first of its files is in place.
    undo_fourth = fourth.dies_at("bin/openssl", " req -new ")
    undo_fifth = fifth.dies_at("bin/mv", f"{NAMES[4]}-chain.pem.opensslgen")
    code, said, sums = fleet.play()
    assert undo_fourth()
    assert undo_fifth()
    assert code != 0
    for box in alive:
        assert sums[box.name]["unreachable"] == 0
        assert (box.root / "run/reloads").read_text() == "reloaded\n"
    for box in (fourth, fifth):
        assert sums[box.name]["unreachable"] == 1, said
    report = fleet.report()
    assert [report[name]["verdict"] for name in NAMES] == ["complies"] * 3 + ["unreadable"] * 2
    half = fifth.root / "etc/opensslgen/pki/issued"
    assert (half / f"{NAMES[4]}.crt").exists()
    assert not (half / f"{NAMES[4]}-chain.pem").exists()

    # The next run completes them, and leaves the others alone.
    untouched = [state_of(box.root) for box in alive]
    for box in (fourth, fifth):
        box.start()
    code, said, sums = fleet.play()
    assert code == 0, said
    assert [sums[box.name]["changed"] for box in alive] == [1, 0, 0], "only what is done once for all, by the first"
    assert all(sums[box.name]["changed"] for box in (fourth, fifth))
    assert [state_of(box.root) for box in alive] == untouched
    assert {entry["verdict"] for entry in fleet.report().values()} == {"complies"}
    assert (fifth.root / "run/reloads").read_text() == "reloaded\n"

    # And the one after that has nothing to do.
    untouched = [state_of(box.root) for box in fleet.boxes.boxes]
    code, said, sums = fleet.play("--diff")
    assert code == 0, said
    assert [host["changed"] for host in sums.values()] == [0] * 5
    assert [state_of(box.root) for box in fleet.boxes.boxes] == untouched

    for box in fleet.boxes.boxes:
        judged_by_others(box, fleet.folder / "pki" / "ca.crt")
        assert (box.root / "etc/tls/chain.pem").stat().st_gid == 99
        assert not [path for path in box.root.glob("**/*") if "python" in path.name or "ansible" in path.name]
    assert b"$((820)) # 820 days" in (first.root / VENDOR).read_bytes()
    (kept,) = (first.root / VENDOR).parent.glob("*.orig-*")
    assert kept.read_bytes() == POST.read_bytes()
    no_key_is_anywhere_but_on_its_host(fleet)


def judged_by_others(box, root):
    """The files of a box, judged by cryptography: what belongs together does, and modes are as asked for."""
    tls = box.root / "etc" / "tls"
    key = serialization.load_pem_private_key((tls / "key.pem").read_bytes(), None)
    leaf, issuer = x509.load_pem_x509_certificates((tls / "chain.pem").read_bytes())
    assert leaf.public_key() == key.public_key()
    leaf.verify_directly_issued_by(issuer)
    assert issuer == x509.load_pem_x509_certificate(root.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [box.name, box.address]
    status = (tls / "key.pem").stat()
    assert (oct(status.st_mode), status.st_uid, status.st_gid) == ("0o100640", 0, 99)
    private = box.root / "etc/opensslgen/pki/private" / f"{box.name}.key"
    assert oct(private.stat().st_mode) == "0o100600"


def no_key_is_anywhere_but_on_its_host(fleet):
    """Not in what Ansible said at -vvv, not in its log, not in its facts, nor in any file of the controller."""
    keys = fleet.keys()
    assert len(keys) >= 4 * 3 * len(fleet.boxes.boxes), "of sshd, made, and in place"
    seen = "".join("".join(text.split()) for text in fleet.said)
    for path in fleet.folder.glob("**/*"):
        if path.is_file() and path.name != "ca.key":
            seen += "".join(path.read_text(errors="replace").split())
    assert "pbx1.example.com" in seen
    assert "BEGINCERTIFICATEREQUEST" in seen
    assert "PRIVATEKEY" not in seen.replace("-----BEGINPUBLICKEY", "")
    for key in keys:
        for at in range(0, len(key) - 24, 24):
            assert key[at : at + 24] not in seen


@pytest.mark.slow
def test_the_playbook_of_the_readme(pair):
    (playbook,) = PLAYBOOKS
    (pair.folder / "fleet.yml").write_text(playbook)
    pair.inventory(fleet_files=None, fleet_reload=None, fleet_passphrase=PASSPHRASE)
    code, said, sums = pair.play(playbook="fleet.yml")
    assert code == 0, said
    assert {entry["verdict"] for entry in pair.report().values()} == {"complies"}
    for box in pair.boxes.boxes:
        judged_by_others(box, pair.folder / "pki" / "ca.crt")
    code, said, sums = pair.play(playbook="fleet.yml")
    assert code == 0, said
    assert [host["changed"] for host in sums.values()] == [0, 0]


def key_of(box):
    return (box.root / "etc/tls/key.pem").read_bytes()


@pytest.mark.slow
def test_what_is_asked_differently_is_done_and_what_fails_stops_nobody_else(pair):
    first, second = pair.boxes.boxes
    # The vault's part: the passphrase is a variable, and is seen nowhere else.
    pair.inventory(fleet_passphrase=PASSPHRASE)
    (playbook,) = PLAYBOOKS
    tasks = playbook.partition("  tasks:")[2]
    (pair.folder / "one-by-one.yml").write_text(f"- hosts: all\n  gather_facts: false\n  serial: 1\n  tasks:{tasks}")
    code, said, sums = pair.play(playbook="one-by-one.yml")
    assert code == 0, said
    assert len(pair.report()) == 2
    keys = [key_of(box) for box in (first, second)]

    # Another name: the same key, another certificate, for this host alone.
    hosts = json.loads((pair.folder / "hosts.json").read_text())
    hosts["appliances"]["hosts"][first.name]["fleet_san"].append("sip.example.com")
    (pair.folder / "hosts.json").write_text(json.dumps(hosts))
    code, said, sums = pair.play("--diff")
    assert code == 0, said
    assert "+names: DNS:pbx1.example.com, IP:10.77.0.11, DNS:sip.example.com" in said
    assert [key_of(box) for box in (first, second)] == keys
    assert (first.root / "run/reloads").read_text().count("reloaded") == 2
    assert (second.root / "run/reloads").read_text().count("reloaded") == 1
    seen = {name: entry["certificate"]["subject_alternative_names"] for name, entry in pair.report().items()}
    assert "DNS:sip.example.com" in seen[first.name]

    # Another kind of key is another key. On one of them the command fails, and the vendor's script is none.
    other = ("-e", "fleet_key_type=p-384")
    (first.root / VENDOR).parent.mkdir(parents=True)
    (first.root / VENDOR).write_text("echo hello\n")
    working = (second.root / "etc/init.d/tls").read_text()
    (second.root / "etc/init.d/tls").unlink()
    code, said, sums = pair.play(*other)
    assert code != 0
    assert {host["failed"] for host in sums.values()} == {1}
    assert "not recognised" in said
    assert "the reload command failed with exit code 127" in said
    assert not {key_of(box) for box in (first, second)} & set(keys)

    # What is mended since is done, and what is fine is left alone.
    keys = [key_of(box) for box in (first, second)]
    shutil.copy(POST, first.root / VENDOR)
    (second.root / "etc/init.d/tls").write_text(working)
    (second.root / "etc/init.d/tls").chmod(0o755)
    # And a key that was revoked as compromised is replaced, without any other wish.
    command = ["revoke", first.name, "--reason", "keyCompromise", "--yes"]
    done = opensslgen(*command, cwd=pair.folder, env={"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE})
    assert done.returncode == 0, done.stderr
    code, said, sums = pair.play(*other, "-e", "fleet_report_format=sarif")
    assert code == 0, said
    assert [key_of(box) == key for box, key in zip((first, second), keys, strict=True)] == [False, True]
    assert (second.root / "run/reloads").read_text().count("reloaded") == 2
    sarif = json.loads((pair.folder / "audit.json").read_text())
    assert sarif["runs"][0]["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]

    no_key_is_anywhere_but_on_its_host(pair)
    assert not [said for said in pair.said if PASSPHRASE in said or PASSPHRASE.split(maxsplit=1)[0] in said]
    assert PASSPHRASE not in (pair.folder / "ansible.log").read_text()


@pytest.mark.slow
def test_an_order_that_breaks_a_rule_is_one_hosts_own_affair(pair):
    first, second = pair.boxes.boxes
    pair.inventory(fleet_passphrase=PASSPHRASE)
    hosts = json.loads((pair.folder / "hosts.json").read_text())
    hosts["appliances"]["hosts"][first.name]["fleet_days"] = 2555
    (pair.folder / "hosts.json").write_text(json.dumps(hosts))
    code, said, sums = pair.play()
    assert code != 0
    assert "[apple-validity]" in said
    assert [sums[box.name]["changed"] > 0 for box in (first, second)] == [False, True]
    assert [pair.report()[box.name]["verdict"] for box in (first, second)] == ["unreadable", "complies"]


@pytest.mark.slow
def test_another_user_on_the_host_is_become(pair):
    (box, _) = pair.boxes.boxes
    # No su that is to be had works without PAM.
    (box.root / "bin/su").write_text(
        '#!/bin/sh\nshift\nexec setpriv --reuid 1000 --regid 1000 --clear-groups sh "$@"\n'
    )
    (box.root / "bin/su").chmod(0o755)
    with_libraries(box.root, Path(needs.program_path("setpriv")), box.root / "usr/bin/setpriv")
    with (box.root / "etc/passwd").open("a") as passwd:
        passwd.write("admin:x:1000:1000::/home/admin:/bin/sh\n")
    (box.root / "home/admin").mkdir(parents=True)
    os.chown(box.root / "home/admin", 1000, 1000)
    pair.inventory(
        fleet_passphrase=PASSPHRASE,
        ansible_become=True,
        ansible_become_method="ansible.builtin.su",
        ansible_become_user="admin",
        fleet_folder="/home/admin/pki",
        fleet_files=[{"what": "key", "path": "/home/admin/tls/key.pem"}],
        fleet_reload="",
    )
    code, said, _ = pair.play("--limit", box.name, "--skip-tags", "audit")
    assert code == 0, said
    files = [path for path in (box.root / "home/admin").glob("**/*") if path.is_file()]
    assert len(files) >= 6
    assert {(path.stat().st_uid, path.stat().st_gid) for path in files} == {(1000, 1000)}
    assert oct((box.root / "home/admin/tls/key.pem").stat().st_mode) == "0o100600"


@pytest.mark.slow
def test_the_documentation_of_an_action_has_the_options_that_it_takes(collections):
    actions = [f"opensslgen.fleet.{name}" for name in ("request", "sign", "install", "audit")]
    told = json.loads(ansible(collections, "ansible-doc", "--json", "-t", "module", *actions))
    code = (
        "import json, sys; from ansible.plugins.loader import action_loader, init_plugin_loader; init_plugin_loader();"
        "print(json.dumps({name: action_loader.get(name, class_only=True).OPTIONS for name in sys.argv[1:]}))"
    )
    taken = json.loads(ansible(collections, "python", "-c", code, *actions))
    assert sorted(told) == sorted(taken) == sorted(actions)
    for name, documented in told.items():
        assert documented["examples"]
        assert documented["return"]
        assert without_words(documented["doc"]["options"]) == without_words(taken[name]), name


def without_words(options):
    """What the documentation and the code say of options alike."""
    found = {}
    for name, option in options.items():
        kept = {key: option[key] for key in ("type", "elements", "choices", "required", "default") if option.get(key)}
        if name == "name":
            kept.pop("default", None)  # in words
        found[name] = kept | {"options": without_words(option.get("suboptions") or option.get("options") or {})}
    return found


@pytest.mark.slow
def test_the_role_is_documented_and_its_defaults_are_those_of_the_code(collections):
    told = json.loads(ansible(collections, "ansible-doc", "--json", "-t", "role", "opensslgen.fleet.fleet"))
    options = told["opensslgen.fleet.fleet"]["entry_points"]["main"]["options"]
    defaults = yaml.safe_load((COLLECTION / "roles/fleet/defaults/main.yml").read_text())
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults


def test_the_collection_has_the_version_of_the_package():
    galaxy = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())
    assert galaxy["version"] == package.__version__


@pytest.mark.slow
def test_a_controller_without_the_package_is_told_what_to_install(collections, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opensslgen'] = None\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(tmp_path / "home"),
    }
    command = [BIN / "ansible", "localhost", "-m", "opensslgen.fleet.request"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "-m pip install . (in a checkout of it)" in said
    assert "Traceback" not in said
