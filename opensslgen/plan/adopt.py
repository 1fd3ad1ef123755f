"""Plans for an authority that exists: the one that takes it over, and the one that changes its key's passphrase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.text import visible
from opensslgen.x509.pem import CERTIFICATE, pem

from .issue import demands
from .layout import CA_CHAIN
from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD
from .steps import CheckChain, CheckKey, Existing, Join, Legacy, Outside, Plan, Publish, What, Write, openssl

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

    from .issue import Issuer
    from .steps import Argument, Step


@dataclass(frozen=True, kw_only=True)
class KeyFile:
    """A file of the user's with a private key in it."""

    path: str
    form: str
    """Its encoding: "pem", "der" or "pkcs12"."""
    label: str = ""
    """Of the PEM block that a key in DER would be."""
    encrypted: bool = False
    """Whether the key needs a passphrase; the password of a PKCS#12 file is another."""
    legacy: bool = False
    """Whether it is a PKCS#12 file encrypted by RC2."""


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """An authority that exists, to be taken over."""

    certificate: Certificate
    above: tuple[Certificate, ...]
    """The certificates above it, its issuer first and the root last; none above a root."""
    key: KeyFile
    encrypted: bool
    """Whether its key is to have a passphrase, that of CA_PASSPHRASE, which an encrypted one keeps."""


def adopt(adoption: Adoption, *, certificate: str, key: str, old_chain: tuple[str, str] | None = None) -> Plan:
    """Return the plan that puts an authority into a pki folder, its certificate and key under these names.

    `old_chain` is the file of certificates above the authority before it, if that had some and this one has none, and
    the name that it is to have from then on.
    """
    chain = "".join(pem(CERTIFICATE, each.der) for each in adoption.above)
    issuers = CA_CHAIN if chain else "ca.crt"
    publish = [Publish("ca.key", key, 0o600, What.CA_KEY), Publish("ca.crt", certificate, 0o644, What.CA)]
    if chain:
        publish.insert(1, Publish(CA_CHAIN, CA_CHAIN, 0o644, What.CA_CHAIN))
    if old_chain:
        publish.append(Publish(f"../{old_chain[0]}", old_chain[1], None))
    return Plan(
        f"the authority {visible(str(adoption.certificate.subject))} in this folder",
        (
            Write("ca.crt", pem(CERTIFICATE, adoption.certificate.der)),
            *((Write(CA_CHAIN, chain),) if chain else ()),
            *_key(adoption.key, encrypted=adoption.encrypted),
            CheckKey("ca.crt", "ca.key", CA_PASSPHRASE if adoption.encrypted else None),
            CheckChain("ca.crt", issuers, "any"),
        ),
        publish=tuple(publish),
        demands=demands(adoption.certificate.names),
    )


def _key(key: KeyFile, *, encrypted: bool) -> tuple[Step, ...]:
    """Return the steps that write the key as every openssl reads it, into ca.key."""
    before, source = _readable(key, encrypted=encrypted)
    passphrase = f"env:{CA_PASSPHRASE}"
    locked = key.encrypted or (key.form == "pkcs12" and encrypted)
    unlock = ("-passin", passphrase) if locked else ()
    if not encrypted:
        return (*before, openssl("pkey -in {source} -out ca.key", source=source))
    protect = openssl(
        "pkcs8 -topk8 -v2 aes-256-cbc -in {source} {unlock} -passout {passphrase} -out ca.key",
        source=source,
        unlock=unlock,
        passphrase=passphrase,
    )
    return (*before, protect)


def _readable(key: KeyFile, *, encrypted: bool) -> tuple[tuple[Step, ...], Argument]:
    """Return what has to be done before `pkey` and `pkcs8` can read the key, and where it is then."""
    file = Outside(key.path)
    if key.form == "pkcs12":
        extract = openssl(
            "pkcs12 -in {file} {legacy} -nocerts -passin {password} {protection} -out plain.key",
            file=file,
            legacy=(Legacy(),) if key.legacy else (),
            password=f"env:{P12_PASSWORD}",
            protection=("-passout", f"env:{CA_PASSPHRASE}") if encrypted else ("-nodes",),
        )
        return (extract,), "plain.key"
    if key.form == "der":
        # As text: openssl 1.0 and 1.1 read no encrypted key in DER here.
        begin, _, end = pem(key.label, b"").partition("\n")
        return (
            Write("begin.pem", f"{begin}\n"),
            openssl("base64 -in {file} -out key.b64", file=file),
            Write("end.pem", end),
            Join(("begin.pem", "key.b64", "end.pem"), "plain.key"),
        ), "plain.key"
    return (), file


def change_passphrase(issuer: Issuer, *, remove: bool) -> Plan:
    """Return the plan that encrypts the authority's key by a new passphrase, or none, and checks that it opens.

    The old file is lost on purpose: beside the new one it could still be opened by the old passphrase.
    """
    old = ("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ()
    new = ("-nocrypt",) if remove else ("-v2", "aes-256-cbc", "-passout", f"env:{NEW_PASSPHRASE}")
    target = issuer.key.removeprefix("../")
    return Plan(
        f"{'no' if remove else 'a new'} passphrase for {target}",
        (
            openssl("pkcs8 -topk8 -in {key} {old} {new} -out ca.key", key=issuer.key, old=old, new=new),
            CheckKey(issuer.certificate, "ca.key", None if remove else NEW_PASSPHRASE),
        ),
        publish=(Publish("ca.key", target, 0o600, What.KEY, Existing.REPLACE),),
        needs=issuer.needs,
    )
