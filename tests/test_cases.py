"""The cases in a directory that OPENSSLGEN_TEST_CASES names are judged as the table in its README.md says is right.

A row names files, and then what is right: 0, 1 or 2 for the exit code, 0w for a warning and 0, "read" for a warning and
any exit code but 2, "judged as a root", "within 2 s", "read as a script", or "`sign --yes` signs" for requests.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from opensslgen.cli.main import cli
from opensslgen.x509.certificate import load

from .needs import needs

FOLDER = Path(os.environ.get("OPENSSLGEN_TEST_CASES", "/nowhere"))
SECONDS = 2


def rows():
    """Yield each file, and what is right."""
    table = (FOLDER / "README.md").read_text() if FOLDER.is_dir() else ""
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE):
        for name in re.findall(r"[\w.-]+\.(?:pem|crt|cnf|ext|sh|csr)\b", row[0]):
            yield name, row[1]


@needs("cases")
def test_the_table_names_all_files():
    assert {name for name, _ in rows()} == {path.name for path in FOLDER.iterdir()} - {"README.md"}


@needs("cases")
@pytest.mark.parametrize(("name", "right"), [*rows()])
def test_a_case_is_judged_as_its_table_says(tmp_path, name, right):
    if "signs" in right:
        pki = ("--pki", str(tmp_path / "pki"))
        CliRunner().invoke(cli, ["root", "--cn", "Other", *pki])
        answer = CliRunner().invoke(cli, ["sign", str(FOLDER / name), "--yes", *pki])
        assert answer.exit_code == 0, answer.output
        (path,) = (tmp_path / "pki/issued").glob("*.crt")
        assert "SAN critical" not in right or load(path).is_critical("subjectAltName")
        return
    started = time.process_time()
    answer = CliRunner().invoke(cli, ["audit", str(FOLDER / name), "--json"])
    assert time.process_time() - started < SECONDS
    said = json.loads(answer.stdout)
    findings = [finding for result in said["results"] for finding in result["findings"]]
    if exact := re.match(r"([012])(w?)\b", right):
        assert answer.exit_code == int(exact[1]), findings
        assert not exact[2] or said["totals"]["warnings"]
    elif right.startswith("read;"):
        assert answer.exit_code < 2
        assert "not-der" in {finding["rule"] for finding in findings}
    elif right == "judged as a root":
        assert answer.exit_code == 0
        assert any("judged as a CA" in note for result in said["results"] for note in result["notes"])
    else:
        assert right in ("within 2 s", "read as a script")
        assert answer.exit_code < 2
