"""A deployment as a value: files to copy, commands to run there, what to check, and how to undo it.

It is carried out through one shell on the target (`transaction`), or printed: as a script for the appliance's own shell
(`as_script`), or as a story for people (`as_commands`). All are made of the functions in `templates/deploy.sh`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UsageError
from opensslgen.text import visible

from .script import call, with_functions
from .secrets import P12_PASSWORD
from .targets import Port, ports
from .template import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .targets import Place, Target

KEEP = b"keep\n"
"""The word for which a transaction waits; without it, it undoes itself."""
UNDO = b"undo\n"
SPARE = 120
"""Seconds that the last word may come later than the ports may take."""
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers lie that are not in the PATH that ssh gives."""
_INDENT = "    "


class Copy(NamedTuple):
    """A file that is copied."""

    place: Place
    source: str
    """Its name, as `export --for` writes it."""
    path: str
    """Its absolute path on the target."""

    @property
    def is_comparable(self) -> bool:
        """Whether two exports of one certificate are the same; a PKCS#12 file is encrypted another way each time."""
        return self.place.piece.form in ("pem", "der")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A certificate, and the target that it goes to."""

    target: Target
    title: str
    """The name of the certificate in messages."""
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal with colons."""
    copies: tuple[Copy, ...]
    values: Mapping[str, str]
    """Settings and paths by name, as commands see them."""
    chain: str
    """What each port has to show, in PEM: the certificate and the CAs above it, without the root."""
    servername: str | None
    """The name that a port is asked for; None: none, as the certificate has only addresses."""

    def __post_init__(self) -> None:
        paths = [copy.path for copy in self.copies]
        if len(set(paths)) != len(paths):
            raise UsageError(f"two files of the target {self.target.name} would have the same path")

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that show the certificate."""
        return ports(self.values["ports"])

    @property
    def wait(self) -> int:
        """Seconds that the ports, and the target's own command `ready`, have to show it."""
        return int(self.values["wait"])

    @property
    def state(self) -> str:
        """The folder on the target that has what a deployment must know between two runs."""
        return self.values["state"]

    @property
    def has_password(self) -> bool:
        """Whether a file that is copied has a password that is a secret."""
        return self.target.password is None and any(copy.place.piece.form.startswith("p12") for copy in self.copies)

    @property
    def who(self) -> str:
        """What it does, in one line."""
        return f"{self.title} to {self.target.name}"

    def command(self, name: str) -> str | None:
        """Return a command of the target as shell text, after the variables that it sees; None if it has none."""
        text = self.target.commands.get(name)
        if name == "restore":
            text = self.values["restore"] or text or self.target.commands["activate"]
        if text is None:
            return None
        return "\n".join([*(f"{name}={shlex.quote(value)}" for name, value in self.variables(text).items()), text])

    def variables(self, text: str) -> dict[str, str]:
        """Return the values that shell text uses, and those that they use when it evaluates them."""
        values = {**self.values, "password": f"{self.state}/current/password"}
        used: dict[str, str] = {}
        while new := {name: value for name, value in values.items() if name not in used and _uses(text, name)}:
            used |= new
            text = "\n".join((text, *new.values()))
        return {name: value for name, value in values.items() if name in used}


def _uses(text: str, name: str) -> bool:
    return re.search(rf"\$(?:{name}\b|\{{{name}\b)", text) is not None


def transaction(
    order: Deployment,
    contents: Mapping[str, bytes],
    *,
    by: str,
    digests: Sequence[str],
    before: str,
    password: str | None,
) -> str:
    """Return the shell text that carries a deployment out, and waits for KEEP before it is final.

    `contents` has the files by the names that `export --for` gives them; `by` is who does it, `digests` are those of
    the files that were seen there, empty for one that is missing, and `before` is what each port shows now. What is
    secret stands in here documents only.
    """
    still = [call("still", copy.path, digest) for copy, digest in zip(order.copies, digests, strict=True)]
    staged = []
    for copy in order.copies:
        words = ("stage_like", copy.path, copy.place.mode, copy.place.owner)
        staged.append(call(*words, stdin=contents[copy.source]))
    if password is not None:
        staged.append(call("remember_secret", "password", stdin=password.encode()))
    return _program(
        [*_opened(order, f"{order.who}, by {by}"), *still, *_begun(order, before), *staged, *_acted(order)],
        call("await_word", str(order.wait + SPARE)),
    )


def undoing(order: Deployment, *, by: str) -> str:
    """Return the shell text that undoes the last deployment to a target."""
    return _program(
        [call("open_state", order.state, f"undoing the last deployment, by {by}"), call("take_back", order.who)]
    )


def recovering(order: Deployment, *, by: str) -> str:
    """Return the shell text that undoes or completes what a killed run has left, and does nothing else."""
    return _program([call("open_state", order.state, f"undoing what was left, by {by}")])


def looking(order: Deployment) -> str:
    """Return the shell text that changes nothing and tells what the target has: the digest of each file by number."""
    looks = [call("look", f"file.{number}", copy.path) for number, copy in enumerate(order.copies)]
    return _program([*_needed(order), call("look_state", order.state), *looks])


def _program(calls: list[str], *last: str) -> str:
    """Return one function with the calls, those that they need, and the line that starts it.

    A shell that gets only half of it runs nothing.
    """
    story = "\n".join(["deploy() {", *_PRELUDE, *calls, *last, "say end ''", "exit 0", "}", ""])
    return f"{with_functions(story, _library())}\ndeploy\n"


_PRELUDE = (
    "set -eu",
    "mask=$(umask) staged=''",
    "umask 077",
    f'PATH="${{PATH:-/usr/bin:/bin}}:{_SBIN}"',
    "OPENSSLGEN_OPENSSL=${OPENSSLGEN_OPENSSL:-openssl}",
    "need_openssl",
)


def _library() -> str:
    return shipped("fleet.sh") + "\n" + shipped("deploy.sh")


def _needed(order: Deployment) -> list[str]:
    return [call("need_program", program) for program in order.target.needs]


def _opened(order: Deployment, who: str) -> list[str]:
    return [*_needed(order), call("open_state", order.state, who)]


def _begun(order: Deployment, before: str) -> list[str]:
    restore = order.command("restore")
    assert restore is not None
    who = f"{order.who} ({order.fingerprint})"
    begin = call("begin", who, restore, *(copy.path for copy in order.copies))
    return [begin, call("remember", "ports", before)]


def _acted(order: Deployment) -> list[str]:
    test, activate, ready = (order.command(name) for name in ("test", "activate", "ready"))
    assert activate is not None
    return [
        "place",
        *([call("test_new", test)] if test else []),
        call("activate", activate),
        *([call("wait_until", ready, str(order.wait))] if ready else []),
    ]


def as_script(order: Deployment, *, version: str) -> str:
    """Return the deployment as a POSIX shell script for the appliance, which needs a shell and openssl.

    It takes the folder with the files that `export --for` wrote, as it has no secret itself, and proves the ports from
    the appliance itself.
    """
    target, usage = order.target, "sh $0 [--undo | FOLDER]"
    staged = []
    for copy in order.copies:
        words = ("stage_like", copy.path, copy.place.mode, copy.place.owner)
        staged.append(f'{shlex.join(words)} "$from"/{shlex.quote(copy.source)}')
    lines = [
        *_PRELUDE,
        "by_hand=1",
        "from=${1:-.}",
        "case $from in",
        f'{_INDENT}-h | --help) echo "usage: {usage}" && exit 0 ;;',
        f"{_INDENT}--undo)",
        f"{_INDENT * 2}{call('open_state', order.state, 'undoing the last deployment, by this script')}",
        f"{_INDENT * 2}{call('take_back', order.who)}",
        f"{_INDENT * 2}exit 0",
        f"{_INDENT * 2};;",
        f'{_INDENT}-*) fail "unknown option $from; usage: {usage}" ;;',
        "esac",
        *(f'need_input "$from"/{shlex.quote(copy.source)}' for copy in order.copies),
        *([f"need_password {P12_PASSWORD}"] if order.has_password else []),
        "",
        "# What each port has to show.",
        f"wanted={shlex.quote(order.chain.rstrip())}",
        *_unless_done(order),
        "",
        "# Take the target's folder for this; what a killed run has left is undone first.",
        *_opened(order, f"{order.who}, by a script"),
        "",
        "# Save what is there, and put the new files beside it.",
        *_begun(order, ""),
        *staged,
        *(["remember_password"] if order.has_password else []),
        "",
        "# Copy, activate, wait.",
        *_acted(order),
        "",
        "# Prove each port, or undo it all.",
        *(
            call("prove_port", str(port.number), port.starttls or "", order.servername or "", str(order.wait))
            for port in order.ports
        ),
        "keep",
        f"echo {shlex.quote(f'deployed: {visible(order.who)}')}",
        "exit 0",
    ]
    story = [
        "#!/bin/sh",
        "# shellcheck disable=SC2016,SC2034,SC2317 # text in single quotes is run later",
        f"# opensslgen {version}: deploys {visible(order.who)}.",
        f"# Usage: {usage.replace('$0', 'THIS')}. FOLDER has the files of `opensslgen export … --for {target.name}`.",
        *([f"# The PKCS#12 file must have the password {target.password}."] if target.password else []),
        f"# Tested on: {target.tested}.",
        "",
        "main() {",
        *(line and _INDENT + line for line in lines),
        "}",
        "",
    ]
    return f'{with_functions(chr(10).join(story), _library())}\nmain "$@"\n'


def _unless_done(order: Deployment) -> list[str]:
    """Return the lines that end the script if all is in place; none if that cannot be seen."""
    questions = [f"[ ! -d {shlex.quote(order.state + '/current')} ]"]
    for copy in order.copies:
        if copy.is_comparable:
            questions.append(f'is_same "$from"/{shlex.quote(copy.source)} {shlex.quote(copy.path)}')
    questions += [call("shows", str(port.number), port.starttls or "", order.servername or "") for port in order.ports]
    if not order.ports and not all(copy.is_comparable for copy in order.copies):
        return []
    first, *others = questions
    return [
        f"if {first}{''.join(f' &&{chr(10)}{_INDENT * 3}{each}' for each in others)}; then",
        f"{_INDENT}echo {shlex.quote(f'nothing to do: {visible(order.who)}')}",
        f"{_INDENT}exit 0",
        "fi",
    ]


def as_commands(order: Deployment, *, version: str) -> str:
    """Return the story of a deployment: what is copied, and the commands, to read or to paste there."""
    lines = [
        "# These commands save nothing, and undo nothing; without --commands, or with --script, that is done.",
        f"# opensslgen {version}: deploys {visible(order.who)}.",
        f"# First: opensslgen export {shlex.quote(order.title)} --for {order.target.name}",
    ]
    for copy in order.copies:
        mode, owner = copy.place.mode, copy.place.owner
        lines.append(f"cp {shlex.quote(copy.source)} {shlex.quote(copy.path)}")
        lines.append(f"chmod {mode} {shlex.quote(copy.path)}")
        lines += [f"chown {owner} {shlex.quote(copy.path)}"] if owner else []
    used = order.variables("\n".join(order.target.commands.values()))
    lines += [f"{name}={shlex.quote(value)}" for name, value in used.items()]
    for name, about in (
        ("test", "test the new files"),
        ("activate", "make them active"),
        ("ready", "repeat until it succeeds"),
    ):
        if text := order.target.commands.get(name):
            lines += [f"# {about}", text]
    for port in order.ports:
        lines += [f"# port {port} has to show {order.fingerprint}", _asked(port, order)]
    return "\n".join(lines) + "\n"


def _asked(port: Port, order: Deployment) -> str:
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port.number}"]
    words += ["-servername", order.servername] if order.servername else []
    words += ["-starttls", port.starttls] if port.starttls else []
    return f"{shlex.join(words)} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
