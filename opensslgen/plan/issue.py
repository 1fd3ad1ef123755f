"""Plans that make certificates: a root, an intermediate, and leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opensslgen.orders.order import LeafOrder

from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD
from .section import section_of
from .steps import (
    COMMANDS,
    Check,
    Join,
    Outside,
    PassphraseOnStdin,
    Plan,
    Publish,
    Record,
    Serial,
    Validity,
    VerifyRequest,
    What,
    Write,
    openssl,
)
from .template import fill, shipped

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder
    from opensslgen.x509.key_types import KeyType

    from .steps import Argument, Run, Step

P12_ENCRYPTIONS = {
    "p12": ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"),
    # What older Apple devices, Windows Server 2016, Android and appliances read; OpenSSL's -legacy would be RC2-40.
    "p12-compat": ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
}


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """The authority that signs, by its files as the work folder sees them."""

    certificate: str
    key: str
    encrypted: bool
    above: str | None = None
    """The certificates above it, up to the root, in one file; None if it is the root."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Those files that must be in the pki folder already."""
        files = (self.certificate, self.key, self.above or "")
        return tuple(path.removeprefix("../") for path in files if path.startswith("../"))

    @property
    def chain(self) -> tuple[str, ...]:
        """The files of its certificate and of those above it, in this order."""
        return (self.certificate, self.above) if self.above else (self.certificate,)

    @property
    def trusted(self) -> str:
        """The file that `openssl verify` is to trust; its first certificate is the issuer's."""
        return "issuers.pem" if self.above else self.certificate

    @property
    def steps(self) -> tuple[Step, ...]:
        """What has to be done before it can be trusted."""
        return (Join(self.chain, self.trusted),) if self.above else ()

    def signing(self, *, template: str | None = None) -> tuple[Argument, ...]:
        """Return the arguments of `openssl x509 -req` by which it signs, with a user's template or one of ours.

        No passphrase is in the environment of a command that reads a user's template.
        """
        source = ("-passin", f"env:{CA_PASSPHRASE}") if template is None else (PassphraseOnStdin(CA_PASSPHRASE),)
        return ("-CA", self.certificate, "-CAkey", self.key, *(source if self.encrypted else ()))


def new_root(order: AuthorityOrder) -> Issuer:
    """Return the root that the same plan makes as an issuer."""
    return Issuer(certificate="ca.crt", key="ca.key", encrypted=order.encrypted)


def root(order: AuthorityOrder) -> Plan:
    """Return the plan for a root: one command, and a second one that encrypts its key well."""
    config = f"{request_config(order)}\n{authority_section(order, 'root.cnf')}"
    make = openssl(
        "req -new -x509 -newkey {key} {protection} -sha256 {validity} -set_serial {serial}"
        " -config ca.cnf -extensions v3_ca -keyout {new_key} -out ca.crt",
        key=new_key(order.key_type, "ca-params.pem"),
        protection=_protection(order, CA_PASSPHRASE),
        validity=Validity(order.days),
        serial=Serial(),
        new_key=_first_key(order, "ca"),
    )
    return Plan(
        f"a root certificate, {order.subject.common_name}",
        (
            Write("ca.cnf", config),
            *parameters(order.key_type, "ca-params.pem"),
            make,
            *_encrypted(order, "ca", CA_PASSPHRASE),
            Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=(), names=()),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.key", "private/ca.key", 0o600, What.ROOT_KEY), Publish("ca.crt", "ca.crt", 0o644, What.ROOT)),
    )


def intermediate(order: AuthorityOrder, issuer: Issuer, *, request: Plan | None = None) -> Plan:
    """Return the plan for an intermediate's certificate and chain.

    `request` makes its request, by default one with a new key.
    """
    name = file_stem(order)
    request = request or _intermediate_request(order)
    return Plan(
        f"an intermediate certificate, {order.subject.common_name}",
        (
            Write("intermediate.cnf", authority_section(order, "intermediate.cnf")),
            *request.steps,
            *issuer.steps,
            sign_request(name, "intermediate.cnf", issuer.signing(), days=order.days, section="v3_ca"),
            Join((f"{name}.crt", *issuer.chain), f"{name}-chain.pem"),
            Check(
                f"{name}.crt", issuer=issuer.trusted, days=order.days, purpose="any", extended_key_usage=(), names=()
            ),
        ),
        (Record(f"{name}.crt", "intermediate.cnf", order.subject.oneline()),),
        (*request.publish, _chain_file(name, order.stem), _certificate_file(name, order.stem)),
        needs=issuer.needs,
    )


def _intermediate_request(order: AuthorityOrder) -> Plan:
    name = file_stem(order)
    make = openssl(
        "req -new -newkey {key} {protection} -sha256 -config request.cnf -keyout {new_key} -out {request}",
        key=new_key(order.key_type, "params.pem"),
        protection=_protection(order, NEW_PASSPHRASE),
        new_key=_first_key(order, name),
        request=f"{name}.req",
    )
    return Plan(
        f"a request for {order.subject.common_name}",
        (
            Write("request.cnf", request_config(order)),
            *parameters(order.key_type, "params.pem"),
            make,
            *_encrypted(order, name, NEW_PASSPHRASE),
        ),
        publish=(_key_file(name, order.stem), _request_file(name, order.stem)),
    )


def leaf(
    order: LeafOrder,
    issuer: Issuer | None,
    *,
    request: Plan | None = None,
    key: str | None = None,
    prefix: str = "",
    one_command: bool = False,
) -> Plan:
    """Return the plan for a leaf's certificate, chain and, if ordered, PKCS#12 file; without an issuer it signs itself.

    `request` makes its request, by default one with a new key; `key` is the file of its key, if the plan does not make
    it. With `one_command` one openssl process makes key and certificate, as OpenSSL 3.0 and later can, and there is no
    request. Several plans can share a work folder: the names of a plan's own files there begin with `prefix`.
    """
    name, config = file_stem(order, prefix), f"{prefix}v3_req.cnf"
    key_file = key or f"{name}.key"
    if one_command:
        made = _key_and_certificate(order, issuer, prefix=prefix)
    else:
        made = request or new_request(order, prefix=prefix)
        signing = issuer.signing(template=order.template) if issuer else ("-signkey", key_file)
        sign = sign_request(name, config, signing, days=order.days)
        made = replace(made, steps=(Write(config, extensions(order)), *made.steps, sign))
    p12, p12_files = _p12(order, issuer, name=name, key=key_file)
    needs_key = (key.removeprefix("../"),) if key and (issuer is None or order.p12) else ()
    commands = f"{prefix}{COMMANDS}"
    return Plan(
        f"{order.kind.title} for {order.title}",
        (
            *(issuer.steps if issuer else ()),
            *made.steps,
            *p12,
            *((Join((f"{name}.crt", *issuer.chain), f"{name}-chain.pem"),) if issuer else ()),
            check(order, issuer.trusted if issuer else f"{name}.crt", name=name),
        ),
        (Record(f"{name}.crt", config, order.subject.oneline(), commands),),
        (
            *made.publish,
            *((_chain_file(name, order.stem),) if issuer else ()),
            _certificate_file(name, order.stem),
            *p12_files,
        ),
        needs=(*(issuer.needs if issuer else ()), *needs_key),
        demands=demands(order.names),
        commands=commands,
    )


def new_request(order: LeafOrder, *, prefix: str = "") -> Plan:
    """Return the plan for a key and a request, which carries the extensions of the vendor's own script."""
    name, config = file_stem(order, prefix), f"{prefix}request.cnf"
    # Without the authority key identifier: openssl cannot make one before it knows the issuer.
    extensions = replace(section_of(order), crl_url=None).fill(shipped("gen_certs.cnf"))
    parameter_file = f"{prefix}params.pem"
    before, key = _key(
        order, name, parameters(order.key_type, parameter_file), (new_key(order.key_type, parameter_file),)
    )
    return Plan(
        f"a request for {order.title}",
        (
            Write(config, f"{request_config(order)}\n{extensions}"),
            *before,
            openssl(
                "req -new {key} -sha256 -config {config} -reqexts v3_req -out {request}",
                key=key,
                config=config,
                request=f"{name}.req",
            ),
        ),
        publish=(_key_file(name, order.stem), _request_file(name, order.stem)),
        commands=f"{prefix}{COMMANDS}",
    )


def existing_request(
    order: AuthorityOrder | LeafOrder, text: str, *, prefix: str = "", publish: bool = True, verify: bool = True
) -> Plan:
    """Return the plan that writes a request, in PEM, whose key is elsewhere; what it asks for is not copied.

    `publish` tells whether the request is kept. With `verify` it is a step by itself to hold the signature against the
    key in it. `openssl x509 -req` does so in any case, and explains less: many are signed faster without that step.
    """
    name = file_stem(order, prefix)
    return Plan(
        f"a request for {order.stem}",
        (Write(f"{name}.req", text), *((VerifyRequest(f"{name}.req"),) if verify else ())),
        publish=(_request_file(name, order.stem),) if publish else (),
    )


def _key_and_certificate(order: LeafOrder, issuer: Issuer | None, *, prefix: str) -> Plan:
    """Return the plan for a key, and for a certificate that is made without a request; of OpenSSL 3.0 and later."""
    name, config = file_stem(order, prefix), f"{prefix}v3_req.cnf"
    curve = order.key_type.curve
    kind = (new_key(order.key_type, ""),) if curve is None else ("ec", "-pkeyopt", f"ec_paramgen_curve:{curve}")
    before, key = _key(order, name, (), kind)
    make = openssl(
        "req -new -x509 {key} {signing} -sha256 {validity} -set_serial {serial} -config {config}"
        " -extensions v3_req -out {certificate}",
        key=key,
        signing=issuer.signing(template=order.template) if issuer else (),
        validity=Validity(order.days),
        serial=Serial(),
        config=config,
        certificate=f"{name}.crt",
    )
    return Plan(
        f"a key and a certificate for {order.title}",
        (Write(config, f"{request_config(order)}\n{extensions(order)}"), *before, make),
        publish=(_key_file(name, order.stem),),
    )


def _key(
    order: LeafOrder, name: str, before: tuple[Run, ...], kind: tuple[str, ...]
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Return what to run first, and then the arguments of `openssl req` for the user's own key or a new one.

    A new one is of the given kind, and needs what is in `before`.
    """
    if order.key_file is None:
        return before, ("-newkey", *kind, "-nodes", "-keyout", f"{name}.key")
    copy = openssl("pkey -in {file} -out {key}", file=Outside(order.key_file), key=f"{name}.key")
    return (copy,), ("-key", f"{name}.key")


def sign_request(name: str, config: str, signing: tuple[Argument, ...], *, days: int, section: str = "v3_req") -> Run:
    """Return the step that makes NAME.crt of the request NAME.req."""
    return openssl(
        "x509 -req -in {request} {signing} -sha256 {validity} -set_serial {serial}"
        " -extfile {config} -extensions {section} -out {certificate}",
        request=f"{name}.req",
        signing=signing,
        validity=Validity(days),
        serial=Serial(),
        config=config,
        section=section,
        certificate=f"{name}.crt",
    )


def check(order: LeafOrder, issuer: str, *, name: str) -> Check:
    """Return the step that reads the finished leaf NAME.crt back."""
    kind = order.kind
    return Check(
        f"{name}.crt",
        issuer=issuer,
        days=order.days,
        purpose=kind.purpose if kind.demanded in order.extended_key_usage else "any",
        # The user's own template may leave out the others, but not without a word.
        extended_key_usage=tuple(
            usage for usage in order.extended_key_usage if order.template is None or usage == kind.demanded
        ),
        names=order.subject_alternative_names,
    )


def file_stem(order: AuthorityOrder | LeafOrder, prefix: str = "") -> str:
    """Return how the names of a certificate's files begin in the work folder."""
    return f"{prefix}{order.kind.name if isinstance(order, LeafOrder) else 'intermediate'}"


def _key_file(name: str, stem: str) -> Publish:
    return Publish(f"{name}.key", f"private/{stem}.key", 0o600, What.KEY)


def _request_file(name: str, stem: str) -> Publish:
    return Publish(f"{name}.req", f"reqs/{stem}.req", 0o644, What.REQUEST)


def _chain_file(name: str, stem: str) -> Publish:
    return Publish(f"{name}-chain.pem", f"issued/{stem}-chain.pem", 0o644, What.CHAIN)


def _certificate_file(name: str, stem: str) -> Publish:
    return Publish(f"{name}.crt", f"issued/{stem}.crt", 0o644, What.CERTIFICATE)


def _p12(
    order: LeafOrder, issuer: Issuer | None, *, name: str, key: str
) -> tuple[tuple[Run, ...], tuple[Publish, ...]]:
    """Return how key, certificate and authorities go into a PKCS#12 file, as appliances import them, if ordered."""
    if order.p12 is None:
        return (), ()
    export = pkcs12(
        f"{name}.p12",
        key=key,
        certificate=f"{name}.crt",
        authorities=issuer.trusted if issuer else None,
        name=order.title,
        encryption=order.p12,
    )
    return (export,), (Publish(f"{name}.p12", f"private/{order.stem}.p12", 0o600, What.P12),)


def pkcs12(path: str, *, key: str, certificate: str, authorities: str | None, name: str, encryption: str) -> Run:
    """Return the step that makes a PKCS#12 file, whose entry has a name for people, by one of P12_ENCRYPTIONS."""
    return openssl(
        "pkcs12 -export -inkey {key} -in {certificate} {above} -name {name} {encryption} -passout {password}"
        " -out {path}",
        key=key,
        certificate=certificate,
        above=("-certfile", authorities) if authorities else (),
        name=name,
        encryption=P12_ENCRYPTIONS[encryption],
        password=f"env:{P12_PASSWORD}",
        path=path,
    )


def demands(names: tuple[GeneralName, ...]) -> tuple[str, ...]:
    """Return what openssl must be able to do to verify a certificate with these names."""
    return ("verify URI:sip",) if any(name.kind == "URI" and "//" not in name.value for name in names) else ()


def extensions(order: LeafOrder) -> str:
    """Return the text of a leaf's extension file; raises UsageError if the user's own template cannot be filled."""
    return section_of(order).fill(shipped(order.kind.template) if order.template is None else order.template)


def request_config(order: AuthorityOrder | LeafOrder) -> str:
    """Return the text of a config that gives `openssl req` the subject."""
    return fill(shipped("request.cnf"), {"SUBJECT": order.subject.config_lines()})


def authority_section(order: AuthorityOrder, name: str) -> str:
    """Return the template NAME with what an authority is to have."""
    values = {
        "CA": order.basic_constraints,
        "NAME_CONSTRAINTS": order.constraints.config_value(),
        "CRL_URL": f"URI:{order.crl_url}" if order.crl_url else "",
    }
    return fill(shipped(name), values)


def _protection(order: AuthorityOrder, passphrase: str) -> tuple[str, ...]:
    return ("-passout", f"env:{passphrase}") if order.encrypted else ("-nodes",)


def _first_key(order: AuthorityOrder, name: str) -> str:
    """Return the file of a new key; `req` encrypts by triple DES before OpenSSL 3.5, and a second command does better.

    So the key is never there in plain.
    """
    return f"{name}-3des.key" if order.encrypted else f"{name}.key"


def _encrypted(order: AuthorityOrder, name: str, passphrase: str) -> tuple[Run, ...]:
    """Return the step that encrypts a new key well, if it is to be."""
    if not order.encrypted:
        return ()
    encrypt = openssl(
        "pkcs8 -topk8 -v2 aes-256-cbc -in {new_key} -passin {passphrase} -passout {passphrase} -out {key}",
        new_key=_first_key(order, name),
        passphrase=f"env:{passphrase}",
        key=f"{name}.key",
    )
    return (encrypt,)


def parameters(key_type: KeyType, path: str) -> tuple[Run, ...]:
    """Return what an EC key needs first: a file that names its curve, which `genpkey` before 1.1 would spell out."""
    if key_type.curve is None:
        return ()
    return (openssl("ecparam -name {curve} -out {path}", curve=key_type.curve, path=path),)


def new_key(key_type: KeyType, parameters: str) -> str:
    """Return what `openssl req -newkey` is given for a kind of key, an EC one by a file that names its curve."""
    return f"rsa:{key_type.bits}" if key_type.curve is None else f"ec:{parameters}"
