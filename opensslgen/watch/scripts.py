"""The scripts that a command runs: where they call openssl, and where such a call bypasses the wrapper."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .calls import Call

_LARGEST = 1 << 20
"""Maximum size in bytes of a script that is read."""
_MOST = 100
"""Maximum number of scripts that are read."""
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_USUAL = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/ssl/bin", "/opt/homebrew/bin")
"""Where a script may find an openssl without our PATH."""

_OPENSSL = re.compile(r"(?<![\w.$}/+@-])(?P<path>(?:/[\w.+@-]+)*/openssl)(?![\w./-])")
_BEHIND_VARIABLE = re.compile(
    r"(?:^|[;|&(`=]|\b(?:then|do|else|exec|if|while|until)\b)\s*[\"']?(?P<path>\$\{?\w+\}?[\w/.]*/openssl)(?![\w./-])"
)
_ELSEWHERE = re.compile(
    r"(?:^|[\s;|&(`])(?P<program>ssh|docker|podman|chroot|su|runuser|nsenter|systemd-run)\s.*\bopenssl\b"
)
_PAST = (
    (re.compile(r"(?:^|[\s;|&(])PATH=(?![\"']?\$\{?PATH\b)"), "sets PATH"),
    (re.compile(r"(?:^|[\s;|&(])env\s+(?:-\w+\s+)*(?:-i|-)\s"), "runs a command without the PATH (env -i)"),
    (re.compile(r"(?:^|[\s;|&(])command\s+-p\s"), "runs command -p"),
    (re.compile(r"(?:^|[\s;|&(])sudo\s"), "runs sudo, which sets PATH"),
    (re.compile(r"(?:^|[\s;|&(])(?:ba|da|k|z)?sh\s+(?:-\w*l|--login)\b"), "runs a login shell, which sets PATH"),
    (re.compile(r"(?:^|[\s;|&(])(?:\.|source)\s+/etc/profile\b"), "reads /etc/profile, which sets PATH"),
)
_WORD = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"';|&<>()])+|[;|&<>()]""")


@dataclass(frozen=True)
class Script:
    """A text file that the command runs."""

    path: str
    """The path as the command names it."""
    lines: tuple[tuple[int, str], ...]
    """Each with its number; lines continued by a backslash are joined, comments are left out."""


@dataclass(frozen=True)
class Bypass:
    """A place where a script may call an openssl that is not the first in the PATH."""

    script: str
    line: int
    what: str
    """Such as "calls /usr/bin/openssl"."""
    path: str | None = None
    """The path of the program, if the script has it literally."""
    is_elsewhere: bool = False
    """Whether the wrapper cannot be put in front of it on this machine."""


def scripts_of(argv: Sequence[str]) -> tuple[Script, ...]:
    """Return the scripts that a command names, and the scripts that those name."""
    waiting = [word for word in argv if "/" in word or _is_file(word)]
    if argv and "/" not in argv[0] and not _is_file(argv[0]) and (found := shutil.which(argv[0])):
        waiting.insert(0, found)
    if any(os.path.basename(word) in ("make", "gmake") for word in argv[:1]):  # noqa: PTH119
        waiting += [name for name in _MAKEFILES if Path(name).is_file()][:1]
    found_scripts: dict[str, Script] = {}
    inline = [Script(argv[0], _logical_lines(word)) for word in argv[1:] if re.search(r"\s", word)]
    while waiting and len(found_scripts) < _MOST:
        path = waiting.pop(0)
        if path in found_scripts or (script := _script(path)) is None:
            continue
        found_scripts[path] = script
        waiting += _named_in(script)
    return (*found_scripts.values(), *inline)


def _is_file(word: str) -> bool:
    """Return whether a word names a file; a word that is too long for a name names none."""
    return os.path.isfile(word)  # noqa: PTH113 # Path raises OSError for such a word


def _script(path: str) -> Script | None:
    try:
        file = Path(path)
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            data = stream.read(_LARGEST)
    except (OSError, ValueError):
        return None
    if data.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"-----BEGIN")):
        return None
    return Script(path, _logical_lines(data.decode("utf-8", "replace")))


def _logical_lines(text: str) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    held, start = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        start = start if held else number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        whole, held = held + line, ""
        if not whole.lstrip().startswith("#"):
            found.append((start, whole))
    if held:
        found.append((start, held))
    return tuple(found)


def _named_in(script: Script) -> Iterator[str]:
    """Yield the files that a script runs or reads by a literal name."""
    folder = os.path.dirname(script.path)  # noqa: PTH120
    for _, line in script.lines:
        for word in _WORD.findall(line):
            name = word.strip("\"'")
            name = re.sub(r"^\$\{?(?:PWD|HERE|DIR|SCRIPT_?DIR|here|dir)\}?/|^\$\(dirname \"?\$0\"?\)/", "", name)
            if "$" in name or not re.search(r"[./]", name) or name.startswith(("/dev/", "/proc/", "-")):
                continue
            if name.endswith((".crt", ".pem", ".key", ".csr", ".cnf", ".conf", ".ext", ".srl", ".txt")):
                continue
            yield from dict.fromkeys((name, os.path.join(folder, name)))  # noqa: PTH118


def bypasses(scripts: Iterable[Script]) -> tuple[Bypass, ...]:
    """Return where scripts may bypass a wrapper that is first in the PATH."""
    found: list[Bypass] = []
    for script in scripts:
        for number, line in script.lines:
            if match := _ELSEWHERE.search(line):
                what = f"runs openssl through {match['program']}"
                found.append(Bypass(script.path, number, what, is_elsewhere=True))
            for match in _OPENSSL.finditer(line):
                if os.access(match["path"], os.X_OK) and os.path.isfile(match["path"]):  # noqa: PTH113
                    found.append(Bypass(script.path, number, f"calls {match['path']}", match["path"]))
            if match := _BEHIND_VARIABLE.search(line):
                found.append(Bypass(script.path, number, f"calls {match['path']}"))
            found += [Bypass(script.path, number, what) for pattern, what in _PAST if pattern.search(line)]
    return tuple(dict.fromkeys(found))


def openssls(bypassed: Iterable[Bypass], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the real paths of the openssl programs that scripts may call, the first in the PATH first."""
    folders = [folder for folder in environment.get("PATH", os.defpath).split(os.pathsep) if folder]
    paths = [os.path.join(folder, "openssl") for folder in (*folders, *_USUAL)]  # noqa: PTH118
    paths += [each.path for each in bypassed if each.path]
    found = [os.path.realpath(path) for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]  # noqa: PTH113
    return tuple(dict.fromkeys(found))


def line_of(call: Call, scripts: Iterable[Script]) -> tuple[str, int] | None:
    """Return the script and line of a call, if exactly one line fits it best."""
    best: dict[int, list[tuple[str, int]]] = {}
    for script in scripts:
        for number, line in script.lines:
            for words in _commands(line):
                if (score := _fit(words, call)) > 0:
                    best.setdefault(score, []).append((script.path, number))
    places = list(dict.fromkeys(best[max(best)])) if best else []
    return places[0] if len(places) == 1 else None


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the commands in a line, each as words without their quotes."""
    words: list[str] = []
    for word in _WORD.findall(line):
        if word in ";|&()":
            yield words
            words = []
        elif word not in "<>":
            words.append(word.replace('"', "").replace("'", ""))
    yield words


def _fit(words: list[str], call: Call) -> int:
    """Return how many words of a script's command are in a call; 0 if they do not fit."""
    arguments = set(call.arguments)
    at = next((at for at, word in enumerate(words) if word == call.arguments[0]), None)
    if not at:
        return 0
    score = 1 if "openssl" in words[at - 1] else 0
    for word in words[at + 1 :]:
        if "$" in word or "`" in word:
            continue
        if word in arguments:
            score += 1
        elif word.startswith("-"):
            return 0
    return score
