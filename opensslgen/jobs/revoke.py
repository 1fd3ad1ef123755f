"""The jobs that revoke certificates, and that make CRLs."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.pki import index, lookup
from opensslgen.pki.folder import Folder
from opensslgen.plan import layout, revoke
from opensslgen.plan.steps import Existing, Publish, What
from opensslgen.rules.chain import issuer_among
from opensslgen.suggest import suggest
from opensslgen.text import utc, visible
from opensslgen.x509 import crl
from opensslgen.x509.certificate import load
from opensslgen.x509.pem import CERTIFICATE, REQUEST_LABELS, pem, pem_blocks
from opensslgen.x509.request import decode_request

from .job import Job, issuer_of, root_of

if TYPE_CHECKING:
    from pathlib import Path

    from opensslgen.pki.index import Entry
    from opensslgen.pki.store import Store
    from opensslgen.x509.certificate import Certificate

_LONGEST_LIST = timedelta(days=36500)
_LIST_CHECKS = ("CRL: signature, by openssl", "CRL: serial numbers, dates and reasons as in index.txt")


def revocation_job(wanted: str, *, store: Store, reason: str | None = None) -> Job:
    """Return the job of revoking the certificate with this file, name or serial number.

    If the folder has a CRL, the job also makes a new one, with a lifetime as long as that of the old one.
    Raises UsageError for a certificate that this CA cannot revoke, and Error for one that is revoked already.
    """
    authority = root_of(store)
    found = lookup.find(Folder(store.path), wanted)
    certificate = found.certificate
    title = visible(certificate.subject.common_name or str(certificate.subject) or certificate.serial_hex)
    _refuse_foreign(certificate, authority, title)
    entry = _entry(store, certificate)
    if entry and entry.state == index.REVOKED:
        when = f" on {utc(entry.revoked_at, 'minutes')}" if entry.revoked_at else ""
        why = f", for {visible(entry.reason)}" if entry.reason else ""
        raise Error(f"{title}, serial number {entry.serial_hex}, was revoked{when}{why}")
    notes = []
    if certificate.not_after < datetime.now(timezone.utc):
        notes.append(f"it expired on {certificate.not_after.date()}: clients that check the date reject it already")
    if entry is None:
        notes.append("it was missing from index.txt, and has been added")
    moves, about_moves = _moves(store, certificate, found)
    new_list, about_list = _next_list(store, authority)
    # An expired certificate can be revoked, unless a renewed root begins later than the certificate expired.
    begin = max(each.not_before for each in (certificate, authority, *store.above()))
    order = revoke.RevocationOrder(
        title=title,
        certificate=pem(CERTIFICATE, certificate.der),
        serial_hex=entry.serial_hex if entry else certificate.serial_hex,
        reason=reason,
        recorded=entry is not None,
        moves=moves,
        verify_at=None if _has_copy(store, certificate) else int(begin.timestamp()),
    )
    what = f"{title}, serial number {order.serial_hex}" + (f", for {reason}" if reason else "")
    return Job(
        name=title,
        done=f"Revoked {what}",
        question=f"Revoke {what}?",
        plan=revoke.revocation(order, issuer_of(store), new_list),
        notes=(*notes, *about_moves, *about_list),
        checks=("index.txt: the line of this certificate alone has changed", *(_LIST_CHECKS if new_list else ())),
        next_step="put the new CRL where servers and clients look for it"
        if new_list
        else f"make a CRL, so that clients learn of it: {suggest('crl', pki=store.path)}",
    )


def revocation_list_job(*, store: Store, days: int = revoke.LIST_DAYS) -> Job:
    """Return the job of making a CRL that is valid for so many days; raises UsageError, UnreadableError."""
    authority = root_of(store)
    if not 1 <= days <= revoke.MOST_LIST_DAYS:
        raise UsageError(f"a CRL is valid for 1 to {revoke.MOST_LIST_DAYS} days")
    if not _may_sign_lists(authority):
        raise UsageError(f"{visible(str(authority.subject))} may not sign CRLs: its key usage lacks cRLSign")
    path = store.path / layout.INDEX
    entries = index.read(path, mend=True) if path.exists() else ()
    revoked = sum(entry.state == index.REVOKED for entry in entries)
    until = datetime.now(timezone.utc) + timedelta(days=days)
    notes: tuple[str, ...] = ()
    if until > authority.not_after:
        ends = "expired" if authority.not_after < datetime.now(timezone.utc) else "expires"
        notes = (f"the CA itself {ends} on {authority.not_after.date()}, before the CRL",)
    certificates = "1 certificate" if revoked == 1 else f"{revoked} certificates"
    return Job(
        name=authority.subject.common_name or "",
        done=f"Made a CRL with {certificates}, valid until {until.date()}",
        plan=revoke.revocation_list(_list_order(authority, timedelta(days=days)), issuer_of(store)),
        notes=notes,
        checks=_LIST_CHECKS,
        next_step="put it where servers and clients look for it (crl.der at the --crl-url), and make the next one"
        " before it expires",
    )


def _refuse_foreign(certificate: Certificate, authority: Certificate, title: str) -> None:
    """Raise UsageError unless the CA can revoke the certificate."""
    if certificate.der == authority.der and not certificate.is_self_issued:
        raise UsageError(f"{title} is the certificate of this CA: only its issuer can revoke it")
    is_issued_here = certificate.der != authority.der and issuer_among(certificate, [authority])
    if certificate.is_self_issued and not is_issued_here:
        raise UsageError(f"{title} is self-signed, and nobody can revoke it: remove it from the devices instead")
    if not is_issued_here:
        raise UsageError(
            f"{title} was issued by {visible(str(certificate.issuer))}, and only that CA can revoke it; the CA of this"
            f" folder is {visible(str(authority.subject))}",
            hint="to name another folder, add --pki DIR",
        )


def _entry(store: Store, certificate: Certificate) -> Entry | None:
    """Return the certificate's line in the index; raises Error if another certificate has its serial number there."""
    found, path = None, store.path / layout.INDEX
    for entry in index.read(path, mend=True) if path.exists() else ():
        if entry.serial_number != certificate.serial_number:
            continue
        if entry.not_after != certificate.not_after:
            raise Error(
                f"{path}, line {entry.line}: a certificate with another expiry date has the serial number"
                f" {entry.serial_hex}"
            )
        if entry.serial_hex.lstrip("0") != certificate.serial_hex.lstrip("0"):
            raise Error(
                f"{path}, line {entry.line}: openssl writes the serial number {visible(entry.serial_hex)} as"
                f" {certificate.serial_hex}, and would not find it"
            )
        found = entry
    return found


def _has_copy(store: Store, certificate: Certificate) -> bool:
    """Tell whether the folder has a copy by serial number; raises UsageError if that is another certificate.

    Everything else in a certificate can be forged: name, key identifiers, serial number and dates.
    """
    digits = certificate.serial_hex.lstrip("0")
    for folder, suffix in layout.COPIES_BY_SERIAL:
        # easy-rsa and openssl ca write a whole number of bytes, as serial_hex does; other programs may not.
        for name in dict.fromkeys((certificate.serial_hex, digits, f"0{digits}")):
            path = store.path / folder / f"{name}{suffix}"
            with suppress(UnreadableError):
                copy = load(path)
                if copy.der == certificate.der:
                    return True
                if copy.serial_number == certificate.serial_number:
                    raise UsageError(f"another certificate with this serial number is in the folder: {path}")
    return False


def _next_list(store: Store, authority: Certificate) -> tuple[revoke.ListOrder | None, tuple[str, ...]]:
    """Return the order for a CRL that replaces the folder's, None if it has none, and notes about it."""
    path = store.path / layout.CRL
    if not path.exists():
        return None, ()
    if not _may_sign_lists(authority):
        return None, (f"{path} was not changed: the CA may not sign CRLs (its key usage lacks cRLSign)",)
    lifetime = timedelta()
    notes: tuple[str, ...] = ()
    try:
        dates = crl.dates(path)
    except UnreadableError as error:
        notes = (f"a new CRL replaces the unreadable one: {error}",)
    else:
        lifetime = dates.next_update - dates.this_update if dates.next_update else lifetime
    if not timedelta() < lifetime <= _LONGEST_LIST:
        lifetime = timedelta(days=revoke.LIST_DAYS)
    return _list_order(authority, lifetime), notes


def _list_order(authority: Certificate, lifetime: timedelta) -> revoke.ListOrder:
    hours = -(-lifetime // timedelta(hours=1))
    return revoke.ListOrder(hours=hours, by_key_identifier=authority.subject_key_identifier is not None)


def _may_sign_lists(authority: Certificate) -> bool:
    return authority.key_usage is None or "cRLSign" in authority.key_usage


_WITH_CERTIFICATE = (
    (layout.ISSUED, ".crt", "certs", What.CERTIFICATE),
    (layout.ISSUED, "-chain.pem", "certs", What.CHAIN),
)
_WITH_KEY = (
    (layout.PRIVATE, ".key", "private", What.KEY),
    (layout.REQUESTS, ".req", "reqs", What.REQUEST),
    *(
        (folder, suffix, kind, What(suffix[1:]))
        for folder, kind in ((layout.PRIVATE, "private"), (layout.ISSUED, "certs"))
        for suffix in (".p12", ".p7b", ".p8", ".p1")
    ),
)
"""Where a file is, how its name ends, for which folder below revoked/ it is, and what it is."""


def _moves(store: Store, certificate: Certificate, found: lookup.Found) -> tuple[tuple[Publish, ...], tuple[str, ...]]:
    """Return where the certificate's own files go, as easy-rsa moves them, and notes about what stays.

    The copy by serial number stays: `list` reads from it what the certificate was.
    """
    issued = found.files.get("certificate")
    if issued is None or issued.parent != store.path / layout.ISSUED:
        return (), ()
    stem, serial = issued.stem, certificate.serial_hex
    if not stem.isprintable() or " " in stem:
        return (), (f"its files stay where they are, because their name has a space in it: {visible(stem)}",)
    has_chain = False
    with suppress(UnreadableError):
        has_chain = load(store.path / layout.chain(stem)).der == certificate.der
    own_key = _is_its_request(store.path / layout.request(stem), certificate)
    note = f"{layout.request(stem)} and the files that belong to it are for another key, and stay where they are"
    moves = tuple(
        Publish(
            f"../{folder}/{stem}{suffix}",
            f"{layout.REVOKED}/{kind}_by_serial/{serial}{suffix}",
            None,
            what,
            Existing.KEEP,
        )
        for folder, suffix, kind, what in (*_WITH_CERTIFICATE[: 1 + has_chain], *(_WITH_KEY if own_key else ()))
        if (store.path / folder / f"{stem}{suffix}").is_file()
    )
    return moves, () if own_key else (note,)


def _is_its_request(path: Path, certificate: Certificate) -> bool:
    """Tell whether a request is for the certificate's key; if it is missing, the file names decide."""
    if not path.is_file():
        return True
    with suppress(UnreadableError):
        for block in pem_blocks(read_file(path)):
            if block.label in REQUEST_LABELS:
                return decode_request(block.body).public_key == certificate.public_key
    return False
