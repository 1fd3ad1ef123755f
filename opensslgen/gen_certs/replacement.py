"""A script that replaces the vendor's: it issues what `opensslgen server` issues, on appliances without Python.

Its text is `templates/gen-certs.sh`, with the other templates in the lines `#include NAME`, and those functions of
`templates/functions.sh` that it calls.
"""

from __future__ import annotations

import re

from opensslgen.orders.order import LEAF_DAYS, ROOT_DAYS
from opensslgen.patterns import pattern
from opensslgen.plan import script, template
from opensslgen.plan.issue import P12_ENCRYPTIONS
from opensslgen.plan.secrets import CA_PASSPHRASE
from opensslgen.rules.profiles import RULES
from opensslgen.x509.extensions import EXTENDED_KEY_USAGES, KEY_USAGES, PRINTED_USAGES

_INCLUDE = pattern(r"^#include (\S+)\n", re.MULTILINE)
_NOT_OFFERED = ("CRL_URL", "NAME_CONSTRAINTS")
_RULES = ("apple-eku", "apple-validity", "apple-signature-hash", "apple-key-size")


def gen_certs_script(*, version: str) -> str:
    """Return the script, which takes a server's name and options as `opensslgen server` does, and also `root`."""
    values = _values(version)
    text = template.shipped("gen-certs.sh").replace("@VERSION@", version)
    text = _INCLUDE.sub(lambda line: values if line[1] == "values" else _include(line[1]), text)
    return script.with_functions(text, template.shipped("functions.sh")) + '\nmain "$@"\n'


def _values(version: str) -> str:
    """Return the parts of the script that are generated from our tables: known words, and rules with their reasons."""
    values = {
        "VERSION": version,
        "SERVER_DAYS": str(LEAF_DAYS),
        "ROOT_DAYS": str(ROOT_DAYS),
        "EARLIEST_DAY": str(script.earliest_day()),
        "PASSPHRASE": f"env:{CA_PASSPHRASE}",
        "P12": " ".join(P12_ENCRYPTIONS["p12"]),
        "P12_COMPAT": " ".join(P12_ENCRYPTIONS["p12-compat"]),
        "KEY_USAGES": " ".join(KEY_USAGES),
        "EXTENDED_KEY_USAGES": " ".join(PRINTED_USAGES),
        "RULES": " ".join(RULES),
        "RULES_HERE": " ".join(("clock", *_RULES)),
    }
    values |= {rule.upper().replace("-", "_"): f"{RULES[rule].reason} ({RULES[rule].citation})" for rule in _RULES}
    lines = [f"{name}={_quote(value)}" for name, value in values.items()]
    names = {usage: f"word={name}" for usage, name in EXTENDED_KEY_USAGES.items()}
    lines += ["", "# name_usage USAGE: sets $word, its name if it is one of the dotted numbers that have names."]
    lines += _case("name_usage", names, "word=$1")
    printed = {usage: f"printed={_quote(words)}" for usage, words in PRINTED_USAGES.items()}
    lines += ["", "# printed_as USAGE: sets $printed, as every openssl prints it; what is not here differs by version."]
    lines += _case("printed_as", printed, "printed=''")
    return "\n".join(lines) + "\n"


def _case(name: str, arms: dict[str, str], otherwise: str) -> list[str]:
    """Return the lines of a shell function that runs the case arm for its argument."""
    lines = [f"{name}() {{", "    case $1 in"]
    lines += [f"        {value}) {command} ;;" for value, command in arms.items()]
    return [*lines, f"        *) {otherwise} ;;", "    esac", "}"]


def _quote(text: str) -> str:
    """Return the text in quotes even if it needs none: shellcheck wants that for words that are also commands."""
    return "'" + text.replace("'", "'\\''") + "'"


def _include(name: str) -> str:
    """Return a template; those for here-documents contain shell variables, but no other shell syntax."""
    text = template.without(template.shipped(name), *_NOT_OFFERED)
    assert not re.search(r"[`\\]|\$(?![A-Z])", text), name
    return text if text.endswith("\n") else text + "\n"
