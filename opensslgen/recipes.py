"""Recipes: one pure function for each thing that can be made, from an order to a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import template
from .errors import UsageError
from .names import file_name
from .plan import Check, Join, Outside, Plan, Publish, Record, Run, Serial, Validity, Write

if TYPE_CHECKING:
    from .keys import KeyType
    from .orders import RootOrder, ServerOrder

CA_PASSPHRASE = "OPENSSLGEN_CA_PASSPHRASE"  # noqa: S105 - the name of an environment variable
P12_PASSWORD = "OPENSSLGEN_P12_PASSWORD"  # noqa: S105

SECRETS = {CA_PASSPHRASE: "passphrase of the root's key", P12_PASSWORD: "password of the PKCS#12 file"}
"""What plans ask for, in words."""

P12_ENCRYPTIONS = {
    "p12": ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"),
    # What older Apple devices, Windows Server 2016, Android and appliances read; OpenSSL's -legacy would be RC2-40.
    "p12-compat": ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
}


def fit_secret(name: str, text: str) -> str:
    """Return a secret that every openssl takes from the environment; raises UsageError for one that some would not."""
    what = SECRETS[name]
    if len(text) < 4:
        raise UsageError(f"the {what} is shorter than 4 characters, which openssl refuses")
    if len(text.encode("utf-8", "surrogateescape")) > 1000:
        raise UsageError(f"the {what} is longer than 1000 bytes: OpenSSL would write a key that it cannot read again")
    if not text.isprintable():
        raise UsageError(f"the {what} holds a control character")
    if name == P12_PASSWORD and not text.isascii():
        raise UsageError(f"the {what} holds a letter outside ASCII, which OpenSSL 1.0 and 1.1 encode differently")
    return text


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """The authority that signs, by its files as the work folder sees them."""

    certificate: str
    key: str
    encrypted: bool

    @property
    def needs(self) -> tuple[str, ...]:
        """Those files that must be in the pki folder already."""
        return tuple(path.removeprefix("../") for path in (self.certificate, self.key) if path.startswith("../"))


def stored_root(*, encrypted: bool) -> Issuer:
    """Return the root of the pki folder as an issuer."""
    return Issuer(certificate="../ca.crt", key="../private/ca.key", encrypted=encrypted)


def new_root(order: RootOrder) -> Issuer:
    """Return the root that the same plan makes as an issuer."""
    return Issuer(certificate="ca.crt", key="ca.key", encrypted=order.encrypted)


def root(order: RootOrder) -> Plan:
    """Return the plan for a root: one command, and a second one that encrypts its key well."""
    config = template.fill(template.shipped("request.cnf"), {"SUBJECT": order.subject.config_lines()})
    extensions = template.shipped("root.cnf")
    protection: tuple[str, ...] = ("-passout", f"env:{CA_PASSPHRASE}") if order.encrypted else ("-nodes",)
    secrets = (CA_PASSPHRASE,) if order.encrypted else ()
    new_key = "ca-3des.key" if order.encrypted else "ca.key"
    steps = [
        *_parameters(order.key_type, "ca-params.pem"),
        Write("ca.cnf", f"{config}\n{extensions}"),
        Run(
            ("req", "-new", "-x509", *_new_key(order.key_type, "ca-params.pem"), *protection, "-sha256")
            + (Validity(order.days), "-set_serial", Serial(), "-config", "ca.cnf", "-extensions", "v3_ca")
            + ("-keyout", new_key, "-out", "ca.crt"),
            creates=(new_key, "ca.crt"),
            secrets=secrets,
        ),
    ]
    if order.encrypted:
        # `req` encrypts by triple DES before OpenSSL 3; this way the key is never on the disk in plain.
        passphrase = f"env:{CA_PASSPHRASE}"
        steps.append(
            Run(
                ("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", new_key, "-passin", passphrase)
                + ("-passout", passphrase, "-out", "ca.key"),
                creates=("ca.key",),
                secrets=secrets,
            )
        )
    steps.append(Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=()))
    return Plan(
        f"a root certificate, {order.subject.common_name}",
        tuple(steps),
        publish=(Publish("ca.key", "private/ca.key", 0o600, "root key"), Publish("ca.crt", "ca.crt", 0o644, "root")),
    )


def server(order: ServerOrder, issuer: Issuer) -> Plan:
    """Return the plan for a server's key, request, certificate, chain and, if asked for, PKCS#12 file."""
    name = file_name(order.names[0])
    made = _request(order)
    extensions = _extensions(order, order.template or template.shipped("v3_req.cnf"))
    steps = [
        *made.steps,
        Write("v3_req.cnf", extensions),
        Run(
            ("x509", "-req", "-in", "server.req", "-CA", issuer.certificate, "-CAkey", issuer.key)
            + (("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else ())
            + ("-sha256", Validity(order.days), "-set_serial", Serial())
            + ("-extfile", "v3_req.cnf", "-extensions", "v3_req", "-out", "server.crt"),
            creates=("server.crt",),
            secrets=(CA_PASSPHRASE,) if issuer.encrypted else (),
        ),
        Check(
            "server.crt",
            issuer=issuer.certificate,
            days=order.days,
            purpose="sslserver" if "serverAuth" in order.extended_key_usage else "any",
            extended_key_usage=order.extended_key_usage if order.template is None else (),
        ),
        Join(("server.crt", issuer.certificate), "server-chain.pem"),
    ]
    publish = [
        *made.publish,
        Publish("server-chain.pem", f"issued/{name}-chain.pem", 0o644, "chain"),
        Publish("server.crt", f"issued/{name}.crt", 0o644, "certificate"),
    ]
    if order.p12:
        steps.append(
            Run(
                ("pkcs12", "-export", "-inkey", "server.key", "-in", "server.crt", "-certfile", issuer.certificate)
                + ("-name", order.names[0].value, *P12_ENCRYPTIONS[order.p12])
                + ("-passout", f"env:{P12_PASSWORD}", "-out", "server.p12"),
                creates=("server.p12",),
                secrets=(P12_PASSWORD,),
            )
        )
        publish.append(Publish("server.p12", f"private/{name}.p12", 0o600, "p12"))
    return Plan(
        f"a server certificate for {order.names[0].value}",
        tuple(steps),
        (Record("server.crt", order.subject.oneline()),),
        tuple(publish),
        needs=issuer.needs,
    )


def request_only(order: ServerOrder) -> Plan:
    """Return the plan for a server's key and request, which another authority is to sign."""
    return _request(order)


def _request(order: ServerOrder) -> Plan:
    """Return the plan for the key and the request, which carries the extensions of the vendor's own script."""
    name = file_name(order.names[0])
    config = template.fill(template.shipped("request.cnf"), {"SUBJECT": order.subject.config_lines()})
    # Without the authority key identifier: openssl cannot make one before it knows the issuer.
    extensions = _extensions(order, template.shipped("gen_certs.cnf"))
    making: tuple[Run, ...]
    if order.key_file is None:
        key = (*_new_key(order.key_type, "params.pem"), "-nodes", "-keyout", "server.key")
        making = ()
    else:
        key = ("-key", "server.key")
        making = (Run(("pkey", "-in", Outside(order.key_file), "-out", "server.key"), creates=("server.key",)),)
    return Plan(
        f"a request for {order.names[0].value}",
        (
            *(() if order.key_file else _parameters(order.key_type, "params.pem")),
            *making,
            Write("request.cnf", f"{config}\n{extensions}"),
            Run(
                ("req", "-new", *key, "-sha256", "-config", "request.cnf", "-reqexts", "v3_req", "-out", "server.req"),
                creates=("server.key", "server.req"),
            ),
        ),
        publish=(
            Publish("server.key", f"private/{name}.key", 0o600, "key"),
            Publish("server.req", f"reqs/{name}.req", 0o644, "request"),
        ),
    )


def _extensions(order: ServerOrder, text: str) -> str:
    """Return an extension file, filled by the names that the vendor's script uses."""
    filled = template.fill(
        text,
        {
            "CA": "CA:FALSE",
            "KEY_USAGE": ",".join(order.usages),
            "SUBJECT_ALT_NAME": ",".join(map(str, order.subject_alternative_names)),
            "EXTENDED_KEY_USAGE": ",".join(order.extended_key_usage),
        },
    )
    # openssl applies nothing, and says nothing, of what stands in a section that it was not told to read.
    if not any(line.replace(" ", "").replace("\t", "") == "[v3_req]" for line in filled.splitlines()):
        raise UsageError("the template has no section [ v3_req ]")
    return filled


def _parameters(key_type: KeyType, path: str) -> tuple[Run, ...]:
    """Return what an EC key needs first: a file that names its curve, which `genpkey` before 1.1 would spell out."""
    if key_type.curve is None:
        return ()
    return (Run(("ecparam", "-name", key_type.curve, "-out", path), creates=(path,)),)


def _new_key(key_type: KeyType, parameters: str) -> tuple[str, str]:
    return ("-newkey", f"rsa:{key_type.bits}" if key_type.curve is None else f"ec:{parameters}")
