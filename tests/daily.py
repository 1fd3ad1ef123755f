"""Which of many cases the quick suite runs."""

from __future__ import annotations

import pytest


def daily(cases, *kept):
    """Return the cases of a parameter, all of which the whole suite runs; the quick one runs those that are kept."""
    assert set(kept) <= set(cases)
    return [pytest.param(case, marks=[] if case in kept else pytest.mark.slow, id=str(case)) for case in cases]
