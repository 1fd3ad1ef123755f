"""What `opensslgen` says on a terminal when nothing else was typed: the state of this folder, and the next step."""

from __future__ import annotations

import os
import shlex
from datetime import datetime, timezone
from pathlib import Path

from opensslgen.errors import Error
from opensslgen.text import visible_lines


def guide() -> str:
    """Return the text for the folder that commands would use here."""
    from opensslgen.jobs.next_step import next_step
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import survey_of

    pki = Path(os.environ.get("OPENSSLGEN_PKI") or "pki")
    at = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        step = next_step(survey_of(Folder(pki), at=at) if pki.is_dir() else None)
    except Error as error:
        return visible_lines(
            f"{pki}: {error.message}\n\nNext: opensslgen doctor\nMore: opensslgen --help, opensslgen help"
        )
    why = f"Folder: {pki}\n{step.why}\n"
    return visible_lines(
        f"{why}\nNext: opensslgen {shlex.join(step.arguments)}\nMore: opensslgen --help, opensslgen help"
    )
