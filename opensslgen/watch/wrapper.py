"""The wrapper in front of openssl: `templates/wrapper.sh`, with its settings fill in."""

from __future__ import annotations

import re
import shlex

from opensslgen.plan import template

_SETTING = re.compile(r"^(og_[a-z]+)=(?:''|\S+)", re.MULTILINE)


def wrapper_script(
    *, openssl: str = "", fix: bool = True, log: str = "syslog", names: str = "", record: str = "", version: str = ""
) -> str:
    """Return the wrapper as one shell file; without arguments, for an appliance.

    `openssl` is the path of the real one. `log` is syslog, stderr, a path, or "record" (with the call). `names` is a
    subjectAltName for certificates that have none, `record` a folder in which calls are recorded, `version` what the
    real openssl prints as its version.
    """
    values = {
        "openssl": openssl,
        "fix": "yes" if fix else "no",
        "log": log,
        "names": names,
        "record": record,
        "version": version,
    }
    left = {f"og_{name}": value for name, value in values.items()}

    def fill(match: re.Match[str]) -> str:
        # Each setting is once at the top; later assignments are not changed.
        value = left.pop(match[1], None)
        return match[0] if value is None else f"{match[1]}={shlex.quote(value)}"

    return _SETTING.sub(fill, template.shipped("wrapper.sh"))
