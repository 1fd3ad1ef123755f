"""What devices say that they are: the lines of user-agents.tsv."""

from __future__ import annotations

from .conftest import CHECKOUT


def user_agents():
    for line in (CHECKOUT / "tests" / "user-agents.tsv").read_text().splitlines():
        if not line.startswith("#"):
            yield line.split("\t")
