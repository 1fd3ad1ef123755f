"""`opensslgen run`: scripts of many shapes run through the wrapper, with cryptography as the judge."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from opensslgen.openssl.command import find
from opensslgen.openssl.provider import default_config
from opensslgen.watch.wrapper import wrapper_script

from .conftest import CHECKOUT, opensslgen
from .needs import needs
from .openssls import BINARIES
from .script_shapes import SHAPES, script_text
from .shells import EACH_SHELL, SHELLS

RUN = [sys.executable, "-m", "opensslgen", "run"]
ROOT = """
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=Test Root CA" -out ca.crt
openssl ecparam -name prime256v1 -genkey -noout -out server.key
openssl req -new -key server.key -subj /CN=pbx.example.com -out server.csr
printf 'subjectAltName=DNS:pbx.example.com\\nextendedKeyUsage=serverAuth\\n' > good.ext
"""
SIGN = "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile good.ext"


@pytest.fixture(autouse=True)
def from_checkout(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))


def faults(data: bytes) -> set[str]:
    """Return what Apple refuses in a server's certificate, as cryptography reads it."""
    at = data.find(b"-----BEGIN CERTIFICATE")
    certificate = x509.load_der_x509_certificate(data) if at < 0 else x509.load_pem_x509_certificate(data[at:])

    def extension(kind):
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    constraints = extension(x509.BasicConstraints)
    bad = {
        "eku": ExtendedKeyUsageOID.SERVER_AUTH not in (extension(x509.ExtendedKeyUsage) or ()),
        "days": certificate.not_valid_after_utc - certificate.not_valid_before_utc > timedelta(825),
        # Nobody checks the signature of a certificate by itself.
        "digest": certificate.signature_hash_algorithm.name not in {"sha256", "sha384", "sha512"}
        and certificate.issuer != certificate.subject,
        "names": not extension(x509.SubjectAlternativeName),
        "ca": bool(constraints and constraints.ca),
    }
    return {fault for fault, is_there in bad.items() if is_there}


def run(*arguments, script=None, shell="sh", **options):
    if script is not None:
        Path("make.sh").write_text(script)
        arguments = (*arguments, "--", shell, "make.sh")
    return opensslgen("run", *arguments, **options)


def report(*arguments, script, shell="sh"):
    done = run("--json", "--report", "report.json", *arguments, script=script, shell=shell)
    return done, json.loads(Path("report.json").read_text())


def slow_after(number, values):
    return [pytest.param(value, marks=() if at < number else pytest.mark.slow) for at, value in enumerate(values)]


def test_the_table_has_many_shapes():
    assert len(SHAPES) >= 25
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)


@pytest.mark.parametrize("shape", slow_after(1, SHAPES), ids=lambda shape: shape.name)
def test_a_script_is_judged_by_what_it_makes(shape):
    script = script_text(shape)
    done, answer = report(script=script, shell=shape.shell)
    assert faults(Path("server.crt").read_bytes()) == set(shape.bad.split()), "the table is wrong"
    assert done.returncode == (1 if shape.bad else 0), done.stderr
    assert answer["command"]["exit_code"] == 0
    leaf = answer["results"][-1]
    assert leaf["verdict"] == ("violates" if shape.bad else "complies")


@pytest.mark.parametrize("shape", slow_after(1, SHAPES), ids=lambda shape: shape.name)
def test_a_script_is_corrected_where_that_is_safe(shape):
    before = script_text(shape)
    done, _ = report("--fix", script=before, shell=shape.shell)
    assert faults(Path("server.crt").read_bytes()) == set(shape.left.split()), done.stderr
    assert done.returncode == (1 if shape.left else 0), done.stderr
    corrected = set(shape.bad.split()) - set(shape.left.split())
    assert ("opensslgen: " in done.stderr) >= bool(corrected)
    # The root is left as it is.
    root = Path("ca.crt").read_bytes()
    assert faults(root) == {"eku", "days", "names", "ca"}


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("shape", slow_after(1, SHAPES), ids=lambda shape: shape.name)
def test_the_wrapper_alone_corrects_them_in_each_shell(shape, shell):
    if "PATH" in shape.name or "by its path" in shape.name:
        pytest.skip("nothing but `run` covers another path")
    Path("bin").mkdir()
    wrapper = Path("bin/openssl")
    command = " ".join([shutil.which(SHELLS[shell][0]) or "", *SHELLS[shell][1:]])
    text = wrapper_script(log=str(Path("changes.log").absolute()))
    wrapper.write_text(f"#!{command}\n" + text.split("\n", 1)[1])
    wrapper.chmod(0o755)
    Path("make.sh").write_text(script_text(shape))
    environment = {**os.environ, "PATH": f"{wrapper.parent.absolute()}:{os.environ['PATH']}"}
    done = subprocess.run([shape.shell, "make.sh"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert faults(Path("server.crt").read_bytes()) == set(shape.left.split()), done.stderr
    assert Path("changes.log").exists() or set(shape.bad.split()) == set(shape.left.split())


OF_EACH_OPENSSL = ("heredoc with a section", "req -x509 with a config", "openssl ca", "x509 -signkey", "SHA-1")


@pytest.mark.slow
@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("name", OF_EACH_OPENSSL)
def test_each_openssl(binary, name):
    (shape,) = (shape for shape in SHAPES if shape.name == name)
    Path("first").mkdir()
    Path("first/openssl").symlink_to(binary)
    environment = {**os.environ, "PATH": f"{Path('first').absolute()}:{os.environ['PATH']}"}
    if not default_config(find(binary)).exists():
        # A binary that was not installed by its package; LibreSSL's default config has no section of extensions.
        Path("default.cnf").write_text("[ req ]\ndistinguished_name = name\n[ name ]\ncommonName = Name\n")
        environment["OPENSSL_CONF"] = str(Path("default.cnf").absolute())
    done = run("--fix", script=script_text(shape), shell=shape.shell, env=environment)
    assert faults(Path("server.crt").read_bytes()) == set(), done.stderr
    if "ca" in faults(Path("ca.crt").read_bytes()):
        assert done.returncode == 0, done.stdout
    else:
        # LibreSSL makes a root without CA:TRUE, which phones do not trust.
        assert "LibreSSL" in find(binary).banner
        assert done.returncode == 1
        assert "error: it is not a certificate authority (CA:TRUE) [root-ca]" in done.stdout
        assert "1 of 2 comply, 1 violate the rules" in done.stdout


@pytest.mark.parametrize("config", ["", "-config missing.cnf"])
def test_a_missing_config_is_named(config):
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=x {config}"
    done = run(script=make, env={**os.environ, "OPENSSL_CONF": "/nowhere/openssl.cnf"})
    assert done.returncode == 2
    named = f"its config {Path.cwd()}/missing.cnf" if config else "openssl's default config /nowhere/openssl.cnf"
    assert f"exited with 1; {named} is missing\n" in done.stdout


VENDOR = """EXTENDED_CSR=true EXT_FILE=e CA=CA:FALSE KEY_USAGE=digitalSignature SUBJECT_ALT_NAME=DNS:pbx.example.com
. ./vendor.sh
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -extfile e -extensions v3_req \\
    -days ${DEFAULT_SERVER_CERT_VALIDITY:-2555} -out server.crt
"""
STAND_INS = sorted((CHECKOUT / "tests" / "gen_certs").glob("[ce]*/*.sh"))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["run", "fix", "wrapper"])
@pytest.mark.parametrize("stand_in", slow_after(1, STAND_INS), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_vendors_script(stand_in, way):
    if stand_in.stem == "crlf":
        pytest.skip("no shell runs it")
    shutil.copy(stand_in, "vendor.sh")
    script = ROOT + VENDOR
    if way == "wrapper":
        Path("openssl").write_text(wrapper_script(log="stderr"))
        Path("openssl").chmod(0o755)
        Path("make.sh").write_text(script)
        environment = {**os.environ, "PATH": f"{Path.cwd()}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "make.sh"], env=environment, capture_output=True, text=True)
    else:
        done, _ = report(*(["--fix"] if way == "fix" else []), script=script, shell="bash")
    found = faults(Path("server.crt").read_bytes())
    if way == "run":
        assert done.returncode == (1 if found else 0)
        assert bool(found) == (stand_in.parent.name == "edited")
    else:
        assert (done.returncode, found) == (0, set()), done.stderr
    assert Path("vendor.sh").read_bytes() == stand_in.read_bytes()


@pytest.mark.slow
def test_shellcheck_has_nothing_to_say_of_the_wrapper():
    Path("openssl").write_text(wrapper_script())
    done = subprocess.run(["shellcheck", "-s", "sh", "openssl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_names_can_be_supplied():
    script = ROOT + SIGN.replace("good.ext", "none.ext").replace("-extfile", "-extfile") + " -out server.crt\n"
    script = script.replace("openssl x509 -req", "echo keyUsage=digitalSignature > none.ext; openssl x509 -req")
    done, answer = report("--fix", "--san", "pbx.example.com,192.0.2.7", script=script)
    assert done.returncode == 0, done.stderr
    assert faults(Path("server.crt").read_bytes()) == set()
    assert answer["results"][-1]["certificate"]["subject_alternative_names"] == [
        "DNS:pbx.example.com",
        "IP:192.0.2.7",
    ]
    # What the user wrote is as it was.
    assert Path("none.ext").read_text() == "keyUsage=digitalSignature\n"


def test_names_need_fix():
    done = run("--san", "a.example.com", script=":")
    assert done.returncode == 2
    assert "--san can only be used with --fix" in done.stderr


@pytest.mark.slow
def test_a_passphrase_is_never_recorded():
    script = (
        "openssl genrsa -aes128 -passout pass:s3cret-one -out ca.key 2048 2>/dev/null\n"
        "openssl req -x509 -new -key ca.key -passin pass:s3cret-one -subj '/CN=A root' -out ca.crt\n"
        "printf '[req]\\ndistinguished_name=d\\ninput_password = s3cret-two\\n[d]\\n' > c.cnf\n"
        "openssl req -x509 -new -key ca.key -passin=pass:s3cret-one -config c.cnf -subj '/CN=B root' -out b.crt\n"
        # While the command runs, its records are all there.
        'for d in "${TMPDIR:-/tmp}"/opensslgen-*/records; do cp -R $d copy-$(basename $(dirname $d)); done\n'
    )
    done, _ = report(script=script)
    copies = [path for path in Path().glob("copy-*/*") if path.is_file()]
    assert any(path.suffix == ".config" for path in copies)
    assert b"***" in b"".join(path.read_bytes() for path in copies)
    assert not [path for path in copies if b"s3cret" in path.read_bytes()]
    assert "s3cret" not in done.stdout + done.stderr + Path("report.json").read_text()


@pytest.mark.slow
def test_the_report_is_a_table_with_line_section_and_mark():
    script = ROOT + SIGN + " -out server.crt\nexit 3\n"
    done = run(script=script)
    lines = done.stdout.splitlines()
    line = script.splitlines().index(SIGN + " -out server.crt") + 1
    row = next(row for row in lines if " server.crt " in row)
    assert row.startswith("✓")
    assert f"make.sh:{line}: openssl x509 -req" in row
    assert "[default]" in row
    assert "The command itself (sh) exited with 3." in lines
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("form", ["sarif", "nagios", "github"])
def test_the_other_formats(form):
    script = ROOT + SIGN.replace("365", "3650") + " -out server.crt\necho printed by the script\n"
    done = run("--format", form, script=script)
    assert "printed by the script" in done.stderr
    line = script.splitlines().index(SIGN.replace("365", "3650") + " -out server.crt") + 1
    if form == "sarif":
        (result,) = (each for each in json.loads(done.stdout)["runs"][0]["results"] if each["level"] == "error")
        place = result["locations"][0]["physicalLocation"]
        assert place == {"artifactLocation": {"uri": "make.sh"}, "region": {"startLine": line}}
    elif form == "nagios":
        assert done.stdout.startswith("CERTIFICATES CRITICAL - server.crt: it is valid for 3650 days")
        assert done.returncode == 2
    else:
        assert f"::error file=make.sh,line={line},title=apple-validity::server.crt: it is valid for" in done.stdout


@pytest.mark.slow
def test_streams_folder_umask_and_exit_code_stay():
    script = "umask; pwd; cat; echo oops >&2; trap 'echo hup' HUP; ls -l /dev/fd/7 >/dev/null && echo seven; exit 9\n"
    Path("make.sh").write_text(script)
    alone, watched = (
        subprocess.run(
            ["sh", "-c", 'umask 027; exec "$@" 7</dev/null', "sh", *before, "sh", "make.sh"],
            input="typed\n",
            capture_output=True,
            text=True,
        )
        for before in ((), (*RUN, "--report", "report.txt", "--"))
    )
    assert watched.stdout == alone.stdout
    assert watched.stderr == alone.stderr
    assert watched.returncode == 2
    assert "exited with 9" in Path("report.txt").read_text()


@pytest.mark.slow
def test_a_call_in_the_middle_of_a_pipe_stays_as_it_is():
    script = ROOT + f"{SIGN} -text | tee got.txt | head -c 20 >/dev/null; {SIGN} -out a.crt; echo $? >&2\n"
    done, answer = report(script=script)
    assert done.returncode == 0, done.stderr
    assert Path("got.txt").read_text().startswith("Certificate:\n")
    assert [result["target"] for result in answer["results"]] == ["ca.crt", "standard output", "a.crt"]


def messages(stderr):
    """Return the lines of openssl's stderr without the numbers of threads."""
    return [line.partition(":error:")[2] or line for line in stderr.splitlines()]


@pytest.mark.slow
def test_a_failing_call_fails_as_before():
    script = ROOT + f"{SIGN} -CAkey missing.key -out server.crt\necho after $?\n"
    Path("make.sh").write_text(script)
    alone = subprocess.run(["sh", "make.sh"], capture_output=True, text=True)
    done = run("--report", "report.txt", script=script)
    assert (done.stdout, messages(done.stderr)) == (alone.stdout, messages(alone.stderr))
    assert done.stdout == "after 1\n"
    assert done.returncode == 0  # the root was made, and nothing else
    assert (
        f"make.sh:{script.count(chr(10)) - 1}: exited with 1 and made no certificate: "
        in Path("report.txt").read_text()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo nothing", "no openssl call was seen that issues a certificate"),
        (ROOT.replace("openssl req -x509", ": openssl req -x509"), "no certificate was made, only requests"),
        ("openssl req -x509 -new -key missing.key -subj /CN=x 2>/dev/null", "no certificate was made: openssl req"),
    ],
)
def test_where_no_certificate_is_made_nothing_complies(script, reason):
    done = run(script=script)
    assert done.returncode == 2
    assert reason in done.stdout
    assert "0 of 1 comply" in done.stdout


@pytest.mark.slow
def test_the_report_masks_the_commands_own_arguments():
    done = run("--json", "--", "sh", "-c", ": -passin pass:s3cret; exit 0", "sh", "-passout", "s3cret")
    assert "s3cret" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["command"]["arguments"][-1] == "***"


@pytest.mark.slow
def test_a_command_that_cannot_be_run():
    done = run("--", "./missing")
    assert done.returncode == 2
    assert done.stderr == "Error: cannot run ./missing: No such file or directory\n"


@pytest.mark.slow
def test_a_script_without_a_first_line_runs_as_a_shell_would_run_it():
    Path("make").write_text(ROOT + SIGN + " -out server.crt\n")
    Path("make").chmod(0o755)
    assert run("--", "./make").returncode == 0


ABSOLUTE = ROOT + SIGN.replace("openssl", shutil.which("openssl") or "/usr/bin/openssl", 1) + " -days 3650 -out s.crt\n"


@pytest.mark.slow
@needs("mount")
def test_a_path_is_covered_for_root():
    done, answer = report("--fix", script=ABSOLUTE)
    assert answer["results"][-1]["target"] == "s.crt"
    assert faults(Path("s.crt").read_bytes()) == set()
    assert done.returncode == 0
    assert b"ELF" in Path(os.path.realpath(shutil.which("openssl"))).read_bytes()[:4]


@pytest.mark.slow
@needs("users", "setpriv", "root")
def test_a_path_is_covered_in_a_user_namespace(tmp_path):
    Path("make.sh").write_text(ABSOLUTE + "id -u\n")
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o755)
    drop = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]
    done = subprocess.run([*drop, *RUN, "--fix", "--", "sh", "make.sh"], capture_output=True, text=True)
    if "Permission denied" in done.stderr:
        pytest.skip("the other user cannot read this Python")
    assert done.stdout.startswith("12345\n")
    assert faults(Path("s.crt").read_bytes()) == set()
    assert done.returncode == 0, done.stdout


def no_namespaces(command):
    """Return a command that runs another one where no namespace can be made."""
    limits = "echo 0 > /proc/sys/user/max_mnt_namespaces && echo 0 > /proc/sys/user/max_user_namespaces"
    return ["unshare", "-rm", "sh", "-c", f'{limits} && exec "$@"', "sh", *command]


@pytest.mark.slow
@needs("users", "unshare")
def test_without_namespaces_a_path_is_told_by_its_line():
    Path("make.sh").write_text("x=1\n/usr/bin/openssl req -x509 -new -key x\n")
    done = subprocess.run(no_namespaces([*RUN, "--", "sh", "make.sh"]), capture_output=True, text=True)
    assert "no openssl call was seen: line 2 calls /usr/bin/openssl" in done.stdout
    assert done.returncode == 2


def started(*arguments, **options):
    process = subprocess.Popen([*RUN, "--report", "report.txt", *arguments], **options)
    deadline = time.monotonic() + 30
    while not Path("begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


LONG = "touch begun; openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:16384 -out big.key 2>/dev/null"


def processes(text):
    """Return the process identifiers of the commands that have this text among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_the_command(number):
    Path("make.sh").write_text("trap 'echo caught > caught; exit 5' TERM HUP; touch begun; while :; do sleep 0.1; done")
    process = started("--", "sh", "make.sh")
    process.send_signal(number)
    assert process.wait(timeout=30) == 2
    assert Path("caught").exists()
    assert "exited with 5" in Path("report.txt").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_openssl_ends_with_the_call_that_a_script_kills(number, tmp_path):
    marker = f"/CN={tmp_path.name}"
    script = (
        f"openssl req -x509 -newkey rsa:16384 -nodes -keyout k -out c -subj '{marker}' 2>/dev/null & pid=$!\n"
        f"sleep 1; kill -{int(number)} $pid; wait $pid; echo $? > status; touch begun\n"
    )
    Path("make.sh").write_text(script)
    process = started("--", "sh", "make.sh")
    assert process.wait(timeout=60) == 2
    assert Path("status").read_text() == f"{128 + number}\n"
    assert "did not finish" in Path("report.txt").read_text()
    deadline = time.monotonic() + 10
    while processes(marker):
        assert time.monotonic() < deadline, "openssl goes on"
        time.sleep(0.05)


@pytest.mark.slow
def test_control_c_ends_the_command_and_the_report_still_comes(tmp_path):
    marker = f"/CN={tmp_path.name}"
    Path("make.sh").write_text(
        ROOT
        + f"touch begun\nopenssl req -x509 -newkey rsa:16384 -nodes -keyout k -out c -subj '{marker}' 2>/dev/null\n"
        "touch never\n"
    )
    process = started("--", "sh", "make.sh", start_new_session=True)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 2
    assert not Path("never").exists()
    text = Path("report.txt").read_text()
    assert "was ended by SIGINT" in text
    assert "✓  ca.crt" in text
    assert not processes(marker)


@pytest.mark.slow
def test_a_script_that_is_killed_is_reported():
    Path("make.sh").write_text(ROOT + "touch begun\nkill -9 $$\n")
    process = started("--", "sh", "make.sh")
    assert process.wait(timeout=30) == 0
    assert "was ended by SIGKILL" in Path("report.txt").read_text()


@pytest.mark.slow
def test_a_command_in_an_argument_may_be_longer_than_the_name_of_a_file():
    script = f"{ROOT}\n{SIGN} -out server.crt\n{'# nothing' * 1000}\n"
    done = run("--json", "--report", "report.json", "--", "sh", "-c", script)
    answer = json.loads(Path("report.json").read_text())
    assert {result["target"] for result in answer["results"]} == {"ca.crt", "server.crt"}
    assert done.returncode == 0


@pytest.mark.slow
def test_a_call_in_the_background_is_waited_for():
    script = ROOT + f"( sleep 0.3; exec {SIGN} -days 3650 -out server.crt ) &\n{SIGN} -out a.crt &\nsleep 0.5\n"
    done, answer = report(script=script)
    assert {result["target"] for result in answer["results"]} == {"ca.crt", "a.crt", "server.crt"}
    assert done.returncode == 1


@pytest.mark.slow
def test_fifty_calls_at_once():
    script = ROOT + (
        "echo 01 > serial\nfor n in $(seq 50); do\n"
        f"  {SIGN.replace('-CAcreateserial', '-set_serial $n')} -out $n.crt 2>/dev/null &\ndone\nwait\n"
    )
    done, answer = report("--fix", script=script)
    made = {result["target"] for result in answer["results"]}
    assert made == {"ca.crt", *(f"{number}.crt" for number in range(1, 51))}
    assert done.returncode == 0
    for number in range(1, 51):
        assert faults(Path(f"{number}.crt").read_bytes()) == set()


@pytest.mark.slow
@needs("terminals")
@pytest.mark.parametrize("arguments", [[], ["--fix"]])
def test_openssl_asks_for_a_passphrase_on_the_terminal(arguments):
    Path("make.sh").write_text(
        "openssl genrsa -aes128 -passout pass:on-terminal -out ca.key 2048 2>/dev/null\n"
        "openssl req -x509 -new -key ca.key -subj '/CN=A root' -days 30 -out ca.crt\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(RUN[0], [*RUN, *arguments, "--", "sh", "make.sh"])
    shown = b""
    while True:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, shown
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
        if b"pass phrase" in shown.lower() and not shown.endswith(b"\r\n") and b"\x00sent" not in shown:
            time.sleep(0.5)  # openssl asks first, and turns the echo off then
            os.write(terminal, b"on-terminal\n")
            shown += b"\x00sent"
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert b"on-terminal" not in shown
    assert status == 0, shown


@pytest.mark.slow
def test_the_wrapper_never_calls_itself_or_another_one():
    for name in ("one", "two"):
        Path(name).mkdir()
        Path(name, "openssl").write_text(wrapper_script(log="stderr"))
        Path(name, "openssl").chmod(0o755)
    path = f"{Path('one').absolute()}:{Path('two').absolute()}:{os.environ['PATH']}"
    done = subprocess.run(["openssl", "version"], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.stdout == subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout
    shell = shutil.which("sh")
    done = subprocess.run(
        [shell, "one/openssl", "version"], env={"PATH": str(Path("one").absolute())}, capture_output=True, text=True
    )
    assert done.returncode == 127
    assert done.stderr == "openssl: not found behind the opensslgen wrapper\n"
