"""How openssl uses a config: the sections that it applies to certificates, and the code that it would load."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timezone

from opensslgen.x509.extensions import EXTENSIONS

from .reader import DEFAULT, Config, Entry, Section

SELF, REQUEST, CA, COPIED, FILE = "self", "request", "ca", "copied", "file"
"""The ways to use a section: `req -x509`; `req -new`; `ca`; `ca` with extensions of the request; `x509 -extfile`."""

COMMON = "v3_req"
"""The usual name of a section that the command line names, also in the vendor's script."""
# Modules that are part of openssl (CONF_modules_load); it loads all others from shared libraries.
_BUILT_IN = ("oid_section", "stbl_section", "alg_section", "ssl_conf", "random", "engines", "providers")
_ISSUING = ("policy", "new_certs_dir", "serial", "default_days", "x509_extensions")
_PROVIDERS = ("default", "base", "legacy", "fips", "null")


def sections_used(
    config: Config, asked: Sequence[str]
) -> tuple[dict[str, set[str]], list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the sections of extensions with the ways in which openssl uses each.

    Also return line and name of each section that is missing, and line and key of each section whose name is unknown.
    """
    used: dict[str, set[str]] = {}
    absent: list[tuple[int, str]] = []
    unnamed: list[tuple[int, str]] = []
    for section in config.sections.values():
        for entry in section.entries:
            use = _use(config, section, entry.key)
            if use is None or not entry.value:
                continue
            if not entry.is_known:
                unnamed.append((entry.line, entry.key))
            elif entry.value in config.sections:
                used.setdefault(entry.value, set()).add(use)
            else:
                absent.append((entry.line, entry.value))
    if is_extension_file(config):
        used.setdefault(DEFAULT, set()).add(FILE)
    if COMMON in config.sections and COMMON not in used:
        used[COMMON] = {FILE}
    for name in asked:
        if name in config.sections:
            used.setdefault(name, set()).add(FILE)
    return used, absent, unnamed


def looks_like_extensions(section: Section) -> bool:
    """Tell whether a key in a section is the name of an extension, in any case; openssl refuses the wrong case."""
    return any(canonical(entry.key) in EXTENSIONS or entry.key.lower() in _LOWER for entry in section.entries)


def named_for_lists(config: Config) -> set[str]:
    """Return the sections that a config names for CRLs."""
    named = (config.own(name, "crl_extensions") for name in config.sections)
    return {entry.value for entry in named if entry}


def is_for_lists(section: Section, named: Collection[str]) -> bool:
    """Tell whether a section contains extensions of CRLs (RFC 5280 section 5.2); `named` are those of the config."""
    return section.name in named or all(canonical(entry.key) in _OF_LISTS for entry in section.entries)


def named_for_subjects(config: Config) -> set[str]:
    """Return the sections that a config names for the fields of subjects, and for policies of them."""
    return {entry.value for each in config.sections for key in _OF_SUBJECTS if (entry := config.own(each, key))}


def is_for_subjects(section: Section, named: Collection[str]) -> bool:
    """Tell whether a section has fields of a subject or a policy, even beside an extension; `named` are those named."""
    if section.name in named:
        return any(canonical(entry.key) not in EXTENSIONS for entry in section.entries)
    return bool(section.entries) and all(entry.value in ("match", "optional", "supplied") for entry in section.entries)


_OF_SUBJECTS = ("distinguished_name", "policy", "attributes")
"""The keys that name such sections (openssl-req(1), openssl-ca(1))."""


def is_for_proxies(section: Section) -> bool:
    """Tell whether a section contains extensions of proxy certificates (RFC 3820)."""
    return any(canonical(entry.key) == "proxyCertInfo" for entry in section.entries)


def copies_extensions(config: Config) -> bool:
    """Tell whether, by default, `openssl ca` copies extensions from requests."""
    return _copies(_entry_of_ca(config, "copy_extensions"))


def _copies(entry: Entry | None) -> bool:
    return entry is not None and entry.value in ("copy", "copyall")


def _entry_of_ca(config: Config, key: str) -> Entry | None:
    section = config.entry("ca", "default_ca")
    return config.entry(section.value, key) if section else None


def default_section(config: Config, use: str) -> str:
    """Return the section that openssl applies if its command line names none; DEFAULT if there is no such section."""
    named = {
        FILE: config.own(DEFAULT, "extensions"),
        REQUEST: config.entry("req", "req_extensions"),
        SELF: config.entry("req", "x509_extensions"),
    }.get(use, _entry_of_ca(config, "x509_extensions"))
    return named.value if named else DEFAULT


def _use(config: Config, section: Section, key: str) -> str | None:
    if key == "req_extensions":
        return REQUEST
    if key == "extensions" and section.name == DEFAULT:
        return FILE
    if key != "x509_extensions":
        return None
    if reads_requests(config, section.name) or (section.name == DEFAULT and "req" in config.sections):
        return SELF
    return COPIED if _copies(config.entry(section.name, "copy_extensions")) else CA


def reads_requests(config: Config, section: str) -> bool:
    """Tell whether `openssl req` reads a section."""
    return section == "req" or config.own(section, "distinguished_name") is not None


def signs_requests(config: Config, section: str) -> bool:
    """Tell whether `openssl ca` reads a section."""
    if section == DEFAULT or reads_requests(config, section):
        return False
    named = config.entry("ca", "default_ca")
    marks = ("database", "new_certs_dir", "x509_extensions")
    return bool(named and named.value == section) or any(config.own(section, mark) for mark in marks)


def issues_certificates(config: Config) -> bool:
    """Tell whether `openssl req` or `openssl ca` can make certificates with a config, and not only CRLs."""
    return any(
        reads_requests(config, name)
        or (signs_requests(config, name) and any(config.entry(name, key) for key in _ISSUING))
        for name in config.sections
    )


def is_extension_file(config: Config) -> bool:
    """Tell whether `-extfile` alone would apply the keys before the first header (openssl-x509(1))."""
    default = config.sections[DEFAULT]
    if "req" in config.sections or "ca" in config.sections or config.own(DEFAULT, "extensions"):
        return False
    return any(canonical(entry.key) in EXTENSIONS for entry in default.entries)


def openssl_time(text: str) -> datetime | None:
    """Return a time as openssl takes it, YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ; None if it is not one."""
    for form, length in (("%Y%m%d%H%M%SZ", 15), ("%y%m%d%H%M%SZ", 13)):
        if len(text) == length and text[:-1].isdigit():
            try:
                return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
            except ValueError:
                return None
    return None


def loaded_code(config: Config) -> Iterator[tuple[int, str]]:
    """Yield line and description of each library that the config makes openssl load (config(5))."""
    named = config.entry(DEFAULT, "openssl_conf")
    modules = config.sections.get(named.value) if named else None
    for entry in modules.entries if modules else ():
        # A module can be used twice, as engines.1 and engines.2.
        module = entry.key.rpartition(".")[0] or entry.key
        inner = config.sections.get(entry.value)
        if module not in _BUILT_IN:
            yield entry.line, f"the module {entry.key}"
        elif module in ("engines", "providers") and inner:
            for each in inner.entries:
                library = config.own(each.value, "dynamic_path" if module == "engines" else "module")
                identity = config.own(each.value, "identity")
                name = identity.value if identity else each.key.rpartition(".")[2]
                if module == "engines" or library or name not in _PROVIDERS:
                    what = f"the {module[:-1]} {each.key}"
                    yield library.line if library else each.line, f"{what} from {library.value}" if library else what


_LOWER = frozenset(name.lower() for name in EXTENSIONS)
_OF_LISTS = ("authorityKeyIdentifier", "issuerAltName", "authorityInfoAccess", "freshestCRL", "crlNumber")
_NAMES = {oid: name for name, oid in EXTENSIONS.items()}


def canonical(key: str) -> str:
    """Return the short name of an extension, from its short name or its OID."""
    return _NAMES.get(key, key)
