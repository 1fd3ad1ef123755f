"""The shell workflow as a value: files to write and openssl commands to run, in order, as data.

A plan is run (`openssl.run`) or printed as a POSIX shell script (`plan.script`); both do the same steps. All paths are
relative to a private work folder inside the pki folder, so that `../ca.crt` is the root of that folder.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName


@dataclass(frozen=True, slots=True)
class Serial:
    """An argument: a serial number of 127 bits, drawn when the command runs, in openssl's form 0x…."""


@dataclass(frozen=True, slots=True)
class Validity:
    """Arguments: from an hour ago (now, where openssl cannot) and for so many days of 86,400 seconds."""

    days: int


@dataclass(frozen=True, slots=True)
class Outside:
    """An argument: a file of the user, relative to where the command was started."""

    path: str


@dataclass(frozen=True, slots=True)
class Legacy:
    """An argument: -legacy if openssl has that option and needs it for PKCS#12 files encrypted with RC2."""


@dataclass(frozen=True, slots=True)
class PassphraseOnStdin:
    """Arguments: the passphrase of the CA's key, read from standard input, so that it is not in the environment."""

    secret: str
    """The name of the passphrase."""


Argument = str | Serial | Validity | Outside | Legacy | PassphraseOnStdin


class Write(NamedTuple):
    """Write a text file; never one that holds a secret."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """Run `openssl ARGUMENTS…`."""

    arguments: tuple[Argument, ...]

    @property
    def creates(self) -> tuple[str, ...]:
        """The files that it writes."""
        pairs = zip(self.arguments, self.arguments[1:], strict=False)
        return tuple(str(path) for option, path in pairs if option in {"-out", "-keyout"})

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the environment variables that its `env:` arguments read."""
        words = (argument for argument in self.arguments if isinstance(argument, str))
        return tuple(dict.fromkeys(word[4:] for word in words if word.startswith("env:")))

    @property
    def stdin(self) -> str | None:
        """The name of the secret that it reads from standard input, or None."""
        piped = (argument.secret for argument in self.arguments if isinstance(argument, PassphraseOnStdin))
        return next(piped, None)


PIPED = ("-passin", "stdin")
"""The arguments for a piped passphrase; the shell functions look for these two words."""


def openssl(text: str, **values: Argument | tuple[Argument, ...]) -> Run:
    """Return the step `openssl TEXT`, where a word {name} stands for the argument, or the arguments, of that name."""
    arguments: list[Argument] = []
    for word in text.split():
        value = values[word[1:-1]] if word.startswith("{") else word
        arguments += value if isinstance(value, tuple) else (value,)
    return Run(tuple(arguments))


class Join(NamedTuple):
    """Concatenate PEM files into a new one."""

    parts: tuple[str | Outside, ...]
    path: str


class VerifyRequest(NamedTuple):
    """Check that a request is signed by the key that it holds."""

    request: str


class Check(NamedTuple):
    """Read a finished certificate back: names, extended key usage, validity, chain."""

    certificate: str
    issuer: str
    days: int
    purpose: str = "any"
    """As `openssl verify -purpose` names it."""
    extended_key_usage: tuple[str, ...] = ()
    """The least that it must have."""
    names: tuple[GeneralName, ...] = ()
    """The least that it must have; a certificate with a name must not be a CA."""


COMMANDS = "commands.sh"
"""In the work folder: the openssl commands that have run, for the record; no secrets."""


class CheckKey(NamedTuple):
    """Check that a private key belongs to a certificate."""

    certificate: str
    key: str
    passphrase: str | None = None
    """The name of its secret, if it has one."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the environment variables that it reads."""
        return () if self.passphrase is None else (self.passphrase,)

    @property
    def unlock(self) -> tuple[str, ...]:
        """The arguments of `openssl pkey` that open the key."""
        return () if self.passphrase is None else ("-passin", f"env:{self.passphrase}")


class CheckChain(NamedTuple):
    """Check by `openssl verify` that a certificate chains up to those of a file, which are trusted."""

    certificate: str
    issuers: str
    purpose: str
    """As `openssl verify -purpose` names it."""
    at: int | None = None
    """The time by which validity is judged, in seconds since 1970; None is now."""


class CheckSame(NamedTuple):
    """Check that two files are the same."""

    made: str
    wanted: str
    fault: str
    """The error if they are not."""


@dataclass(frozen=True, slots=True)
class CopyDatabase:
    """Put a copy of the folder's index.txt and crlnumber into the work folder, for `openssl ca` to change.

    The index is mended (`mend_index`). Where there is no crlnumber, it is the one after that of crl.pem, or 01.
    """


class CheckRevoked(NamedTuple):
    """Check that only this certificate's line of the copied index has changed, and says that it is revoked."""

    serial_hex: str
    reason: str | None
    recorded: bool
    """Whether the index had its line before; otherwise it has one more now."""


class CheckRevocationList(NamedTuple):
    """Compare the new crl.pem with the copied index and number, and verify its signature."""

    issuer: str


class Record(NamedTuple):
    """Keep a copy of a certificate by its serial number, with its config and commands: .pem, .cnf and .sh.

    The commands of a plan up to the certificate are in COMMANDS, in the work folder.
    """

    certificate: str
    config: str
    """The extension file."""
    subject: str | None
    """As in index.txt: /C=DE/CN=pbx.example.com; None for a root, which has no line there."""
    commands: str = COMMANDS


class What(enum.Enum):
    """What a published file is, as reports call it."""

    CERTIFICATE = "certificate"
    CHAIN = "chain"
    KEY = "key"
    REQUEST = "request"
    P12 = "p12"
    ROOT = "root"
    ROOT_KEY = "root key"
    CA = "ca"
    CA_CHAIN = "ca chain"
    CA_KEY = "ca key"
    CRL = "crl"
    CRL_DER = "crl in DER"
    BUNDLE = "bundle"
    """Certificates and key in one file."""
    CA_LIST = "CA list"
    """The roots that a server trusts."""
    P7B = "p7b"
    P8 = "p8"
    P1 = "p1"


class Existing(enum.Enum):
    """What happens to a file with the name of a new one."""

    REFUSE = "refuse"
    """It stays, and the plan is not run."""
    KEEP = "keep"
    """It is kept next to the new one, under another name."""
    REPLACE = "replace"
    """It is overwritten."""


class Publish(NamedTuple):
    """Give a finished file its final name in the pki folder, or move one there that begins with `../`."""

    source: str
    target: str
    mode: int | None
    """None: that of the file that it replaces, or its own."""
    what: What | None = None
    """None: not shown in reports, such as a file that is only moved."""
    existing: Existing = Existing.REFUSE

    @property
    def is_secret(self) -> bool:
        """Whether only its owner may read it."""
        return self.mode is not None and not self.mode & 0o077


Checking = VerifyRequest | Check | CheckKey | CheckChain | CheckSame | CopyDatabase | CheckRevoked | CheckRevocationList
Step = Write | Run | Join | Checking


@dataclass(frozen=True)
class Plan:
    """Steps to run, and files to publish after them."""

    title: str
    steps: tuple[Step, ...]
    records: tuple[Record, ...] = ()
    publish: tuple[Publish, ...] = ()
    needs: tuple[str, ...] = ()
    """Files that the pki folder must hold already."""
    demands: tuple[str, ...] = ()
    """What openssl must be able to do, by names of `openssl.CAPABILITIES`."""
    database: bool = True
    """Whether it works in a pki folder with an index; otherwise it only puts files into a folder."""
    commands: str = COMMANDS
    """The file in the work folder that records the commands."""

    def __add__(self, other: Plan) -> Plan:
        """Return a plan that does this one and then the other, and publishes the files of both or none."""
        made = {publish.target for publish in self.publish}
        return Plan(
            f"{self.title}, and {other.title}",
            self.steps + other.steps,
            self.records + other.records,
            self.publish + other.publish,
            self.needs + tuple(need for need in other.needs if need not in made),
            self.demands + other.demands,
            self.database,
            self.commands,
        )

    def keep_existing(self) -> Plan:
        """Return the plan that keeps each file that it replaces next to the new one."""
        return replace(self, publish=tuple(each._replace(existing=Existing.KEEP) for each in self.publish))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of all secrets that the plan's commands read."""
        reading = (step for step in self.steps if isinstance(step, Run | CheckKey))
        piped = (step.stdin for step in self.steps if isinstance(step, Run) and step.stdin)
        return tuple(dict.fromkeys((*(name for step in reading for name in step.secrets), *piped)))

    @property
    def touches(self) -> tuple[str, ...]:
        """The files of the pki folder that its steps read and that it replaces."""
        read: list[str] = list(self.needs)
        for step in self.steps:
            words = step.arguments if isinstance(step, Run) else step.parts if isinstance(step, Join) else ()
            read += [word[3:] for word in words if isinstance(word, str) and word.startswith("../")]
        moved = [publish.source[3:] for publish in self.publish if publish.source.startswith("../")]
        return tuple(dict.fromkeys((*read, *moved, *(publish.target for publish in self.publish))))
