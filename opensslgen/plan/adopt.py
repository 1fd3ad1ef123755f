"""Plans for an existing CA: adopt it, or change the passphrase of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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


class KeyFile(NamedTuple):
    """A file of the user that contains a private key."""

    path: str
    form: str
    """Its encoding: "pem", "der" or "pkcs12"."""
    label: str = ""
    """The label of the PEM block that a key in DER becomes."""
    encrypted: bool = False
    """Whether the key has a passphrase, apart from the password of a PKCS#12 file."""
    legacy: bool = False
    """Whether it is a PKCS#12 file encrypted by RC2."""


class Adoption(NamedTuple):
    """An existing CA to adopt."""

    certificate: Certificate
    above: tuple[Certificate, ...]
    """The certificates above it, its issuer first and the root last; empty above a root."""
    key: KeyFile
    encrypted: bool
    """Whether its key gets the passphrase CA_PASSPHRASE; an encrypted key keeps its passphrase."""


def adopt(adoption: Adoption, *, certificate: str, key: str, old_chain: tuple[str, str] | None = None) -> Plan:
    """Return the plan that puts a CA into a pki folder, with these names for its certificate and key.

    `old_chain` is the chain file of the previous CA and its new name, if this CA
    has no chain.
    """
    chain = "".join(pem(CERTIFICATE, each.der) for each in adoption.above)
    issuers = CA_CHAIN if chain else "ca.crt"
    publish = [Publish("ca.key", key, 0o600, What.CA_KEY), Publish("ca.crt", certificate, 0o644, What.CA)]
    if chain:
        publish.insert(1, Publish(CA_CHAIN, CA_CHAIN, 0o644, What.CA_CHAIN))
    if old_chain:
        publish.append(Publish(f"../{old_chain[0]}", old_chain[1], None))
    return Plan(
        f"the CA {visible(str(adoption.certificate.subject))} in this folder",
        (
            Write("ca.crt", pem(CERTIFICATE, adoption.certificate.der)),
            *((Write(CA_CHAIN, chain),) if chain else ()),
            *_key(adoption.key, encrypted=adoption.encrypted),
            CheckKey("ca.crt", "ca.key", CA_PASSPHRASE if adoption.encrypted else None),
            CheckChain("ca.crt", issuers, "any"),
        ),
        publish=tuple(publish),
        demands=demands(adoption.certificate.names, adoption.certificate.name_constraints),
    )


def _key(key: KeyFile, *, encrypted: bool) -> tuple[Step, ...]:
    """Return the steps that write the key into ca.key, as every openssl reads it."""
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
    """Return the steps that make the key readable for `pkey` and `pkcs8`, and its file."""
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
    """Return the plan that encrypts the CA's key with a new passphrase, or decrypts it, and checks that it opens.

    The old file is removed on purpose: the old passphrase would still open it.
    """
    new = ("-nocrypt",) if remove else ("-v2", "aes-256-cbc", "-passout", f"env:{NEW_PASSPHRASE}")
    target = issuer.key.removeprefix("../")
    return Plan(
        f"{'no' if remove else 'a new'} passphrase for {target}",
        (
            openssl("pkcs8 -topk8 -in {key} {old} {new} -out ca.key", key=issuer.key, old=issuer.unlock, new=new),
            CheckKey(issuer.certificate, "ca.key", None if remove else NEW_PASSPHRASE),
        ),
        publish=(Publish("ca.key", target, 0o600, What.KEY, Existing.REPLACE),),
        needs=issuer.needs,
    )
