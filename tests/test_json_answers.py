"""Each answer in JSON keeps the schema that ships with the package; so does each error where JSON was asked for."""

from __future__ import annotations

import json

import jsonschema
import pytest

from .conftest import CHECKOUT, opensslgen

SCHEMA = json.loads((CHECKOUT / "opensslgen" / "schema" / "answers.schema.json").read_text())
SECRETS = {"OPENSSLGEN_P12_PASSWORD": "secret1", "OPENSSLGEN_BACKUP_PASSPHRASE": "secret2"}
EC = "--key-type p-256"

SESSION = [
    (f"root --cn Office {EC}", "made"),
    (f"server pbx.example.com {EC} --p12", "made"),
    (f"server pbx.example.com {EC}", "error"),
    (f"server long.example.com --days 2000 {EC}", "error"),
    (f"client phone {EC}", "made"),
    (f"self-signed box.example.com {EC}", "made"),
    (f"intermediate branch {EC}", "made"),
    (f"server req.example.com {EC} --csr-only --pki other", "made"),
    ("sign other/reqs/req.example.com.req --yes", "made"),
    ("adopt pki/issued/branch-chain.pem --key pki/private/branch.key --pki branch", "made"),
    ("list", "list"),
    ("list --all --within 9999", "list"),
    ("renew pbx.example.com", "renewed"),
    ("renew nobody.example.com", "renewed"),
    ("revoke phone --yes", "made"),
    ("revoke phone --yes", "error"),
    ("revoke pbx.example.com", "error"),
    ("crl", "made"),
    ("export pbx.example.com --as chain --out x.pem", "made"),
    ("export pbx.example.com", "error"),
    ("trust", "trust"),
    ("doctor", "doctor"),
    ("rules", "rules"),
    ("rules --changes", "changes"),
    ("rules --profile nonsense", "error"),
    ("why 127.0.0.1:1", "why"),
    ("why pbx.example.com:0", "error"),
    ("backup b", "backup"),
    ("backup b", "error"),
    ("restore b --pki restored", "restore"),
    ("restore b", "error"),
    ("show nobody", "error"),
    ("list --pki nowhere", "error"),
    ("server", "error"),
    ("server --frobnicate", "error"),
    ("batch nowhere.csv", "error"),
    ("ansible fleet", "ansible"),
]
"""What is typed, in this order in one folder, and which answer comes."""


@pytest.mark.slow
def test_the_answers_keep_their_schemas(tmp_path):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for typed, kind in SESSION:
        done = opensslgen(*typed.split(), "--json", cwd=tmp_path, env=SECRETS)
        assert done.stdout, f"{typed}: {done.stderr}"
        answer = json.loads(done.stdout)
        jsonschema.validate(answer, {**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{kind}"}]})
        if kind == "error":
            assert done.returncode == answer["exit_code"] != 0, typed
            assert answer["error"].splitlines()[0] in done.stderr, typed


@pytest.mark.parametrize("typed", ["show nobody --format json", "show nobody --format=json", "server --json --days"])
def test_an_error_is_json_however_json_was_asked_for(typed, tmp_path):
    done = opensslgen(*typed.split(), cwd=tmp_path)
    assert json.loads(done.stdout)["exit_code"] == done.returncode == 2


def test_without_json_an_error_is_text_only(tmp_path):
    assert opensslgen("show", "nobody", cwd=tmp_path).stdout == ""


def test_the_json_of_a_command_that_is_run_is_not_ours(tmp_path):
    done = opensslgen("run", "--", "sh", "-c", "exit 3", "--json", cwd=tmp_path)
    assert "{" not in done.stdout
