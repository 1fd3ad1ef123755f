"""The commands `patch` and `ext`, as the administrator of an appliance uses them."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from .conftest import CHECKOUT, opensslgen
from .vendor import ECHO_LINES

STAND_IN = CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh"


@pytest.fixture
def script(tmp_path):
    shutil.copy(STAND_IN, tmp_path / "gen_certs.sh")
    return tmp_path / "gen_certs.sh"


def test_check_patch_check_restore(script):
    before = script.read_bytes()
    missing = opensslgen("patch", "--check", script)
    assert missing.returncode == 1
    assert "2 edits are missing" in missing.stdout
    done = opensslgen("patch", script)
    assert done.returncode == 0, done.stderr
    assert "DEFAULT_SERVER_CERT_VALIDITY=$((820)) # 820 days" in done.stdout
    assert b"extendedKeyUsage   = serverAuth,clientAuth" in script.read_bytes()
    assert opensslgen("patch", "--check", script).returncode == 0
    again = opensslgen("patch", script)
    assert "has both edits already" in again.stdout
    assert opensslgen("patch", "--restore", script).returncode == 0
    assert script.read_bytes() == before


def test_diff_changes_nothing(script):
    before = script.read_bytes()
    done = opensslgen("patch", "--diff", script)
    assert done.returncode == 0
    assert "+DEFAULT_SERVER_CERT_VALIDITY=$((820)) # 820 days" in done.stdout
    assert script.read_bytes() == before


def test_json_lists_every_file_and_the_worst_decides(script, tmp_path):
    (tmp_path / "other.sh").write_text("#!/bin/sh\necho hello\n")
    done = opensslgen("patch", "--check", "--json", script, tmp_path / "other.sh", tmp_path / "missing.sh")
    assert done.returncode == 2
    answers = json.loads(done.stdout)
    assert [len(answer.get("edits", [])) for answer in answers] == [2, 0, 0]
    assert "other.sh" in answers[1]["error"]
    assert "missing.sh" in answers[2]["error"]
    assert "Traceback" not in done.stderr


def test_the_printed_patcher_does_the_same(script, tmp_path):
    printed = opensslgen("patch", "--script", "--days", "800").stdout
    (tmp_path / "patch.sh").write_text(printed)
    shutil.copy(script, tmp_path / "by-shell.sh")
    assert opensslgen("patch", "--days", "800", script).returncode == 0
    subprocess.run(["sh", tmp_path / "patch.sh", tmp_path / "by-shell.sh"], check=True, capture_output=True)
    assert (tmp_path / "by-shell.sh").read_bytes() == script.read_bytes()
    assert b"$((800))" in script.read_bytes()


@pytest.mark.parametrize(
    "flags", [("--check", "--restore"), ("--diff", "--restore"), ("--check", "--diff"), ("--force",)]
)
def test_what_changes_nothing_excludes_what_does(flags, script, tmp_path):
    before = script.read_bytes()
    assert opensslgen("patch", *flags, script).returncode == 2
    (tmp_path / "patch.sh").write_text(opensslgen("patch", "--script").stdout)
    assert subprocess.run(["sh", tmp_path / "patch.sh", *flags, script], capture_output=True).returncode == 2
    assert script.read_bytes() == before


def test_a_full_disk_is_said_in_one_line():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = opensslgen("ext", "a.example", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("days", ["826", "0", "x"])
def test_days_beyond_the_profile_are_a_usage_error(days, script):
    before = script.read_bytes()
    assert opensslgen("patch", "--days", days, script).returncode == 2
    assert script.read_bytes() == before


def test_a_patched_script_can_call_ext_instead_of_its_echo_lines(tmp_path):
    values = {
        "CA": "CA:FALSE",
        "KEY_USAGE": "digitalSignature,keyEncipherment",
        "SUBJECT_ALT_NAME": "DNS:avaya.example.com,IP:10.0.0.5",
    }
    done = opensslgen("ext", env=values)
    subprocess.run(["bash", "-ec", ECHO_LINES], env={**values, "EXT_FILE": str(tmp_path / "ext")}, check=True)
    assert done.stdout == (tmp_path / "ext").read_text()


def test_ext_with_v3_req_adds_the_authority_key_identifier():
    done = opensslgen("ext", "--template", "v3_req", "pbx.example.com", "10.0.0.5")
    assert "authorityKeyIdentifier = keyid:always\n" in done.stdout
    assert "subjectAltName = DNS:pbx.example.com,IP:10.0.0.5\n" in done.stdout
    assert "authorityKeyIdentifier" not in opensslgen("ext", "pbx.example.com").stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "message"),
    [
        ((), {}, 2, "SUBJECT_ALT_NAME"),
        ((), {"SUBJECT_ALT_NAME": "DNS:a.example\nextendedKeyUsage=clientAuth"}, 2, ""),
        ((), {"SUBJECT_ALT_NAME": "DNS:a.example, DNS:10.0.0.1"}, 2, "write IP:10.0.0.1"),
        (("a.example",), {"CA": "CA:FALSE\n[ x ]"}, 2, "CA is"),
        (("a.example",), {"KEY_USAGE": "keyCertSign,all"}, 2, "unknown key usage"),
        (("--eku", "clientAuth", "a.example"), {}, 1, "[apple-eku]"),
    ],
)
def test_ext_refuses_what_breaks_the_file_or_the_rules(arguments, variables, code, message):
    done = opensslgen("ext", *arguments, env=variables)
    assert done.returncode == code
    assert message in done.stderr
    assert done.stdout == ""


def test_constraints_may_be_critical():
    done = opensslgen("ext", "a.example", env={"CA": "critical,CA:FALSE"})
    assert done.returncode == 0, done.stderr
    assert "basicConstraints = critical,CA:FALSE\n" in done.stdout


def test_an_authority_may_go_without_server_auth():
    done = opensslgen("ext", "a.example", env={"CA": "CA:TRUE, pathlen:0"})
    assert done.returncode == 0, done.stderr
    assert "basicConstraints = CA:TRUE, pathlen:0\n" in done.stdout


ANY = """#!/bin/sh
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj '/CN=Example Root CA'
openssl req -new -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=pbx.example.com
cat > s.ext <<EOF
subjectAltName = DNS:pbx.example.com
EOF
openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -sha1 -days 3650 -extfile s.ext -out s.crt
"""


def test_any_script_is_edited_shown_kept_and_restored(tmp_path):
    script = tmp_path / "make.sh"
    script.write_text(ANY)
    assert opensslgen("patch", "--any", "--check", script).returncode == 1
    shown = opensslgen("patch", "--any", "--diff", script)
    assert "+extendedKeyUsage = serverAuth,clientAuth" in shown.stdout
    assert script.read_text() == ANY
    done = opensslgen("patch", "--any", "--days", "700", script)
    assert done.returncode == 0, done.stderr
    assert "-days 700" in done.stdout
    text = script.read_text()
    # The root keeps its years.
    assert text.count("-days 3650") == 1
    assert "-sha256 -days 700" in text
    assert [path.read_text() for path in tmp_path.glob("make.sh.orig-*")] == [ANY]
    assert opensslgen("audit", script).returncode == 0
    again = opensslgen("patch", "--any", "--days", "700", script)
    assert (again.returncode, "nothing was changed" in again.stdout) == (0, True)
    assert opensslgen("patch", "--any", "--days", "700", "--restore", script).returncode == 0
    assert script.read_text() == ANY


def test_a_script_that_no_line_mends_is_refused_and_left_alone(tmp_path):
    script = tmp_path / "make.sh"
    text = ANY.replace("subjectAltName = DNS:pbx.example.com\n", "keyUsage = digitalSignature\n")
    script.write_text(text)
    refused = opensslgen("patch", "--any", script)
    assert refused.returncode == 2
    assert "line 5: it has no subject alternative name" in refused.stderr
    assert script.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["make.sh"]


def test_any_script_with_a_value_from_the_caller_is_refused(tmp_path):
    script = tmp_path / "make.sh"
    script.write_text(ANY.replace("DNS:pbx.example.com", "$1"))
    refused = opensslgen("patch", "--any", script)
    assert refused.returncode == 2
    assert "depends on $1" in refused.stderr


def test_any_script_whose_extensions_stand_in_addext_gets_one_more(tmp_path):
    script = tmp_path / "make.sh"
    script.write_text(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 3650 -subj /CN=a.example.com"
        ' -addext "subjectAltName=DNS:a.example.com" -addext "basicConstraints=critical,CA:FALSE"\n'
    )
    done = opensslgen("patch", "--any", script)
    assert done.returncode == 0, done.stderr
    assert "-days 820 " in script.read_text()
    assert '-addext "extendedKeyUsage=serverAuth,clientAuth" -addext "subjectAltName' in script.read_text()
