"""The comparison with x509-limbo, on cases of our own in its format: its file is not in this repository."""

from __future__ import annotations

import json
import sys

import pytest

from . import limbo
from .corpus.writing import AT, BELOW_MIDDLE, GOOD_MIDDLE, GOOD_ROOT, PBX, leaf, pem


def case(case_id, *, expected="SUCCESS", certificate=BELOW_MIDDLE, name=PBX, **options):
    return {
        "id": case_id,
        "validation_kind": "SERVER",
        "trusted_certs": [pem(GOOD_ROOT)],
        "untrusted_intermediates": [pem(GOOD_MIDDLE)],
        "peer_certificate": pem(certificate),
        "validation_time": AT.isoformat(),
        "expected_result": expected,
        "expected_peer_name": {"kind": "DNS", "value": name},
        "max_chain_depth": None,
        **options,
    }


def run(tmp_path, monkeypatch, *cases):
    file = tmp_path / "limbo.json"
    file.write_text(json.dumps({"version": 1, "testcases": cases}))
    monkeypatch.setattr(sys, "argv", ["limbo", str(file), "--list"])
    return limbo.main()


def test_cases_that_are_answered_alike_are_counted(tmp_path, monkeypatch, capsys):
    broken = BELOW_MIDDLE[:-1] + bytes([BELOW_MIDDLE[-1] ^ 1])
    found = run(
        tmp_path,
        monkeypatch,
        case("ours::good"),
        case("ours::false-signature", certificate=broken, expected="FAILURE"),
        case("ours::other-name", name="other.example.com", expected="FAILURE"),
        case("other::no-issuer", untrusted_intermediates=[], expected="FAILURE"),
        case("other::next-century", validation_time="2126-01-01T00:00:00+00:00", expected="FAILURE"),
    )
    printed = capsys.readouterr().out
    assert found == 0, printed
    rows = {
        line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.startswith(("ours", "other", "all"))
    }
    assert rows == {
        "other": ["2", "0", "2", "0", "0", "0", "2", "2"],
        "ours": ["3", "1", "2", "0", "0", "0", "3", "3"],
        "all": ["5", "1", "4", "0", "0", "0", "5", "5"],
    }


def test_a_case_that_is_answered_otherwise_has_to_be_in_the_manual(tmp_path, monkeypatch, capsys):
    assert run(tmp_path, monkeypatch, case("ours::good", expected="FAILURE")) == 1
    assert (
        "ours::good: limbo reject, audit pass, openssl pass, strict pass\n  manual:  nothing" in capsys.readouterr().out
    )
    assert run(tmp_path, monkeypatch, case("webpki::cn::not-in-san", expected="FAILURE")) == 0
    assert "manual:  a warning (`cn-not-in-san`)" in capsys.readouterr().out


def test_what_openssl_rejects_is_not_passed_in_silence(tmp_path, monkeypatch, capsys):
    deep = case("ours::deep", max_chain_depth=0)
    assert run(tmp_path, monkeypatch, deep) == 1
    assert "audit pass, openssl reject" in capsys.readouterr().out


def test_every_row_of_the_manual_is_a_pattern_with_a_reason():
    assert len(limbo.reasons()) > 20
    assert all("::" in pattern and reason for pattern, reason in limbo.reasons().items())


@pytest.mark.parametrize("certificate", [b"\x30\x03\x02\x01\x01", leaf(names=())])
def test_what_cannot_be_read_or_has_no_name_is_rejected(certificate):
    assert limbo.compare(case("ours::bad", certificate=certificate), "apple").ours == limbo.REJECT
