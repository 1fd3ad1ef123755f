"""The openssls beside the machine's own that tests try: `OPENSSLGEN_TEST_OPENSSLS`, paths separated by colons.

A path is a program, or a folder that has programs as NAME/bin/openssl, where each was installed by `--prefix`.
`python -m tests.debian_openssls` unpacks those of Debian's releases and prints that list; in CI, conftest.py asks it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .needs import needs


def found(paths: str) -> list[str]:
    """Return the programs that a list of programs and folders names; raises LookupError for one that has none."""
    programs = []
    for path in filter(None, paths.split(":")):
        below = [*map(str, sorted(Path(path).glob("*/bin/openssl")))] if Path(path).is_dir() else [path]
        if not below or not all(map(shutil.which, below)):
            raise LookupError(f"OPENSSLGEN_TEST_OPENSSLS: no openssl at {path}")
        programs += below
    return programs


def name_of(program: str) -> str:
    """Return the name of the folder that a program was installed into."""
    folder = Path(program).parent
    return folder.parent.name if folder.name == "bin" else folder.name


OTHERS = found(os.environ.get("OPENSSLGEN_TEST_OPENSSLS", ""))

BINARIES = [pytest.param(path, id=name_of(path), marks=pytest.mark.slow) for path in OTHERS] or [
    pytest.param("", marks=needs("openssls"), id="others")
]
"""The same as the values of a parameter, whose tests are skipped where there are no others."""

EVERY = ["openssl", *OTHERS]

EACH = ["openssl", *(BINARIES if OTHERS else [])]
"""The same as the values of a parameter; for daily work the machine's own is enough."""
