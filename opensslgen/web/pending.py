"""An order that waits for a yes, and what was made of it."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen import __version__
from opensslgen.authority import Authority
from opensslgen.errors import Error, UsageError
from opensslgen.jobs import Violation, leaf_job
from opensslgen.orders import LEAF_DAYS, root_order
from opensslgen.recipes import CA_PASSPHRASE, P12_PASSWORD, SECRETS
from opensslgen.store import exists

from . import fields
from .fields import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.authority import Made
    from opensslgen.jobs import Job
    from opensslgen.orders import AuthorityOrder, LeafOrder

    from . import Config
    from .fields import Typed


class ChangedError(Error):
    """What would be done now is not what was shown."""


@dataclass(kw_only=True)
class Pending:
    """An order that was found good, and is made once it is confirmed."""

    typed: Typed
    order: LeafOrder
    root: AuthorityOrder
    secrets: Mapping[str, str] = field(repr=False)
    shown: Job | None = None
    """What the page for confirmation says."""
    delivered: str | None = None
    """What it became; a second yes makes nothing more."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def job(self, config: Config) -> Job:
        """Return the job that makes it in the folder as it is now; raises Violation or UsageError."""
        return leaf_job(self.order, store=config.store, root=self.root, fixed_days=self.order.days != LEAF_DAYS)

    def script(self, config: Config) -> str:
        """Return what was shown as a shell script, as --script prints it."""
        assert self.shown
        return self.shown.plan.script(version=__version__, folder=str(config.pki))

    def make(self, config: Config) -> Made:
        """Make it, or nothing if that would not be what was shown; raises Error."""

        def prepare() -> Job:
            job = self.job(config)
            if self.shown is None or job.plan != self.shown.plan:
                self.shown = job
                raise ChangedError("the folder has changed since this was shown: look at it again")
            return job

        authority = Authority(
            config.store, config.openssl(), self.secret(config), config.on_command, force=self.typed.replace
        )
        return authority.make(prepare)

    def secret(self, config: Config) -> Callable[[str], str]:
        """Return the function that knows the secrets of this order."""
        known = {**config.secrets, **self.secrets}

        def secret(name: str) -> str:
            if name not in known:
                raise Error(f"the {SECRETS[name]} is needed")
            return known[name]

        return secret


def placed(config: Config, wanted: Typed, given: Mapping[str, str]) -> tuple[Pending | None, dict[str, Problem]]:
    """Return the order for what was typed and the secrets that came with it, or what is wrong with it by field."""
    is_first = config.store.issuer() is None
    needed = not is_first and CA_PASSPHRASE not in config.secrets and config.store.ca_key_is_encrypted()
    found = fields.problems(wanted, given, passphrase_needed=needed)
    if found:
        return None, found
    pending = Pending(
        typed=wanted,
        order=fields.order(wanted, p12=P12_PASSWORD in given),
        root=root_order(encrypted=CA_PASSPHRASE in {**config.secrets, **given}),
        secrets=given,
    )
    try:
        pending.shown = pending.job(config)
    except Violation as violation:
        return None, fields.problems_of_rules(violation.findings)
    except UsageError as error:
        return None, {"days": Problem(error.message)}
    there = config.store.existing(pending.shown.plan)
    if there and not wanted.replace and not wanted.elsewhere:
        return None, {"replace": Problem(exists(config.pki, there).message)}
    return pending, {}


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


DELIVERED = ("p12", "certificate", "chain", "key", "request")
"""What may be fetched of what was made; never the root's key."""


def delivery(made: Made) -> Delivery:
    """Return what may be fetched of what was made just now."""
    return Delivery(
        made,
        {what: hashlib.sha256(made.files[what].read_bytes()).digest() for what in DELIVERED if what in made.files},
    )
