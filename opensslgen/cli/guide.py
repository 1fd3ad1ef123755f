"""What `opensslgen` says on a terminal when nothing else was typed: the state of this folder, and the next step."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

from opensslgen.errors import Error
from opensslgen.suggest import suggest
from opensslgen.text import visible_lines


def guide() -> str:
    """Return the text for the folder that commands would use here."""
    from opensslgen.jobs.next_step import next_step
    from opensslgen.pki.folder import Folder
    from opensslgen.pki.survey import survey_of

    pki = Path(os.environ.get("OPENSSLGEN_PKI") or "pki")
    more = f"{suggest('--help')}, {suggest('help')}"
    at = datetime.now(timezone.utc).replace(microsecond=0)
    try:
        step = next_step(survey_of(Folder(pki), at=at) if pki.is_dir() else None)
    except Error as error:
        return visible_lines(f"{pki}: {error.message}\n\nNext: {suggest('doctor', pki=pki)}\nMore: {more}")
    where = None if str(pki) in step.arguments else pki  # `audit` takes the folder as an argument
    return visible_lines(f"Folder: {pki}\n{step.why}\n\nNext: {suggest(*step.arguments, pki=where)}\nMore: {more}")
