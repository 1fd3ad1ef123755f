"""What waits for a yes, and what was made of it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen import __version__
from opensslgen.errors import Error, UsageError
from opensslgen.files.write import overwrite_refusal
from opensslgen.jobs.issue import leaf_job
from opensslgen.jobs.job import Violation
from opensslgen.jobs.passphrase import opens_key
from opensslgen.jobs.perform import Authority
from opensslgen.orders.order import LEAF_DAYS, root_order
from opensslgen.plan.script import as_script
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD, SECRETS

from . import fields
from .fields import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.jobs.job import Job
    from opensslgen.jobs.perform import Made
    from opensslgen.orders.order import LeafOrder

    from .app import Config
    from .fields import Typed


class ChangedError(Error):
    """What would be done now is not what was shown."""


@dataclass(kw_only=True)
class Pending:
    """Something that can be done, and is done once it is confirmed."""

    prepare: Callable[[], Job]
    """Returns the job for the folder as it is now; raises Violation or UsageError."""
    shown: Job
    """What the page for confirmation says."""
    secrets: Mapping[str, str] = field(repr=False)
    force: bool = False
    """Whether files that exist may be replaced."""
    is_final: bool = False
    """Whether it cannot be taken back."""
    typed: Typed | None = None
    """What the form held, if it came from there."""
    order: LeafOrder | None = None
    """What came of that."""
    delivered: str | None = None
    """What it became; a second yes makes nothing more."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def elsewhere(self) -> bool:
        """Whether another machine is to do it, by a script."""
        return self.typed is not None and self.typed.elsewhere

    def script(self, config: Config) -> str:
        """Return what was shown as a shell script, as --script prints it."""
        return as_script(self.shown.plan, version=__version__, folder=str(config.pki))

    def make(self, config: Config) -> Made:
        """Do it, or nothing if that would not be what was shown; raises Error."""

        def prepare() -> Job:
            job = self.prepare()
            if job.plan != self.shown.plan:
                self.shown = job
                raise ChangedError("the folder has changed since this was shown: look at it again")
            return job

        known = {**config.secrets, **self.secrets}

        def secret(name: str) -> str:
            if name not in known:
                raise Error(f"the {SECRETS[name]} is needed")
            return known[name]

        return Authority(config.store, config.openssl(), secret, config.on_command, force=self.force).make(prepare)


def passphrase_is_needed(config: Config) -> bool:
    """Tell whether the authority's key has a passphrase that is not known yet."""
    has_one = config.store.issuer() is not None and config.store.ca_key_is_encrypted()
    return has_one and CA_PASSPHRASE not in config.secrets


def passphrase_problem(config: Config, given: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with the passphrase that was typed, if one is needed; the authority's key is tried by it."""
    if not passphrase_is_needed(config):
        return None
    if CA_PASSPHRASE not in given:
        return Problem("the root's key has a passphrase: write it")
    if opens_key(given[CA_PASSPHRASE], config.store, config.openssl()):
        return None
    return Problem("this is not the passphrase of the root's key")


def placed(config: Config, wanted: Typed, given: Mapping[str, str]) -> tuple[Pending | None, dict[str, Problem]]:
    """Return the order for what was typed and the secrets that came with it, or what is wrong with it by field."""
    found = fields.problems(wanted, given)
    if "passphrase" not in found and not wanted.elsewhere:
        wrong = passphrase_problem(config, given)
        found |= {"passphrase": wrong} if wrong else {}
    if found:
        return None, found
    order = fields.order(wanted, p12=P12_PASSWORD in given)
    root = root_order(encrypted=CA_PASSPHRASE in {**config.secrets, **given})

    def prepare() -> Job:
        return leaf_job(order, store=config.store, root=root, fixed_days=order.days != LEAF_DAYS)

    try:
        job = prepare()
    except Violation as violation:
        return None, fields.problems_of_rules(violation.findings)
    except UsageError as error:
        return None, {"days": Problem(error.message)}
    there = config.store.existing(job.plan)
    if there and not wanted.replace and not wanted.elsewhere:
        return None, {"replace": Problem(overwrite_refusal(config.pki, there).message)}
    return Pending(prepare=prepare, shown=job, secrets=given, force=wanted.replace, typed=wanted, order=order), {}


DELIVERED = ("p12", "certificate", "chain", "key", "request", "crl", "crl in DER")
"""What may be fetched of what was made; never the root's key."""
_SECRET = {"p12", "key"}
"""What of it holds a private key."""


@dataclass(frozen=True)
class Delivery:
    """What was made in a session, and may be fetched in it."""

    made: Made
    digests: Mapping[str, bytes]
    """SHA-256 of each file as it was made, so that nobody is given a key that another has put in its place."""

    def file(self, what: str) -> bytes | None:
        """Return what was made under this name, such as "key"; None if there is no such thing, or no longer."""
        if what not in self.digests:
            return None
        try:
            data = self.made.files[what].read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).digest() == self.digests[what] else None


def delivery(made: Made) -> Delivery:
    """Return what may be fetched of what was made just now: nothing that is only moved, and no key of before."""
    # A key that was there belongs to whoever made it, and not to the session that revokes or renews its certificate.
    new = {
        publish.what.value for publish in made.job.plan.publish if publish.what and not publish.source.startswith("../")
    }
    if "key" not in new:
        new -= _SECRET
    files = {what: made.files[what] for what in DELIVERED if what in new}
    return Delivery(made, {what: hashlib.sha256(path.read_bytes()).digest() for what, path in files.items()})
