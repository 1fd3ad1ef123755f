"""What a shell says about the syntax of a script."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.openssl.process import start_with_sh

if TYPE_CHECKING:
    from pathlib import Path


def syntax_fault(script: Path) -> str | None:
    """Return the syntax error that bash, or sh without bash, finds in a script; raises Error if both are missing."""
    shell = shutil.which("bash") or shutil.which("sh")
    if shell is None:
        raise Error("bash and sh are missing, so the edited script could not be checked and was not changed")
    process = start_with_sh([shell, "-n", str(script)], env=os.environ, cwd=os.sep, stdin=b"", timeout=30)
    return None if process.exit_code == 0 else process.stderr.decode("utf-8", "replace").strip() or "no reason given"
