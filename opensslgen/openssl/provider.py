"""The providers of cryptography that a site has set up for its openssl, such as OpenSSL's FIPS module."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.text import visible

from . import command

if TYPE_CHECKING:
    from .command import OpenSSL


def find(path: str | None = None) -> OpenSSL:
    """Return the openssl that makes keys: `command.find`, and `settled`."""
    return settled(command.find(path))


def settled(found: OpenSSL) -> OpenSSL:
    """Return this openssl with the site's config, if that sets up providers; else its config stays empty.

    Raises OpenSSLError if the config asks for FIPS and openssl does not load it.
    """
    config = default_config(found)
    try:
        text = config.read_text("utf-8", "replace")
    except OSError:
        return found
    if not found.can("providers"):
        fips = found.flavour == "OpenSSL" and bool(_FIPS_MODE.search(text))
        return replace(found, conf=str(config), providers=("FIPS mode",), fips=True) if fips else found
    if not _MAY_SET_UP.search(text):
        return found
    site = replace(found, conf=str(config))
    listed = site.run(["list", "-providers"], check=False)
    active = _active(listed.stdout.decode("utf-8", "replace"))
    if _ASKS_FOR_FIPS.search(text) and (listed.exit_code != 0 or "fips" not in active):
        why = f": {command.reason(listed)}" if listed.stderr else ""
        raise command.OpenSSLError(
            f"{config} asks for FIPS, but {found.path} does not load the FIPS provider{why}",
            hint="set OPENSSL_CONF=/dev/null to work without the site's config, and so without FIPS",
        )
    if listed.exit_code != 0 or active.keys() <= {"default"}:
        return found
    # With another provider beside it, FIPS is in force only if the default properties of algorithms ask for it.
    in_force = "fips" in active and site.run(["dgst", "-md5"], check=False).exit_code != 0
    return replace(site, providers=tuple(active.values()), fips=in_force)


def describe(openssl: OpenSSL) -> str:
    """Return where keys and signatures come from, in words."""
    if not openssl.providers:
        return "openssl's own cryptography"
    said = f"the providers of {openssl.conf}: {', '.join(openssl.providers)}"
    if openssl.fips:
        return f"{said}; FIPS is in force"
    loaded = any("FIPS" in name for name in openssl.providers)
    return f"{said}; FIPS is loaded but not in force, as no default property asks for it" if loaded else said


_MAY_SET_UP = re.compile(r"^\s*(activate|default_properties|\.include)\b", re.MULTILINE)
"""What a config cannot do without if it activates a provider, in itself or in a file that it includes."""

_ASKS_FOR_FIPS = re.compile(r"^\s*(fips\s*=|[^#\n]*\bfips\s*=\s*(yes|1|true)\b)", re.MULTILINE)

_FIPS_MODE = re.compile(r"^\s*fips_mode\s*=\s*[yot1]", re.MULTILINE | re.IGNORECASE)
"""Before version 3, FIPS is a mode of openssl."""


def default_config(openssl: OpenSSL) -> Path:
    """Return the path of the config that openssl reads by default."""
    if named := os.environ.get("OPENSSL_CONF"):
        return Path(named).absolute()
    return Path(openssl.directory, "openssl.cnf") if openssl.directory else Path(os.devnull)


def _active(listed: str) -> dict[str, str]:
    """Return the active providers of `openssl list -providers`: by identity, the name and version of each."""
    active = {}
    for block in re.split(r"^  (?=\S)", listed, flags=re.MULTILINE)[1:]:
        identity, _, rest = block.partition("\n")
        values = dict(re.findall(r"^    (\w+): (.*)$", rest, re.MULTILINE))
        if values.get("status") == "active":
            active[identity.strip()] = visible(f"{values.get('name', identity)} {values.get('version', '')}".strip())
    return active
