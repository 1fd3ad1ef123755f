"""Chains, roots, and the certificates of other profiles."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from .der import (
    PRINTABLE,
    aki,
    basic_constraints,
    certificate,
    days,
    dns,
    ec_key,
    eku,
    email,
    integer,
    ip,
    key_identifier,
    key_usage,
    moment,
    name,
    rsa_key,
    san,
    ski,
    tlv,
    uri,
)
from .limits import name_constraints
from .writing import (
    AT,
    BEGINS,
    BELOW_MIDDLE,
    GOOD,
    GOOD_MIDDLE,
    GOOD_ROOT,
    LEAF_KEY,
    OTHER_KEY,
    PBX,
    ROOT,
    ROOT_KEY,
    SERIAL,
    add,
    authority,
    leaf,
    pem,
)


def chains():
    add("chain-leaf-root", "the issuer follows", pem(GOOD) + pem(GOOD_ROOT))
    three = pem(BELOW_MIDDLE) + pem(GOOD_MIDDLE) + pem(GOOD_ROOT)
    add("chain-of-three", "each is followed by its issuer", three, profile="apple strict")
    add("chain-of-two", "the root need not be there", pem(BELOW_MIDDLE) + pem(GOOD_MIDDLE))
    wrong = pem(BELOW_MIDDLE) + pem(GOOD_ROOT) + pem(GOOD_MIDDLE)
    add("chain-out-of-order", "the root before the intermediate", wrong, "chain-order")
    why = "the first one is judged, and that is no server"
    found = ("apple-san", "apple-eku", "apple-validity", "leaf-is-ca", "key-usage", "chain-unrelated")
    add("chain-root-first", why, pem(GOOD_ROOT) + pem(GOOD), *found)
    other = authority(subject=name(("CN", "Another Root")), key=OTHER_KEY)
    add("chain-other-root", "what follows has issued nothing here", pem(GOOD) + pem(other), "issuer-mismatch")
    add(
        "chain-aki-mismatch",
        "two roots of one name: the key identifier tells them apart",
        pem(GOOD) + pem(authority(key=OTHER_KEY)),
        "aki-mismatch",
    )
    add(
        "chain-aki-mismatch-above",
        "the intermediate names another root's key",
        pem(BELOW_MIDDLE) + pem(GOOD_MIDDLE) + pem(authority(key=OTHER_KEY)),
        "aki-mismatch",
    )
    not_ca = authority(extra=[basic_constraints()])
    add("chain-issuer-not-ca", "the issuer is no authority", pem(GOOD) + pem(not_ca), "issuer-not-ca")
    plain = authority(drop=["BC"])
    add("chain-issuer-without-constraints", "the issuer does not say", pem(GOOD) + pem(plain), "issuer-not-ca")
    short = authority(valid=days(100))
    add("chain-outlives", "valid for longer than its issuer", pem(GOOD) + pem(short), "leaf-outlives-issuer")
    old = authority(begins=moment("2020-01-01"), valid=days(365))
    add("chain-issuer-expired", "its issuer has ended", pem(GOOD) + pem(old), "leaf-outlives-issuer", "expired")
    late = authority(begins=moment("2026-06-01"))
    add("chain-issuer-not-yet", "its issuer has not begun", pem(GOOD) + pem(late), "not-yet-valid")
    printable = leaf(issuer=name(("O", "EXAMPLE  Ltd"), ("CN", "example root"), tag=PRINTABLE))
    add("chain-name-in-other-case", "the same name in another string type and case", pem(printable) + pem(GOOD_ROOT))
    add(
        "bundle-each",
        "every block on its own: a good one, a bad one, a good one",
        pem(GOOD) + pem(leaf(usages=())) + pem(GOOD),
        "apple-eku",
        each=True,
    )


def public():
    def judged(stem, why, der, *findings, at=None):
        add(f"public-{stem}", why, der, *findings, profile="public", at=at or AT)

    def server(**options):
        return leaf(**{"names": (dns(PBX),), "usages": ("server",), "valid": days(90), **options})

    judged("good", "a public server's certificate", server())
    for begins, most in (("2020-09-01", 398), ("2026-03-15", 200), ("2027-03-15", 100), ("2029-03-15", 47)):
        first = moment(begins)
        at = first + days(5)
        certificate = server(begins=first, valid=days(most, -1))
        judged(f"{most}-days", "the first and the last second count", certificate, at=at)
        certificate = server(begins=first, valid=days(most))
        why = f"what -days {most} makes is a second too long"
        judged(f"{most}-days-plus-1s", why, certificate, "public-validity", at=at)
    for begins, most in (("2026-03-15", 398), ("2027-03-15", 200), ("2029-03-15", 100)):
        last = moment(begins) - days(0, 1)
        certificate = server(begins=last, valid=days(most, -1))
        judged(f"{most}-days-until-{begins}", "a second before the next step", certificate, at=last + days(5))
        certificate = server(begins=last + days(0, 1), valid=days(most, -1))
        judged(
            f"{most}-days-from-{begins}",
            "too long from this second on",
            certificate,
            "public-validity",
            at=last + days(5),
        )
    certificate = server(begins=moment("2020-08-31 23:59:59"), valid=days(825))
    judged("before-september-2020", "825 days were allowed", certificate, at=moment("2020-10-01"))
    judged("eku-missing", "it has to say what it is for", server(usages=()), "public-eku")
    judged("eku-any", "not for everything", server(usages=("server", "any")), "public-eku")
    judged("san-missing", "no names", server(names=()), "public-san")
    judged("san-mail", "only hosts and addresses", server(names=(dns(PBX), email("a@example.com"))), "public-san")
    judged("cn-missing", "a common name is not needed", server(cn=None, names=(), extra=[san(dns(PBX), critical=True)]))
    for stem, value in (("local", dns("pbx.local")), ("single-label", dns("pbx")), ("private", ip("10.0.0.5"))):
        names = (dns(PBX), value)
        judged(f"internal-{stem}", "a name that anyone may use", server(names=names), "public-internal-name")
    judged("address", "an address of the world", server(names=(dns(PBX), ip("9.9.9.9"))))


def strict():
    def judged(stem, why, text, *findings):
        add(f"strict-{stem}", why, text, *findings, profile="strict")

    judged("good", "leaf and root as all clients want them", pem(GOOD) + pem(GOOD_ROOT))
    judged("aki-missing", "the post's block as printed, before OpenSSL 3", leaf(drop=["AKI"]), "strict-aki")
    by_name = aki(None, extra=tlv(0xA1, tlv(0xA4, ROOT)) + tlv(0x82, integer(SERIAL + 1)[2:]))
    judged("aki-by-name", "it names the issuer's certificate, not its key", leaf(extra=[by_name]), "strict-aki")
    own = {"issuer": name(("CN", PBX)), "signer": LEAF_KEY, "drop": ["AKI"]}
    judged("self-signed", "who signs itself names no issuer", leaf(**own))
    judged("ski-missing-on-leaf", "only authorities need one", leaf(drop=["SKI"]))
    without_ski = authority(drop=["SKI"])
    judged("ski-missing", "a root without key identifier", pem(GOOD) + pem(without_ski), "strict-ski")
    loose = authority(extra=[basic_constraints(ca=True, critical=False)])
    judged(
        "constraints-not-critical",
        "as IP Office's secondary makes them",
        pem(GOOD) + pem(loose),
        "strict-basic-constraints",
    )
    no_usage = authority(drop=["KU"])
    judged("no-key-usage", "a root without key usage", pem(GOOD) + pem(no_usage), "strict-key-usage")
    wrong = authority(extra=[key_usage("digitalSignature")])
    judged("no-key-cert-sign", "a root that must not sign", pem(GOOD) + pem(wrong), "strict-key-usage")
    signs = leaf(extra=[key_usage("digitalSignature", "keyCertSign")])
    judged("key-cert-sign-on-leaf", "as MikroTik's templates make servers", signs, "strict-key-cert-sign")
    judged("ski-critical", "must not be critical", leaf(extra=[ski(LEAF_KEY, critical=True)]), "strict-critical")
    critical = aki(key_identifier(ROOT_KEY), critical=True)
    judged("aki-critical", "must not be critical", leaf(extra=[critical]), "strict-critical")
    critical = san(dns(PBX), critical=True)
    judged("san-critical", "need not be critical beside a subject", leaf(extra=[critical]), "strict-critical")
    judged("san-critical-no-subject", "must be critical without a subject", leaf(cn=None, extra=[critical]))
    uncritical = leaf(cn=None, names=(dns(PBX),))
    judged("san-not-critical-no-subject", "must be critical without a subject", uncritical, "strict-critical")
    judged("eku-client", "for a client alone", leaf(usages=("client",)), "strict-eku")
    judged("eku-missing", "none allows all", leaf(usages=()))
    client = authority(extra=[eku("client")])
    judged("eku-client-issuer", "an issuer for clients alone", pem(GOOD) + pem(client), "strict-eku")
    judged("eku-any", "any is not enough for OpenSSL and cryptography", leaf(usages=("any",)), "strict-eku")
    odd = ec_key("root", ec.SECP256K1)
    other = leaf(signer=odd, extra=[aki(key_identifier(odd))])
    judged("issuer-secp256k1", "a curve that no browser knows", pem(other) + pem(authority(key=odd)), "strict-key-type")
    nobody = pem(leaf(issuer=name())) + pem(authority(subject=name()))
    judged("issuer-without-name", "a root of no name", nobody, "strict-issuer-name")
    limited = name_constraints(permitted=[dns("example.com")])
    judged("constraints-on-leaf", "only a CA may have them", leaf(extra=[limited]), "strict-constraints")
    judged("constraints-on-root", "as Chrome honours them", pem(GOOD) + pem(authority(extra=[limited])))
    dotted = authority(extra=[name_constraints(permitted=[dns(".example.com")])])
    judged("constraint-dot", "a domain does not begin with a dot", pem(GOOD) + pem(dotted), "strict-constraints")
    judged("version-1", "without extensions", certificate_v1(), "apple-san", "strict-version", "strict-aki")


def certificate_v1():
    """Write what `x509 -req` without an extension file made before OpenSSL 3."""
    return certificate(
        subject=name(("CN", PBX)),
        issuer=ROOT,
        key=LEAF_KEY,
        signer=ROOT_KEY,
        extensions=None,
        begins=BEGINS,
        ends=BEGINS + days(820),
        serial=SERIAL,
        version=1,
    )


def roots():
    def judged(stem, why, der, *findings, profile="root"):
        add(f"root-{stem}", why, der, *findings, profile=profile)

    judged("good", "what opensslgen itself would make", GOOD_ROOT)
    judged("good-for-all", "no rule for servers is held against a root", GOOD_ROOT, profile="apple public strict root")
    unnamed = name(("O", "Example Ltd"))
    judged("cn-missing", "iOS would not list it", authority(subject=unnamed), "root-cn")
    judged("not-ca", "a server is no root", GOOD, "root-ca", "root-key-cert-sign")
    judged(
        "no-key-cert-sign",
        "it must not sign",
        authority(extra=[key_usage("cRLSign")]),
        "root-key-cert-sign",
    )
    judged("eku-client", "for clients alone", authority(extra=[eku("client")]), "root-eku")
    judged("eku-both", "as the IP Office's own root", authority(extra=[eku("server", "client")]))
    judged("eku-any", "any is not enough for OpenSSL", authority(extra=[eku("any")]), "root-eku")
    judged("ski-missing", "Python 3.13 refuses it", authority(drop=["SKI"]), "root-ski")
    loose = authority(extra=[basic_constraints(ca=True, critical=False), key_usage("keyCertSign", critical=False)])
    judged("not-critical", "neither is critical", loose, "root-critical", "root-critical")
    judged("no-key-usage", "no key usage allows all, but not to Python", authority(drop=["KU"]), "root-critical")
    judged("rsa-1024", "too small a key", authority(key=rsa_key("root", 1024)), "apple-key-size")
    judged("sha1", "what signs itself is trusted by itself", authority(key=rsa_key("root"), digest="sha1"))
    judged("expired", "it has ended", authority(begins=moment("2015-01-01")), "expired")
    rsa = rsa_key("root")
    avaya = name(("CN", "ipoffice-root-box.avaya.com"), ("OU", "GCS"), ("O", "Avaya Inc"))
    ipoffice = authority(
        subject=avaya,
        key=rsa,
        extra=[
            key_usage("digitalSignature", "keyCertSign", critical=False),
            eku("server", "client"),
            san(uri("box.avaya.com")),
        ],
    )
    judged("ip-office", "as IP Office's own root is documented", ipoffice, "root-critical")
