"""The shells that a printed script has to run in, by the commands that start them."""

from __future__ import annotations

import pytest

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"], "mksh": ["mksh"]}

EACH_SHELL = [pytest.param(shell, marks=[] if shell == "dash" else pytest.mark.slow) for shell in SHELLS]
"""The same as the values of a parameter; for daily work the first shell is enough."""
