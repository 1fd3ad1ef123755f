"""The job that exports a certificate into a folder of the user, and the contents of that export."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.general import file_name
from opensslgen.openssl import run
from opensslgen.pki.index import REVOKED
from opensslgen.plan import export, layout, targets
from opensslgen.plan.export import FORMATS, Export
from opensslgen.plan.issue import P12_ENCRYPTIONS
from opensslgen.rules.chain import issuers_among
from opensslgen.suggest import shell_words
from opensslgen.text import utc
from opensslgen.x509.certificate import load_all

from .destination import Destination
from .job import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.lookup import Found
    from opensslgen.pki.store import Store
    from opensslgen.plan.export import Form
    from opensslgen.plan.targets import Target


def export_order(found: Found, *, store: Store, form: Form, file: str | None = None) -> Export:
    """Return the order to export a certificate with its key and its issuers from the folder.

    `file` is the name of the new file, if there is only one. Raises UnreadableError.
    """
    others = [*filter(None, [store.issuer()]), *store.above(), *load_all(found.path)]
    if "chain" in found.files:
        others += load_all(found.files["chain"])
    key, private = found.files.get("key"), store.path / layout.PRIVATE
    if (
        key is None
        and any(piece.holds_key for piece in form.pieces)
        and private.is_dir()
        and not os.access(private, os.X_OK)
    ):
        raise UnreadableError(f"{private}: permission denied")
    return Export(
        certificate=found.certificate,
        issuers=issuers_among(found.certificate, others),
        key=None if key is None else str(key),
        stem=_stem(found),
        form=form,
        revoked=found.entry is not None and found.entry.state == REVOKED,
        file=file,
    )


def _stem(found: Found) -> str:
    """Return the stem of the new files: that of the folder, else a name from the certificate."""
    if "certificate" in found.files:
        return found.files["certificate"].stem
    for name in (*(name.value for name in found.certificate.names[:1]), found.certificate.subject.common_name):
        with suppress(UsageError):
            return file_name(name or "")
    return found.path.stem


def export_job(order: Export, *, into: Destination) -> Job:
    """Return the job of exporting a certificate; raises Error if a file that it needs is missing."""
    if any(piece.holds_key for piece in order.pieces):
        _refuse_keyless(order)
    last = (order.certificate, *order.issuers)[-1]
    if any(piece.holds_issuers for piece in order.pieces) and not last.is_self_issued:
        raise Error(
            f"{last.issuer or 'a nameless authority'}, which issued {last.subject or 'it'}, is not in the folder, so"
            " the chain would not reach a root"
        )
    files = {piece.what.value: into.path / order.target(piece) for piece in order.pieces}
    return Job(
        name=order.title,
        done=f"Exported {order.title}",
        plan=export.export(order),
        notes=_notes(order),
        next_step=order.form.use.format_map({what: str(path) for what, path in files.items()} | _absent(order)),
    )


def export_text(order: Export, *, into: Destination) -> str:
    """Return the only file of an export, as text; raises UsageError unless it is PEM without a key, and Error."""
    (piece, *more) = order.pieces
    if more or piece.holds_key or piece.form != "pem":
        raise UsageError("only --as pem and --as chain can be written to standard output: no keys, and only text")
    export_job(order, into=into)
    return "".join(order.text(part) for part in order.contents(piece))


class Offer(NamedTuple):
    """One way to export a certificate."""

    name: str
    """One of FORMATS or of `targets.NAMES`."""
    order: Export
    use: str | None
    """How to use it, as a sentence; None if it cannot be made."""
    fault: str | None
    """Why it cannot be made; None if it can."""
    target: Target | None = None
    """What it is for, if `deploy` can also install it there."""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files."""
        return tuple(self.order.target(piece) for piece in self.order.pieces)

    @property
    def is_secret(self) -> bool:
        """Whether it contains the private key."""
        return any(piece.holds_key for piece in self.order.pieces)

    @property
    def needs_password(self) -> bool:
        """Whether there is a PKCS#12 file in it."""
        return any(piece.form in P12_ENCRYPTIONS for piece in self.order.pieces)


def offers(found: Found, *, store: Store) -> list[Offer]:
    """Return every way to export a certificate, those for products first; raises UnreadableError."""
    order = export_order(found, store=store, form=FORMATS["pem"])
    known = {name: targets.target(name) for name in targets.NAMES}
    return [
        *(
            _offer(name, replace(order, form=each.form))._replace(target=each if each.is_deployable else None)
            for name, each in known.items()
        ),
        *(_offer(name, replace(order, form=form)) for name, form in FORMATS.items()),
    ]


def _offer(name: str, order: Export) -> Offer:
    try:
        return Offer(name, order, export_job(order, into=Destination(Path())).next_step, None)
    except Error as error:
        return Offer(name, order, None, error.message)


def export_contents(
    order: Export,
    *,
    store: Store,
    openssl: OpenSSL,
    secrets: Mapping[str, str],
    on_command: Callable[[str], None] = lambda _: None,
) -> dict[str, bytes]:
    """Return the files of an export by their names, and leave none on the disk; raises Error as `export_job` does."""
    # Keys are written where keys are, and nowhere else.
    into = Destination(store.path)
    job = export_job(order, into=into)
    with into.work() as work:
        run.run(job.plan, work=work, openssl=openssl, secrets=secrets, on_command=on_command)
        return {publish.target: (work / publish.source).read_bytes() for publish in job.plan.publish}


def _refuse_keyless(order: Export) -> None:
    """Raise Error if the key is missing or cannot be exported."""
    if order.certificate.is_authority:
        raise Error(f"{order.title} is a CA: its key stays where it is")
    if order.key is None and order.revoked:
        raise Error(f"the key of {order.title} was moved away when the certificate was revoked")
    if order.key is None:
        raise Error(
            f"the key of {order.title} is not in the folder: it is where the request was made",
            hint="to export the certificates alone, use --as chain",
        )
    try:
        encrypted = b"ENCRYPTED" in Path(order.key).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read the key {order.key}: {error.strerror}") from error
    if encrypted:
        raise Error(
            f"the key {order.key} has a passphrase, and a server cannot ask for it",
            hint=f"to replace it by one without a passphrase: openssl pkey -in {shell_words(order.key)} -out FILE",
        )


def _notes(order: Export) -> tuple[str, ...]:
    now = datetime.now(timezone.utc)
    ends = order.certificate.not_after
    notes = (f"{order.title} is revoked",) if order.revoked else ()
    return (*notes, f"{order.title} expired on {utc(ends, 'minutes')}") if ends < now else notes


def _absent(order: Export) -> dict[str, str]:
    """Return the text that replaces the names of files that are left out."""
    there = {piece.what for piece in order.pieces}
    return {piece.what.value: "(none)" for piece in order.form.pieces if piece.what not in there}
