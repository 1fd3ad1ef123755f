"""What a script does, as far as that is certain: its variables, the files that it writes, the commands that it calls.

Nothing is run. At an unknown condition, both ways are followed, one after the other: `explore` yields one `Machine`
for each way through the script. External commands are assumed to succeed; their output is unknown.
"""

from __future__ import annotations

import posixpath
import re
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import CostlyError, check
from opensslgen.errors import UnreadableError

from .parse import DECLARES, parse
from .status import LeaveError, Maybe, Status, negate
from .syntax import (
    AndOr,
    Arithmetic,
    Calculation,
    Case,
    Command,
    Condition,
    CountingFor,
    For,
    Function,
    Group,
    If,
    Parameter,
    Pipeline,
    Process,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Substitution,
    Text,
    While,
    Word,
    literal,
    nodes,
)
from .values import UNREAD, Chunk, File, fields, is_known, unknown, with_names
from .words import calculate, cost, pattern, quoted_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .syntax import Assignment

MOST_STEPS = 60_000
"""Maximum number of commands that are followed, over all ways through a script."""
MOST_WRITTEN = 4 << 20
"""Maximum number of characters that they write."""
MOST_WAYS = 128
"""Maximum number of ways through a script."""
_DEEPEST = 45
_MOST_ROUNDS = 500
_LONGEST = 1 << 17
"""Maximum number of characters of a value."""

FOLDER = unknown("$PWD")
"""The folder in which a script starts, and which contains its files."""

_SUCCEEDS = frozenset(
    "mkdir chmod chown chgrp ls sleep sync umask ulimit wait kill touch trap stty clear logger systemctl service "
    "install restorecon tput chcon setfacl keytool update-ca-certificates update-ca-trust getent curl wget rmdir ln "
    "reset hash shopt enable disown bg fg jobs times history complete bind set_title zip tar gzip less more "
    "true : hostname df du stat file sha256sum md5sum sha1sum base64 xxd certutil rsync scp mktemp-d cmp diff".split()
)
_READERS = frozenset({"ls", "chmod", "chown", "chgrp", "stat", "file", "less", "more", "sha256sum", "md5sum", "diff"})
_QUESTIONS = frozenset("ls stat getent curl wget systemctl service sha256sum md5sum sha1sum file cmp diff".split())
_WRAPPERS = {
    "sudo": "ugpCrtTRD", "doas": "uC", "env": "uCS", "exec": "a", "nice": "n", "nohup": "", "time": "fo",
    "ionice": "cnp", "stdbuf": "ioe", "setsid": "", "builtin": "", "command": "", "timeout": "ks", "chronic": "",
    "busybox": "", "unbuffer": "", "fakeroot": "", "faketime": "", "winpty": "", "gosu": "", "su-exec": "",
}  # fmt: skip
_OTHER_SCRIPTS = frozenset("make gmake ninja ant ansible-playbook docker podman ssh su xargs parallel find easyrsa "
                           "python python3 perl ruby node awk gawk expect watch".split())  # fmt: skip
_WRITERS = frozenset({"curl", "wget", "rsync", "scp", "base64", "xxd", "gzip"})
_UNPACKERS = {
    "tar": re.compile(r"^-?\w*x|--extract"), "unzip": re.compile(""), "cpio": re.compile("-i|--extract"),
    "git": re.compile(r"\b(?:checkout|switch|restore|reset|stash|apply|am|pull|merge|rebase|clean)\b"),
}  # fmt: skip
"""Programs that may write any file, and how they are called then."""
_ISSUERS = frozenset("cfssl step certtool mkcert minica certstrap xca lego certbot acme.sh make-ssl-cert pki gpgsm "
                     "vault easy-rsa build-ca build-key build-key-server build-key-pass pkitool mysql_ssl_rsa_setup "
                     "elasticsearch-certutil dotnet pwsh powershell powershell.exe".split())  # fmt: skip
"""Other programs that make certificates."""
_ISSUES = {"keytool": ("-genkey", "-genkeypair", "-gencert", "-selfcert"), "certutil": ("-S", "-C")}
"""Programs that make certificates with one of these options."""
_TEXT = frozenset("grep egrep fgrep wc sort uniq tail nl fold fmt rev mail apt-get apt yum dnf apk brew dpkg rpm pgrep "
                  "pkill killall whereis man diff cmp column zcat date env".split())  # fmt: skip
_READ_COMMANDS = frozenset("at batch crontab ssh su parallel xargs python python3 perl ruby node docker podman".split())
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "mksh", "zsh", "ash"})
_EMPTY_AT_FIRST = ("/tmp/", "/var/tmp/", "/dev/", "/run/", "/root/", "/home/")  # noqa: S108
"""Folders in which a script probably has to create its files."""
_READ = re.compile("\ud800read\u00a0[^\ud801]*\ud801")
"""A value that the user types; who types nothing gets the default."""
_ARGUMENTS = re.compile("getopts |\ud800\\$(?:[1-9]|@|#-[0-9]+)\ud801")
"""In the key of a condition: it depends on the script's arguments."""
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/([3-9])")
_INDEX = re.compile(r"\$(?:\{(?=\w+\}))?(\w+)\}?")
"""A variable in the index of an assignment."""
_GIVEN = re.compile(r"\$(?:OPTARG|[1-9@])")
"""The beginning of the name of a value that the caller gives."""
_ENDS = frozenset({"exit", "return", "break", "continue"})
_HARMLESS = frozenset("echo printf : true false sleep exit return break continue mkdir chmod chown ls tput logger "
                      "clear trap umask usage touch".split())  # fmt: skip


class UnfollowedError(UnreadableError):
    """Some ways through a script were not followed, because there are too many."""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(reason, line=line)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """An external command, with its words at the time of the call."""

    words: tuple[str, ...]
    lines: tuple[int, ...]
    """The position of each word in the script."""
    line: int
    last: int
    start: int
    """The position of the command in the script."""


@dataclass(slots=True)
class Budget:
    """The remaining work allowed for one script."""

    steps: int = MOST_STEPS
    written: int = MOST_WRITTEN

    def step(self) -> None:
        """Spend one command; raises UnfollowedError if none is left."""
        check()
        self.steps -= 1
        if self.steps < 0:
            raise UnfollowedError(f"more than {MOST_STEPS:,} commands to follow")

    def write(self, size: int) -> None:
        """Spend characters that are written; raises CostlyError if too few are left."""
        self.written -= size
        if self.written < 0:
            raise CostlyError(f"more than {MOST_WRITTEN >> 20} MiB of text to follow")


@dataclass(slots=True)
class _State:
    """The state that a subshell does not share."""

    variables: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    """The associative arrays of bash."""
    unset: set[str] = field(default_factory=set)
    functions: dict[str, Command] = field(default_factory=dict)
    arguments: list[str] | None = None
    """None: the script's own arguments, which are unknown."""
    shifted: int = 0
    cwd: str = FOLDER
    former: str = ""
    """The folder before the last `cd`."""
    folders: tuple[str, ...] = ()
    """Those to which `popd` returns, the next one last."""
    tainted: str = ""
    """The file with unknown content that may have set any variable."""
    exported: set[str] = field(default_factory=set)
    """The variables that other programs see."""
    exports_all: bool = False
    refuses_unset: bool = False

    def copy(self) -> _State:
        return replace(
            self,
            variables=dict(self.variables),
            arrays={name: list(values) for name, values in self.arrays.items()},
            maps={name: dict(values) for name, values in self.maps.items()},
            unset=set(self.unset),
            functions=dict(self.functions),
            arguments=None if self.arguments is None else list(self.arguments),
            exported=set(self.exported),
        )


class Builtins(NamedTuple):
    """What the shell does by itself; each function returns the status."""

    commands: Mapping[str, Callable[[Machine, Simple, list[str]], Status]]
    """By name; also external commands with a simple effect."""
    condition: Callable[[Machine, list[Word]], Status]
    """Answers `[[ … ]]`."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The surroundings of a script."""

    builtins: Builtins
    name: str = "script.sh"
    is_bash: bool | None = None
    """Whether bash runs it; None if unknown, or if it is sh, which may be dash or bash."""
    is_zsh: bool = False
    """Whether zsh runs it, which splits no variables and counts the elements of arrays from 1."""
    read: Callable[[str], str | None] = lambda _: None
    """Returns the text of a file next to the script, by its relative path; None if it is missing."""
    call: Callable[[Machine, Call], Status | None]
    """Called for each external command; returns its status, or None if it ignores the command."""
    system: Callable[[str], str | None] = lambda _: None
    """Returns the text of a system file, by its absolute path."""
    expects_variables: bool = False
    """Whether variables with an empty default, as in `${HOST:-}`, may be set."""


def explore(tree: Sequence, world: World) -> Iterator[Machine]:
    """Yield a machine at the end of each way through a script.

    Raises UnfollowedError after some ways if there are too many, CostlyError if a way takes too much.
    """
    budget = Budget()
    written: set[str] = set()
    # Breadth first: if there are too many ways, each condition has at least had both answers.
    plans: deque[list[tuple[str, bool]]] = deque([[]])
    for _ in range(MOST_WAYS):
        plan = plans.popleft()
        machine = Machine(world, budget, plan)
        machine.run(tree)
        yield machine
        written.update(path for path, file in machine.files.items() if file is not None)
        for number in range(len(plan), len(machine.taken)):
            plans.append([*machine.taken[:number], (machine.taken[number][0], True)])
        # A file that the script creates only if it is missing counts as created by the script.
        while plans and _asked_file(plans[0][-1][0]) in written:
            plans.popleft()
        if not plans:
            return
    reason = f"more than {MOST_WAYS} ways through it, because its conditions are unknown"
    raise UnfollowedError(reason, line=machine.first_choice)


def _asked_file(key: str) -> str | None:
    """Return the file whose existence a condition tests."""
    match = re.fullmatch(r"\[ -[efrs] (.*) \]", key)
    return match[1] if match else None


class Machine:
    """One way through a script."""

    def __init__(self, world: World, budget: Budget, plan: list[tuple[str, bool]]) -> None:
        self.world = world
        self.budget = budget
        self.plan = plan
        self.taken: list[tuple[str, bool]] = []
        self.answers: dict[str, bool] = {}
        self.first_choice = 0
        """The line of the first unknown condition."""
        self.programs = ""
        """The words and input of commands that are not followed and may write files; `*`: they may write any file."""
        self.removed: list[re.Pattern[str]] = []
        """The paths of files that the script removes by a pattern or with their folder."""
        self.links: dict[str, str] = {}
        """The paths to which links lead."""
        self.folders: set[str] = set()
        """The folders that the script creates."""
        self.learned: dict[str, bool] = {}
        """Answers to unknown conditions that hold because the script ends otherwise."""
        self.state = _State()
        self.files: dict[str, File | None] = {}
        """By path; None for a removed file."""
        self.output: File | None = None
        self.input: File | None = None
        self.descriptors: dict[int, File] = {}
        """The open files with descriptors from 3 on."""
        self.unclear: dict[str, int] = {}
        self.hosts: dict[str, None] = {}
        """The names of unknown values that stand for host names or addresses."""
        """Unknown things that may make certificates or change how they are made; with their lines."""
        self.locals: dict[str, str | None] = {}
        """The variables' values before a function that makes them local."""
        self.required: set[str] = set()
        """The names of unknown values that the script refuses if they are empty, as with `${1:?}`."""
        self.has_options = False
        """Whether this way is one on which the script gets options, in a loop over its arguments."""
        self.depth = 0
        self.status: Status = 0
        self.counter = 0
        self.line = 0
        self.word_lines: list[int] = []
        self.splits = False
        """Whether an unknown value of the present command may be any number of words."""
        self.records: list[object] = []
        """What the function `World.call` recorded."""

    # Ways

    def run(self, tree: Sequence) -> None:
        """Follow the whole script."""
        try:
            self.sequence(tree)
        except LeaveError:
            return

    def choose(self, key: str) -> bool:
        """Return the answer to an unknown condition on this way."""
        if key not in self.answers:
            number = len(self.taken)
            self.first_choice = self.first_choice or self.line
            answer = self.plan[number][1] if number < len(self.plan) else False
            self.taken.append((key, answer))
            self.answers[key] = answer
        return self.answers[key]

    def learn(self, status: Maybe, answer: int) -> int:
        """Return the status that a condition has where the script does not end."""
        self.learned[status.key] = (answer == 0) is not status.negated
        return answer

    def has_text(self, name: str) -> bool:
        """Return whether something unknown is certainly not empty, by its name."""
        # A loop over the arguments has no round without any.
        if self.has_options and _GIVEN.match(name):
            return True
        if name in self.required or name == "$@" or (self.state.refuses_unset and re.fullmatch(r"\$\w+", name)):
            return True
        value = unknown(name)
        for key, answer in (*self.answers.items(), *self.learned.items()):
            operands = key.strip("[] ()").split(" ")
            if operands in ([value], ["-n", value]) and answer:
                return True
            if operands[:2] == [value, "="] and (answer if any(operands[2:]) else not answer):
                return True
            if operands[0] == unknown("$#-0") and len(operands) == 3 and name[1:].isdigit():
                least = _least_count(operands[1], operands[2], answer=answer)
                if int(name[1:]) <= least:
                    return True
        return False

    def decide(self, status: Status) -> int:
        """Return a status as success or failure, which is certain on this way."""
        if isinstance(status, Maybe):
            return 0 if self.choose(status.key) is not status.negated else 1
        return status

    def note(self, what: str, line: int) -> None:
        """Record something unknown that may make certificates or change how they are made."""
        if len(self.unclear) < 50:
            self.unclear.setdefault(what, line)

    def fresh(self, name: str) -> str:
        """Return an unknown value that differs from all others."""
        self.counter += 1
        return unknown(f"{name}\u2063{self.counter}")

    # Files

    def path(self, name: str) -> str:
        """Return a path from the root, or from something unknown."""
        if not name.startswith(("/", FOLDER[0])):
            name = f"{self.state.cwd}/{name}"
        path = posixpath.normpath(name)
        return self.links.get(path, path)

    def file(self, name: str) -> File | None:
        """Return the content of a file; None if it is unknown or missing."""
        if name in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
            return self.input
        path = self.path(name)
        if path == "/dev/null":
            return File()
        if (match := _DESCRIPTOR.fullmatch(path)) and int(match[1]) in self.descriptors:
            return self.descriptors[int(match[1])]
        if path not in self.files:
            text = None
            if path.startswith(f"{FOLDER}/") and is_known(path[len(FOLDER) :]):
                if any(removed.fullmatch(path) for removed in self.removed):
                    self.files[path] = None
                    return None
                text = self.world.read(path[len(FOLDER) + 1 :])
                if text is not None and self.may_be_changed(posixpath.basename(path)):
                    text = unknown("what other commands make of it") + "\n"
            elif path.startswith("/"):
                text = self.world.system(path)
            if text is None:
                return None
            self.budget.write(len(text))
            self.files[path] = File([Chunk(text, 0)])
        return self.files[path]

    def may_be_changed(self, name: str) -> bool:
        """Return whether an earlier command that is not followed may have written a file."""
        if self.programs[:1] == "*":
            return True
        return name in self.programs and bool(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", self.programs))

    def exists(self, name: str) -> bool | None:
        """Return whether a file exists; None if unknown."""
        path = self.path(name)
        if path in self.files:
            return self.files[path] is not None
        return None

    def create(self, name: str, *, appends: bool = False) -> File:
        """Return a file to write to, empty or with its content."""
        path = self.path(name)
        file = self.file(name) if appends else None
        if file is None:
            file = File()
            if appends and path.startswith("/") and not path.startswith(_EMPTY_AT_FIRST) and path not in self.files:
                file.chunks.append(Chunk(unknown(with_names(path)) + "\n", self.line))
        self.files[path] = file
        return file

    def put(self, chunks: list[Chunk]) -> None:
        """Print."""
        if self.output is not None:
            self.budget.write(sum(len(chunk.text) for chunk in chunks))
            self.output.chunks += chunks

    def print(self, text: str, line: int, last: int) -> None:
        """Print text; its lines are attributed to the lines of the command."""
        if self.output is not None:
            pieces = text.splitlines(keepends=True)
            self.put([Chunk(piece, min(line + number, last)) for number, piece in enumerate(pieces)])

    # Lists of commands

    def sequence(self, tree: Sequence) -> Status:
        """Follow commands one after the other."""
        status: Status = 0
        for item in tree.items:
            status = self.and_or(item)
        return status

    def and_or(self, tree: AndOr) -> Status:
        """Follow commands joined by && and ||."""
        printed = len(self.output.chunks) if self.output is not None else 0
        status = self.pipeline(tree.first)
        for operator, pipeline in tree.others:
            if isinstance(status, Maybe):
                if self.is_harmless(pipeline) and not self.leaves(pipeline):
                    continue
                if self.is_default(status, pipeline, when=0 if operator == "&&" else 1):
                    status = 0 if operator == "&&" else 1
                    self.pipeline(pipeline)
                    continue
                if _is_test(pipeline):
                    status = _combined(status, operator, self.pipeline(pipeline))
                    continue
                if self.leaves(pipeline):
                    status = self.learn(status, 1 if operator == "&&" else 0)
                status = self.decide(status)
                if status and operator == "||" and self.output is not None:
                    # What fails prints nothing.
                    del self.output.chunks[printed:]
            if (operator == "&&") == (status == 0):
                status = self.pipeline(pipeline)
        return status

    def pipeline(self, tree: Pipeline) -> Status:
        """Follow commands joined by |."""
        status: Status = 0
        if len(tree.commands) == 1:
            status = self.command(tree.commands[0])
        else:
            before, given = self.state, self.input
            passed = given
            for number, command in enumerate(tree.commands):
                is_last = number == len(tree.commands) - 1
                output, printed = self.output, File()
                self.state, self.input = before.copy(), passed
                if not is_last:
                    self.output = printed
                try:
                    status = self.command(command)
                except LeaveError as leave:
                    status = leave.status
                finally:
                    self.output = output
                passed = printed
            self.state, self.input = before, given
        return negate(status) if tree.negated else status

    def command(self, tree: Command) -> Status:
        """Follow one command."""
        self.budget.step()
        self.depth += 1
        if self.depth > _DEEPEST:
            raise CostlyError(f"more than {_DEEPEST} nested commands and functions", line=self.line)
        try:
            if isinstance(tree, Simple):
                self.status = self.simple(tree)
            elif tree.redirections:
                self.status = self.redirected(tree.redirections, lambda: self.compound(tree))
            else:
                self.status = self.compound(tree)
            return self.status
        finally:
            self.depth -= 1

    def compound(self, tree: Redirected) -> Status:
        """Follow a compound command."""
        command = tree.command
        if isinstance(command, If):
            return self.if_(command)
        if isinstance(command, While):
            return self.while_(command)
        if isinstance(command, For):
            return self.for_(command)
        if isinstance(command, CountingFor):
            return self.counting_for(command)
        if isinstance(command, Case):
            return self.case(command)
        if isinstance(command, Group):
            return self.subshell(command.body) if command.subshell else self.sequence(command.body)
        if isinstance(command, Function):
            self.state.functions[command.name] = command.body
            return 0
        self.line = command.line
        if isinstance(command, Condition):
            return self.world.builtins.condition(self, list(command.words))
        return self.calculation(command)

    def subshell(self, body: Sequence) -> Status:
        """Follow commands in a subshell, which does not share its variables."""
        before = self.state
        self.state = before.copy()
        try:
            return self.sequence(body)
        except LeaveError as leave:
            if leave.kind in ("break", "continue"):
                return 0
            return leave.status
        finally:
            self.state = before

    def calculation(self, tree: Calculation) -> Status:
        """Return the status of `((…))`."""
        value = self.number(tree.expression)
        return Maybe(f"(({self.one(tree.expression)}))") if value is None else int(value == 0)

    def if_(self, tree: If) -> Status:
        """Follow the branch that is taken on this way."""
        for number, (condition, body) in enumerate(tree.branches):
            status = self.sequence(condition)
            if isinstance(status, Maybe):
                rest = [each for _, each in tree.branches[number + 1 :]]
                rest += [tree.otherwise] if tree.otherwise else []
                rest_leaves = bool(tree.otherwise) and all(self.leaves(each) for each in rest)
                if not rest and self.is_default(status, body, when=0):
                    status = 0
                elif self.leaves(body) and not rest_leaves:
                    status = self.learn(status, 1)
                elif rest_leaves:
                    status = self.learn(status, 0)
                elif self.is_harmless(body) and all(self.is_harmless(each) for each in rest):
                    status = 1
                else:
                    status = self.decide(status)
            if status == 0:
                return self.sequence(body)
        return self.sequence(tree.otherwise) if tree.otherwise else 0

    def is_default(self, status: Maybe, tree: object, *, when: int) -> bool:
        """Return whether commands set a default for what the user was asked for, where nothing was typed.

        `when` is the status with which they are run.
        """
        match = re.fullmatch(r"\[ (?:-n )?(.*) \]", status.key)
        if not match or not _READ.fullmatch(match[1]) or status.negated is not (when == 0):
            return False
        names = {name for name, value in self.state.variables.items() if value == match[1]}
        simples = list(_simples(tree))
        return bool(simples) and all(
            not simple.words and not _substitutes(simple) and {each.name for each in simple.assignments} <= names
            for simple in simples
        )

    def while_(self, tree: While) -> Status:
        """Follow a loop as long as its condition holds."""
        unsure = 0
        for _ in range(_MOST_ROUNDS):
            self.budget.step()
            known = len(self.taken)
            status = self.sequence(tree.condition)
            if isinstance(status, Maybe):
                if unsure or self.is_harmless(tree.body):
                    return 0
                unsure += 1
                if _ARGUMENTS.search(status.key):
                    if not self.gets_options(tree.line):
                        return 0
                    status = int(tree.until)
                else:
                    status = self.decide(status)
            if (status == 0) is tree.until:
                return 0
            if not self.round(tree.body):
                return 0
            if len(self.taken) > known:
                unsure += 1
                if unsure > 2:
                    return 0
        self.note("a loop with an unknown end", tree.line)
        return 0

    def gets_options(self, line: int) -> bool:
        """Return whether the script gets arguments for a loop over them; a first way is without."""
        if self.choose(f"options in line {line}"):
            self.has_options = True
            return True
        return False

    def round(self, body: Sequence) -> bool:
        """Follow a loop's body once; return whether the loop goes on."""
        try:
            self.sequence(body)
        except LeaveError as leave:
            if leave.kind not in ("break", "continue"):
                raise
            if leave.levels > 1:
                raise LeaveError(leave.kind, levels=leave.levels - 1) from None
            return leave.kind == "continue"
        return True

    def for_(self, tree: For) -> Status:
        """Follow a loop over words."""
        self.line = tree.line
        values: list[str] = []
        if tree.words is None:
            values = self.all_arguments()
        else:
            for word in tree.words:
                values += _expand_braces(word) or self.expand(word, globs=True)
        if len(values) > _MOST_ROUNDS:
            self.note("a loop of more than 500 rounds", tree.line)
        if values == [unknown("$@")] and not self.is_harmless(tree.body) and not self.gets_options(tree.line):
            return 0
        for value in values[:_MOST_ROUNDS]:
            self.budget.step()
            self.set(tree.name, value)
            if not self.round(tree.body):
                break
        return 0

    def counting_for(self, tree: CountingFor) -> Status:
        """Follow a loop that counts."""
        self.line = tree.line
        begin, condition, step = tree.expressions
        self.number(begin)
        for _ in range(_MOST_ROUNDS):
            self.budget.step()
            value = self.number(condition)
            if value is None:
                self.note("a loop with an unknown end", tree.line)
                return 0
            if value == 0 or not self.round(tree.body):
                return 0
            self.number(step)
        self.note("a loop of more than 500 rounds", tree.line)
        return 0

    def case(self, tree: Case) -> Status:
        """Follow the arm that is taken on this way."""
        self.line = tree.line
        subject = self.one(tree.word)
        falls = False
        candidates: list[int] = []
        certain = False
        for number, (patterns, _, _) in enumerate(tree.arms):
            matches = [self.matches(subject, word) for word in patterns]
            if True in matches:
                candidates.append(number)
                certain = True
                break
            if None in matches:
                candidates.append(number)
        if len(candidates) > 1 or not certain:
            staying = [number for number in candidates if not self.leaves(tree.arms[number][1])]
            if candidates and not staying:
                staying = candidates[-1:] if certain else []
            certain = (certain and bool(staying) and staying[-1] == candidates[-1]) or (
                bool(candidates) and certain and bool(staying)
            )
            candidates = staying
            if all(self.is_harmless(tree.arms[number][1]) for number in candidates):
                candidates = candidates[-1:] if certain else []
        chosen = None
        for number in candidates:
            if (certain and number == candidates[-1]) or self.choose(f"case {subject} {number} {tree.line}"):
                chosen = number
                break
        if chosen is None:
            return 0
        status: Status = 0
        for _, body, falls in tree.arms[chosen:]:
            status = self.sequence(body)
            if not falls:
                break
        return status

    def matches(self, subject: str, word: Word) -> bool | None:
        """Return whether a value matches a pattern; None if unknown."""
        text = self.as_pattern(word)
        if not is_known(text):
            return None
        if text == "*":
            return True
        if not is_known(subject):
            return None
        expression = pattern(text)
        return None if expression is None else self.fits(expression, subject)

    def fits(self, expression: re.Pattern[str], value: str) -> bool:
        """Return whether a value matches a pattern as a whole."""
        self.budget.write(cost(expression, len(value)))
        return expression.fullmatch(value) is not None

    def as_pattern(self, word: Word) -> str:
        """Return a word as a pattern, in which quoted text is literal."""
        found = []
        for part in word.parts:
            if isinstance(part, Text):
                found.append(quoted_pattern(part.value) if part.quoted else part.value)
            else:
                value = self.one(Word((part,), word.line))
                found.append(quoted_pattern(value) if part.__class__ is not Process and getattr(part, "quoted", True)
                             else value)  # fmt: skip
        return "".join(found)

    # Conditions of which only one way needs to be followed

    def is_harmless(self, tree: object, depth: int = 0) -> bool:
        """Return whether commands change nothing that affects certificates."""
        return all(
            not simple.assignments
            and all(_is_screen(each) for each in simple.redirections)
            and _name(simple) is not None
            and self._names_harmless(simple, depth)
            for simple in _simples(tree)
        ) and not any(_substitutes(simple) for simple in _simples(tree)) and not _has_functions(tree)  # fmt: skip

    def _names_harmless(self, simple: Simple, depth: int) -> bool:
        name = _name(simple)
        if name == "exit" or (name in self.state.functions and self.leaves(simple, depth)):
            # Where the script ends, it makes no certificate.
            return True
        if name in self.state.functions:
            return depth < 5 and self.is_harmless(self.state.functions[str(name)], depth + 1)
        return (name in _HARMLESS and name not in _ENDS) or (
            name == "cat" and any(each.body is not None for each in simple.redirections)
        ) or (name in _ENDS and depth > 0 and name == "return")  # fmt: skip

    def leaves(self, tree: object, depth: int = 0) -> bool:
        """Return whether commands end the script, function or loop, and make no certificate before that."""
        last = _last(tree)
        if last is None:
            return False
        name = _name(last)
        if name not in _ENDS:
            function = self.state.functions.get(name or "")
            if function is None or depth > 5 or not self.leaves(function, depth + 1):
                return False
            if _name(_last(function) or last) == "return":
                return False
        return self.is_plain(tree, depth)

    def is_plain(self, tree: object, depth: int = 0) -> bool:
        """Return whether commands certainly do not run openssl, judged by their names."""
        return all(self._is_plain(simple, depth) for simple in _simples(tree))

    def _is_plain(self, simple: Simple, depth: int) -> bool:
        name = _name(simple)
        if name is None:
            return bool(simple.assignments) and not simple.words
        if name in self.state.functions:
            return depth < 5 and all(self._is_plain(each, depth + 1) for each in _simples(self.state.functions[name]))
        return "ssl" not in name and name not in ("eval", ".", "source") and name not in _OTHER_SCRIPTS | _SHELLS

    # Words

    def get(self, name: str) -> str | None:
        """Return a variable's or parameter's value; None if it is not set."""
        if name.isdigit():
            return self.argument(int(name))
        special = {"$": "$$", "!": "$!", "-": "$-", "?": "$?"}
        if name in special:
            if name == "?" and isinstance(self.status, int):
                return str(self.status)
            return unknown(special[name] if name != "?" else f"$? in line {self.line}")
        if name == "#":
            arguments = self.state.arguments
            return unknown(f"$#-{self.state.shifted}") if arguments is None else str(len(arguments))
        if name in ("@", "*"):
            return " ".join(self.all_arguments())
        if name in self.state.maps:
            return self.state.maps[name].get("0")
        if name in self.state.arrays:
            values = self.state.arrays[name]
            if self.world.is_zsh:
                return unknown(f"${name}")
            return values[0] if values else None
        if name in self.state.variables:
            return self.state.variables[name]
        if name == "PWD":
            return self.state.cwd
        if name == "BASH_SOURCE":
            return self.argument(0)
        if name == "IFS":
            return " \t\n"
        return None

    def exported(self, name: str) -> str | None:
        """Return the value of a variable that other programs see; None if the script does not export it."""
        is_exported = self.state.exports_all or name in self.state.exported
        return self.get(name) if is_exported else None

    def argument(self, number: int) -> str | None:
        """Return one of the arguments; None if unknown."""
        if number == 0:
            return f"{FOLDER}/{self.world.name}"
        if self.state.arguments is None:
            return None
        return self.state.arguments[number - 1] if number <= len(self.state.arguments) else ""

    def all_arguments(self) -> list[str]:
        """Return the arguments."""
        return [unknown("$@")] if self.state.arguments is None else list(self.state.arguments)

    def outside(self, name: str) -> str:
        """Return the value of a parameter that the script does not set."""
        if name.isdigit():
            return unknown(f"${int(name) + self.state.shifted}")
        if name in self.state.unset:
            return ""
        if self.state.tainted:
            return unknown(f"${name} (which {self.state.tainted} may set)")
        return unknown(f"${name}")

    def set(self, name: str, value: str) -> None:
        """Set a variable."""
        if len(value) > _LONGEST:
            raise CostlyError(f"a value of more than {_LONGEST >> 10} KiB", line=self.line)
        self.budget.write(len(value) >> 4)
        self.state.arrays.pop(name, None)
        self.state.maps.pop(name, None)
        self.state.variables[name] = value
        self.state.unset.discard(name)

    def number(self, word: Word) -> int | None:
        """Return the value of an arithmetic expression; None if unknown."""
        expression = self.one(word)
        if not is_known(expression):
            return None
        known = {name: value for name, value in self.state.variables.items() if name in expression}
        if not all(map(is_known, known.values())):
            known = {name: value for name, value in known.items() if is_known(value)}
        for name in re.findall(r"[A-Za-z_]\w*", expression):
            if name not in self.state.variables and name in self.state.unset:
                known[name] = "0"
        before = dict(known)
        value = calculate(expression, known)
        if value is None:
            for name in re.findall(r"([A-Za-z_]\w*)[ \t]*(?:[-+*]?=(?!=)|\+\+|--)", expression):
                self.set(name, self.fresh(f"${name}"))
            return None
        for name, text in known.items():
            if before.get(name) != text:
                self.set(name, text)
        return value

    def one(self, word: Word) -> str:
        """Return a word as one value: no fields, no patterns."""
        parts = [self.value(part) for part in word.parts]
        found = "".join(parts)
        if len(found) > _LONGEST:
            raise CostlyError(f"a value of more than {_LONGEST >> 10} KiB", line=word.line)
        return found

    def expand(self, word: Word, *, globs: bool = False) -> list[str]:
        """Return the fields that a word expands to."""
        found: list[str] = []
        current: str | None = None
        size = 0
        globbed = False
        for part in word.parts:
            if isinstance(part, Parameter) and part.name == "@" and part.quoted and not part.operator:
                values = self.all_arguments()
            elif isinstance(part, Parameter) and part.index is not None and self.one(part.index) in ("@", "*"):
                values = self.elements(part)
            elif isinstance(part, Text) or getattr(part, "quoted", True):
                value = self.value(part)
                globbed = globbed or (
                    isinstance(part, Text) and not part.quoted and re.search(r"[*?\[]", value) is not None
                )
                current = (current or "") + value
                size += len(value)
                continue
            else:
                value = self.value(part)
                if self.world.is_zsh and isinstance(part, Parameter):
                    current = (current or "") + value if value else current
                    continue
                self.splits = self.splits or not is_known(value)
                values = fields(value, self.get("IFS") or "")
                if value[:1] in (" ", "\t", "\n") and current is not None:
                    found.append(current)
                    current = None
                size += len(value)
                if values and value[-1:] in (" ", "\t", "\n"):
                    values[0] = (current or "") + values[0]
                    found += values
                    current = None
                    continue
            if values:
                values[0] = (current or "") + values[0]
                found += values[:-1]
                current = values[-1]
            if size > _LONGEST:
                raise CostlyError(f"a value of more than {_LONGEST >> 10} KiB", line=word.line)
        if current is not None:
            found.append(current)
        if globbed and len(found) == 1:
            files = self.files_like(self.as_pattern(word), found[0])
            return files or ([self.fresh(found[0])] if globs else found)
        return found

    def files_like(self, text: str, name: str) -> list[str]:
        """Return the files that the script wrote and that a pattern matches, in the pattern's folder."""
        folder, slash, last = text.rpartition("/")
        expression = pattern(last)
        if expression is None or not is_known(last) or re.search(r"[*?\[]", folder):
            return []
        before = self.path(name.rpartition("/")[0] or ("/" if slash else "."))
        found = [
            posixpath.basename(path)
            for path, file in self.files.items()
            if file is not None
            and posixpath.dirname(path) == before
            and self.fits(expression, posixpath.basename(path))
        ]
        return [name.rpartition("/")[0] + slash + each for each in sorted(found)]

    def elements(self, part: Parameter) -> list[str]:
        """Return the elements of an array, or with `!` their keys."""
        array = self.state.maps.get(part.name)
        if array is not None and part.operator in ("", "length", "indirect"):
            return [str(len(array))] if part.operator == "length" else list(array if part.operator else array.values())
        if part.operator == "indirect" and part.name in self.state.arrays and not self.world.is_zsh:
            return [str(number) for number in range(len(self.state.arrays[part.name]))]
        if part.name in self.state.arrays and not part.operator:
            return list(self.state.arrays[part.name])
        if part.operator == "length":
            return [str(len(self.state.arrays[part.name]))] if part.name in self.state.arrays else ["0"]
        if part.operator:
            return [unknown(f"${{{part.name}}}")]
        value = self.get(part.name)
        return [value] if value is not None else []

    def value(self, part: object) -> str:
        """Return the value of a part of a word."""
        if isinstance(part, Text):
            return part.value
        if isinstance(part, Parameter):
            return self.parameter(part)
        if isinstance(part, Arithmetic):
            number = self.number(part.expression)
            if number is not None:
                return str(number)
            names = with_names(self.one(part.expression))
            return unknown(f"$(({names}))")
        if isinstance(part, Substitution):
            return self.substitution(part)
        assert isinstance(part, Process)
        return self.process(part)

    def printed(self, body: Sequence) -> File:
        """Return the output of commands in a subshell."""
        output, printed = self.output, File()
        self.output = printed
        try:
            self.subshell(body)
        finally:
            self.output = output
        return printed

    def substitution(self, part: Substitution) -> str:
        """Return the output of commands."""
        printed = self.printed(part.body)
        if printed.things:
            name = self.fresh("the output of openssl")
            self.files[f"value:{name}"] = printed
            return name
        return printed.text.rstrip("\n")

    def process(self, part: Process) -> str:
        """Return the path of what commands print, or read."""
        self.counter += 1
        path = f"/dev/fd/{1000 + self.counter}"
        if part.reads:
            self.files[path] = self.printed(part.body)
        else:
            self.note("a process that reads what is written", part.line)
        return path

    def parameter(self, part: Parameter) -> str:
        """Return the expansion of a parameter or variable."""
        name, operator = part.name, part.operator
        value: str | None
        if part.index is not None and operator in ("length", "indirect") and self.one(part.index) in ("@", "*"):
            return " ".join(self.elements(part))
        value = self.element(name, part.index) if part.index is not None else self.get(name)
        if operator in (":-", "-", ":=", "="):
            if self.state.tainted and value is None and not name.isdigit() and name not in self.state.unset:
                return self.outside(name)
            if value is None or (value == "" and operator[0] == ":") or _READ.fullmatch(value):
                if value is None and name.isdigit() and part.word.parts and self.gets_options(0):
                    return self.outside(name)
                default = self.one(part.word)
                if value is None and not default and (name.isdigit() or self.world.expects_variables):
                    return self.outside(name)
                if operator[-1] == "=":
                    self.set(name, default)
                return default
            return value
        if operator in (":+", "+"):
            if value is None and (name.isdigit() or name not in self.state.unset):
                # Like a default: a variable that the script does not set is unset.
                return ""
            return self.one(part.word) if value or (value is not None and operator == "+") else ""
        if value is None:
            value = self.outside(name)
        if operator in (":?", "?"):
            self.required.add(value[1:-1])
        if operator in ("", ":?", "?"):
            return value
        if operator == "length":
            return str(len(value)) if is_known(value) else unknown(f"${{#{name}}}")
        if operator == "indirect":
            inner = self.get(value) if is_known(value) else None
            return inner if inner is not None else unknown(f"${{!{name}}}")
        changed = self.change(value, operator, part.word)
        if changed is None:
            return unknown(f"${{{name}{operator}…}}" if is_known(value) else f"{with_names(value)}{operator}…")
        return changed

    def element(self, name: str, index: Word) -> str | None:
        """Return one element of an array, or all as one value."""
        text = self.one(index)
        if (array := self.state.maps.get(name)) is not None:
            if text in ("@", "*"):
                return " ".join(array.values())
            return array.get(text) if is_known(text) else unknown(f"${{{name}[{with_names(text)}]}}")
        values = self.state.arrays.get(name)
        if text in ("@", "*"):
            return " ".join(values) if values is not None else self.get(name)
        number = self.number(index)
        if values is None:
            return self.get(name) if number == 0 else unknown(f"${{{name}[{with_names(text)}]}}")
        if number is None or self.world.is_zsh:
            return unknown(f"${{{name}[{with_names(text)}]}}")
        return values[number] if -len(values) <= number < len(values) else ""

    def change(self, value: str, operator: str, word: Word) -> str | None:
        """Return a value after an expansion that changes it; None if unknown."""
        if operator in ("#", "##", "%", "%%"):
            text = self.as_pattern(word)
            expression = pattern(text) if is_known(text) else None
            if expression is None:
                return None
            if not is_known(value):
                # Text that is cut off a known end is known.
                literal = text.replace("\\", "")
                if not re.search(r"[*?\[]", text) and operator[0] == "%" and is_known(value.rpartition("\ud801")[2]):
                    return value.removesuffix(literal)
                return None
            self.budget.write(cost(expression, len(value)) * len(value))
            cuts = range(len(value) + 1)
            if operator[0] == "#":
                order = cuts if operator == "#" else reversed(cuts)
                return next((value[cut:] for cut in order if expression.fullmatch(value[:cut])), value)
            order = reversed(cuts) if operator == "%" else cuts
            return next((value[:cut] for cut in order if expression.fullmatch(value[cut:])), value)
        if not is_known(value):
            return None
        if operator in ("^^", ",,", "^", ",") and not word.parts:
            change = str.upper if operator[0] == "^" else str.lower
            return change(value) if len(operator) == 2 else change(value[:1]) + value[1:]
        if operator == ":":
            offset, _, length = self.one(word).partition(":")
            begin, size = calculate(offset, {}), calculate(length, {}) if length else len(value)
            if begin is None or size is None:
                return None
            begin = max(0, len(value) + begin) if begin < 0 else begin
            return value[begin : begin + size] if size >= 0 else value[begin:size]
        if operator in ("/", "//"):
            text = self.as_pattern(word)
            match = re.match(r"((?:\\.|[^/\\])*)(?:/(.*))?\Z", text, re.DOTALL)
            expression = pattern(match[1]) if match and is_known(text) else None
            if not match or expression is None or expression.fullmatch(""):
                return None
            self.budget.write(cost(expression, len(value)))
            new = re.sub(r"\\(.)", r"\1", match[2] or "")
            return expression.sub(lambda _: new, value, count=0 if operator == "//" else 1)
        return None

    def assign(self, assignment: Assignment) -> None:
        """Set a variable as an assignment says."""
        name = assignment.name
        if name in self.state.maps:
            self.assign_keys(assignment)
            return
        if isinstance(assignment.value, tuple):
            values = [field for word in assignment.value for field in self.expand(word, globs=True)]
            if any(re.match(r"\[[^]]*\]=", value) for value in values):
                self.set(name, unknown(f"${name}"))
                return
            old = self.state.arrays.get(name, []) if assignment.appends else []
            self.state.variables.pop(name, None)
            self.budget.write(sum(map(len, values)))
            self.state.arrays[name] = old + values
            return
        value = self.one(assignment.value)
        if assignment.index is not None:
            number = self.number(assignment.index)
            array = self.state.arrays.setdefault(name, [])
            if number is not None and number == len(array):
                array.append(value)
            elif number is not None and 0 <= number < len(array):
                array[number] = value
            else:
                self.state.arrays.pop(name)
                self.set(name, unknown(f"${name}"))
            return
        if assignment.appends:
            if name in self.state.arrays:
                self.state.arrays[name][:1] = [(self.state.arrays[name] or [""])[0] + value]
                return
            old_value = self.get(name)
            value = (old_value or "") + value
        self.set(name, value)

    def assign_keys(self, assignment: Assignment) -> None:
        """Set elements of an associative array."""
        array = self.state.maps[assignment.name]
        if isinstance(assignment.value, tuple):
            words = [re.fullmatch(r"\[(.*?)\](\+?)=(.*)", self.one(word), re.DOTALL) for word in assignment.value]
            new = [(match[1], bool(match[2]), match[3]) for match in words if match]
            is_clear = len(new) == len(words)
            if not assignment.appends:
                array.clear()
        else:
            key = _INDEX.sub(lambda match: self.get(match[1]) or "", self.one(assignment.index or Word((), 0)))
            new = [(key.strip("\"'"), assignment.appends, self.one(assignment.value))]
            is_clear = assignment.index is not None and "$" not in key
        for key, appends, value in new:
            array[key] = array.get(key, "") + value if appends else value
            self.budget.write(len(value))
        if not is_clear or not all(map(is_known, array)):
            self.set(assignment.name, unknown(f"${assignment.name}"))

    # Redirections

    def redirected(self, redirections: tuple[Redirection, ...], action: Callable[[], Status]) -> Status:
        """Do something with its output and input redirected."""
        before = (self.output, self.input)
        try:
            self.redirect(redirections)
            return action()
        finally:
            self.output, self.input = before

    def redirect(self, redirections: tuple[Redirection, ...]) -> None:
        """Open files for a command."""
        for each in redirections:
            if each.operator in ("<<", "<<-"):
                document = File(self.document(each.body))
                if each.descriptor == 0:
                    self.input = document
                else:
                    self.descriptors[each.descriptor] = document
                continue
            target = self.one(each.target)
            if each.operator == "<<<":
                self.input = File([Chunk(f"{target}\n", each.target.line)])
            elif each.operator in (">&", "<&", "&>", "&>>") and (
                each.operator in (">&", "<&") and re.fullmatch(r"[0-9]+-?|-", target)
            ):
                if each.descriptor == 1 and target == "2":
                    self.output = None
                elif each.descriptor == 1 and int(target.rstrip("-") or "1") > 2:
                    self.output = self.descriptors.get(int(target.rstrip("-")))
                elif each.descriptor == 0 and int(target.rstrip("-") or "0") > 2:
                    self.input = self.descriptors.get(int(target.rstrip("-")))
                elif each.descriptor > 2 and target == "1" and self.output is not None:
                    self.descriptors[each.descriptor] = self.output
            elif each.operator == "<":
                found = self.file(target) or File(
                    [Chunk(unknown(f"{with_names(target)}{UNREAD}") + "\n", each.target.line)]
                )
                # Reading takes lines from the open file, not from its start.
                found = File(list(found.chunks))
                if each.descriptor == 0:
                    self.input = found
                else:
                    self.descriptors[each.descriptor] = found
            elif target in ("/dev/null", "/dev/stderr", "/dev/tty", "/dev/fd/2"):
                if each.descriptor == 1:
                    self.output = None
            elif target in ("/dev/stdout", "/dev/fd/1") or each.operator == "<>":
                continue
            else:
                file = self.create(target, appends=each.operator in (">>", "&>>"))
                if each.descriptor == 1:
                    self.output = file
                elif each.descriptor > 2:
                    self.descriptors[each.descriptor] = file

    def document(self, body: Word | None) -> list[Chunk]:
        """Return the text of a here-document."""
        chunks, line = [], 0
        for part in body.parts if body else ():
            if isinstance(part, Text):
                line = part.line
                chunks.append(Chunk(part.value, line))
            else:
                value = self.value(part)
                self.budget.write(len(value))
                chunks.append(Chunk(value, line))
        return chunks

    # Simple commands

    def simple(self, tree: Simple) -> Status:
        """Follow a simple command."""
        self.line = tree.line
        words: list[str] = []
        lines: list[int] = []
        self.splits = False
        for word in tree.words:
            words += self.expand(word)
            lines += [word.line] * (len(words) - len(lines))
        if not words:
            for assignment in tree.assignments:
                self.assign(assignment)
            if tree.redirections:
                return self.redirected(tree.redirections, lambda: 0)
            return 0
        self.budget.write((sum(map(len, words)) >> 3) + 2 * len(words))
        self.word_lines = lines
        if words[0] in DECLARES or words[0] in self.state.functions:
            if words[0] in DECLARES and any(re.fullmatch(r"-\w*A\w*", word) for word in words[1:]):
                for name in (*(each.name for each in tree.assignments), *words[1:]):
                    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name not in self.state.maps:
                        self.set(name, "")
                        del self.state.variables[name]
                        self.state.maps[name] = {}
            for assignment in tree.assignments:
                self.assign(assignment)
            if words[0] in DECLARES:
                return self.declare(words)
        elif tree.assignments:
            return self.with_variables(tree, words)
        return self.with_redirections(tree, words)

    def with_variables(self, tree: Simple, words: list[str]) -> Status:
        """Call a command with variables that are set for it alone."""
        before, exported = dict(self.state.variables), set(self.state.exported)
        for assignment in tree.assignments:
            self.assign(assignment)
            self.state.exported.add(assignment.name)
        try:
            return self.with_redirections(tree, words)
        finally:
            for assignment in tree.assignments:
                if assignment.name in before:
                    self.state.variables[assignment.name] = before[assignment.name]
                else:
                    self.state.variables.pop(assignment.name, None)
            self.state.exported = exported

    def with_redirections(self, tree: Simple, words: list[str]) -> Status:
        """Call a command with its files open."""
        if words == ["exec"]:
            self.redirect(tree.redirections)
            return 0
        if not tree.redirections:
            return self.call(tree, words)
        return self.redirected(tree.redirections, lambda: self.call(tree, words))

    def call(self, tree: Simple, words: list[str]) -> Status:
        """Follow a command after the expansion of its words."""
        name = words[0]
        if name in self.state.functions:
            return self.function(name, words[1:])
        builtin = self.world.builtins.commands.get(name.removeprefix("/usr").removeprefix("/bin/"))
        if builtin and not (name == "command" and words[1:2] not in (["-v"], ["-V"])):
            return builtin(self, tree, words)
        if name in _WRAPPERS or posixpath.basename(name) in _WRAPPERS:
            return self.wrapper(tree, words)
        if not is_known(name) and len(words) > 1 and posixpath.basename(words[1]) in ("openssl", "env", "sudo"):
            return self.call(tree, words[1:])
        # The program that ran the command came before it.
        lines = [tree.line] * len(words) + self.word_lines
        call = Call(tuple(words), tuple(lines[len(lines) - len(words) :]), tree.line, tree.last, tree.start)
        status = self.world.call(self, call)
        if status is not None:
            return status
        return self.external(tree, words)

    def wrapper(self, tree: Simple, words: list[str]) -> Status:
        """Follow a command that runs another command, given by its words."""
        name, rest = posixpath.basename(words[0]), words[1:]
        with_values = _WRAPPERS[name]
        saved, exported = dict(self.state.variables), set(self.state.exported)
        while rest:
            if rest[0] == "--":
                rest = rest[1:]
                break
            if (name == "env" and rest[0] in ("-S", "-i", "-")) or rest[0].startswith("--"):
                rest = rest[1:]
            elif rest[0].startswith("-") and len(rest[0]) > 1:
                rest = rest[2:] if rest[0][-1] in with_values and len(rest[0]) == 2 else rest[1:]
            elif name in ("env", "sudo") and (match := re.match(r"([A-Za-z_]\w*)=(.*)", rest[0], re.DOTALL)):
                self.set(match[1], match[2])
                self.state.exported.add(match[1])
                rest = rest[1:]
            else:
                break
        if name in ("timeout", "faketime", "gosu", "su-exec") and rest:
            rest = rest[1:]
        try:
            if not rest:
                return 0
            functions = self.state.functions
            if rest[0] in functions:
                self.state.functions = {key: body for key, body in functions.items() if key != rest[0]}
            try:
                status = self.call(tree, rest)
            finally:
                self.state.functions = functions
        finally:
            self.state.variables, self.state.exported = saved, exported
        if name == "exec":
            raise LeaveError("exit")
        return status

    def function(self, name: str, arguments: list[str]) -> Status:
        """Follow a function."""
        state = self.state
        before = (state.arguments, state.shifted)
        state.arguments, state.shifted = arguments, 0
        local = self.locals
        self.locals = {}
        try:
            return self.command(state.functions[name])
        except LeaveError as leave:
            if leave.kind != "return":
                raise
            return leave.status
        finally:
            state.arguments, state.shifted = before
            for variable, value in self.locals.items():
                if value is None:
                    state.variables.pop(variable, None)
                    state.arrays.pop(variable, None)
                else:
                    state.variables[variable] = value
            self.locals = local

    def declare(self, words: list[str]) -> Status:
        """Set variables: export, readonly, local, declare, typeset."""
        options = "".join(word for word in words[1:] if word.startswith("-"))
        for word in words[1:]:
            name, equals, value = word.partition("=")
            appends = name.endswith("+")
            name = name.removesuffix("+")
            if word.startswith(("-", "+")) or not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
                continue
            if words[0] == "export" or "x" in options:
                self.state.exported.add(name)
            if words[0] in ("local", "declare", "typeset") and name not in self.locals:
                self.locals[name] = self.state.variables.get(name)
            if equals:
                self.set(name, (self.get(name) or "") + value if appends else value)
            elif words[0] in ("local", "declare", "typeset"):
                if words[0] == "local":
                    self.state.variables.pop(name, None)
                self.state.unset.add(name)
        return 0

    def external(self, tree: Simple, words: list[str]) -> Status:
        """Follow an external command that is not openssl."""
        name = posixpath.basename(words[0])
        shown = with_names(" ".join(words))[:60]
        if name in _SHELLS:
            return self.shell(tree, words)
        mentions = any("openssl" in word for word in words[1:]) or (
            self.input is not None and "openssl" in self.input.text and name in _READ_COMMANDS
        )
        if words == [unknown("$@")]:
            # The caller's own command, as in `exec "$@"` at the end of a container's entry point.
            return 0
        if (
            not is_known(words[0])
            or name in _ISSUERS
            or any(option in words for option in _ISSUES.get(name, ()))
            or (self.state.tainted and "/" not in words[0] and name not in _SUCCEEDS | _QUESTIONS)
            or (name == "find" and any(word.startswith(("-exec", "-ok", "-delete")) for word in words))
        ):
            self.note(f"what {shown} does is unknown", tree.line)
        elif name not in _SUCCEEDS and (
            (mentions and name not in _TEXT)
            or (name in _OTHER_SCRIPTS and self.runs_other(name, words))
            or ("/" in words[0] and not words[0].startswith(("/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/")))
            or name.endswith(".sh")
        ):
            known = self.file(words[0]) if "/" in words[0] else None
            if known is not None:
                return self.other_script(tree, known, words[1:])
            self.note(f"what {shown} does is unknown", tree.line)
        if name in _UNPACKERS and _UNPACKERS[name].search(" ".join(words[1:])):
            self.programs = "*"
        elif name in _WRITERS or ("-o" in words and name in _TEXT) or name not in _READERS | _SUCCEEDS | _TEXT:
            self.programs += " ".join(["", *words[1:], self.input.text if self.input is not None else ""])
            if len(self.programs) > _LONGEST:
                self.programs = "*"
        if name not in _READERS and name not in _SUCCEEDS:
            program = " ".join(words[1:]) + (self.input.text if self.input is not None else "")
            for path, file in self.files.items():
                if file is not None and posixpath.basename(path) in program and is_known(posixpath.basename(path)):
                    self.files[path] = File([Chunk(unknown(f"what {name} makes of it") + "\n", tree.line)])
            for word in words[1:]:
                path = self.path(word.rpartition("=")[2])
                if self.files.get(path) is not None and name not in _SUCCEEDS:
                    self.files[path] = File(
                        [Chunk(unknown(f"what {name} makes of {with_names(word)}") + "\n", tree.line)]
                    )
        if self.output is not None:
            self.put([Chunk(self.fresh(f"$({shown})") + "\n", tree.line)])
        return Maybe(f"{shown} {tree.start}") if name in _QUESTIONS or name not in _SUCCEEDS else 0

    def runs_other(self, name: str, words: list[str]) -> bool:
        """Return whether a command may run openssl by a program that is not read."""
        if name in ("awk", "gawk", "find", "xargs", "parallel", "perl", "python", "python3", "ruby", "node", "watch"):
            return any("ssl" in word or word.endswith((".sh", ".py", ".pl", ".rb")) for word in words[1:])
        return True

    def shell(self, tree: Simple, words: list[str]) -> Status:
        """Follow another shell: its command, its script, or what it reads."""
        rest = words[1:]
        while rest and rest[0].startswith("-") and len(rest[0]) > 1:
            option, rest = rest[0], rest[1:]
            if option.startswith("--"):
                continue
            if "c" in option:
                if not rest or not is_known(rest[0]):
                    self.note(f"{words[0]} -c runs an unknown command", tree.line)
                    return 0
                return self.other_script(tree, File([Chunk(rest[0], tree.line)]), rest[2:])
        source = self.file(rest[0]) if rest else self.input
        if source is None:
            self.note(f"what {with_names(' '.join(words))[:60]} does is unknown", tree.line)
            return 0
        return self.other_script(tree, source, rest[1:])

    def other_script(self, tree: Simple, source: File, arguments: list[str]) -> Status:
        """Follow another script as a subshell."""
        before = self.state
        self.state = before.copy()
        self.state.arguments = arguments
        self.state.functions = {}
        try:
            return self.source(source, tree.line)
        except LeaveError as leave:
            return leave.status
        finally:
            self.state = before

    def source(self, source: File, line: int) -> Status:
        """Follow the text of a script; its effects are attributed to the line that runs it."""
        text = source.text
        if not is_known(text):
            self.note(f"the script that is run depends on {with_names(text)[:40]}", line)
            return 0
        try:
            tree = parse(text)
        except UnreadableError as error:
            self.note(f"the script that is run is not understood: {error.message}", line)
            return 0
        return self.sequence(_move(tree, line))


def _least_count(operator: str, number: str, *, answer: bool) -> int:
    """Return the least number of arguments if `$# operator number` has this answer."""
    if not re.fullmatch("[0-9]{1,2}", number):
        return 0
    count = int(number)
    least = {
        ("-lt", False): count, ("-ge", True): count, ("<", False): count, (">=", True): count,
        ("-le", False): count + 1, ("-gt", True): count + 1, ("<=", False): count + 1, (">", True): count + 1,
        ("-eq", True): count, ("-ne", False): count, ("=", True): count, ("==", True): count, ("!=", False): count,
    }  # fmt: skip
    nothing = {("-eq", False), ("-ne", True), ("=", False), ("==", False), ("!=", True)}
    return 1 if count == 0 and (operator, answer) in nothing else least.get((operator, answer), 0)


def _expand_braces(word: Word) -> list[str]:
    """Return the words of a brace expansion such as `{1..3}` or `{a,b}`; nothing for other words."""
    if len(word.parts) != 1 or not isinstance(word.parts[0], Text) or word.parts[0].quoted:
        return []
    match = re.fullmatch(r"([^{}]*)\{(?:([0-9]{1,6})\.\.([0-9]{1,6})|([^{}]*,[^{}]*))\}([^{}]*)", word.parts[0].value)
    if not match:
        return []
    if match[4] is not None:
        middle = match[4].split(",")
    else:
        first, last = int(match[2]), int(match[3])
        middle = [str(number) for number in range(first, min(last, first + _MOST_ROUNDS) + 1)]
    return [f"{match[1]}{each}{match[5]}" for each in middle]


def _is_test(pipeline: Pipeline) -> bool:
    """Return whether a command only asks a question, so that it does not matter whether it is run."""
    command = pipeline.commands[0] if len(pipeline.commands) == 1 else None
    if isinstance(command, Redirected):
        return isinstance(command.command, Condition) and not command.redirections
    return isinstance(command, Simple) and _name(command) in ("[", "test") and not _substitutes(command)


def _combined(first: Maybe, operator: str, second: Status) -> Status:
    """Return the status of two commands that are joined by && or ||, of which the first may succeed or fail."""
    if isinstance(second, int):
        return first if (second == 0) == (operator == "&&") else second
    names = [f"{'! ' if each.negated else ''}{each.key}" for each in (first, second)]
    return Maybe(f" {operator} ".join(names))


def _is_screen(redirection: Redirection) -> bool:
    parts = redirection.target.parts
    text = parts[0].value if len(parts) == 1 and isinstance(parts[0], Text) else ""
    if redirection.operator in ("<<", "<<-", "<<<", "<"):
        return True
    return bool(re.fullmatch(r"[0-9]|/dev/(?:null|stderr|tty)", text))


def _name(simple: Simple) -> str | None:
    """Return the literal name of a command; None if it has no literal name."""
    return literal(simple.words[0]) if simple.words else None


def _simples(tree: object) -> Iterator[Simple]:
    """Yield the simple commands in a tree, except those in substitutions."""
    return (each for each in nodes(tree) if isinstance(each, Simple))


def _has_functions(tree: object) -> bool:
    """Return whether a tree defines functions, counts, or writes to files by the redirection of a group."""
    return any(
        isinstance(each, (Function, CountingFor, Calculation, For))
        or (isinstance(each, Redirected) and not all(map(_is_screen, each.redirections)))
        for each in nodes(tree)
    )


def _substitutes(simple: Simple) -> bool:
    """Return whether a word of a command runs other commands, or sets a variable."""
    return any(
        isinstance(part, (Substitution, Process)) or (isinstance(part, Parameter) and part.operator in (":=", "="))
        for word in simple.words
        for part in word.parts
    )


def _last(tree: object) -> Simple | None:
    """Return the last command of a list, if it is a simple command that is certainly reached."""
    while True:
        if isinstance(tree, Simple):
            return tree
        if isinstance(tree, Sequence) and tree.items:
            tree = tree.items[-1]
        elif isinstance(tree, AndOr) and not tree.others:
            tree = tree.first
        elif isinstance(tree, Pipeline) and len(tree.commands) == 1:
            tree = tree.commands[0]
        elif isinstance(tree, Redirected) and isinstance(tree.command, Group):
            tree = tree.command.body
        else:
            return None


def _move(tree: Sequence, line: int) -> Sequence:
    """Return a tree move to one line of another script, with positions that differ from that script's."""
    from dataclasses import fields as fields_of
    from dataclasses import is_dataclass

    def move(value: object) -> object:
        if isinstance(value, tuple):
            return tuple(map(move, value))
        if not is_dataclass(value) or isinstance(value, type):
            return value
        changed = {each.name: move(getattr(value, each.name)) for each in fields_of(value)}
        for name in ("line", "last"):
            if name in changed:
                changed[name] = line
        if "start" in changed:
            changed["start"] = -(line << 24) - int(str(changed["start"]))
        return type(value)(**changed)

    result = move(tree)
    assert isinstance(result, Sequence)
    return result
