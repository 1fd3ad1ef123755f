"""The kinds of certificates besides the server's: their names, and what servers and clients make of them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.issue import intermediate_job, leaf_job, request_job, self_signed_job
from opensslgen.jobs.job import Violation
from opensslgen.jobs.perform import Authority
from opensslgen.orders.kinds import CLIENT, SELF_SIGNED, SERVER, kind_of
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.x509.certificate import load

from .clients import CLIENTS, serving
from .conftest import EC, files_below, make_root, make_server, no_secret, opensslgen

CLIENT_NAMES = {
    "alice@example.com": ("alice@example.com", "email:alice@example.com"),
    "Alice@Example.COM": ("Alice@example.com", "email:Alice@example.com"),
    "alice+sip@example.com": ("alice+sip@example.com", "email:alice+sip@example.com"),
    "phone-17.example.com": ("phone-17.example.com", "DNS:phone-17.example.com"),
    "Phone.Söhne.example": ("phone.xn--shne-5qa.example", "DNS:phone.xn--shne-5qa.example"),
    "*.example.com": ("_wildcard.example.com", "DNS:*.example.com"),
    "10.0.0.5": ("10.0.0.5", "IP:10.0.0.5"),
    "2001:db8::1": ("2001_db8__1", "IP:2001:db8::1"),
    "9608-phone": ("9608-phone", ""),
    "00:1B:4F:AA:BB:CC": ("00_1B_4F_AA_BB_CC", ""),
    "00-1b-4f-aa-bb-cc": ("00-1b-4f-aa-bb-cc", ""),
    "001B4FAABBCC": ("001B4FAABBCC", ""),
    "Alice Example": ("Alice_Example", ""),
    "Dr. Alice": ("Dr._Alice", ""),
    "ext. 201": ("ext._201", ""),
}
"""What a client may be called, and the stem of its files and its alternative name."""

NO_CLIENT_NAMES = {
    "Söhne": "cannot name a file",
    "söhne@example.com": "cannot name a file",
    "O'Neil": "cannot name a file",
    "Alice <alice@example.com>": "cannot name a file",
    "../../etc/cron.d/x": "cannot name a file",
    "a/b": "cannot name a file",
    "-rf": "cannot name a file",
    "$HOME": "cannot name a file",
    "a,b": "cannot name a file",
    "..": "cannot name a file",
    "ca": "would name the files of the root",
    "CA": "would name the files of the root",
    "": "the common name is empty",
    " ": "the common name is empty",
    "a\nb": "has U+000A",
    "a\x00b": "has U+0000",
    "a\u202eb": "has U+202E",
    "x" * 65: "at most 64 are allowed",
}


@pytest.mark.parametrize("name", CLIENT_NAMES)
def test_a_client_may_be_called_so(name):
    order = leaf_order(name, kind=CLIENT)
    assert (order.stem, " ".join(map(str, order.names))) == CLIENT_NAMES[name]


@pytest.mark.parametrize("name", NO_CLIENT_NAMES)
def test_a_client_may_not_be_called_so(name):
    with pytest.raises(UsageError) as told:
        leaf_order(name, kind=CLIENT)
    assert NO_CLIENT_NAMES[name] in told.value.message
    assert told.value.message.isprintable()


@pytest.mark.slow
def test_a_name_that_cannot_name_files_can_be_the_common_name(tmp_path):
    done = opensslgen("client", "Jürgen Söhne", "--key-type", "p-256")
    assert done.returncode == 2
    assert "Hint: choose a short name for the files, and write the name in full as --cn 'Jürgen Söhne'" in done.stderr
    done = opensslgen("client", "soehne", "--cn", "Jürgen Söhne", "--key-type", "p-256")
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "pki" / "issued" / "soehne.crt").subject.common_name == "Jürgen Söhne"


@pytest.fixture(scope="module")
def site(openssl, tmp_path_factory):
    """A folder in which an intermediate signs, limited to one domain and network, and beside it the root's folder."""
    folder = tmp_path_factory.mktemp("site")
    home = Authority(Store(folder / "pki"), openssl, no_secret)
    make_root(home, common_name="Home")
    order = intermediate_order("Site Berlin", key_type=EC, permit=["berlin.example.com", "127.0.0.0/8"])
    made = home.make(lambda: intermediate_job(order, store=home.store, fixed_days=False))
    below = Store(folder / "pki-berlin")
    (below.path / "private").mkdir(parents=True, mode=0o700)
    shutil.copy(made.files["certificate"], below.path / "ca.crt")
    shutil.copy(home.store.path / "ca.crt", below.path / "ca-chain.pem")
    shutil.copy(made.files["key"], below.path / "private" / "ca.key")
    return Authority(below, openssl, no_secret)


def leaf(authority, name, *, kind=SERVER, allow=(), **options):
    order = leaf_order(name, kind=kind, key_type=EC, **options)
    root = root_order(key_type=EC)
    return authority.make(lambda: leaf_job(order, store=authority.store, root=root, fixed_days=False, allow=allow))


def test_clients_accept_what_a_limited_intermediate_signs_for_its_own_names(site):
    made = leaf(site, "pbx.berlin.example.com", san=["127.0.0.1"])
    root = site.store.path / "ca-chain.pem"
    with serving(made) as port:
        for name, client in CLIENTS.items():
            for host in ("pbx.berlin.example.com", "127.0.0.1"):
                done = subprocess.run(
                    client(root, port, host), stdin=subprocess.DEVNULL, capture_output=True, text=True
                )
                assert done.returncode == 0, (name, host, done.stderr)


def test_names_beyond_its_limits_are_refused_before_anything_is_made(site):
    before = sorted(site.store.path.rglob("*.crt"))
    for name in ("pbx.example.com", "10.0.0.5", "berlin.example.com.evil.org"):
        with pytest.raises(Violation) as told:
            leaf(site, name)
        assert {finding.rule.id for finding in told.value.findings} == {"name-constraints"}
    assert sorted(site.store.path.rglob("*.crt")) == before
    with pytest.raises(Error, match="openssl verify does not accept"):
        leaf(site, "pbx.example.com", allow=["name-constraints"])


def test_no_authority_is_made_below_one_that_allows_none(site):
    with pytest.raises(UsageError, match=r"allows no CA below itself \(pathlen:0\)"):
        intermediate_job(intermediate_order("Lower", key_type=EC), store=site.store, fixed_days=False)


def test_a_server_takes_a_client_by_its_certificate_and_no_other_servers(authority):
    server = make_server(authority, "pbx.example.com", extended_key_usage=["serverAuth"], san=["127.0.0.1"])
    client = leaf(authority, "alice@example.com", kind=CLIENT)
    root = authority.store.path / "ca.crt"
    for shown, taken in ((client, True), (server, False)):
        with serving(server, "-Verify", "1", "-CAfile", root, "-verify_return_error") as port:
            argv = ["curl", "-sS", "--max-time", "20", "--cacert", root, f"https://127.0.0.1:{port}/"]
            argv += ["--cert", shown.files["certificate"], "--key", shown.files["key"]]
            done = subprocess.run(argv, capture_output=True, text=True)
            assert (done.returncode == 0) is taken, done.stderr


def test_a_self_signed_leaf_is_no_authority_and_says_what_is_better(authority):
    order = leaf_order("ip500.example.com", kind=SELF_SIGNED, key_type=EC, san=["127.0.0.1"])
    made = authority.make(lambda: self_signed_job(order, store=authority.store))
    assert made.certificate.is_self_issued
    assert not made.certificate.basic_constraints.ca
    # With key usages, but not keyCertSign, it is no issuer for OpenSSL before 1.1 and LibreSSL, servers and clients.
    assert made.certificate.key_usage is None
    assert made.certificate.validity.days == 820
    assert "phones cannot install a self-signed leaf as a root" in made.notes[0]
    with serving(made) as port:
        argv = CLIENTS["curl"](made.files["certificate"], port, "ip500.example.com")
        assert subprocess.run(argv, capture_output=True).returncode == 0


SAME_NAME = ["server", "pbx.example.com"], ["client", "pbx.example.com"], ["intermediate", "Pbx.Example.com"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SAME_NAME, ids=lambda arguments: arguments[0])
def test_nothing_is_signed_whose_subject_is_the_authoritys(arguments, authority):
    make_root(authority, common_name="pbx.example.com")
    before = files_below(authority.store.path)
    done = opensslgen(*arguments, "--key-type", "p-256")
    assert done.returncode == 2
    assert "is that of the CA that would sign it" in done.stderr
    assert files_below(authority.store.path) == before
    assert opensslgen(*arguments, "--key-type", "p-256", "--cn", "another").returncode == 0


@pytest.mark.slow
def test_a_request_or_an_inventory_with_the_authoritys_subject_is_refused_too(authority):
    make_root(authority, common_name="pbx.example.com")
    order = leaf_order("pbx.example.com", key_type=EC)
    asked = Authority(Store(Path("box")), authority.openssl, no_secret).make(
        lambda: request_job(order, store=Store(Path("box")))
    )
    done = opensslgen("sign", asked.files["request"], "--yes")
    assert (done.returncode, "is that of the CA" in done.stderr) == (2, True), done.stderr
    Path("sites.csv").write_text("name\npbx.example.com\n")
    done = opensslgen("batch", "sites.csv", "--key-type", "p-256")
    assert (done.returncode, "is that of the CA" in done.stderr) == (2, True), done.stderr
    Path("sites.csv").write_text("name,cn\npbx.example.com,The PBX\n")
    assert opensslgen("batch", "sites.csv", "--key-type", "p-256").returncode == 0


def test_a_root_that_is_made_first_has_another_name_than_its_leaf(authority):
    order, root = leaf_order("pbx.example.com", key_type=EC), root_order(common_name="PBX.example.com", key_type=EC)
    with pytest.raises(UsageError, match="is that of the CA"):
        authority.make(lambda: leaf_job(order, store=authority.store, root=root, fixed_days=False))


def test_a_leaf_with_its_roots_subject_is_not_taken_for_self_signed(authority):
    root = make_root(authority, common_name="pbx.example.com").certificate
    leaf = make_server(authority, "pbx.example.com", common_name="other").certificate
    # As others make it, and older releases did.
    same = replace(leaf, subject=root.subject)
    assert (same.is_self_issued, same.is_self_signed) == (True, False)
    assert (kind_of(same), kind_of(root)) == ("server", "root")
    assert replace(same, authority_key_identifier=None).is_self_signed
