"""Jobs that wait for confirmation, and the files that a session may download afterwards."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen import __version__
from opensslgen.errors import Error, UsageError
from opensslgen.files.write import overwrite_refusal
from opensslgen.jobs.issue import leaf_job, self_signed_job
from opensslgen.jobs.job import Violation
from opensslgen.jobs.new_ca import ca_to_create
from opensslgen.jobs.passphrase import opens_key, wrong_passphrase
from opensslgen.jobs.perform import Authority
from opensslgen.orders.kinds import KINDS, SERVER
from opensslgen.orders.order import LEAF_DAYS
from opensslgen.plan import layout
from opensslgen.plan.script import as_script
from opensslgen.plan.secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS

from . import fields
from .fields import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult
    from opensslgen.orders.order import LeafOrder

    from .config import Config
    from .fields import Values
    from .work import Work


class ChangedError(Error):
    """The job would no longer do what was shown."""


@dataclass(kw_only=True)
class Pending:
    """A job that runs once it is confirmed."""

    prepare: Callable[[], Job]
    """Returns the job for the folder as it is now; raises Violation or UsageError."""
    shown: Job
    """The job that the page for confirmation shows."""
    secrets: Mapping[str, str] = field(repr=False)
    force: bool = False
    """Whether existing files may be replaced."""
    is_final: bool = False
    """Whether it cannot be undone."""
    values: Values | None = None
    """The fields of the form, if it came from there."""
    order: LeafOrder | None = None
    """The order that the form makes."""
    run: Callable[[Pending, Config, Callable[[str], None]], JobResult] | None = None
    """Does it, if it is no plan; gets each command."""
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    """The names and contents of the files that `run` has made, which are not on the disk."""
    delivered: str | None = None
    """The name of its delivery; a second confirmation does nothing."""
    work: Work | None = None
    """The job while it runs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def elsewhere(self) -> bool:
        """Whether a script does it on another machine."""
        return self.values is not None and self.values.elsewhere

    def script(self, config: Config) -> str:
        """Return the job that was shown as a shell script, as --script prints it."""
        return as_script(self.shown.plan, version=__version__, folder=str(config.pki))

    def make(self, config: Config, on_command: Callable[[str], None]) -> JobResult:
        """Run the job, or raise ChangedError if it is no longer the one that was shown; raises Error if it fails."""
        if self.run is not None:
            return self.run(self, config, on_command)

        def prepare() -> Job:
            job = self.prepare()
            if job.plan != self.shown.plan:
                self.shown = job
                raise ChangedError("the pki folder has changed since this was shown: check it again")
            return job

        secrets = {**config.secrets, **self.secrets}

        def secret(name: str) -> str:
            if name not in secrets:
                raise Error(f"the {SECRETS[name]} is needed")
            return secrets[name]

        def say(command: str) -> None:
            on_command(command)
            config.on_command(command)

        made = Authority(config.store, config.openssl(), secret, say, force=self.force).make(prepare)
        if NEW_PASSPHRASE in made.job.plan.secrets:
            # The one with which the form was started no longer opens the key.
            config.secrets.pop(CA_PASSPHRASE, None)
        return made


def passphrase_is_needed(config: Config) -> bool:
    """Tell whether the root's key has a passphrase that the web interface was not started with."""
    is_encrypted = config.store.issuer() is not None and config.store.ca_key_is_encrypted()
    return is_encrypted and CA_PASSPHRASE not in config.secrets


def passphrase_problem(config: Config, secrets: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with the passphrase, if one is needed: it has to open the root's key."""
    if not passphrase_is_needed(config):
        return None
    if CA_PASSPHRASE not in secrets:
        return Problem("the root's key has a passphrase: type it")
    if opens_key(secrets[CA_PASSPHRASE], config.store, config.openssl()):
        return None
    return Problem(wrong_passphrase(config.store.path / config.store.ca_key).message)


def place_order(
    config: Config, values: Values, secrets: Mapping[str, str], *, repeated: str
) -> tuple[Pending | None, dict[str, Problem]]:
    """Return the job for the fields of the form, or what is wrong by field; `repeated` is the passphrase once more."""
    found = fields.problems(values, secrets)
    is_self_signed = KINDS[values.kind].is_self_signed
    if "passphrase" not in found and not values.elsewhere and not is_self_signed:
        wrong = passphrase_problem(config, secrets)
        found |= {"passphrase": wrong} if wrong else {}
    is_first = config.store.issuer() is None and not is_self_signed
    if "passphrase" not in found and is_first and repeated != secrets.get(CA_PASSPHRASE, ""):
        # Nobody could use a CA whose passphrase has a typing error.
        found["passphrase_again"] = Problem("the two passphrases differ: type both again")
    if found:
        return None, found
    order = fields.order(values, p12=P12_PASSWORD in secrets)
    try:
        # Whoever fills in the form was shown that a CA is created, and can name it there.
        root = (
            None
            if is_self_signed
            else ca_to_create(
                config.store,
                agreed=True,
                name=values.ca_name or None if is_first else None,
                host=order.names[0].value if order.kind is SERVER else None,
                encrypted=CA_PASSPHRASE in {**config.secrets, **secrets},
            )
        )
    except Error as error:
        return None, {"ca_name" if is_first else fields.FORM: Problem(error.message)}

    # The page shows the new name of an old PKCS#12 file; with another time, the job would differ from the one shown.
    at = datetime.now(timezone.utc)

    def prepare() -> Job:
        if is_self_signed:
            return self_signed_job(order, store=config.store)
        return leaf_job(order, store=config.store, root=root, fixed_days=order.days != LEAF_DAYS, at=at)

    try:
        job = prepare()
    except Violation as violation:
        return None, fields.problems_of_rules(violation.findings)
    except UsageError as error:
        return None, {"days": Problem(error.message)}
    there = config.store.existing(job.plan)
    if there and not values.replace and not values.elsewhere:
        return None, {"replace": Problem(overwrite_refusal(config.pki, there).message)}
    return Pending(prepare=prepare, shown=job, secrets=secrets, force=values.replace, values=values, order=order), {}


DELIVERED = ("p12", "certificate", "chain", "key", "request", "crl", "crl in DER")
"""The new files that can be downloaded; never the root's key."""
SECRET = {"p12", "key", "backup"}
"""The ones that contain a private key."""


@dataclass(frozen=True)
class Delivery:
    """What a session has made and may download."""

    made: JobResult
    digests: Mapping[str, bytes]
    """SHA-256 of each new file, so that nobody gets a key that somebody else has put in its place."""
    kept: Mapping[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    """The names and contents of what is not on the disk."""

    @property
    def names(self) -> dict[str, str]:
        """What can be downloaded, such as "key", with the name or path of each file."""
        return {what: str(self.made.files[what]) for what in self.digests} | {
            what: name for what, (name, _) in self.kept.items()
        }

    def file(self, what: str) -> tuple[str, bytes] | None:
        """Return the name and contents of a file by what it is; None if there is none, or it has changed."""
        if what in self.kept:
            return self.kept[what]
        if what not in self.digests:
            return None
        path = self.made.files[what]
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return (path.name, data) if hashlib.sha256(data).digest() == self.digests[what] else None


def delivery(made: JobResult, kept: Mapping[str, tuple[str, bytes]] | None = None) -> Delivery:
    """Return what a session may download of what it has just made: no file that was only moved, and no older key."""
    # An older key belongs to whoever made it, not to the session that revokes or renews its certificate.
    new = {
        publish.what.value
        for publish in made.job.plan.publish
        if publish.what and not publish.source.startswith("../") and publish.target not in layout.CA_KEYS
    }
    if "key" not in new:
        new -= SECRET
    files = {what: made.files[what] for what in DELIVERED if what in new}
    digests = {what: hashlib.sha256(path.read_bytes()).digest() for what, path in files.items()}
    return Delivery(made, digests, kept or {})
