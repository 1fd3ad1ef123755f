"""Versions that no package offers, by what was recorded of them: pytest-subprocess answers in their place.

What is registered is answered as OpenSSL 1.0.1e answers; all else is done by the machine's own openssl. So it is with
the versions in the folder recorded, which record_openssls.py fills.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

import opensslgen
from opensslgen.audit.result import Settings
from opensslgen.audit.script_edits import maker
from opensslgen.audit.targets import audit
from opensslgen.errors import Error
from opensslgen.gen_certs import patch
from opensslgen.jobs import trust
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.pki.store import Store
from opensslgen.rules.profiles import rules_of
from opensslgen.trust import anchor, mobileconfig
from opensslgen.x509.certificate import load, load_all

from .conftest import CHECKOUT, files_below, make_root, make_server, no_secret, start_with_subprocess
from .daily import daily
from .jobs import NEEDS_ROOT, RECIPES, SECRETS, job_of, lacks
from .record_openssls import NO_OPTION, RECORDED, VERIFY

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
    fp.register([openssl.path, "version", fp.any()], stdout="OpenSSL 1.0.1e-fips 11 Feb 2013\n")
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


def test_nothing_else_in_the_package_starts_a_process(fp, served, tmp_path, through_sh):
    """Without allow_unregistered, pytest-subprocess refuses every process."""
    certificate = opensslgen.load(served.files["certificate"])
    assert not opensslgen.check(certificate)
    settings = Settings(rules=rules_of(["apple"]), at=datetime.now(timezone.utc))
    assert [result.unreadable for result in audit([str(served.files["certificate"])], settings)] == [None]
    script = tmp_path / "gen_certs.sh"
    script.write_bytes((CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh").read_bytes())
    assert patch.patch_file(script, syntax_check=lambda _: None, make=maker()).backup
    assert fp.calls == type(fp.calls)()


VERSIONS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RECORDED.glob("*.json"))}


def answer_of(version, argv, cwd):
    """Return what a version has answered to such a command; None where it does as the machine's own openssl."""
    name, *words = argv[1:]
    if name == "version":
        return {"exit": 0, "stdout": version["banner"] + "\n", "stderr": ""}
    if name in version["lacks commands"]:
        return version["unknown command"]
    for option in words:
        if option in version["lacks options"].get(name, ()):
            refusal = version["refuses options"][name]
            return {**refusal, "stderr": refusal["stderr"].replace(NO_OPTION, option)}
    if name == "verify":
        leaf, issuers = load(Path(cwd, words[-1])), load_all(Path(cwd, words[words.index("-CAfile") + 1]))
        limits = str([issuer.name_constraints for issuer in issuers if issuer.name_constraints])
        for question, applies in {
            "self-signed, keyUsage without keyCertSign": leaf.is_self_signed
            and leaf.key_usage is not None
            and "keyCertSign" not in leaf.key_usage,
            "an address below a CA limited to addresses": "IP" in limits and any(n.kind == "IP" for n in leaf.names),
        }.items():
            if applies:
                answer = version["verify"][question]
                return {**answer, "stdout": answer["stdout"].replace(VERIFY[question][-1], words[-1])}
    return None


@pytest.fixture(params=daily(VERSIONS, "openssl-1.0.1e", "libressl-4.3.2"))
def recorded(request, fp, openssl):
    """An openssl that answers as was recorded of another version; what is done alike is done by the machine's own."""
    version = VERSIONS[request.param]
    fp.allow_unregistered(True)

    def start(argv, *, cwd, **options):
        if answer := answer_of(version, argv, cwd):
            streams = {name: answer[name] for name in ("stdout", "stderr")}
            fp.register(list(argv), returncode=answer["exit"], **streams)
        return start_with_subprocess(argv, cwd=cwd, **options)

    return command.find(openssl.path, start=start)


@pytest.mark.parametrize(
    "name", daily(RECIPES, "server", "client", "self-signed", "intermediate", "root-limited", "signed")
)
def test_every_recipe_is_done_or_refused_before_anything_is_made(name, recorded, tmp_path):
    authority = Authority(Store(tmp_path / "pki"), recorded, SECRETS.__getitem__)
    if name in NEEDS_ROOT:
        make_root(authority, common_name="Test root")
    before = files_below(tmp_path)
    if lack := lacks(RECIPES[name], recorded):
        with pytest.raises(Error, match=lack):
            authority.make(lambda: job_of(name, authority.store))
        assert files_below(tmp_path) == before
    else:
        authority.make(lambda: job_of(name, authority.store))


def test_a_profile_is_signed(recorded, served):
    pki = served.files["root"].parent
    by = trust.find_signer(pki, "pbx.example.com")
    assert trust.sign(mobileconfig.mobileconfig(anchor.anchor(pki)), by, recorded)


def test_limits_on_addresses_are_refused_where_all_below_would_fail(recorded, tmp_path):
    authority = Authority(Store(tmp_path / "pki"), recorded, no_secret)
    version = next(each for each in VERSIONS.values() if each["banner"] == recorded.banner)
    if version["verify"]["an address below a CA limited to addresses"]["exit"] == 0:
        make_root(authority, permit=["10.0.0.0/8", "example.com"])
        make_server(authority, san=["10.0.0.5"])
    else:
        with pytest.raises(Error, match="cannot verify name constraints with addresses"):
            make_root(authority, permit=["10.0.0.0/8", "example.com"])
        assert not authority.store.path.exists()
