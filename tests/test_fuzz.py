"""The fuzzer itself works: each target reads its seeds, and a fault is one."""

from __future__ import annotations

import pytest

from . import fuzz
from .daily import daily


@pytest.mark.parametrize("name", daily(fuzz.TARGETS, next(iter(fuzz.TARGETS))))
def test_each_target_finds_no_fault_in_a_second(name, capsys):
    fuzz.by_chance(name, 1, 1, None)
    assert "no fault" in capsys.readouterr().out


def test_a_crash_is_a_fault():
    with pytest.raises(fuzz.Fault, match="crashed: ZeroDivisionError"):
        fuzz.checked(lambda _: 1 / 0, b"")
