"""The openssls beside the machine's own that tests try: `OPENSSLGEN_TEST_OPENSSLS`, paths separated by colons.

`python -m tests.debian_openssls` unpacks those of Debian's releases and prints that list; in CI, conftest.py asks it.
"""

from __future__ import annotations

import os

import pytest

from .needs import needs

OTHERS = [path for path in os.environ.get("OPENSSLGEN_TEST_OPENSSLS", "").split(":") if path]

BINARIES = OTHERS or [pytest.param("", marks=needs("openssls"), id="others")]
"""The same as the values of a parameter, whose tests are skipped where there are no others."""

EVERY = ["openssl", *OTHERS]
