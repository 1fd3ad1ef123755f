"""Orders from certificate requests, as strict as those from what people type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import UsageError
from opensslgen.names.constraints import parse_constraints
from opensslgen.names.general import GeneralName, parse_names, parse_url
from opensslgen.names.subject import Subject, strict_subject
from opensslgen.text import quote, visible
from opensslgen.x509.names import joined
from opensslgen.x509.pem import REQUEST, pem

from .kinds import SELF_SIGNED, SERVER, Kind
from .order import INTERMEDIATE_DAYS, LEAF_DAYS, AuthorityOrder, LeafOrder, file_stem, lifetime, main_names
from .usages import extended_key_usages, key_usages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opensslgen.x509.request import Request


_STEM_HINT = "--name STEM names its files"


def requested_names(request: Request, kind: Kind = SERVER) -> tuple[GeneralName, ...]:
    """Return the names that a request asks for, its common name first if it is a valid name.

    Raises UsageError for a name that no certificate should have.
    """
    names = [_asked_name(name) for name in request.names]
    try:
        main = main_names(request.subject.common_name or "", kind)
    except UsageError:
        # It may be a person's name for the appliance; the subject is checked separately, and kept.
        main = ()
    for one in main:
        if one in names:
            names.remove(one)
    return (*main, *names)


def _asked_name(name: GeneralName) -> GeneralName:
    try:
        return strict_name(name)
    except UsageError as error:
        raise UsageError(
            f"the request asks for the name {quote(str(name))}, which cannot be used: {error.message}",
            hint="name the certificate with --san instead",
        ) from error


def strict_name(name: GeneralName) -> GeneralName:
    """Return a decoded name as if it had been typed; raises UsageError for a name that nobody may type."""
    # The parser would split the name at a comma.
    if "," in name.value or name.value != name.value.strip():
        raise UsageError(f"{quote(name.value)} has a comma, or a space at its beginning or end")
    (parsed,) = parse_names(str(name))
    return parsed


def names_left_out(request: Request, names: Iterable[GeneralName]) -> list[str]:
    """Return the alternative names that a request asks for and does not get, as text that is safe to print."""
    taken = {(name.kind, name.value) for name in names}
    return [
        visible(str(name))
        for name in dict.fromkeys(request.names)
        if (name.kind, name.value.lower() if name.kind == "DNS" else name.value) not in taken
    ]


def leaf_order_of(
    request: Request,
    *,
    names: tuple[GeneralName, ...],
    kind: Kind = SERVER,
    stem: str | None = None,
    days: int = LEAF_DAYS,
    extended_key_usage: Iterable[str] = (),
    key_usage: Iterable[str] = (),
    crl_url: str | None = None,
    subject: Subject | None = None,
) -> LeafOrder:
    """Return the order for a leaf with a request's key, and with these names; raises UsageError.

    `subject` takes the place of the request's.
    """
    if kind is SELF_SIGNED:
        raise UsageError("a request cannot be self-signed without its key: it is signed as a server's or a client's")
    if not names and kind.demanded == "serverAuth":
        raise UsageError("the request has no server's name", hint="add the names with --san")
    usages = key_usages(key_usage)
    if not {"keyCertSign", "cRLSign"}.isdisjoint(usages):
        raise UsageError("keyCertSign and cRLSign are for CAs: --kind intermediate makes one")
    sets_subject, subject = subject is not None, subject or _subject(request)
    return LeafOrder(
        sets_subject=sets_subject,
        kind=kind,
        names=names,
        subject=subject,
        stem=file_stem(stem or (names[0].value if names else subject.common_name or ""), hint=_STEM_HINT),
        key_type=request.public_key.key_type,
        public_key=request.public_key,
        request=pem(REQUEST, request.der),
        days=lifetime(days),
        extended_key_usage=extended_key_usages(extended_key_usage) or kind.extended_key_usage,
        key_usage=usages or None,
        crl_url=None if crl_url is None else parse_url(crl_url),
    )


def authority_order_of(
    request: Request,
    *,
    stem: str | None = None,
    days: int = INTERMEDIATE_DAYS,
    path_length: int | None = 0,
    permit: Iterable[str] = (),
    exclude: Iterable[str] = (),
    crl_url: str | None = None,
    subject: Subject | None = None,
) -> AuthorityOrder:
    """Return the order for an intermediate with a request's key, and its subject or another; raises UsageError."""
    sets_subject, subject = subject is not None, subject or _subject(request)
    return AuthorityOrder(
        sets_subject=sets_subject,
        subject=subject,
        key_type=request.public_key.key_type,
        public_key=request.public_key,
        days=lifetime(days),
        path_length=path_length,
        constraints=parse_constraints(permit=permit, exclude=exclude),
        stem=file_stem(stem or subject.common_name or "", hint=_STEM_HINT),
        crl_url=None if crl_url is None else parse_url(crl_url),
    )


def _subject(request: Request) -> Subject:
    """Return a request's subject, which openssl copies; raises UsageError for values that nobody may type."""
    try:
        return strict_subject(request.subject.attributes, joined(request.subject))
    except UsageError as error:
        raise UsageError(
            f"the request cannot be signed as it is: {error.message}",
            hint="ask for a new request with another subject, or set one here: --cn TEXT, --org TEXT and others",
        ) from error
