"""Recipes: one pure function for each thing that can be made, from an order to a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import template
from .errors import UsageError
from .names import file_name
from .plan import Check, Join, Outside, Plan, Publish, Record, Serial, Validity, Write, openssl

if TYPE_CHECKING:
    from .keys import KeyType
    from .names import GeneralName
    from .orders import RootOrder, ServerOrder
    from .plan import Run

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
    # `req` encrypts by triple DES before OpenSSL 3.5; a second command does better, and the key is never in plain.
    new_key = "ca-3des.key" if order.encrypted else "ca.key"
    make = openssl(
        "req -new -x509 -newkey {key} {protection} -sha256 {validity} -set_serial {serial}"
        " -config ca.cnf -extensions v3_ca -keyout {new_key} -out ca.crt",
        key=_new_key(order.key_type, "ca-params.pem"),
        protection=("-passout", f"env:{CA_PASSPHRASE}") if order.encrypted else "-nodes",
        validity=Validity(order.days),
        serial=Serial(),
        new_key=new_key,
    )
    encrypt = openssl(
        "pkcs8 -topk8 -v2 aes-256-cbc -in {new_key} -passin {passphrase} -passout {passphrase} -out ca.key",
        new_key=new_key,
        passphrase=f"env:{CA_PASSPHRASE}",
    )
    return Plan(
        f"a root certificate, {order.subject.common_name}",
        (
            *_parameters(order.key_type, "ca-params.pem"),
            Write("ca.cnf", f"{config}\n{extensions}"),
            make,
            *((encrypt,) if order.encrypted else ()),
            Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=(), names=()),
        ),
        publish=(Publish("ca.key", "private/ca.key", 0o600, "root key"), Publish("ca.crt", "ca.crt", 0o644, "root")),
    )


def server(order: ServerOrder, issuer: Issuer) -> Plan:
    """Return the plan for a server's key, request, certificate, chain and, if asked for, PKCS#12 file."""
    name = file_name(order.names[0])
    request = request_only(order)
    extensions = template.shipped("v3_req.cnf") if order.template is None else order.template
    sign = openssl(
        "x509 -req -in server.req -CA {ca} -CAkey {ca_key} {unlock} -sha256 {validity} -set_serial {serial}"
        " -extfile v3_req.cnf -extensions v3_req -out server.crt",
        ca=issuer.certificate,
        ca_key=issuer.key,
        unlock=("-passin", f"env:{CA_PASSPHRASE}") if issuer.encrypted else (),
        validity=Validity(order.days),
        serial=Serial(),
    )
    check = Check(
        "server.crt",
        issuer=issuer.certificate,
        days=order.days,
        purpose="sslserver" if "serverAuth" in order.extended_key_usage else "any",
        # The user's own template may leave out the others, but not without a word.
        extended_key_usage=tuple(
            usage for usage in order.extended_key_usage if order.template is None or usage == "serverAuth"
        ),
        names=order.subject_alternative_names,
    )
    made = Plan(
        f"a server certificate for {order.names[0].value}",
        (
            *request.steps,
            Write("v3_req.cnf", order.section.fill(extensions)),
            sign,
            check,
            Join(("server.crt", issuer.certificate), "server-chain.pem"),
        ),
        (Record("server.crt", order.subject.oneline()),),
        (
            *request.publish,
            Publish("server-chain.pem", f"issued/{name}-chain.pem", 0o644, "chain"),
            Publish("server.crt", f"issued/{name}.crt", 0o644, "certificate"),
        ),
        needs=issuer.needs,
        demands=("verify URI:sip",) if any(_is_bare_uri(other) for other in order.names) else (),
    )
    return made if order.p12 is None else _with_p12(made, order, order.p12, issuer)


def _with_p12(plan: Plan, order: ServerOrder, encryption: str, issuer: Issuer) -> Plan:
    """Return the plan with one more file: key, certificate and root in PKCS#12, as appliances import them."""
    export = openssl(
        "pkcs12 -export -inkey server.key -in server.crt -certfile {ca} -name {name} {encryption}"
        " -passout {password} -out server.p12",
        ca=issuer.certificate,
        name=order.names[0].value,
        encryption=P12_ENCRYPTIONS[encryption],
        password=f"env:{P12_PASSWORD}",
    )
    target = f"private/{file_name(order.names[0])}.p12"
    return replace(
        plan, steps=(*plan.steps, export), publish=(*plan.publish, Publish("server.p12", target, 0o600, "p12"))
    )


def request_only(order: ServerOrder) -> Plan:
    """Return the plan for a key and a request, which carries the extensions of the vendor's own script."""
    name = file_name(order.names[0])
    config = template.fill(template.shipped("request.cnf"), {"SUBJECT": order.subject.config_lines()})
    # Without the authority key identifier: openssl cannot make one before it knows the issuer.
    extensions = order.section.fill(template.shipped("gen_certs.cnf"))
    if order.key_file is None:
        key: tuple[str, ...] = ("-newkey", _new_key(order.key_type, "params.pem"), "-nodes", "-keyout", "server.key")
        before = _parameters(order.key_type, "params.pem")
    else:
        key = ("-key", "server.key")
        before = (openssl("pkey -in {file} -out server.key", file=Outside(order.key_file)),)
    return Plan(
        f"a request for {order.names[0].value}",
        (
            *before,
            Write("request.cnf", f"{config}\n{extensions}"),
            openssl("req -new {key} -sha256 -config request.cnf -reqexts v3_req -out server.req", key=key),
        ),
        publish=(
            Publish("server.key", f"private/{name}.key", 0o600, "key"),
            Publish("server.req", f"reqs/{name}.req", 0o644, "request"),
        ),
    )


def _is_bare_uri(name: GeneralName) -> bool:
    return name.kind == "URI" and "//" not in name.value


def _parameters(key_type: KeyType, path: str) -> tuple[Run, ...]:
    """Return what an EC key needs first: a file that names its curve, which `genpkey` before 1.1 would spell out."""
    if key_type.curve is None:
        return ()
    return (openssl("ecparam -name {curve} -out {path}", curve=key_type.curve, path=path),)


def _new_key(key_type: KeyType, parameters: str) -> str:
    return f"rsa:{key_type.bits}" if key_type.curve is None else f"ec:{parameters}"
