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
    """Return what bash finds wrong with a script, or sh where there is no bash; raises Error without either."""
    shell = shutil.which("bash") or shutil.which("sh")
    if shell is None:
        raise Error("there is neither bash nor sh to check the edited script, so it was not changed")
    process = start_with_sh([shell, "-n", str(script)], env=os.environ, cwd=os.sep, stdin=b"", timeout=30)
    return None if process.exit_code == 0 else process.stderr.decode("utf-8", "replace").strip() or "no reason given"
