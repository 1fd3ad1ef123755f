"""The patcher of the vendor's script, in Python and in shell: one table of stand-ins for both."""

from __future__ import annotations

import os
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

from opensslgen import gencerts
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.gencerts_reader import Setting, read_script

STAND_INS = Path(__file__).parent / "gen_certs"
EDITED = sorted((STAND_INS / "edited").glob("*.sh"))
COMPLETE = sorted((STAND_INS / "complete").glob("*.sh"))
REFUSED = sorted((STAND_INS / "refused").glob("*.sh"))
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"], "mksh": ["mksh"]}
MTIME = 1_600_000_000_123_456_789


def name(path):
    return path.stem


def syntax_check(path):
    run = subprocess.run(["bash", "-n", path], capture_output=True, check=False)
    return run.stderr.decode(errors="replace").strip() or "refused" if run.returncode else None


class Python:
    """The library, as the command line will use it."""

    def __init__(self, **options):
        self.options = options

    def __call__(self, action, path, *, force=False):
        try:
            match action:
                case "patch":
                    gencerts.patch_file(path, syntax_check=syntax_check, **self.options)
                case "check":
                    return 1 if gencerts.check_file(path, **self.options) else 0, ""
                case "diff":
                    return 0, gencerts.diff_file(path, **self.options)
                case "restore":
                    gencerts.restore_file(path, force=force)
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
    path.write_text(gencerts.patcher_script())
    return path


@pytest.fixture(params=["python", *SHELLS])
def patcher(request, script):
    if request.param == "python":
        return Python()
    command = SHELLS[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return Shell(command, script)


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
    patch = gencerts.patched(before)
    assert patch.text == after
    assert [(edit.line, edit.old is None) for edit in patch.edits] == [(1, False), (7, True)]


@pytest.mark.parametrize("stand_in", EDITED, ids=name)
def test_a_stand_in_is_edited_checked_and_restored(stand_in, patcher, copy):
    path = copy(stand_in)
    original, expected = stand_in.read_bytes(), stand_in.with_suffix(".patched").read_bytes()

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
    text = f"DEFAULT_SERVER_CERT_VALIDITY={value}\necho '[ v3_req ]' >> $F\necho 'extendedKeyUsage = serverAuth' >> $F\n"
    assert read_script(text).validities[0].days == days
    path = copy(text.encode())
    assert patcher("check", path)[0] == (2 if days is None else 0 if 1 <= days <= 825 else 1)


def test_other_days_replace_longer_ones_and_come_from_the_script_too(copy, tmp_path):
    path = copy(EDITED[0].parent / "post.sh")
    gencerts.patch_file(path, syntax_check=syntax_check)
    expected = path.read_bytes().replace(b"$((820)) # 820 days", b"$((397)) # 397 days")
    original = others(path)
    script = tmp_path / "patch-397.sh"
    script.write_text(gencerts.patcher_script(397))
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


def test_wishes_outside_the_profile_are_refused():
    for days in (0, -1, 826):
        with pytest.raises(UsageError):
            gencerts.patched("", days=days)
        with pytest.raises(UsageError):
            gencerts.patcher_script(days)
    for eku in (["clientAuth"], [], ['serverAuth"; rm -rf /; "'], ["serverAuth\n"]):
        with pytest.raises(UsageError):
            gencerts.patched("", eku=eku)


def test_other_usages_can_be_asked_for_and_taken_back(copy):
    path = copy(EDITED[0].parent / "post.sh")
    gencerts.patch_file(path, syntax_check=syntax_check, eku=["serverAuth"])
    assert b'"extendedKeyUsage   = serverAuth"                ' in path.read_bytes()
    gencerts.restore_file(path)
    assert path.read_bytes() == (EDITED[0].parent / "post.sh").read_bytes()


def test_a_later_assignment_is_left_alone_and_told(patcher, copy):
    patch = gencerts.patched((STAND_INS / "edited" / "assigned-twice.sh").read_text())
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


def test_the_reader_tells_options_and_config_lines_with_their_line_numbers():
    script = read_script(
        """openssl req -new -newkey rsa:1024 -nodes \\
    -sha1 -days $((365*10)) # -md5
KEY=$(openssl genrsa -out "$F" 1024)
echo "default_bits = 512" >> $F
echo "use -sha1 or genrsa 512"
cat >> $F <<EOF
default_md = md5
  default_days=3650
EOF
"${OPENSSL}" x509 -days "3650" -not-sha1 -set_serial 1
"""
    )
    assert script.settings == (
        Setting(1, "-newkey", "rsa:1024"),
        Setting(2, "-sha1", ""),
        Setting(2, "-days", "$((365*10"),
        Setting(3, "genrsa", "1024"),
        Setting(4, "default_bits", "512"),
        Setting(7, "default_md", "md5"),
        Setting(8, "default_days", "3650"),
        Setting(10, "-days", "3650"),
    )


def test_the_reader_tells_sections_and_their_usages():
    script = read_script((STAND_INS / "edited" / "both-branches.sh").read_text())
    assert [(block.line, block.target, block.extended, block.usages) for block in script.blocks] == [
        (8, "$EXT_FILE", True, ()),
        (14, "$EXT_FILE", False, ()),
    ]
    [block] = read_script((STAND_INS / "edited" / "by-hand.sh").read_text()).extended_blocks
    assert [(usage.line, usage.values, usage.server) for usage in block.usages] == [
        (8, ("critical", "clientAuth"), False)
    ]


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
