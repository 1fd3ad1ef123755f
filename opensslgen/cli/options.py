"""Options that several commands share."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensslgen.errors import UnreadableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.x509.key_types import KeyType


class KeyTypeParameter(click.ParamType):  # type: ignore[type-arg, unused-ignore] # generic since click 8.5
    """A key type as people write it."""

    name = "TYPE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> KeyType:
        """Return the key type, or fail as click does."""
        from opensslgen.x509 import key_types

        try:
            return value if isinstance(value, key_types.KeyType) else key_types.key_type(value)
        except UsageError as error:
            self.fail(error.message, param, ctx)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return one decorator that adds the options in this order."""
    return lambda command: functools.reduce(lambda done, option: option(done), reversed(options), command)


FOLDER = click.option(
    "--pki", type=click.Path(path_type=Path), envvar="OPENSSLGEN_PKI", default="pki", show_default=True,
    metavar="DIR", help="The folder with root, keys and certificates, laid out as easy-rsa's.",
)  # fmt: skip
OPENSSL = click.option("--openssl", metavar="PATH", help="The openssl to use.  [env: OPENSSLGEN_OPENSSL]")
FORMAT = together(
    click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", help="How to answer."),
    click.option("--json", "output", flag_value="json", help="Short for --format json."),
)
ALLOW = click.option("--allow", multiple=True, metavar="RULE", help="Make it although it breaks this rule.")
CRL_URL = click.option(
    "--crl-url", metavar="URL", envvar="OPENSSLGEN_CRL_URL",
    help="Where clients find the revocation list.  [env: OPENSSLGEN_CRL_URL]",
)  # fmt: skip
LIMITS = together(
    click.option("--permit", multiple=True, metavar="NAME", help="Let it sign for this domain or network only."),
    click.option("--exclude", multiple=True, metavar="NAME", help="Never let it sign for this domain or network."),
)
P12_PASSWORD_FILE = click.option(
    "--p12-password-file", type=click.Path(path_type=Path), metavar="FILE",
    help="The password of the PKCS#12 file is its first line.  [env: OPENSSLGEN_P12_PASSWORD]",
)  # fmt: skip
P12 = together(
    click.option("--p12", "p12", flag_value="p12", help="Make a PKCS#12 file, too (AES-256)."),
    click.option("--p12-compat", "p12", flag_value="p12-compat", help="The same for older Apple, Windows, appliances."),
    P12_PASSWORD_FILE,
)


def _one_of_both(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Return the value of --script or --commands, or fail as click does if the other one is given as well."""
    if value and any(ctx.params.get(name) for name in ("script", "commands") if name != param.name):
        raise click.UsageError("--script and --commands exclude each other", ctx)
    return value


PRINTING = together(
    click.option(
        "--script", is_flag=True, callback=_one_of_both,
        help="Make nothing: print a shell script that makes it, checks it and puts it in place.",
    ),
    click.option(
        "--commands", is_flag=True, callback=_one_of_both,
        help="Make nothing: print the files and the openssl commands alone, to paste or to read.",
    ),
)  # fmt: skip
"""What prints the work instead of doing it."""


def is_printed(options: dict[str, Any]) -> bool:
    """Tell whether the work is to be printed and not done."""
    return bool(options["script"] or options["commands"])


_TELLING = together(
    click.option("-v", "--verbose", is_flag=True, help="Show each openssl command as it runs."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    FORMAT,
)
RUNNING = together(
    FOLDER,
    OPENSSL,
    PRINTING,
    click.option("--force", is_flag=True, help="Replace what exists; it is kept beside the new one."),
    _TELLING,
)
REPLACING = together(FOLDER, OPENSSL, PRINTING, _TELLING)
"""The same for what replaces files in any case."""
SUBJECT = together(
    click.option("--cn", "common_name", metavar="TEXT", help="Common name, if not the default."),
    click.option("--org", "organization", metavar="TEXT", help="Organization (O)."),
    click.option("--org-unit", "organizational_unit", metavar="TEXT", help="Organizational unit (OU)."),
    click.option("--country", metavar="XX", help="Country (C), two letters."),
    click.option("--state", metavar="TEXT", help="State or province (ST)."),
    click.option("--locality", metavar="TEXT", help="City (L)."),
    click.option("--email", "email_address", metavar="TEXT", help="Mail address in the subject."),
)
SUBJECT_FIELDS = (
    "common_name", "organization", "organizational_unit", "country", "state", "locality", "email_address",
)  # fmt: skip
KEY_TYPE = click.option(
    "--key-type", type=KeyTypeParameter(), default="rsa-2048", show_default=True,
    help="rsa-2048, rsa-3072, rsa-4096, p-256 or p-384.",
)  # fmt: skip
PASSPHRASE_FILE = click.option(
    "--passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
    help="The passphrase of the root's key is its first line.  [env: OPENSSLGEN_CA_PASSPHRASE]",
)  # fmt: skip
NEW_PASSPHRASE_FILE = click.option(
    "--new-passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
    help="The passphrase that the new key gets is its first line.  [env: OPENSSLGEN_NEW_PASSPHRASE]",
)  # fmt: skip


def from_web(module: str) -> Any:
    """Return a module of the package web, whose libraries are an extra; raises UsageError, saying which, without it."""
    from importlib import import_module

    try:
        return import_module(f"opensslgen.web.{module}")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"this needs {error.name}, which is not installed", hint="pip install flask waitress segno"
        ) from error


def first_line(path: Path, what: str) -> str:
    """Return a file's first line without its line end, as openssl's `file:` reads it but for a carriage return."""
    try:
        with path.open("rb") as file:
            return file.readline(4096).rstrip(b"\r\n").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(
            f"cannot read the {what} from {path}: {getattr(error, 'strerror', 'not UTF-8')}"
        ) from error
