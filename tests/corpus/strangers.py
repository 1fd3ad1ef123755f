"""Chains that others made, or broke: signatures, paths, and what issuers may sign."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from .der import (
    UTF8,
    certificate,
    dns,
    ec_key,
    eku,
    email,
    extension,
    ip,
    key_usage,
    moment,
    name,
    rsa_key,
    san,
    tlv,
    uri,
)
from .limits import name_constraints
from .writing import (
    BELOW_MIDDLE,
    GOOD,
    GOOD_MIDDLE,
    GOOD_ROOT,
    MIDDLE,
    MIDDLE_KEY,
    OTHER_KEY,
    PBX,
    ROOT,
    ROOT_BEGINS,
    ROOT_DAYS,
    ROOT_KEY,
    SERIAL,
    add,
    authority,
    leaf,
    pem,
)


def changed(der, at=-1):
    """Change one bit, by default the last one of the signature."""
    copy = bytearray(der)
    copy[at] ^= 1
    return bytes(copy)


def middle(**options):
    """Write an intermediate that is good but for what is said."""
    signer = options.pop("signer", ROOT_KEY)
    return authority(subject=MIDDLE, issuer=ROOT, key=MIDDLE_KEY, signer=signer, serial=SERIAL + 2, **options)


def signatures():
    def judged(stem, why, *chain, found=("chain-signature",), profile="apple", each=False):
        add(f"signature-{stem}", why, "".join(map(pem, chain)), *found, profile=profile, each=each)

    judged("leaf", "one bit of its signature has changed", changed(BELOW_MIDDLE), GOOD_MIDDLE, GOOD_ROOT)
    judged("middle", "one bit of the intermediate's", BELOW_MIDDLE, changed(GOOD_MIDDLE), GOOD_ROOT)
    judged("root", "one bit of the root's", BELOW_MIDDLE, GOOD_MIDDLE, changed(GOOD_ROOT))
    judged("two", "without the root", changed(BELOW_MIDDLE), GOOD_MIDDLE)
    order = ("chain-order", "chain-signature")
    judged("any-order", "in another order", changed(BELOW_MIDDLE), GOOD_ROOT, GOOD_MIDDLE, found=order)
    place = GOOD.index(PBX.encode())
    judged("name", "one bit of a name", changed(GOOD, place), GOOD_ROOT, found=("cn-not-in-san", "chain-signature"))
    other = leaf(signer=OTHER_KEY, drop=["AKI"])
    judged("other-key", "signed by another key, and it names none", other, GOOD_ROOT)
    judged("own", "a root that is damaged", changed(GOOD_ROOT), profile="root")
    found = ("chain-signature", "apple-san", "apple-eku", "apple-validity", "leaf-is-ca", "key-usage")
    judged("each", "found where each is judged by itself", changed(GOOD), GOOD_ROOT, each=True, found=found)
    # A root of this name that has another key has not signed it: the one that has is found.
    twin = authority(key=OTHER_KEY, drop=["SKI"])
    named = leaf(drop=["AKI"])
    judged("twin", "of two roots of one name, one has signed", named, twin, GOOD_ROOT, found=("chain-unrelated",))


def built():
    def judged(stem, why, *chain, found=(), profile="apple"):
        add(f"built-{stem}", why, "".join(map(pem, chain)), *found, profile=profile)

    other = name(("CN", "Another Root"))
    cross = authority(subject=ROOT, issuer=other, key=ROOT_KEY, signer=OTHER_KEY, serial=SERIAL + 5)
    another = authority(subject=other, key=OTHER_KEY)
    judged("cross-signed", "the root is below another one as well", GOOD, cross, GOOD_ROOT, found=("chain-unrelated",))
    judged("cross-signed-only", "up to the other root", GOOD, cross, another)
    late = authority(subject=other, key=OTHER_KEY, begins=moment("2015-01-01"))
    found = ("chain-unrelated",)
    judged("cross-signed-expired", "the other root has ended", GOOD, cross, late, GOOD_ROOT, found=found)
    back = authority(subject=other, issuer=ROOT, key=OTHER_KEY, signer=ROOT_KEY, serial=SERIAL + 6)
    judged("circle", "two that have signed each other", GOOD, cross, back)
    old = authority(subject=name(("CN", "Old Root")), key=ec_key("old"), begins=moment("2010-01-01"))
    judged("unrelated", "an old root beside the chain", GOOD, GOOD_ROOT, old, found=("chain-unrelated",))
    judged("twice", "the leaf is there twice", GOOD, GOOD, GOOD_ROOT, found=("chain-unrelated",))
    lower_key, lower = ec_key("lower"), name(("CN", "Lower"))
    low = authority(subject=lower, issuer=MIDDLE, key=lower_key, signer=MIDDLE_KEY, serial=SERIAL + 3)
    below = leaf(issuer=lower, signer=lower_key)
    judged("gap", "one in the middle is missing", below, low, GOOD_ROOT, found=("issuer-mismatch",))
    judged("out-of-order", "the path counts, not the order", below, middle(path_length=0), low, GOOD_ROOT,
           found=("path-length", "chain-order"))  # fmt: skip
    judged("root-beside-leaf", "a bundle of roots is a root's", GOOD_ROOT, another, profile="root",
           found=("chain-unrelated",))  # fmt: skip


def issuers():
    def judged(stem, why, issuer, *found):
        add(f"issuer-{stem}", why, pem(BELOW_MIDDLE) + pem(issuer) + pem(GOOD_ROOT), *found)

    unknown = extension("1.3.6.1.4.1.99999.1", tlv(UTF8, b"private"), critical=True)
    judged("critical-unknown", "no client knows its extension", middle(extra=[unknown]), "critical-unknown")
    only = key_usage("digitalSignature", "cRLSign")
    judged("key-usage", "it must not sign certificates", middle(extra=[only]), "issuer-key-usage")
    judged("eku-client", "for clients alone", middle(extra=[eku("client")]), "issuer-eku")
    judged("eku-server", "for servers", middle(extra=[eku("server")]))
    version_1 = certificate(
        subject=MIDDLE,
        issuer=ROOT,
        key=MIDDLE_KEY,
        signer=ROOT_KEY,
        extensions=None,
        begins=ROOT_BEGINS,
        ends=ROOT_BEGINS + ROOT_DAYS,
        serial=SERIAL + 2,
        version=1,
    )
    judged("version-1", "it cannot say that it is one", version_1, "issuer-not-ca")
    for label, curve in (("p-192", ec.SECP192R1), ("brainpool", ec.BrainpoolP256R1)):
        key = ec_key("root", curve)
        add(f"issuer-{label}", "a curve that Apple does not know", pem(leaf(signer=key)) + pem(authority(key=key)),
            "apple-key-type")  # fmt: skip
    rsa = rsa_key("root")
    pss = pem(BELOW_MIDDLE) + pem(middle(signer=rsa, pss=True)) + pem(authority(key=rsa))
    add("issuer-pss", "zeros in place of a random signature", pss, "apple-signature-type", "chain-signature")


def names():
    def below(constraints, server):
        return pem(server) + pem(authority(extra=[constraints]))

    def directory(*attributes):
        return tlv(0xA4, name(*attributes))

    subject = name(("O", "Example Ltd"), ("CN", PBX))
    inside = name_constraints(permitted=(directory(("O", "Example Ltd")),))
    outside = name_constraints(permitted=(directory(("O", "Another Ltd")),))
    mail = name_constraints(permitted=(email("example.com"),))
    boxes = name_constraints(excluded=(email("boss@example.com"), email(".lab.example.com")))
    web = name_constraints(permitted=(uri("example.com"), uri(".example.com")))
    host = name_constraints(excluded=(dns("secret.example.com"),))
    bad = "name-constraints"
    for stem, why, constraints, server, *found in (
        ("directory", "the organisation is the one", inside, leaf(subject=subject)),
        ("directory-other", "the organisation is another", outside, leaf(subject=subject), bad),
        ("directory-none", "the subject has no organisation", inside, leaf(), bad),
        ("email", "a mailbox of the host", mail, leaf(names=(dns(PBX), email("a@example.com")))),
        ("email-other", "a mailbox elsewhere", mail, leaf(names=(dns(PBX), email("a@sub.example.com"))), bad),
        ("email-excluded", "this very mailbox", boxes, leaf(names=(dns(PBX), email("boss@Example.com"))), bad),
        ("email-below", "a host below", boxes, leaf(names=(dns(PBX), email("a@x.lab.example.com"))), bad),
        ("email-free", "neither", boxes, leaf(names=(dns(PBX), email("a@example.com")))),
        ("uri", "a host of the domain", web, leaf(names=(dns(PBX), uri("https://a.example.com:8443/x")))),
        ("uri-other", "a host elsewhere", web, leaf(names=(dns(PBX), uri("https://example.org/"))), bad),
        ("uri-no-host", "what has no host cannot be held against it", web, leaf(names=(dns(PBX), uri("sip:a"))), bad),
        ("wildcard", "it covers an excluded name", host, leaf(names=(dns(PBX), dns("*.example.com"))), bad),
        ("wildcard-beside", "a wildcard beside it", host, leaf(names=(dns(PBX), dns("*.lab.example.com")))),
    ):  # fmt: skip
        add(f"limits-{stem}", why, below(constraints, server), *found)
    limited = authority(extra=[name_constraints(permitted=(dns("example.com"),))])
    wrong = middle(extra=[san(dns("ca.example.org"))])
    add("limits-of-an-issuer", "its names count", pem(BELOW_MIDDLE) + pem(wrong) + pem(limited), bad)


def usable():
    blank = leaf(names=(dns(" "),))
    add("san-blank", "a name of a blank", blank, "apple-san", "dns-malformed", "cn-not-in-san")
    star = leaf(names=(dns("*"),))
    add("san-star", "a wildcard for nothing", star, "apple-san", "dns-malformed", "cn-not-in-san")
    both = leaf(names=(dns(PBX), dns("10.0.0.5"), ip("10.0.0.5")))
    add("ip-both-ways", "the address is there as such, too", both, "ip-also-as-dns")
    add("appliance-good", "it has a common name", GOOD, profile="appliance")
    add("appliance-no-cn", "some appliances want one", leaf(cn=None, subject=name(("O", "Example Ltd"))), "empty-cn",
        profile="appliance")  # fmt: skip
