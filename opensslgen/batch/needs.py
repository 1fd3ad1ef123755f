"""What an inventory needs before its first certificate: secrets, and a root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.jobs.clock import CLOCK
from opensslgen.jobs.issue import root_job
from opensslgen.jobs.perform import Authority, JobResult
from opensslgen.orders.order import AuthorityOrder, root_order
from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.orders.inventory import Row
    from opensslgen.pki.store import Store

    from .wanted import Batch


@dataclass
class Needs:
    """What the rows of an inventory need."""

    rows: int = field(default=0, init=False)
    p12: int = field(default=0, init=False)
    """Rows that want a PKCS#12 file."""
    issued: int = field(default=0, init=False)
    """Rows whose certificate is issued by the folder's CA."""

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, and count what each needs."""
        for row in rows:
            self.rows += 1
            if row.order:
                self.p12 += row.order.p12 is not None
                self.issued += not row.order.kind.is_self_signed
            yield row

    def secrets(self, store: Store, *, has_passphrase: bool) -> tuple[str, ...]:
        """Return the names of the secrets that are needed; a given passphrase is also for a new root."""
        encrypted = store.ca_key_is_encrypted() if store.issuer() else has_passphrase
        return (*((P12_PASSWORD,) if self.p12 else ()), *((CA_PASSPHRASE,) if self.issued and encrypted else ()))

    def make_root(self, batch: Batch, order: AuthorityOrder | None = None) -> JobResult | None:
        """Make this root, or one with a default name, if the rows need one and the folder has no CA."""
        if not self.issued or batch.store.issuer() is not None:
            return None
        order = order or root_order(encrypted=CA_PASSPHRASE in batch.secrets)
        try:
            allow = {CLOCK}.intersection(batch.allow)
            return Authority(batch.store, batch.openssl, lambda name: batch.secrets[name], allow=allow).make(
                lambda: root_job(order, store=batch.store)
            )
        except Error:
            if batch.store.issuer() is None:
                raise
            return None  # another run that started at the same time has made it
