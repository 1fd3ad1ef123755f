"""The shells that a printed script has to run in, by the commands that start them."""

from __future__ import annotations

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"], "mksh": ["mksh"]}
