"""Build each command that a message suggests, so that it works when it is pasted.

It names the same pki folder and repeats the options that it needs of the command that was typed, quoted for the shell.
How the program was started is a fact about the process, as its environment is; the command line records it here.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "opensslgen"
_DEFAULT_FOLDER = "pki"

_REPEATED = {
    "--openssl": frozenset(
        {"server", "client", "self-signed", "root", "intermediate", "adopt", "sign", "renew", "trust", "batch"}
        | {"revoke", "crl", "passwd", "export", "web", "audit", "run", "doctor", "why", "deploy"}
    ),
    "--passphrase-file": frozenset(
        {"server", "client", "intermediate", "sign", "renew", "batch", "revoke", "crl", "passwd", "web"}
    ),
}
"""The options that a suggested command repeats, and the commands that have them."""

_typed: dict[str, str] = {}
"""Options of the command that was typed, and their values."""


def forget_options() -> None:
    """Begin a new command, of which no option is known yet."""
    _typed.clear()


def remember_option(option: str, value: str) -> None:
    """Note an option of the command that was typed; `suggest` repeats it where it is needed."""
    _typed[option] = value


def suggest(*words: str, pki: Path | None = None) -> str:
    """Return a command to paste; `pki` is the folder that it has to work in, if it works in one."""
    options: list[str] = []
    if pki is not None and (str(pki) != _DEFAULT_FOLDER or "OPENSSLGEN_PKI" in os.environ):
        options += _option("--pki", str(pki))
    for option, value in _typed.items():
        if words[0] in _REPEATED[option]:
            options += _option(option, value)
    from shlex import join  # most commands suggest nothing

    return join([*program(), *words, *options])


def shell_words(*words: str) -> str:
    """Return words quoted for the shell; one that begins with a minus is a path."""
    from shlex import join

    return join(f"./{word}" if word.startswith("-") else word for word in words)


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def program() -> tuple[str, ...]:
    """Return the words that start this program, as somebody types them in the same folder."""
    import shutil
    from pathlib import Path  # most commands suggest nothing, and --help should not wait for it

    started = sys.argv[0]
    if is_archive():
        return (started if os.sep in started else f"./{started}",) if os.access(started, os.X_OK) else _by_python()
    if Path(started).name != PROGRAM:  # python -m opensslgen, or a program that imports it
        return (PROGRAM,)
    found = shutil.which(PROGRAM)
    is_on_path = found is not None and Path(started).exists() and Path(found).samefile(started)
    return (PROGRAM,) if is_on_path else (started,)


def program_anywhere() -> tuple[str, ...]:
    """Return the words that start this program from any folder, and without the variables of this shell."""
    import shutil
    from pathlib import Path

    started = Path(sys.argv[0])
    if is_archive():
        return _by_python()
    if started.name == PROGRAM and started.exists():
        return (str(started.absolute()),)
    if found := shutil.which(PROGRAM):
        return (str(Path(found).absolute()),)
    beside = Path(sys.executable).with_name(PROGRAM)
    if beside.exists():
        return (str(beside),)
    # Not installed: the package lies in a checkout.
    home = Path(__file__).absolute().parent.parent
    return ("/usr/bin/env", f"PYTHONPATH={home}", sys.executable, "-m", PROGRAM)


def is_archive() -> bool:
    """Tell whether the program is one file, a zip archive that Python runs."""
    from pathlib import Path

    if Path(__file__).exists() or not Path(sys.argv[0]).is_file():
        return False
    import zipfile  # installed, nobody needs it

    return zipfile.is_zipfile(sys.argv[0])


def _by_python() -> tuple[str, ...]:
    from pathlib import Path

    return (sys.executable, str(Path(sys.argv[0]).absolute()))
