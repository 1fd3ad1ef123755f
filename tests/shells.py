"""The shells that a printed script has to run in, by the commands that start them."""

from __future__ import annotations

from .daily import daily

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"], "mksh": ["mksh"]}

EACH_SHELL = daily(SHELLS, "dash")
"""The same as the values of a parameter; for daily work the first shell is enough."""

OTHER_SHELLS = {
    "ksh93": ["ksh93"],
    "posh": ["posh"],
    "yash": ["yash", "-o", "posixly-correct"],
    "zsh": ["zsh", "--emulate", "sh"],
}
"""Shells that are sh on few machines; each script is run once in each of them."""
