"""The job that exports a certificate into a folder of the user's."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.plan import export

from .job import Job

if TYPE_CHECKING:
    from opensslgen.plan.export import Export

    from .destination import Destination


def export_job(order: Export, *, into: Destination) -> Job:
    """Return the job of exporting a certificate; raises Error if something that it needs is not there."""
    if any(piece.holds_key for piece in order.pieces):
        _refuse_keyless(order)
    last = (order.certificate, *order.issuers)[-1]
    if any(piece.holds_issuers for piece in order.pieces) and not last.is_self_issued:
        raise Error(
            f"{last.issuer or 'a nameless authority'}, which issued {last.subject or 'it'}, is not in the folder:"
            " the chain would not lead to a root"
        )
    files = {piece.what.value: into.path / order.target(piece) for piece in order.pieces}
    return Job(
        name=order.title,
        done=f"Exported {order.title}",
        plan=export.export(order),
        notes=_notes(order),
        next_step=order.form.use.format_map({what: str(path) for what, path in files.items()} | _absent(order)),
    )


def _refuse_keyless(order: Export) -> None:
    """Raise Error if there is no key, or none that can be exported."""
    if order.certificate.is_authority:
        raise Error(f"{order.title} is an authority, whose key stays where it is")
    if order.key is None:
        raise Error(
            f"the key of {order.title} is not in the folder: whoever made the request has it",
            hint="--as chain exports what there is",
        )
    try:
        encrypted = b"ENCRYPTED" in Path(order.key).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read the key {order.key}: {error.strerror}") from error
    if encrypted:
        raise Error(
            f"the key {order.key} has a passphrase, which no server could ask for",
            hint=f"write it without one, and put it there instead: openssl pkey -in {order.key} -out FILE",
        )


def _notes(order: Export) -> tuple[str, ...]:
    now = datetime.now(timezone.utc)
    ends = order.certificate.not_after
    notes = (f"{order.title} is revoked",) if order.revoked else ()
    return (*notes, f"{order.title} expired on {ends:%Y-%m-%d %H:%M} UTC") if ends < now else notes


def _absent(order: Export) -> dict[str, str]:
    """Return what to say instead of the names of files that are left out."""
    there = {piece.what for piece in order.pieces}
    return {piece.what.value: "(none)" for piece in order.form.pieces if piece.what not in there}
