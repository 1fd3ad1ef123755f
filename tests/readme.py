"""The README, and what stands in its fenced blocks."""

from __future__ import annotations

import re

from .conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text()

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
