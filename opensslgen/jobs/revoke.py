"""The jobs that revoke certificates, and that make revocation lists."""

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
from opensslgen.text import visible
from opensslgen.x509 import crl
from opensslgen.x509.certificate import load
from opensslgen.x509.pem import CERTIFICATE, pem, pem_blocks
from opensslgen.x509.request import REQUEST_LABELS, decode_request

from .job import Job, stored_issuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opensslgen.pki.index import Entry
    from opensslgen.pki.store import Store
    from opensslgen.x509.certificate import Certificate

REASONS = ("keyCompromise", "superseded", "cessationOfOperation", "affiliationChanged", "CACompromise", "unspecified")
"""Why a certificate can be revoked for good (RFC 5280 section 5.3.1). To take back a hold, openssl has no command."""

_LONGEST_LIST = timedelta(days=36500)


def revocation_job(wanted: str, *, store: Store, reason: str | None = None) -> Job:
    """Return the job of revoking the certificate with this file, name or serial number.

    When the folder has a revocation list, a new one is made, which is good for as long as that was.
    Raises UsageError for what this authority cannot revoke, and Error for what is revoked already.
    """
    authority = _authority(store)
    found = lookup.find(Folder(store.path), wanted)
    certificate = found.certificate
    title = visible(certificate.subject.common_name or str(certificate.subject) or certificate.serial_hex)
    _refuse_others(certificate, authority, title)
    entry = _entry(store, certificate)
    if entry and entry.state == index.REVOKED:
        why = f", for {visible(entry.reason)}" if entry.reason else ""
        raise Error(
            f"{title}, serial number {entry.serial_hex}, was revoked on {entry.revoked_at:%Y-%m-%d %H:%M} UTC{why}"
        )
    notes = []
    if certificate.not_after < datetime.now(timezone.utc):
        notes.append(f"it expired on {certificate.not_after:%Y-%m-%d}: who looks at the date refuses it anyhow")
    if entry is None:
        notes.append("it was not in index.txt, which has it from now on")
    moves, left = _moves(store, certificate, found)
    notes += left
    new_list, about_list = _next_list(store, authority)
    order = revoke.RevocationOrder(
        title=title,
        certificate=pem(CERTIFICATE, certificate.der),
        serial_hex=entry.serial_hex if entry else certificate.serial_hex,
        reason=reason,
        recorded=entry is not None,
        moves=moves,
        judged_at=None if _has_copy(store, certificate) else _time_of_validity(certificate, authority, *store.above()),
    )
    checks = ("index.txt: the line of this certificate alone has changed",)
    return Job(
        name=title,
        done=f"Revoked {title}, serial number {order.serial_hex}" + (f", for {reason}" if reason else ""),
        plan=revoke.revocation(order, stored_issuer(store), new_list),
        notes=(*notes, *about_list),
        checks=(*checks, *_LIST_CHECKS) if new_list else checks,
        next_step="put the new list where servers and clients look for it"
        if new_list
        else "nobody knows of it before there is a new revocation list: opensslgen crl",
    )


def revocation_list_job(*, store: Store, days: int = revoke.LIST_DAYS) -> Job:
    """Return the job of making a revocation list that is good for so many days; raises UsageError, UnreadableError."""
    authority = _authority(store)
    if not _may_sign_lists(authority):
        raise UsageError(
            f"{visible(str(authority.subject))} may not sign revocation lists: its key usage lacks cRLSign"
        )
    revoked = sum(entry.state == index.REVOKED for entry in _entries(store))
    until = datetime.now(timezone.utc) + timedelta(days=days)
    notes: tuple[str, ...] = ()
    if until > authority.not_after:
        notes = (f"the authority itself ends on {authority.not_after:%Y-%m-%d}, before the list does",)
    return Job(
        name=authority.subject.common_name or "",
        done=f"Made a revocation list with {revoked} certificate{'' if revoked == 1 else 's'}, until {until:%Y-%m-%d}",
        plan=revoke.revocation_list(_list_order(authority, timedelta(days=days)), stored_issuer(store)),
        notes=notes,
        checks=_LIST_CHECKS,
        next_step="put it where servers and clients look for it (crl.der at the --crl-url), and make the next one in"
        " time",
    )


_LIST_CHECKS = (
    "revocation list: signature, by openssl",
    "revocation list: serial numbers, dates and reasons as in index.txt",
)


def _authority(store: Store) -> Certificate:
    issuer = store.issuer()
    if issuer is None:
        raise Error(f"{store.path} has no root yet", hint="--pki DIR names another folder")
    return issuer


def _refuse_others(certificate: Certificate, authority: Certificate, title: str) -> None:
    """Raise UsageError unless the authority can revoke the certificate."""
    if certificate.der == authority.der:
        if certificate.is_self_issued:
            raise UsageError(f"{title} is the root itself, which nobody can revoke: take it off the devices instead")
        raise UsageError(f"{title} is this authority's own: only the authority above it can revoke it")
    if issuer_among(certificate, [authority]) is None:
        if certificate.is_self_issued:
            raise UsageError(f"{title} has signed itself, which nobody can revoke: take it off the devices instead")
        raise UsageError(
            f"{title} was issued by {visible(str(certificate.issuer))}, which alone can revoke it, and not by"
            f" {visible(str(authority.subject))}, whose folder this is",
            hint="--pki DIR names another folder",
        )


def _entries(store: Store) -> Iterator[Entry]:
    path = store.path / "index.txt"
    return index.read(path, mend=True) if path.exists() else iter(())


def _entry(store: Store, certificate: Certificate) -> Entry | None:
    """Return the line of the certificate in the index; raises Error if it is about another with that number."""
    found = None
    for entry in _entries(store):
        if entry.serial_number == certificate.serial_number:
            where = f"{store.path / 'index.txt'}, line {entry.line}"
            if entry.not_after != certificate.not_after:
                raise Error(f"{where}: another certificate has the serial number {entry.serial_hex}, with another end")
            if entry.serial_hex.lstrip("0") != certificate.serial_hex.lstrip("0"):
                raise Error(
                    f"{where}: openssl writes the serial number {visible(entry.serial_hex)} as"
                    f" {certificate.serial_hex}, and finds no other"
                )
            found = entry
    return found


def _has_copy(store: Store, certificate: Certificate) -> bool:
    """Tell whether the folder has a copy by serial number; raises Error if that is of another certificate.

    A stranger can write whatever else is in a certificate: name, key identifiers, serial number and dates.
    """
    digits = certificate.serial_hex.lstrip("0")
    for folder, suffix in layout.COPIES_BY_SERIAL:
        # easy-rsa and openssl ca write a whole number of bytes, as does serial_hex; others may not.
        for name in dict.fromkeys((certificate.serial_hex, digits, f"0{digits}")):
            path = store.path / folder / f"{name}{suffix}"
            with suppress(UnreadableError):
                copy = load(path)
                if copy.der == certificate.der:
                    return True
                if copy.serial_number == certificate.serial_number:
                    raise UsageError(f"another certificate has its serial number here: {path}")
    return False


def _time_of_validity(*chain: Certificate) -> int:
    """Return when a certificate and those above it have all begun, in seconds since 1970.

    What has expired can be revoked; only not if a renewed root began after that.
    """
    return int(max(certificate.not_before for certificate in chain).timestamp())


def _next_list(store: Store, authority: Certificate) -> tuple[revoke.ListOrder | None, tuple[str, ...]]:
    """Return the order for a list like the one that is there, if there is one, and what is to be said of it."""
    path = store.path / "crl.pem"
    if not path.exists():
        return None, ()
    if not _may_sign_lists(authority):
        return None, (
            f"{path} stays as it is: the authority may not sign revocation lists (its key usage lacks cRLSign)",
        )
    try:
        dates = crl.dates(path)
    except UnreadableError as error:
        return _list_order(authority, timedelta(days=revoke.LIST_DAYS)), (f"a new one takes the place of {error}",)
    lifetime = dates.next_update - dates.this_update if dates.next_update else timedelta()
    if not timedelta() < lifetime <= _LONGEST_LIST:
        lifetime = timedelta(days=revoke.LIST_DAYS)
    return _list_order(authority, lifetime), ()


def _list_order(authority: Certificate, lifetime: timedelta) -> revoke.ListOrder:
    hours = -(-lifetime // timedelta(hours=1))
    return revoke.ListOrder(hours=hours, by_key_identifier=authority.subject_key_identifier is not None)


def _may_sign_lists(authority: Certificate) -> bool:
    return authority.key_usage is None or "cRLSign" in authority.key_usage


def _moves(store: Store, certificate: Certificate, found: lookup.Found) -> tuple[tuple[Publish, ...], tuple[str, ...]]:
    """Return where the certificate's own files go, as easy-rsa has it, and what is left and why.

    The copy by serial number stays, from which `list` reads what a certificate was.
    """
    issued = found.files.get("certificate")
    if issued is None or issued.parent != store.path / "issued":
        return (), ()
    stem, serial = issued.stem, certificate.serial_hex
    if not stem.isprintable() or " " in stem:
        return (), (f"its files stay where they are, as their name has a blank in it: {visible(stem)}",)
    candidates = [("issued", ".crt", "certs_by_serial", What.CERTIFICATE)]
    left: tuple[str, ...] = ()
    if _starts_with(store.path / "issued" / f"{stem}-chain.pem", certificate):
        candidates.append(("issued", "-chain.pem", "certs_by_serial", What.CHAIN))
    if _is_its_request(store.path / "reqs" / f"{stem}.req", certificate):
        candidates += [
            ("private", ".key", "private_by_serial", What.KEY),
            ("reqs", ".req", "reqs_by_serial", What.REQUEST),
            ("private", ".p12", "private_by_serial", What.P12),
            *(
                (folder, suffix, f"{kind}_by_serial", What(suffix[1:]))
                for folder, kind in (("issued", "certs"), ("private", "private"))
                for suffix in (".p12", ".p7b", ".p8", ".p1")
            ),
        ]
    else:
        left = (f"reqs/{stem}.req and what goes with it is for another key, and stays where it is",)
    moves = {
        f"{folder}/{stem}{suffix}": Publish(
            f"../{folder}/{stem}{suffix}", f"revoked/{place}/{serial}{suffix}", None, what, Existing.KEEP
        )
        for folder, suffix, place, what in candidates
        if (store.path / folder / f"{stem}{suffix}").is_file()
    }
    return tuple(moves.values()), left


def _starts_with(chain: Path, certificate: Certificate) -> bool:
    with suppress(UnreadableError):
        return load(chain).der == certificate.der
    return False


def _is_its_request(path: Path, certificate: Certificate) -> bool:
    """Tell whether a request is for the certificate's key; where there is none, file names have to do."""
    if not path.is_file():
        return True
    with suppress(UnreadableError):
        for block in pem_blocks(read_file(path)):
            if block.label in REQUEST_LABELS:
                return decode_request(block.body).public_key == certificate.public_key
    return False
