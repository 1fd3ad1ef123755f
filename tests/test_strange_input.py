"""Input is never taken for something else, and never dropped without a word: empty paths, digits, rows, blanks."""

from __future__ import annotations

import csv
import io
import subprocess

import pytest

from opensslgen.errors import UsageError
from opensslgen.orders import inventory
from opensslgen.orders.usages import extended_key_usages
from opensslgen.plan.section import from_script
from opensslgen.x509.key_types import key_type

from .conftest import files_below, opensslgen
from .vendor import ECHO_LINES

NOT_NUMBERS = [
    "٣٦٥",
    "\uff13\uff16\uff15",
    "30\n",
    " 30",
    "30 ",
    "3_0",
    "०३०",
    "+-3",
    "0x1e",
    "3e1",
    "³",
    "",
    "1" * 5000,
]
NUMBERS = {
    "server": ("server", "a.example.com", "--days"),
    "client": ("client", "a.example.com", "--days"),
    "root": ("root", "--days"),
    "intermediate": ("intermediate", "x", "--pathlen"),
    "renew": ("renew", "--within"),
    "list": ("list", "--within"),
    "crl": ("crl", "--days"),
    "batch": ("batch", "sites.csv", "--jobs"),
    "audit within": ("audit", ".", "--within"),
    "audit timeout": ("audit", ".", "--timeout"),
    "audit time limit": ("audit", ".", "--time-limit"),
    "audit limit": ("audit", ".", "--limit"),
    "nagios": ("audit", ".", "--format", "nagios", "--warning"),
    "patch": ("patch", "--script", "--days"),
    "web": ("web", "--port"),
    "trust": ("trust", "--share", "--port"),
    "timer": ("script", "timer", "--within"),
}


@pytest.mark.parametrize("command", NUMBERS.values(), ids=NUMBERS)
def test_only_ascii_digits_are_numbers(tmp_path, command):
    from click.testing import CliRunner

    from opensslgen.cli.main import cli

    for text in NOT_NUMBERS:
        done = CliRunner().invoke(cli, [*command, text])
        assert done.exit_code == 2, (text, done.output)
    assert files_below(tmp_path) == {}


@pytest.mark.parametrize("text", ["1.2.٣", "1.2.\uff13", "\uff11.2", "1.2.3\n", "1..2", ".1.2", "1.2.³"])
def test_only_ascii_digits_are_in_object_identifiers(text):
    with pytest.raises(UsageError):
        extended_key_usages([text])


@pytest.mark.parametrize(
    "text", ["CA:TRUE,pathlen:٣", "CA:TRUE,pathlen:\uff13", "CA:TRUE,pathlen:1\n", "CA:TRUE,pathlen:"]
)
def test_only_ascii_digits_are_path_lengths(text):
    with pytest.raises(UsageError):
        from_script({"CA": text, "SUBJECT_ALT_NAME": "DNS:a.example.com"}, names=(), key_usage=())


@pytest.mark.parametrize(
    "text",
    ["-2048", "2048-", "٢٠٤٨", "\uff12\uff10\uff14\uff18", "rsa--2048", "2048\n", " 2048", "P(256)", "", "p_256²"],
)
def test_a_key_type_has_no_other_characters(text):
    with pytest.raises(UsageError):
        key_type(text)


@pytest.mark.parametrize("text", ["RSA 2048", "rsa:2048", "2048", "P-256", "p256", "prime256v1", "rsa_3072"])
def test_a_key_type_may_be_written_in_several_ways(text):
    assert key_type(text)


@pytest.mark.parametrize("days", NOT_NUMBERS[:-2])
def test_only_ascii_digits_are_days_of_an_inventory(days):
    text = io.StringIO()
    csv.writer(text).writerows([["name", "days"], ["a.example.com", days]])
    (row,) = inventory.read(io.StringIO(text.getvalue(), newline=""), title="sites.csv")
    assert (row.order is None) == (days.strip(" ") != "30"), row


EMPTY_PATHS = {
    "server": ("server", "a.example.com", "--key-type", "p-256", "--pki", ""),
    "server, with an equal sign": ("server", "a.example.com", "--key-type", "p-256", "--pki="),
    "root": ("root", "--key-type", "p-256", "--pki", ""),
    "batch": ("batch", "sites.csv", "--pki", ""),
    "an inventory": ("batch", ""),
    "a passphrase": ("root", "--passphrase-file", ""),
    "a template": ("server", "a.example.com", "--template", ""),
    "a key": ("server", "a.example.com", "--key-file", ""),
    "a root": ("audit", "--root", "", "."),
    "a script": ("patch", ""),
    "adopt": ("adopt", ""),
    "list": ("list", "--pki", ""),
    "an export": ("export", "a.example.com", "--out", ""),
    "an openssl": ("server", "a.example.com", "--openssl", ""),
    "web": ("web", "--pki", ""),
}


@pytest.mark.parametrize("command", EMPTY_PATHS.values(), ids=EMPTY_PATHS)
def test_an_empty_path_is_not_the_current_folder(tmp_path, command):
    (tmp_path / "sites.csv").write_text("name\na.example.com\n")
    before = files_below(tmp_path)
    done = opensslgen(*command)
    assert (done.returncode, files_below(tmp_path)) == (2, before), done.stderr


@pytest.mark.parametrize(
    ("text", "lines"),
    {
        "a quoted # is a name": ('name,san\n"#a",10.0.0.5\n', [2]),
        "a comment": ("name,san\n# a,10.0.0.5\nb.example.com,\n", [3]),
        "a comment with a quote": ('name,san\n# a, "b\nb.example.com,\nc.example.com,\n', [3, 4]),
        "a comment with a quoted cell": ('name,san\n#a,"b\nb.example.com,\n', [3]),
        "two comments and a row of two lines": ('name,san\n#a\n#b\nb.example.com,"x\n#y"\nc.example.com,\n', [4, 6]),
        "a comment at the end": ("name\na.example.com\n# end", [2]),
        "a quoted # in a later cell": ('name,org\na.example.com,"#1"\n', [2]),
    }.values(),
)  # fmt: skip
def test_only_a_line_that_begins_with_a_number_sign_is_a_comment(text, lines):
    assert [row.line for row in inventory.read(io.StringIO(text, newline=""), title="sites.csv")] == lines


AS_GIVEN = [
    {"SUBJECT_ALT_NAME": "DNS:a, IP:10.0.0.5", "KEY_USAGE": "digitalSignature, keyEncipherment", "CA": "CA:FALSE"},
    {"SUBJECT_ALT_NAME": "DNS:PBX.example.com,  DNS:b.example.com ", "KEY_USAGE": "keyEncipherment,digitalSignature"},
    {"SUBJECT_ALT_NAME": " DNS:a.example.com", "KEY_USAGE": " digitalSignature ,keyEncipherment", "CA": "CA:FALSE"},
    {"SUBJECT_ALT_NAME": "IP:2001:DB8::1,DNS:a.example.com,DNS:a.example.com", "CA": "critical, CA:FALSE"},
    {"SUBJECT_ALT_NAME": "DNS:a.example.com,IP:10.0.0.5", "KEY_USAGE": "digitalSignature,keyEncipherment"},
]


@pytest.mark.parametrize("values", AS_GIVEN, ids=lambda values: values["SUBJECT_ALT_NAME"])
def test_ext_writes_values_byte_for_byte_as_the_echo_lines_do(tmp_path, values):
    values = {"CA": "CA:FALSE", "KEY_USAGE": "digitalSignature,keyEncipherment", **values}
    (tmp_path / "ours").write_text(opensslgen("ext", "--template", "gen_certs", env=values).stdout)
    subprocess.run(["bash", "-ec", ECHO_LINES], env={**values, "EXT_FILE": str(tmp_path / "theirs")}, check=True)
    subprocess.run(["cmp", "ours", "theirs"], check=True)


def test_ext_still_writes_what_openssl_reads_for_names_without_a_prefix():
    done = opensslgen("ext", env={"SUBJECT_ALT_NAME": "a.example.com, 10.0.0.5"})
    assert "subjectAltName = DNS:a.example.com,IP:10.0.0.5\n" in done.stdout
