"""Kill a command, or let the disk fail under it, at every point where it touches its folder or starts a program.

The points are found by tracing: a first run is watched by strace, and then there is one run for each of its system
calls, in which that call is a SIGKILL, or fails. After each the next command must find, and leave, a sound folder.

    python -m tests.faults                  all points of all commands, with a table at the end (takes an hour)
    python -m tests.faults server passwd    all points of these
    python -m tests.faults --sample 20      so many of each
    python -m tests.faults --list           the commands

Only Linux has strace. What is added to COMMANDS is tried here as a whole, and a sample of it in tests/test_faults.py.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from tests.preloaded import Preloaded
from tests.soundness import leftovers, shape, unsound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Done = subprocess.CompletedProcess[str]

FAST = ("--key-type", "p-256")
SECRETS = {
    "OPENSSLGEN_CA_PASSPHRASE": "correct horse",
    "OPENSSLGEN_NEW_PASSPHRASE": "correct horse",
    "OPENSSLGEN_P12_PASSWORD": "battery staple",
}


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is killed: the arguments of opensslgen, and those of the commands that have run in the folder before."""

    arguments: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """What lies beside the pki folder."""
    next: tuple[str, ...] = ("server", "--new-ca", "next.example.com", "--key-type", "p-256")
    """What is run after each fault."""
    script: bool = False
    """Whether it is printed as a script, and that is killed."""
    killed: Command | None = None
    """Another that was killed before, right after its decision, so that this one has to finish it."""
    secrets: tuple[str, ...] = ()
    """Names of the secrets that are in the environment of each command."""


ROOT = ("root", *FAST)
SERVER = ("server", "--new-ca", "pbx.example.com", *FAST)
ELSEWHERE = ("server", "phone.example.com", "--csr-only", "--pki", "elsewhere", *FAST)
"""A request that was made in another folder."""
OTHER = ("server", "--new-ca", "other.example.com", *FAST)
REVOKE = ("revoke", "pbx.example.com", "--yes", "--reason", "keyCompromise")
RENEW = ("renew", "pbx.example.com")
ADOPT = ("adopt", "elsewhere/ca.crt", "--key", "elsewhere/private/ca.key")
EXPORT_OTHER = ("export", "other.example.com", "--for", "kamailio", "--out", "out/")
TRUST = ("trust", "--out", "out/")
EXPORT = ("export", "pbx.example.com", "--for", "kamailio", "--out", "out/")

COMMANDS = {
    "root": Command(arguments=ROOT),
    "server": Command(arguments=SERVER, before=(ROOT,)),
    "server-first": Command(arguments=SERVER),
    "server-p12": Command(arguments=(*SERVER, "--p12"), before=(ROOT,), secrets=("OPENSSLGEN_P12_PASSWORD",)),
    "server-force": Command(arguments=(*SERVER, "--force"), before=(ROOT, SERVER)),
    "client": Command(arguments=("client", "--new-ca", "alice@example.com", *FAST), before=(ROOT,)),
    "csr-only": Command(arguments=("server", "pbx.example.com", *FAST, "--csr-only")),
    "self-signed": Command(arguments=("self-signed", "ip500.example.com", *FAST)),
    "intermediate": Command(arguments=("intermediate", "Site Berlin", *FAST), before=(ROOT,)),
    "intermediate-passphrase": Command(
        arguments=("intermediate", "Site Berlin", *FAST),
        before=(ROOT,),
        secrets=("OPENSSLGEN_CA_PASSPHRASE", "OPENSSLGEN_NEW_PASSPHRASE"),
    ),
    "sign": Command(arguments=("sign", "elsewhere/reqs/phone.example.com.req", "--yes"), before=(ROOT, ELSEWHERE)),
    "renew": Command(arguments=RENEW, before=(ROOT, SERVER)),
    "renew-keep-key": Command(arguments=(*RENEW, "--keep-key"), before=(ROOT, SERVER)),
    "renew-ca": Command(arguments=("renew", "ca"), before=(ROOT, SERVER)),
    "revoke": Command(arguments=REVOKE, before=(ROOT, SERVER)),
    "revoke-listed": Command(
        arguments=REVOKE, before=(ROOT, SERVER, OTHER, ("revoke", "other.example.com", "--yes"), ("crl",))
    ),
    "crl": Command(arguments=("crl",), before=(ROOT, SERVER, REVOKE)),
    "crl-again": Command(arguments=("crl",), before=(ROOT, SERVER, REVOKE, ("crl",))),
    "passwd": Command(arguments=("passwd",), before=(ROOT,), secrets=tuple(SECRETS)),
    "passwd-remove": Command(arguments=("passwd", "--remove"), before=(ROOT,), secrets=("OPENSSLGEN_CA_PASSPHRASE",)),
    "adopt": Command(arguments=ADOPT, before=(("root", "--pki", "elsewhere", *FAST),)),
    "export": Command(arguments=EXPORT, before=(ROOT, SERVER, OTHER), next=EXPORT_OTHER),
    "export-force": Command(
        arguments=(*EXPORT, "--force"),
        before=(ROOT, SERVER, OTHER, EXPORT, RENEW),
        next=EXPORT_OTHER,
    ),
    "trust": Command(arguments=TRUST, before=(ROOT, SERVER, OTHER), next=EXPORT_OTHER),
    "trust-force": Command(
        arguments=(*TRUST, "--sign", "pbx.example.com", "--force"),
        before=(ROOT, SERVER, OTHER, TRUST),
        next=EXPORT_OTHER,
    ),
    "batch": Command(
        arguments=("batch", "--new-ca", "rows.csv", *FAST, "--jobs", "1"), files={"rows.csv": "name\na.example.com\n"}
    ),
    "recovery": Command(arguments=OTHER, killed=Command(arguments=SERVER, before=(ROOT,))),
    "recovery-of-root": Command(arguments=OTHER, killed=Command(arguments=ROOT)),
    "recovery-of-revoke": Command(arguments=SERVER, killed=Command(arguments=REVOKE, before=(ROOT, SERVER, ("crl",)))),
    "root-script": Command(arguments=ROOT, script=True),
    "server-script": Command(arguments=SERVER, before=(ROOT,), script=True),
    "server-first-script": Command(arguments=SERVER, script=True),
    "sign-script": Command(
        arguments=("sign", "elsewhere/reqs/phone.example.com.req", "--yes"), before=(ROOT, ELSEWHERE), script=True
    ),
    "renew-script": Command(arguments=RENEW, before=(ROOT, SERVER), script=True),
    "revoke-script": Command(arguments=REVOKE, before=(ROOT, SERVER, ("crl",)), script=True),
    "crl-script": Command(arguments=("crl",), before=(ROOT, SERVER, REVOKE), script=True),
    "passwd-script": Command(arguments=("passwd",), before=(ROOT,), secrets=tuple(SECRETS), script=True),
    "intermediate-script": Command(arguments=("intermediate", "Site Berlin", *FAST), before=(ROOT,), script=True),
}

MAKES = ("mkdir", "mkdirat", "open", "openat", "creat", "write", "pwrite64", "writev", "rename", "renameat",
         "renameat2", "link", "linkat", "symlink", "symlinkat", "fallocate", "copy_file_range", "sendfile")  # fmt: skip
"""System calls that need room on the disk."""
CHANGES = (*MAKES, "unlink", "unlinkat", "rmdir", "ftruncate", "truncate", "fsync", "fdatasync", "chmod", "fchmod",
           "fchmodat", "chown", "fchown", "fchownat", "utimensat")  # fmt: skip
READS = ("read", "pread64", "getdents64", "readlink")
"""And whatever opens a file to read it."""
STARTS = ("clone", "clone3", "fork", "vfork")
KILL = "SIGKILL"


@dataclass(frozen=True)
class Point:
    """A system call that changes the folder or starts a program."""

    call: str
    number: int
    """Counted from 1: this process's calls of this kind."""
    what: str
    """The call with its arguments, without what differs from run to run."""
    failed: bool
    """Whether it failed in the traced run, as `mkdir` does for a folder that is there."""

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.what}"

    @property
    def reads(self) -> bool:
        """Whether it only reads."""
        return self.call in READS or "O_RDONLY" in self.what

    @property
    def faults(self) -> tuple[str, ...]:
        """What can go wrong here: a kill, unless nothing changes here, or an error."""
        kill = () if self.failed or self.reads else (KILL,)
        if self.call in STARTS:
            return (*kill, "EAGAIN")
        return (*kill, "ENOSPC", "EIO", "EDQUOT") if self.call in MAKES and not self.reads else (*kill, "EIO")


_IDLE: defaultdict[tuple[str, ...], SimpleQueue[Preloaded]] = defaultdict(SimpleQueue)
"""What runs the commands, by the secrets in its environment: to start one takes longer than most commands."""


def close() -> None:
    """End what runs the commands."""
    for idle in _IDLE.values():
        while not idle.empty():
            idle.get().close()


class Case:
    """A command, and the folders that it starts from and ends in if nothing goes wrong."""

    def __init__(self, command: Command, place: Path) -> None:
        """Make the folder that the command starts from in the empty folder `place`, and trace the command."""
        self.command = command
        self.place = place
        self._idle = _IDLE[command.secrets]
        before = place / "before"
        if command.killed:
            shutil.copytree(_killed(command.killed, place / "killed"), before, symlinks=True)
        before.mkdir(parents=True, exist_ok=True)
        for name, text in command.files.items():
            (before / name).write_text(text)
        for arguments in command.before:
            self._run(before, arguments).check_returncode()
        if command.script:
            printed = self._run(before, (*command.arguments, "--script"))
            printed.check_returncode()
            (before / "script.sh").write_text(printed.stdout)
        untouched, after = self._copy("untouched"), self._copy("after")
        done, self.trace = self._traced(after)
        assert done.returncode == 0, done.stderr
        self.points = points(self.trace, after)
        for folder in (untouched, after):
            self._run(folder, command.next).check_returncode()
            assert unsound(folder, self.secrets) == []
        self.none, self.whole = shape(untouched, before), shape(after, before)

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets in the environment of its commands."""
        return {name: SECRETS[name] for name in self.command.secrets}

    @contextmanager
    def _preloaded(self) -> Iterator[Preloaded]:
        try:
            program = self._idle.get_nowait()
        except Empty:
            plain = {name: value for name, value in os.environ.items() if not name.startswith("OPENSSLGEN_")}
            # So that all runs make the same calls in the same order.
            fixed = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
            program = Preloaded({**plain, **fixed, **self.secrets})
        try:
            yield program
        except BaseException:
            program.close()
            raise
        self._idle.put(program)

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.place / "before", self.place / name, symlinks=True))

    def _run(self, folder: Path, arguments: tuple[str, ...]) -> Done:
        with self._preloaded() as program:
            return _as_text(program.run(arguments, folder=folder))

    def _traced(self, folder: Path, fault: str | None = None) -> tuple[Done, list[str]]:
        """Run the command, with strace's `inject` if there is to be a fault, and return what it left and its calls."""
        trace = self.place / f"{folder.name}.trace"
        calls = ",".join(f"?{call}" for call in (*CHANGES, *READS, *STARTS))
        strace = ["strace", "-o", str(trace), "-y", "-s", "48", "-e", "signal=none", "-e", f"trace={calls}"]
        strace += ["-e", f"inject={fault}"] if fault else []
        with self._preloaded() as program:
            if self.command.script:
                done = subprocess.run(
                    [*strace, "sh", "script.sh"],
                    cwd=folder,
                    env=program.environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                )
            else:
                tracers = []

                def attach(process: int) -> None:
                    tracer = subprocess.Popen([*strace, "-p", str(process)], stderr=subprocess.PIPE)
                    assert tracer.stderr
                    assert b"attached" in tracer.stderr.readline()
                    tracers.append(tracer)

                done = _as_text(program.run(self.command.arguments, folder=folder, attach=attach))
                tracers[0].communicate()
        lines = trace.read_text("utf-8", "replace").splitlines()
        trace.unlink()
        return done, lines

    def jobs(self) -> list[tuple[Point, str]]:
        """Return all that can go wrong."""
        # A shell reads its script little by little, and what it makes of an error there is the shell's.
        points = [point for point in self.points if not (point.reads and self.command.script)]
        return [(point, fault) for point in points for fault in point.faults]

    def read_only(self) -> list[str]:
        """Run the command in a folder that nobody can write to, root neither, and return what is not as it must."""
        folder = self._copy("read-only")
        mount = 'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$@"'
        program = ["sh", "script.sh"] if self.command.script else [sys.executable, "-m", "opensslgen"]
        with self._preloaded() as preloaded:
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", mount, "sh", *program, *self._arguments],
                cwd=folder,
                env=preloaded.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        found = [] if done.returncode == 1 else [f"exit code {done.returncode}: {done.stderr}"]
        changed = shape(folder, self.place / "before") != shape(self.place / "before", self.place / "before")
        return found + self._said(done, folder) + (["something changed"] if changed else [])

    @property
    def _arguments(self) -> tuple[str, ...]:
        return () if self.command.script else self.command.arguments

    def wrong(self, point: Point, fault: str) -> list[str]:
        """Let one thing go wrong in a copy of the folder, run the next command, and return what is not as it must."""
        folder = self._copy(f"{point.call}-{point.number}-{fault}")
        action = f"signal={KILL}" if fault == KILL else f"error={fault}"
        done, trace = self._traced(folder, f"{point.call}:{action}:when={point.number}")
        hit = _hit(trace, folder, fault)
        if hit != point.what:
            return [f"the run was another than the traced one, and came to {hit}"]
        found = [f"at once: {line}" for line in unsound(folder, self.secrets, at_once=True)]
        if fault != KILL:
            found += self._said(done, folder, codes=(1, 2) if point.reads else (1,))
        later = self._run(folder, self.command.next)
        if later.returncode != 0:
            return [*found, f"the next command fails: {later.stderr}"]
        found += leftovers(folder) + unsound(folder, self.secrets)
        left, reported = shape(folder, self.place / "before"), done.returncode == 0
        if left == self.none and not reported:
            pass
        elif point.reads and reported:
            pass  # it may have gone on without what it could not read
        elif left != self.whole:
            more, less = ([*(one - other)] for one, other in ((left, self.whole), (self.whole, left)))
            found.append(f"neither all nor nothing, but nearly all: with {more}, without {less}")
        elif not reported and fault != KILL and "next run" not in done.stderr and not self.command.script:
            found.append(f"what was done all the same is not told: {done.stderr}")
        if not found:
            shutil.rmtree(folder)
        return found

    def _said(self, done: Done, folder: Path, *, codes: tuple[int, ...] = (1,)) -> list[str]:
        """Return what is wrong with how a command told of an error."""
        # What a shell says of a disk that fails is the shell's.
        if done.returncode == 0 or self.command.script:
            return []
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        if done.returncode not in codes or len(errors) != 1 or "Traceback" in done.stderr:
            return [f"exit code {done.returncode}, and on stderr: …{done.stderr[-400:]}"]
        named = str(folder) in errors[0] or re.search(r" (pki|out|elsewhere|rows.csv)\b|openssl|process", errors[0])
        return [] if named else [f"the message names no file: {errors[0]}"]


def _killed(command: Command, place: Path) -> Path:
    """Return a folder in which a command was killed when it had decided, and had carried out a part of that."""
    case = Case(command, place)
    renames = [point for point in case.points if point.call == "rename" and ".lock" not in point.what]
    decision = next(index for index, point in enumerate(renames) if "decision.tmp" in point.what)
    point = renames[decision + 3]
    folder = case._copy("killed")
    case._traced(folder, f"rename:signal={KILL}:when={point.number}")
    assert list(folder.glob("pki/.work-*/decision.json"))
    return folder


def sampled(jobs: list[tuple[Point, str]], number: int, *, seed: int | None = None) -> list[tuple[Point, str]]:
    """Return so many of the jobs, half of them near the decision; others each day, unless the seed is given."""
    chance = random.Random(date.today().toordinal() if seed is None else seed)
    calls = [index for index, (point, _) in enumerate(jobs) if "rename(" in point.what or "/decided" in point.what]
    near = [job for index, job in enumerate(jobs) if any(abs(index - call) <= 3 for call in calls)]
    chosen = chance.sample(near, min(number // 2, len(near)))
    others = [job for job in jobs if job not in chosen]
    return chosen + chance.sample(others, min(number - len(chosen), len(others)))


def points(trace: list[str], folder: Path) -> list[Point]:
    """Return those calls of a trace that change the folder, start a program, or run beside one."""
    numbers: Counter[str] = Counter()
    found = []
    beside = False
    for line in trace:
        match = re.match(r"(\w+)\(", line)
        if not match:
            continue
        call = match[1]
        numbers[call] += 1
        if call in STARTS:
            thread = "CLONE_THREAD" in line
            # The first thread that is started after a program: here that runs.
            if thread and not beside:
                continue
            beside = not thread
        elif not _touches(line, folder):
            continue
        found.append(Point(call, numbers[call], _what(line, folder), " = -1 " in line))
    return found


def _touches(line: str, folder: Path) -> bool:
    """Tell whether a call names something in the folder, which is the one that the command runs in, too."""
    if line.startswith(("read(", "write(")):
        line = line.partition(', "')[0]
    names = re.sub(r"AT_FDCWD<[^>]*>, (?=\"/)", "", line)
    return str(folder) in names or bool(re.match(r'\w+\("(?!/)', names))


def _hit(trace: list[str], folder: Path, fault: str) -> str:
    """Return the call that a fault came to."""
    calls = [line for line in trace if re.match(r"\w+\(", line)]
    if fault != KILL:
        calls = [line for line in calls if "(INJECTED)" in line]
    return _what(calls[-1], folder) if calls else "none"


def _what(line: str, folder: Path) -> str:
    """Return a call without its result, and without what differs from run to run."""
    call = line.partition("(")[0]
    if call in STARTS:
        return "a thread" if "CLONE_THREAD" in line else "a program"
    text = re.sub(r"\)?\s+= [-?\d].*", "", line).replace(f"{folder}/", "").replace(str(folder), ".")
    # What is written holds random numbers, and names in a folder that is swept come in any order.
    text = re.sub(r"^(write|pwrite64|writev|read|pread64|getdents64)\((\d+<[^>]*>).*", r"\1(\2", text)
    text = re.sub(r"^(sendfile|copy_file_range)\((\d+<[^>]*>).*", r"\1(\2", text)
    text = re.sub(r"^(utimensat\(.*?, \[).*", r"\1", text)
    text = re.sub(r"^(unlinkat\(\d+<[^>]*>).*", r"\1", text)
    text = re.sub(r"\d{8}T\d{6}Z", "TIME", re.sub(r"[0-9A-F]{24,}", "SERIAL", text))
    return re.sub(r"\.(work-|script\.|lock\.new\.|lock\.dead\.|opensslgen-)\w+", r".\1…", text)


def main() -> int:
    """Try all points of the commands that are named, or of all, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("--list", action="store_true", help="print the commands and their number of points")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--reads", action="store_true", help="only errors where the command reads")
    parser.add_argument("--fault", action="append", help="only this one: SIGKILL, ENOSPC, EIO, EDQUOT, EAGAIN")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many of each command")
    parser.add_argument("--seed", type=int, help="which: the number of the day, unless it is given")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="faults-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    failures = 0
    for name in options.commands or COMMANDS:
        case = Case(COMMANDS[name], place / name)
        jobs = [job for job in case.jobs() if not options.fault or job[1] in options.fault]
        if options.reads:
            jobs = [(point, fault) for point, fault in jobs if point.reads]
        if options.sample:
            jobs = sampled(jobs, options.sample, seed=options.seed)
        if options.list:
            print(f"{name:24} {len(case.points):4} points, {len(jobs):4} faults")
            jobs = []
            continue
        with ThreadPoolExecutor(options.jobs) as pool:
            answers = list(pool.map(lambda job, case=case: case.wrong(*job), jobs))
        wrong = [(job, found) for job, found in zip(jobs, answers, strict=True) if found]
        tally = Counter(fault for _, fault in jobs)
        print(f"{name:24} " + ", ".join(f"{number} {fault}" for fault, number in tally.items()), end="")
        print(f": {len(wrong)} wrong" if wrong else ": all or nothing, each time", flush=True)
        for (point, fault), found in wrong:
            print(f"  {fault} at {point}", *(f"    {line}" for line in found), sep="\n")
        failures += len(wrong)
    close()
    if failures:
        print(f"What was left is in {place}.")
    else:
        shutil.rmtree(place)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())


def _as_text(done: subprocess.CompletedProcess[bytes]) -> Done:
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)
