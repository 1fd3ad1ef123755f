"""Plans that export a certificate, its issuers and its key as files for servers and appliances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.text import visible
from opensslgen.x509.pem import CERTIFICATE, pem

from .issue import P12_ENCRYPTIONS, pkcs12
from .steps import CheckKey, Join, Outside, Plan, Publish, What, Write, openssl

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

    from .steps import Step


class Piece(NamedTuple):
    """One file of an export."""

    what: What
    """Its name in reports."""
    suffix: str
    """The end of its name, after the stem of the certificate."""
    parts: tuple[str, ...] = ()
    """Its PEM parts, in order: "certificate", "intermediates", "root", "key"."""
    form: str = "pem"
    """Or "der" for the certificate alone, or one of P12_ENCRYPTIONS for everything."""

    @property
    def holds_key(self) -> bool:
        """Whether it is secret."""
        return "key" in self.parts or self.form in P12_ENCRYPTIONS

    @property
    def holds_issuers(self) -> bool:
        """Whether it needs the CAs above the certificate."""
        return self.form in P12_ENCRYPTIONS or bool({"intermediates", "root"}.intersection(self.parts))


class Form(NamedTuple):
    """A format of exports, or what a target takes."""

    pieces: tuple[Piece, ...]
    use: str
    """How to use it, as a sentence with the names of its files in braces."""
    alias: str | None = None
    """The name of the entry in a PKCS#12 file, if the product needs a certain one."""


FORMATS = {
    "p12": Form((Piece(What.P12, ".p12", form="p12"),), "{p12} holds the key, the certificate and those above it"),
    "p12-compat": Form(
        (Piece(What.P12, ".p12", form="p12-compat"),), "{p12} is for older Apple devices, Windows and appliances"
    ),
    "pem": Form((Piece(What.CERTIFICATE, ".pem", ("certificate",)),), "{certificate} is the certificate alone"),
    "chain": Form(
        (Piece(What.CHAIN, "-chain.pem", ("certificate", "intermediates", "root")),),
        "{chain} is the certificate and those above it, the root last",
    ),
    "der": Form((Piece(What.CERTIFICATE, ".der", form="der"),), "{certificate} is the certificate alone, in DER"),
    "key": Form((Piece(What.KEY, ".key", ("key",)),), "{key} is secret"),
    "jks": Form(
        (Piece(What.P12, ".jks", form="p12-compat"),),
        "{p12} is a keystore for Java, in the form PKCS12; where the old form is required: keytool -importkeystore"
        " -srckeystore {p12} -srcstoretype PKCS12 -destkeystore OLD.jks -deststoretype JKS",
    ),
}
"""What a certificate can be exported as."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """A certificate to export, with its issuers and key."""

    certificate: Certificate
    issuers: tuple[Certificate, ...]
    """Its issuer first, the root last; empty for a self-signed one."""
    key: str | None
    """The file of its private key, or None."""
    stem: str
    """The start of the new files' names."""
    form: Form
    revoked: bool = False
    file: str | None = None
    """The name of the only file, instead of the stem with its suffix."""

    @property
    def title(self) -> str:
        """The name of the certificate in messages."""
        return visible(self.certificate.subject.common_name or self.stem)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The new files, without those that would be empty, as a chain would be for a self-signed certificate."""
        return tuple(piece for piece in self.form.pieces if piece.form != "pem" or self.contents(piece))

    def contents(self, piece: Piece) -> tuple[str, ...]:
        """Return the parts of a PEM file that are not empty."""
        return tuple(part for part in piece.parts if part == "key" or self.text(part))

    def text(self, part: str) -> str:
        """Return a part that is not secret, in PEM; it may be empty."""
        root = self.issuers[-1:] if self.issuers and self.issuers[-1].is_self_issued else ()
        certificates = {
            "certificate": (self.certificate,),
            "intermediates": self.issuers[: len(self.issuers) - len(root)],
            "root": root,
        }
        return "".join(pem(CERTIFICATE, each.der) for each in certificates[part])

    def target(self, piece: Piece) -> str:
        """Return the name of a file."""
        return self.file or f"{self.stem}{piece.suffix}"


def export(order: Export) -> Plan:
    """Return the plan that makes the files of an export, in their folder."""
    parts = dict.fromkeys(part for piece in order.pieces for part in order.contents(piece) if part != "key")
    p12s = [piece for piece in order.pieces if piece.form in P12_ENCRYPTIONS]
    if p12s or any(piece.form == "der" or piece.holds_key for piece in order.pieces):
        parts["certificate"] = None
    steps: list[Step] = [Write(f"{part}.part", order.text(part)) for part in parts]
    if any(piece.holds_key for piece in order.pieces):
        assert order.key is not None
        steps.append(openssl("pkey -in {file} -out key.part", file=Outside(order.key)))
        steps.append(CheckKey("certificate.part", "key.part"))
    above = "".join(pem(CERTIFICATE, each.der) for each in order.issuers)
    if p12s and above:
        steps.append(Write("issuers.part", above))
    for piece in order.pieces:
        made = f"new{piece.suffix}"
        if piece.form == "pem":
            steps.append(Join(tuple(f"{part}.part" for part in order.contents(piece)), made))
        elif piece.form == "der":
            steps.append(openssl("x509 -in certificate.part -outform DER -out {made}", made=made))
        else:
            steps.append(
                pkcs12(
                    made,
                    key="key.part",
                    certificate="certificate.part",
                    authorities="issuers.part" if above else None,
                    name=order.form.alias or order.title,
                    encryption=piece.form,
                )
            )
    return Plan(
        f"{order.title}, exported",
        tuple(steps),
        publish=tuple(
            Publish(f"new{piece.suffix}", order.target(piece), 0o600 if piece.holds_key else 0o644, piece.what)
            for piece in order.pieces
        ),
        database=False,
    )
