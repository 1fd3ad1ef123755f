"""Targets: servers and appliances that take a certificate, as small files that say what goes where, and how.

One description serves `export --for`, `deploy`, the column `deploy` of an inventory, `renew --deploy` and the form. The
files lie in `opensslgen/targets`; anyone can write one (manual/deploy.md).
"""

from __future__ import annotations

import configparser
import functools
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.text import meant, quote, visible
from opensslgen.x509.key_types import KEY_TYPES

from .export import Form, Piece
from .issue import P12_ENCRYPTIONS
from .steps import What

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAMES = (
    *("ip-office", "nginx", "apache", "haproxy", "asterisk", "kamailio", "postfix", "dovecot", "synology", "unifi"),
    *("proxmox", "mikrotik", "opnsense", "vodia", "generic"),
)
"""The targets that opensslgen knows; each is a file."""

STARTTLS = frozenset({"smtp", "imap", "pop3", "ldap", "ftp", "xmpp", "sieve", "lmtp", "postgres", "mysql"})
"""What a port may name; `openssl.s_client` knows how each is spoken."""
SETTINGS: Mapping[str, str] = {"state": "/var/lib/opensslgen/{target}", "ports": "", "wait": "30", "restore": ""}
"""What every target has, with its default: see manual/deploy.md."""
_COMMANDS = ("test", "activate", "ready", "restore")
_PARTS = ("certificate", "intermediates", "root", "key")
_FORMS = ("pem", "der", *P12_ENCRYPTIONS)
_FACTS = ("tested", "source", "use", "note", "keys", "alias", "password", "needs")
_FILE_KEYS = ("suffix", "parts", "form", "path", "mode", "owner")
_WHATS = {what.value: what for what in What}
_LARGEST = 1 << 16
"""Bytes of a target's file."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_OWNER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?::[A-Za-z_][A-Za-z0-9_.-]*)?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Port(NamedTuple):
    """A port on which the target shows its certificate."""

    number: int
    starttls: str | None
    """The protocol that is spoken before TLS; None: TLS from the first byte."""

    def __str__(self) -> str:
        return f"{self.number}/{self.starttls}" if self.starttls else str(self.number)


class Place(NamedTuple):
    """A file of a target."""

    piece: Piece
    path: str | None
    """Where it goes, with settings in braces; None: only people put it there."""
    mode: str
    """Four octal digits, for a file that is new."""
    owner: str
    """As chown takes it, for a file that is new; empty: the user who connects."""

    @property
    def variable(self) -> str:
        """The name by which commands know its path."""
        return self.piece.what.value.lower().replace(" ", "_")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is known of a server or an appliance."""

    name: str
    tested: str
    """On what, in one line."""
    source: str | None
    """The address of the document that it follows."""
    use: str
    """How people use the exported files, with their names in braces."""
    places: tuple[Place, ...]
    settings: Mapping[str, str]
    """The defaults of what `--set` changes."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Shell text by name: test, activate, ready, restore."""
    needs: tuple[str, ...] = ()
    """Programs that must be there."""
    keys: tuple[str, ...] = ()
    """The types of keys that it takes, as `--key-type` names them; empty: all."""
    alias: str | None = None
    """The name of the entry in a PKCS#12 file, if it must be a certain one."""
    password: str | None = None
    """The password of the PKCS#12 file, if it is the same everywhere and no secret."""
    note: str | None = None
    """What people should know of a deployment, in a sentence."""

    @property
    def form(self) -> Form:
        """What `export --for` writes."""
        return Form(tuple(place.piece for place in self.places), self.use, self.alias)

    @property
    def is_deployable(self) -> bool:
        """Whether it can be done by a shell there; otherwise people do it."""
        return "activate" in self.commands

    def values(self, changes: Iterable[tuple[str, str]], *, name: str) -> dict[str, str]:
        """Return the settings and the paths of the files, as commands see them; raises UsageError for a wrong one."""
        known = {**SETTINGS, **self.settings}
        places = {place.variable: place.path for place in self.places if place.path}
        for key, value in changes:
            if key not in known and key not in places:
                close = meant(key, [*known, *places])
                names = ", ".join(sorted({*known, *places}))
                hint = f"did you mean {close}?" if close else f"it has {names}"
                raise UsageError(f"the target {self.name} has no setting {quote(key)}", hint=hint)
            if not value.isprintable():
                raise UsageError(f"the setting {key} holds a control character")
            (places if key in places else known)[key] = value
        fixed = {"name": name, "target": self.name}
        values = {key: _filled(value, fixed) for key, value in known.items()}
        values |= {key: _filled(path, {**values, **fixed}) for key, path in places.items()}
        if not values["wait"].isdecimal() or not 1 <= int(values["wait"][:6]) <= 3600:
            raise UsageError(f"the setting wait is {quote(values['wait'])}: write seconds, from 1 to 3600")
        ports(values["ports"])
        if "address" in self.settings and values["address"] and not _is_ipv4(values["address"]):
            raise UsageError(f"the setting address is {quote(values['address'], always=True)}: write an IPv4 address")
        empty = [key for key in self.settings if not values[key] and key not in SETTINGS]
        if empty:
            raise UsageError(f"the target {self.name} has to know: {', '.join(empty)}", hint=f"add --set {empty[0]}=…")
        for key in (*places, "state"):
            _check_path(values[key], key)
        return {**values, **fixed}


def ports(text: str) -> tuple[Port, ...]:
    """Return the ports of a text such as `443 25/smtp`; raises UsageError."""
    found: list[Port] = []
    for word in text.replace(",", " ").split():
        number, slash, protocol = word.partition("/")
        if not (number.isascii() and number.isdecimal() and 1 <= int(number[:6]) <= 65535):
            raise UsageError(f"{quote(word)} is not a port: write 443, or 25/smtp where TLS begins by STARTTLS")
        if slash and protocol not in STARTTLS:
            raise UsageError(
                f"{quote(protocol)} is not a protocol for STARTTLS: use one of {', '.join(sorted(STARTTLS))}"
            )
        if int(number) in [port.number for port in found]:
            raise UsageError(f"the port {number} is listed twice")
        found.append(Port(int(number), protocol or None))
    return tuple(found)


@functools.cache
def target(name: str) -> Target:
    """Return one of NAMES; raises UsageError for another."""
    if name not in NAMES:
        close = meant(name, NAMES)
        hint = (
            f"did you mean {close}?"
            if close
            else f"there are {', '.join(NAMES)}; a file of your own has a / in its name"
        )
        raise UsageError(f"there is no target {quote(name, always=True)}", hint=hint)
    return parse(_shipped(name), name=name, file=f"targets/{name}.ini")


def read(path: Path) -> Target:
    """Return the target that a user's file describes; raises UnreadableError and UsageError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise UnreadableError(f"{path} is larger than {_LARGEST} bytes, so it is not a target's file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path} is not UTF-8 text") from error
    name = re.sub(r"[^a-z0-9-]+", "-", path.stem.lower()).strip("-") or "own"
    return parse(text, name=name, file=str(path))


class Where(NamedTuple):
    """A target, where it is, and what is set for it."""

    target: str
    """One of NAMES, or the path of a file, which has a / in it."""
    destination: str | None
    """A destination of ssh, or `local`; None: not said."""
    changes: tuple[tuple[str, str], ...] = ()
    """Settings by name."""

    @property
    def loaded(self) -> Target:
        """What is known of the target; raises UsageError and UnreadableError."""
        return read(Path(self.target)) if "/" in self.target else target(self.target)


def where(text: str) -> Where:
    """Return what one word says, such as `nginx@root@web1`, `./own.ini@local` or `local`; raises UsageError."""
    name, at, destination = text.partition("@")
    if name == "local" and not at:
        return Where("generic", "local")
    if not name or (at and not destination):
        raise UsageError(f"{quote(text, always=True)} is not TARGET@HOST: write nginx@root@web1, or nginx@local")
    return Where(name, destination or None)


def changes(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the settings of words such as `ports=443`; raises UsageError."""
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"the setting {quote(name)} has no value: write {quote(name)}=VALUE")
        found.append((name, value))
    return tuple(found)


def places(text: str) -> tuple[Where, ...]:
    """Return what a cell of an inventory says: `nginx@root@web1 ports=443; postfix@root@mail`.

    Words are quoted as in a shell. Raises UsageError unless each target is known and has all its settings, and
    UnreadableError for a file that describes one.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";")
    lexer.whitespace_split, lexer.commenters = True, ""
    groups: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word.strip(";"):
                groups[-1].append(word)
            else:
                groups.append([])
    except ValueError as error:
        raise UsageError(f"{quote(text)}: a quotation mark is missing") from error
    found = []
    for first, *rest in filter(None, groups):
        place = where(first)._replace(changes=changes(rest))
        if place.destination is None:
            raise UsageError(f"{quote(first)} does not say where it is: write {quote(first)}@HOST")
        if not place.loaded.is_deployable:
            raise UsageError(f"{place.target} has no shell, so nothing can be deployed there")
        place.loaded.values(place.changes, name="NAME")
        found.append(place)
    return tuple(found)


def parse(text: str, *, name: str, file: str) -> Target:
    """Return the target that a text describes; raises UnreadableError with the section and the key that are wrong."""
    # Shell text has # and ; inside its lines, and % means nothing.
    parser = configparser.ConfigParser(
        delimiters=("=",), comment_prefixes=("#",), interpolation=None, default_section=""
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise UnreadableError(
            f"{file}: {_fault(error)}", hint="manual/deploy.md describes the form of a target"
        ) from error
    wrong = _Wrong(file)
    for section in parser.sections():
        if section not in ("target", "settings", "commands") and not section.startswith("file "):
            raise wrong(f"[{section}]", "there is no such section: use target, settings, commands and file WHAT")
    for section in ("target", "settings", "commands"):
        if not parser.has_section(section):
            parser.add_section(section)
    facts = _facts(parser["target"], wrong)
    settings = wrong.values(parser["settings"], "settings")
    places = tuple(
        _place(wrong.known(parser[section], section, _FILE_KEYS), section, settings, wrong)
        for section in parser.sections()
        if section.startswith("file ")
    )
    if not places:
        raise wrong("[file …]", "it has no file")
    commands = {
        key: value for key, value in wrong.known(parser["commands"], "commands", _COMMANDS).items() if value.strip()
    }
    if commands and "activate" not in commands:
        raise wrong("[commands]", "activate is missing: what makes the server read its new files")
    if commands and not any(place.path for place in places):
        raise wrong("[commands]", "no file has a path, so nothing would be copied")
    try:
        ports(settings.get("ports", ""))
    except UsageError as error:
        raise wrong("[settings] ports", error.message) from error
    return Target(
        name=name,
        tested=facts["tested"],
        source=facts.get("source"),
        use=facts["use"],
        places=places,
        settings=settings,
        commands=commands,
        needs=tuple(facts.get("needs", "").split()),
        keys=tuple(facts.get("keys", "").split()),
        alias=facts.get("alias") or None,
        password=facts.get("password") or None,
        note=facts.get("note") or None,
    )


@dataclass(frozen=True)
class _Wrong:
    """Says what is wrong in a file."""

    file: str

    def __call__(self, where: str, what: str) -> UnreadableError:
        return UnreadableError(f"{self.file}: {visible(where)}: {what}")

    def known(self, section: Mapping[str, str], name: str, keys: tuple[str, ...]) -> dict[str, str]:
        """Return a section whose keys must be among these."""
        for key in section:
            if key not in keys:
                close = meant(key, keys)
                raise self(
                    f"[{name}]", f"there is no {quote(key)}: {f'did you mean {close}?' if close else ', '.join(keys)}"
                )
        return self.values(section, name, is_shell=name == "commands")

    def values(self, section: Mapping[str, str], name: str, *, is_shell: bool = False) -> dict[str, str]:
        """Return a section whose values can be seen; only shell text has several lines."""
        for key, value in section.items():
            if not _NAME.fullmatch(key):
                raise self(f"[{name}]", f"{quote(key)} is not a name: use a-z, 0-9 and _")
            if not all(line.isprintable() for line in (value.split("\n") if is_shell else [value])):
                raise self(f"[{name}] {key}", "it has several lines, or a character that cannot be seen")
        return dict(section)


def _facts(section: Mapping[str, str], wrong: _Wrong) -> dict[str, str]:
    facts = wrong.known(section, "target", _FACTS)
    for fact in ("tested", "use"):
        if not facts.get(fact):
            raise wrong("[target]", f"{fact} is missing")
    for key in facts.get("keys", "").split():
        if key not in KEY_TYPES:
            raise wrong("[target] keys", f"there is no type {quote(key)}: use {', '.join(KEY_TYPES)}")
    return facts


def _place(keys: Mapping[str, str], section: str, settings: Mapping[str, str], wrong: _Wrong) -> Place:
    what = section.removeprefix("file ").strip()
    if what not in _WHATS:
        raise wrong(f"[{section}]", f"there is no file {quote(what)}: use {', '.join(_WHATS)}")
    form, parts = keys.get("form", "pem"), tuple(keys.get("parts", "").split())
    if form not in _FORMS:
        raise wrong(f"[{section}] form", f"use one of {', '.join(_FORMS)}")
    if any(part not in _PARTS for part in parts) or len(set(parts)) != len(parts):
        raise wrong(f"[{section}] parts", f"use each of {', '.join(_PARTS)} once at most")
    if (form == "pem") != bool(parts):
        raise wrong(f"[{section}] parts", "a PEM file has parts, and no other has")
    suffix = keys.get("suffix", "")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", suffix):
        raise wrong(f"[{section}] suffix", "write the end of its name, such as -fullchain.pem")
    piece = Piece(_WHATS[what], suffix, parts, form)
    mode = keys.get("mode", "0600" if piece.holds_key else "0644")
    if not re.fullmatch("0[0-7]{3}", mode):
        raise wrong(f"[{section}] mode", "write four octal digits, such as 0640")
    if piece.holds_key and int(mode, 8) & 0o007:
        raise wrong(f"[{section}] mode", "everybody could read the key")
    owner = keys.get("owner", "")
    if owner and not _OWNER.fullmatch(owner):
        raise wrong(f"[{section}] owner", "write USER or USER:GROUP")
    path = keys.get("path") or None
    if path:
        names = {*SETTINGS, *settings, "name", "target"}
        unknown = [name for name in _PLACEHOLDER.findall(path) if name not in names]
        if unknown:
            raise wrong(f"[{section}] path", f"there is no setting {quote(unknown[0])}")
        if not path.startswith(("/", "{")):
            raise wrong(f"[{section}] path", "it has to begin with / or a setting")
    return Place(piece, path, mode, owner)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text in which {NAME} is replaced by a setting; other braces stay."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _is_ipv4(text: str) -> bool:
    from ipaddress import AddressValueError, IPv4Address

    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _check_path(path: str, key: str) -> None:
    if not path.startswith("/") or path.endswith("/") or "/../" in f"{path}/" or not path.isprintable():
        raise UsageError(f"{key} is {quote(path, always=True)}: write an absolute path")


def _fault(error: configparser.Error) -> str:
    match error:
        case configparser.DuplicateSectionError():
            return f"line {error.lineno}: the section [{visible(error.section)}] is there twice"
        case configparser.DuplicateOptionError():
            return f"line {error.lineno}: {visible(error.option)} is there twice"
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno}: a section such as [target] has to come first"
        case configparser.ParsingError():
            return f"line {error.errors[0][0]}: write NAME = VALUE; further lines of a value begin with a space"
        case _:
            return visible(error.message.splitlines()[0])


def _shipped(name: str) -> str:
    folder = Path(__file__).parent.parent / "targets"
    if folder.is_dir():
        return (folder / f"{name}.ini").read_text(encoding="utf-8")
    from importlib import resources  # a zipapp

    return (resources.files("opensslgen") / "targets" / f"{name}.ini").read_text(encoding="utf-8")
