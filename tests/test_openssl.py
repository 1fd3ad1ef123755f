from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from opensslgen.openssl import command
from opensslgen.openssl.command import OpenSSLError
from opensslgen.openssl.process import Process, start_with_sh
from opensslgen.openssl.provider import default_config
from opensslgen.plan.template import shipped

from .conftest import CHECKOUT, is_running, start_with_subprocess, wait
from .daily import daily
from .needs import need
from .shells import EACH_SHELL, SHELLS

pytestmark = pytest.mark.usefixtures("through_sh")


@pytest.fixture
def openssl(through_sh):
    return command.find()


def answer(banner):
    return lambda argv, **_: Process(0, banner.encode() + b"\n", b"")


# The banners of the eleven binaries that were measured.
@pytest.mark.parametrize(
    ("banner", "flavour", "version", "backdates"),
    [
        ("OpenSSL 1.0.1e-fips 11 Feb 2013", "OpenSSL", (1, 0, 1), False),
        ("OpenSSL 1.0.2k-fips  26 Jan 2017", "OpenSSL", (1, 0, 2), False),
        ("OpenSSL 1.1.1w  11 Sep 2023", "OpenSSL", (1, 1, 1), False),
        ("OpenSSL 3.0.19 27 Jan 2026 (Library: OpenSSL 3.0.19 27 Jan 2026)", "OpenSSL", (3, 0, 19), False),
        ("OpenSSL 3.5.9 7 Apr 2026 (Library: OpenSSL 3.5.9 7 Apr 2026)", "OpenSSL", (3, 5, 9), True),
        ("OpenSSL 4.0.3 9 Jun 2026 (Library: OpenSSL 4.0.3 9 Jun 2026)", "OpenSSL", (4, 0, 3), True),
        ("LibreSSL 2.8.3", "LibreSSL", (2, 8, 3), False),
        ("LibreSSL 3.3.6", "LibreSSL", (3, 3, 6), False),
        ("LibreSSL 4.3.2", "LibreSSL", (4, 3, 2), False),
    ],
)
def test_version_and_flavour_are_read_from_the_banner(banner, flavour, version, backdates):
    found = command.find("sh", start=answer(banner))
    assert (found.flavour, found.version, found.can("-not_before")) == (flavour, version, backdates)


def test_one_answer_names_the_version_and_the_folder_of_the_config(monkeypatch):
    monkeypatch.delenv("OPENSSL_CONF", raising=False)
    found = command.find("sh", start=answer('LibreSSL 3.3.6\nOPENSSLDIR: "/usr/local/etc/my ssl"'))
    assert (found.banner, default_config(found)) == ("LibreSSL 3.3.6", Path("/usr/local/etc/my ssl/openssl.cnf"))
    assert default_config(command.find("sh", start=answer("LibreSSL 3.3.6"))) == Path(os.devnull)


def test_a_missing_openssl_is_an_error_with_a_cure(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(OpenSSLError, match="no openssl found on the PATH") as caught:
        command.find()
    assert "--openssl" in caught.value.hint


def test_a_path_that_does_not_exist_is_named():
    with pytest.raises(OpenSSLError, match="no openssl found at /nonexistent/openssl"):
        command.find("/nonexistent/openssl")


@pytest.mark.parametrize("banner", ["OpenSSL 0.9.8zh 3 Dec 2015", "OpenSSL 1.0.0t 3 Dec 2015", "LibreSSL 2.2.7"])
def test_one_that_is_too_old_is_refused(banner):
    with pytest.raises(OpenSSLError, match="too old"):
        command.find("sh", start=answer(banner))


@pytest.mark.parametrize("banner", ["", "BusyBox v1.35.0", "usage: openssl\x1b[31m"])
def test_what_is_no_openssl_is_refused(banner):
    with pytest.raises(OpenSSLError, match="is not an openssl"):
        command.find("sh", start=answer(banner))


def test_a_program_that_cannot_be_started_is_named(tmp_path):
    (tmp_path / "openssl").write_bytes(b"\x7fELF garbage")
    (tmp_path / "openssl").chmod(0o755)
    with pytest.raises(OpenSSLError, match=f"cannot run {tmp_path}/openssl"):
        command.find(str(tmp_path / "openssl"))


def test_a_hanging_one_ends_at_the_time_limit(tmp_path):
    (tmp_path / "openssl").write_text("#!/bin/sh\nsleep 60\n")
    (tmp_path / "openssl").chmod(0o755)
    begun = time.monotonic()
    with pytest.raises(OpenSSLError, match=r"did not end within 0\.5 seconds"):
        command.find(str(tmp_path / "openssl"), timeout=0.5)
    assert time.monotonic() - begun < 20


def test_one_killed_by_a_signal_says_so(tmp_path):
    (tmp_path / "openssl").write_text('#!/bin/sh\n[ "$1" = version ] && { echo OpenSSL 3.0.0; exit; }\nkill -9 $$\n')
    (tmp_path / "openssl").chmod(0o755)
    with pytest.raises(OpenSSLError, match="openssl req failed: killed by signal 9"):
        command.find(str(tmp_path / "openssl")).run(["req"])


def test_one_that_prints_without_end_ends_at_its_limit(tmp_path):
    (tmp_path / "openssl").write_text(
        '#!/bin/sh\n[ "$1" = version ] && { echo OpenSSL 3.0.0; exit; }\nexec yes >&"$1"\n'
    )
    (tmp_path / "openssl").chmod(0o755)
    found = replace(command.find(str(tmp_path / "openssl")), limit=1000, timeout=20)
    for stream in ("1", "2"):
        with pytest.raises(OpenSSLError, match="did not end within 20 seconds and 1000 bytes") as caught:
            found.run([stream])
        assert caught.value.left.stdout + caught.value.left.stderr == b"y\n" * 500


# Groups of commands that run in one shell: what is in each, and what is wrong with it.
GROUPS = [
    (["openssl rand -out 0.out 4"], None),
    (
        ["openssl rand -out 1.out 4", "openssl x509 -in missing\\ file", "openssl rand -out 1.later 4"],
        "openssl x509 failed: .*missing file.*",
    ),
    (["openssl killed", "openssl rand -out 2.later 4"], "openssl killed failed: killed by signal 15"),
    (["openssl rand -out 'a b'\u00fc 4", "openssl rand -out 3.out 4"], None),
    ([], None),
    (["openssl show"], "openssl show failed: no secret and an end"),
    (["openssl show -passin env:SECRET"], "openssl show failed: hush and an end"),
    (["openssl show -passout env:SECRETS"], "openssl show failed: no secret and an end"),
    (["openssl rand -out 6.out 4"], None),
]
PASSPHRASES = [
    "correct horse",
    "  blanks at both ends  ",
    "'single' \"double\" `id` $HOME ${x} $(id) \\ \\n %s !! * ? ~ # ; & | < > ( ) { }",
    "PASSPHRASE",
    "-n -e",
    "Gr\u00fc\u00dfe \u4f60\u597d",
]


@pytest.fixture
def stand_in(tmp_path, openssl):
    """An openssl that does more than others."""
    wrapper = tmp_path / "bin" / "open ssl"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase $1 in\nkilled) kill -15 $$ ;;\nshow) echo "${{SECRET-no secret}} and an end" >&2; exit 3 ;;\n'
        f"ends) kill -9 $PPID; exit ;;\nslow) echo >>begun; sleep 1; exit ;;\n"
        f"keep) cat >stdin; env >environment; exit ;;\n"
        f'hang) echo $$ >begun; exec sleep 987 ;;\nesac\nexec {openssl.path} "$@"\n'
    )
    wrapper.chmod(0o755)
    return replace(openssl, path=str(wrapper))


def in_shell(shell, openssl):
    return replace(openssl, start=lambda argv, **options: start_with_sh([*SHELLS[shell], *argv[1:]], **options))


@pytest.mark.parametrize("shell", EACH_SHELL)
def test_groups_of_commands_fail_each_by_itself(shell, tmp_path, stand_in):
    need(shell)
    groups = [lines for lines, _ in GROUPS]
    faults = in_shell(shell, stand_in).run_groups(groups, cwd=tmp_path, secrets={"SECRET": "hush"})
    for fault, (_, expected) in zip(faults, GROUPS, strict=True):
        assert (fault is None) == (expected is None), fault
        assert fault is None or re.fullmatch(expected, fault.message), fault
    made = {path.name for path in tmp_path.glob("*.out")} | {path.name for path in tmp_path.glob("*.later")}
    assert made == {"0.out", "1.out", "3.out", "6.out"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.out")} == {0o600}


@pytest.mark.parametrize("which", daily(range(len(PASSPHRASES)), 2))
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_passphrase_reaches_only_the_command_that_names_it(shell, which, stand_in, monkeypatch, caplog):
    need(shell)
    passphrase = PASSPHRASES[which]
    tmp_path = Path(stand_in.path).parent.parent
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("passphrase", "from outside")
    name = "OPENSSLGEN_CA_PASSPHRASE"
    found = in_shell(shell, stand_in)

    def environment(line):
        assert found.run_groups([[line]], cwd=tmp_path, secrets={name: passphrase}) == [None]
        return (tmp_path / "environment").read_text().splitlines()

    assert f"{name}={passphrase}" in environment(f"openssl keep -passin env:{name}")
    assert (tmp_path / "stdin").read_text() == ""
    piped = environment("openssl keep -passin stdin")
    assert (tmp_path / "stdin").read_text() == f"{passphrase}\n"
    for lines in (piped, environment("openssl keep")):
        assert not [line for line in lines if passphrase in line]
    # What its own openssl says of a wrong one, and what is logged, does not repeat it either.
    key = ["openssl genrsa -out key.pem 2048", f"openssl pkcs8 -topk8 -in key.pem -out locked.pem -passout env:{name}"]
    opened = [f"openssl pkey -in locked.pem -noout -passin env:{name}"]
    piped = ["openssl pkey -in locked.pem -noout -passin stdin"]
    assert found.run_groups([[*key, *opened, *piped]], cwd=tmp_path, secrets={name: passphrase}) == [None]
    for group in (opened, piped):
        (fault,) = found.run_groups([group], cwd=tmp_path, secrets={name: "another one"})
        assert fault
        assert "another one" not in fault.message
        assert "another one" not in caplog.text
    assert caplog.records, "sh logs what it runs"
    assert passphrase not in caplog.text.replace(name, "")


def test_one_that_hangs_or_ends_the_shell_stops_no_other(tmp_path, stand_in):
    groups = (["rand -out 0.out 4"], ["slow", "slow"], ["rand -out 3.out 4"], ["ends"], ["rand -out 6.out 4"])
    faults = replace(stand_in, timeout=0.5).run_groups(
        [[f"openssl {line}" for line in group] for group in groups], cwd=tmp_path, secrets={}
    )
    assert [fault and fault.message for fault in faults] == [
        None,
        "openssl did not end within 0.5 seconds",
        None,
        "the shell that runs openssl has ended too early: killed by signal 9",
        None,
    ]
    assert {path.name for path in tmp_path.glob("*.out")} == {"0.out", "3.out", "6.out"}


def test_without_a_shell_each_group_has_failed(tmp_path, openssl):
    def nothing_starts(argv, **_):
        raise FileNotFoundError(2, "No such file or directory", argv[0])

    faults = replace(openssl, start=nothing_starts).run_groups([["openssl rand"]] * 2, cwd=tmp_path, secrets={})
    assert [fault.message for fault in faults] == ["cannot run /bin/sh: No such file or directory"] * 2


def test_the_script_that_runs_groups_is_clean_under_shellcheck():
    script = shipped("run-many.sh") + "openssl version\nanswer\n"
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def killed_in_the_middle(tmp_path, openssl, lines):
    """Run a group of commands in a process that is killed as soon as the file `begun` is there."""
    code = (
        "import pathlib, sys\nfrom opensslgen.openssl import command\n"
        "found = command.find(sys.argv[1], timeout=2)\n"
        f"found.run_groups([{lines!r}], cwd=pathlib.Path.cwd(), secrets={{}})"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, openssl.path], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}
    )
    while not (tmp_path / "begun").exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.wait()


@pytest.mark.slow
def test_nothing_more_is_run_for_one_who_was_killed(tmp_path, stand_in):
    killed_in_the_middle(tmp_path, stand_in, ["openssl slow"] * 5)
    time.sleep(2.5)
    assert (tmp_path / "begun").read_text() == "\n"


@pytest.mark.slow
def test_what_hangs_for_one_who_was_killed_ends_when_its_time_is_over(tmp_path, stand_in):
    killed_in_the_middle(tmp_path, stand_in, ["openssl hang"])
    process = int(wait((tmp_path / "begun").read_text))
    wait(lambda: not is_running(process))


def test_the_environment_names_openssl(monkeypatch, openssl):
    monkeypatch.setenv("OPENSSLGEN_OPENSSL", openssl.path)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert command.find().path == openssl.path


def test_a_failing_command_gives_openssls_own_reason(openssl):
    with pytest.raises(OpenSSLError, match=r"openssl x509 failed: .*missing\.pem"):
        openssl.run(["x509", "-in", "missing.pem"])


# Recorded: what openssl writes to stderr, and the one line that a user should read of it.
@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (
            "Generating a 2048 bit RSA private key\n..+++\n....+++\nunable to write 'random state'\n"
            "writing new private key to 'k'\nk: No space left on device\n",
            "k: No space left on device",
        ),
        (
            "Error Loading extension section v3_req\n"
            "140:error:2207707B:X509 V3 routines:V2I_AUTHORITY_KEYID:unable to get issuer keyid:v3_akey.c:169:\n",
            "Error Loading extension section v3_req (unable to get issuer keyid)",
        ),
        (
            "Error checking x509 extension section v3_req\n"
            "4007:error:11000079:X509 V3 routines:v2i_GENERAL_NAME_ex:unsupported option:../x.c:547:name=foo\n",
            "Error checking x509 extension section v3_req (unsupported option: name=foo)",
        ),
        ("139:error:22FFF082:X509 V3 routines:func(4095):reason(130):x.c:1:\n", "unknown extension name"),
        ("139:error:0B0B4082:x509 certificate routines:X509:reason(130):x.c:1:\n", "error 130 of its x509 certificate"),
        ("", "exit code 1"),
        ("bad\x1b[31m thing\n", r"bad\u{1B}[31m thing"),
    ],
)
def test_the_reason_is_the_first_meaningful_line(stderr, reason):
    assert command.reason(Process(1, b"", stderr.encode())).startswith(reason)


def test_the_callers_openssl_settings_do_not_reach_the_child(monkeypatch, tmp_path):
    (tmp_path / "hostile.cnf").write_text("openssl_conf = [ garbage\n")
    for name in ("OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "SSL_CERT_DIR", "SSLKEYLOGFILE", "RANDFILE"):
        monkeypatch.setenv(name, str(tmp_path / "hostile.cnf"))
    monkeypatch.setenv("OPENSSLGEN_CA_PASSPHRASE", "secret")
    child = command.environment(folder="/work", secrets={})
    assert not {name for name, value in child.items() if value in {str(tmp_path / "hostile.cnf"), "secret"}}
    assert child["OPENSSL_CONF"] == child["SSL_CERT_FILE"] == "/dev/null"


def test_a_child_has_no_terminal_no_input_and_makes_private_files(tmp_path):
    script = tmp_path / "openssl"
    script.write_text(
        "#!/bin/sh\n[ $1 = version ] && { echo OpenSSL 3.0.0; exit; }\n"
        "umask; [ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo no terminal; (: </dev/tty) 2>/dev/null || echo no tty\n"
        'read line || echo "no input"\n'
    )
    script.chmod(0o755)
    os.umask(0o000)
    try:
        process = command.find(str(script)).run(["anything"])
    finally:
        os.umask(0o022)
    assert process.stdout.decode().split("\n") == ["0077", "no terminal", "no tty", "no input", ""]


def test_a_secret_is_in_the_environment_of_its_command_alone(monkeypatch, caplog, openssl):
    monkeypatch.setenv("OPENSSLGEN_CA_PASSPHRASE", "inherited")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(OpenSSLError) as caught:
        openssl.run(["rsa", "-in", "missing", "-passin", "env:X"], secrets={"X": "hush-hush"})
    assert "hush-hush" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert caplog.records, "sh logs what it runs"
    assert "hush-hush" not in caplog.text


def test_recorded_answers_can_stand_in_for_an_openssl(fp):
    """The seam for versions that no package offers: pytest-subprocess sees what the adapter starts."""
    fp.register(["/usr/bin/env", "version", "-v", "-d"], stdout="LibreSSL 2.8.3\n")
    fp.register(
        ["/usr/bin/env", "storeutl", "x"], stdout="", stderr="openssl:Error: 'storeutl' is an invalid command.\n"
    )
    found = command.find("/usr/bin/env", start=start_with_subprocess)
    assert found.run(["storeutl", "x"]).exit_code == 0  # it says so, though it has no such command
    assert fp.call_count(["/usr/bin/env", "version", "-v", "-d"]) == 1


_STARTS = """
import sys
from opensslgen.openssl.process import start_with_sh
assert start_with_sh(["echo", "x"], env={}, cwd="/", stdin=b"", timeout=20).stdout == b"x\\n"
print(sorted({"asyncio", "importlib.metadata"} & set(sys.modules)))
"""
_USES_ASYNC = """
import asyncio, importlib.metadata, sh
async def main():
    print(await sh.echo("a", _async=True), [line async for line in sh.seq(2, _async=True)])
asyncio.run(main())
print(importlib.metadata.version("click") > "8")
"""
_ASYNC_WORKS = "a\n ['1\\n', '2\\n']\nTrue\n"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (_STARTS, "[]\n"),
        (_STARTS + _USES_ASYNC, "[]\n" + _ASYNC_WORKS),
        ("import asyncio" + _STARTS + _USES_ASYNC, "['asyncio']\n" + _ASYNC_WORKS),
        ("import sh" + _STARTS, "['asyncio', 'importlib.metadata']\n"),
    ],
)
def test_sh_is_loaded_without_asyncio_and_still_works_with_it(code, printed):
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (printed, "")


def test_help_imports_neither_sh_nor_what_makes_certificates():
    code = (
        "import sys\nsys.argv = ['opensslgen', '--help']\n"
        "from opensslgen.cli.main import cli\ntry: cli()\nexcept SystemExit: pass\n"
        "late = {'sh', 'subprocess', 'idna', 'opensslgen.x509.certificate', 'opensslgen.openssl.command'}\n"
        "print(sorted(late & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_only_one_module_starts_processes():
    starters = {
        path.name
        for path in Path(command.__file__).parent.rglob("*.py")
        if any(f"{word} {name}" in path.read_text() for word in ("import", "from") for name in ("sh\n", "subprocess"))
        or "os.system" in path.read_text()
        or "Popen" in path.read_text()
    }
    assert starters <= {"process.py"}
