"""The openssl commands of a script: what each would make with the options and files that it gets."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opensslgen.config.reader import DEFAULT, UNKNOWN, ConfigError, Entry, Section, config_text, read_config
from opensslgen.config.use import CA, FILE, SELF, canonical, default_section
from opensslgen.patterns import pattern
from opensslgen.shell.status import Maybe
from opensslgen.shell.values import Chunk, is_known, lines_of, unknown, unknown_names, with_names, without_names
from opensslgen.text import listed
from opensslgen.x509.extensions import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opensslgen.config.reader import Config
    from opensslgen.shell.machine import Call, Machine
    from opensslgen.shell.status import Status

_OPENSSL = pattern(r"(?:open|libre)ssl(?:[0-9.-]*|\.exe)")
_DIGEST = pattern(r"(?:rsa-)?(?:sha-?(?:1|224|256|384|512)?(?:-(?:224|256))?|sha3-\d+|md[245]|md5-sha1|mdc2|dss1|"
                     r"ripemd160|ripemd|rmd160|sm3|blake2[bs]\d+|shake\d+|whirlpool)", re.IGNORECASE)  # fmt: skip
_WEAK = pattern(r"(?:rsa-)?(?:sha-?1?|md[245]|md5-sha1|mdc2|dss1|ripemd(?:160)?|rmd160)", re.IGNORECASE)

_X509_VALUES = frozenset(
    "in out inform outform passin keyform CAform CAkeyform CA CAkey CAserial set_serial days extfile extensions "
    "signkey key certopt nameopt addtrust addreject setalias checkend checkhost checkemail checkip sigopt "
    "vfyopt engine provider provider-path propquery rand writerand force_pubkey subj copy_extensions not_before "
    "not_after ext".split()
)
_X509_FLAGS = frozenset(
    "req CAcreateserial new text noout serial subject issuer hash subject_hash subject_hash_old issuer_hash "
    "dates startdate enddate fingerprint purpose pubkey modulus email ocsp_uri ocspid clrext nocert trustout "
    "alias clrtrust clrreject badsig preserve_dates x509toreq C multi utf8 next_serial multivalue-rdn".split()
)
_REQ_VALUES = frozenset(
    "in out inform outform key keyform keyout passin passout newkey pkeyopt config section subj days set_serial "
    "extensions x509_extensions reqexts addext copy_extensions CA CAkey rand writerand engine keygen_engine "
    "sigopt vfyopt nameopt reqopt not_before not_after provider provider-path propquery cipher".split()
)
_REQ_FLAGS = frozenset(
    "new x509 x509v1 nodes noenc batch text noout verify pubkey subject modulus utf8 multivalue-rdn verbose "
    "newhdr asn1-kludge no-asn1-kludge precert quiet".split()
)
_CA_VALUES = frozenset(
    "config name section in out outdir keyfile cert days startdate enddate not_before not_after extensions "
    "extfile md policy keyform passin key inform certform subj crldays crlhours crlsec crlexts revoke status "
    "rand writerand engine sigopt vfyopt spkac ss_cert valid crl_reason crl_hold crl_compromise "
    "crl_CA_compromise provider provider-path propquery dateopt".split()
)
_CA_FLAGS = frozenset(
    "batch notext noemailDN preserveDN msie_hack gencrl selfsign verbose utf8 multivalue-rdn rand_serial "
    "create_serial updatedb infiles quiet".split()
)
_OPTIONS = {"x509": (_X509_VALUES, _X509_FLAGS), "req": (_REQ_VALUES, _REQ_FLAGS), "ca": (_CA_VALUES, _CA_FLAGS)}

SHIPPED = """\
[ ca ]
default_ca = CA_default
[ CA_default ]
x509_extensions = usr_cert
default_days = 365
default_md = default
policy = policy_match
[ req ]
default_bits = 2048
distinguished_name = req_distinguished_name
x509_extensions = v3_ca
[ req_distinguished_name ]
[ usr_cert ]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid,issuer
[ v3_req ]
basicConstraints = CA:FALSE
keyUsage = nonRepudiation, digitalSignature, keyEncipherment
[ v3_ca ]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always,issuer
basicConstraints = critical,CA:true
"""
"""The part of openssl's default config that shapes certificates; the same in all versions."""
_SYSTEM = pattern(r"(?:/[\w.-]+)*/(?:openssl\.cnf|openssl\.cfg)")
_CURVES = {
    "prime256v1": ("P-256", 256), "secp256r1": ("P-256", 256), "P-256": ("P-256", 256), "secp384r1": ("P-384", 384),
    "P-384": ("P-384", 384), "secp521r1": ("P-521", 521), "P-521": ("P-521", 521),
}  # fmt: skip
_DEFAULT_DAYS = "30"
_MADE = "opensslgen_made"


def system_file(path: str) -> str | None:
    """Return the text of a system file that is the same everywhere: openssl's default config."""
    return SHIPPED if _SYSTEM.fullmatch(path) and path.startswith(("/etc/", "/usr/", "/opt/", "/System/")) else None


@dataclass(frozen=True, slots=True)
class Key:
    """A private key."""

    algorithm: str
    bits: int
    """0 if unknown or irrelevant."""
    curve: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A certificate request."""

    key: Key | None
    subject: str | None
    extensions: tuple[tuple[Entry, int], ...] | None
    """Each with its line in the script; None if unknown."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A certificate that a command uses as an issuer."""

    path: str


@dataclass(frozen=True, kw_only=True)
class Made:
    """A certificate that a command would make."""

    start: int = 0
    """Which command of the script it is."""
    line: int = 0
    command: str = ""
    """`x509`, `req` or `ca`."""
    text: str = ""
    """The config or extension file."""
    lines: tuple[int, ...] = ()
    """For each line of the text, the line of the script that writes it."""
    section: str | None = None
    use: str = FILE
    days: str = _DEFAULT_DAYS
    days_line: int = 0
    until: str | None = None
    """Its expiry date, if the command gives a date."""
    since: str | None = None
    digest: str | None = None
    digest_line: int = 0
    key: Key | None = None
    signs_itself: bool = False
    subject: str | None = None
    out: str = ""
    unknown: tuple[str, ...] = ()
    """What is unknown about it and affects the verdict."""
    has_section: bool = True
    """Whether its extensions are known."""
    wanted_section: str = ""
    """The name of the section, if that is unknown."""


@dataclass(slots=True)
class _Options:
    """The options of one command."""

    values: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    digest: str | None = None
    digest_line: int = 0
    rest: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        return any(name in self.values for name in names)

    def get(self, *names: str) -> str | None:
        for name in names:
            if name in self.values:
                return self.values[name][-1]
        return None


def follow(machine: Machine, call: Call) -> Status | None:
    """Follow a call of openssl, as `World.call` wants it."""
    words, lines = list(call.words), list(call.lines)
    name = posixpath.basename(words[0])
    is_openssl = bool(_OPENSSL.fullmatch(name))
    if not is_openssl and not is_known(words[0]):
        is_openssl = "ssl" in with_names(words[0]).lower() or words[1:2] in (["req"], ["x509"], ["ca"])
    if not is_openssl:
        return None
    if len(words) == 1:
        if machine.input is not None and machine.input.chunks:
            machine.note("openssl reads its commands", call.line)
        return 0
    command = words[1]
    machine.records.append(call)
    if not is_known(command):
        machine.note(f"the openssl command {with_names(command)} is unknown", call.line)
        return 0
    if command in _OPTIONS and words[2:] not in (["-help"], ["--help"]):
        options = _options(command, words[2:], lines[2:])
        {"x509": _x509, "req": _req, "ca": _ca}[command](machine, call, options)
        return Maybe(f"openssl {call.start}") if options.has("noout", "checkend", "verify", "status") else 0
    handler = _KEYS.get(command)
    if handler:
        handler(machine, call, words[2:])
    elif machine.output is not None:
        machine.put([Chunk(machine.fresh(f"$(openssl {command})") + "\n", call.line)])
    return Maybe(f"openssl {call.start}") if command in ("verify", "s_client", "list", "ocsp", "dgst") else 0


def _options(command: str, words: list[str], lines: list[int]) -> _Options:
    valued, flags = _OPTIONS[command]
    found = _Options()
    at = 0
    while at < len(words):
        word, line = words[at], lines[at]
        at += 1
        if not word.startswith("-") or word == "-":
            if is_known(word):
                found.rest.append(word)
            else:
                found.unknown.append(f"the options {with_names(word)} are unknown")
            continue
        name = word[2:] if word.startswith("--") else word[1:]
        if name in valued:
            value = words[at] if at < len(words) else ""
            line = lines[at] if at < len(words) else line
            at += 1
            found.values.setdefault(name, []).append(value)
            found.lines[name] = line
            if name == "md":
                found.digest, found.digest_line = value, line
        elif name in flags:
            found.values.setdefault(name, []).append("")
        elif _DIGEST.fullmatch(name):
            found.digest, found.digest_line = name, line
        else:
            found.unknown.append(f"the option {with_names(word)} is unknown")
    return found


# Keys


def _write(machine: Machine, call: Call, name: str | None, thing: object, *, shows: bool = True) -> None:
    what = type(thing).__name__.lower() if thing is not None else "openssl"
    chunk = Chunk(unknown(f"the {what} of line {call.line}") + "\n", call.line, thing)
    if name and name not in ("-", "/dev/stdout"):
        machine.create(name).chunks.append(chunk)
    elif shows:
        machine.put([chunk])


def _value_after(words: list[str], *names: str) -> str | None:
    for number, word in enumerate(words[:-1]):
        if word.lstrip("-") in names and word.startswith("-"):
            return words[number + 1]
    return None


def _rsa(bits: str | None, line: int) -> Key:
    known = bits is not None and re.fullmatch("[0-9]{1,6}", bits, re.ASCII)
    return Key("RSA", int(bits) if bits and known else 0 if bits is not None else 2048, None, line)


def _genrsa(machine: Machine, call: Call, words: list[str]) -> None:
    values = ("-out", "-passout", "-rand", "-writerand", "-engine", "-provider", "-primes")
    bits, line, at = None, call.line, 0
    while at < len(words):
        if words[at] in values:
            at += 1
        elif not words[at].startswith("-"):
            bits, line = words[at], call.lines[at + 2]
        at += 1
    key = _rsa(bits, line)
    machine.records.append(key)
    _write(machine, call, _value_after(words, "out"), key)


def _curve(name: str, line: int) -> Key:
    if not is_known(name):
        return Key("EC", 0, UNKNOWN, line)
    curve, bits = _CURVES.get(name, (name, 0))
    return Key("EC", bits, curve, line)


def _ecparam(machine: Machine, call: Call, words: list[str]) -> None:
    name = _value_after(words, "name")
    if "-genkey" in words or name:
        source = machine.file(_value_after(words, "in") or "") if not name else None
        found = next((thing for thing in (source.things if source else []) if isinstance(thing, Key)), None)
        key = _curve(name, call.line) if name else found
        _write(machine, call, _value_after(words, "out"), key, shows="-noout" not in words or "-genkey" in words)


def _genpkey(machine: Machine, call: Call, words: list[str]) -> None:
    algorithm = _value_after(words, "algorithm")
    options = [words[number + 1] for number, word in enumerate(words[:-1]) if word in ("-pkeyopt", "--pkeyopt")]
    key = _by_algorithm(algorithm, options, call.line)
    if _value_after(words, "paramfile"):
        file = machine.file(_value_after(words, "paramfile") or "")
        key = next((thing for thing in (file.things if file else []) if isinstance(thing, Key)), None)
    if key is not None and key.algorithm == "RSA":
        machine.records.append(key)
    _write(machine, call, _value_after(words, "out"), key)


def _by_algorithm(algorithm: str | None, options: list[str], line: int) -> Key | None:
    if algorithm is None or not is_known(algorithm):
        return None
    settings = dict(option.partition(":")[::2] for option in options)
    upper = algorithm.upper()
    if upper in ("RSA", "RSA-PSS"):
        key = _rsa(settings.get("rsa_keygen_bits"), line)
        return key if upper == "RSA" else Key("RSA-PSS", key.bits, None, line)
    if upper == "EC":
        curve = settings.get("ec_paramgen_curve") or settings.get("group")
        return _curve(curve, line) if curve else None
    if upper in ("ED25519", "ED448"):
        return Key(upper.title(), 256, None, line)
    return Key(algorithm, 0, None, line)


def _gendsa(machine: Machine, call: Call, words: list[str]) -> None:
    _write(machine, call, _value_after(words, "out"), Key("DSA", 0, None, call.line))


def _convert(machine: Machine, call: Call, words: list[str]) -> None:
    """Follow a command that writes the same key in another form."""
    source = machine.file(_value_after(words, "in") or "-")
    things = [thing for thing in (source.things if source else []) if isinstance(thing, Key)]
    if "-noout" in words:
        return
    _write(machine, call, _value_after(words, "out"), things[0] if things else None)


_KEYS: dict[str, Callable[[Machine, Call, list[str]], None]] = {
    "genrsa": _genrsa, "ecparam": _ecparam, "genpkey": _genpkey, "gendsa": _gendsa, "rsa": _convert, "ec": _convert,
    "pkcs8": _convert, "pkey": _convert,
}  # fmt: skip


def _thing(machine: Machine, name: str | None, kind: type) -> object | None:
    """Return the key, request or certificate in a file; None if unknown."""
    file = machine.file(name if name is not None else "-")
    return next((thing for thing in reversed(file.things if file else []) if isinstance(thing, kind)), None)


def _key(machine: Machine, name: str | None) -> Key | None:
    found = _thing(machine, name, Key)
    return found if isinstance(found, Key) else None


# Configs


def _source(machine: Machine, name: str) -> tuple[str, list[int]] | None:
    """Return what a config or extension file holds when openssl reads it, and the lines that write it."""
    file = machine.file(name)
    if file is None or file.things:
        return None
    return _with_hosts(machine, _with_environment(machine, file.text)), lines_of(file.chunks)


_HOST_NAME = re.compile(r"\$\(hostname(?: -[a-zA-Z]+| --\w+)?\)|\$HOSTNAME|\$\(uname -n\)")
_UNKNOWN = f"{UNKNOWN}[^\ud801]*\ud801"
_LISTED = re.compile(r"(DNS|IP)(:[ \t]*|(?:\.\w+)?[ \t]*=[ \t]*)([^,\n]*)")
_EXAMPLES = {"DNS": "name.example.com", "IP": "192.0.2.1"}


def _with_hosts(machine: Machine, text: str) -> str:
    """Return a config with examples for the unknown hosts in it, if they cannot change the verdict on its names.

    That is so for a host that is certainly not empty or that openssl refuses if it is, and for all hosts in a list
    that has another host.
    """

    def example(match: re.Match[str]) -> str:
        kind, value = match[1], match[3]
        named = [] if is_known(value) else unknown_names(value)
        may_be_empty = match[2][0] != ":" and not re.sub(_UNKNOWN, "", value).strip()
        if not named or (
            may_be_empty and not all(_HOST_NAME.fullmatch(name) or machine.has_text(name) for name in named)
        ):
            return match[0]
        if kind == "IP" and re.sub(_UNKNOWN, "", value).strip():
            return match[0]
        machine.hosts.update(dict.fromkeys(named))
        return f"{kind}{match[2]}{re.sub(_UNKNOWN, _EXAMPLES[kind], value)}"

    def others(match: re.Match[str]) -> str:
        if is_known(match[3]):
            return match[0]
        machine.hosts.update(dict.fromkeys(unknown_names(match[3])))
        return f"{match[1]}{match[2]}{_EXAMPLES[match[1]]}"

    if is_known(text):
        return text
    groups = re.split(r"(?m)^(?=[ \t]*(?:\[|subjectAltName[ \t]*=))", _LISTED.sub(example, text))
    for number, group in enumerate(groups):
        first, _, rest = group.partition("\n")
        for piece in (first, rest):
            hosts = _LISTED.findall(piece)
            if any(is_known(value) and value.strip() for _, _, value in hosts):
                groups[number] = groups[number].replace(piece, _LISTED.sub(others, piece), 1)
    return "".join(groups)


_ENVIRONMENT = pattern(r"(?<!\\)\$(?:ENV::(\w+)|\{ENV::(\w+)\}|\(ENV::(\w+)\))")


def _with_environment(machine: Machine, text: str) -> str:
    """Return a config with the variables of the script that it takes from the environment."""

    def one(match: re.Match[str]) -> str:
        value = machine.exported(match[1] or match[2] or match[3])
        return match[0] if value is None or "\n" in value else re.sub(r"([$\\#\"'`])", r"\\\1", value)

    return _ENVIRONMENT.sub(one, text)


def _config(machine: Machine, options: _Options) -> tuple[str, list[int]] | str:
    """Return the config of a command and the lines that write it, or why it is unknown."""
    name = options.get("config")
    if name is None:
        name = machine.exported("OPENSSL_CONF")
    if name is None:
        if machine.state.tainted:
            return f"its config is unknown, because {machine.state.tainted} may set OPENSSL_CONF"
        return SHIPPED, []
    found = _source(machine, name)
    if found is None:
        return f"the content of {with_names(name)} is unknown"
    return found


def _read(text: str) -> Config | None:
    try:
        return read_config(without_names(text))
    except ConfigError:
        return None


def _compose(
    text: str, lines: list[int], section: str | None, added: list[tuple[Entry, int]], line: int
) -> tuple[str, list[int]]:
    """Return a config with extensions added to its section, each with the line that it comes from."""
    config = _read(text)
    if config is None:
        return text, lines
    found = config.sections.get(section) if section else None
    names = {canonical(entry.key) for entry, _ in added}
    kept = [
        (entry, lines[entry.line - 1] if 0 < entry.line <= len(lines) else line)
        for entry in (found.entries if found else ())
        if canonical(entry.key) not in names
    ]
    new, new_lines = f"[{_MADE}]\n", [line]
    for entry, place in [*kept, *added]:
        piece = config_text([Section(_MADE, 0, (entry,))]).partition("\n")[2]
        new += piece
        new_lines += [place] * piece.count("\n")
    others = config_text([each for each in config.sections.values() if each.name not in (DEFAULT, section)])
    return new + others, new_lines + [line] * others.count("\n")


def _entry(machine: Machine, addition: str, line: int) -> tuple[Entry, int]:
    """Return an extension from the command line."""
    key, _, value = without_names(_with_hosts(machine, addition)).partition("=")
    return Entry(key.strip(), value.strip(), 1), line


def _asked_extensions(config: Config, section: str | None, lines: list[int], line: int) -> list[tuple[Entry, int]]:
    found = config.sections.get(section) if section else None
    if found is None:
        return []
    entries = []
    for entry in found.entries:
        value = entry.value
        if value.startswith("@") and value[1:] in config.sections:
            inner = config.sections[value[1:]].entries
            value = ",".join(f"{each.key.partition('.')[0]}:{each.value}" for each in inner)
        entries.append(
            (Entry(entry.key, value, entry.line), lines[entry.line - 1] if 0 < entry.line <= len(lines) else line)
        )
    return entries


# Requests and certificates


def _new_key(machine: Machine, options: _Options, config: Config | None, lines: list[int], line: int) -> Key | None:
    """Return the key that `req` uses or makes."""
    if options.has("key"):
        return _key(machine, options.get("key"))
    kind = options.get("newkey")
    line = options.lines.get("newkey", line)
    default = config.entry("req", "default_bits") if config else None
    if kind is None or kind in ("rsa", ""):
        given = next((each for each in options.values.get("pkeyopt", []) if each.startswith("rsa_keygen_bits:")), None)
        bits = given.partition(":")[2] if given else default.value if default else None
        if not given and default:
            line = _place(lines, default.line, line)
        key: Key | None = _rsa(bits, line)
    elif kind.startswith("rsa:"):
        key = _rsa(kind[4:], line)
    elif kind.startswith(("param:", "ec:", "dsa:")):
        key = _key(machine, kind.partition(":")[2])
    else:
        key = _by_algorithm(kind, options.values.get("pkeyopt", []), line)
    if key is not None and key.algorithm == "RSA":
        machine.records.append(key)
    target = options.get("keyout")
    if target is None and config is not None and (named := config.entry("req", "default_keyfile")):
        target = named.value
    if target:
        machine.create(target).chunks.append(Chunk(unknown("a key") + "\n", line, key))
    return key


def _subject(options: _Options, config: Config | None) -> str | None:
    """Return the common name; None if unknown."""
    given = options.get("subj")
    if given is not None and given.startswith("//"):
        return None  # Git's shell on Windows makes one slash of them; openssl elsewhere reads no name
    if given is not None:
        match = re.search(r"(?:^|[/,+])\s*(?:CN|commonName)\s*=\s*((?:\\.|[^/,+\\])*)", given)
        return match[1] if match else ""
    if config is None:
        return None
    prompt = config.entry("req", "prompt")
    named = config.entry("req", "distinguished_name")
    section = named.value if named else ""
    for key in ("CN", "commonName", "0.CN"):
        entry = config.own(section, key)
        if entry and prompt and prompt.value == "no":
            return entry.value
        default = config.own(section, f"{key}_default")
        if default:
            return default.value
    return None


def _digest(options: _Options, config: Config | None, section: str) -> tuple[str | None, int | None]:
    """Return the digest, and its line if it is from the config."""
    if options.digest is not None:
        return options.digest, None
    entry = config.entry(section, "default_md") if config else None
    return (entry.value, entry.line) if entry else (None, None)


def _req(machine: Machine, call: Call, options: _Options) -> None:
    makes_certificate = options.has("x509", "x509v1", "CA")
    makes_request = options.has("new", "newkey") or (options.has("key") and not options.has("in"))
    if not makes_certificate and not makes_request:
        if options.has("in") and not options.has("noout"):
            _write(machine, call, options.get("out"), _thing(machine, options.get("in"), Asked))
        return
    found = _config(machine, options)
    text, lines = ("", []) if isinstance(found, str) else found
    config = _read(text) if not isinstance(found, str) else None
    unknown_parts = list(options.unknown)
    subject = _subject(options, config)
    if options.has("in") and not options.has("new", "newkey"):
        asked = _thing(machine, options.get("in"), Asked)
        key = asked.key if isinstance(asked, Asked) else None
        subject = asked.subject if isinstance(asked, Asked) else None
    else:
        key = _new_key(machine, options, config, lines, call.line)
    req = options.get("section") or "req"
    if not makes_certificate:
        extensions = _request_extensions(machine, options, config, lines, call)
        if options.unknown:
            extensions = None
        asked = Asked(key, subject, extensions)
        machine.records.append(asked)
        _write(machine, call, options.get("out"), asked, shows=not options.has("noout"))
        return
    issuer = options.get("CA")
    if issuer is not None:
        machine.records.append(Issuer(machine.path(issuer)))
    section = options.get("extensions", "x509_extensions")
    if section is None and config is not None:
        if req == "req":
            section = default_section(config, SELF)
        else:
            named = config.entry(req, "x509_extensions")
            section = named.value if named else DEFAULT
        section = None if section == DEFAULT else section
    digest, digest_line = _digest(options, config, req)
    added = [_entry(machine, each, options.lines["addext"]) for each in options.values.get("addext", [])]
    if options.has("copy_extensions") and options.get("copy_extensions") != "none":
        unknown_parts.append("it is unknown which extensions of the request it copies")
    _record_made(
        machine,
        call,
        options,
        Made(
            text=text,
            lines=tuple(lines),
            section=section,
            use=SELF if issuer is None else FILE,
            days=options.get("days") or _DEFAULT_DAYS,
            digest=digest,
            digest_line=_place(lines, digest_line, options.digest_line or call.line),
            key=key,
            signs_itself=issuer is None,
            subject=subject,
            unknown=tuple(unknown_parts),
        ),
        added=added,
        why=found if isinstance(found, str) else None,
    )


def _place(lines: list[int], line: int | None, otherwise: int) -> int:
    return lines[line - 1] if line and line <= len(lines) and lines[line - 1] else otherwise


def _request_extensions(
    machine: Machine, options: _Options, config: Config | None, lines: list[int], call: Call
) -> tuple[tuple[Entry, int], ...] | None:
    """Return the extensions that a request asks for; None if unknown."""
    if config is None:
        return None
    section = options.get("reqexts", "extensions")
    if section is None:
        named = config.entry(options.get("section") or "req", "req_extensions")
        section = named.value if named else None
    if section is not None and not is_known(section):
        return None
    found = _asked_extensions(config, section, lines, call.line)
    added = [_entry(machine, each, options.lines["addext"]) for each in options.values.get("addext", [])]
    names = {canonical(entry.key) for entry, _ in added}
    return (*[each for each in found if canonical(each[0].key) not in names], *added)


def _record_made(
    machine: Machine,
    call: Call,
    options: _Options,
    made: Made,
    *,
    added: Iterable[tuple[Entry, int]] = (),
    why: str | None = None,
) -> None:
    """Note a certificate that a command makes, with these extensions `added`; `why`: its extensions are unknown."""
    unknown_parts, section, text, lines = list(made.unknown), made.section, made.text, list(made.lines)
    for value in options.values.get("sigopt", []):
        if value.startswith("rsa_padding_mode"):
            unknown_parts.append(f"it is unknown whether Apple's devices accept -sigopt {with_names(value)}")
    has_section = why is None
    if why is not None:
        unknown_parts.append(why)
    if section is not None and not is_known(section):
        unknown_parts.append(f"the section {with_names(section)} is unknown")
        has_section = False
    if has_section and (more := list(added)):
        text, lines = _compose(text, lines, section, more, call.line)
        section = _MADE
    elif has_section and section is None:
        text, lines = "", []
    made = replace(
        made,
        start=call.start,
        line=call.line,
        command=call.words[1],
        text=text,
        lines=tuple(lines),
        section=section,
        days_line=options.lines.get("days", made.days_line or call.line),
        until=options.get("not_after", "enddate") or made.until,
        since=options.get("not_before", "startdate") or made.since,
        digest_line=made.digest_line or options.digest_line or call.line,
        out=options.get("out") or "",
        unknown=tuple(unknown_parts),
        has_section=has_section,
        wanted_section=with_names(made.section or ""),
    )
    machine.records.append(made)
    _write(machine, call, made.out, made, shows=not options.has("noout"))


def _x509(machine: Machine, call: Call, options: _Options) -> None:
    signs = options.has("CA", "signkey", "key") and not options.has("x509toreq")
    if not signs and not options.unknown:
        if options.has("x509toreq"):
            source = _thing(machine, options.get("in"), Made)
            key = _key(machine, options.get("signkey", "key"))
            subject = source.subject if isinstance(source, Made) else None
            _write(machine, call, options.get("out"), Asked(key, subject, None))
        elif not options.has("noout"):
            _write(machine, call, options.get("out"), _thing(machine, options.get("in"), Made))
        return
    unknown_parts = list(options.unknown)
    issuer = options.get("CA")
    if issuer is not None:
        machine.records.append(Issuer(machine.path(issuer)))
    key, subject = None, None
    copied: tuple[tuple[Entry, int], ...] | None = ()
    if options.has("req"):
        asked = _thing(machine, options.get("in"), Asked) or _from_disk(machine, options.get("in"))
        if isinstance(asked, Asked):
            key, subject = asked.key, asked.subject
            copied = asked.extensions if options.get("copy_extensions") in ("copy", "copyall") else ()
        elif options.get("copy_extensions") not in (None, "none"):
            copied = None
    elif options.has("new"):
        key = _key(machine, options.get("force_pubkey", "signkey", "key"))
    else:
        former = _thing(machine, options.get("in"), Made)
        if isinstance(former, Made):
            key, subject = former.key, former.subject
        if issuer is None:
            key = _key(machine, options.get("signkey", "key")) or key
        if not options.has("clrext"):
            if isinstance(former, Made) and former.has_section and not options.has("extfile"):
                again = replace(
                    former,
                    days=options.get("days") or _DEFAULT_DAYS,
                    days_line=0,
                    until=None,
                    since=None,
                    digest=options.digest,
                    digest_line=0,
                    key=key,
                    signs_itself=not options.has("CA"),
                    unknown=tuple(unknown_parts),
                )
                _record_made(machine, call, options, again)
                return
            if not isinstance(former, Made):
                copied = None
    if options.has("force_pubkey") and not options.has("new"):
        key = _key(machine, options.get("force_pubkey"))
    if options.has("subj"):
        subject = _subject(options, None)
    text, section, why = "", options.get("extensions"), None
    lines: list[int] = []
    extfile = options.get("extfile")
    if extfile is not None:
        found = _source(machine, extfile)
        if found is None:
            why = f"the content of {_shown_path(extfile)} is unknown"
        else:
            text, lines = found
            if section is None:
                config = _read(text)
                section = default_section(config, FILE) if config else DEFAULT
    else:
        section = None
    if copied is None:
        why = why or "it is unknown which extensions it copies from the request"
        copied = ()
    # The extension file takes precedence over the request.
    present: set[str] = set()
    if copied and (config := _read(text)) and section in config.sections and options.get("copy_extensions") == "copy":
        present = {canonical(entry.key) for entry in config.sections[section].entries}
    added = [each for each in copied if canonical(each[0].key) not in present]
    _record_made(
        machine,
        call,
        options,
        Made(
            text=text,
            lines=tuple(lines),
            section=section,
            use=FILE,
            days=options.get("days") or _DEFAULT_DAYS,
            digest=options.digest,
            key=key,
            signs_itself=issuer is None,
            subject=subject,
            unknown=tuple(unknown_parts),
        ),
        added=added,
        why=why,
    )


def _shown_path(path: str) -> str:
    return with_names(path).replace("$PWD/", "")


def _from_disk(machine: Machine, name: str | None) -> Asked | None:
    """Return the request in a file next to the script."""
    from opensslgen.errors import Error
    from opensslgen.x509.pem import pem_blocks
    from opensslgen.x509.request import decode_request

    file = machine.file(name) if name is not None else machine.input
    if file is None or "BEGIN" not in file.text or not is_known(file.text):
        return None
    try:
        blocks = [
            block for block in pem_blocks(file.text.encode("utf-8", "surrogateescape")) if "REQUEST" in block.label
        ]
        request = decode_request(blocks[0].body)
    except (Error, IndexError):
        return None
    public = request.public_key
    names = [value for kind, value in request.subject.attributes if kind == "CN"]
    return Asked(Key(public.algorithm, public.bits, public.curve, 0), names[0] if names else "", None)


def _ca(machine: Machine, call: Call, options: _Options) -> None:
    if options.has("gencrl", "revoke", "updatedb", "status", "valid") and not options.has("in", "infiles", "ss_cert"):
        return
    requests = [options.get("in")] if options.has("in") else []
    requests += list(options.rest)
    if not requests and not options.unknown and not options.has("spkac", "ss_cert"):
        return
    found = _config(machine, options)
    text, lines = ("", []) if isinstance(found, str) else found
    config = _read(text) if not isinstance(found, str) else None
    unknown_parts, why = list(options.unknown), found if isinstance(found, str) else None
    if why is None and config is None:
        why = "its config cannot be read"
    name = options.get("name", "section")
    if name is None and config is not None:
        named = config.entry("ca", "default_ca")
        name = named.value if named else None
    name = name or ""

    def setting(key: str) -> Entry | None:
        return config.entry(name, key) if config is not None else None

    section = options.get("extensions")
    if section is None and (entry := setting("x509_extensions")):
        section = entry.value
    days, days_line = options.get("days"), 0
    if days is None:
        entry = setting("default_days")
        days = entry.value if entry else "unset"
        days_line = _place(lines, entry.line if entry else None, call.line)
        if entry is None and why is None and not (options.has("enddate", "not_after") or setting("default_enddate")):
            unknown_parts.append("its validity in days is unknown")
    digest, digest_line = _digest(options, config, name)
    if digest == "default":
        digest = None
    issuer = options.get("cert") or (entry.value if (entry := setting("certificate")) else None)
    signs_itself = options.has("selfsign")
    if issuer and not signs_itself:
        machine.records.append(Issuer(machine.path(issuer.replace(UNKNOWN, "?"))))
    copies, until, since = setting("copy_extensions"), setting("default_enddate"), setting("default_startdate")
    extfile = options.get("extfile")
    if extfile is not None:
        source = _source(machine, extfile)
        if source is None:
            why = why or f"the content of {_shown_path(extfile)} is unknown"
        else:
            text, lines = source
            section = options.get("extensions")
            if section is None:
                inner = _read(text)
                section = default_section(inner, FILE) if inner else DEFAULT
    for request in requests or [None]:
        asked = _thing(machine, request, Asked) or (_from_disk(machine, request) if request else None)
        added: list[tuple[Entry, int]] = []
        reason = why
        if copies is not None and copies.value in ("copy", "copyall"):
            if not isinstance(asked, Asked) or asked.extensions is None:
                reason = reason or "it is unknown which extensions it copies from the request"
            else:
                inner = _read(text)
                has = inner.sections[section].entries if inner and section in inner.sections else ()
                present = {canonical(entry.key) for entry in has} if copies.value == "copy" else set()
                added = [each for each in asked.extensions if canonical(each[0].key) not in present]
        _record_made(
            machine,
            call,
            options,
            Made(
                text=text,
                lines=tuple(lines),
                section=section,
                use=FILE if extfile is not None else CA,
                days=days,
                days_line=days_line,
                digest=digest,
                digest_line=_place(lines, digest_line, options.digest_line or call.line),
                key=asked.key if isinstance(asked, Asked) else None,
                signs_itself=signs_itself,
                subject=asked.subject if isinstance(asked, Asked) else None,
                unknown=tuple(unknown_parts),
                until=until.value if until else None,
                since=since.value if since else None,
            ),
            added=added,
            why=reason,
        )


def is_weak(digest: str) -> bool:
    """Return whether Apple's devices refuse a digest of this name."""
    return bool(_WEAK.fullmatch(digest))


def is_digest(digest: str) -> bool:
    """Return whether this is a digest's name."""
    return bool(_DIGEST.fullmatch(digest))


def why_unknown(value: str) -> str:
    """Return what a value depends on, for a message."""
    names = unknown_names(value)
    return f"depends on {listed(names, 3)}" if names else "is unknown"


def has_extension(text: str, section: str | None, name: str) -> bool:
    """Return whether a section of a config has an extension."""
    config = _read(text)
    found = config.sections.get(section or DEFAULT) if config else None
    return bool(found and any(canonical(entry.key) == name for entry in found.entries if name in EXTENSIONS))
