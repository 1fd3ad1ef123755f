"""Deployments to real servers, over a real sshd, in network namespaces."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from opensslgen.cli.main import cli
from opensslgen.x509.certificate import load

from .conftest import agreeing
from .machines import SERVERS, machine
from .needs import need, needs

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
