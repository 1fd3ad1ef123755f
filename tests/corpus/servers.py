"""Servers' certificates: Apple's rules, and those of every client."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from .der import (
    BMP,
    GENERALIZED_TIME,
    T61,
    UTF8,
    basic_constraints,
    bits,
    days,
    dns,
    ec_key,
    ed448_key,
    ed25519_key,
    eku,
    email,
    explicit_spki,
    extension,
    ip,
    key_usage,
    moment,
    name,
    rsa_key,
    san,
    seq,
    time,
    tlv,
    uri,
)
from .writing import (
    BEGINS,
    BELOW_MIDDLE,
    GOOD,
    LEAF_KEY,
    MIDDLE,
    MIDDLE_KEY,
    PBX,
    ROOT,
    ROOT_KEY,
    SERIAL,
    add,
    authority,
    leaf,
    pem,
)


def apple():  # noqa: PLR0915 - a table
    add("apple-good-ec", "what opensslgen itself would make with an EC key", GOOD)
    rsa = rsa_key("leaf")
    both = key_usage("digitalSignature", "keyEncipherment")
    add("apple-good-rsa", "2048 bits are enough", leaf(key=rsa, extra=[both]))
    add("apple-rsa-2047", "one bit too few", leaf(key=rsa_key("leaf", 2047), extra=[both]), "apple-key-size")
    add("apple-rsa-1024", "the size of old appliances", leaf(key=rsa_key("leaf", 1024)), "apple-key-size")
    small = rsa_key("root", 1024)
    below = leaf(signer=small)
    add(
        "apple-rsa-1024-issuer",
        "the issuer's key counts as much as the leaf's",
        pem(below) + pem(authority(key=small)),
        "apple-key-size",
    )
    for curve, found in (
        (ec.SECP384R1, ()),
        (ec.SECP521R1, ()),
        (ec.SECP224R1, ("apple-key-type",)),
        (ec.SECP256K1, ("apple-key-type",)),
        (ec.BrainpoolP256R1, ("apple-key-type",)),
    ):
        add(f"apple-ec-{curve.name.lower()}", "a curve that is not P-256", leaf(key=ec_key("leaf", curve)), *found)
    add("apple-ed25519", "not for TLS servers on Apple's devices", leaf(key=ed25519_key("leaf")), "apple-key-type")
    add("apple-ed448", "not for TLS servers on Apple's devices", leaf(key=ed448_key("leaf")), "apple-key-type")
    add(
        "apple-ec-explicit", "P-256 with its curve spelled out", leaf(public_key=explicit_spki(LEAF_KEY)), "ec-explicit"
    )
    add(
        "apple-ec-explicit-issuer",
        "an issuer with its curve spelled out",
        pem(GOOD) + pem(authority(public_key=explicit_spki(ROOT_KEY))),
        "ec-explicit",
    )

    rsa_root = rsa_key("root")
    for digest in ("md5", "sha1"):
        certificate = leaf(signer=rsa_root, digest=digest)
        add(f"apple-{digest}-rsa", "a signature before SHA-2", certificate, "apple-signature-hash")
    for digest in ("sha224", "sha256", "sha384", "sha512"):
        add(f"apple-{digest}-rsa", "one of the SHA-2 family", leaf(signer=rsa_root, digest=digest))
    add("apple-sha1-ecdsa", "a signature before SHA-2", leaf(digest="sha1"), "apple-signature-hash")
    add("apple-sha384-ecdsa", "one of the SHA-2 family", leaf(digest="sha384"))
    add("apple-sha3-ecdsa", "newer than the SHA-2 family", leaf(digest="sha3-256"), "apple-signature-hash")
    add("apple-pss-sha256", "RSASSA-PSS that names SHA-256", leaf(signer=rsa_root, pss=True), "apple-signature-type")
    certificate = leaf(signer=rsa_root, pss=True, digest="sha1")
    add(
        "apple-pss-default",
        "RSASSA-PSS without parameters means SHA-1",
        certificate,
        "apple-signature-hash",
        "apple-signature-type",
    )
    certificate = leaf(signer=ed25519_key("root"), drop=["AKI"])
    add("apple-signed-by-ed25519", "its signature has no hash of the list", certificate, "apple-signature-hash")
    middle = authority(subject=MIDDLE, issuer=ROOT, key=MIDDLE_KEY, signer=rsa_root, serial=SERIAL + 2, digest="sha1")
    add(
        "apple-sha1-issuer",
        "the issuer's signature counts as much as the leaf's",
        pem(BELOW_MIDDLE) + pem(middle) + pem(authority(key=rsa_root)),
        "apple-signature-hash",
    )
    add(
        "apple-sha1-root",
        "what signs itself is trusted by itself",
        pem(leaf(signer=rsa_root)) + pem(authority(key=rsa_root, digest="sha1")),
    )

    add("apple-san-missing", "the common name does not count", leaf(names=()), "apple-san")
    only = (email("pbx@example.com"), uri("sip:example.com"))
    add("apple-san-no-host", "names, but none of a server", leaf(names=only), "apple-san")
    add("apple-san-address-only", "known by its address alone", leaf(cn="10.0.0.5", names=(ip("10.0.0.5"),)))
    all_kinds = (dns(PBX), ip("10.0.0.5"), ip("2001:db8::5"), uri("sip:example.com"), email("pbx@example.com"))
    add("apple-san-all-kinds", "as IP Office and its SIP profile want them", leaf(names=all_kinds))

    add("apple-eku-missing", "the seed's fault: the form cannot set it", leaf(usages=()), "apple-eku")
    add("apple-eku-client", "for a client alone", leaf(usages=("client",)), "apple-eku")
    add("apple-eku-any", "any is not serverAuth", leaf(usages=("any",)), "apple-eku")
    add("apple-eku-unknown", "a private usage", leaf(usages=("1.3.6.1.4.1.5923.1.1",)), "apple-eku")
    add("apple-eku-server", "clientAuth is not needed", leaf(usages=("server",)))
    add("apple-eku-any-and-server", "serverAuth beside any", leaf(usages=("any", "server")))
    add("apple-eku-critical", "a critical one is known to all", leaf(extra=[eku("server", critical=True)]))
    vendor = leaf(usages=(), valid=days(2555))
    add(
        "apple-vendor-default",
        "what the vendor's script makes: 7 years, no usage",
        vendor,
        "apple-eku",
        "apple-validity",
    )

    add("apple-825-days", "exactly 825 * 86,400 s is allowed", leaf(valid=days(825)))
    add("apple-825-days-less-1s", "as others count 825 days", leaf(valid=days(825, -1)))
    add("apple-825-days-plus-1s", "one second more is not", leaf(valid=days(825, 1)), "apple-validity")
    certificate = leaf(valid=days(825, 3600))
    add("apple-825-days-plus-1h", "Apple's code lets this hour pass, its list does not", certificate, "apple-validity")
    add("apple-826-days", "a day too many", leaf(valid=days(826)), "apple-validity")
    add("apple-2555-days", "seven years", leaf(valid=days(2555)), "apple-validity")
    for stem, begins, found in (
        ("1s-before", "2019-06-30 23:59:59", ()),
        ("at", "2019-07-01 00:00:00", ("apple-eku", "apple-validity")),
        ("1s-after", "2019-07-01 00:00:01", ("apple-eku", "apple-validity")),
    ):
        certificate = leaf(usages=(), valid=days(2555), begins=moment(begins))
        why = "the rules of July 2019 are for what begins then or later"
        add(f"apple-july-2019-{stem}", why, certificate, *found, at=moment("2019-08-01"))
    certificate = leaf(begins=moment("2049-06-01"), valid=days(400))
    add("apple-across-2050", "UTCTime, then GeneralizedTime", certificate, at=moment("2049-07-01"))
    begins = moment("2026-01-01")
    general = tlv(GENERALIZED_TIME, b"20260101000000Z")
    certificate = leaf(begins=general, ends=time(begins + days(820)))
    add("apple-early-generalized-time", "RFC 5280 wants UTCTime, but all read it", certificate)
    certificate = leaf(begins=moment("1949-12-31"), ends=time(moment("2026-12-31")))
    add("apple-begins-1949", "before UTCTime begins, and so before the rules", certificate)


def common():  # noqa: PLR0915 - a table
    ends = BEGINS + days(820)
    add("expired-last-second", "the last second counts", GOOD, at=ends)
    add("expired-by-1s", "and the next one does not", GOOD, "expired", at=ends + days(0, 1))
    add("not-yet-first-second", "the first second counts", GOOD, at=BEGINS)
    add("not-yet-by-1s", "and the one before does not", GOOD, "not-yet-valid", at=BEGINS - days(0, 1))
    certificate = leaf(valid=days(-1))
    add(
        "ends-before-it-begins",
        "it is valid at no time",
        certificate,
        "expired",
        "not-yet-valid",
        at=BEGINS - days(0, 1),
    )
    add("expires-soon", "within the days asked for, to the second", GOOD, "expires-soon", at=ends - days(30), within=30)
    add("expires-later", "a second later than the days asked for", GOOD, at=ends - days(30, 1), within=30)
    add("expires-never-soon", "what has expired does not expire soon", GOOD, "expired", at=ends + days(1), within=30)

    ca = [basic_constraints(ca=True)]
    add("leaf-is-ca", "a server that says it is an authority", leaf(extra=ca), "leaf-is-ca")
    add("leaf-without-constraints", "no basicConstraints means no authority", leaf(drop=["BC"]))
    rsa = rsa_key("leaf")
    certificate = leaf(
        cn="ipoffice.example.com",
        issuer=name(("CN", "ipoffice.example.com")),
        key=rsa,
        signer=rsa,
        valid=days(825),
        extra=[
            basic_constraints(ca=True, path_length=0),
            key_usage("digitalSignature", "keyEncipherment", "keyCertSign"),
        ],
    )
    add("leaf-ip500-default", "what an IP500 V2 makes by itself", certificate, "leaf-is-ca")

    add("ip-as-dns-v4", "an IPv4 address as a DNS name", leaf(names=(dns(PBX), dns("10.0.0.1"))), "ip-as-dns")
    add("ip-as-dns-v6", "an IPv6 address as a DNS name", leaf(names=(dns(PBX), dns("2001:db8::1"))), "ip-as-dns")
    add("ip-as-ip", "addresses as what they are", leaf(names=(dns(PBX), ip("10.0.0.1"), ip("2001:db8::1"))))
    add("ip-like-name", "digits in a name are no address", leaf(names=(dns(PBX), dns("10.0.0.1.example.com"))))

    names = (dns(PBX), dns("_sip._tcp.example.com"), dns("*.example.com"), dns("xn--bcher-kva.example.com"))
    add("dns-forms", "all forms that a host name has", leaf(names=names))
    for stem, text in (
        ("dot", "pbx.example.com."),
        ("url", "https://pbx.example.com"),
        ("port", "pbx.example.com:5061"),
    ):
        add(f"dns-with-{stem}", "no host name", leaf(names=(dns(PBX), dns(text))), "dns-malformed")
    add(
        "dns-partial-wildcard",
        "a wildcard is a whole label",
        leaf(names=(dns(PBX), dns("a*.example.com"))),
        "dns-malformed",
    )
    longest = [dns(PBX), *(dns(letters * 10000) for letters in ("ab", "bc"))]
    add("dns-long", "names too long to be compared letter by letter", leaf(names=longest), *(["dns-malformed"] * 2))

    critical = san(dns(PBX), critical=True)
    add("cn-missing", "no subject at all", leaf(cn=None, extra=[critical]), "no-common-name")
    add("cn-missing-others-there", "only an organisation", leaf(subject=name(("O", "Example Ltd"))), "no-common-name")
    add("cn-empty", "a common name of no characters", leaf(cn="", names=(dns(PBX),)), "no-common-name")
    add("cn-blank", "a common name of blanks", leaf(cn="   ", names=(dns(PBX),)), "no-common-name", "cn-not-in-san")
    add("cn-other", "the names do not repeat it", leaf(cn="IP Office", names=(dns(PBX),)), "cn-not-in-san")
    add("cn-other-case", "host names are alike in any case", leaf(cn="PBX.Example.COM", names=(dns(PBX),)))
    certificate = leaf(cn="bücher.example.com", names=(dns("xn--bcher-kva.example.com"),))
    add("cn-international", "the same name, one in punycode", certificate)
    certificate = leaf(cn="10.0.0.5", names=(dns(PBX), ip("10.0.0.5")))
    add("cn-address", "an address, repeated as such", certificate)
    two = name(("CN", "old.example.com"), ("CN", PBX))
    add("cn-two", "the last one is meant", leaf(subject=two))
    add(
        "cn-t61",
        "UTF-8 in a T61String, which is Latin-1 to some readers and UTF-8 to others",
        leaf(subject=name(("O", "Büro".encode()), ("CN", PBX), tag=T61)),
        unreadable="T61String",
    )
    add("cn-bmp", "UTF-16 in a BMPString", leaf(subject=name(("CN", PBX), tag=BMP)))

    add("san-twice", "one name twice", leaf(names=(dns(PBX), dns(PBX), ip("10.0.0.5"))), "san-twice")
    add("san-twice-other-case", "in another case", leaf(names=(dns(PBX), dns("PBX.example.com"))), "san-twice")
    add("san-twice-address", "an address twice", leaf(names=(dns(PBX), ip("10.0.0.5"), ip("10.0.0.5"))), "san-twice")
    seed = (dns("avaya.domian.com"), dns("avaya.domian.com"), ip("96.34.1.2"))
    certificate = leaf(cn="avaya.domain.com", names=seed)
    add("san-seed", "the post's own slip", certificate, "cn-not-in-san", "san-twice", "name-near-miss")
    names = (dns(PBX), dns("sip.example.com"), dns("sip.exmaple.com"))
    add("san-near-miss", "two letters swapped in one of two names", leaf(names=names), "name-near-miss")
    add(
        "san-counted",
        "numbers that count are no slip",
        leaf(names=(dns(PBX), dns("a12.example.com"), dns("a21.example.com"))),
    )
    add("san-wildcard", "a wildcard", leaf(cn="*.example.com", names=(dns("*.example.com"),)))
    add("san-wildcard-tld", "a wildcard for a whole top level", leaf(names=(dns(PBX), dns("*.com"))), "wildcard-tld")
    many = [dns(PBX), *(dns(f"host-{number:03}.example.com") for number in range(100))]
    add("san-hundred", "many names of one length", leaf(names=many))

    add("serial-zero", "no entropy at all", leaf(serial=0), "serial-short")
    add("serial-one", "counted by hand", leaf(serial=1), "serial-short")
    add("serial-7-bytes", "a byte less than is asked for", leaf(serial=(1 << 55) - 1), "serial-short")
    add("serial-8-bytes", "64 random bits may begin with a few zeros", leaf(serial=1 << 55))
    add("serial-20-bytes", "the largest that is allowed", leaf(serial=(1 << 159) - 1))
    add("serial-21-bytes", "20 random bytes whose first bit is set", leaf(serial=1 << 159), "serial-21-bytes")
    add("serial-22-bytes", "more than any client expects", leaf(serial=1 << 167), "serial-long")
    add("serial-negative", "the first bit is the sign", leaf(serial=-SERIAL), "serial-negative")

    unknown = "1.3.6.1.4.1.99999.1"
    value = tlv(UTF8, b"for a private use")
    add(
        "critical-unknown",
        "no client knows it",
        leaf(extra=[extension(unknown, value, critical=True)]),
        "critical-unknown",
    )
    add("uncritical-unknown", "no client needs to know it", leaf(extra=[extension(unknown, value)]))
    ns = extension("nsCertType", bits(b"\x40", 6), critical=True)
    add("critical-netscape", "only openssl still knows it", leaf(extra=[ns]), "critical-unknown")
    poison = extension("poison", b"\x05\x00", critical=True)
    add("critical-poison", "a precertificate is none", leaf(extra=[poison]), "critical-unknown")
    point = seq(seq(tlv(0xA0, tlv(0xA0, uri("http://ca.example.com/ca.crl")))))
    add(
        "critical-crl",
        "clients know where lists of revoked ones are",
        leaf(extra=[extension("CRL", point, critical=True)]),
    )

    add("key-usage-missing", "no key usage allows all", leaf(drop=["KU"]))
    certificate = leaf(extra=[key_usage("keyEncipherment")])
    add("key-usage-encipherment", "for RSA key exchange alone", certificate, "key-usage")
