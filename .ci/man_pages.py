"""Puts the man pages into the wheel, so that `pipx install` and `pip install` bring `man opensslgen`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface[Any]):
    """Writes the man pages from the manual and the help of the commands; click is all that this needs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the man pages to a wheel; an editable install does without, as they would be old soon."""
        if version == "editable":
            return
        self.folder = tempfile.TemporaryDirectory()
        pages = Path(self.folder.name)
        write = [sys.executable, "-B", "-m", "opensslgen", "help", "--man", str(pages)]
        search = os.pathsep.join((self.root, *sys.path))
        subprocess.run(write, env={**os.environ, "PYTHONPATH": search}, check=True, stdout=subprocess.DEVNULL)
        for page in sorted(pages.iterdir()):
            build_data["shared_data"][str(page)] = f"share/man/man{page.suffix[1:]}/{page.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was written for the wheel."""
        if version != "editable":
            self.folder.cleanup()
