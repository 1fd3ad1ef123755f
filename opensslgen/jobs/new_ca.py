"""Whether a CA may be created: every phone would have to trust it, so nobody gets one by accident."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.subject import parse_subject
from opensslgen.orders.order import root_name, root_order
from opensslgen.pki import index
from opensslgen.pki.folder import Folder, around_ca, copy_of, enclosing, inside_of_ca, issued_files
from opensslgen.plan import layout
from opensslgen.suggest import shell_words
from opensslgen.x509.certificate import load, load_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder
    from opensslgen.pki.store import Store


def ca_to_create(
    store: Store,
    *,
    agreed: bool,
    ask: Callable[[str], str | None] | None = None,
    name: str | None = None,
    organization: str | None = None,
    host: str | None = None,
    encrypted: bool = False,
    names: Collection[GeneralName] = (),
    confirm: Callable[[str], bool] | None = None,
) -> AuthorityOrder | None:
    """Return the order for the CA that has to be created first; None if the pki folder has a CA.

    Writes nothing: a killed run may have a CA ready to be put in place, so `Store.finish` comes first.

    `agreed`: somebody wants a new CA. Otherwise `ask` gets the default name of the CA, and returns the name that
    somebody chose, or None if no CA is wanted; without `ask`, nobody can be asked. Whoever chose the name is asked by
    `confirm` whether to limit the CA to the domains of `names`, those of the first certificate. `host` is the server
    that the first certificate is for. Raises UsageError if there is no CA and nobody wants one, if the folder lies
    inside that of a CA, or if an existing CA has another name than `name`; and Error if the folder has lost its CA.
    """
    issuer = store.issuer()
    if issuer is not None:
        if name is not None and issuer.subject.common_name != name.strip():
            raise UsageError(
                f"{store.path} has a CA already, {issuer.subject.common_name or issuer.subject}, so none is created"
                f" with the name {name}",
                hint="to create another CA, use another folder: --pki DIR",
            )
        return None
    refuse_inside(store, agreed=agreed)
    refuse_lost(store)
    default = root_name(organization, host=host)
    permit: tuple[str, ...] = ()
    if not agreed and name is None:
        if near := around_ca(store.path):
            raise near
        name = ask(default) if ask else None
        if name is None:
            raise no_ca(store)
        own = limits_of(names)
        if own and confirm and confirm(_LIMITS.format(limits=" and ".join(own))):
            permit = own
    return root_order(common_name=name or default, organization=organization, encrypted=encrypted, permit=permit)


_LIMITS = (
    "Limit it to {limits}? This keeps a stolen key from signing for other domains, but you can never sign for them"
    " either, and some old programs refuse such a CA."
)


def limits_of(names: Collection[GeneralName]) -> tuple[str, ...]:
    """Return the domains and addresses that a CA may be limited to, so that it can sign for these names.

    The domain of a host is what is left without its first label, if that has two labels or more. Without a domain
    there is no limit worth having: a CA that is limited to an address may still sign for all hosts.
    """
    found = []
    for name in names:
        if name.kind == "DNS":
            host = name.value.removeprefix("*.")
            parent = host.partition(".")[2]
            found.append(host if host != name.value or "." not in parent else parent)
        elif name.kind == "IP":
            found.append(name.value)
    return tuple(dict.fromkeys(found)) if any(name.kind == "DNS" for name in names) else ()


def no_ca(store: Store) -> UsageError:
    """Return the error for a certificate that needs a CA, in a folder that has none."""
    return around_ca(store.path) or UsageError(
        f"there is no certificate authority (CA) in {store.path}",
        hint="to create one there, add --new-ca or --yes; if it is in another folder, add --pki DIR",
    )


def fit_name(text: str) -> str:
    """Return the name of a CA without spaces around it; raises UsageError if no CA can have it."""
    return parse_subject(common_name=text).common_name or ""


def refuse_inside(store: Store, *, agreed: bool = False) -> None:
    """Raise UsageError for a new pki folder inside that of a CA, unless it was `agreed` and is no part of that one."""
    found = enclosing(store.path)
    error = inside_of_ca(store.path)
    if error and store.issuer() is None and not (agreed and found and not found.is_part):
        raise error


def refuse_lost(store: Store, *, is_explicit: bool = False) -> None:
    """Raise Error for a folder that has lost its CA: a new one would replace its key.

    Unless somebody has asked for a CA and nothing else, an index with valid certificates is enough for that.
    """
    certificate, key = store.path / store.ca_certificate, store.path / store.ca_key
    if certificate.exists():
        return
    if key.exists():
        what = f"{certificate} is missing, and a new CA would replace the key of the old one, {key}"
    elif not is_explicit and (title := _title_of_valid(store)):
        what = f"{certificate} is missing, and {title} in {store.path / layout.INDEX} is valid: its CA was lost"
    else:
        return
    copy = _copy_of_root(store)
    cure = f"to restore it: cp {shell_words(str(copy), str(certificate))}" if copy else "restore it from a backup"
    raise Error(what, hint=f"{cure}; for a new CA, use another folder: --pki DIR")


def _title_of_valid(store: Store) -> str | None:
    """Return the subject of a certificate in the index that is valid and not self-signed; None if there is none."""
    folder = Folder(store.path)
    for entry in index.read(folder.index, mend=True, state=index.VALID) if folder.index.exists() else ():
        certificate = folder.copy(entry).certificate
        if certificate is None or not certificate.is_self_issued:
            return entry.title
    return None


def _copy_of_root(store: Store) -> Path | None:
    """Return the copy by serial number of the root that ends the newest chain; None if there is none."""
    roots = []
    for path in issued_files(store.path):
        with suppress(UnreadableError):
            *_, last = load_all(store.path / layout.chain(path.stem))
            if last.is_self_issued and last.is_authority:
                roots.append((load(path).not_before, last.serial_hex))
    return copy_of(store.path, max(roots)[1]) if roots else None
