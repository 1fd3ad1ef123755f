"""What cannot be read, and what lies to its readers."""

from __future__ import annotations

from .der import (
    BMP,
    IA5,
    INTEGER,
    UTF8,
    VISIBLE,
    aki,
    basic_constraints,
    dns,
    eku,
    email,
    extension,
    integer,
    key_identifier,
    name,
    oid,
    san,
    seq,
    tlv,
    uri,
)
from .writing import GOOD, GOOD_ROOT, PBX, ROOT_KEY, Expected, add, beside, file, leaf, pem


def bad_inputs():
    def refused(stem, why, der, text=""):
        add(f"bad-{stem}", why, der, unreadable=text)

    refused("truncated", "cut off", GOOD[:-10])
    refused("trailing", "bytes after the end", GOOD + b"\0\0", "followed by bytes that do not belong to it")
    refused(
        "twice-in-block", "two certificates in one block", GOOD + GOOD, "followed by bytes that do not belong to it"
    )
    indefinite = b"\x30\x80" + GOOD[4:] + b"\0\0"
    refused("ber-indefinite", "BER: a length that is not told", indefinite, "indefinite length")
    refused("serial-empty", "an integer without a byte", leaf(serial=tlv(INTEGER)), "empty")
    doubled = [basic_constraints(), eku("client"), san(dns(PBX)), eku("server")]
    refused("extension-twice", "two extended key usages: which one counts?", leaf(extensions=doubled), "twice")
    doubled = [eku("server"), san(dns(PBX)), san(dns("evil.example"))]
    refused("san-extension-twice", "two lists of names: which one counts?", leaf(extensions=doubled), "twice")
    refused(
        "eku-not-identifiers", "a usage that is a text", leaf(extra=[extension("EKU", seq(tlv(UTF8, b"serverAuth")))])
    )
    refused("san-address-size", "an address of five bytes", leaf(names=(dns(PBX), tlv(0x87, b"\x0a\0\0\5\0"))))
    refused("san-not-ascii", "Latin-1 where ASCII belongs", leaf(names=(dns(b"b\xfccher.example.com"),)))
    refused("time-local", "a time of nobody knows which zone", leaf(begins=tlv(0x17, b"260101000000")))
    refused("time-impossible", "the 30th of February", leaf(begins=tlv(0x17, b"260230000000Z")))
    refused("version-99", "there is no version 99", leaf(version=99))
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
    beside("bad-der-trailing.der", "a zero after the end", GOOD + b"\0", unreadable="")
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
        "apple-san",
        found,
        "dns-malformed",
    )
    nul = dns(b"pbx.example.com\0.evil.example")
    why = "a DNS name that C reads to its zero"
    lies("san-nul", why, plain(names=(nul,)), "apple-san", found, "dns-malformed", "cn-not-in-san")
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
