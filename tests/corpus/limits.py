"""Clients' certificates, and authorities that may not sign for every name or at every depth."""

from __future__ import annotations

from ipaddress import ip_network

from .der import (
    basic_constraints,
    days,
    dns,
    ec_key,
    eku,
    email,
    extension,
    ip,
    name,
    request,
    rsa_key,
    san,
    seq,
    tlv,
    uri,
)
from .writing import (
    BELOW_MIDDLE,
    GOOD,
    LEAF_KEY,
    MIDDLE,
    MIDDLE_KEY,
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


def network(text):
    """Write a name of a subtree: an address and its mask (RFC 5280 section 4.2.1.10)."""
    value = ip_network(text)
    return tlv(0x87, value.network_address.packed + value.netmask.packed)


def name_constraints(*, permitted=(), excluded=(), critical=True):
    trees = [tlv(tag, *(seq(each) for each in names)) for tag, names in ((0xA0, permitted), (0xA1, excluded)) if names]
    return extension("2.5.29.30", seq(*trees), critical=critical)


def crl_url(*urls):
    points = [seq(tlv(0xA0, tlv(0xA0, uri(url)))) for url in urls]
    return extension("2.5.29.31", seq(*points))


def client(**options):
    return leaf(**{"cn": "Alice", "names": (), "usages": ("client",), **options})


def clients():
    def judged(stem, why, content, *findings):
        add(f"client-{stem}", why, content, *findings, profile="client")

    judged("good", "a person's, with no other name than the common one", client())
    judged("mail", "a person's, by mail address", client(names=(email("alice@example.com"),)))
    judged("phone", "a phone's, by host name", client(cn="phone-17.example.com", names=(dns("phone-17.example.com"),)))
    judged("and-server", "for both", client(usages=("server", "client")))
    judged("ten-years", "no server minds", client(valid=days(3650)))
    judged("eku-missing", "OpenSSL would let it pass, others not", client(usages=()), "client-eku")
    judged("eku-server", "a server's", client(usages=("server",)), "client-eku")
    judged("eku-any", "any is not clientAuth", client(usages=("any",)), "client-eku")
    judged("is-ca", "a client that is an authority", client(extra=[basic_constraints(ca=True)]), "leaf-is-ca")
    judged("rsa-1024", "too small a key", client(key=rsa_key("leaf", 1024)), "apple-key-size")
    judged("nobody", "nobody's", client(cn=None, subject=name()), "empty-cn")
    for stem, asked, found in (
        ("request", [eku("client")], ()),
        ("request-for-a-server", [eku("server"), san(dns(PBX))], ("client-eku",)),
    ):
        der = request(subject=name(("CN", "Alice")), key=LEAF_KEY, extensions=asked)
        judged(stem, "what is asked for", pem(der, "CERTIFICATE REQUEST"), *found)


def paths():
    def limited(length, **options):
        return authority(path_length=length, **options)

    def middle(length=None, **options):
        options = {"subject": MIDDLE, "issuer": ROOT, "key": MIDDLE_KEY, "signer": ROOT_KEY, **options}
        return authority(path_length=length, serial=SERIAL + 2, **options)

    add("path-leaf", "a leaf is no authority below", pem(GOOD) + pem(limited(0)))
    add("path-just-enough", "one is allowed, and there is one", pem(BELOW_MIDDLE) + pem(middle(0)) + pem(limited(1)))
    add(
        "path-too-long",
        "none is allowed, and there is one",
        pem(BELOW_MIDDLE) + pem(middle()) + pem(limited(0)),
        "path-length",
    )
    lower_key, lower_name = ec_key("lower"), name(("CN", "Lower"))
    lower = authority(subject=lower_name, issuer=MIDDLE, key=lower_key, signer=MIDDLE_KEY, serial=SERIAL + 3)
    below = pem(leaf(issuer=lower_name, signer=lower_key)) + pem(lower)
    add(
        "path-too-long-below-the-middle",
        "the one in the middle allows none",
        below + pem(middle(0)) + pem(limited(5)),
        "path-length",
    )
    add("path-two-of-one", "one is allowed, and there are two", below + pem(middle()) + pem(limited(1)), "path-length")
    add("path-two-of-two", "two are allowed", below + pem(middle()) + pem(limited(2)))
    rolled = authority(key=OTHER_KEY, signer=ROOT_KEY, serial=SERIAL + 4)
    own = pem(leaf(signer=OTHER_KEY)) + pem(rolled)
    add("path-self-issued", "what only carries the name on to a new key does not count", own + pem(limited(0)))
    add(
        "path-of-an-authority",
        "an authority may not stand below",
        pem(middle()) + pem(limited(0)),
        "path-length",
        profile="root",
    )
    add("path-of-an-authority-allowed", "it may", pem(middle()) + pem(limited(1)), profile="root")


def limits():
    def below(constraints, *, names=None):
        return pem(leaf(names=names or (dns(PBX),))) + pem(authority(extra=[constraints]))

    both = name_constraints(permitted=(dns("example.com"), network("10.0.0.0/8"), network("2001:db8::/32")))
    for stem, why, names, *found in (
        ("domain-below", "a host of the domain", (dns(PBX),)),
        ("domain-itself", "the domain itself", (dns(PBX), dns("example.com"))),
        ("domain-case", "letters' case says nothing", (dns(PBX), dns("SIP.Example.COM"))),
        ("domain-wildcard", "a wildcard below the domain", (dns(PBX), dns("*.example.com"))),
        ("domain-other", "another domain", (dns(PBX), dns("pbx.example.org")), "name-constraints"),
        ("domain-suffix", "it ends with the same letters only", (dns(PBX), dns("evilexample.com")), "name-constraints"),
        ("domain-above", "the domain above", (dns(PBX), dns("com.example")), "name-constraints"),
        ("address", "an address of the network", (dns(PBX), ip("10.255.255.255"), ip("2001:db8::5"))),
        ("address-v4-other", "an address beside the network", (dns(PBX), ip("11.0.0.0")), "name-constraints"),
        ("address-v6-other", "an address beside the network", (dns(PBX), ip("2001:db9::5")), "name-constraints"),
        ("other-kinds", "mail and URIs are not limited", (dns(PBX), email("a@b.example"), uri("sip:b.example"))),
    ):  # fmt: skip
        add(f"limits-{stem}", why, below(both, names=names), *found)
    bad = name_constraints(excluded=(dns("bad.example.com"), network("10.9.0.0/16")))
    names = (dns(PBX), ip("10.0.0.5"), dns("notbad.example.com"))
    add("limits-not-excluded", "all but the excluded ones", below(bad, names=names))
    names = (dns(PBX), dns("a.bad.example.com"))
    add("limits-excluded-domain", "below an excluded domain", below(bad, names=names), "name-constraints")
    names = (dns(PBX), ip("10.9.8.7"))
    add("limits-excluded-address", "in an excluded network", below(bad, names=names), "name-constraints")
    over = name_constraints(permitted=(dns("example.com"),), excluded=(dns(PBX),))
    add("limits-excluded-wins", "permitted and excluded", below(over), "name-constraints")
    nothing = name_constraints(excluded=(network("0.0.0.0/0"), network("::/0")))
    add("limits-no-address", "no address at all", below(nothing, names=(dns(PBX), ip("10.0.0.5"))), "name-constraints")
    add(
        "limits-of-mail-alone",
        "what is limited is another kind",
        below(name_constraints(permitted=(email("example.org"),))),
    )
    add(
        "limits-not-critical",
        "they hold, critical or not",
        below(name_constraints(permitted=(dns("b.example"),), critical=False)),
        "name-constraints",
    )
    middle = authority(subject=MIDDLE, issuer=ROOT, key=MIDDLE_KEY, signer=ROOT_KEY, serial=SERIAL + 2, extra=[both])
    text = pem(leaf(issuer=MIDDLE, signer=MIDDLE_KEY, names=(dns(PBX), ip("192.168.1.1")))) + pem(middle)
    add(
        "limits-of-the-middle",
        "the intermediate is limited, the root is not",
        text + pem(authority()),
        "name-constraints",
    )
    add("limits-root", "a root that is limited is as good as any", authority(extra=[both]), profile="root")
    add(
        "crl-url",
        "where its revocation list is",
        leaf(extra=[crl_url("http://pki.example.com/crl.der", "ldap:///cn=x")]),
    )
