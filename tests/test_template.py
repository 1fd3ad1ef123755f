from __future__ import annotations

import subprocess

import pytest

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.files import read
from opensslgen.plan import template

from .vendor import ECHO_LINES


def test_gen_certs_is_byte_for_byte_what_the_posts_echo_lines_append(tmp_path):
    values = {
        "CA": "CA:FALSE",
        "KEY_USAGE": "digitalSignature,keyEncipherment",
        "SUBJECT_ALT_NAME": "DNS:avaya.domain.com, IP:10.0.0.5",
    }
    subprocess.run(["bash", "-ec", ECHO_LINES], env={**values, "EXT_FILE": str(tmp_path / "ext")}, check=True)
    filled = template.fill(template.shipped("gen_certs.cnf"), {**values, "EXTENDED_KEY_USAGE": "serverAuth,clientAuth"})
    assert filled.encode() == (tmp_path / "ext").read_bytes()


def test_v3_req_is_the_same_section_with_criticality_and_authority_key_identifier():
    def entries(name):
        lines = template.shipped(name).splitlines()
        return {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}

    plain, strict = entries("gen_certs.cnf"), entries("v3_req.cnf")
    assert {key: value.replace("critical,", "") for key, value in strict.items()} == {
        **plain,
        "authorityKeyIdentifier": "keyid:always",
        "crlDistributionPoints": "$CRL_URL",
    }
    assert {key for key, value in strict.items() if "critical" in value} == {"basicConstraints", "keyUsage"}


def test_values_are_not_filled_a_second_time():
    assert template.fill("a = $A", {"A": "$B", "B": "no"}) == "a = $B\n"


@pytest.mark.parametrize(
    ("text", "message"), [("x = $X", r"\$X"), ("x = $", "names nothing"), ("x = $(id)", "names nothing")]
)
def test_a_template_that_asks_for_something_unknown_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        template.fill(text, {"A": "a"})


def test_a_dollar_sign_is_written_twice():
    assert template.fill("x = $$y\n", {}) == "x = $y\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", b"#" * (read.LARGEST_TEMPLATE + 1)])
def test_a_template_that_is_no_text_is_unreadable(tmp_path, content):
    (tmp_path / "own.cnf").write_bytes(content)
    with pytest.raises(UnreadableError, match=r"own\.cnf"):
        read.read_template(tmp_path / "own.cnf")


def test_a_missing_template_is_named(tmp_path):
    with pytest.raises(UnreadableError, match="No such file"):
        read.read_template(tmp_path / "own.cnf")
