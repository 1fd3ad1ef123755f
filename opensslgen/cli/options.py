"""Options that several commands share; a group of options reaches a command as one typed value."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import click

from opensslgen.errors import UsageError
from opensslgen.suggest import remember_option

from . import complete
from .command import known_as
from .secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder
    from opensslgen.pki.store import Store
    from opensslgen.x509.key_types import KeyType

Output = Literal["text", "json"]
T = TypeVar("T")
Function = Callable[..., object]
Decorator = Callable[[Function], Function]


class KeyTypeParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A key type as people write it."""

    name = "TYPE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> KeyType:
        """Return the key type, or fail as click does."""
        from opensslgen.x509 import key_types

        try:
            return value if isinstance(value, key_types.KeyType) else key_types.key_type(str(value))
        except UsageError as error:
            self.fail(error.message, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer the key types."""
        from opensslgen.x509.key_types import KEY_TYPES

        return complete.beginning(KEY_TYPES, incomplete)


class NumberParameter(click.IntRange):
    """A whole number in ASCII digits: int() also takes those of other scripts, blanks, line ends and underscores."""

    name = "integer"  # click says "integer range"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail as click does."""
        if isinstance(value, str) and not re.fullmatch("[+-]?[0-9]{1,18}", value):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return int(super().convert(value, param, ctx))  # type: ignore[arg-type]


class Decimal(click.FloatRange):
    """A number in ASCII digits, with or without a fraction."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail as click does."""
        if isinstance(value, str) and not re.fullmatch(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})", value):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return float(super().convert(value, param, ctx))  # type: ignore[arg-type]


class PathParameter(click.Path):
    """A path; an empty one, such as an unset variable leaves, is not the current folder."""

    def __init__(self, *, allow_dash: bool = False, file_okay: bool = True, dir_okay: bool = True) -> None:
        """Take what click.Path takes; with `allow_dash`, - stands for standard input."""
        super().__init__(allow_dash=allow_dash, file_okay=file_okay, dir_okay=dir_okay)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, or fail as click does; `pathlib` takes a tenth of the time of importing click."""
        from pathlib import Path

        if value == "":
            self.fail("it is empty.", param, ctx)
        return Path(os.fsdecode(super().convert(value, param, ctx)))


_ANY_PATH = PathParameter()
"""Click looks for translations of its messages in each one that is made."""


def together(*options: Decorator) -> Decorator:
    """Return one decorator that adds the options in this order."""
    return lambda command: functools.reduce(lambda done, option: option(done), reversed(options), command)


def grouped(kind: type[T], *options: Decorator) -> Decorator:
    """Return a decorator that adds the options, and passes their values to the command as one value of this class.

    The command's parameter has the name of the class in lower case: `Running` is passed as `running`. A field without
    an option keeps its default, so a command may have only some of a group's options.
    """
    names = list(kind.__annotations__)

    def decorate(command: Function) -> Function:
        @functools.wraps(command)
        def with_group(**values: object) -> object:
            group = kind(**{name: values.pop(name) for name in names if name in values})
            return command(**values, **{kind.__name__.lower(): group})

        return together(*options)(with_group)

    return decorate


def refuse(why: str, /, *, hint: str | None = None, **options: object) -> None:
    """Raise UsageError for the first of these options, by their names for Python, that is set: `--days WHY`."""
    for name, is_set in options.items():
        if is_set:
            raise UsageError(f"--{name.replace('_', '-')} {why}", hint=hint)


def is_typed(name: str) -> bool:
    """Tell whether the option with this name for Python is on the command line, and not from the environment."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def file_option(
    name: str,
    metavar: str = "FILE",
    *,
    help: str,  # noqa: A002 - as click calls it
    value: str | None = None,
    callback: Callable[[click.Context, click.Parameter, Path | None], Path | None] | None = None,
    hidden_names: tuple[str, ...] = (),
) -> Decorator:
    """Return an option that takes a path; `value` is its name for Python, if not that of the option."""
    return click.option(
        *(name, value) if value else (name,),
        cls=known_as(*hidden_names),
        type=_ANY_PATH,
        metavar=metavar,
        help=help,
        callback=callback,
    )


class Running(NamedTuple):
    """Where and how a command does its job, and how it reports."""

    pki: Path
    openssl: str | None
    """The program to run; None: the one that is found."""
    script: bool
    """Print the job as a shell script instead."""
    commands: bool
    """Print only its files and its openssl commands instead."""
    verbose: bool
    quiet: bool
    output: Output
    force: bool = False

    @property
    def printing(self) -> str:
        """The option by which the job is printed, for messages."""
        return "--commands" if self.commands else "--script"

    @property
    def is_printed(self) -> bool:
        """Whether the job is printed, not run."""
        return self.script or self.commands

    @property
    def as_json(self) -> bool:
        """Whether the result is printed as JSON."""
        return self.output == "json"

    @property
    def store(self) -> Store:
        """The pki folder."""
        from opensslgen.pki.store import Store

        return Store(self.pki)


PKI = click.option(
    "--pki", type=_ANY_PATH, envvar="OPENSSLGEN_PKI", default="pki", metavar="DIR",
    help="Folder with the CA, the keys and the certificates, laid out as by easy-rsa.  [env: OPENSSLGEN_PKI]"
    "  [default: pki]",
)  # fmt: skip


def not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the value of an option, or fail as click does if it is empty, such as an unset variable leaves it."""
    if value == "":
        raise click.BadParameter("it is empty.", ctx, param)
    return value


def _remember_openssl(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return _remember(ctx, param, not_empty(ctx, param, value))


def _remember(ctx: click.Context, param: click.Parameter, value: T) -> T:  # noqa: ARG001 - as click calls it
    """Note the value of an option for the commands that messages suggest, and return it."""
    if value is not None:
        remember_option(param.opts[0], str(value))
    return value


OPENSSL = click.option(
    "--openssl",
    metavar="PATH",
    callback=_remember_openssl,
    help="The openssl program to use.  [env: OPENSSLGEN_OPENSSL]",
)
FORMAT = together(
    click.option(
        "--format", "output", type=click.Choice(["text", "json"]), default="text", help="Format of the output."
    ),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Show each openssl command as it runs.")
FORCE = click.option("--force", is_flag=True, help="Replace existing files; the old ones are kept next to the new.")


def _alone(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Return the value of --script or --commands, or fail as click does if the other one is used as well."""
    if value and any(ctx.params.get(name) for name in ("script", "commands") if name != param.name):
        raise click.UsageError("--script cannot be used with --commands", ctx)
    return value


PRINTING = together(
    click.option(
        "--script", is_flag=True, callback=_alone,
        help="Print a shell script that does this, with all checks, and change nothing.",
    ),
    click.option(
        "--commands", is_flag=True, callback=_alone,
        help="Print only the files and the openssl commands, to read or to paste, and change nothing.",
    ),
)  # fmt: skip
RUNNING = grouped(Running, PKI, OPENSSL, PRINTING, FORCE, VERBOSE, QUIET, FORMAT)
REPLACING = grouped(Running, PKI, OPENSSL, PRINTING, VERBOSE, QUIET, FORMAT)
"""The same without --force, for commands that always replace files."""


class _RuleOption(click.Option):
    """An option whose help names the rules that an order can break; they are loaded only for the help."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help with the ids of the rules."""
        from opensslgen.rules.profiles import breakable

        names, about = super().get_help_record(ctx) or ("", "")
        return names, f"{about} {', '.join(breakable())}."


ALLOW = click.option(
    "--allow",
    cls=_RuleOption,
    multiple=True,
    metavar="RULE",
    shell_complete=complete.rule,
    help="Continue even if this rule is broken; repeat for more. `opensslgen rules` explains each RULE:",
)
SAN_NAMES = ("--subject-alt-name",)
"""What easy-rsa calls --san."""
DAYS = click.option("--days", type=NumberParameter(1, 36500), help="Days of validity.  [default: 820]")
EKU = click.option(
    "--eku", multiple=True, metavar="USAGE",
    help="Extended key usage, if not the default for this kind: serverAuth, clientAuth, codeSigning, emailProtection,"
    " timeStamping, OCSPSigning, anyExtendedKeyUsage or an OID; repeat for more.",
)  # fmt: skip
KEY_USAGE = click.option(
    "--key-usage", multiple=True, metavar="USAGE",
    help="Key usage, if not the default for this type of key: digitalSignature, nonRepudiation, keyEncipherment,"
    " dataEncipherment, keyAgreement, keyCertSign, cRLSign, encipherOnly or decipherOnly; repeat for more.",
)  # fmt: skip
CRL_URL = click.option(
    "--crl-url", metavar="URL", envvar="OPENSSLGEN_CRL_URL",
    help="Where clients find the CRL; written into the certificate.  [env: OPENSSLGEN_CRL_URL]",
)  # fmt: skip
PATH_LENGTH = click.option(
    "--pathlen", type=NumberParameter(0, 10), metavar="N", help="How many CAs may stand below this one.  [default: 0]"
)
P12 = together(
    click.option("--p12", "p12", flag_value="p12", help="Also write a PKCS#12 file (AES-256)."),
    click.option(
        "--p12-compat", "p12", flag_value="p12-compat",
        help="Also write a PKCS#12 file for older Apple devices, Windows and appliances.",
    ),
)  # fmt: skip


class NewCA(NamedTuple):
    """Whether a CA is created first if the pki folder has none, and its name, as typed."""

    new_ca: bool
    yes: bool
    ca_name: str | None

    def order(
        self,
        store: Store,
        *,
        organization: str | None = None,
        host: str | None = None,
        encrypted: bool,
        names: Collection[GeneralName] = (),
    ) -> AuthorityOrder | None:
        """Return the order for the CA, None if the folder has one; asks on a terminal, and raises UsageError, Error."""
        from opensslgen.jobs.new_ca import ca_to_create

        def ask(default: str) -> str | None:
            from opensslgen.text import visible

            question = f"No certificate authority in {visible(_shown(store.path))}. Create one? Name"
            answer = str(click.prompt(question, default=default, err=True, value_proc=_ca_name))
            return None if answer.lower() in ("n", "no") else default if answer.lower() in ("y", "yes") else answer

        store.finish()
        return ca_to_create(
            store,
            agreed=self.new_ca or self.yes,
            ask=ask if sys.stdin.isatty() else None,
            name=self.ca_name,
            organization=organization,
            host=host,
            encrypted=encrypted,
            names=names,
            confirm=_confirm,
        )


def _confirm(question: str) -> bool:
    """Return whether somebody says yes; the end of the input is a no, the default."""
    click.echo(f"{question} [y/N]: ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _shown(path: Path) -> str:
    return str(path) if path.is_absolute() else f"./{path}"


def _ca_name(text: str) -> str:
    """Return the name of a CA as typed at the terminal, or fail as click does, so that it asks again."""
    from opensslgen.jobs.new_ca import fit_name

    try:
        return fit_name(text)
    except UsageError as error:
        raise click.UsageError(error.message) from error


NEW_CA = grouped(
    NewCA,
    click.option("--new-ca", is_flag=True, help="Create a CA first if the pki folder has none."),
    click.option(
        "--ca-name", metavar="TEXT",
        help="The same, with this name, which phones show.  [default: the organization, or HOST CA]",
    ),
    click.option("-y", "--yes", is_flag=True, help="Do not ask; create a CA if there is none."),
)  # fmt: skip

HOOKS = together(
    click.option("--deploy-hook", metavar="COMMAND", help="Run COMMAND with /bin/sh after each renewal."),
    click.option("--hook", "deploy_hook", metavar="COMMAND", hidden=True, help="The old name of --deploy-hook."),
    click.option(
        "--post-hook", metavar="COMMAND", help="Run COMMAND with /bin/sh once at the end, if anything was renewed."
    ),
)

JOBS = click.option(
    "--jobs", type=NumberParameter(1, 256), metavar="N", help="How many to do at once.  [default: one per CPU core]"
)

PASSPHRASE_FILE = file_option(
    "--passphrase-file",
    callback=_remember,
    help="File whose first line is the passphrase of the root's key.  [env: OPENSSLGEN_CA_PASSPHRASE]",
)
NEW_PASSPHRASE_FILE = file_option(
    "--new-passphrase-file",
    help="File whose first line is the passphrase for the new key.  [env: OPENSSLGEN_NEW_PASSPHRASE]",
)
P12_PASSWORD_FILE = file_option(
    "--p12-password-file",
    help="File whose first line is the password of the PKCS#12 file.  [env: OPENSSLGEN_P12_PASSWORD]",
)
PASSWORD_FILE = file_option(
    "--p12-password-file",
    value="password_file",
    hidden_names=("--password-file",),
    help="File whose first line is the password of PKCS#12 files.  [env: OPENSSLGEN_P12_PASSWORD]",
)
"""The password of files that are only read."""
BACKUP_PASSPHRASE = grouped(
    Secrets,
    file_option(
        "--backup-passphrase-file",
        help="File whose first line is the passphrase of the backup.  [env: OPENSSLGEN_BACKUP_PASSPHRASE]",
    ),
)
PASSPHRASE = grouped(Secrets, PASSPHRASE_FILE)
P12_PASSWORD = grouped(Secrets, P12_PASSWORD_FILE)
PASSPHRASE_AND_P12_PASSWORD = grouped(Secrets, P12_PASSWORD_FILE, PASSPHRASE_FILE)
PASSPHRASES = grouped(Secrets, PASSPHRASE_FILE, NEW_PASSPHRASE_FILE)


class Subject(NamedTuple):
    """The fields of a subject, as typed; None: the default."""

    common_name: str | None
    organization: str | None
    organizational_unit: str | None
    country: str | None
    state: str | None
    locality: str | None
    email_address: str | None

    def fields(self) -> dict[str, str | None]:
        """Return them by name, as orders take them."""
        return {name: getattr(self, name) for name in self.__annotations__}


SUBJECT = grouped(
    Subject,
    click.option(
        "--cn", "common_name", cls=known_as("--common-name"), metavar="TEXT",
        help="Common name (CN), if not the default.",
    ),
    click.option(
        "--org", "organization", cls=known_as("--organization"), metavar="TEXT",
        help="Organization (O).",
    ),
    click.option("--org-unit", "organizational_unit", metavar="TEXT", help="Organizational unit (OU)."),
    click.option("--country", metavar="XX", help="Country (C), two letters."),
    click.option("--state", metavar="TEXT", help="State or province (ST)."),
    click.option("--locality", metavar="TEXT", help="City (L)."),
    click.option("--email", "email_address", metavar="TEXT", help="Email address in the subject."),
)  # fmt: skip


class Limits(NamedTuple):
    """The names for which a CA may issue certificates."""

    permit: tuple[str, ...]
    exclude: tuple[str, ...]


LIMITS = grouped(
    Limits,
    click.option(
        "--permit", multiple=True, metavar="NAME",
        help="Let the CA issue only for this domain or network; repeat for more.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="NAME",
        help="Forbid the CA to issue for this domain or network; repeat for more.",
    ),
)  # fmt: skip


def key_type(text: str = "") -> Decorator:
    """Return the option for the type of a key, whose help begins with the text."""
    return click.option(
        "--key-type", type=KeyTypeParameter(), default="rsa-2048", show_default=True,
        help=f"{text}rsa-2048, rsa-3072, rsa-4096, p-256 or p-384.",
    )  # fmt: skip


KEY_TYPE = key_type()
