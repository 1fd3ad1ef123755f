"""Names in certificates, parsed so strictly that openssl's config syntax has nothing to interpret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern
from opensslgen.text import CURLY_QUOTES, LONG_DASHES, quote, refuse_hidden

_PREFIXES = {"dns": "DNS", "ip": "IP", "ip address": "IP", "email": "email", "uri": "URI"}
_OPENSSL_WORDS = frozenset({"asn1", "der", "dirname", "othername", "rid"})
_BARE_SCHEMES = frozenset({"im", "pres", "sip", "sips", "tel", "urn", "xmpp"})

_FOUR_NUMBERS = pattern(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)")
_MEANT_AS_IP = pattern(rf"\[|{_FOUR_NUMBERS.pattern}(?:[:/%]|\Z)|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:[/%]|\Z)")
_BRACKETED = pattern(r"\[([^\[\]]*)\](:[0-9]*)?")
_LABEL = pattern(r"[a-z0-9_-]+")
_DOTS = ".\u3002\uff0e\uff61"  # the four that IDNA takes for one (RFC 3490 3.1)
_NUMBER = pattern(r"[0-9]+|0x[0-9a-f]*")
_MAIL = pattern(r"(?P<local>[A-Za-z0-9_+=~-]+(?:\.[A-Za-z0-9_+=~-]+)*)@(?P<domain>[^@]*)")
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*")
# RFC 3986 without # [ ] $ ' and the comma, which openssl's config would interpret.
_NOT_IN_URI = pattern(r"[^A-Za-z0-9._~:/?@!&()*+;=%-]")
_AUTHORITY = pattern(r"//(?:[^/?@]*@)?(?P<host>[^/?:@]*)(?::[0-9]*)?(?:[/?].*)?")
_SIP = pattern(r"(?:[^@]*@)?(?P<host>[^:;?@]*)(?P<port>:[0-9]*)?(?:[;?].*)?")
_HOST_IN_URI = pattern(r"[^:]*:(?://)?(?:[^/?@]*@)?(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^/?:;]*))")
_PATH = pattern(r"(?:[A-Za-z]:)?\\|[A-Za-z]:/|\.{0,2}/|~/")
_NAME_OF_FILE = pattern(r"[^:]+\.(?:cer|crt|csr|der|key|p12|p7b|pem|pfx|req)", re.IGNORECASE)
_STAND_INS = frozenset({"FQDN", "HOST", "HOSTNAME", "NAME"})
_TYPOGRAPHY = {**dict.fromkeys(CURLY_QUOTES, ""), **dict.fromkeys(LONG_DASHES, "-"), "\xa0": ""}
"""What a word processor may have put into a name, and what belongs there instead."""
_FILE_STEM = pattern(r"[A-Za-z0-9_][A-Za-z0-9._@+=~-]*")


@dataclass(frozen=True, slots=True, eq=False, repr=False)  # made by exec, these cost more time than the rest
class GeneralName:
    """One subject alternative name (RFC 5280 4.2.1.6).

    `kind` is "DNS", "IP", "email" or "URI" as openssl's config writes them; decoded certificates also have "dirName",
    "RID", "otherName", "x400" and "ediParty". `value` is text, an IP address in its shortest form; for kinds without
    text it is the content in hex.
    """

    kind: str
    value: str
    encoding: bytes = b""
    """The DER of a decoded "dirName", because its text does not say which attributes belong together."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def __repr__(self) -> str:
        return f"GeneralName({self.kind!r}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GeneralName):
            return NotImplemented
        return self.kind == other.kind and self.value == other.value

    def __hash__(self) -> int:
        return hash((self.kind, self.value))


def parse_names(text: str) -> tuple[GeneralName, ...]:
    """Return the names of one value such as `DNS:pbx.example.com, 10.0.0.5` in order; `UsageError` on any fault."""
    if not text.strip(" "):
        raise UsageError("the name is empty: write one such as DNS:pbx.example.com")
    names = []
    for entry in text.split(","):
        name = entry.strip(" ")
        if not name:
            raise UsageError(f"{quote(text)} has an empty entry: write one comma between two names")
        # At the start of the line, openssl reads these two as commands.
        if name == "critical" or name.startswith("@"):
            raise UsageError(f"{quote(name)} is a word of openssl's config, not a name: leave it out")
        refuse_hidden(name)
        kind, value = _kind(name)
        if kind == "URI" and name.lower().startswith(("http://", "https://")):
            host = _host_in_uri(name)
            raise UsageError(f"{quote(name)} is a URL: write {host or 'the host'}, or URI:… if you mean the whole URL")
        names.append(GeneralName(kind, _PARSERS[kind](value)))
    return tuple(names)


def parse_host(text: str) -> GeneralName:
    """Return the main name of a server, a host name, wildcard or IP address; `UsageError` on anything else."""
    name = text.strip(" ")
    refuse_hidden(name)
    if "," in name:
        raise UsageError(f"{quote(name)} is more than one name: write one, and the others as alternative names")
    kind, value = _kind(name)
    if kind == "URI":
        host = _host_in_uri(value)
        raise UsageError(f"{quote(name)} is a URI, not a host: write {host or 'a host name or an address'}")
    if kind == "email":
        raise UsageError(f"{quote(name)} is a mail address, not a host: write a host name or an address")
    return GeneralName(kind, _PARSERS[kind](value))


def refuse_stand_in(text: str) -> None:
    """Raise UsageError for what was typed in place of a server's name: a word of our help, or the name of a file.

    No top-level domain is called as these files are; a prefix says that it is a name nevertheless.
    """
    name = text.strip(" ")
    if name in _STAND_INS:
        raise UsageError(f"{name} stands for the name of the server: write one such as pbx.example.com")
    if _NAME_OF_FILE.fullmatch(name) and "/" not in name:
        raise UsageError(f"{quote(name)} looks like a file, not a host: write the host's name, or DNS:{quote(name)}")


def parse_url(text: str) -> str:
    """Return an http or https URL with its host in lower case; `UsageError` on anything else."""
    refuse_hidden(text, "the URL")
    if not text.strip(" ").lower().startswith(("http://", "https://")):
        raise UsageError(f"{quote(text)} is not a URL: write one such as http://pki.example.com/crl.der")
    return _uri(text.strip(" "))


def _kind(text: str) -> tuple[str, str]:
    """Return the kind of a name with or without prefix, and its unchecked value."""
    prefix, colon, rest = text.partition(":")
    prefix = prefix.strip(" ").lower()
    if ("/" in text or "\\" in text) and _PATH.match(text):
        raise UsageError(f"{quote(text)} is the path of a file, not a name: write a host name or an address")
    if colon and prefix in _PREFIXES:
        value = rest.strip(" ")
        if not value:
            raise UsageError(f"{quote(text)} is a prefix without a name: write one such as DNS:pbx.example.com")
        return _PREFIXES[prefix], value
    if _MEANT_AS_IP.match(text):
        return "IP", text
    if "://" in text or (colon and prefix in _BARE_SCHEMES):
        return "URI", text
    if "@" in prefix:
        return "email", text
    port = rest.isascii() and rest.isdigit() and prefix not in _OPENSSL_WORDS
    if colon and not port:
        unknown = quote(text.partition(":")[0])
        raise UsageError(f"{quote(text)} has the unknown prefix {unknown}: write DNS:, IP:, email: or URI:")
    return "DNS", text


def _dns(text: str) -> str:
    """Return a host name or wildcard in lower-case ASCII (RFC 1034 3.1 and 3.5, RFC 5890, RFC 9525 6.3)."""
    if not text:
        raise UsageError("the name is empty: write a host name such as pbx.example.com")
    if "://" in text:
        raise UsageError(f"{quote(text)} is a URL: write {_host_in_uri(text) or 'the host alone'}")
    if _MEANT_AS_IP.match(text):
        raise UsageError(f"{quote(text)} is an IP address: write IP:{_ip(text)}")
    if "@" in text:
        raise UsageError(f"{quote(text)} is a mail address: write email:{quote(text)}")
    if " " in text:
        raise UsageError(f"{quote(text)} has a space inside: write one name, or commas between names")
    host, colon, port = text.rpartition(":")
    if colon:
        number = port.isascii() and port.isdigit()
        cure = f"has a port: write {quote(host)}" if number else "has a colon: write the host name alone"
        raise UsageError(f"{quote(text)} {cure}")
    if "/" in text:
        host = text.partition("/")[0]
        raise UsageError(f"{quote(text)} has a path: write {quote(host) if '.' in host else 'the host name alone'}")
    rest = text.removeprefix("*.")
    if "*" in rest:
        raise UsageError(f"{quote(text)}: a wildcard is the whole first label and nothing else, write *.example.com")
    name = _checked_labels(rest, text)
    if len(text) - len(rest) + len(name) > 253:
        raise UsageError(f"{quote(text)} is longer than 253 characters: write a shorter name")
    return text[: len(text) - len(rest)] + name


def _checked_labels(text: str, whole: str) -> str:
    if not text.isascii():
        _refuse_typography(text)
    name = text.lower() if text.isascii() else _map_to_ascii(text)
    if name.endswith(".") and name.strip("."):
        raise UsageError(f"{quote(whole)} ends with a dot: write {quote(whole.rstrip(_DOTS))}")
    labels = []
    for label in name.split("."):
        if not label:
            raise UsageError(f"{quote(whole)} has an empty label: write one dot between two labels")
        ascii_label = label
        if not label.isascii() or label.startswith("xn--"):
            ascii_label = _a_label(label, whole)
        if len(ascii_label) > 63:
            raise UsageError(f"{quote(whole)} has a label of {len(ascii_label)} characters: at most 63 are allowed")
        if not _LABEL.fullmatch(ascii_label):
            bad = quote(_LABEL.sub("", ascii_label)[0])
            cure = "write commas between names" if bad == ";" else "a host name has letters, digits, - and _ only"
            raise UsageError(f"{quote(whole)} has the character {bad}: {cure}")
        if ascii_label.startswith("-") or ascii_label.endswith("-"):
            raise UsageError(f"{quote(whole)} has the label {ascii_label}: begin and end it with a letter or digit")
        labels.append(ascii_label)
    # A browser reads such a name as an IPv4 address or not at all (WHATWG URL, "ends in a number").
    if _NUMBER.fullmatch(labels[-1]):
        raise UsageError(f"{quote(whole)} ends with a number but is not an IP address: write four numbers, or a name")
    return ".".join(labels)


def _refuse_typography(text: str) -> None:
    """Raise UsageError for what a word processor has put into a name."""
    found = next((char for char in text if char in _TYPOGRAPHY), None)
    if found:
        import unicodedata  # names are ASCII

        plain = "".join(_TYPOGRAPHY.get(char, char) for char in text)
        cure = f"write {quote(plain)}" if plain else "write a name"
        raise UsageError(f"{quote(text)} has U+{ord(found):04X} ({unicodedata.name(found).lower()}): {cure}")


def _map_to_ascii(text: str) -> str:
    """Return an internationalised name with case, width and dots unified (UTS #46, not transitional)."""
    import idna  # 4 ms that ASCII names need not wait for

    # The mapping hardly makes a name shorter, and idna's time grows with the square of the length.
    if len(text) > 253:
        raise UsageError(f"{quote(text)} is longer than 253 characters: write a shorter name")
    try:
        return idna.uts46_remap(text, std3_rules=False)
    except ValueError as error:
        raise UsageError(f"{quote(text)} is not a valid international name: {error}") from error


def _a_label(label: str, whole: str) -> str:
    """Return the punycode form of a label, or that form itself if it is genuine (RFC 5890 2.3.2.1, RFC 5891 5)."""
    import idna  # 4 ms that ASCII names need not wait for

    try:
        result = idna.alabel(idna.ulabel(label) if label.isascii() else label).decode("ascii")
    except ValueError as error:
        raise UsageError(f"{quote(whole)} is not a valid international name: {error}") from error
    if label.isascii() and result != label:
        raise UsageError(f"{quote(whole)} has the label {quote(label)}, which is not valid punycode: write {result}")
    return result


def _ip(text: str) -> str:
    """Return an IP address in its shortest form (RFC 5952)."""
    import ipaddress  # most commands have no address to read

    if bracketed := _BRACKETED.fullmatch(text):
        what = "a port" if bracketed[2] else "brackets"
        raise UsageError(f"{quote(text)} has {what}: write {quote(bracketed[1])}")
    if "/" in text:
        raise UsageError(f"{quote(text)} is a network: write each of its addresses that the server has")
    if "%" in text:
        raise UsageError(
            f"{quote(text)} has a zone, which only one machine knows: write {quote(text.partition('%')[0])}"
        )
    host, colon, _ = text.rpartition(":")
    if colon and _FOUR_NUMBERS.fullmatch(host):
        raise UsageError(f"{quote(text)} has a port: write {quote(host)}")
    if numbers := _FOUR_NUMBERS.fullmatch(text):
        if any(len(number) > 1 and number.startswith("0") for number in numbers.groups()):
            plain = ".".join(number.lstrip("0") or "0" for number in numbers.groups())
            raise UsageError(f"{quote(text)} has leading zeros, which some read as octal: write {quote(plain)}")
        if any(len(number) > 3 or int(number) > 255 for number in numbers.groups()):
            raise UsageError(f"{quote(text)} is not an IP address: each of the four numbers is 0 to 255")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if re.search(r"[^0-9A-Fa-f:.]", text) and ":" not in text:
            raise UsageError(f"{quote(text)} is not an IP address: if it is a name, write DNS:{quote(text)}") from None
        raise UsageError(f"{quote(text)} is not an IP address: write one such as 10.0.0.5 or 2001:db8::1") from None
    if address.version == 6 and address.ipv4_mapped:
        raise UsageError(f"{text} is an IPv4 address written as IPv6: write {address.ipv4_mapped}")
    return str(address)


def _email(text: str) -> str:
    """Return a mail address, its domain in lower-case ASCII (RFC 5280 4.2.1.6, a conservative RFC 5321 mailbox)."""
    if text.lower() in ("copy", "move"):
        raise UsageError(f"email:{text} is an order to openssl, not an address: write email:name@example.com")
    mail = _MAIL.fullmatch(text)
    if not mail:
        raise UsageError(
            f"{quote(text)} is not a mail address that is accepted here: write one such as name@example.com"
        )
    local = mail["local"]
    if len(local) > 64 or local.startswith("-"):
        raise UsageError(f"{quote(text)}: at most 64 characters stand before the @, and the first must not be -")
    return f"{local}@{_plain_host(mail['domain'], text, address=False)}"


def _uri(text: str) -> str:
    """Return a URI with scheme and host in lower case (RFC 3986 3, RFC 5280 4.2.1.6, RFC 5922 7.1)."""
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or not _SCHEME.fullmatch(scheme):
        raise UsageError(f"{quote(text)} is not a URI: write its scheme, a colon and the rest, such as sip:example.com")
    if "[" in rest or "]" in rest:
        raise UsageError(f"{quote(text)} has brackets, which openssl's config interprets: write a host name instead")
    if bad := _NOT_IN_URI.search(rest):
        escaped = "".join(f"%{byte:02X}" for byte in bad[0].encode())
        raise UsageError(f"{quote(text)} has {quote(bad[0])}, which cannot stand in it: write {escaped}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        raise UsageError(f"{quote(text)} has a % without two hex digits: write %25 for the character itself")
    scheme = scheme.lower()
    sip = scheme in ("sip", "sips")
    if sip or rest.startswith("//"):
        parts = (_SIP if sip else _AUTHORITY).fullmatch(rest)
        if not parts or not parts["host"]:
            raise UsageError(f"{quote(text)} has no host: write one such as {scheme}:{'' if sip else '//'}example.com")
        if sip and parts["port"]:
            raise UsageError(f"{quote(text)} has a port: write {quote(scheme + ':' + rest[: parts.end('host')])}")
        host = _plain_host(parts["host"], text, address=True)
        rest = rest[: parts.start("host")] + host + rest[parts.end("host") :]
    return f"{scheme}:{rest}"


_PARSERS = {"DNS": _dns, "IP": _ip, "email": _email, "URI": _uri}


def _plain_host(host: str, whole: str, *, address: bool) -> str:
    """Return the host of a mail address or URI: no wildcard, and an IP address only with `address`."""
    if "*" in host:
        raise UsageError(f"{quote(whole)} has a wildcard: write the host in full")
    meant_as_ip = _MEANT_AS_IP.match(host)
    if meant_as_ip and not address:
        raise UsageError(f"{quote(whole)} has an IP address after the @: write a host name")
    try:
        return _ip(host) if meant_as_ip else _dns(host)
    except UsageError as error:
        raise UsageError(f"in {quote(whole)}: {error}") from error


def _host_in_uri(text: str) -> str:
    """Return the valid host in a text like a URI, or an empty text."""
    parts = _HOST_IN_URI.match(text)
    try:
        return parse_host(parts["ipv6"] or parts["host"]).value if parts else ""
    except UsageError:
        return ""


def file_name(name: GeneralName | str) -> str:
    """Return the stem of a name's files in the pki folder, as easy-rsa spells it; `UsageError` if it is not safe."""
    text = name.value if isinstance(name, GeneralName) else name
    stem = f"_wildcard.{text[2:]}" if text.startswith("*.") else text.replace(":", "_")
    if not _FILE_STEM.fullmatch(stem):
        raise UsageError(
            f"{quote(text)} cannot name a file: use letters, digits and . _ - @ + = ~, first a letter or digit"
        )
    if len(stem) > 200:
        raise UsageError(f"{quote(text)} is too long to name a file: at most 200 characters")
    # The file systems of macOS do not tell CA.key from ca.key.
    if stem.lower() == "ca":
        raise UsageError(f"{quote(text)} would name the files of the root: write a longer name such as ca.example.com")
    return stem
