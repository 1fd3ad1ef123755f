"""Why a phone refuses a live server: the likely causes, the most likely one first, and what to do about each."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.clock import CLOCK, refuse_wrong_clock
from opensslgen.jobs.job import Violation
from opensslgen.names.general import GeneralName, file_name, parse_host
from opensslgen.pki import index, lookup
from opensslgen.pki.folder import Folder, issued_files
from opensslgen.plan import layout
from opensslgen.rules.names import matches
from opensslgen.rules.rule import ERROR, NOTE, WARNING, Case, judge
from opensslgen.suggest import suggest
from opensslgen.x509.certificate import Certificate

from .live import ServerTarget, judge_servers, server_target
from .records import authorities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from opensslgen.pki.lookup import Found

    from .result import Result, Settings

HTTPS = 443
"""The port of a host without one."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong, and what to do about it."""

    id: str
    """The rule's, or one of ours in `_KINDS`."""
    severity: str
    """ERROR: phones refuse the server for it; WARNING: some may, or it cannot be told."""
    what: str
    where: tuple[str, ...]
    """The addresses of the server that have it; empty: it concerns none in particular."""
    steps: tuple[str, ...]
    """What to do, in this order; commands can be pasted."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """The answer to why a phone refuses a server."""

    target: str
    results: tuple[Result, ...]
    """One for each address."""
    causes: tuple[Cause, ...]
    """The most likely one first."""
    root: Certificate | None
    """The root that phones need; None if it is not known."""
    is_own_root: bool
    """Whether that root is the pki folder's."""

    @property
    def is_refused(self) -> bool:
        """Whether phones refuse it for a cause that was found."""
        return any(cause.severity == ERROR for cause in self.causes)

    @property
    def is_unknown(self) -> bool:
        """Whether no address could be judged."""
        return all(result.unreadable is not None for result in self.results)


def target_of(text: str, *, starttls: str | None = None, servername: str | None = None) -> ServerTarget:
    """Return the server that `HOST[:PORT]` or a URL names; raises UsageError if it names none."""
    is_ipv6 = False
    with suppress(UsageError):
        is_ipv6 = ":" in text and ":" in parse_host(text).value
    target = server_target(f"[{text}]:{HTTPS}" if is_ipv6 else text, starttls=starttls, servername=servername)
    target = target or server_target(f"{text}:{HTTPS}", starttls=starttls, servername=servername)
    if target is None:
        raise UsageError(f"{text!r} is not a server: write HOST or HOST:PORT")
    return target


def why(target: ServerTarget, *, pki: Path, settings: Settings, timeout: float, until: float = math.inf) -> Why:
    """Ask a server on all its addresses, none after `until`, and return what may keep phones from accepting it."""
    known = _Known(pki)
    results = tuple(
        judge_servers(
            [target],
            settings=settings,
            timeout=timeout,
            anchors=known.roots,
            pool=known.intermediates,
            until=until,
        )
    )
    found = _Places()
    found.extend(None, _of_clock(known))
    for result in results:
        found.extend(result.target, _of_result(result, target, known, settings))
    last = next((_last(result) for result in results if result.certificate), None)
    root = last if last is not None and last.is_self_signed and last.is_authority else None
    return Why(
        target=target.text,
        results=results,
        causes=_cured_at_once(found.causes(len(results))),
        root=root,
        is_own_root=root is not None and any(root.der == own.der for own in known.roots),
    )


class _Known:
    """What the pki folder knows; everything is empty if it is missing."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        found = tuple(authorities(path)) if path.is_dir() else ()
        self.roots = tuple(each for each in found if each.is_self_signed)
        self.intermediates = tuple(each for each in (*found, *self._issued_cas()) if not each.is_self_signed)

    def _issued_cas(self) -> Iterator[Certificate]:
        for path in issued_files(self.folder.path):
            with suppress(Error):
                certificate = self.folder.load(path)
                if certificate.is_authority:
                    yield certificate

    @property
    def has_ca(self) -> bool:
        return self.folder.root is not None

    def certificate_for(self, name: GeneralName) -> Found | None:
        """Return the certificate in use for a name; None if there is none, or more than one."""
        with suppress(Error):
            return lookup.find_in_folder(self.folder, name.value)
        return None

    def is_ours(self, result: Result) -> bool:
        return any(_last(result).der == root.der for root in self.roots)

    def is_revoked(self, certificate: Certificate) -> bool:
        with suppress(Error):
            entries = index.read(self.folder.index, mend=True, state=index.REVOKED)
            return any(entry.serial_number == certificate.serial_number for entry in entries)
        return False


class _Kind(NamedTuple):
    """A kind of cause: what it is called, and what to do about it."""

    id: str
    title: str | None
    """Before the message of a finding; None: the message says it all."""
    steps: Callable[[_Context], tuple[str, ...]]


class _Context(NamedTuple):
    """What the steps are for."""

    target: ServerTarget
    known: _Known
    certificate: Certificate | None

    @property
    def pki(self) -> Path:
        return self.known.folder.path


def _new_certificate(context: _Context) -> tuple[str, ...]:
    """Issue another one: for the name that was asked, and the valid names of the one that is sent."""
    main = context.target.name
    others = dict.fromkeys(
        name.value
        for name in (context.certificate.names if context.certificate else ())
        if name.kind in ("DNS", "IP") and name != main and not matches(main, (name,)) and _is_name(name)
    )
    options = [word for other in list(others)[:_MOST_NAMES] for word in ("--san", other)]
    if not context.known.has_ca:
        options.append("--new-ca")
    stem = file_name(main)
    if (context.pki / layout.certificate(stem)).exists():
        options.append("--force")
    return (suggest("server", main.value, *options, pki=context.pki), *_install(context, stem))


_MOST_NAMES = 10


def _is_name(name: GeneralName) -> bool:
    """Tell whether a name is one that can be asked for."""
    try:
        return parse_host(name.value).kind == name.kind
    except UsageError:
        return False


def _install(context: _Context, stem: str | None = None) -> tuple[str, ...]:
    stem = stem or file_name(context.target.name)
    files = (context.pki / layout.chain(stem), context.pki / layout.key(stem))
    return (f"install {files[0]} and {files[1]} on the server, and restart it",)


def _renew(context: _Context) -> tuple[str, ...]:
    found = context.known.certificate_for(context.target.name)
    if found is None or context.certificate is None or found.certificate.der != context.certificate.der:
        return _new_certificate(context)
    with suppress(Error):
        stem = lookup.stem_to_renew(context.known.folder, found)
        return (suggest("renew", stem, pki=context.pki), *_install(context, stem))
    return _new_certificate(context)


def _wait_or_renew(context: _Context) -> tuple[str, ...]:
    return ("set the clock of the machine that issued it", *_renew(context))


def _send_chain(context: _Context) -> tuple[str, ...]:
    found = context.known.certificate_for(context.target.name)
    stem = found.path.stem if found else file_name(context.target.name)
    chain = context.pki / layout.chain(stem)
    if not chain.exists():
        return ("let the server send the certificate of the intermediate CA after its own",)
    return (f"let the server send {chain}, which has the intermediate CA in it, and restart it",)


def _settings(_: _Context) -> tuple[str, ...]:
    return ("allow TLS 1.2 or later with ECDHE and AES-GCM in the settings of the server, and update it if it cannot",)


def _reach(context: _Context) -> tuple[str, ...]:
    return (
        f"check that the name, the port {context.target.port} and the firewall are right, and that the server runs;"
        " mail and some other servers need --starttls",
    )


def _trust(context: _Context) -> tuple[str, ...]:
    own = suggest("trust", "--share", pki=context.pki)
    steps = ("if a public CA issued it, phones trust it already", "otherwise install its root on the phone")
    if not context.known.has_ca:
        return steps
    return (*steps[:1], f"otherwise replace it by one of your own CA: {_new_certificate(context)[0]}", own)


def _look(context: _Context) -> tuple[str, ...]:
    return (suggest("audit", context.target.text), *_new_certificate(context))


_OLD = "old-certificate"
_CLOCK_STEPS = ("set the clock of this machine, and ask again",)
_KINDS = (
    # Without a connection, nobody sees a certificate.
    _Kind("unreachable", None, _reach),
    _Kind("protocol", "it speaks only old versions of TLS", _settings),
    _Kind(CLOCK, None, lambda _: _CLOCK_STEPS),
    # Installing what is there already cures all that follows.
    _Kind(_OLD, "it still sends an old certificate", _install),
    _Kind("revoked", "its certificate was revoked", _new_certificate),
    _Kind("self-signed", "its certificate is self-signed, not issued by a CA", _new_certificate),
    _Kind("expired", "a certificate has expired", _renew),
    _Kind("not-yet-valid", "a certificate is not valid yet", _wait_or_renew),
    # A name that is in the wrong place is a mismatch with a known reason.
    _Kind("ip-as-dns", "an address is written as a name", _new_certificate),
    _Kind("apple-san", "it has no usable subject alternative name", _new_certificate),
    _Kind("host-mismatch", "the certificate is for other names", _new_certificate),
    _Kind("not-sent", "it does not send its whole chain", _send_chain),
    _Kind("apple-eku", "the extended key usage serverAuth is missing", _new_certificate),
    _Kind("apple-validity", "it is valid for too long", _new_certificate),
    _Kind("apple-key-size", "a key is too short", _new_certificate),
    _Kind("apple-signature-hash", "a signature is too weak", _new_certificate),
    _Kind("leaf-is-ca", "its certificate is a CA's", _new_certificate),
)
"""The known causes, the most likely one first. Other errors follow these, then `_LAST`, then warnings."""
_LAST = (
    _Kind("unknown-issuer", "its issuer is not known here", _trust),
    _Kind("other-root", "its root is not yours", _trust),
    _Kind("ats-cipher", "its cipher suite is not one of App Transport Security", _settings),
)
_OTHER = _Kind("", None, _look)
_BY_ID = {kind.id: (rank, kind) for rank, kind in enumerate(_KINDS)} | {
    kind.id: (len(_KINDS) + 1 + rank, kind) for rank, kind in enumerate(_LAST)
}
_SEVERITIES = (ERROR, WARNING)


class _Places:
    """Causes, with the addresses that have each."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[Cause, list[str]]] = {}

    def extend(self, where: str | None, causes: Iterable[Cause]) -> None:
        for cause in causes:
            _, places = self._found.setdefault((cause.id, cause.what), (cause, []))
            if where is not None:
                places.append(where)

    def causes(self, count: int) -> tuple[Cause, ...]:
        """Return them, the most likely one first; those of all `count` addresses name none."""
        found = [
            replace(cause, where=() if len(places) == count else tuple(places))
            for cause, places in self._found.values()
        ]
        return tuple(sorted(found, key=lambda cause: (_SEVERITIES.index(cause.severity), _rank(cause.id))))


def _cured_at_once(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """Return the causes; where installing a certificate that is there cures them, nobody is to issue another one."""
    old = next((cause for cause in causes if cause.id == _OLD), None)
    if old is None:
        return causes
    return tuple(
        replace(cause, steps=old.steps) if cause.severity == ERROR and _rank(cause.id) > _rank(_OLD) else cause
        for cause in causes
    )


def _rank(id: str) -> int:  # noqa: A002 - as the field is called
    return _BY_ID[id][0] if id in _BY_ID else len(_KINDS)


def _cause(id: str, message: str, context: _Context, severity: str = ERROR) -> Cause:  # noqa: A002
    kind = _BY_ID[id][1] if id in _BY_ID else _OTHER
    return Cause(id, severity, f"{kind.title}: {message}" if kind.title else message, (), kind.steps(context))


def _of_clock(known: _Known) -> Iterator[Cause]:
    try:
        refuse_wrong_clock(known.folder.path if known.has_ca else None, allow=())
    except Violation as error:
        for finding in error.findings:
            yield Cause(CLOCK, ERROR, finding.message, (), _CLOCK_STEPS)


def _of_result(result: Result, target: ServerTarget, known: _Known, settings: Settings) -> Iterator[Cause]:
    context = _Context(target, known, result.certificate)
    if result.unreadable is not None:
        yield _cause("unreachable", result.unreadable, context)
    certificate = result.certificate
    if certificate is None:
        return
    for finding in result.findings:
        if finding.rule.severity != NOTE:
            yield _cause(finding.rule.id, finding.message, context, finding.rule.severity)
    yield from _of_folder(certificate, result, context, settings)
    yield from _of_chain(certificate, result, context)


def _of_folder(certificate: Certificate, result: Result, context: _Context, settings: Settings) -> Iterator[Cause]:
    """Return what the pki folder says about the certificate that is sent."""
    known = context.known
    if known.is_ours(result) and known.is_revoked(certificate):
        yield _cause("revoked", f"serial number {certificate.serial_hex}", context)
    found = known.certificate_for(context.target.name)
    if found is None or found.certificate.der == certificate.der:
        return
    case = Case(found.certificate, found.issuer, settings.at, host=context.target.name)
    is_good = not any(finding.rule.severity == ERROR for finding in judge(case, settings.rules))
    if is_good and not known.is_revoked(found.certificate) and found.certificate.not_before > certificate.not_before:
        stem = found.path.stem
        message = f"{found.path} is newer, and expires on {found.certificate.not_after.date()}"
        yield replace(_cause(_OLD, message, context), steps=_install(context, stem))


def _of_chain(certificate: Certificate, result: Result, context: _Context) -> Iterator[Cause]:
    """Return what may be wrong with the way from the certificate to a root that phones have."""
    sent = set(result.answer.chain) if result.answer else set()
    last = _last(result)
    missing = [each for each in result.path if each.der not in sent and not each.is_self_signed]
    if missing:
        yield _cause("not-sent", " and ".join(f"{each.subject} is missing" for each in missing), context)
    if context.known.is_ours(result):
        return
    if not result.path and certificate.is_self_signed:
        yield _cause("self-signed", f"{certificate.subject or 'it has no subject'}", context)
    elif last.is_self_signed:
        yield _cause("other-root", f"phones need {last.subject}", context, WARNING)
    elif not result.path:
        message = f"{last.issuer or 'an issuer without a name'} is neither sent nor in {context.pki}"
        yield _cause("unknown-issuer", message, context, WARNING)
    else:
        yield _cause("other-root", f"phones need {last.issuer}, or a root above it", context, WARNING)


def _last(result: Result) -> Certificate:
    assert result.certificate
    return (result.certificate, *result.path)[-1]
