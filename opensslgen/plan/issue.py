"""Plans that make certificates: a root, an intermediate, and leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD
from .section import section_of
from .steps import Check, Join, Outside, PassphraseOnStdin, Plan, Publish, Record, Serial, Validity, Write, openssl
from .template import fill, shipped

if TYPE_CHECKING:
    from opensslgen.names.general import GeneralName
    from opensslgen.orders.order import AuthorityOrder, LeafOrder
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
            *parameters(order.key_type, "ca-params.pem"),
            Write("ca.cnf", config),
            make,
            *_encrypted(order, "ca", CA_PASSPHRASE),
            Check("ca.crt", issuer="ca.crt", days=order.days, purpose="any", extended_key_usage=(), names=()),
        ),
        (Record("ca.crt", "ca.cnf", None),),
        (Publish("ca.key", "private/ca.key", 0o600, "root key"), Publish("ca.crt", "ca.crt", 0o644, "root")),
    )


def intermediate(order: AuthorityOrder, issuer: Issuer) -> Plan:
    """Return the plan for an intermediate: its key, request, certificate and chain."""
    return intermediate_below(order, issuer, _intermediate_request(order))


def _intermediate_request(order: AuthorityOrder) -> Plan:
    request = openssl(
        "req -new -newkey {key} {protection} -sha256 -config request.cnf -keyout {new_key} -out intermediate.req",
        key=new_key(order.key_type, "params.pem"),
        protection=_protection(order, NEW_PASSPHRASE),
        new_key=_first_key(order, "intermediate"),
    )
    return Plan(
        f"a request for {order.subject.common_name}",
        (
            *parameters(order.key_type, "params.pem"),
            Write("request.cnf", request_config(order)),
            request,
            *_encrypted(order, "intermediate", NEW_PASSPHRASE),
        ),
        publish=files("intermediate", order.stem)[:2],
    )


def intermediate_below(order: AuthorityOrder, issuer: Issuer, request: Plan) -> Plan:
    """Return the plan that makes the request intermediate.req, and then certificate and chain."""
    return Plan(
        f"an intermediate certificate, {order.subject.common_name}",
        (
            *request.steps,
            Write("intermediate.cnf", authority_section(order, "intermediate.cnf")),
            *issuer.steps,
            signed("intermediate", "intermediate.cnf", issuer.signing(), days=order.days, section="v3_ca"),
            Check(
                "intermediate.crt",
                issuer=issuer.trusted,
                days=order.days,
                purpose="any",
                extended_key_usage=(),
                names=(),
            ),
            Join(("intermediate.crt", *issuer.chain), "intermediate-chain.pem"),
        ),
        (Record("intermediate.crt", "intermediate.cnf", order.subject.oneline()),),
        request.publish + files("intermediate", order.stem)[2:],
        needs=issuer.needs,
    )


def leaf(order: LeafOrder, issuer: Issuer) -> Plan:
    """Return the plan for a leaf's key, request, certificate, chain and, if asked for, PKCS#12 file."""
    made = leaf_below(order, issuer, request_only(order))
    return made if order.p12 is None else with_p12(made, order, order.kind.name, issuer.chain)


def leaf_below(order: LeafOrder, issuer: Issuer, request: Plan) -> Plan:
    """Return the plan that makes a leaf's request, which is named after its kind, and then certificate and chain."""
    name = order.kind.name
    return Plan(
        f"{order.kind.title} for {order.title}",
        (
            *request.steps,
            Write("v3_req.cnf", extensions(order)),
            *issuer.steps,
            signed(name, "v3_req.cnf", issuer.signing(template=order.template), days=order.days),
            check(order, issuer.trusted),
            Join((f"{name}.crt", *issuer.chain), f"{name}-chain.pem"),
        ),
        (Record(f"{name}.crt", "v3_req.cnf", order.subject.oneline()),),
        request.publish + files(name, order.stem)[2:],
        needs=issuer.needs,
        demands=demands(order.names),
    )


def self_signed(order: LeafOrder) -> Plan:
    """Return the plan for a leaf that signs itself, which no authority stands above."""
    made = signing_itself(order, request_only(order))
    return made if order.p12 is None else with_p12(made, order, order.kind.name, ())


def signing_itself(order: LeafOrder, request: Plan, *, key: str | None = None) -> Plan:
    """Return the plan that makes a leaf's request, and then a certificate by its own key, which may lie elsewhere."""
    name = order.kind.name
    return Plan(
        f"{order.kind.title} for {order.title}",
        (
            *request.steps,
            Write("v3_req.cnf", extensions(order)),
            signed(name, "v3_req.cnf", ("-signkey", key or f"{name}.key"), days=order.days),
            check(order, f"{name}.crt"),
        ),
        (Record(f"{name}.crt", "v3_req.cnf", order.subject.oneline()),),
        request.publish + files(name, order.stem)[3:],
        demands=demands(order.names),
    )


def signed(name: str, config: str, signing: tuple[Argument, ...], *, days: int, section: str = "v3_req") -> Run:
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


def check(order: LeafOrder, issuer: str) -> Check:
    """Return the step that reads a finished leaf back."""
    kind = order.kind
    return Check(
        f"{kind.name}.crt",
        issuer=issuer,
        days=order.days,
        purpose=kind.purpose if kind.demanded in order.extended_key_usage else "any",
        # The user's own template may leave out the others, but not without a word.
        extended_key_usage=tuple(
            usage for usage in order.extended_key_usage if order.template is None or usage == kind.demanded
        ),
        names=order.subject_alternative_names,
    )


def files(name: str, stem: str, *, over: str = "nothing") -> tuple[Publish, ...]:
    """Return where the files of a certificate go in the pki folder."""
    return (
        Publish(f"{name}.key", f"private/{stem}.key", 0o600, "key", over),
        Publish(f"{name}.req", f"reqs/{stem}.req", 0o644, "request", over),
        Publish(f"{name}-chain.pem", f"issued/{stem}-chain.pem", 0o644, "chain", over),
        Publish(f"{name}.crt", f"issued/{stem}.crt", 0o644, "certificate", over),
    )


def with_p12(plan: Plan, order: LeafOrder, name: str, chain: tuple[str, ...], *, key: str | None = None) -> Plan:
    """Return the plan with one more file: key, certificate and authorities in PKCS#12, as appliances import them."""
    assert order.p12 is not None
    export = pkcs12(
        f"{name}.p12",
        key=key or f"{name}.key",
        certificate=f"{name}.crt",
        authorities="issuers.pem" if len(chain) > 1 else "".join(chain) or None,
        name=order.title,
        encryption=order.p12,
    )
    target = Publish(f"{name}.p12", f"private/{order.stem}.p12", 0o600, "p12", plan.publish[0].over)
    return replace(plan, steps=(*plan.steps, export), publish=(*plan.publish, target))


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


def request_only(order: LeafOrder) -> Plan:
    """Return the plan for a key and a request, which carries the extensions of the vendor's own script."""
    name = order.kind.name
    # Without the authority key identifier: openssl cannot make one before it knows the issuer.
    extensions = replace(section_of(order), crl_url=None).fill(shipped("gen_certs.cnf"))
    if order.key_file is None:
        key: tuple[str, ...] = ("-newkey", new_key(order.key_type, "params.pem"), "-nodes", "-keyout", f"{name}.key")
        before = parameters(order.key_type, "params.pem")
    else:
        key = ("-key", f"{name}.key")
        before = (openssl("pkey -in {file} -out {key}", file=Outside(order.key_file), key=f"{name}.key"),)
    return Plan(
        f"a request for {order.title}",
        (
            *before,
            Write("request.cnf", f"{request_config(order)}\n{extensions}"),
            openssl(
                "req -new {key} -sha256 -config request.cnf -reqexts v3_req -out {request}",
                key=key,
                request=f"{name}.req",
            ),
        ),
        publish=files(name, order.stem)[:2],
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
