"""What was signed, put in place on a host: certificate, chain, root, its own key; and the vendor's script mended."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.gen_certs.patch import DAYS, patched
from opensslgen.names.general import file_name, parse_host
from opensslgen.plan import layout
from opensslgen.text import visible
from opensslgen.trust.anchor import anchor
from opensslgen.x509.pem import CERTIFICATE, pem

from .remote import call
from .request import FOLDER, YET, description, first_certificate, key_of, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .remote import Answer, Host

VENDORS_SCRIPT = "/opt/Avaya/scripts/gen_certs.sh"
"""Where an IP Office has it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file goes on a host."""

    what: str
    """certificate, chain, root or key."""
    path: str
    mode: str = "0644"
    """Four octal digits."""
    owner: str = ""
    """As chown takes it, such as root:ssl-cert; empty: whoever connects."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a host is to have besides the files in its pki folder."""

    places: tuple[Place, ...] = ()
    script: str = VENDORS_SCRIPT
    """The vendor's script, which is mended if it is there; empty: none is."""
    script_days: int = DAYS
    reload: str = ""
    """The command that is run when anything has changed, and again in the next run until it succeeds."""


@dataclass(frozen=True)
class Change:
    """A file on a host that is, or would be, another than before."""

    path: str
    before: str
    """What may be shown of it; nothing of a key."""
    after: str


@dataclass(frozen=True)
class Installation:
    """What was done on a host, or would be."""

    changes: tuple[Change, ...]
    reloaded: bool
    not_after: datetime | None
    """When the certificate expires; None if it is yet to be signed."""
    fault: str | None = None
    """What went wrong although the files are in place: the script was not recognised, or the command failed."""


def parse_place(what: str, *, path: str, mode: str | None = None, owner: str | None = None) -> Place:
    """Return where a file goes; raises UsageError for a faulty path, mode or owner, or a key that all can read."""
    mode = mode or ("0600" if what == "key" else "0644")
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise UsageError(f"{visible(path)} is not the absolute path of a file")
    if not re.fullmatch("0[0-7]{3}", mode):
        raise UsageError(f"the mode {visible(mode)} is not four octal digits in quotes, such as '0644'")
    if what == "key" and int(mode, 8) & 0o007:
        raise UsageError(f"with the mode {mode} everybody on the host could read the key {path}")
    if owner and not re.fullmatch(r"(?!:$)(\w[\w.-]*)?(:\w[\w.-]*)?", owner, re.ASCII):
        raise UsageError(f"the owner {visible(owner)} is not written as user, user:group or :group")
    return Place(what=what, path=path, mode=mode, owner=owner or "")


def install(host: Host, name: str, *, pki: Path, wish: Wish, folder: str = FOLDER, check: bool = False) -> Installation:
    """Put what this machine's pki folder has for a host in place there, and run its command if anything has changed.

    Only files that differ are written, all of them beside their places before the first is renamed. With `check`
    nothing is. Raises Error if there is no certificate, or if it is not for the key that the host has.
    """
    stem = file_name(parse_host(name))
    content = _content(stem, pki)
    certificate = content.get("certificate")
    if certificate is None and not check:
        raise Error(f"{pki} has no certificate for {name}", hint="have the host's request signed first")
    files = paths(stem, folder)
    places = [*(Place(what=what, path=files[what]) for what in ("certificate", "chain", "root")), *wish.places]
    there = host.answer(*_questions(places, wish, key=files["key"], marker=posixpath.join(folder, f".reload-{stem}")))
    if certificate is not None:
        _check_key(there, certificate, may_lack=check)
    changes = []
    steps = []
    for number, target in enumerate(places):
        change = _change(there, f"file{number}", target, content)
        if change:
            changes.append(change)
            steps.append(_step(target, content, key=files["key"]))
    if steps:
        steps.append("put_in_place")
    mended, fault = _mend_script(there, wish)
    if mended:
        changes.append(mended[0])
        steps.append(mended[1])
    is_due = bool(wish.reload) and (bool(changes) or there.text("marker") is not None)
    not_after = None if certificate is None else first_certificate(certificate).not_after
    if not check and (steps or is_due):
        if is_due:
            steps = [call("reload_later", folder, stem), *steps, call("reload", folder, stem, wish.reload)]
        fault = _reload_fault(host.answer(*steps)) or fault
    return Installation(tuple(changes), is_due, not_after, fault)


def _content(stem: str, pki: Path) -> dict[str, bytes]:
    """Return the root that clients are to trust, and certificate and chain for a host if there are any yet."""
    content = {"root": pem(CERTIFICATE, anchor(pki).der).encode()}
    certificate, chain = (pki / layout.certificate(stem), pki / layout.chain(stem))
    if certificate.exists():
        content["certificate"] = read_file(certificate)
        content["chain"] = read_file(chain if chain.exists() else certificate)
    return content


def _questions(places: Iterable[Place], wish: Wish, *, key: str, marker: str) -> list[str]:
    calls = [call("tell_key", "key", key), call("describe", "marker", marker)]
    for number, target in enumerate(places):
        if target.what == "key":
            calls += [call("describe", f"file{number}", target.path)]
            calls += [call("tell_same", f"file{number}.same", target.path, key)]
        else:
            calls.append(call("tell_certificate", f"file{number}", target.path))
    return [*calls, call("tell_script", "script", wish.script)] if wish.script else calls


def _check_key(there: Answer, certificate: bytes, *, may_lack: bool) -> None:
    key = key_of(there)
    if key is None and may_lack:
        return
    if key is None:
        raise Error("the host has no key", hint="let it make its request first")
    if key != first_certificate(certificate).public_key:
        raise Error(
            "the certificate is not for the key that the host has now", hint="have the host's new request signed"
        )


def _change(there: Answer, name: str, target: Place, content: Mapping[str, bytes]) -> Change | None:
    """Return how a file on the host differs from what it should be; None if it does not."""
    mode, owner = _mode(there, name), there.text(f"{name}.owner")
    if target.what == "key":
        is_same = there.text(f"{name}.same") == "yes"
        before, after = ("the key\n" if is_same else "another key\n"), "the key\n"
    else:
        new = content.get(target.what)
        is_same = new is not None and there.text(f"{name}.digest") == hashlib.sha256(new).hexdigest()
        before, after = _certificates(there.data(name) or b""), YET if new is None else _certificates(new)
    if is_same and mode == target.mode and _is_of(there, name, target.owner):
        return None
    was = f"{before}mode: {mode}\nowner: {visible(owner or '')}\n" if mode else ""
    becomes = target.owner or (owner if is_same else None)
    return Change(
        target.path, was, f"{after}mode: {target.mode}\n" + (f"owner: {visible(becomes)}\n" if becomes else "")
    )


def _step(target: Place, content: Mapping[str, bytes], *, key: str) -> str:
    if target.what == "key":
        return call("stage", target.path, target.mode, target.owner, key)
    return call("stage", target.path, target.mode, target.owner, stdin=content.get(target.what, b""))


def _mode(there: Answer, name: str) -> str | None:
    """Return the mode of a file on the host in four octal digits, from the letters that `ls -l` prints."""
    letters = there.text(f"{name}.mode")
    if letters is None:
        return None
    bits = "".join("0" if letter in "-ST" else "1" for letter in letters[1:10])
    return f"0{int(bits, 2):03o}"


def _is_of(there: Answer, name: str, owner: str) -> bool:
    """Tell whether a file belongs to user:group, either of which may be missing, and may be a name or a number."""
    wanted = owner.split(":")
    known = [(there.text(f"{name}.{what}") or "").split(":") for what in ("number", "owner")]
    return all(not part or any(part in parts[at : at + 1] for parts in known) for at, part in enumerate(wanted))


def _certificates(data: bytes) -> str:
    """Return a line on the first certificate in a file, which is what a host tells of its own."""
    try:
        return description(first_certificate(data))
    except UnreadableError:
        return "no certificate\n"


def _mend_script(there: Answer, wish: Wish) -> tuple[tuple[Change, str] | None, str | None]:
    """Return the change to the vendor's script and the call that makes it, if one is needed, or what is wrong there."""
    data = there.data("script")
    if data is None:
        return None, None
    try:
        if b"\0" in data:
            raise UnreadableError(f"{wish.script}: has a NUL byte, so it is not a shell script")
        patch = patched(data.decode("latin-1"), days=wish.script_days, name=wish.script)
    except UnreadableError as error:
        return None, visible(error.message)
    if not patch.edits:
        return None, None
    new = patch.text.encode("latin-1")
    digest = hashlib.sha256(data).hexdigest()
    step = call("mend", wish.script, digest, f"{datetime.now(timezone.utc):%Y%m%d}", stdin=new)
    return (Change(wish.script, _printable(data), _printable(new)), step), None


def _printable(script: bytes) -> str:
    """Return a script for a terminal, in which nothing but tabs and line feeds has a meaning of its own."""
    lines = script.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in lines)


def _reload_fault(answer: Answer) -> str | None:
    """Return why the command to reload has failed, if it has."""
    status = answer.text("reload")
    if status in (None, "0"):
        return None
    said = (answer.data("reload.said") or b"").decode("utf-8", "replace").strip()
    return f"the command to reload exits with {status}" + (f": {visible(said)}" if said else "")
