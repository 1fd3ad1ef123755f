"""Find openssl, and run it."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen import budget
from opensslgen.errors import Error
from opensslgen.patterns import pattern
from opensslgen.text import visible

from .process import Process, Stopped, start_with_sh

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from .process import Start


TIMEOUT = 120.0
"""Seconds that one openssl command may take; an RSA key of 4096 bits takes a slow appliance about thirty."""

OLDEST = {"OpenSSL": (1, 0, 1), "LibreSSL": (2, 8, 0)}

CAPABILITIES: dict[str, dict[str, tuple[int, int, int]]] = {
    "-not_before": {"OpenSSL": (3, 5, 0)},
    "providers": {"OpenSSL": (3, 0, 0)},
    "-ext": {"OpenSSL": (1, 1, 1)},
    "req -CA": {"OpenSSL": (3, 0, 0)},
    "x509 -force_pubkey": {"OpenSSL": (1, 0, 2), "LibreSSL": (3, 5, 0)},
    "-copy_extensions": {"OpenSSL": (3, 0, 0)},
    "-legacy": {"OpenSSL": (3, 0, 0)},
    # From 3.0 on `x509 -req` adds subject and authority key identifier unless they are set to none; 4.0 adds nothing.
    "key identifier none": {"OpenSSL": (3, 0, 0)},
    "x509 -req adds nothing": {"OpenSSL": (4, 0, 0), "LibreSSL": (2, 8, 0)},
    "-verify_hostname": {"OpenSSL": (1, 0, 2)},
    "-partial_chain": {"OpenSSL": (1, 0, 2)},
    "-no_check_time": {"OpenSSL": (1, 1, 1)},
    "enc -pbkdf2": {"OpenSSL": (1, 1, 1), "LibreSSL": (3, 3, 0)},
    "ed25519": {"OpenSSL": (1, 1, 1), "LibreSSL": (3, 7, 0)},
    "s_client to IPv6": {"OpenSSL": (1, 1, 1), "LibreSSL": (2, 8, 0)},
    "-starttls lmtp": {"OpenSSL": (1, 1, 1), "LibreSSL": (2, 8, 0)},
    "-starttls ldap": {"OpenSSL": (1, 1, 1)},
    "-starttls sieve": {"OpenSSL": (1, 1, 1), "LibreSSL": (4, 3, 2)},
    "-xmpphost": {"OpenSSL": (1, 1, 1), "LibreSSL": (2, 8, 0)},
    "@SECLEVEL": {"OpenSSL": (1, 1, 1), "LibreSSL": (4, 3, 2)},
    "-legacy_server_connect": {"OpenSSL": (3, 0, 0)},
    # Others refuse each certificate with an address below such a CA: error 51, "unsupported name constraint type".
    "verify name constraints with addresses": {"OpenSSL": (1, 1, 0), "LibreSSL": (3, 3, 6)},
    # LibreSSL 3.3.6, macOS's own, refuses to verify any URI without //; 2.8.3 did not, and 4.3.2 does not.
    "verify URI:sip": {"OpenSSL": (1, 0, 1), "LibreSSL": (4, 0, 0)},
}
"""The first version of each flavour that has it, as measured; only `OpenSSL.can` reads it."""


END_OF_LIFE: dict[tuple[int, ...], str] = {
    (1, 0, 1): "2016-12-31",
    (1, 0, 2): "2019-12-31",
    (1, 1, 0): "2019-09-11",
    (1, 1, 1): "2023-09-11",
    (3, 0): "2026-09-07",
    (3, 1): "2025-03-14",
    (3, 2): "2025-11-23",
    (3, 3): "2026-04-09",
    (3, 4): "2026-10-22",
    (3, 5): "2030-04-08",
    (3, 6): "2026-11-26",
    (4, 0): "2027-05",
}
"""The day or month in which support of an OpenSSL branch ends (https://openssl-library.org/policies/releasestrat/).

Distributions mend their own builds for longer, and name the version they began with.
"""


class OpenSSLError(Error):
    """Openssl is missing, another program or too old, or it failed, did not end in time or printed too much."""

    left: Process | None = None
    """Its output until it was ended for taking too long or printing too much."""


@dataclass(frozen=True)
class OpenSSL:
    """An openssl program: its path and version, and limits on its commands."""

    path: str
    flavour: str
    """"OpenSSL" or "LibreSSL"."""
    version: tuple[int, int, int]
    banner: str
    """The whole line that `openssl version` prints."""
    start: Start = field(default=start_with_sh, repr=False)
    timeout: float = TIMEOUT
    """Seconds that a command may take."""
    limit: int | None = None
    """Bytes that a command may print; None: any number."""
    directory: str | None = None
    """The folder of its default config; None if it does not say so."""
    conf: str = os.devnull
    """The config that openssl itself reads: empty, or the site's because it sets up `providers`."""
    providers: tuple[str, ...] = ()
    """Names and versions of the providers that the site's config activates."""
    fips: bool = False
    """Whether these allow only what FIPS 140 approves."""

    def can(self, capability: str) -> bool:
        """Tell whether this openssl has what CAPABILITIES lists by that name."""
        first = CAPABILITIES[capability].get(self.flavour)
        return first is not None and self.version >= first

    def support(self, today: date) -> str:
        """Return until when OpenSSL's developers mend this branch."""
        number = self.version if self.version < (3, 0, 0) else self.version[:2]
        branch = f"{self.flavour} {'.'.join(map(str, number))}"
        end = END_OF_LIFE.get(number) if self.flavour == "OpenSSL" else None
        if end is None:
            return f"when support of {branch} ends is not known here"
        is_over = end < today.isoformat()[: len(end)]
        builds = "; a distribution may mend its own build for longer" if is_over else ""
        return (
            f"support of {branch} {'ended' if is_over else 'ends'} {'on' if len(end) > 7 else 'in'} {end}, by OpenSSL's"
            f" release strategy{builds}"
        )

    def require(self, capability: str) -> None:
        """Raise OpenSSLError if this openssl lacks what CAPABILITIES lists by that name."""
        if not self.can(capability):
            raise OpenSSLError(
                f"{self.path} is {self.banner}, which cannot {capability}", hint="name a newer one with --openssl"
            )

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | str | None = None,
        secrets: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        check: bool = True,
    ) -> Process:
        """Run `openssl ARGUMENTS…` and return its output; `secrets` reach only this child's environment.

        Raises OpenSSLError if it cannot be started, hangs, or (with `check`) does not exit with 0, and CostlyError if
        it takes more than what is left of the current budget.
        """
        folder = str(cwd or os.getcwd())  # noqa: PTH109
        limited = budget.current()
        if limited:
            limited.check()
        begun = _time_of_children()
        process = _start(
            self.start,
            [self.path, *arguments],
            before=_limits(limited) if limited else [],
            cwd=folder,
            secrets=secrets or {},
            stdin=stdin,
            timeout=self.timeout,
            limit=self.limit,
            conf=self.conf,
        )
        if limited:
            _charge(limited, process, begun)
        if check and process.exit_code != 0:
            raise self._failure(arguments[0], process)
        return process

    def _failure(self, name: str, process: Process) -> OpenSSLError:
        """Return the error of a command that failed; where FIPS is in force, that may be the cause."""
        return OpenSSLError(f"openssl {name} failed: {reason(process)}", hint=_FIPS_HINT if self.fips else None)

    def run_groups(
        self, groups: Sequence[Sequence[str]], *, cwd: Path, secrets: Mapping[str, str]
    ) -> list[OpenSSLError | None]:
        """Run groups of lines `openssl ARGUMENTS…` in the folder `cwd`, and return the error of each group.

        Each group ends at its first command that fails; a secret reaches only the commands whose arguments name it.
        One shell runs all groups, because it starts processes much faster than Python, and `timeout` is for all; the
        groups after one that did not end get a new shell, and new time.
        """
        from opensslgen.plan.template import shipped

        found: list[OpenSSLError | None] = []
        while len(found) < len(groups):
            left = groups[len(found) :]
            script = shipped("run-many.sh") + "".join(f"{line}\n" for group in left for line in (*group, "answer"))
            (cwd / _GROUPS).write_text(script, encoding="utf-8", errors="surrogateescape")
            try:
                process = _start(
                    self.start,
                    ["/bin/sh", _GROUPS, self.path, " ".join(secrets)],
                    cwd=str(cwd),
                    secrets=secrets,
                    stdin=b"",
                    timeout=self.timeout,
                    conf=self.conf,
                )
                cut = "the shell that runs openssl has ended too early: {}"
            except OpenSSLError as error:
                if error.left is None:
                    return found + [error for _ in left]
                process, cut = error.left, f"openssl did not end within {self.timeout:g} seconds"
            answers = process.stdout.decode("utf-8", "replace").splitlines()
            for number, answer in enumerate(answers):
                code, name = answer.split(" ", 1)
                if code == "0":
                    found.append(None)
                    continue
                # In the shell, 128 and more is the end by a signal.
                ended = Process(int(code) if int(code) <= 128 else 128 - int(code), b"", _errors(cwd, number))
                found.append(self._failure(name, ended))
            if len(answers) < len(left):
                last = Process(process.exit_code, b"", process.stderr + _errors(cwd, len(answers)))
                found.append(OpenSSLError(cut.format(reason(last))))
        return found


_FIPS_HINT = (
    "the FIPS provider is in force here, and it refuses PKCS#12 files and old algorithms, for example; if that is the"
    " cause, leave out what it refuses, or set OPENSSL_CONF=/dev/null to work without FIPS"
)

_GROUPS = "groups.sh"
"""In the work folder: the commands that a shell runs, after the functions that they call."""


def _errors(folder: Path, number: int) -> bytes:
    """Return the stderr of a group's last command, from a file: a pipe would wake Python for each dot."""
    path = folder / f"errors.{number}"
    return path.read_bytes() if path.exists() else b""


def _limits(limited: budget.Budget) -> list[str]:
    """Return the words that start a command with limits on memory (macOS sets none) and CPU.

    A shell sets them, because Python may use more memory than that when it has forked.
    """
    limits = f"ulimit -v {budget.MOST_MEMORY << 10} 2>/dev/null; ulimit -t {budget.whole_seconds(limited)} 2>/dev/null"
    return ["/bin/sh", "-c", f'{limits}; exec "$0" "$@"']


def _time_of_children() -> tuple[float, float]:
    """Return the seconds of CPU of all child processes that have ended, and the time."""
    times = os.times()
    return times.children_user + times.children_system, times.elapsed


def _charge(limited: budget.Budget, process: Process, begun: tuple[float, float]) -> None:
    """Charge the budget for a command; raises CostlyError if it reached one of the limits."""
    # Children of other threads may have ended meanwhile.
    limited.spent += min(after - before for after, before in zip(_time_of_children(), begun, strict=True))
    if process.exit_code in (-signal.SIGXCPU, -signal.SIGKILL):
        limited.refuse_time()
    if process.exit_code < 0 or _NO_MEMORY.search(process.stderr):
        limited.refuse_memory()


_NO_MEMORY = pattern(rb"malloc failure|Cannot allocate memory|out of memory", re.IGNORECASE)


def find(path: str | None = None, *, start: Start = start_with_sh, timeout: float = TIMEOUT) -> OpenSSL:
    """Return the openssl at `path`, in OPENSSLGEN_OPENSSL or on the PATH; raises OpenSSLError if it is not usable."""
    import shutil  # who reads one certificate runs no openssl

    wanted = path or os.environ.get("OPENSSLGEN_OPENSSL") or "openssl"
    found = shutil.which(wanted)
    if found is None:
        raise OpenSSLError(
            f"no openssl found at {wanted}" if os.sep in wanted else f"no {wanted} found on the PATH",
            hint="install it (apt install openssl), or name one with --openssl or OPENSSLGEN_OPENSSL",
        )
    if not os.path.isabs(found):  # noqa: PTH117 - importing pathlib takes as long as `openssl version`
        found = os.path.join(os.getcwd(), found)  # noqa: PTH109, PTH118
    process = _start(
        start,
        [found, "version", "-v", "-d"],
        cwd=os.sep,
        secrets={},
        stdin=b"",
        timeout=timeout,
        limit=_LONGEST_VERSION,
    )
    answer = process.stdout.decode("utf-8", "replace").strip()
    banner = answer.partition("\n")[0]
    match = re.match(r"(OpenSSL|LibreSSL) ([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})", banner)
    if match is None:
        raise OpenSSLError(f"{found} is not an openssl: `version` answers {banner[:80] or reason(process)!r}")
    flavour, version = match[1], (int(match[2]), int(match[3]), int(match[4]))
    if version < OLDEST[flavour]:
        oldest = ".".join(map(str, OLDEST[flavour]))
        raise OpenSSLError(f"{found} is too old: {banner}; {flavour} {oldest} is the oldest that works")
    directory = re.search(r'^OPENSSLDIR: "(.*)"$', answer, re.MULTILINE)
    return OpenSSL(found, flavour, version, banner, start, timeout, directory=directory[1] if directory else None)


_LONGEST_VERSION = 1 << 16
"""Bytes that `openssl version` may print."""


def environment(*, folder: str, secrets: Mapping[str, str], conf: str = os.devnull) -> dict[str, str]:
    """Return the environment of an openssl command: the caller's, without variables that change openssl's output.

    `conf` is the config that openssl itself reads; with the site's, the site's variables for it are kept.
    """
    # OPENSSL_*: each plan brings its own config. OPENSSLGEN_*: secrets go only to the command that names them.
    # SSLKEYLOGFILE and the rest of SSL_*: certificate commands do not need them.
    kept = _STRICTER | (_OF_CONFIG if conf != os.devnull else set())
    dropped = ("OPENSSL", "SSL", "RANDFILE")
    child = {name: value for name, value in os.environ.items() if name in kept or not name.startswith(dropped)}
    return child | {
        "LC_ALL": "C",
        "OPENSSL_CONF": conf,
        # Loading the system's roots costs 16 ms a start, and `verify` would trust them.
        "SSL_CERT_DIR": "",
        "SSL_CERT_FILE": os.devnull,
        # OpenSSL 1.0 writes its random state into the caller's home by default.
        "RANDFILE": os.path.join(folder, ".rnd"),  # noqa: PTH118
        **secrets,
    }


_STRICTER = {"OPENSSL_FIPS", "OPENSSL_FORCE_FIPS_MODE"}
"""By these, the openssl of Red Hat and Ubuntu enforces FIPS without a config."""

_OF_CONFIG = {"OPENSSL_MODULES", "OPENSSL_CONF_INCLUDE"}
"""Where the files are that a config names."""


def reason(process: Process) -> str:
    """Return the first line of openssl's stderr with a reason, as text that is safe to print."""
    lines = [visible(line.strip()) for line in said_on_stderr(process).splitlines()]
    reasons = [line for line in lines if line and not _CHATTER.match(line)]
    plain = next((line for line in reasons if not _STACK.search(line)), None)
    stack = [_STACK.sub("", line).split(":") for line in reasons if _STACK.search(line)]
    # For a wrong passphrase OpenSSL 3 first lists all the formats that it has tried.
    deeper = next((entry for entry in stack if _PASSPHRASE.search(":".join(entry))), stack[0] if stack else None)
    # An entry of the error stack reads library:function:reason:file:line:data.
    why = None
    if deeper and len(deeper) > 2:
        number = re.fullmatch(r"reason\((\d+)\)", deeper[2])
        said = f"error {number[1]} of its {deeper[0]}" if number else deeper[2]
        why = ": ".join(filter(None, (said, ":".join(deeper[5:]).strip())))
    if plain and why:
        return f"{plain.rstrip(':')} ({why})"
    if plain or why:
        return plain or why or ""
    return f"killed by signal {-process.exit_code}" if process.exit_code < 0 else f"exit code {process.exit_code}"


def said_on_stderr(process: Process) -> str:
    """Return openssl's stderr, with words for the numbers that LibreSSL 3.3 prints for errors in extensions."""
    text = process.stderr.decode("utf-8", "replace")

    def words(match: re.Match[str]) -> str:
        reasons, number = _EXTENSION_REASONS.split("; "), int(match[2]) - _FIRST_REASON
        return match[1] + reasons[number] if 0 <= number < len(reasons) else match[0]

    return re.sub(r"(:X509 V3 routines:[^:\n]*:)reason\(([0-9]{1,4})\)", words, text)


_FIRST_REASON = 100
_EXTENSION_REASONS = (
    "bn dec2bn error; bn to asn1 integer error; extension not found; extension setting not supported; invalid boolean "
    "string; invalid extension string; invalid name; invalid null argument; invalid null name; invalid null value; "
    "invalid object identifier; unknown bit string argument; odd number of digits; illegal hex digit; no public key; "
    "extension name error; extension value error; unsupported option; bad ip address; bad object; unknown option; no "
    "issuer certificate; unable to get issuer details; unable to get issuer keyid; missing value; no subject details; "
    "issuer decode error; no issuer details; error in extension; unknown extension; unknown extension name; error "
    "converting zone; user too long; duplicate zone id; invalid policy identifier; invalid section; no config "
    "database; expected a section name; invalid option; no policy identifier; invalid number; invalid numbers; need "
    "organization and numbers; invalid syntax; error creating extension; extension exists; invalid purpose; othername "
    "error; operation not defined; dirname error; section not found; illegal empty extension; incorrect policy syntax "
    "tag; invalid proxy policy setting; no proxy cert policy language defined; policy language already defined; "
    "policy path length; policy path length already defined; policy syntax not currently supported; policy when proxy "
    "language requires no policy; distpoint already set; invalid multiple rdns; invalid asnumber; invalid asrange; "
    "invalid safi; invalid inheritance; invalid ipaddress; unsupported type"
)
"""The errors in extensions from number 100 on, separated by semicolons; the same in all versions (x509v3.h)."""
_PASSPHRASE = pattern("bad decrypt|bad password|maybe wrong password")
_STACK = pattern(r"^[0-9A-Fa-f]+:error:[0-9A-Fa-f]+:")
_CHATTER = pattern(
    r"""[.+*\-]+$ | Generating\ an?\ | writing\ new\ private\ key | Signature\ ok | subject\ ?= | Getting\ (CA\ )?
    | Certificate\ request\ self-signature | unable\ to\ write\ 'random\ state' | Can't\ load\ .*\.rnd
    | Using\ configuration\ from
    | e\ is\ \d+ | WARNING:\ can't\ open\ config | read\ EC\ key | writing\ EC\ key | \.+\+""",
    re.VERBOSE,
)


def _start(
    start: Start,
    argv: list[str],
    *,
    cwd: str,
    secrets: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    limit: int | None = None,
    before: Sequence[str] = (),
    conf: str = os.devnull,
) -> Process:
    env = environment(folder=cwd, secrets=secrets, conf=conf)
    # Most callers set no limit, and most replacements of `start` in tests do not accept one.
    limits = {} if limit is None else {"limit": limit}
    try:
        return start([*before, *argv], env=env, cwd=cwd, stdin=stdin, timeout=timeout, **limits)
    except TimeoutError as error:
        within = f"within {timeout:g} seconds" + (f" and {limit} bytes" if limit is not None else "")
        failure = OpenSSLError(f"openssl {argv[1]} did not end {within}: {argv[0]}")
        failure.left = error.left if isinstance(error, Stopped) else None
        raise failure from error
    except OSError as error:
        raise OpenSSLError(f"cannot run {argv[0]}: {error.strerror or error}") from error
