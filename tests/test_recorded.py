"""Versions that no package offers, by what was recorded of them: pytest-subprocess answers in their place.

What is registered is answered as OpenSSL 1.0.1e answers; all else is done by the machine's own openssl.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

import opensslgen
from opensslgen.audit.result import Settings
from opensslgen.audit.script_edits import maker
from opensslgen.audit.targets import audit
from opensslgen.errors import Error
from opensslgen.gen_certs import patch
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.pki.store import Store
from opensslgen.rules.profiles import rules_of

from .conftest import CHECKOUT, make_root, make_server, no_secret, start_with_subprocess

EXPIRED = "server.crt: CN = pbx.example.com\nerror 10 at 0 depth lookup:certificate has expired\nOK\n"
PURPOSE = "server.crt: CN = pbx.example.com\nerror 26 at 0 depth lookup:unsupported certificate purpose\nOK\n"
CRITICAL = "server.crt: CN = pbx.example.com\nerror 34 at 0 depth lookup:unhandled critical extension\nOK\n"


@pytest.fixture
def ran():
    """The arguments of each command that `old` has run."""
    return []


@pytest.fixture
def old(fp, openssl, tmp_path, ran):
    """An authority whose openssl says that it is 1.0.1e, and leaves keys readable as that does."""
    pki = tmp_path / "pki"

    def start(argv, **options):
        ran.append(argv[1:])
        process = start_with_subprocess(argv, **options)
        for key in pki.glob(".work-*/*.key"):
            key.chmod(0o644)
        return process

    fp.allow_unregistered(True)
    fp.register([openssl.path, "version"], stdout="OpenSSL 1.0.1e-fips 11 Feb 2013\n")
    return Authority(Store(pki), command.find(openssl.path, start=start), no_secret)


@pytest.mark.parametrize("answer", [EXPIRED, PURPOSE, CRITICAL])
def test_the_exit_code_of_verify_is_not_trusted(answer, fp, old):
    make_root(old)
    fp.register([old.openssl.path, "verify", fp.any()], stdout=answer, returncode=0)
    with pytest.raises(Error, match="openssl verify does not accept"):
        make_server(old)
    assert not list(old.store.path.glob("issued/*"))


def test_a_command_that_is_unknown_and_exits_with_0_is_found_out(fp, old):
    told = "openssl:Error: 'req' is an invalid command.\n"
    fp.register([old.openssl.path, "req", fp.any()], stdout="", stderr=told, returncode=0)
    with pytest.raises(Error, match=r"openssl req made no ca\.key"):
        make_root(old)


def test_nothing_that_it_does_otherwise_is_relied_on(old, ran):
    make_server(old)
    words = {word for arguments in ran for word in arguments}
    # -subj is ignored beside prompt = no; -ext and -not_before are unknown; genpkey cannot make EC keys, or spells
    # out their curve; storeutl does nothing and exits with 0.
    assert not {"-subj", "-addext", "-ext", "-not_before", "-noenc", "genpkey", "storeutl", "-copy_extensions"} & words
    signing = [arguments for arguments in ran if arguments[0] == "req" or arguments[:2] == ["x509", "-req"]]
    assert len(signing) == 3
    for arguments in signing:
        assert "-sha256" in arguments  # its default is SHA-1
    assert ["ecparam", "-name", "prime256v1", "-out", "params.pem"] in ran


def test_a_private_key_that_it_leaves_readable_is_published_closed(old):
    make_server(old)
    keys = list(old.store.path.glob("private/*"))
    assert {oct(path.stat().st_mode & 0o777) for path in keys} == {"0o600"}
    assert len(keys) == 2


def test_nothing_else_in_the_package_starts_a_process(fp, served, tmp_path):
    """Without allow_unregistered, pytest-subprocess refuses every process."""
    certificate = opensslgen.load(served.files["certificate"])
    assert not opensslgen.check(certificate)
    settings = Settings(rules=rules_of(["apple"]), at=datetime.now(timezone.utc))
    assert [result.unreadable for result in audit([str(served.files["certificate"])], settings)] == [None]
    script = tmp_path / "gen_certs.sh"
    script.write_bytes((CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh").read_bytes())
    assert patch.patch_file(script, syntax_check=lambda _: None, make=maker()).backup
    assert fp.calls == type(fp.calls)()
