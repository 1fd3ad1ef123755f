"""The builtin commands of the shell, and external commands with a simple effect on files and text."""

from __future__ import annotations

import posixpath
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError

from .conditions import condition, test
from .machine import Builtins
from .status import LeaveError, Maybe, Status
from .values import UNREAD, Chunk, File, fields, is_known, unknown, with_names
from .words import calculate, cost, pattern, printf, regular, sed, unescape

if TYPE_CHECKING:
    from collections.abc import Callable

    from .machine import Machine
    from .syntax import Simple


def _echo(machine: Machine, tree: Simple, words: list[str]) -> Status:
    rest, newline, escapes = words[1:], True, False
    bash = machine.world.is_bash
    if machine.output is None:
        return 0
    if bash is None and (
        re.fullmatch(r"-[neE]*[eE][neE]*", rest[0] if rest else "") or any("\\" in each for each in rest)
    ):
        bash = not machine.choose("echo of dash")
    if bash is False:
        escapes = True
        if rest[:1] == ["-n"]:
            newline, rest = False, rest[1:]
    while bash is not False and rest and re.fullmatch(r"-[neE]+", rest[0]):
        newline = newline and "n" not in rest[0]
        escapes = "e" in rest[0] or (escapes and "E" not in rest[0])
        rest = rest[1:]
    text = " ".join(rest)
    machine.print((unescape(text) if escapes else text) + ("\n" if newline else ""), tree.line, tree.last)
    return 0


def _printf(machine: Machine, tree: Simple, words: list[str]) -> Status:
    rest = words[1:]
    variable = None
    if rest[:1] == ["-v"] and len(rest) > 2:
        variable, rest = rest[1], rest[2:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    text = printf(rest[0], rest[1:]) if rest and is_known(rest[0]) else None
    if text is None:
        # An unknown word in the format is printed unchanged, as if it contained no directive.
        text = printf(rest[0], rest[1:]) if rest else ""
        if text is None:
            text = machine.fresh("printf") + "\n"
    if variable:
        machine.set(variable, text)
    else:
        machine.print(text, tree.line, tree.last)
    return 0


def _operands(words: list[str], valued: str = "") -> list[str]:
    """Return the words after the options; options in `valued` take the next word as their value."""
    found: list[str] = []
    rest = words[1:]
    while rest:
        word, rest = rest[0], rest[1:]
        if word == "--":
            return found + rest
        if word.startswith("-") and len(word) > 1:
            rest = rest[1:] if not word.startswith("--") and word[-1] in valued else rest
            continue
        found.append(word)
    return found


def _content(machine: Machine, name: str, line: int) -> list[Chunk]:
    file = machine.file(name)
    if file is None:
        return [Chunk(unknown(f"{with_names(name)}{UNREAD}") + "\n", line)]
    return file.chunks


def _cat(machine: Machine, tree: Simple, words: list[str]) -> Status:
    chunks: list[Chunk] = []
    if any(word.startswith("-") and word not in ("-", "-u") for word in words[1:]):
        chunks = [Chunk(machine.fresh("cat") + "\n", tree.line)]
    else:
        for name in [word for word in words[1:] if word != "-u"] or ["-"]:
            chunks += list(_content(machine, name, tree.line))
    machine.put(chunks)
    return 0


def _tee(machine: Machine, tree: Simple, words: list[str]) -> Status:
    appends = any(re.fullmatch(r"-\w*a\w*|--append", word) for word in words[1:])
    chunks = list(_content(machine, "-", tree.line))
    for name in _operands(words):
        if name not in ("/dev/null", "/dev/stderr", "/dev/tty"):
            file = machine.create(name, appends=appends)
            machine.budget.write(sum(len(chunk.text) for chunk in chunks))
            file.chunks += chunks
    machine.put(chunks)
    return 0


def _place(machine: Machine, source: str, target: str) -> str:
    """Return the path of a copy: in a folder under the source's name, or the target itself."""
    path = machine.path(target)
    if (
        target.endswith(("/", "/."))
        or target in (".", "..")
        or path in machine.folders
        or any(each.startswith(f"{path}/") for each in machine.files)
    ):
        return f"{path}/{posixpath.basename(source)}"
    return path


def _cp(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    names = _operands(words, "mStogZ" if words[0] == "install" else "St")
    if len(names) < 2:
        return 0
    *sources, target = names
    for source in sources:
        file = machine.file(source)
        place = _place(machine, source, target)
        if words[0] == "ln":
            machine.files.pop(place, None)
            machine.links[place] = machine.path(source)
            continue
        if file is None and (
            posixpath.basename(source) == "*" or any(each[:1] == "-" and "r" in each.lower() for each in words)
        ):
            # It may overwrite any file there.
            folder = place if posixpath.basename(source) != "*" else posixpath.dirname(place)
            what = Chunk(unknown(f"{with_names(source)}{UNREAD}") + "\n", machine.line)
            for path in [path for path in machine.files if posixpath.dirname(path) == folder]:
                machine.files[path] = File([what])
            if posixpath.basename(source) == "*":
                continue
        if file is not None:
            machine.budget.write(64)
            machine.files[place] = File(list(file.chunks))
        else:
            machine.files[place] = File([Chunk(unknown(f"{with_names(source)}{UNREAD}") + "\n", machine.line)])
        if words[0].endswith("mv"):
            machine.files[machine.path(source)] = None
    return 0


def _mkdir(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    machine.folders.update(machine.path(name) for name in _operands(words, "m"))
    return 0


def _rm(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    for name in _operands(words):
        path = machine.path(name)
        expression = (
            pattern(path) if is_known(name) and re.search(r"[*?\[]", name) else re.compile(re.escape(path) + "/.*")
        )
        if expression is not None and len(machine.removed) < 100:
            machine.removed.append(expression)
        machine.files[path] = None
        for each in [each for each in machine.files if each.startswith(f"{path}/")]:
            machine.files[each] = None
    return 0


def _touch(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    for name in _operands(words, "tdr"):
        if machine.exists(name) is False:
            machine.create(name)
    return 0


def _sed(machine: Machine, tree: Simple, words: list[str]) -> Status:
    programs: list[str] = []
    names: list[str] = []
    rest, in_place, extended, supported = words[1:], False, False, True
    while rest:
        word, rest = rest[0], rest[1:]
        match = re.fullmatch(r"-([nErsuz]*)(?:(i)(.*)|(e)(.*))?", word, re.DOTALL)
        if word in ("--expression",) or (match and match[4] and not match[5]):
            programs, rest = programs + rest[:1], rest[1:]
        elif match and match[4]:
            programs.append(match[5])
        elif word.startswith("--in-place"):
            in_place = True
        elif not word.startswith("-") or word == "-":
            names.append(word)
        elif not match and word not in ("--regexp-extended", "--posix", "--unbuffered"):
            supported = False
        if match and word != "-":
            in_place = in_place or bool(match[2])
            extended = extended or "E" in match[1] or "r" in match[1]
            supported = supported and not set(match[1]) & {"n", "s", "z"}
            # `-i ''` takes a suffix only outside of GNU.
            supported = supported and not (word == "-i" and rest[:1] == [""])
        extended = extended or word == "--regexp-extended"
    if not programs and names:
        programs, names = names[:1], names[1:]
    for name in names or ["-"]:
        file = machine.file(name)
        new: list[Chunk] = [Chunk(unknown(f"what sed makes of {with_names(name)}") + "\n", tree.line)]
        if supported and file is not None and not file.things:
            new = _edit(machine, programs, file.chunks, extended=extended) or new
        if not in_place:
            machine.put(new)
        elif file is not None:
            machine.files[machine.path(name)] = File(new)
    return 0


def _edit(machine: Machine, programs: list[str], chunks: list[Chunk], *, extended: bool) -> list[Chunk]:
    """Return the output of sed for pieces; nothing if unknown."""
    for program in programs:
        if is_known(program):
            chunks = _edit_with(machine, program, chunks, extended=extended) or _with_unknown(
                program, chunks, extended=extended
            )
        else:
            chunks = _with_unknown(program, chunks, extended=extended)
    return chunks


def _edit_with(machine: Machine, program: str, chunks: list[Chunk], *, extended: bool) -> list[Chunk]:
    if not all(chunk.text.endswith("\n") for chunk in chunks):
        text = "".join(chunk.text for chunk in chunks)
        changed = sed(program, text, machine.budget.write, extended=extended)
        return [] if changed is None else [Chunk(piece, machine.line) for piece in changed.splitlines(keepends=True)]
    found = []
    for chunk in chunks:
        changed = sed(program, chunk.text, machine.budget.write, extended=extended)
        if changed is None:
            return []
        found.append(Chunk(changed, chunk.line))
    return found


def _with_unknown(program: str, chunks: list[Chunk], *, extended: bool) -> list[Chunk]:
    """Replace plain text by an unknown value; nothing if that is not what the program does."""
    match = re.fullmatch(r"s(.)((?:(?!\1)[^\\.\[\]*^])+)\1((?:(?!\1)[^\\&])*)\1g?", program, re.DOTALL)
    if not match or not is_known(match[2]) or "\n" in match[3] or match[2].endswith("$"):
        return []
    if extended and re.search(r"[+?(){}|]", match[2]):
        return []
    return [Chunk(chunk.text.replace(match[2], match[3]), chunk.line) for chunk in chunks]


def _cd(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    target = (_operands(words) or [unknown("$HOME")])[0]
    state = machine.state
    if words[0] == "pushd":
        state.folders = (*state.folders, state.cwd)
    new = (state.former or unknown("$OLDPWD")) if target == "-" else machine.path(target)
    state.cwd, state.former = new, state.cwd
    return 0


def _popd(machine: Machine, _tree: Simple, _words: list[str]) -> Status:
    state = machine.state
    state.cwd, state.former = (state.folders or (machine.fresh("popd"),))[-1], state.cwd
    state.folders = state.folders[:-1]
    return 0


def _pwd(machine: Machine, tree: Simple, _words: list[str]) -> Status:
    machine.print(f"{machine.state.cwd}\n", tree.line, tree.last)
    return 0


def _basename(machine: Machine, tree: Simple, words: list[str]) -> Status:
    names = _operands(words, "s")
    if not names:
        return 1
    value = posixpath.basename(names[0].rstrip("/"))
    if len(names) > 1:
        value = value.removesuffix(names[1])
    machine.print(f"{value}\n", tree.line, tree.last)
    return 0


def _dirname(machine: Machine, tree: Simple, words: list[str]) -> Status:
    value = (_operands(words) or ["."])[0]
    found = posixpath.dirname(value) or ("." if is_known(value) else unknown(f"$(dirname {with_names(value)})"))
    machine.print(f"{found}\n", tree.line, tree.last)
    return 0


def _realpath(machine: Machine, tree: Simple, words: list[str]) -> Status:
    names = _operands(words)
    machine.print(f"{machine.path(names[0] if names else '.')}\n", tree.line, tree.last)
    return 0


def _mktemp(machine: Machine, tree: Simple, _words: list[str]) -> Status:
    name = machine.fresh("$(mktemp)")
    machine.create(name)
    machine.print(f"{name}\n", tree.line, tree.last)
    return 0


def _exit(_machine: Machine, _tree: Simple, words: list[str]) -> Status:
    status = int(words[1]) & 0xFF if len(words) > 1 and re.fullmatch("[0-9]{1,3}", words[1]) else 0
    raise LeaveError(words[0], status)


def _leave_loop(_machine: Machine, _tree: Simple, words: list[str]) -> Status:
    levels = int(words[1]) if len(words) > 1 and re.fullmatch("[1-9]", words[1]) else 1
    raise LeaveError(words[0], levels=levels)


def _test(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    if words[0] == "[":
        words = words[:-1] if words[-1] == "]" else words
    return test(machine, words[1:])


def _set(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    for word, following in zip(words[1:], [*words[2:], ""], strict=False):
        if word == "--":
            break
        if re.fullmatch(r"[-+]\w*a\w*", word) or (word in ("-o", "+o") and following == "allexport"):
            machine.state.exports_all = word[0] == "-"
        if re.fullmatch(r"[-+]\w*u\w*", word) or (word in ("-o", "+o") and following == "nounset"):
            machine.state.refuses_unset = word[0] == "-"
    if machine.splits:
        machine.state.arguments, machine.state.shifted = None, 0
    elif "--" in words[1:]:
        machine.state.arguments = words[words.index("--") + 1 :]
    elif len(words) > 1 and not words[1].startswith(("-", "+")):
        machine.state.arguments = words[1:]
    return 0


def _shift(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    count = int(words[1]) if len(words) > 1 and re.fullmatch("[0-9]", words[1]) else 1
    if machine.state.arguments is None:
        machine.state.shifted += count
    else:
        machine.state.arguments = machine.state.arguments[count:]
    return 0


def _unset(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    for name in words[1:]:
        machine.state.variables.pop(name, None)
        machine.state.arrays.pop(name, None)
        machine.state.maps.pop(name, None)
        machine.state.unset.add(name)
        if words[1] == "-f":
            machine.state.functions.pop(name, None)
    return 0


def _eval(machine: Machine, tree: Simple, words: list[str]) -> Status:
    text = " ".join(words[1:])
    if not is_known(text):
        machine.note(f"eval runs what depends on {with_names(text)[:60]}", tree.line)
        return 0
    return machine.source(File([Chunk(text, tree.line)]), tree.line)


def _dot(machine: Machine, tree: Simple, words: list[str]) -> Status:
    if len(words) < 2:
        return 0
    file = machine.file(words[1])
    if file is not None:
        return machine.source(file, tree.line)
    # It may set any variable.
    machine.state.tainted = with_names(words[1]).replace(with_names(unknown("$PWD")) + "/", "")
    machine.state.variables = {
        name: value for name, value in machine.state.variables.items() if name in ("OPENSSL",) and is_known(value)
    }
    machine.state.arrays = {}
    machine.state.unset = set()
    return 0


def _read(machine: Machine, tree: Simple, words: list[str]) -> Status:
    names = [word for word in _operands(words, "pdntNu") if re.fullmatch(r"[A-Za-z_]\w*", word)] or ["REPLY"]
    file = machine.input
    if file is None or not file.chunks or any(chunk.thing is not None for chunk in file.chunks):
        is_at_end = file is not None and not file.chunks
        for name in names:
            machine.set(name, "" if is_at_end else machine.fresh(f"read {name}"))
        return 1 if is_at_end else Maybe(f"read {machine.counter} {tree.start}")
    text = file.text
    if "-d" in words and words[words.index("-d") + 1 : words.index("-d") + 2] == [""]:
        machine.set(names[0], text.strip() if machine.get("IFS") != "" else text)
        file.chunks = []
        return 1
    line, _, rest = text.partition("\n")
    if not is_known(line) and re.fullmatch("\ud800[^\ud801]*\ud801", line) and UNREAD in with_names(line):
        # This line represents any number of lines.
        file.chunks = [Chunk(rest, tree.line)] if rest else []
        for name in names:
            machine.set(name, machine.fresh(f"read {name}"))
        return 0
    file.chunks = [Chunk(rest, tree.line)] if rest else []
    separator = machine.get("IFS")
    if separator is not None and separator not in (" \t\n", " ") and separator != "" and is_known(separator):
        values = re.split(f"[{re.escape(separator)}]", line, maxsplit=len(names) - 1)
    elif separator == "":
        values = [line]
    else:
        values = line.split(maxsplit=len(names) - 1)
        values[-1:] = [values[-1].rstrip()] if values else []
    for number, name in enumerate(names):
        machine.set(name, values[number] if number < len(values) else "")
    return 0


def _mapfile(machine: Machine, _tree: Simple, words: list[str]) -> Status:
    name = (_operands(words, "dnOsuCc") or ["MAPFILE"])[0]
    if machine.input is not None and is_known(machine.input.text):
        machine.state.variables.pop(name, None)
        machine.state.arrays[name] = machine.input.text.splitlines(keepends="-t" not in words)
    else:
        machine.set(name, machine.fresh(f"${name}"))
    return 0


def _getopts(machine: Machine, tree: Simple, words: list[str]) -> Status:
    if len(words) > 2:
        machine.set(words[2], machine.fresh("getopts"))
    machine.set("OPTARG", machine.fresh("$OPTARG"))
    return Maybe(f"getopts {machine.counter} {tree.start}")


def _let(machine: Machine, tree: Simple, words: list[str]) -> Status:
    from .syntax import Text, Word

    for word in words[1:]:
        machine.number(Word((Text(word, True, tree.line),), tree.line))
    return 0


def _seq(machine: Machine, tree: Simple, words: list[str]) -> Status:
    numbers = words[1:]
    if not 1 <= len(numbers) <= 2 or not all(re.fullmatch("[0-9]{1,6}", number) for number in numbers):
        machine.put([Chunk(machine.fresh("$(seq)") + "\n", tree.line)])
        return 0
    first, last = (1, int(numbers[0])) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))
    machine.print("".join(f"{each}\n" for each in range(first, min(last, first + 600) + 1)), tree.line, tree.last)
    return 0


def _expr(machine: Machine, tree: Simple, words: list[str]) -> Status:
    text = " ".join(words[1:])
    value = calculate(text, {}) if is_known(text) else None
    machine.print(
        (str(value) if value is not None else unknown(f"$(expr {with_names(text)})")) + "\n", tree.line, tree.last
    )
    return 0


def _filter(change: Callable[[str, list[str]], str | None]) -> Callable[[Machine, Simple, list[str]], Status]:
    """Return a command that prints the result of a function of its input and its words."""

    def follow(machine: Machine, tree: Simple, words: list[str]) -> Status:
        file = machine.input
        if name := next((word for word in words[2:] if machine.exists(word) or machine.file(word)), None):
            file, words = machine.file(name), [word for word in words if word != name]
        text = file.text if file is not None and not file.things else None
        result = change(text, words[1:]) if text is not None and is_known(text) else None
        if result is None:
            shown = with_names(" ".join(words))[:40]
            source = f" of {with_names(text.strip())[:40]}" if text is not None and text.count("\n") < 2 else ""
            machine.put([Chunk(machine.fresh(f"$({shown}{source})") + "\n", tree.line)])
        else:
            machine.print(result, tree.line, tree.last)
        return 0

    return follow


def _tr(text: str, words: list[str]) -> str | None:
    if len(words) == 2 and words[0] == "-d" and len(words[1]) <= 4 and "[" not in words[1]:
        deleted = unescape(words[1])
        return "".join(character for character in text if character not in deleted)
    if len(words) != 2:
        return None
    sets = [
        re.sub(r"\[:(upper|lower):\]", lambda match: {"upper": "A-Z", "lower": "a-z"}[match[1]], word) for word in words
    ]
    expanded = [
        re.sub(
            r"([A-Za-z0-9])-([A-Za-z0-9])", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), unescape(each)
        )
        for each in sets
    ]
    first, second = expanded
    if not second or "[" in first or first.startswith("-"):
        return None
    second = second.ljust(len(first), second[-1])
    return text.translate(str.maketrans(first, second[: len(first)]))


_PRINTS = re.compile(
    r"\s*(?:NR ?== ?([0-9]{1,4})|/((?:\\.|[^/\\])+)/)?\s*\{\s*print(?:\s+\$([0-9]{1,2}|NF))?;?\s*\}\s*"
)


def _awk(machine: Machine, tree: Simple, words: list[str]) -> Status:
    """Follow an awk that prints one field of its lines."""
    rest, separator = words[1:], " "
    while rest and rest[0].startswith("-F"):
        separator, rest = (rest[0][2:], rest[1:]) if len(rest[0]) > 2 else ("".join(rest[1:2]), rest[2:])
    match = _PRINTS.fullmatch(rest[0]) if rest else None
    if not match or len(separator) != 1 or separator == "\\" or len(rest) > 2:
        return machine.external(tree, words)

    def change(text: str, _words: list[str]) -> str | None:
        expression = regular(match[2], extended=True) if match[2] else None
        if match[2] and (expression is None or cost(expression, max(map(len, text.splitlines()), default=0)) > 1 << 12):
            return None
        printed = []
        for number, line in enumerate(text.splitlines(), 1):
            if (match[1] and int(match[1]) != number) or (expression and not expression.search(line)):
                continue
            values = line.split() if separator == " " else line.split(separator)
            which = len(values) if match[3] == "NF" else int(match[3] or 0)
            printed.append(line if which == 0 else values[which - 1] if which <= len(values) else "")
        return "".join(f"{each}\n" for each in printed)

    return _filter(change)(machine, tree, ["awk", rest[0], *rest[1:]])


_UNITS = {"hour": 3600, "day": 86400, "week": 7 * 86400, "fortnight": 14 * 86400}


def _moment(text: str) -> datetime | None:
    """Return what GNU's `date -d` makes of a date, as far as it is simple; None for any other."""
    now = datetime.now(timezone.utc)
    text = text.strip().lower()
    if match := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)(?:[t ](\d\d):(\d\d)(?::(\d\d))?z?)?(?: utc)?", text):
        try:
            return datetime(*(int(each or 0) for each in match.groups()), tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
        except ValueError:
            return None
    if match := re.fullmatch(r"@([0-9]{1,11})", text):
        return datetime.fromtimestamp(int(match[1]), timezone.utc)
    if text in ("", "now", "today"):
        return now
    text = re.sub(r"^tomorrow$", "1 day", re.sub(r"^next ", "1 ", text))
    match = re.fullmatch(r"(?:now |today )?([+-]? ?[0-9]{1,5}) ?(hour|day|week|fortnight|month|year)s?( ago)?", text)
    if not match:
        return None
    count = int(match[1].replace(" ", "")) * (-1 if match[3] else 1)
    if match[2] in _UNITS:
        return now + timedelta(seconds=count * _UNITS[match[2]])
    months = now.year * 12 + now.month - 1 + count * (12 if match[2] == "year" else 1)
    if not 1 <= months // 12 <= 9998:
        return None
    return now.replace(year=months // 12, month=months % 12 + 1, day=1) + timedelta(days=now.day - 1)


def _date(machine: Machine, tree: Simple, words: list[str]) -> Status:
    when: str | None = ""
    form = None
    rest = words[1:]
    while rest:
        word, rest = rest[0], rest[1:]
        if word in ("-d", "--date"):
            when, rest = "".join(rest[:1]), rest[1:]
        elif word.startswith("--date="):
            when = word[7:]
        elif word.startswith("+"):
            form = word[1:]
        elif word not in ("-u", "--utc", "--universal"):
            when = None
            break
    moment = _moment(when) if when is not None and is_known(when) else None
    if moment is None or form is None or re.search("%[^smdYHMSjyFTD%]", form) or not is_known(form):
        return machine.external(tree, words)
    machine.print(moment.strftime(form.replace("%s", str(int(moment.timestamp())))) + "\n", tree.line, tree.last)
    return 0


def _truncate(machine: Machine, tree: Simple, words: list[str]) -> Status:
    sizes = [re.sub(r"^(?:-s|--size=)", "", word) for word in words[1:] if word.startswith(("-s", "--size="))]
    if sizes not in (["0"], [""]) or (sizes == [""] and words[words.index("-s") + 1 :][:1] != ["0"]):
        return machine.external(tree, words)
    for name in _operands(words, "s"):
        machine.create(name)
    return 0


def _bc(text: str, _words: list[str]) -> str | None:
    value = calculate(text.strip(), {}) if text.count("\n") < 2 else None
    return None if value is None else f"{value}\n"


def _head(text: str, words: list[str]) -> str | None:
    match = re.fullmatch(r"(?:-n ?|-)([0-9]{1,4})", " ".join(words))
    if words and not match:
        return None
    return "".join(text.splitlines(keepends=True)[: int(match[1]) if match else 10])


def _tail(text: str, words: list[str]) -> str | None:
    match = re.fullmatch(r"(?:-n ?|-)?(\+?[0-9]{1,4})", " ".join(words))
    lines = text.splitlines(keepends=True)
    if words and not match:
        return None
    count = match[1] if match else "10"
    return "".join(lines[int(count) - 1 :] if count[0] == "+" else lines[max(0, len(lines) - int(count)) :])


def _grep(text: str, words: list[str]) -> str | None:
    match = re.fullmatch(r"-([vEFi]+)", words[0]) if len(words) == 2 else None
    options = match[1] if match else ""
    if not words or len(words) > 2 or (len(words) == 2 and not match) or (words[0][:1] == "-" and not match):
        return None
    expression = regular(words[-1], "I" if "i" in options else "", extended="E" in options, literal="F" in options)
    if expression is None or cost(expression, max(map(len, text.splitlines()), default=0)) > 1 << 12:
        return None
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if bool(expression.search(line.rstrip("\n"))) is ("v" not in options))


def _cut(text: str, words: list[str]) -> str | None:
    match = re.fullmatch(r"-d ?(.) -f ?([0-9]{1,2})", " ".join(words), re.DOTALL)
    if not match:
        return None
    lines = [line.split(match[1]) for line in text.splitlines()]
    number = int(match[2]) - 1
    return "".join((line[number] if number < len(line) else "" if len(line) > 1 else line[0]) + "\n" for line in lines)


def _paste(text: str, words: list[str]) -> str | None:
    match = re.fullmatch(r"-s -d ?(.)(?: -)?|-sd(.)(?: -)?|-sd (.)(?: -)?", " ".join(words))
    return (match[1] or match[2] or match[3] or "").join(text.splitlines()) + "\n" if match else None


def _which(machine: Machine, tree: Simple, words: list[str]) -> Status:
    name = (_operands(words) or [""])[0]
    machine.print(f"{name}\n", tree.line, tree.last)
    return 0 if "openssl" in name else Maybe(f"{' '.join(words)} {tree.start}")


def _trap(machine: Machine, tree: Simple, words: list[str]) -> Status:
    from .parse import parse

    if len(words) < 2:
        return 0
    try:
        is_plain = machine.is_plain(parse(with_names(words[1])))
    except UnreadableError:
        is_plain = "ssl" not in words[1]
    if not is_plain:
        machine.note("a trap that may issue a certificate", tree.line)
    return 0


def _alias(machine: Machine, tree: Simple, words: list[str]) -> Status:
    if any("ssl" in word for word in words[1:]):
        machine.note("an alias of openssl", tree.line)
    return 0


def _envsubst(machine: Machine, tree: Simple, words: list[str]) -> Status:
    chunks = list(_content(machine, "-", tree.line))
    asked = re.findall(r"\$\{?(\w+)", words[1]) if len(words) > 1 else None

    def one(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if asked is not None and name not in asked:
            return match[0]
        value = machine.exported(name)
        if value is None and machine.get(name) is not None:
            return ""
        return machine.outside(name) if value is None else value

    machine.put([Chunk(re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", one, chunk.text), chunk.line) for chunk in chunks])
    return 0


def _xargs_like(machine: Machine, tree: Simple, words: list[str]) -> Status:
    rest = words[1:]
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in ("-n", "-I", "-P", "-L", "-d") else rest[1:]
    text = machine.input.text if machine.input is not None else None
    option = next((word for word in words[1 : len(words) - len(rest)] if word.startswith("-I")), None)
    if text is None or not is_known(text):
        if any("ssl" in word or word in ("sh", "bash") for word in words):
            machine.note(f"what {with_names(' '.join(words))[:60]} does is unknown", tree.line)
        return 0
    rest = rest or ["echo"]
    if option is not None:
        mark = option[2:] or words[words.index(option) + 1]
        for line in filter(None, map(str.strip, text.splitlines())):
            machine.call(tree, [word.replace(mark, line) for word in rest])
        return 0
    values = fields(text)
    count = re.search(r"(?:^| )-n ?([0-9]{1,4})(?: |$)", " ".join(words[1 : len(words) - len(rest)]))
    size = max(1, int(count[1]) if count else len(values))
    for number in range(0, len(values), size):
        machine.call(tree, rest + values[number : number + size])
    return 0


_COMMANDS: dict[str, Callable[[Machine, Simple, list[str]], Status]] = {
    "echo": _echo, "printf": _printf, "cat": _cat, "tee": _tee, "cp": _cp, "mv": _cp, "install": _cp,
    "ln": _cp, "mkdir": _mkdir, "rm": _rm,
    "unlink": _rm, "touch": _touch, "sed": _sed, "cd": _cd, "pushd": _cd, "popd": _popd, "pwd": _pwd,
    "basename": _basename, "dirname": _dirname, "realpath": _realpath, "readlink": _realpath, "mktemp": _mktemp,
    "exit": _exit, "return": _exit, "break": _leave_loop, "continue": _leave_loop,
    ":": lambda *_: 0, "true": lambda *_: 0,
    "false": lambda *_: 1, "test": _test, "[": _test, "set": _set, "shift": _shift, "unset": _unset, "eval": _eval,
    ".": _dot, "source": _dot, "read": _read, "mapfile": _mapfile, "readarray": _mapfile, "getopts": _getopts,
    "let": _let, "seq": _seq, "expr": _expr, "tr": _filter(_tr), "head": _filter(_head), "tail": _filter(_tail),
    "grep": _filter(_grep), "cut": _filter(_cut),
    "paste": _filter(_paste), "awk": _awk, "date": _date, "truncate": _truncate,
    "command": _which, "which": _which, "type": _which, "alias": _alias,
    "trap": _trap,
    "envsubst": _envsubst, "xargs": _xargs_like, "bc": _filter(_bc),
}  # fmt: skip
BUILTINS = Builtins(_COMMANDS, condition)
