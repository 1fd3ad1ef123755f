"""The patcher of the vendor's script, in Python and in shell: one table of stand-ins for both."""

from __future__ import annotations

import os
import posix
import re
import shutil
import signal
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensslgen.audit.script_edits import edit_vendors, maker
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.gen_certs.patch import check_file, patch_file, patcher_script, restore_file
from opensslgen.gen_certs.reader import read_script
from opensslgen.shell.parse import parse

from .needs import needs, program_path

STAND_INS = Path(__file__).parent / "gen_certs"
EDITED = sorted((STAND_INS / "edited").glob("*.sh"))
COMPLETE = sorted((STAND_INS / "complete").glob("*.sh"))
REFUSED = sorted((STAND_INS / "refused").glob("*.sh"))
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"], "mksh": ["mksh"]}
ONLY_BY_PYTHON = {
    "braces", "by-hand", "chained", "conditions", "continued", "echo-e", "header-only", "no-branch",
    "one-line", "printf", "quoting", "same-line",
}  # fmt: skip
"""What the shell script refuses, because it is of no form that it is sure about."""
MTIME = 1_600_000_000_123_456_789


def name(path):
    return path.stem


def syntax_check(path):
    run = subprocess.run(["bash", "-n", path], capture_output=True, check=False)
    return run.stderr.decode(errors="replace").strip() or "refused" if run.returncode else None


class Python:
    """The library, as the command line will use it."""

    def __init__(self, **options):
        self.make = maker(**options)

    def __call__(self, action, path, *, force=False):
        try:
            match action:
                case "patch":
                    patch_file(path, syntax_check=syntax_check, make=self.make)
                case "check":
                    return 1 if check_file(path, make=self.make)[0] else 0, ""
                case "diff":
                    return 0, check_file(path, make=self.make)[1]
                case "restore":
                    restore_file(path, make=self.make, force=force)
        except Error as error:
            return error.exit_code, error.message
        return 0, ""


class Shell:
    """The script that `patcher_script` gives, run by one of the shells."""

    def __init__(self, command, script, environment=None):
        self.command = [*command, str(script)]
        self.environment = environment

    def __call__(self, action, path, *, force=False):
        options = [] if action == "patch" else [f"--{action}"]
        run = subprocess.run(
            [*self.command, *options, *(["--force"] if force else []), str(path)],
            capture_output=True,
            check=False,
            env=self.environment,
        )
        return run.returncode, (run.stdout + run.stderr).decode(errors="replace")


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "patch-gen-certs.sh"
    path.write_text(patcher_script())
    return path


@pytest.fixture(params=["python", "sh"])
def patcher(request, script):
    return Python() if request.param == "python" else Shell(["sh"], script)


@pytest.fixture(params=[pytest.param(name, marks=[] if name == "dash" else pytest.mark.slow) for name in SHELLS])
def shell(request):
    return SHELLS[request.param]


@pytest.fixture
def copy(tmp_path):
    """Copy a stand-in into an empty folder, with a mode and times of its own."""

    def copied(source, *, mode=0o754):
        folder = tmp_path / "appliance"
        folder.mkdir()
        path = folder / "gen_certs.sh"
        path.write_bytes(source if isinstance(source, bytes) else source.read_bytes())
        path.chmod(mode)
        os.utime(path, ns=(MTIME - 1_000_000_000, MTIME))
        return path

    return copied


def others(path):
    return sorted(entry.name for entry in path.parent.iterdir() if entry != path)


# --- what is edited


def test_the_posts_fragment_becomes_the_posts_result_byte_for_byte():
    before = """DEFAULT_SERVER_CERT_VALIDITY=$((365*7)) # 7 years
    if $EXTENDED_CSR; then
        echo "[ v3_req ]"                                     >> $EXT_FILE
        echo "basicConstraints = $CA"                         >> $EXT_FILE
        echo "keyUsage = $KEY_USAGE"                          >> $EXT_FILE
        echo "subjectAltName = $SUBJECT_ALT_NAME"             >> $EXT_FILE
        echo "subjectKeyIdentifier   = hash"                  >> $EXT_FILE
    else
        :
    fi
"""
    after = """DEFAULT_SERVER_CERT_VALIDITY=$((820)) # 820 days
    if $EXTENDED_CSR; then
        echo "[ v3_req ]"                                     >> $EXT_FILE
        echo "basicConstraints = $CA"                         >> $EXT_FILE
        echo "keyUsage = $KEY_USAGE"                          >> $EXT_FILE
        echo "subjectAltName = $SUBJECT_ALT_NAME"             >> $EXT_FILE
        echo "subjectKeyIdentifier   = hash"                  >> $EXT_FILE
        echo "extendedKeyUsage   = serverAuth,clientAuth"     >> $EXT_FILE
    else
        :
    fi
"""
    patch = edit_vendors(before.encode(), name="script")
    assert patch.data.decode() == after
    assert [(edit.line, edit.old is None) for edit in patch.edits] == [(1, False), (7, True)]


@pytest.mark.slow
@pytest.mark.parametrize("stand_in", EDITED, ids=name)
def test_a_stand_in_is_edited_checked_and_restored(stand_in, patcher, copy):
    path = copy(stand_in)
    original, expected = stand_in.read_bytes(), stand_in.with_suffix(".patched").read_bytes()
    if isinstance(patcher, Shell) and stand_in.stem in ONLY_BY_PYTHON:
        code, message = patcher("patch", path)
        assert (code, path.read_bytes(), others(path)) == (2, original, [])
        assert "did not understand line " in message
        return

    assert patcher("check", path)[0] == 1
    assert patcher("patch", path)[0] == 0
    assert path.read_bytes() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    [backup] = others(path)
    assert backup.startswith("gen_certs.sh.orig-20")

    assert patcher("check", path)[0] == 0
    assert patcher("patch", path)[0] == 0
    assert (path.read_bytes(), others(path)) == (expected, [backup])

    assert patcher("restore", path)[0] == 0
    status = path.stat()
    assert (path.read_bytes(), others(path)) == (original, [])
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o754, MTIME)


@pytest.mark.parametrize("stand_in", COMPLETE, ids=name)
def test_a_script_that_has_both_edits_is_left_alone(stand_in, patcher, copy):
    path = copy(stand_in)
    assert patcher("check", path)[0] == 0
    assert patcher("patch", path)[0] == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns, others(path)) == (stand_in.read_bytes(), MTIME, [])


@pytest.mark.parametrize("stand_in", REFUSED, ids=name)
def test_a_script_that_is_not_recognised_is_left_alone(stand_in, patcher, copy):
    path = copy(stand_in)
    for action in ("check", "diff", "patch"):
        code, message = patcher(action, path)
        assert code == 2
        assert str(path) in message
    assert (path.read_bytes(), path.stat().st_mtime_ns, others(path)) == (stand_in.read_bytes(), MTIME, [])


@pytest.mark.slow
def test_every_shell_makes_the_same_edits_and_takes_them_back(shell, script, tmp_path):
    copies = []
    for stand_in in EDITED + COMPLETE + REFUSED:
        copies.append(tmp_path / f"{stand_in.parent.name}-{stand_in.name}")
        shutil.copy2(stand_in, copies[-1])
    run = subprocess.run([*shell, script, *copies], capture_output=True, check=False)
    assert run.returncode == 2
    assert run.stderr.count(b"Error: ") == len(REFUSED) + len(ONLY_BY_PYTHON)
    for stand_in, path in zip(EDITED + COMPLETE + REFUSED, copies, strict=True):
        is_edited = stand_in in EDITED and stand_in.stem not in ONLY_BY_PYTHON
        expected = stand_in.with_suffix(".patched") if is_edited else stand_in
        assert path.read_bytes() == expected.read_bytes(), path.name
    pairs = zip(EDITED, copies, strict=False)
    few = [(stand_in, path) for stand_in, path in pairs if stand_in.stem not in ONLY_BY_PYTHON][:5]
    for options, code in (["--check"], 0), (["--restore"], 0), (["--check"], 1):
        run = subprocess.run([*shell, script, *options, *(path for _, path in few)], check=False)
        assert run.returncode == code
    for stand_in, path in few:
        assert (path.read_bytes(), path.stat().st_mtime) == (stand_in.read_bytes(), stand_in.stat().st_mtime)


@pytest.mark.parametrize("stand_in", ["neither", "no-validity", "comment-only", "screen"])
def test_a_refusal_names_what_was_looked_for(stand_in, patcher, copy):
    message = patcher("patch", copy(STAND_INS / "refused" / f"{stand_in}.sh"))[1]
    assert "looked for an assignment DEFAULT_SERVER_CERT_VALIDITY= (" in message
    assert "write a section [ v3_req ] to a file (" in message


@pytest.mark.parametrize(
    ("value", "days"),
    [
        ("2555", 2555),
        ("'2555'", 2555),
        ('"$((365*7))"', 2555),
        ("$(( ( 365 + 1 ) * 2 ))", 732),
        ("$((7300/10))", 730),
        ("$((7-2*9/4))", 3),
        ("0", 0),
        ("'$((365*7))'", None),
        ("$((365*$YEARS))", None),
        ("$((2**9))", None),
        ("$((1/0))", None),
        ("$((365*))", None),
        ("$((3 65))", None),
        ("$((-5+10))", None),
        ("0365", None),
        ("3650000000", None),
        ("", None),
        ("$VALIDITY", None),
        ("2555 other_command", None),
    ],
)
def test_validities_are_read_as_a_shell_reads_them(value, days, patcher, copy):
    text = (
        f"DEFAULT_SERVER_CERT_VALIDITY={value}\necho '[ v3_req ]' >> $F\necho 'extendedKeyUsage = serverAuth' >> $F\n"
    )
    assert read_script(parse(text)).validities[0].days == days
    path = copy(text.encode())
    assert patcher("check", path)[0] == (2 if days is None else 0 if 1 <= days <= 825 else 1)


def test_other_days_replace_longer_ones_and_come_from_the_script_too(copy, tmp_path):
    path = copy(EDITED[0].parent / "post.sh")
    patch_file(path, syntax_check=syntax_check, make=maker())
    expected = path.read_bytes().replace(b"$((820)) # 820 days", b"$((397)) # 397 days")
    original = others(path)
    script = tmp_path / "patch-397.sh"
    script.write_text(patcher_script(397))
    for patcher in (Python(days=397), Shell(["dash"], script)):
        shutil.copy2(EDITED[0].parent / "post.patched", path)
        assert patcher("check", path)[0] == 1
        assert patcher("patch", path)[0] == 0
        assert path.read_bytes() == expected
        assert others(path) == original, "the first original is still the one to go back to"
        assert patcher("patch", path)[0] == 0
    assert Python()("check", path)[0] == 0
    assert Shell(["dash"], script)("restore", path)[0] == 0
    assert path.read_bytes() == (EDITED[0].parent / "post.sh").read_bytes()


def test_days_outside_the_profile_are_refused():
    for days in (0, -1, 826):
        with pytest.raises(UsageError):
            patcher_script(days)


def test_a_later_assignment_is_left_alone_and_told(patcher, copy):
    patch = edit_vendors((STAND_INS / "edited" / "assigned-twice.sh").read_bytes(), name="script")
    assert len(patch.notes) == 1
    assert "line 7 sets DEFAULT_SERVER_CERT_VALIDITY again" in patch.notes[0]
    if isinstance(patcher, Shell):
        assert patch.notes[0] in patcher("patch", copy(STAND_INS / "edited" / "assigned-twice.sh"))[1]


def test_diff_shows_what_patch_does_and_changes_nothing(patcher, copy, tmp_path):
    path = copy(STAND_INS / "edited" / "no-newline.sh")
    code, shown = patcher("diff", path)
    assert code == 0
    assert (path.read_bytes(), others(path)) == ((STAND_INS / "edited" / "no-newline.sh").read_bytes(), [])
    (tmp_path / "diff").write_text(shown)
    patched = tmp_path / "patched"
    subprocess.run(["patch", "-s", "-o", patched, path, tmp_path / "diff"], check=True)
    assert patched.read_bytes() == (STAND_INS / "edited" / "no-newline.patched").read_bytes()
    patcher("patch", path)
    assert patcher("diff", path) == (0, "")


# --- what the reader tells beyond that


def read(stand_in):
    return read_script(parse((STAND_INS / "edited" / f"{stand_in}.sh").read_text()))


def test_the_reader_tells_sections_and_their_usages():
    script = read("both-branches")
    assert [(block.line, block.extended, block.usages) for block in script.blocks] == [(8, True, ()), (14, False, ())]
    [block] = read("by-hand").extended_blocks
    assert [(usage.line, usage.text, usage.server) for usage in block.usages] == [(8, "critical, clientAuth", False)]


# --- the certificates


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Make a root, and a request that is signed by it again and again."""
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ip-office.example")])
    now = datetime.now(timezone.utc)
    root = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(root.public_bytes(pem))
    (folder / "server.req").write_bytes(request.public_bytes(pem))
    (folder / "ca.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    return folder


def certificate(script, authority, folder):
    """Run a script's block in bash, and make a certificate from the extension file that it writes."""
    extensions = folder / "extensions.cnf"
    extensions.unlink(missing_ok=True)
    # No shell runs CR LF; whoever does has it converted.
    runnable = folder / "run.sh"
    runnable.write_bytes(script.read_bytes().replace(b"\r\n", b"\n"))
    environment = {
        "PATH": os.environ["PATH"],
        "EXTENDED_CSR": "true",
        "EXT_FILE": str(extensions),
        "CA": "CA:FALSE",
        "KEY_USAGE": "digitalSignature,keyEncipherment",
        "SUBJECT_ALT_NAME": "DNS:ip-office.example,IP:10.0.0.5",
    }
    code = '. "$0" >&2; printf %s "$DEFAULT_SERVER_CERT_VALIDITY"'
    days = subprocess.run(["bash", "-c", code, runnable], env=environment, capture_output=True, check=True).stdout
    options = ["-days", days.decode(), "-extfile", extensions, "-extensions", "v3_req", "-set_serial", "2", "-sha256"]
    made = subprocess.run(
        ["openssl", "x509", "-req", "-in", authority / "server.req", "-CA", authority / "ca.crt"]
        + ["-CAkey", authority / "ca.key", *options],
        capture_output=True,
        check=True,
    )
    return x509.load_pem_x509_certificate(made.stdout)


def complies(certificate):
    """Tell whether cryptography sees what Apple's published list asks of usage and validity."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    validity = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return ExtendedKeyUsageOID.SERVER_AUTH in usages and validity <= timedelta(days=825)


@pytest.mark.parametrize("stand_in", EDITED, ids=name)
def test_certificates_comply_after_the_patch_and_not_before(stand_in, authority, tmp_path):
    assert not complies(certificate(stand_in, authority, tmp_path))
    assert complies(certificate(stand_in.with_suffix(".patched"), authority, tmp_path))


@pytest.mark.parametrize("stand_in", COMPLETE, ids=name)
def test_certificates_of_a_complete_script_comply(stand_in, authority, tmp_path):
    assert complies(certificate(stand_in, authority, tmp_path))


# --- the file and what is beside it


def test_symbolic_links_are_followed_and_stay(patcher, copy, tmp_path):
    path = copy(STAND_INS / "edited" / "post.sh")
    (tmp_path / "link").symlink_to("appliance/gen_certs.sh")
    (tmp_path / "link2").symlink_to(tmp_path / "link")
    assert patcher("patch", tmp_path / "link2")[0] == 0
    assert path.read_bytes() == (STAND_INS / "edited" / "post.patched").read_bytes()
    assert (tmp_path / "link2").is_symlink()
    assert len(others(path)) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["appliance", "link", "link2"]
    assert patcher("restore", tmp_path / "link2")[0] == 0
    assert path.read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()


def test_a_file_with_several_hard_links_is_refused(patcher, copy, tmp_path):
    path = copy(STAND_INS / "edited" / "post.sh")
    (tmp_path / "other").hardlink_to(path)
    code, message = patcher("patch", path)
    assert code == 1
    assert "2 hard links" in message
    assert (path.read_bytes(), others(path)) == ((STAND_INS / "edited" / "post.sh").read_bytes(), [])


@needs("root")
def test_owner_and_special_mode_bits_are_kept(patcher, copy):
    path = copy(STAND_INS / "edited" / "post.sh")
    os.chown(path, 12345, 23456)
    path.chmod(0o4510)
    assert patcher("patch", path)[0] == 0
    [backup] = others(path)
    for file in (path, path.with_name(backup)):
        status = file.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o4510)


@pytest.mark.skipif(sys.platform != "linux", reason="extended attributes as Linux has them")
def test_extended_attributes_are_kept(patcher, copy):
    path = copy(STAND_INS / "edited" / "post.sh")
    try:
        os.setxattr(path, "user.note", b"ours")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    attributes = {"user.note": b"ours"}
    try:  # what SELinux keeps its context in; where it is not active, root can set it like any other
        os.setxattr(path, "security.selinux", b"system_u:object_r:bin_t:s0")
        attributes["security.selinux"] = os.getxattr(path, "security.selinux")
    except OSError:
        pass
    assert patcher("patch", path)[0] == 0
    for file in (path, path.with_name(others(path)[0])):
        assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == attributes


def test_backups_are_dated_numbered_and_never_overwritten(patcher, copy):
    path = copy(STAND_INS / "edited" / "post.sh")
    today = f"gen_certs.sh.orig-{datetime.now():%Y%m%d}"
    for number in ("", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9"):
        path.with_name(today + number).write_text(f"mine{number}")
    path.with_name("gen_certs.sh.orig-29991231-x").write_text("no backup")
    path.with_name("gen_certs.sh.orig-19991231-99").write_text("an old one")
    assert patcher("patch", path)[0] == 0
    assert path.with_name(f"{today}-10").read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()
    assert path.with_name(today).read_text() == "mine"
    assert path.with_name(f"{today}-9").read_text() == "mine-9"
    assert patcher("restore", path)[0] == 0
    assert path.read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()
    assert not path.with_name(f"{today}-10").exists()


def test_an_original_that_is_kept_already_is_not_kept_twice(patcher, copy):
    path = copy(STAND_INS / "edited" / "post.sh")
    shutil.copy2(path, path.with_name("gen_certs.sh.orig-20200101"))
    assert patcher("patch", path)[0] == 0
    assert others(path) == ["gen_certs.sh.orig-20200101"]
    assert patcher("restore", path)[0] == 0
    assert (path.stat().st_mtime_ns, others(path)) == (MTIME, [])


def test_restore_leaves_a_script_alone_that_an_upgrade_brought(patcher, copy):
    path = copy(STAND_INS / "edited" / "post.sh")
    assert patcher("restore", path)[0] == 1
    patcher("patch", path)
    upgraded = path.read_bytes() + b"# release 11.1\n"
    path.write_bytes(upgraded)
    [backup] = others(path)
    code, message = patcher("restore", path)
    assert code == 1
    assert "upgrade" in message
    assert (path.read_bytes(), others(path)) == (upgraded, [backup])

    assert patcher("restore", path, force=True)[0] == 0
    assert path.read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()
    [kept] = others(path)
    assert kept.startswith("gen_certs.sh.replaced-20")
    assert path.with_name(kept).read_bytes() == upgraded


def test_what_is_no_script_is_refused_and_does_not_hang(patcher, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
    (tmp_path / "nul").write_bytes((STAND_INS / "edited" / "post.sh").read_bytes() + b"\0")
    (tmp_path / "empty").touch()
    for name in ("fifo", "loop", "large", "nul", "empty", ".", "missing"):
        for action in ("check", "patch", *(["restore"] if name not in ("nul", "empty") else [])):
            code, message = patcher(action, tmp_path / name)
            assert (code, str(tmp_path) in message) == (2, True), message
    assert len(list(tmp_path.iterdir())) == 5


def test_a_script_that_no_shell_accepts_is_left_alone(patcher, copy):
    source = (STAND_INS / "edited" / "post.sh").read_bytes() + b"for in in in\n"
    path = copy(source)
    code, message = patcher("patch", path)
    assert code == 2
    assert re.search("not understood|did not understand", message)
    assert (path.read_bytes(), path.stat().st_mtime_ns, others(path)) == (source, MTIME, [])


def test_carriage_returns_at_some_lines_only_are_judged_as_they_are(patcher, copy):
    source = (STAND_INS / "edited" / "post.sh").read_bytes().replace(b"    then\n", b"    then\r\n")
    path = copy(source)
    assert patcher("patch", path)[0] in (1, 2)
    assert (path.read_bytes(), others(path)) == (source, [])


def test_a_script_that_changes_meanwhile_is_left_alone(copy):
    path = copy(STAND_INS / "edited" / "post.sh")

    def upgrade(_):
        path.write_text("upgraded")

    with pytest.raises(Error, match="changed in the meantime"):
        patch_file(path, syntax_check=upgrade, make=maker())
    assert (path.read_text(), others(path)) == ("upgraded", [])


def test_the_shell_script_sees_such_a_change_too(copy, script, tmp_path):
    path = copy(STAND_INS / "edited" / "post.sh")
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "bash"
    real = program_path("bash")
    # It gets the script on its standard input; the edited one is checked last.
    upgrade = f"case $text in *serverAuth*) echo upgraded >'{path}' ;; esac"
    wrapper.write_text(f'#!/bin/sh\ntext=$(cat)\nprintf "%s\\n" "$text" | "{real}" -n || exit\n{upgrade}\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    code, message = Shell(["sh"], script, environment)("patch", path)
    assert (code, path.read_text(), others(path)) == (1, "upgraded\n", [])
    assert "changed in the meantime" in message


def test_a_file_that_lies_in_the_way_is_not_written_through(copy, tmp_path):
    path = copy(STAND_INS / "edited" / "post.sh")
    (tmp_path / "victim").write_text("precious")
    path.with_name(f".gen_certs.sh.opensslgen-{os.getpid()}").symlink_to(tmp_path / "victim")
    with pytest.raises(Error, match="File exists"):
        patch_file(path, syntax_check=syntax_check, make=maker())
    assert (tmp_path / "victim").read_text() == "precious"
    assert path.read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()


def test_a_failure_of_the_disk_leaves_the_script_alone(copy, monkeypatch):
    path = copy(STAND_INS / "edited" / "post.sh")
    for failing in ("fsync", "fchmod", "utime", "link", "replace"):
        with monkeypatch.context() as patch:

            def fail(*_, **__):
                raise OSError(28, "No space left on device")

            patch.setattr(os, failing, fail)
            with pytest.raises(Error, match="No space left"):
                patch_file(path, syntax_check=syntax_check, make=maker())
        assert (path.read_bytes(), others(path)) == ((STAND_INS / "edited" / "post.sh").read_bytes(), []), failing


def test_a_file_system_without_hard_links_will_do(copy, monkeypatch):
    path = copy(STAND_INS / "edited" / "post.sh")

    def fail(*_, **__):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", fail)
    outcome = patch_file(path, syntax_check=syntax_check, make=maker(), now=datetime(2026, 1, 2))
    assert outcome.backup == path.with_name("gen_certs.sh.orig-20260102")
    assert outcome.backup.read_bytes() == (STAND_INS / "edited" / "post.sh").read_bytes()


# --- killed at any step


def survivors(path):
    """Tell what is left of a patch that was killed, and prove it whole."""
    old, new = ((STAND_INS / "edited" / f"post.{suffix}").read_bytes() for suffix in ("sh", "patched"))
    assert path.read_bytes() in (old, new)
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    for name in others(path):
        if name.startswith("gen_certs.sh.orig-"):
            backup = path.with_name(name)
            assert (backup.read_bytes(), backup.stat().st_mtime_ns) == (old, MTIME)
        else:
            assert name.startswith(".gen_certs.sh.opensslgen-")
    return path.read_bytes() == new


@pytest.mark.slow
def test_a_patch_that_is_killed_at_any_step_leaves_the_old_script_or_the_new_one(tmp_path):
    edited = {}

    def make(original, **options):
        """Edit a script once: that touches no file, and so it has no step at which to die."""
        if original.data not in edited:
            edited[original.data] = maker()(original, **options)
        return edited[original.data]

    killed, seen = 0, set()
    while True:
        folder = tmp_path / str(killed)
        folder.mkdir()
        path = folder / "gen_certs.sh"
        shutil.copy(STAND_INS / "edited" / "post.sh", path)
        path.chmod(0o754)
        os.utime(path, ns=(MTIME, MTIME))
        child = os.fork()
        if not child:
            die_at_step(killed)
            patch_file(path, syntax_check=syntax_check, make=make)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        seen.add(survivors(path))
        patch_file(path, syntax_check=lambda _: None, make=make)
        assert survivors(path)
        assert len(others(path)) == 1, "the next run cleans up, and keeps one original"
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1
    assert killed > 50
    assert seen == {True, False}


def die_at_step(step):
    """Kill this process at the given call into the operating system, or return from one; each of them counts."""
    count = -1

    def trace(_frame, event, argument):
        nonlocal count
        owner = getattr(argument, "__self__", None)
        if event in ("c_call", "c_return") and (owner is posix or type(owner).__module__ == "_io"):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(trace)


@pytest.mark.slow
def test_the_shell_script_too_leaves_the_old_one_or_the_new_one(tmp_path, script):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in (
        "cat",
        "ls",
        "cp",
        "ln",
        "mv",
        "rm",
        "sync",
        "sha256sum",
        "wc",
        "tr",
        "sed",
        "date",
        "readlink",
        "bash",
        "chmod",
    ):
        (tools / tool).write_text(
            f"""#!/bin/sh
            PATH=${{PATH#*:}}
            echo >>"$COUNT"
            count=0
            while read -r line; do count=$((count + 1)); done <"$COUNT"
            [ "$count" -le "$STEP" ] || kill -9 0 # a pipe starts two at once, and each may count both
            exec {tool} "$@"
            """
        )
        (tools / tool).chmod(0o755)
    killed, seen, tried = 0, set(), set()
    while True:
        folder = tmp_path / str(killed)
        folder.mkdir()
        path = folder / "gen_certs.sh"
        shutil.copy(STAND_INS / "edited" / "post.sh", path)
        path.chmod(0o754)
        os.utime(path, ns=(MTIME, MTIME))
        count = tmp_path / f"count-{killed}"
        count.touch()
        environment = {"PATH": f"{tools}:{os.environ['PATH']}", "COUNT": str(count), "STEP": str(killed)}
        code = subprocess.run(
            ["sh", script, path], env=environment, start_new_session=True, capture_output=True, check=False
        ).returncode
        seen.add(survivors(path))
        # The next run depends on nothing but what is left.
        left = frozenset(
            (re.sub("opensslgen-.*", "", entry.name), stat.S_IMODE(entry.stat().st_mode), entry.read_bytes())
            for entry in folder.iterdir()
        )
        if left not in tried:
            Shell(["sh"], script)("patch", path)
            assert survivors(path)
            assert len(others(path)) == 1
            tried.add(left)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
    assert killed > 20
    assert len(tried) > 3
    assert seen == {True, False}


# --- mutations

FRAGMENTS = [
    "\n",
    "\r\n",
    " ",
    "\t",
    '"',
    "'",
    "\\",
    "`",
    "$",
    "(",
    ")",
    "{",
    "}",
    "#",
    ";",
    ";;",
    "&&",
    "||",
    "|",
    "&",
]
FRAGMENTS += [
    "<",
    ">",
    ">>",
    "<<EOF\n",
    "EOF\n",
    "if ",
    "fi\n",
    "then\n",
    "else\n",
    "! ",
    "\\\n",
    "\\n",
    "=",
    "[ v3_req ]",
]
FRAGMENTS += [
    "extendedKeyUsage = clientAuth",
    "extendedKeyUsage",
    "$EXT_FILE",
    "DEFAULT_SERVER_CERT_VALIDITY=2555",
    "[ x ]",
]


@st.composite
def mutations(draw):
    text = draw(st.sampled_from(EDITED + COMPLETE + REFUSED)).read_bytes().decode("latin-1")
    for _ in range(draw(st.integers(1, 3))):
        lines = text.splitlines(keepends=True)
        match draw(
            st.sampled_from(["delete line", "repeat line", "move line", "insert", "insert", "delete", "replace"])
        ):
            case "delete line":
                del lines[draw(st.integers(0, len(lines) - 1))]
            case "repeat line":
                lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
            case "move line":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(draw(st.integers(0, len(lines) - 1))))
            case action:
                start = draw(st.integers(0, len(text)))
                end = start + (0 if action == "insert" else draw(st.integers(1, 12)))
                lines = [text[:start], "" if action == "delete" else draw(st.sampled_from(FRAGMENTS)), text[end:]]
        text = "".join(lines)
        if not text:
            break
    return text


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(text=mutations())
def test_mutated_scripts_are_edited_whole_or_not_at_all_and_alike_in_both_languages(text, script, tmp_path_factory):
    path = tmp_path_factory.mktemp("mutated") / "gen_certs.sh"
    path.write_bytes(text.encode("latin-1"))
    accepted = syntax_check(path) is None
    try:
        patch = edit_vendors(path.read_bytes(), name="script")
    except UnreadableError:
        patch = None
    code, message = Shell(["sh"], script)("patch", path)
    if patch is None:
        assert (code, path.read_bytes()) in [(each, text.encode("latin-1")) for each in (1, 2)], message
        return
    assert edit_vendors(patch.data, name="script").edits == ()
    result = read_script(parse(patch.data.decode("latin-1")))
    assert 1 <= result.validities[0].days <= 825
    assert result.extended_blocks
    assert all(block.complies for block in result.extended_blocks)
    assert len(result.blocks) == len(read_script(parse(text)).blocks)
    # The shell script does the same, perhaps also in a branch that is never taken, or refuses.
    if code == 0:
        assert edit_vendors(path.read_bytes(), name="script").edits == ()
        assert set(path.read_bytes().split(b"\n")) == set(patch.data.split(b"\n"))
    else:
        assert path.read_bytes() == text.encode("latin-1")
    if accepted:
        path.write_bytes(patch.data)
        assert syntax_check(path) is None


# --- the shell script itself


def test_shellcheck_has_nothing_against_the_script(script):
    run = subprocess.run(["shellcheck", "-s", "sh", script], capture_output=True, check=False)
    assert (run.returncode, run.stdout.decode()) == (0, "")


def test_the_script_needs_a_shell_coreutils_and_sed_only(script, copy, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in (
        "cat",
        "chmod",
        "sha256sum",
        "cp",
        "date",
        "ln",
        "ls",
        "mv",
        "readlink",
        "rm",
        "sed",
        "sh",
        "sync",
        "tr",
        "wc",
    ):
        (tools / tool).symlink_to(program_path("busybox"))
    path = copy(STAND_INS / "edited" / "post.sh")
    patcher = Shell([tools / "sh"], script, {"PATH": str(tools)})
    shown = patcher("diff", path)
    assert shown[0] == 0
    assert "line 14: the section has no extendedKeyUsage" in shown[1]
    code, message = patcher("patch", path)
    assert message == (
        f"{shown[1]}{path}: patched; the original is {path.with_name(others(path)[0])}\n"
        f"{path}: openssl is missing, so no certificate was made from the section\n"
    )
    assert code == 0
    assert path.read_bytes() == (STAND_INS / "edited" / "post.patched").read_bytes()
    assert patcher("check", path)[0] == 0
    assert patcher("restore", path)[0] == 0
    assert (path.read_bytes(), int(path.stat().st_mtime)) == (
        (STAND_INS / "edited" / "post.sh").read_bytes(),
        MTIME // 1_000_000_000,  # busybox keeps no more
    )


def test_the_script_tells_how_it_is_used(script, copy):
    run = subprocess.run(["sh", script, "--help"], capture_output=True, check=False)
    assert run.returncode == 0
    assert b"--restore" in run.stdout
    assert b"shellcheck" not in run.stdout
    path = copy(STAND_INS / "edited" / "post.sh")
    for arguments in [], ["--chekc", path], ["--force", path], ["--check", "--force", path]:
        run = subprocess.run(["sh", script, *arguments], capture_output=True, check=False)
        assert (run.returncode, run.stdout) == (2, b"")
        assert run.stderr.startswith(b"usage: ")
    assert others(path) == []


@pytest.mark.slow
def test_file_names_with_blanks_dashes_and_patterns_are_only_names(script, tmp_path):
    folder = tmp_path / "a folder [x] *"
    folder.mkdir()
    for name in ("-n", "gen certs*.sh", "--check"):
        path = folder / name
        shutil.copy(STAND_INS / "edited" / "post.sh", path)
        for options, code in ([], 0), (["--check"], 0), (["--restore"], 0), (["--check"], 1):
            run = subprocess.run(["sh", script, *options, "--", name], cwd=folder, capture_output=True, check=False)
            assert run.returncode == code, run.stderr
        path.unlink()
    assert list(folder.iterdir()) == []


def test_the_script_does_nothing_where_a_tool_is_missing(script, copy, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("cat", "cp", "ls", "mv", "printf", "sed", "tr", "wc"):
        (tools / tool).symlink_to(shutil.which(tool))
    path = copy(STAND_INS / "edited" / "post.sh")
    code, message = Shell([shutil.which("sh")], script, {"PATH": str(tools)})("patch", path)
    assert code == 1
    assert "this tool is missing here" in message
    assert (path.read_bytes(), others(path)) == ((STAND_INS / "edited" / "post.sh").read_bytes(), [])
