"""Inventories as spreadsheets, scripts and people write them: what is read of them, and which line is at fault."""

from __future__ import annotations

import io
import json

import pytest

from opensslgen.errors import UnreadableError
from opensslgen.orders import inventory
from opensslgen.orders.order import leaf_order


def rows(text):
    return list(inventory.read(io.StringIO(text, newline=""), title="sites.csv"))


ORDER = leaf_order("pbx.example.com", san=["IP:10.0.0.5", "sip.example.com"], days=397)
SAME = {
    "commas": 'name,san,days\npbx.example.com,"10.0.0.5,sip.example.com",397\n',
    "semicolons": "name;san;days\npbx.example.com;10.0.0.5, DNS:sip.example.com;397\n",
    "tabs": "name\tsan\tdays\npbx.example.com\t10.0.0.5,sip.example.com\t397\n",
    "byte order mark": "\ufeffname;san;days\r\npbx.example.com;10.0.0.5,sip.example.com;397\r\n",
    "byte order mark and quotes": '\ufeff"name";"san";"days"\r\n"pbx.example.com";"10.0.0.5,sip.example.com";"397"\r\n',
    "the spreadsheet's own word": "sep=;\r\nname;san;days\r\npbx.example.com;IP:10.0.0.5,sip.example.com;397\r\n",
    "names in one cell, a line each": 'name,san,days\npbx.example.com,"10.0.0.5\nsip.example.com\n",397\n',
    "names between semicolons": 'name,san,days\npbx.example.com,"10.0.0.5; sip.example.com",397\n',
    "options as they are typed": 'NAME,--SAN,Days\npbx.example.com,"10.0.0.5,sip.example.com",397\n',
    "empty columns and rows": 'name,san,days,org,cn\n,,,,\n\npbx.example.com,"10.0.0.5,sip.example.com",397,,\n',
    "comments": '# our sites\nname,san,days\n# Berlin\npbx.example.com,"10.0.0.5,sip.example.com",397\n',
    "a short row": 'name,san,days,org\npbx.example.com,"10.0.0.5,sip.example.com",397\n',
    "json": '{"name": "pbx.example.com", "san": ["10.0.0.5", "sip.example.com"], "days": 397}\n',
    "json, another form": '\n{"NAME": "pbx.example.com", "San": "10.0.0.5,sip.example.com", "days": "397"}\n\n',
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_all_of_these_ask_for_the_same(text):
    (row,) = rows(text)
    assert row.fault is None
    assert row.order == ORDER


def test_every_column_is_an_option_and_says_something():
    text = {
        "name": "pbx.example.com", "kind": "server", "san": "10.0.0.5", "days": "30", "cn": "PBX", "org": "Acme",
        "org-unit": "Phones", "country": "de", "state": "Berlin", "locality": "Berlin", "email": "a@example.com",
        "key-type": "p-384", "key-file": "own.key", "eku": "serverAuth", "key-usage": "digitalSignature",
        "template": "", "p12": "compat", "crl-url": "http://crl.example.com/x.crl",
        "deploy": "nginx@root@web1",
    }  # fmt: skip
    assert set(text) == set(inventory.COLUMNS)
    (row,) = rows(json.dumps(text) + "\n")
    order = row.order
    assert row.fault is None
    assert dict(order.subject.attributes) == {
        "CN": "PBX", "O": "Acme", "OU": "Phones", "C": "DE", "ST": "Berlin", "L": "Berlin",
        "emailAddress": "a@example.com",
    }  # fmt: skip
    assert (order.days, order.key_type.name, order.key_file, order.p12) == (30, "p-384", "own.key", "p12-compat")
    assert (order.extended_key_usage, order.key_usage) == (("serverAuth",), ("digitalSignature",))
    assert order.crl_url == "http://crl.example.com/x.crl"
    assert row.deploy == "nginx@root@web1"


# The row, the line that it begins on, and what is said of it.
FAULTS = [
    ("name\nb_.exa mple.com\n", 2, "has a space inside"),
    ("name,san\na.example.com,10.0.0.300\n", 2, "each of the four numbers is 0 to 255"),
    ("name,san\na.example.com,10.0.0.0/24\n", 2, "is a network"),
    ("name,days\na.example.com,soon\n", 2, "soon days: write a whole number"),
    ("name,days\na.example.com,0\n", 2, "write a number from 1 to 36500"),
    ("name,kind\na.example.com,root\n", 2, "the kind root is unknown: write one of server, client, self-signed"),
    ("name,key-type\na.example.com,rsa-512\n", 2, "unknown key type"),
    ("name,eku\na.example.com,sererAuth\n", 2, "unknown extended key usage"),
    ("name,p12\na.example.com,perhaps\n", 2, "write yes, compat or nothing"),
    ("name,country\na.example.com,Germany\n", 2, "is not a country code"),
    ("name,san\n,10.0.0.5\n", 2, "the name is missing"),
    ("name,san\na.example.com,b.example.com,c.example.com\n", 2, "3 cells, and the header row has 2"),
    ("name,kind,crl-url\na.example.com,self-signed,http://x.example/\n", 2, "leave crl-url out"),
    ("name,crl-url\na.example.com,ftp://x.example/\n", 2, "is not a URL"),
    ("name,template\na.example.com,/nowhere/x.cnf\n", 2, "cannot read the template /nowhere/x.cnf"),
    ('name,san\na.example.com,"10.0.0.5\n10.0.0.6"\nb..example.com,\n', 4, "has an empty label"),
    ('name,org\na.example.com,"A\u202egnilekS"\n', 2, "U+202E"),
    ('{"name": "a.example.com", "days": 1.5}\n', 1, "days is 1.5: write text"),
    ('{"name": ["a", {}]}\n', 1, "write text"),
    ('{"name": "a.example.com", "key-file": "\\u0000"}\n', 1, "U+0000"),
    ('{"name": "a.example.com", "key-file": "\\ud800"}\n', 1, "U+D800"),
    ('{"name": "a.example.com", "template": "x\\u001b]0;y\\u0007"}\n', 1, "U+001B"),
    ('{"name": "a.example.com", "kind": "\\u202e"}\n', 1, "U+202E"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "fault"), FAULTS)
def test_a_row_with_a_fault_says_which(text, line, fault):
    found = [row for row in rows(text) if row.fault]
    assert [(row.line, row.order) for row in found] == [(line, None)]
    assert fault in found[0].fault


NO_TABLE = [
    ("", "it is empty"),
    ("\ufeff\n\n", "it is empty"),
    ("host,san\n", "line 1: the column host is unknown"),
    ("san,days\n", "line 1: the column name is missing"),
    ("name,san,SAN\n", "line 1: two columns have the same name"),
    ("pbx.example.com\nb.example.com\n", "line 1: the column pbx.example.com is unknown"),
    ('name,san\na.example.com,"10.0.0.5\n', "line 2: unexpected end of data"),
    ('name,san\na.example.com,"10.0.0.5"x\n', "line 2: "),
    ('{"name": "a.example.com"}\n["a"]\n', "line 2: expected a JSON object"),
    ('{"name": "a.example.com"}\n{"name": \n', "line 2: not JSON"),
    ('{"name": ' + "[" * 100_000 + "\n", "line 1: not JSON"),
    ('{"host": "a.example.com"}\n', "line 1: the column host is unknown"),
]


@pytest.mark.parametrize(("text", "why"), NO_TABLE)
def test_what_is_no_table_is_named_with_its_line(text, why):
    with pytest.raises(UnreadableError, match=r"sites\.csv") as caught:
        rows(text)
    assert why in caught.value.message


def test_another_encoding_is_named(tmp_path):
    (tmp_path / "sites.csv").write_bytes("name,org\na.example.com,Söhne\n".encode("latin-1"))
    with (
        (tmp_path / "sites.csv").open(encoding="utf-8", newline="") as file,
        pytest.raises(UnreadableError, match="is not UTF-8 text"),
    ):
        list(inventory.read(file, title="sites.csv"))
