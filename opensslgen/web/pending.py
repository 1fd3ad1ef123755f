"""Jobs that wait for confirmation, and the files that a session may download afterwards."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from opensslgen import __version__
from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.files.write import overwrite_refusal
from opensslgen.jobs.issue import intermediate_job, leaf_job, self_signed_job
from opensslgen.jobs.job import Violation
from opensslgen.jobs.new_ca import ca_to_create
from opensslgen.jobs.passphrase import opens_key, wrong_passphrase
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.sign import sign_job
from opensslgen.orders.kinds import SELF_SIGNED, SERVER
from opensslgen.orders.order import AuthorityOrder
from opensslgen.plan import layout
from opensslgen.plan.script import as_script
from opensslgen.plan.secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS

from . import fields
from .fields import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from werkzeug.datastructures import MultiDict

    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import JobResult
    from opensslgen.orders.order import LeafOrder

    from .config import Config
    from .fields import Values
    from .work import Work


class Outcome(NamedTuple):
    """How one of several jobs has ended."""

    title: str
    delivered: str | None
    """The name of its delivery; None if it failed."""
    fault: str | None


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
    order: LeafOrder | AuthorityOrder | None = None
    """The order that the form makes."""
    run: Callable[[Pending, Config, Callable[[str], None]], JobResult] | None = None
    """Does it, if it is no plan; gets each command."""
    kept: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)
    """The names and contents of the files that `run` has made, which are not on the disk."""
    delivered: str | None = None
    """The name of its delivery; a second confirmation does nothing."""
    rest: tuple[Pending, ...] = ()
    """Jobs that run after this one, also if one of them fails."""
    outcomes: tuple[Outcome, ...] = ()
    """How each of several jobs has ended."""
    work: Work | None = None
    """The job while it runs."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def all(self) -> tuple[Pending, ...]:
        """This job, and those that run after it."""
        return (self, *self.rest)

    @property
    def has_ended(self) -> bool:
        """Whether a second confirmation does nothing."""
        return self.delivered is not None or bool(self.outcomes)

    @property
    def elsewhere(self) -> bool:
        """Whether a script does it on another machine."""
        return self.values is not None and self.values.elsewhere

    def script(self, config: Config) -> str:
        """Return the job that was shown as a shell script, as --script prints it."""
        return as_script(self.shown.plan, version=__version__, folder=str(config.pki))

    def make_all(self, config: Config, on_command: Callable[[str], None]) -> list[JobResult | Error]:
        """Run all jobs, one after another, and return what each made, or its error; a single one raises it."""
        if not self.rest:
            return [self.make(config, on_command)]
        made: list[JobResult | Error] = []
        for each in self.all:
            on_command(f"# {each.shown.name}")
            try:
                made.append(each.make(config, on_command))
            except Error as error:
                made.append(error)
        return made

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
        plan = made.job.plan
        if NEW_PASSPHRASE in plan.secrets and any(publish.target in layout.CA_KEYS for publish in plan.publish):
            # The one with which the form was started no longer opens the key.
            config.secrets.pop(CA_PASSPHRASE, None)
        return made


def passphrase_is_needed(config: Config) -> bool:
    """Tell whether the root's key is here and has a passphrase that the web interface was not started with."""
    with suppress(UnreadableError):
        is_encrypted = config.store.issuer() is not None and config.store.ca_key_is_encrypted()
        return is_encrypted and CA_PASSPHRASE not in config.secrets
    return False


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
    config: Config, values: Values, secrets: Mapping[str, str], form: MultiDict[str, str]
) -> tuple[Pending | None, dict[str, Problem]]:
    """Return the job for the fields of the form, or what is wrong by field; the form has the passphrases once more."""
    config.store.finish()
    found = fields.problems(values, secrets)
    is_first = creates_ca(config, values)
    if "passphrase" not in found and not values.elsewhere and values.form.needs_ca:
        wrong = passphrase_problem(config, secrets)
        found |= {"passphrase": wrong} if wrong else {}
    chosen = {"new_passphrase"} & {*values.form.fields} | ({"passphrase"} if is_first else set())
    found |= fields.typing_errors(form, chosen=chosen - found.keys())
    if found:
        return None, found
    order, prepare, found = _prepare(config, values, {**config.secrets, **secrets})
    if order is None or prepare is None:
        return None, found
    try:
        job = prepare()
    except Error as error:
        return None, _fault(values, error)
    there = config.store.existing(job.plan)
    if there and not values.replace and not values.elsewhere:
        return None, {"replace": Problem(overwrite_refusal(config.pki, there).message)}
    # A passphrase that was typed for another kind of certificate is not kept.
    used = {name: value for name, value in secrets.items() if name in job.plan.secrets}
    return Pending(prepare=prepare, shown=job, secrets=used, force=values.replace, values=values, order=order), {}


def preview(config: Config, values: Values, secrets: Mapping[str, str]) -> tuple[Job | None, dict[str, Problem]]:
    """Return the job for the fields of the form as they are, or what is wrong by field; writes and runs nothing.

    Of the secrets it matters only which there are.
    """
    found = fields.problems(values, secrets)
    if found:
        return None, found
    _, prepare, found = _prepare(config, values, {**config.secrets, **secrets})
    try:
        return prepare() if prepare else None, found
    except Error as error:
        return None, _fault(values, error)


def creates_ca(config: Config, values: Values) -> bool:
    """Tell whether a CA is created before the certificate."""
    return values.form.creates_ca and config.store.issuer() is None


def _prepare(
    config: Config, values: Values, secrets: Mapping[str, str]
) -> tuple[LeafOrder | AuthorityOrder | None, Callable[[], Job] | None, dict[str, Problem]]:
    """Return the order for right fields, and a function that returns its job; or what is wrong by field."""
    store = config.store
    try:
        order = fields.order(values, p12=P12_PASSWORD in secrets, encrypted=NEW_PASSPHRASE in secrets)
    except Error as error:
        return None, None, _fault(values, error)
    fixed_days = order.days != values.form.days
    if isinstance(order, AuthorityOrder):
        intermediate = order
        return order, lambda: intermediate_job(intermediate, store=store, fixed_days=fixed_days), {}
    leaf = order
    if values.kind == fields.REQUEST:
        request = fields.request_of(values)
        return order, lambda: sign_job(request, leaf, store=store, fixed_days=fixed_days), {}
    if order.kind is SELF_SIGNED:
        return order, lambda: self_signed_job(leaf, store=store), {}
    is_first = creates_ca(config, values)
    try:
        # Whoever fills in the form was shown that a CA is created, and can name it there.
        root = ca_to_create(
            store,
            agreed=True,
            name=values.ca_name or None if is_first else None,
            host=order.names[0].value if order.kind is SERVER else None,
            encrypted=CA_PASSPHRASE in secrets,
        )
    except Error as error:
        return None, None, {"ca_name" if is_first else fields.FORM: Problem(error.message)}
    # The page shows the new name of an old PKCS#12 file; with another time, the job would differ from the one shown.
    at = datetime.now(timezone.utc)
    return order, lambda: leaf_job(leaf, store=store, root=root, fixed_days=fixed_days, at=at), {}


def _fault(values: Values, error: Error) -> dict[str, Problem]:
    """Return an error by the field that it is about, as far as it is known."""
    if isinstance(error, Violation):
        return fields.problems_of_rules(values, error.findings)
    if values.kind == fields.REQUEST:
        return {"text": Problem(error.message)}
    is_of_days = isinstance(error, UsageError) and error.hint is not None and "--days" in error.hint
    return {"days" if is_of_days else fields.FORM: Problem(error.message)}


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
