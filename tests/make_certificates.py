"""Makes the files of tests/certificates: `python -m tests.make_certificates`; run by hand, its output is committed.

A file that is there already and differs only by chance (PKCS#12 has random salts) is kept. What each file is for stands
in it; how to add one without this script is told in tests/certificates/README.md.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from .make_der import (
    BMP,
    BOOLEAN,
    GENERALIZED_TIME,
    IA5,
    INTEGER,
    OCTETS,
    PRINTABLE,
    T61,
    UTF8,
    VISIBLE,
    aki,
    basic_constraints,
    bits,
    certificate,
    days,
    dns,
    ec_key,
    ed448_key,
    ed25519_key,
    eku,
    email,
    explicit_spki,
    extension,
    integer,
    ip,
    key_identifier,
    key_usage,
    moment,
    name,
    oid,
    request,
    rsa_key,
    san,
    seq,
    ski,
    spki,
    time,
    tlv,
    uri,
    without,
)

FOLDER = Path(__file__).parent / "certificates"
PASSWORD = "bell pepper"
BEGINS = moment("2026-01-01")
ROOT_BEGINS = moment("2025-12-31")
LEAF_DAYS, ROOT_DAYS = days(820), days(3650)
AT = moment("2026-02-01")
SERIAL = 0x4F70656E53534C2D67656E2D74657374
ROOT = name(("O", "Example Ltd"), ("CN", "Example Root"))
PBX = "pbx.example.com"

NAMES = (dns(PBX), ip("10.0.0.5"))

LEAF_KEY, ROOT_KEY, MIDDLE_KEY, OTHER_KEY = (ec_key(label) for label in ("leaf", "root", "middle", "other"))


# Certificates


def leaf(
    *,
    cn=PBX,
    subject=None,
    issuer=ROOT,
    names=None,
    usages=("server", "client"),
    key=LEAF_KEY,
    signer=ROOT_KEY,
    begins=BEGINS,
    valid=LEAF_DAYS,
    ends=None,
    serial=SERIAL,
    drop=(),
    extra=(),
    extensions=None,
    **options,
):
    """Write a server's certificate that is good but for what is said."""
    if names is None:
        names = (dns(cn or PBX), ip("10.0.0.5"))
    if extensions is None:
        extensions = [
            basic_constraints(),
            key_usage("digitalSignature"),
            eku(*usages) if usages else b"",
            san(*names) if names else b"",
            ski(key),
            aki(key_identifier(signer)),
        ]
        replaced = {each[: each.index(b"\x55\x1d") + 3][-3:] for each in extra if b"\x55\x1d" in each[:9]}
        extensions = [each for each in extensions if each and each[each.index(b"\x55\x1d") :][:3] not in replaced]
        extensions = without(extensions, *drop) + list(extra)
    return certificate(
        subject=name(*((("CN", cn),) if cn is not None else ())) if subject is None else subject,
        issuer=issuer,
        key=key,
        signer=signer,
        extensions=extensions,
        begins=begins,
        ends=((BEGINS if isinstance(begins, bytes) else begins) + valid) if ends is None else ends,
        serial=serial,
        **options,
    )


def authority(
    *,
    subject=ROOT,
    issuer=None,
    key=ROOT_KEY,
    signer=None,
    begins=ROOT_BEGINS,
    valid=ROOT_DAYS,
    serial=SERIAL + 1,
    path_length=None,
    drop=(),
    extra=(),
    **options,
):
    """Write a root, or with an issuer an intermediate."""
    extensions = [
        basic_constraints(ca=True, path_length=path_length),
        key_usage("keyCertSign", "cRLSign"),
        ski(key),
        aki(key_identifier(signer)) if signer else b"",
    ]
    return certificate(
        subject=subject,
        issuer=issuer or subject,
        key=key,
        signer=signer or key,
        extensions=without([each for each in extensions if each], *drop) + list(extra),
        begins=begins,
        ends=begins + valid,
        serial=serial,
        **options,
    )


MIDDLE = name(("O", "Example Ltd"), ("CN", "Example Intermediate"))
GOOD = leaf()
GOOD_ROOT = authority()
GOOD_MIDDLE = authority(subject=MIDDLE, issuer=ROOT, key=MIDDLE_KEY, signer=ROOT_KEY, serial=SERIAL + 2)
BELOW_MIDDLE = leaf(issuer=MIDDLE, signer=MIDDLE_KEY)


# Files


@dataclass(frozen=True)
class Expected:
    """What stands beside a certificate."""

    why: str
    findings: tuple[str, ...] = ()
    unreadable: str | None = None
    profile: str = "apple"
    at: object = AT
    within: int | None = None
    password: str | None = None
    mode: str | None = None
    each: bool = False

    def lines(self):
        yield f"# why: {self.why}"
        yield f"# profile: {self.profile}"
        yield f"# at: {self.at:%Y-%m-%dT%H:%M:%SZ}"
        if self.within is not None:
            yield f"# within: {self.within}"
        if self.password is not None:
            yield f"# password: {self.password}"
        if self.mode is not None:
            yield f"# mode: {self.mode}"
        if self.each:
            yield "# each: yes"
        if self.unreadable is not None:
            yield f"# unreadable: {self.unreadable}".rstrip()
        for finding in self.findings:
            yield f"# finding: {finding}"
        if not self.findings and self.unreadable is None:
            yield "# passes"

    def __str__(self):
        return "".join(f"{line}\n" for line in self.lines())


FILES: dict[str, bytes] = {}
BY_CHANCE: set[str] = set()


def pem(der, label="CERTIFICATE"):
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def add(stem, why, content, *findings, **expected):
    """Add a PEM file of one certificate, or of whatever text is given, with what is expected of it on top."""
    text = content if isinstance(content, str) else pem(content)
    file(f"{stem}.pem", str(Expected(why, findings, **expected)).encode() + text.encode())


def beside(file_name, why, content, *findings, **expected):
    """Add a file that has no room for comments, and what is expected of it beside it."""
    file(file_name, content)
    file(f"{file_name}.expect", str(Expected(why, findings, **expected)).encode())


def file(file_name, content):
    assert file_name not in FILES, file_name
    FILES[file_name] = content


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
    add("apple-pss-sha256", "RSASSA-PSS that names SHA-256", leaf(signer=rsa_root, pss=True))
    certificate = leaf(signer=rsa_root, pss=True, digest="sha1")
    add("apple-pss-default", "RSASSA-PSS without parameters means SHA-1", certificate, "apple-signature-hash")
    certificate = leaf(signer=ed25519_key("root"), drop=["AKI"])
    add("apple-signed-by-ed25519", "its signature has no hash of the list", certificate, "apple-signature-hash")
    add(
        "apple-sha1-issuer",
        "the issuer's signature counts as much as the leaf's",
        pem(leaf(signer=rsa_root)) + pem(authority(key=rsa_root, digest="sha1")),
        "apple-signature-hash",
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
    longest = [dns(PBX), *(dns(letter * 20000) for letter in "ab")]
    add("dns-long", "names too long to be compared letter by letter", leaf(names=longest), *(["dns-malformed"] * 2))

    critical = san(dns(PBX), critical=True)
    add("cn-missing", "no subject at all", leaf(cn=None, extra=[critical]), "empty-cn")
    add("cn-missing-others-there", "only an organisation", leaf(subject=name(("O", "Example Ltd"))), "empty-cn")
    add("cn-empty", "a common name of no characters", leaf(cn="", names=(dns(PBX),)), "empty-cn")
    add("cn-blank", "a common name of blanks", leaf(cn="   ", names=(dns(PBX),)), "empty-cn", "cn-not-in-san")
    add("cn-other", "the names do not repeat it", leaf(cn="IP Office", names=(dns(PBX),)), "cn-not-in-san")
    add("cn-other-case", "host names are alike in any case", leaf(cn="PBX.Example.COM", names=(dns(PBX),)))
    certificate = leaf(cn="bücher.example.com", names=(dns("xn--bcher-kva.example.com"),))
    add("cn-international", "the same name, one in punycode", certificate)
    certificate = leaf(cn="10.0.0.5", names=(dns(PBX), ip("10.0.0.5")))
    add("cn-address", "an address, repeated as such", certificate)
    two = name(("CN", "old.example.com"), ("CN", PBX))
    add("cn-two", "the last one is meant", leaf(subject=two))
    add("cn-t61", "Latin-1 in a T61String", leaf(subject=name(("O", "Büro"), ("CN", PBX), tag=T61)))
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
    add("serial-21-bytes", "20 random bytes whose first bit is set", leaf(serial=1 << 159), "serial-long")
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


def chains():
    add("chain-leaf-root", "the issuer follows", pem(GOOD) + pem(GOOD_ROOT))
    three = pem(BELOW_MIDDLE) + pem(GOOD_MIDDLE) + pem(GOOD_ROOT)
    add("chain-of-three", "each is followed by its issuer", three, profile="apple strict")
    add("chain-of-two", "the root need not be there", pem(BELOW_MIDDLE) + pem(GOOD_MIDDLE))
    wrong = pem(BELOW_MIDDLE) + pem(GOOD_ROOT) + pem(GOOD_MIDDLE)
    add("chain-out-of-order", "the root before the intermediate", wrong, "chain-order")
    why = "the first one is judged, and that is no server"
    found = ("apple-san", "apple-eku", "apple-validity", "leaf-is-ca", "key-usage", "chain-order")
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
    not_ca = authority(drop=["BC"], extra=[basic_constraints()])
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
    loose = authority(drop=["BC"], extra=[basic_constraints(ca=True, critical=False)])
    judged(
        "constraints-not-critical",
        "as IP Office's secondary makes them",
        pem(GOOD) + pem(loose),
        "strict-basic-constraints",
    )
    no_usage = authority(drop=["KU"])
    judged("no-key-usage", "a root without key usage", pem(GOOD) + pem(no_usage), "strict-key-usage")
    wrong = authority(drop=["KU"], extra=[key_usage("digitalSignature")])
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
        authority(drop=["KU"], extra=[key_usage("cRLSign")]),
        "root-key-cert-sign",
    )
    judged("eku-client", "for clients alone", authority(extra=[eku("client")]), "root-eku")
    judged("eku-both", "as the IP Office's own root", authority(extra=[eku("server", "client")]))
    judged("eku-any", "any is not enough for OpenSSL", authority(extra=[eku("any")]), "root-eku")
    judged("ski-missing", "Python 3.13 refuses it", authority(drop=["SKI"]), "root-ski")
    loose = authority(
        drop=["BC", "KU"], extra=[basic_constraints(ca=True, critical=False), key_usage("keyCertSign", critical=False)]
    )
    judged("not-critical", "neither is critical", loose, "root-critical", "root-critical")
    judged("no-key-usage", "no key usage allows all, but not to Python", authority(drop=["KU"]), "root-critical")
    judged("rsa-1024", "too small a key", authority(key=rsa_key("root", 1024)), "apple-key-size")
    judged("sha1", "an old signature", authority(key=rsa_key("root"), digest="sha1"), "apple-signature-hash")
    judged("expired", "it has ended", authority(begins=moment("2015-01-01")), "expired")
    rsa = rsa_key("root")
    avaya = name(("CN", "ipoffice-root-box.avaya.com"), ("OU", "GCS"), ("O", "Avaya Inc"))
    ipoffice = authority(
        subject=avaya,
        key=rsa,
        drop=["KU"],
        extra=[
            key_usage("digitalSignature", "keyCertSign", critical=False),
            eku("server", "client"),
            san(uri("box.avaya.com")),
        ],
    )
    judged("ip-office", "as IP Office's own root is documented", ipoffice, "root-critical")


def encodings():
    text = pem(GOOD)
    beside("encoding-der.crt", "DER", GOOD)
    beside("encoding-der-bad.crt", "DER is judged like PEM", leaf(usages=()), "apple-eku")
    add(
        "encoding-text-around",
        "what openssl x509 -text and s_client print beside it",
        f"Certificate:\n    Data:\n        Version: 3 (0x2)\n\n{text}---\nServer certificate\n",
    )
    crlf = str(Expected("CRLF at the ends of lines")) + text
    file("encoding-crlf.pem", crlf.replace("\n", "\r\n").encode())
    file("encoding-bom.pem", b"\xef\xbb\xbf" + text.encode() + str(Expected("a byte order mark before BEGIN")).encode())
    add(
        "encoding-one-line",
        "all base64 in one line",
        f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(GOOD).decode()}\n-----END CERTIFICATE-----\n",
    )
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    add("encoding-indented", "pasted into a configuration file", indented)
    trust = seq(seq(oid("1.3.6.1.5.5.7.3.1")), tlv(UTF8, b"box"))
    add("encoding-trusted", "what openssl x509 -trustout writes", pem(GOOD + trust, "TRUSTED CERTIFICATE"))
    add(
        "encoding-trusted-bad",
        "and its certificate counts",
        pem(leaf(usages=()) + trust, "TRUSTED CERTIFICATE"),
        "apple-eku",
    )
    add("encoding-old-label", "as Netscape called it", pem(GOOD, "X509 CERTIFICATE"))
    add("encoding-no-newline", "the last line does not end", text.rstrip("\n"))

    add("key-before", "the key first, as an iDRAC wants it", key_pem(LEAF_KEY) + text)
    add("key-after", "as a Vodia wants it", text + pem(GOOD_ROOT) + key_pem(LEAF_KEY))
    add("key-readable", "everybody may read the key", key_pem(LEAF_KEY) + text, "key-mode", mode="644")
    add("key-readable-by-group", "a group may read the key", key_pem(LEAF_KEY) + text, "key-mode", mode="640")
    add("key-mismatch", "another certificate's key", text + key_pem(OTHER_KEY), "key-mismatch")
    rsa = rsa_key("leaf")
    traditional = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    add("key-rsa", "as OpenSSL before 3 writes it", traditional + pem(leaf(key=rsa)))
    add("key-rsa-mismatch", "as OpenSSL before 3 writes it", traditional + text, "key-mismatch")
    encrypted = LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode()))
    by_chance_pem("key-encrypted", "whether an encrypted key fits cannot be seen", text + encrypted.decode())

    good = [x509.load_der_x509_certificate(each) for each in (GOOD, GOOD_ROOT)]
    as_pem = pkcs7.serialize_certificates(good, Encoding.PEM).decode()
    add("pkcs7", "leaf and root", as_pem)
    beside("pkcs7-der.p7b", "the same, binary", pkcs7.serialize_certificates(good, Encoding.DER))
    bad = [x509.load_der_x509_certificate(each) for each in (leaf(usages=()), GOOD_ROOT)]
    beside("pkcs7-der-bad.p7b", "its leaf is judged", pkcs7.serialize_certificates(bad, Encoding.DER), "apple-eku")

    old = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(PASSWORD.encode())
    )
    new = BestAvailableEncryption(PASSWORD.encode())
    at_hand = {"password": PASSWORD}
    by_chance(
        "p12-compatible.p12",
        "the form that all read",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, good[0], good[1:], old),
        **at_hand,
    )
    by_chance(
        "p12-modern.p12",
        "what OpenSSL 3 writes by itself",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, good[0], good[1:], new),
        "p12-too-new",
        **at_hand,
    )
    by_chance(
        "p12-bad-leaf.p12",
        "its leaf is judged",
        pkcs12.serialize_key_and_certificates(b"box", LEAF_KEY, bad[0], bad[1:], old),
        "apple-eku",
        **at_hand,
    )
    by_chance("p12-rc2.p12", "what OpenSSL before 3 writes by itself", rc2(), "p12-rc2", **at_hand)
    beside(
        "p12-wrong-password.p12", "it cannot be opened", FILES["p12-compatible.p12"], unreadable="", password="wrong"
    )
    BY_CHANCE.add("p12-wrong-password.p12")


def by_chance_pem(stem, why, content):
    add(stem, why, content)
    BY_CHANCE.add(f"{stem}.pem")


def by_chance(file_name, why, content, *findings, **expected):
    beside(file_name, why, content, *findings, **expected)
    BY_CHANCE.add(file_name)


def rc2():
    """Let openssl encrypt the certificates by RC2-40, which cryptography reads and does not write."""
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder, "both.pem")
        both.write_text(key_pem(LEAF_KEY) + pem(GOOD))
        options = ["-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-passout", f"pass:{PASSWORD}"]
        command = ["openssl", "pkcs12", "-export", "-in", str(both), "-name", "box", *options]
        return subprocess.run(command, capture_output=True, check=True).stdout


def requests():
    def extensions(*others, usages=("server", "client"), names=NAMES):
        return [
            basic_constraints(),
            key_usage("digitalSignature"),
            eku(*usages) if usages else b"",
            san(*names) if names else b"",
            *others,
        ]

    def judged(stem, why, der, *findings, **expected):
        add(f"request-{stem}", why, pem(der, "CERTIFICATE REQUEST"), *findings, **expected)

    subject = name(("CN", PBX))
    good = request(subject=subject, key=LEAF_KEY, extensions=extensions())
    judged("good", "it asks for all that is needed", good)
    beside("request-der.csr", "the same, binary", good)
    add("request-old-label", "as Windows writes it", pem(good, "NEW CERTIFICATE REQUEST"))
    plain = request(subject=subject, key=LEAF_KEY)
    judged("plain", "it asks for nothing", plain, "apple-san", "apple-eku")
    judged(
        "no-eku",
        "what the vendor's script asks for",
        request(subject=subject, key=LEAF_KEY, extensions=extensions(usages=())),
        "apple-eku",
    )
    judged(
        "ca",
        "it asks to be an authority",
        request(subject=subject, key=LEAF_KEY, extensions=[*extensions()[1:], basic_constraints(ca=True)]),
        "leaf-is-ca",
    )
    judged(
        "rsa-1024",
        "a small key",
        request(subject=subject, key=rsa_key("leaf", 1024), extensions=extensions()),
        "apple-key-size",
    )
    judged(
        "ip-as-dns",
        "an address as a DNS name",
        request(subject=subject, key=LEAF_KEY, extensions=extensions(names=(dns(PBX), dns("10.0.0.1")))),
        "ip-as-dns",
    )
    sha1 = request(subject=subject, key=rsa_key("leaf"), extensions=extensions(), digest="sha1")
    judged("sha1", "its own signature is not the certificate's", sha1)
    judged("cn-missing", "no subject", request(subject=name(), key=LEAF_KEY, extensions=extensions()), "empty-cn")
    judged("truncated", "cut off", good[:-10], unreadable="")


def bad_inputs():  # noqa: PLR0915 - a table
    def refused(stem, why, der, text=""):
        add(f"bad-{stem}", why, der, unreadable=text)

    refused("truncated", "cut off", GOOD[:-10])
    refused("trailing", "bytes after the end", GOOD + b"\0\0", "followed by what does not belong there")
    refused("twice-in-block", "two certificates in one block", GOOD + GOOD, "followed by what does not belong there")
    indefinite = b"\x30\x80" + GOOD[4:] + b"\0\0"
    refused("ber-indefinite", "BER: a length that is not told", indefinite, "indefinite length")
    size = len(GOOD) - 4
    refused(
        "ber-long-length",
        "BER: a length with a leading zero",
        b"\x30\x83\x00" + size.to_bytes(2, "big") + GOOD[4:],
        "shortest form",
    )
    true = extension("BC", seq(tlv(BOOLEAN, b"\x01")), critical=True)
    refused("ber-boolean", "BER: TRUE that is not FF", leaf(extra=[true]), "BOOLEAN")
    default = extension("BC", seq(tlv(BOOLEAN, b"\x00")), critical=True)
    refused("der-default", "DER: a default is not written out", leaf(extra=[default]), "CA:FALSE")
    plain = seq(oid("2.5.29.14"), tlv(BOOLEAN, b"\x00"), tlv(OCTETS, tlv(OCTETS, b"12345678")))
    refused(
        "der-default-critical", "DER: a default is not written out", leaf(drop=["SKI"], extra=[plain]), "criticality"
    )
    padded = tlv(INTEGER, b"\x00" + b"\x4f" * 16)
    refused("ber-serial", "BER: an integer with a leading zero", leaf(serial=padded), "shortest form")
    refused("serial-empty", "an integer without a byte", leaf(serial=tlv(INTEGER)), "empty")
    doubled = [basic_constraints(), eku("client"), san(dns(PBX)), eku("server")]
    refused("extension-twice", "two extended key usages: which one counts?", leaf(extensions=doubled), "twice")
    doubled = [eku("server"), san(dns(PBX)), san(dns("evil.example"))]
    refused("san-extension-twice", "two lists of names: which one counts?", leaf(extensions=doubled), "twice")
    refused("no-extensions", "an empty list of extensions", leaf(extensions=[]), "empty")
    refused("eku-empty", "a list of no usages", leaf(extra=[extension("EKU", seq())]))
    refused(
        "eku-not-identifiers", "a usage that is a text", leaf(extra=[extension("EKU", seq(tlv(UTF8, b"serverAuth")))])
    )
    refused(
        "eku-trailing",
        "bytes after the list",
        leaf(extra=[extension("EKU", seq(oid("1.3.6.1.5.5.7.3.2")) + seq(oid("1.3.6.1.5.5.7.3.1")))]),
    )
    refused("san-empty", "a list of no names", leaf(extra=[extension("SAN", seq())]))
    refused("san-address-size", "an address of five bytes", leaf(names=(dns(PBX), tlv(0x87, b"\x0a\0\0\5\0"))))
    refused("san-not-ascii", "UTF-8 where ASCII belongs", leaf(names=(dns("bücher.example.com"),)))
    refused(
        "constraints-on-leaf",
        "a path length below what is no authority",
        leaf(extra=[extension("BC", seq(integer(0)))]),
    )
    refused("time-without-z", "a local time", leaf(begins=tlv(0x17, b"260101000000+0100")))
    refused("time-without-seconds", "a time without seconds", leaf(begins=tlv(0x17, b"2601010000Z")))
    refused("time-impossible", "the 30th of February", leaf(begins=tlv(0x17, b"260230000000Z")))
    refused("version-1-with-extensions", "version 1 has no extensions", leaf(version=1))
    refused("version-4", "there is no version 4", leaf(version=4))
    mixed = GOOD.replace(oid("1.2.840.10045.4.3.2"), oid("1.2.840.10045.4.3.4"), 1)
    refused("two-algorithms", "what is signed names another algorithm", mixed, "two different")
    point = LEAF_KEY.public_key()
    off = spki(LEAF_KEY)[:-1] + bytes((spki(LEAF_KEY)[-1] ^ 1,))
    assert point
    refused("key-off-curve", "a key that is no point of its curve", leaf(public_key=off), "not a point")
    refused("name-bad-utf8", "a name that is no UTF-8", leaf(subject=name(("CN", b"pbx\xff.example.com"))))

    file_text = str(Expected("openssl 3 would skip the first and read the second", unreadable="line"))
    broken = pem(GOOD).splitlines()
    broken[2] = broken[2][:-8] + "!!!!!!!!"
    file("bad-first-block.pem", (file_text + "\n".join(broken) + "\n" + pem(GOOD)).encode())
    add("bad-first-block-der", "the same, but for its DER", pem(GOOD[:-10]) + pem(GOOD), unreadable="")
    add("bad-second-block", "an issuer that cannot be read", pem(GOOD) + pem(GOOD_ROOT[:-10]), unreadable="")
    add(
        "bad-base64",
        "no base64",
        "-----BEGIN CERTIFICATE-----\nthis is no certificate at all!\n-----END CERTIFICATE-----\n",
        unreadable="base64",
    )
    add(
        "bad-empty-block",
        "nothing between the lines",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        unreadable="base64",
    )
    add("bad-no-end", "a block without its end", pem(GOOD).rpartition("-----END")[0], unreadable="END")
    add(
        "bad-end-label",
        "a block that ends as something else",
        pem(GOOD).replace("END CERTIFICATE", "END X509 CRL"),
        unreadable="END",
    )
    add("bad-crl", "a list of revoked certificates is none", pem(GOOD, "X509 CRL"), unreadable="")
    beside("bad-empty.pem", "nothing at all", b"", unreadable="")
    beside("bad-nul.der", "a thousand zeros", bytes(1000), unreadable="")
    beside("bad-random.der", "bytes that only begin like DER", b"\x30\x82\x01\x00" + bytes(range(256)), unreadable="")
    beside("bad-der-trailing.der", "a newline after the end", GOOD + b"\n", unreadable="")
    beside("bad-utf16.pem", "PEM as Notepad's Unicode", pem(GOOD).encode("utf-16"), unreadable="")
    text = "a note on certificates, without one\n"
    beside("bad-text.txt", "text without a block", text.encode(), unreadable="")


LIE = "pbx.example.com\n            X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n"


def spoofs():  # noqa: PLR0915 - a table
    """Add what looks right to a reader of openssl's text: each has no extended key usage, and says that it has."""

    def lies(stem, where, der, *others):
        add(f"spoof-{stem}", f"a false extended key usage in {where}", der, *others)

    def plain(**options):
        return leaf(**{"usages": (), **options})

    found = "apple-eku"
    lies("subject", "the organisation", plain(subject=name(("O", LIE), ("CN", PBX))), found)
    lies("common-name", "the common name", plain(cn=LIE, names=(dns(PBX),)), found, "cn-not-in-san")
    lies("issuer", "the issuer's name", plain(issuer=name(("CN", LIE))), found)
    lies(
        "subject-cr",
        "a name with carriage returns",
        plain(subject=name(("O", LIE.replace("\n", "\r")), ("CN", PBX))),
        found,
    )
    lies("subject-bmp", "a name in UTF-16", plain(subject=name(("O", LIE), ("CN", PBX), tag=BMP)), found)
    lies(
        "subject-escape",
        "a name that moves the cursor",
        plain(subject=name(("O", "\x1b[2J\x1b[HTLS Web Server Authentication"), ("CN", PBX))),
        found,
    )
    lies(
        "subject-bidi",
        "a name that turns the text around",
        plain(subject=name(("O", "\u202enoitacitnehtuA revreS beW SLT"), ("CN", PBX))),
        found,
    )
    lies("san-dns", "a DNS name", plain(names=(dns(PBX), dns(LIE))), found, "dns-malformed")
    lies("san-email", "a mail address", plain(names=(dns(PBX), email(LIE))), found)
    lies("san-uri", "a URI", plain(names=(dns(PBX), uri(LIE))), found)
    lies("san-directory", "a directory name", plain(names=(dns(PBX), tlv(0xA4, name(("CN", LIE))))), found)
    other = tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, tlv(UTF8, LIE.encode())))
    lies("san-other", "an otherName", plain(names=(dns(PBX), other)), found)
    lies(
        "san-dns-comma",
        "a DNS name that looks like two",
        plain(cn="a.example.com, DNS:b.example.com", names=(dns("a.example.com, DNS:b.example.com"),)),
        found,
        "dns-malformed",
    )
    nul = dns(b"pbx.example.com\0.evil.example")
    lies("san-nul", "a DNS name that C reads to its zero", plain(names=(nul,)), found, "dns-malformed", "cn-not-in-san")
    text = LIE.encode()
    lies("ns-comment", "nsComment", plain(extra=[extension("nsComment", tlv(IA5, text))]), found)
    policy = oid("1.3.6.1.4.1.99999.2")
    cps = seq(oid("1.3.6.1.5.5.7.2.1"), tlv(IA5, text))
    lies("cps", "the address of a policy", plain(extra=[extension("CP", seq(seq(policy, seq(cps))))]), found)
    for stem, tag, encoded in (
        ("notice", UTF8, text),
        ("notice-visible", VISIBLE, b"TLS Web Server Authentication"),
        ("notice-bmp", BMP, LIE.encode("utf-16-be")),
    ):
        notice = seq(oid("1.3.6.1.5.5.7.2.2"), seq(tlv(tag, encoded)))
        lies(stem, "the notice of a policy", plain(extra=[extension("CP", seq(seq(policy, seq(notice))))]), found)
    reference = seq(oid("1.3.6.1.5.5.7.2.2"), seq(seq(tlv(UTF8, text), seq(integer(1)))))
    lies(
        "notice-reference",
        "the organisation of a notice",
        plain(extra=[extension("CP", seq(seq(policy, seq(reference))))]),
        found,
    )
    point = seq(seq(tlv(0xA0, tlv(0xA0, uri(LIE)))))
    lies("crl", "the address of a revocation list", plain(extra=[extension("CRL", point)]), found)
    issuer = seq(seq(tlv(0xA2, tlv(0xA4, name(("CN", LIE))))))
    lies("crl-issuer", "the issuer of a revocation list", plain(extra=[extension("CRL", issuer)]), found)
    access = seq(seq(oid("1.3.6.1.5.5.7.48.2"), uri(LIE)))
    lies("aia", "the address of the issuer", plain(extra=[extension("AIA", access)]), found)
    access = seq(seq(oid("1.3.6.1.5.5.7.48.1"), tlv(0xA4, name(("CN", LIE)))))
    lies("aia-directory", "a directory name as an address", plain(extra=[extension("AIA", access)]), found)
    lies(
        "unknown-text",
        "an unknown extension of text",
        plain(extra=[extension("1.3.6.1.4.1.99999.3", tlv(UTF8, text))]),
        found,
    )
    lies(
        "unknown-bytes",
        "an unknown extension that is no DER",
        plain(extra=[extension("1.3.6.1.4.1.99999.3", text)]),
        found,
    )
    issuer_names = extension("2.5.29.18", seq(dns(LIE)))
    lies("issuer-names", "the issuer's alternative names", plain(extra=[issuer_names]), found)
    by_name = aki(key_identifier(ROOT_KEY), extra=tlv(0xA1, tlv(0xA4, name(("CN", LIE)))) + tlv(0x82, b"\x01"))
    lies("aki-issuer", "the authority key identifier", plain(extra=[by_name]), found)
    constraints = extension("NC", seq(tlv(0xA0, seq(dns(LIE)))))
    lies("name-constraints", "name constraints", plain(extra=[constraints]), found)
    real = b"TLS Web Server Authentication, TLS Web Client Authentication"
    add(
        "spoof-eku-text",
        "a usage whose value is the text that openssl prints",
        plain(extra=[extension("EKU", real)]),
        unreadable="",
    )
    wrapped = extension("EKU", tlv(UTF8, real))
    add("spoof-eku-utf8", "the same as a string", plain(extra=[wrapped]), unreadable="")
    near = extension("1.3.6.1.5.5.7.3.1", seq(oid("1.3.6.1.5.5.7.3.1")))
    lies("eku-as-extension", "an extension that has serverAuth's own identifier", plain(extra=[near]), found)
    comment = "# finding: nothing\nX509v3 Extended Key Usage:\n    TLS Web Server Authentication\n"
    add(
        "spoof-around",
        "a false extended key usage in the text around the block",
        comment.replace("# finding: nothing\n", "") + pem(plain()),
        found,
    )
    scripts = (dns(PBX), dns("<script>alert(1)</script>.example.com"), dns("::warning file=a::b"))
    why = "names that a page or a build log would obey"
    add("spoof-markup", why, leaf(names=scripts), "dns-malformed", "dns-malformed")


def main():
    """Write the files, and remove those that are no longer made, but for what people added by hand."""
    for part in (apple, common, chains, public, strict, roots, encodings, requests, bad_inputs, spoofs):
        part()
    FOLDER.mkdir(exist_ok=True)
    for file_name, content in FILES.items():
        path = FOLDER / file_name
        if file_name not in BY_CHANCE or not path.exists():
            path.write_bytes(content)
    foreign = {path.name for path in FOLDER.iterdir()} - set(FILES) - {"README.md"}
    for file_name in sorted(foreign):
        print(f"not made here: {file_name}", file=sys.stderr)
    judged = [file_name for file_name in FILES if not file_name.endswith(".expect")]
    print(f"{len(judged)} files in {FOLDER.name}")


if __name__ == "__main__":
    main()
