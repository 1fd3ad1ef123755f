"""Install the certificate, the chain, the root and the key on a host, and patch the vendor's script."""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.audit.script_edits import edit_vendors
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.read import read_file
from opensslgen.gen_certs.patch import DAYS
from opensslgen.names.general import file_name, parse_host
from opensslgen.plan import layout, targets
from opensslgen.plan.script import call
from opensslgen.text import visible
from opensslgen.trust.anchor import anchor
from opensslgen.x509.pem import CERTIFICATE, pem

from .request import FOLDER, YET, description, first_certificate, key_of, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .remote import Answer, Host

VENDORS_SCRIPT = "/opt/Avaya/scripts/gen_certs.sh"
"""Its path on an IP Office."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of a file on a host."""

    what: str
    """certificate, chain, root or key."""
    path: str
    mode: str = "0644"
    """Four octal digits."""
    owner: str = ""
    """As chown takes it, such as root:ssl-cert; empty: the user who connects."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to install on a host besides the files in its pki folder."""

    places: tuple[Place, ...] = ()
    script: str = VENDORS_SCRIPT
    """The vendor's script, which is patched if it exists; empty: no script."""
    script_days: int = DAYS
    reload: str = ""
    """The command to run after a change, and again in each later run until it succeeds."""


@dataclass(frozen=True)
class Change:
    """A file on a host that has changed, or would change."""

    path: str
    before: str
    """What may be shown of it, which is nothing of a key."""
    after: str


@dataclass(frozen=True)
class Installation:
    """What was changed on a host, or would be."""

    changes: tuple[Change, ...]
    reloaded: bool
    not_after: datetime | None
    """When the certificate expires; None if it is not signed yet."""
    fault: str | None = None
    """An error after the files were put in place: the script was not recognised, or the command failed."""


def parse_place(what: str, *, path: str, mode: str | None = None, owner: str | None = None) -> Place:
    """Return the place of a file; raises UsageError for a wrong path, mode or owner, or if all could read the key."""
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


_CONTENTS = {
    ("key",): "key",
    ("certificate",): "certificate",
    ("certificate", "intermediates"): "chain",
    ("root",): "root",
}
"""What a host has of its own, by the parts of a target's file."""


def wish_of(name: str, settings: Mapping[str, str], *, stem: str) -> Wish:
    """Return the places and the command of one of `plan.targets.NAMES`, with these settings.

    The vendor's script is left alone. Raises UsageError for a target that needs more than the files of the host.
    """
    target = targets.target(name)
    if not target.is_deployable or any(place.piece.parts not in _CONTENTS for place in target.places):
        raise UsageError(
            f"the target {name} cannot be used with Ansible, because the key does not leave the host",
            hint="use opensslgen deploy",
        )
    values = target.values(tuple(settings.items()), name=stem)
    commands = [text for each in ("test", "activate") if (text := target.commands.get(each))]
    state = "\n".join(f"{key}={shlex.quote(value)}" for key, value in values.items())
    return Wish(
        places=tuple(
            Place(what=_CONTENTS[place.piece.parts], path=values[place.variable], mode=place.mode, owner=place.owner)
            for place in target.places
            if place.path
        ),
        script="",
        reload="\n".join(("set -e", state, *commands)),
    )


def install(host: Host, name: str, *, pki: Path, wish: Wish, folder: str = FOLDER, check: bool = False) -> Installation:
    """Install on a host what the pki folder of this machine has for it, and run its command if anything has changed.

    Only files that differ are written. All of them are next to their places before the first one is renamed. With
    `check`, nothing is written. Raises Error if there is no certificate, or if it is not for the host's key.
    """
    stem = stem_of(name)
    content = _content(stem, pki)
    certificate = content.get("certificate")
    if certificate is None and not check:
        raise Error(f"{pki} has no certificate for {name}", hint="sign the request of the host first")
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
    mended, fault = _patch_script(there, wish)
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


def stem_of(name: str) -> str:
    """Return the stem of the names of a host's files; raises UsageError."""
    return file_name(parse_host(name))


def _content(stem: str, pki: Path) -> dict[str, bytes]:
    """Return the root that clients trust and, if they exist yet, the certificate and the chain of a host."""
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
        raise Error("the host has no key", hint="make a request on the host first")
    if key != first_certificate(certificate).public_key:
        raise Error("the certificate is not for the present key of the host", hint="sign the host's new request")


def _change(there: Answer, name: str, target: Place, content: Mapping[str, bytes]) -> Change | None:
    """Return the change of a file on the host; None if it is as it should be."""
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
    """Tell whether a file belongs to user:group; each may be a name or a number, and one may be missing."""
    wanted = owner.split(":")
    known = [(there.text(f"{name}.{what}") or "").split(":") for what in ("number", "owner")]
    return all(not part or any(part in parts[at : at + 1] for parts in known) for at, part in enumerate(wanted))


def _certificates(data: bytes) -> str:
    """Return a line about the first certificate in a file, as for a file on the host."""
    try:
        return description(first_certificate(data))
    except UnreadableError:
        return "no certificate\n"


def _patch_script(there: Answer, wish: Wish) -> tuple[tuple[Change, str] | None, str | None]:
    """Return the change to the vendor's script and the call that makes it, if needed, or what is wrong with it."""
    data = there.data("script")
    if data is None:
        return None, None
    try:
        patch = edit_vendors(data, days=wish.script_days, name=wish.script)
    except UnreadableError as error:
        return None, visible(error.message)
    if not patch.edits:
        return None, None
    new = patch.data
    digest = hashlib.sha256(data).hexdigest()
    step = call("mend", wish.script, digest, f"{datetime.now(timezone.utc):%Y%m%d}", stdin=new)
    return (Change(wish.script, _printable(data), _printable(new)), step), None


def _printable(script: bytes) -> str:
    """Return a script that is safe to print: of all control characters, it has only tabs and line feeds."""
    lines = script.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in lines)


def _reload_fault(answer: Answer) -> str | None:
    """Return why the command failed; None if it did not."""
    status = answer.text("reload")
    if status in (None, "0"):
        return None
    said = (answer.data("reload.said") or b"").decode("utf-8", "replace").strip()
    return f"the reload command failed with exit code {status}" + (f": {visible(said)}" if said else "")
