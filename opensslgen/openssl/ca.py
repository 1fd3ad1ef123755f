"""The copy of a CA's index for `openssl ca`, and checks of what it has changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.patterns import pattern
from opensslgen.pki import index
from opensslgen.plan import layout
from opensslgen.x509 import certificate as x509
from opensslgen.x509 import crl

if TYPE_CHECKING:
    from pathlib import Path

    from .workplace import Workplace

BEFORE = "index.before"
"""In the work folder: the index as it was copied."""

_NUMBER = pattern(r"[0-9A-Fa-f]+")


def copy_database(pki: Path, work: Path) -> None:
    """Put index.txt, mended, and crlnumber into the work folder; raises Error if they cannot be read."""
    path = pki / layout.INDEX
    try:
        mended = index.mend_index(path.read_bytes() if path.exists() else b"")
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    for name in (BEFORE, layout.INDEX):
        (work / name).write_bytes(mended)
    # The folder's own file might reject entries that the index already has.
    (work / layout.INDEX_ATTRIBUTES).write_text("unique_subject = no\n", encoding="ascii")
    number = f"{_next_number(pki):X}"
    (work / layout.CRL_NUMBER).write_text(f"{number.zfill(len(number) + len(number) % 2)}\n", encoding="ascii")


def _next_number(pki: Path) -> int:
    """Return the number of the next CRL (RFC 5280 section 5.2.3: never a lower one)."""
    path = pki / layout.CRL_NUMBER
    if path.exists():
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if not _NUMBER.fullmatch(text):
            raise UnreadableError(f"{path}: expected the number of the next CRL, in hex")
        return int(text, 16)
    try:
        last = crl.load(pki / layout.CRL).number if (pki / layout.CRL).exists() else None
    except UnreadableError:
        last = None
    return 1 if last is None else last + 1


def check_revoked(work: Path, *, serial_hex: str, reason: str | None, recorded: bool) -> None:
    """Raise Error unless only this certificate's line has changed, and says that it is revoked, and why."""
    given = b"" if reason is None else b",%b" % reason.encode()
    serial = serial_hex.encode()
    revoked = re.compile(rb"R\t[^\t]*\t[0-9]+Z%b\t%b\t.*" % (re.escape(given), re.escape(serial)))
    # The fields that may have changed are removed on both sides.
    state = re.compile(rb"^[VER]\t([^\t]*)\t[^\t]*(\t%b\t)" % re.escape(serial), re.MULTILINE)
    before, after = (state.sub(rb"\1\2", (work / name).read_bytes()) for name in (BEFORE, layout.INDEX))
    lines = (work / layout.INDEX).read_bytes().splitlines()
    if not recorded:
        after = after[: after.rstrip(b"\n").rfind(b"\n") + 1]
    if before != after or sum(map(bool, map(revoked.fullmatch, lines))) != 1:
        raise Error(f"openssl ca has changed more in the index than to revoke {serial_hex}")


def check_list(issuer: str, place: Workplace) -> None:
    """Raise Error unless crl.pem is signed by the issuer, and lists the revocations of the index."""
    work = place.work
    process = place.run(["crl", "-in", layout.CRL, "-CAfile", issuer, "-noout"], check=False)
    answer = (process.stdout + process.stderr).decode("utf-8", "replace").split()
    # The exit code is 0 even for a bad signature.
    if answer != ["verify", "OK"]:
        raise Error(f"openssl does not accept the signature of the new CRL: {' '.join(answer)}")
    made = crl.load(work / layout.CRL)
    if made.issuer != x509.load(work / issuer).subject:
        raise Error("the new CRL names another issuer")
    listed = sorted((entry.serial_number, entry.at, entry.reason or _UNSPECIFIED) for entry in made.revocations)
    entries = (entry for entry in index.read(work / layout.INDEX) if entry.state == index.REVOKED)
    if listed != sorted((entry.serial_number, entry.revoked_at, _reason(entry)) for entry in entries):
        raise Error("the new CRL does not list the same revocations as the index")
    # openssl ca has already increased it.
    if made.number is None or made.number + 1 != int((work / layout.CRL_NUMBER).read_text(encoding="ascii"), 16):
        raise Error("the new CRL does not have the next number")


def _reason(entry: index.Entry) -> str:
    """Return the reason in the CRL for an entry; the index may say more (`openssl ca -crl_hold` and so on)."""
    word = (entry.reason or _UNSPECIFIED).partition(",")[0]
    return _WORDS.get(word.lower(), word)


_UNSPECIFIED = crl.REASONS[0]
_WORDS = {
    **{word.lower(): word for word in crl.REASONS.values()},
    "holdinstruction": "certificateHold",
    "keytime": "keyCompromise",
    "cakeytime": "CACompromise",
}
