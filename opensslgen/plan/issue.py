"""Plans that issue certificates: roots, intermediates and leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.orders.order import LeafOrder

from . import layout
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
    from collections.abc import Callable

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder
    from opensslgen.x509.key_types import KeyType

    from .steps import Argument, Run, Step

P12_ENCRYPTIONS = {
    "p12": ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC", "-macalg", "sha256"),
    # For older Apple devices, Windows Server 2016, Android and appliances; OpenSSL's -legacy would be RC2-40.
    "p12-compat": ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
}


_OTHER_SUBJECT = ("x509 -force_pubkey",)
"""What openssl has to be able to do if the certificate does not get the subject of its request."""


class Issuer(NamedTuple):
    """The CA that signs, by its files as the work folder sees them."""

    certificate: str
    key: str
    encrypted: bool
    above: str | None = None
    """The certificates above it, up to the root, in one file; None if it is the root."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The files of it that must be in the pki folder already."""
        files = (self.certificate, self.key, self.above or "")
        return tuple(path.removeprefix("../") for path in files if path.startswith("../"))

    @property
    def chain(self) -> tuple[str, ...]:
        """The files of its certificate and of the certificates above it, in this order."""
        return (self.certificate, self.above) if self.above else (self.certificate,)

    @property
    def trusted(self) -> str:
        """The file that `openssl verify` is to trust; its first certificate is the issuer's."""
        return "issuers.pem" if self.above else self.certificate

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that make `trusted`."""
        return (Join(self.chain, self.trusted),) if self.above else ()

    @property
    def unlock(self) -> tuple[str, ...]:
        """The arguments that open its key, with the passphrase in the command's environment."""
        return ("-passin", f"env:{CA_PASSPHRASE}") if self.encrypted else ()

    def signing(self, *, template: str | None = None) -> tuple[Argument, ...]:
        """Return the arguments with which `openssl x509 -req` signs, with the user's template or one of ours.

        No passphrase is in the environment of a command that reads a user's template.
        """
        unlock = self.unlock if template is None or not self.encrypted else (PassphraseOnStdin(CA_PASSPHRASE),)
        return ("-CA", self.certificate, "-CAkey", self.key, *unlock)


def new_root(order: AuthorityOrder) -> Issuer:
    """Return a root that the same plan makes, as an issuer."""
    return Issuer(certificate="ca.crt", key="ca.key", encrypted=order.encrypted)


def root(order: AuthorityOrder) -> Plan:
    """Return the plan for a root: one command, and a second one that encrypts its key strongly."""
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
            Check("ca.crt", issuer="ca.crt", days=order.days),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.key", layout.CA_KEY, 0o600, What.ROOT_KEY), Publish("ca.crt", layout.CA, 0o644, What.ROOT)),
        demands=demands((), order.constraints),
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
            *sign_request(order, name, "intermediate.cnf", issuer.signing(), section="v3_ca"),
            Join((f"{name}.crt", *issuer.chain), f"{name}-chain.pem"),
            Check(f"{name}.crt", issuer=issuer.trusted, days=order.days),
        ),
        (Record(f"{name}.crt", "intermediate.cnf", order.subject.oneline()),),
        (*request.publish, *_publish(name, order.stem, What.CHAIN, What.CERTIFICATE)),
        needs=issuer.needs,
        demands=demands((), order.constraints) + (_OTHER_SUBJECT if order.sets_subject else ()),
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
        publish=_publish(name, order.stem, What.KEY, What.REQUEST),
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
        sign = sign_request(order, name, config, signing)
        made = replace(made, steps=(Write(config, extensions(order)), *made.steps, *sign))
    p12 = _p12(order, issuer, name=name, key=key_file)
    kinds = (*((What.CHAIN,) if issuer else ()), What.CERTIFICATE, *((What.P12,) if p12 else ()))
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
        (*made.publish, *_publish(name, order.stem, *kinds)),
        needs=(*(issuer.needs if issuer else ()), *needs_key),
        demands=demands(order.names) + (_OTHER_SUBJECT if order.sets_subject else ()),
        commands=commands,
    )


def new_request(order: LeafOrder, *, prefix: str = "") -> Plan:
    """Return the plan for a key and a request, which carries the extensions of the vendor's own script."""
    name, config = file_stem(order, prefix), f"{prefix}request.cnf"
    # Without the authority key identifier: openssl cannot make one without an issuer.
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
                "req -new {key} {subject} -sha256 -config {config} -reqexts v3_req -out {request}",
                key=key,
                subject=_empty_subject(order),
                config=config,
                request=f"{name}.req",
            ),
        ),
        publish=_publish(name, order.stem, What.KEY, What.REQUEST),
        commands=f"{prefix}{COMMANDS}",
    )


def _empty_subject(order: AuthorityOrder | LeafOrder) -> tuple[str, ...]:
    """Return the arguments of `openssl req` for an empty subject; openssl accepts no empty section for it."""
    return () if order.subject.attributes else ("-subj", "/")


def existing_request(
    order: AuthorityOrder | LeafOrder, text: str, *, prefix: str = "", publish: bool = True, verify: bool = True
) -> Plan:
    """Return the plan that writes a request in PEM with its key elsewhere; its extensions are not copied.

    With `publish` the request is kept. With `verify` one step checks its signature with the
    key in it. `openssl x509 -req` checks it in any case, but explains less: signing many is faster without that step.
    """
    name = file_stem(order, prefix)
    return Plan(
        f"a request for {order.stem}",
        (Write(f"{name}.req", text), *((VerifyRequest(f"{name}.req"),) if verify else ())),
        publish=_publish(name, order.stem, What.REQUEST) if publish else (),
    )


def _key_and_certificate(order: LeafOrder, issuer: Issuer | None, *, prefix: str) -> Plan:
    """Return the plan for a key and a certificate without a request, for OpenSSL 3.0 and later."""
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
        publish=_publish(name, order.stem, What.KEY),
    )


def _key(
    order: LeafOrder, name: str, before: tuple[Run, ...], kind: tuple[str, ...]
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    """Return the steps to run first, and the arguments of `openssl req` for the user's key or a new one.

    A new key needs `kind` and the steps `before`.
    """
    if order.key_file is None:
        return before, ("-newkey", *kind, "-nodes", "-keyout", f"{name}.key")
    copy = openssl("pkey -in {file} -out {key}", file=Outside(order.key_file), key=f"{name}.key")
    return (copy,), ("-key", f"{name}.key")


def sign_request(
    order: AuthorityOrder | LeafOrder,
    name: str,
    config: str,
    signing: tuple[Argument, ...],
    *,
    section: str = "v3_req",
) -> tuple[Step, ...]:
    """Return the steps that make NAME.crt of the request NAME.req, or of its key and another subject."""
    before, request, key = _another_subject(order, name) if order.sets_subject else ((), f"{name}.req", ())
    sign = openssl(
        "x509 -req -in {request} {key} {signing} -sha256 {validity} -set_serial {serial}"
        " -extfile {config} -extensions {section} -out {certificate}",
        request=request,
        key=key,
        signing=signing,
        validity=Validity(order.days),
        serial=Serial(),
        config=config,
        section=section,
        certificate=f"{name}.crt",
    )
    return (*before, sign)


def _another_subject(
    order: AuthorityOrder | LeafOrder, name: str
) -> tuple[tuple[Step, ...], str, tuple[Argument, ...]]:
    """Return the steps that make a request with the order's subject, its file, and the arguments for the right key.

    The request is signed by a key that is thrown away. `x509 -subj` would read UTF-8 as Latin-1.
    """
    config, public, request = f"{name}-subject.cnf", f"{name}-public.pem", f"{name}-subject.req"
    make = openssl(
        "req -new {subject} -newkey rsa:2048 -nodes -sha256 -config {config} -keyout {throwaway} -out {request}",
        subject=_empty_subject(order),
        config=config,
        throwaway=f"{name}-throwaway.key",
        request=request,
    )
    steps = (
        openssl("req -in {request} -noout -pubkey -out {public}", request=f"{name}.req", public=public),
        Write(config, request_config(order)),
        make,
    )
    return steps, request, ("-force_pubkey", public)


def check(order: LeafOrder, issuer: str, *, name: str) -> Check:
    """Return the step that reads the finished leaf NAME.crt back."""
    kind = order.kind
    return Check(
        f"{name}.crt",
        issuer=issuer,
        days=order.days,
        purpose=kind.purpose if kind.demanded in order.extended_key_usage else "any",
        # The user's own template may leave out the others.
        extended_key_usage=tuple(
            usage for usage in order.extended_key_usage if order.template is None or usage == kind.demanded
        ),
        names=order.subject_alternative_names,
    )


def file_stem(order: AuthorityOrder | LeafOrder, prefix: str = "") -> str:
    """Return how the names of a certificate's files begin in the work folder."""
    return f"{prefix}{order.kind.name if isinstance(order, LeafOrder) else 'intermediate'}"


_FILES: dict[What, tuple[str, Callable[[str], str], int]] = {
    What.KEY: (".key", layout.key, 0o600),
    What.REQUEST: (".req", layout.request, 0o644),
    What.CHAIN: ("-chain.pem", layout.chain, 0o644),
    What.CERTIFICATE: (".crt", layout.certificate, 0o644),
    What.P12: (".p12", layout.p12, 0o600),
}
"""How the file's name ends in the work folder, its name in the pki folder, and its mode."""


def _publish(name: str, stem: str, *kinds: What) -> tuple[Publish, ...]:
    """Return how files of the work folder that begin with `name` become those of the certificate `stem`."""
    return tuple(
        Publish(f"{name}{suffix}", target(stem), mode, what)
        for what in kinds
        for suffix, target, mode in [_FILES[what]]
    )


def _p12(order: LeafOrder, issuer: Issuer | None, *, name: str, key: str) -> tuple[Run, ...]:
    """Return the step that writes a PKCS#12 file with key, certificate and CAs, if ordered."""
    if order.p12 is None:
        return ()
    export = pkcs12(
        f"{name}.p12",
        key=key,
        certificate=f"{name}.crt",
        authorities=issuer.trusted if issuer else None,
        name=order.title,
        encryption=order.p12,
    )
    return (export,)


def pkcs12(path: str, *, key: str, certificate: str, authorities: str | None, name: str, encryption: str) -> Run:
    """Return the step that makes a PKCS#12 file by one of P12_ENCRYPTIONS; `name` is the name of its entry."""
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


def demands(names: tuple[GeneralName, ...], constraints: NameConstraints | None = None) -> tuple[str, ...]:
    """Return the capabilities that openssl needs to verify a certificate with these names below these constraints.

    Without names, those for any certificate below them.
    """
    has_uri = any(name.kind == "URI" and "//" not in name.value for name in names)
    has_address = not names or any(name.kind == "IP" for name in names)
    is_limited = has_address and constraints is not None and constraints.limit_addresses
    return (
        *(("verify URI:sip",) if has_uri else ()),
        *(("verify name constraints with addresses",) if is_limited else ()),
    )


def extensions(order: LeafOrder) -> str:
    """Return the text of a leaf's extension file; raises UsageError if the user's own template cannot be filled."""
    return section_of(order).fill(shipped(order.kind.template) if order.template is None else order.template)


def request_config(order: AuthorityOrder | LeafOrder) -> str:
    """Return the text of a config that gives `openssl req` the subject; an empty one is given by -subj.

    With `prompt = no`, openssl before 3.0 ignores -subj.
    """
    text = shipped("request.cnf")
    if not order.subject.attributes:
        text = text.replace("prompt = no\n", "")
    return fill(text, {"SUBJECT": order.subject.config_lines()})


def authority_section(order: AuthorityOrder, name: str) -> str:
    """Return the template NAME with the values of a CA."""
    values = {
        "CA": order.basic_constraints,
        "NAME_CONSTRAINTS": order.constraints.config_value(),
        "CRL_URL": f"URI:{order.crl_url}" if order.crl_url else "",
    }
    return fill(shipped(name), values)


def _protection(order: AuthorityOrder, passphrase: str) -> tuple[str, ...]:
    return ("-passout", f"env:{passphrase}") if order.encrypted else ("-nodes",)


def _first_key(order: AuthorityOrder, name: str) -> str:
    """Return the file of a new key; `req` before OpenSSL 3.5 uses triple DES, so a second command encrypts it again.

    The key is never stored unencrypted.
    """
    return f"{name}-3des.key" if order.encrypted else f"{name}.key"


def _encrypted(order: AuthorityOrder, name: str, passphrase: str) -> tuple[Run, ...]:
    """Return the step that encrypts a new key strongly, if ordered."""
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
    """Return the step that writes the file with an EC key's curve by name; `genpkey` before 1.1 would not name it."""
    if key_type.curve is None:
        return ()
    return (openssl("ecparam -name {curve} -out {path}", curve=key_type.curve, path=path),)


def new_key(key_type: KeyType, parameters: str) -> str:
    """Return the argument of `openssl req -newkey` for a key type; an EC key needs a file that names its curve."""
    return f"rsa:{key_type.bits}" if key_type.curve is None else f"ec:{parameters}"
