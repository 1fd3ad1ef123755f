"""The root for phones and computers: what is written, by whom it is read, and what a hostile root can do."""

from __future__ import annotations

import html
import html.parser
import json
import os
import plistlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509

from opensslgen.errors import Error, UnreadableError
from opensslgen.jobs import trust
from opensslgen.jobs.destination import Destination
from opensslgen.jobs.job import Violation
from opensslgen.jobs.perform import Delivery
from opensslgen.openssl import command, process
from opensslgen.plan.script import as_script
from opensslgen.report.trust import sharing_text
from opensslgen.trust import anchor, desk_phones, devices, files, mobileconfig
from opensslgen.trust import words as languages
from opensslgen.x509.certificate import load

from . import servers
from .conftest import CHECKOUT, make_server, no_secret, opensslgen
from .needs import needs
from .openssls import OTHERS
from .programs import find
from .shells import SHELLS
from .user_agents import user_agents

CERTIFICATES = CHECKOUT / "tests" / "certificates"
NAMES = [
    "46xxsettings-lines.txt", "WebRootCA.pem", "android.html", "desk-phone.html", "firefox.html", "index.html",
    "iphone.html", "linux.html",
    "macos.html", "root-pem.crt", "root.crt", "root.mobileconfig", "root.pem", "servers.html", "style.css",
    "windows.html",
]  # fmt: skip
HOSTILE = "<script>a(1)</script>\"'&$NAME${x}`id`$(touch bad)\n# x\u202e\\"


@pytest.fixture(scope="session")
def pki(served):
    return served.files["root"].parent


@pytest.fixture(scope="session")
def root(pki):
    return anchor.anchor(pki)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "root.pem"
    path.write_text(servers.issue(HOSTILE, ca=True, organization=HOSTILE).pem)
    return path


def contents(path):
    return {each.name: each.read_bytes() for each in path.iterdir()}


def write(out, root, *, force=False):
    """Write all of it, and return under which names old files were kept."""
    delivery = Delivery(into=Destination(out), openssl=command.find(), secret=no_secret, force=force)
    return delivery.make(lambda: trust.trust_job(root)).kept


# The files


def test_every_form_is_the_root(root, pki):
    judge = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    forms = {file.name: file.data for file in files.root_files(root)}
    assert x509.load_der_x509_certificate(forms["root.crt"]) == judge
    text = subprocess.run(["openssl", "x509", "-in", pki / "ca.crt"], capture_output=True, check=True).stdout
    assert forms["root.pem"] == forms["root-pem.crt"] == forms["WebRootCA.pem"] == text
    profile = plistlib.loads(forms["root.mobileconfig"])
    (payload,) = profile["PayloadContent"]
    assert x509.load_der_x509_certificate(payload["PayloadContent"]) == judge
    assert payload["PayloadType"] == "com.apple.security.root"
    assert profile["PayloadType"] == "Configuration"


def test_a_profile_has_the_keys_that_apple_asks_for_and_keeps_its_identifiers(root, pki):
    profile = plistlib.loads(mobileconfig.mobileconfig(root))
    (payload,) = profile["PayloadContent"]
    for part in (profile, payload):
        assert part["PayloadVersion"] == 1
        assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", part["PayloadUUID"])
        assert part["PayloadIdentifier"]
        assert part["PayloadDisplayName"] == root.subject.common_name
    assert payload["PayloadCertificateFileName"].endswith(".crt")
    assert payload["PayloadUUID"] != profile["PayloadUUID"]
    assert payload["PayloadIdentifier"] != profile["PayloadIdentifier"]
    # The same root again replaces it; another one stands beside it.
    assert mobileconfig.mobileconfig(anchor.anchor(pki)) == mobileconfig.mobileconfig(root)
    other = plistlib.loads(mobileconfig.mobileconfig(load(CERTIFICATES / "root-good.pem")))
    assert other["PayloadUUID"] != profile["PayloadUUID"]
    assert other["PayloadIdentifier"] != profile["PayloadIdentifier"]


def test_every_device_takes_files_that_there_are(root):
    forms = {file.name: file for file in files.root_files(root)}
    for device in devices.DEVICES:
        assert set(device.files) <= set(forms)
        assert all(device.id in forms[name].devices for name in device.files)
    assert devices.DEVICES[0].files[0] == "root.mobileconfig"
    types = {name: file.media_type for name, file in forms.items()}
    assert types == {
        "root.mobileconfig": "application/x-apple-aspen-config",
        "root.crt": "application/x-x509-ca-cert",
        "root-pem.crt": "application/x-x509-ca-cert",
        "root.pem": "application/x-pem-file",
        "WebRootCA.pem": "application/x-pem-file",
        "46xxsettings-lines.txt": "text/plain; charset=utf-8",
    }


def test_the_lines_for_desk_phones_are_comments_and_one_setting(root, hostile):
    """Whatever the root is called: a line that does not begin with ## would be a setting."""
    for each in (root, load(hostile)):
        text = next(file for file in files.root_files(each) if file.name == "46xxsettings-lines.txt").data.decode()
        lines = text.splitlines()
        assert [line for line in lines if not line.startswith("## ")] == ["SET TRUSTCERTS WebRootCA.pem"]
        assert mobileconfig.title(each) in lines[0]
        assert "46xxspecials.txt" in text


# Which root


def test_of_an_intermediate_the_last_issuer_is_the_anchor(tmp_path):
    top = servers.issue("Top root", ca=True)
    middle = servers.issue("Middle", ca=True, issuer=top)
    low = servers.issue("Low", ca=True, issuer=middle)
    (tmp_path / "ca.crt").write_text(low.pem)
    with pytest.raises(UnreadableError, match=r"ca\.crt is not a root, and .*ca-chain\.pem lacks"):
        anchor.anchor(tmp_path)
    (tmp_path / "ca-chain.pem").write_text(middle.pem)
    with pytest.raises(UnreadableError, match="CN=Top root"):
        anchor.anchor(tmp_path)
    for chain in (middle.pem + top.pem, top.pem + middle.pem + low.pem):
        (tmp_path / "ca-chain.pem").write_text(chain)
        assert anchor.anchor(tmp_path).der == top.der
    (tmp_path / "ca-chain.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    with pytest.raises(UnreadableError, match="base64"):
        anchor.anchor(tmp_path)


def test_two_that_issued_each_other_have_no_root(tmp_path):
    first = servers.issue("First", ca=True)
    second = servers.issue("Second", ca=True, issuer=first)
    crossed = servers.issue("First", ca=True, issuer=second)
    (tmp_path / "ca.crt").write_text(crossed.pem)
    (tmp_path / "ca-chain.pem").write_text(second.pem + crossed.pem)
    with pytest.raises(UnreadableError, match="lacks the issuer"):
        anchor.anchor(tmp_path)


def test_without_a_root_it_is_said_how_to_make_one(tmp_path):
    done = opensslgen("trust")
    assert done.returncode == 1
    assert "ca.crt does not exist" in done.stderr
    assert "Hint: opensslgen root" in done.stderr
    assert not (tmp_path / "trust").exists()


# What a phone would hide or refuse


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("root-cn-missing", ["root-cn"]),
        ("root-eku-client", ["root-eku"]),
        ("root-no-key-cert-sign", ["root-key-cert-sign"]),
        ("root-rsa-1024", ["apple-key-size"]),
        ("root-expired", ["expired"]),
    ],
)
def test_what_a_phone_would_hide_or_refuse_is_not_written(name, rules, tmp_path):
    done = opensslgen("trust", "--root", CERTIFICATES / f"{name}.pem", "--json")
    assert done.returncode == 1
    assert [finding["rule"] for finding in json.loads(done.stdout)["findings"]] == rules
    assert done.stderr.startswith("Error: a phone would hide or refuse this root, so nothing was written")
    assert f"--allow {rules[0]}" in done.stderr
    assert not (tmp_path / "trust").exists()


def test_allow_is_the_way_round_and_what_was_not_checked_is_not_counted(tmp_path):
    root = CERTIFICATES / "root-cn-missing.pem"
    done = opensslgen("trust", "--root", root, "--allow", "root-cn")
    assert done.returncode == 0, done.stderr
    allowed = int(re.search(r"✓ (\d+) rules", done.stdout)[1])
    (tmp_path / "pki").mkdir()
    shutil.copy(CERTIFICATES / "root-good.pem", tmp_path / "pki" / "ca.crt")
    all_of_them = int(re.search(r"✓ (\d+) rules", opensslgen("trust", "--out", "good").stdout)[1])
    assert allowed == all_of_them - 1
    assert f"opensslgen trust --share --root {root} --allow root-cn\n" in done.stdout
    # Without a common name it goes by its whole subject.
    profile = plistlib.loads((tmp_path / "trust" / "root.mobileconfig").read_bytes())
    assert profile["PayloadDisplayName"] == str(load(root).subject)


def test_what_is_no_root_is_refused_and_a_warning_is_said():
    assert "not a root, as its issuer is" in opensslgen("trust", "--root", CERTIFICATES / "root-not-ca.pem").stderr
    assert opensslgen("trust", "--root", CERTIFICATES / "root-not-ca.pem").returncode == 2
    done = opensslgen("trust", "--root", CERTIFICATES / "root-ski-missing.pem")
    assert done.returncode == 0
    assert "[root-ski]" in done.stderr
    with pytest.raises(Violation):
        trust.judge_root(load(CERTIFICATES / "root-cn-missing.pem"))


# Writing


def test_the_command_writes_all_of_it_readable_by_everybody(pki, root, tmp_path):
    done = opensslgen("trust", "--pki", pki, "--out", "deep/trust", "--json", umask=0o077)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "deep" / "trust"
    assert contents(out) == {file.name: file.data for file in files.files(root)}
    assert sorted(contents(out)) == NAMES
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o644}
    told = json.loads(done.stdout)
    assert [file["name"] for file in told["files"]] == [file.name for file in files.files(root)]
    assert all(Path(file["path"]).is_file() for file in told["files"])
    assert told["root"]["sha256_fingerprint"] == root.fingerprint
    assert "PRIVATE KEY" not in "".join(data.decode("latin-1") for data in contents(out).values())


def test_it_goes_beside_the_pki_folder_and_says_the_fingerprint(pki, root):
    done = opensslgen("trust", "--pki", pki)
    assert done.returncode == 0, done.stderr
    assert sorted(contents(pki.parent / "trust")) == NAMES
    assert root.fingerprint == ":".join(re.findall(r"^  ((?:[0-9A-F]{2}:){7}[0-9A-F]{2})$", done.stdout, re.MULTILINE))
    assert "Certificate Trust Settings" in done.stdout
    assert f"let them download it: opensslgen trust --share --pki {pki}\n" in done.stdout
    # The same again is no replacement.
    assert opensslgen("trust", "--pki", pki, "-q").stdout == ""


def test_what_is_said_of_sharing_tells_whose_choice_the_address_was(root):
    chosen = sharing_text(root, "http://192.0.2.7:8080/", 1800, was_chosen=True)
    assert "  http://192.0.2.7:8080/\nfor 30 minutes;" in chosen
    assert "--address selects another" in chosen
    given = sharing_text(root, "http://192.0.2.7:8080/", 90, was_chosen=False)
    assert "for 90 seconds;" in given
    assert "--address" not in given


def test_nothing_is_overwritten_but_by_force_and_then_the_old_one_is_kept(pki, root, tmp_path):
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.crt").write_text("mine")
    (tmp_path / "trust" / "notes.txt").write_text("mine, too")
    done = opensslgen("trust", "--pki", pki, "--out", "trust")
    assert done.returncode == 1
    assert "trust/root.crt exists\nHint: to replace it, add --force" in done.stderr
    assert sorted(contents(tmp_path / "trust")) == ["notes.txt", "root.crt"]
    done = opensslgen("trust", "--pki", pki, "--out", "trust", "--force", "--json")
    (kept,) = json.loads(done.stdout)["kept"]
    assert Path(kept).read_text() == "mine"
    assert (tmp_path / "trust" / "root.crt").read_bytes() == root.der
    assert sorted(contents(tmp_path / "trust")) == sorted([*NAMES, "notes.txt", Path(kept).name])


def test_neither_a_link_nor_a_folder_is_written_through_even_by_force(root, tmp_path):
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "root.pem").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(Error, match=r"root\.pem is not a regular file"):
        write(tmp_path / "trust", root, force=True)
    (tmp_path / "trust" / "root.pem").unlink()
    (tmp_path / "trust" / "root.pem").mkdir()
    with pytest.raises(Error, match=r"root\.pem is not a regular file"):
        write(tmp_path / "trust", root, force=True)
    assert (tmp_path / "precious").read_text() == "mine"
    assert [path.name for path in (tmp_path / "trust").iterdir()] == ["root.pem"]


def test_a_full_disk_leaves_nothing(root, tmp_path, monkeypatch):
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Error, match="No space left on device"):
        write(tmp_path / "trust", root)
    assert not (tmp_path / "trust").exists()


def test_what_was_decided_when_a_run_was_killed_the_next_one_finishes(root, tmp_path, monkeypatch):
    out = tmp_path / "trust"
    write(out, load(CERTIFICATES / "root-good.pem"))
    old = contents(out)
    moved = []
    real = Path.rename

    def rename(path, target):
        moved.append(path)
        if len(moved) == 8:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write(out, root, force=True)
    monkeypatch.undo()
    assert len(moved) == 8
    assert write(out, root) == ()
    found = contents(out)
    assert {file.name: file.data for file in files.files(root)}.items() <= found.items()
    assert {name.split(".old-")[0]: data for name, data in found.items() if ".old-" in name} == {
        name: data for name, data in old.items() if name != "style.css"
    }


def test_what_a_stranger_put_there_as_decided_is_not_done(root, tmp_path, monkeypatch):
    theirs = tmp_path / ".opensslgen-theirs"
    theirs.mkdir()
    (theirs / "evil").write_text("evil")
    (theirs / "decision.json").write_text('{"index": [], "moves": [["evil", "notes.txt", true]]}')
    (tmp_path / "notes.txt").write_text("mine")
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    write(tmp_path, root)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NAMES, "notes.txt", theirs.name])


@pytest.mark.slow
def test_killed_at_any_time_it_leaves_all_or_nothing_of_which_the_next_run_makes_all(pki, root, tmp_path):
    wanted = {file.name: file.data for file in files.files(root)}
    code = (
        f"import sh, sys; from pathlib import Path; from opensslgen.trust import anchor; from {__name__} import write\n"
        "root = anchor.anchor(Path(sys.argv[1])); print(flush=True)\n"
        "write(Path(sys.argv[2]), root)\n"
    )
    for number, pause in enumerate((0.0, 0.03, 0.06, 0.09, 0.12)):
        out = tmp_path / str(number)
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        process = subprocess.Popen([sys.executable, "-c", code, pki, out], env=environment, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        seen = {name: data for name, data in wanted.items() if (out / name).exists()}
        assert all((out / name).read_bytes() == data for name, data in seen.items())
        write(out, root)
        assert contents(out) == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--address", "127.0.0.1"), "--address can only be used with --share"),
        (("--for", "1m"), "--duration can only be used with --share"),
        (("--share", "--out", "x"), "--out cannot be used with --share"),
        (("--share", "--script"), "--script cannot be used with --share"),
        (("--script", "--force"), "--force has no effect with --script"),
        (("--share", "--for", "2d"), "at most 24h"),
        (("--share", "--for", "25h"), "at most 24h"),
        (("--share", "--for", "0s"), "at most 24h"),
        (("--allow", "no-such-rule"), "unknown rule"),
        (("--root", "missing.pem"), "missing.pem"),
        (("--sign", "nobody.example.com"), "nobody.example.com"),
        (("--sign", "../private/ca"), "ca"),
    ],
)
def test_faults_in_options_are_said_in_one_line(arguments, message, pki, tmp_path):
    done = opensslgen("trust", "--pki", pki, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


# Signing


def smime_verify(profile, ca, *options):
    words = ["openssl", "smime", "-verify", "-inform", "der", "-in", profile, "-CAfile", ca, *options]
    return subprocess.run(words, capture_output=True)


def test_a_signed_profile_verifies_as_any_purpose_and_holds_the_profile(pki, root, tmp_path):
    done = opensslgen("trust", "--pki", pki, "--out", "trust", "--sign", "pbx.example.com", "-v", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["signed_by"] == "pbx.example.com"
    assert "openssl smime -sign" in done.stderr
    signed = tmp_path / "trust" / "root.mobileconfig"
    verified = smime_verify(signed, pki / "ca.crt", "-purpose", "any")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == mobileconfig.mobileconfig(root)
    # Our extended key usage is none of mail, which is what openssl asks for by default.
    assert smime_verify(signed, pki / "ca.crt").returncode != 0
    assert smime_verify(signed, CERTIFICATES / "root-good.pem", "-purpose", "any").returncode != 0
    damaged = signed.read_bytes().replace(b"com.apple.security.root", b"com.apple.security.r00t")
    (tmp_path / "damaged").write_bytes(damaged)
    assert smime_verify(tmp_path / "damaged", pki / "ca.crt", "-purpose", "any").returncode != 0


def digests(signed):
    """Return the digest algorithms of the signatures."""
    signers = cms.ContentInfo.load(signed)["content"]["signer_infos"]
    return [signer["digest_algorithm"]["algorithm"].native for signer in signers]


def test_the_signature_is_of_sha256_and_brings_its_chain(pki, root, openssl):
    signed = trust.sign(mobileconfig.mobileconfig(root), trust.find_signer(pki, "pbx.example.com"), openssl)
    content = cms.ContentInfo.load(signed)["content"]
    assert content["encap_content_info"]["content"].native == mobileconfig.mobileconfig(root)
    assert digests(signed) == ["sha256"]
    names = {certificate.chosen.subject.native["common_name"] for certificate in content["certificates"]}
    assert names == {"pbx.example.com", root.subject.common_name}


def test_below_an_intermediate_the_whole_chain_signs(openssl, tmp_path):
    top = servers.issue("Top root", ca=True)
    middle = servers.issue("Middle", ca=True, issuer=top)
    server = servers.issue("pbx.example.com", issuer=middle)
    for name in ("issued", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "ca.crt").write_text(middle.pem)
    (tmp_path / "ca-chain.pem").write_text(top.pem)
    (tmp_path / "issued" / "pbx.example.com.crt").write_text(server.pem)
    (tmp_path / "private" / "pbx.example.com.key").write_text(server.key_pem)
    signed = trust.sign(b"<plist/>", trust.find_signer(tmp_path, "pbx.example.com"), openssl)
    names = {
        each.chosen.subject.native["common_name"] for each in cms.ContentInfo.load(signed)["content"]["certificates"]
    }
    assert names == {"Top root", "Middle", "pbx.example.com"}


def test_what_cannot_sign_is_refused(openssl, pki, tmp_path):
    shutil.copytree(pki, tmp_path / "pki")
    key = tmp_path / "pki" / "private" / "pbx.example.com.key"
    certificate = tmp_path / "pki" / "issued" / "pbx.example.com.crt"
    old = servers.issue("pbx.example.com", days=(-20, -10))
    certificate.write_text(old.pem)
    with pytest.raises(Error, match="cannot sign now"):
        trust.find_signer(tmp_path / "pki", "pbx.example.com")
    stranger = servers.issue("pbx.example.com")
    certificate.write_text(stranger.pem)
    with pytest.raises(Error, match="openssl smime failed"):  # the key is of the one that was there before
        trust.sign(b"<plist/>", trust.find_signer(tmp_path / "pki", "pbx.example.com"), openssl)
    key.write_text(stranger.key_pem)
    with pytest.raises(Error, match="openssl verify does not accept"):  # of another root
        trust.sign(b"<plist/>", trust.find_signer(tmp_path / "pki", "pbx.example.com"), openssl)
    key.unlink()
    with pytest.raises(UnreadableError, match="needed to sign"):
        trust.find_signer(tmp_path / "pki", "pbx.example.com")


def lying(subcommand, *, made=None):
    """Return an openssl that exits with 0 for a command, and has written something else, or nothing."""

    def start(argv, *, cwd, **options):
        if argv[1:3] != subcommand:
            return process.start_with_sh(argv, cwd=cwd, **options)
        if made is not None:
            Path(cwd, argv[argv.index("-out") + 1]).write_bytes(made)
        return process.Process(0, b"", b"")

    return command.find(start=start)


def test_an_openssl_that_signs_nothing_or_something_else_is_found_out(pki):
    by = trust.find_signer(pki, "pbx.example.com")
    with pytest.raises(Error, match=r"made no root\.mobileconfig"):
        trust.sign(b"<plist/>", by, lying(["smime", "-sign"]))
    with pytest.raises(Error, match="openssl smime failed"):
        trust.sign(b"<plist/>", by, lying(["smime", "-sign"], made=b"<plist/>"))
    with pytest.raises(Error, match="something else than the profile"):
        trust.sign(b"<plist/>", by, lying(["smime", "-verify"], made=b"<plist>evil</plist>"))


def test_an_openssl_that_makes_another_root_of_it_is_found_out(root, tmp_path):
    other = load(CERTIFICATES / "root-good.pem").der
    other_openssl = lying(["x509", "-in"], made=other)
    delivery = Delivery(into=Destination(tmp_path / "trust"), openssl=other_openssl, secret=no_secret)
    with pytest.raises(Error, match=r"another root\.crt"):
        delivery.make(lambda: trust.trust_job(root))
    assert not (tmp_path / "trust").exists()


# The script


def run_script(text, *arguments, shell=("sh",), **environment):
    return subprocess.run(
        [*shell, "/dev/stdin", *map(str, arguments)],
        input=text,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_the_script_writes_the_same_in_every_shell(shell, pki, root, tmp_path):
    text = opensslgen("trust", "--pki", pki, "--script").stdout
    done = run_script(text, "made", shell=shell)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "made") == {file.name: file.data for file in files.files(root)}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "made").iterdir()} == {0o644}
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755
    again = run_script(text, "made", shell=shell)
    assert again.returncode == 1
    assert "exists: nothing is overwritten" in again.stderr
    assert sorted(contents(tmp_path / "made")) == NAMES


@pytest.mark.parametrize("path", OTHERS or ["openssl"])
def test_every_openssl_signs_and_its_script_does_the_same(path, pki, root, tmp_path):
    other = command.find(path)
    by = trust.find_signer(pki, "pbx.example.com")
    (tmp_path / "signed").write_bytes(trust.sign(mobileconfig.mobileconfig(root), by, other))
    text = as_script(trust.trust_job(root, by).plan, version="test", folder="trust")
    done = run_script(text, "made", shell=("busybox", "sh"), OPENSSLGEN_OPENSSL=path)
    assert done.returncode == 0, done.stderr
    for signed in (tmp_path / "signed", tmp_path / "made" / "root.mobileconfig"):
        verified = smime_verify(signed, pki / "ca.crt", "-purpose", "any")
        assert verified.returncode == 0, verified.stderr
        assert verified.stdout == mobileconfig.mobileconfig(root)
        assert digests(signed.read_bytes()) == ["sha256"]
    assert sorted(contents(tmp_path / "made")) == NAMES
    assert "PRIVATE KEY" not in text


def test_the_profile_of_somebody_elses_root_is_signed_by_a_server_of_ours(pki, tmp_path):
    vendor = CERTIFICATES / "root-good.pem"
    arguments = ("trust", "--pki", pki, "--root", vendor, "--sign", "pbx.example.com")
    assert opensslgen(*arguments, "--out", "run").returncode == 0
    done = run_script(opensslgen(*arguments, "--script").stdout, "printed")
    assert done.returncode == 0, done.stderr
    for name in ("run", "printed"):
        verified = smime_verify(tmp_path / name / "root.mobileconfig", pki / "ca.crt", "-purpose", "any")
        assert verified.stdout == mobileconfig.mobileconfig(load(vendor))


def test_a_script_that_fails_leaves_nothing(pki, root, tmp_path):
    by = trust.find_signer(pki, "pbx.example.com")
    text = as_script(trust.trust_job(root, by).plan, version="test", folder="trust")
    done = run_script(text.replace("pbx.example.com.key", "missing.key"))
    assert done.returncode == 1
    assert "this command failed: openssl smime -sign" in done.stderr
    (tmp_path / "openssl").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "openssl").chmod(0o755)
    done = run_script(text, OPENSSLGEN_OPENSSL="./openssl")
    assert done.returncode == 1
    assert "openssl made another root.crt" in done.stderr
    (tmp_path / "openssl").write_text(
        '#!/bin/sh\nopenssl "$@"\ncase "$*" in *verified.xml*) echo evil >verified.xml ;; esac\n'
    )
    done = run_script(text, OPENSSLGEN_OPENSSL="./openssl")
    assert done.returncode == 1
    assert done.stderr == "Error: openssl signed something else than the profile\n"
    assert not (tmp_path / "trust").exists()


def test_shellcheck_has_nothing_against_the_script(pki, hostile):
    for arguments in (("--sign", "pbx.example.com"), ("--root", hostile)):
        text = opensslgen("trust", "--pki", pki, *arguments, "--script").stdout
        done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


# The guides


class Reader(html.parser.HTMLParser):
    """The elements and the text of a page; unbalanced ones are an error."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.links, self.text = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def pages_of(root, **options):
    return {
        file.name: Reader(file.data.decode()) for file in files.pages(root, **options) if file.name.endswith(".html")
    }


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("address", [None, "http://192.0.2.7:8080/"])
def test_every_page_is_whole_and_its_links_lead_somewhere(address, root):
    names = {file.name for file in (*files.root_files(root), *files.pages(root))} | {"qr.svg", "qr.png", address}
    names |= set(desk_phones.DESK_SOURCES)
    for page in pages_of(root, address=address).values():
        assert set(page.links) <= names
        assert page.elements.count("h1") == page.elements.count("main") == 1
        assert "script" not in page.elements
        shown = "".join(page.text.split("has:")[-1].split())
        assert root.fingerprint in re.sub(r"(?<=[0-9A-F]{2})(?=[0-9A-F]{2}:)", ":", shown)
    # Whoever reads the page for phones has scanned the code.
    with_code = {name for name, page in pages_of(root, address=address).items() if "qr.svg" in page.links}
    assert with_code == (set() if address is None else pages_of(root).keys() - {"iphone.html", "android.html"})


def test_a_link_says_what_it_does(root):
    """Nobody on a phone knows what a .mobileconfig is."""
    for file in files.pages(root):
        links = re.findall(r'<a [^>]*href="(root[^"]*|WebRootCA\.pem|46[^"]*)">([^<]*)</a>', file.data.decode())
        if file.name == "iphone.html":
            assert links.pop(0) == ("root.mobileconfig", "Install the profile")
        assert all(text.startswith("Download ") for _, text in links)


def test_the_guides_say_what_is_known_and_no_more(root):
    pages = {name: words(page.text) for name, page in pages_of(root).items()}
    iphone = pages["iphone.html"]
    steps = ("Install the profile", "Profile Downloaded", "Not Verified", "Most people miss this step")
    steps += ("General > About > Certificate Trust Settings", "Open a page of your server over HTTPS", "Remove Profile")
    assert [iphone.index(step) for step in steps] == sorted(iphone.index(step) for step in steps)
    assert "Since iOS 13" in iphone
    android = ("Since Android 11", "Encryption and credentials", "Install a certificate > CA certificate")
    android += ("be private", "Install anyway", "Choose root.crt", "Chrome then trusts it", "API level 24")
    android += ("Trusted credentials",)
    assert [pages["android.html"].index(said) for said in android] == sorted(
        pages["android.html"].index(said) for said in android
    )
    for said in ("255 characters", "46xxspecials.txt", "we have not tried it on a phone"):
        assert said in pages["desk-phone.html"]
    for said in ("11.0.4.1", ".p12", "self-signed", "security settings", "URI:sip:"):
        assert said in pages["servers.html"]
    for page in pages.values():
        assert "will refuse" not in page
        assert "guarantee" not in page


TABLE = [
    dict(zip(("key", *languages.LANGUAGES, "source"), line.split("\t"), strict=True))
    for line in (CHECKOUT / "templates" / "trust" / "words.tsv").read_text().splitlines()[1:]
]


SOURCES = dict(
    line.split("\t")[:2] for line in (CHECKOUT / "templates" / "trust" / "sources.tsv").read_text().splitlines()[1:]
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["key"])
def test_each_word_is_in_each_language_and_each_menu_has_a_source(row):
    used = "".join(path.read_text() for path in (CHECKOUT / "templates" / "trust").glob("*.html"))
    used += (CHECKOUT / "opensslgen" / "trust" / "pages.py").read_text()
    used += "".join(other["en"] for other in TABLE)
    key = row["key"]
    forms = (f"$T_{key.upper()}", f'["{key}"]', f"['{key}']", f'"{key}"', f"{{{key}}}")
    assert any(form in used for form in forms) or key in {device.heading for device in devices.DEVICES}
    assert row["en"]
    if row["source"]:
        found = dict(source.split(":") for source in row["source"].split())
        assert found.keys() == {language for language in languages.LANGUAGES if row[language]}
        # Only a name in English may be second-hand.
        assert all(SOURCES[source].startswith("https://") or language == "en" for language, source in found.items())
    else:
        gaps = [re.findall(r"\{\w+\}|`[^`]+`", row[language]) for language in languages.LANGUAGES]
        assert all(row[language] for language in languages.LANGUAGES)
        # Each menu and each file of the English sentence is in the others as well.
        assert all(sorted(found) == sorted(gaps[0]) for found in gaps)


def test_each_source_is_used():
    assert SOURCES.keys() == {source.split(":")[1] for row in TABLE for source in row["source"].split()}


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_every_page_is_in_each_language_with_the_names_that_the_vendor_uses(language, root):
    pages = {
        file.name: file.data.decode()
        for file in files.pages(root, language=language, check="https://a/check")
        if file.name.endswith(".html")
    }
    english = pages_of(root, check="https://a/check")
    for name, text in pages.items():
        assert f'<html lang="{language}">' in text
        assert not re.search(r"[{}`$]", re.sub("<pre>.*?</pre>", "", text, flags=re.DOTALL))
        if language != "en":
            assert Reader(text).text != english[name].text
    for row in TABLE:
        own = html.escape(row[language] or row["en"])
        mark = "<strong>" if row[language] else '<strong lang="en">'
        if row["source"]:
            assert any(f"{mark}{own}</strong>" in text for text in pages.values()), row["key"]
    for name, count in (("iphone.html", 4), ("android.html", 5)):
        assert pages[name].count("<svg") == count
        assert 'href="https://a/check"' in pages[name]


def test_a_hostile_root_gets_nothing_but_shown(hostile, tmp_path):
    root = load(hostile)
    shown = mobileconfig.title(root)
    assert "\n" not in shown
    assert "\u202e" not in shown
    for name, page in pages_of(root).items():
        assert "script" not in page.elements, name
        assert shown in page.text
    profile = plistlib.loads(mobileconfig.mobileconfig(root))
    assert profile["PayloadDisplayName"] == shown
    done = run_script(opensslgen("trust", "--root", hostile, "--script").stdout, "made")
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "made") == {file.name: file.data for file in files.files(root)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]
    told = opensslgen("trust", "--root", hostile).stdout
    assert shown in told
    assert "\u202e" not in told


@needs("certutil", "update-ca-certificates")
def test_the_commands_of_the_linux_page_make_linux_and_nss_trust_the_root(root, pki, tmp_path):
    """As they stand on the page, but for sudo and the folder that belongs to the system."""
    page = next(file for file in files.pages(root) if file.name == "linux.html").data.decode()
    commands = [html.unescape(text) for text in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]
    for name in ("bin", "local", "etc", "hooks", "home/.pki/nssdb"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ca-certificates.conf").write_text("")
    stubs = {
        "sudo": 'exec "$@"',
        "update-ca-certificates": f"exec {find('update-ca-certificates')}"
        f" --certsconf {tmp_path}/ca-certificates.conf --localcertsdir {tmp_path}/local --etccertsdir {tmp_path}/etc"
        f" --hooksdir {tmp_path}/hooks",
    }
    for name, line in stubs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    write(tmp_path / "trust", root)
    text = "\n".join(commands).replace("/usr/local/share/ca-certificates", str(tmp_path / "local"))
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}:/usr/sbin",
    }
    done = subprocess.run(["sh", "-ec", text], cwd=tmp_path / "trust", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    leaf = pki / "issued" / "pbx.example.com.crt"
    trusting = ["openssl", "verify", "-no-CAfile", "-CApath", tmp_path / "etc", leaf]
    assert subprocess.run(trusting, capture_output=True).returncode == 0
    trusting[4] = tmp_path / "hooks"
    assert subprocess.run(trusting, capture_output=True).returncode != 0
    database = ["-d", f"sql:{tmp_path}/home/.pki/nssdb"]
    subprocess.run(["certutil", *database, "-A", "-t", ",,", "-n", "leaf", "-i", leaf], check=True)
    checked = subprocess.run(["certutil", *database, "-V", "-u", "V", "-n", "leaf"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# The browsers


@pytest.mark.parametrize(("device", "user_agent"), list(user_agents()))
def test_a_browser_tells_the_device(device, user_agent):
    found = devices.device_of(user_agent)
    assert (found.id if found else "index") == device


def test_a_hostile_user_agent_is_read_in_no_time():
    before = time.process_time()
    for text in ("iPhone" * 100_000, "\x00\n" * 100_000, "Mac OS " * 100_000):
        devices.device_of(text)
    assert time.process_time() - before < 0.1


def test_a_new_server_can_sign_at_once(authority, openssl):
    """The validity may begin in the second in which it was made."""
    made = make_server(authority, "a.example.com")
    by = trust.find_signer(made.files["root"].parent, "a.example.com")
    assert trust.sign(b"<plist/>", by, openssl)
