"""The README and the manual: what stands in their fenced blocks, and where their links lead."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import CHECKOUT

MANUAL = CHECKOUT / "opensslgen" / "manual"
README = CHECKOUT / "README.md"
PAGES = tuple(sorted(page for page in MANUAL.glob("*.md") if page.name != "changelog.md"))
"""The pages of tasks, which `opensslgen help` shows."""


def blocks(page: Path, language: str) -> list[str]:
    """The texts of the fenced blocks of `language` in `page`, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of the links and pictures in `page`."""
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text())


INSTALL, *SESSION, TESTS = blocks(README, "sh")
"""The one line that installs and makes the first certificate; the session after it; the command that runs the tests."""
FIRST = INSTALL.rpartition("pip install -q . && ")[2]
"""What the first line does once opensslgen is installed."""
