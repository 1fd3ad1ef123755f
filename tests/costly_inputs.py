"""Files that cost a careless reader more than their size: each kind at any size, to compare the work for n and 2 n."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .corpus.der import (
    dns,
    eku,
    extension,
    ip,
    name,
    oid,
    request,
    seq,
    tlv,
    uri,
)
from .corpus.limits import crl_url, name_constraints, network
from .corpus.writing import (
    GOOD,
    GOOD_ROOT,
    LEAF_KEY,
    PBX,
    ROOT,
    SERIAL,
    authority,
    key_pem,
    leaf,
    pem,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Kind:
    """A kind of file: its bytes for a size, a size that tests use, and one near the limits of an audit."""

    write: Callable[[int], bytes]
    small: int
    large: int


KINDS: dict[str, Kind] = {}


def kind(small, large):
    def add(write):
        KINDS[write.__name__] = Kind(write, small, large)
        return write

    return add


def text(*parts):
    return "".join(parts).encode()


def issued(number, below=None, **options):
    """Write an authority by its number in a chain; it is signed by the one above, as far as a reader can tell."""
    return authority(
        subject=name(("CN", f"CA {number}")), issuer=name(("CN", f"CA {below}")) if below is not None else None,
        serial=SERIAL + number, **options,
    )  # fmt: skip


def pkcs7(*certificates):
    data = oid("1.2.840.113549.1.7.1")
    signed = seq(tlv(2, b"\1"), tlv(0x31), seq(data), tlv(0xA0, *certificates), tlv(0x31))
    return seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0, signed))


# Certificates


@kind(100, 3000)
def constraints_of_both_kinds(n):
    trees = name_constraints(
        permitted=[dns(f"a{each}.example.com") for each in range(n)],
        excluded=[dns(f"b{each}.a{each}.example.com") for each in range(n)],
    )
    return text(pem(leaf(issuer=ROOT)), pem(authority(extra=[trees])))


@kind(100, 3000)
def constraints_alone(n):
    trees = name_constraints(
        permitted=[network(f"10.{each >> 8}.{each & 255}.0/24") for each in range(n)],
        excluded=[network(f"11.{each >> 8}.{each & 255}.0/24") for each in range(n)],
    )
    return text(pem(authority(extra=[trees])))


@kind(100, 5000)
def names_against_constraints(n):
    trees = name_constraints(permitted=[dns(f"a{each}.example.org") for each in range(n)])
    names = [dns(f"x{each}.example.com") for each in range(n)]
    return text(pem(leaf(names=names)), pem(authority(extra=[trees])))


@kind(100, 40_000)
def names(n):
    return text(pem(leaf(names=[dns(f"{each}.example.com") for each in range(n)])))


@kind(100, 20_000)
def malformed_names(n):
    return text(pem(leaf(names=[dns(f"-{each}_.example..com") for each in range(n)])))


@kind(100, 40_000)
def same_names(n):
    return text(pem(leaf(names=[dns(PBX)] * n)))


@kind(100, 80_000)
def addresses(n):
    return text(pem(leaf(names=[ip(f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}") for each in range(n)])))


@kind(100, 15_000)
def links(n):
    return text(pem(leaf(extra=[crl_url(*(f"http://example.com/{each}" for each in range(n)))])))


@kind(100, 15_000)
def uris(n):
    return text(pem(leaf(names=[dns(PBX), *(uri(f"https://[::{each:x}]/x") for each in range(n))])))


@kind(100, 30_000)
def fields_of_the_subject(n):
    return text(pem(leaf(subject=name(*(("OU", f"Unit {each}") for each in range(n)), ("CN", PBX)))))


@kind(100, 30_000)
def extensions(n):
    own = [extension(f"1.3.6.1.4.1.99999.{each}", b"\5\0") for each in range(n)]
    return text(pem(leaf(extra=own)))


@kind(100, 40_000)
def usages(n):
    own = eku("server", *(f"1.3.6.1.4.1.99999.{each}" for each in range(n)))
    return text(pem(leaf(extra=[own])))


@kind(100, 15_000)
def policies(n):
    own = [seq(oid(f"1.3.6.1.4.1.99999.{each}")) for each in range(n)]
    return text(pem(leaf(extra=[extension("CP", seq(*own))])))


@kind(1000, 1_000_000)
def serial_number(n):
    return text(pem(leaf(serial=tlv(2, b"\1" * n))))


@kind(1000, 700_000)
def common_name(n):
    return text(pem(leaf(cn="x" * n)))


@kind(1000, 700_000)
def name_of_dots(n):
    return text(pem(leaf(names=(dns("a." * (n // 2) + "com"),))))


@kind(1000, 700_000)
def identifier_of_an_extension(n):
    return text(pem(leaf(extra=[seq(tlv(6, b"\x2b" + b"\x81" * n + b"\1"), tlv(4, b"\5\0"))])))


@kind(50, 20_000)
def nested_elements(n):
    inner = b"\5\0"
    for _ in range(n):
        inner = tlv(0x30, inner)
    return text(pem(leaf(extra=[extension("1.3.6.1.4.1.99999.1", inner)])))


@kind(20, 600)
def deviations(n):
    """Fields whose lengths are not in the shortest form, which a tolerant reader reads again from the start."""
    own = [seq(oid(f"1.3.6.1.4.1.99999.{each}"), b"\1\x81\1\xff", tlv(4, b"\5\0")) for each in range(n)]
    return text(pem(leaf(extra=own)))


@kind(1000, 120_000)
def modulus(n):
    number = tlv(2, b"\0" + b"\xff" * n)
    algorithm = seq(oid("1.2.840.113549.1.1.1"), b"\5\0")
    return text(pem(leaf(public_key=seq(algorithm, tlv(3, b"\0" + seq(number, tlv(2, b"\1\0\1")))))))


# Bundles


@kind(20, 2000)
def chain_in_pkcs7(n):
    return pkcs7(*(issued(each, each + 1) for each in range(n)))


@kind(20, 2000)
def chain_in_pem(n):
    return text(*(pem(issued(each, each + 1)) for each in range(n)))


@kind(20, 2000)
def chain_backwards(n):
    return pkcs7(*(issued(each, each + 1) for each in reversed(range(n))))


@kind(20, 2000)
def issuers_of_one_name(n):
    same = [authority(serial=SERIAL + each) for each in range(n)]
    return text(pem(GOOD), *map(pem, same))


@kind(20, 2000)
def issuers_in_a_circle(n):
    return text(pem(leaf(issuer=name(("CN", "CA 0")))), *(pem(issued(each, (each + 1) % n)) for each in range(n)))


@kind(20, 2000)
def leaves(n):
    return text(*(pem(leaf(serial=SERIAL + each)) for each in range(n)))


@kind(20, 12_000)
def same_certificates(n):
    return text(pem(GOOD) * n, pem(GOOD_ROOT))


@kind(100, 9000)
def private_keys(n):
    return text(pem(GOOD), key_pem(LEAF_KEY) * n)


@kind(20, 8000)
def requests(n):
    return text(pem(request(subject=name(("CN", PBX)), key=LEAF_KEY), "CERTIFICATE REQUEST") * n)


@kind(100, 1_000_000)
def pkcs12(n):
    """Only the outside of a PKCS#12 file: openssl has to read the rest."""
    return seq(tlv(2, b"\3"), seq(oid("1.2.840.113549.1.7.1"), tlv(0xA0, tlv(4, seq(*[seq(b"\5\0")] * n)))))


# PEM


@kind(1000, 700_000)
def header_lines(n):
    lines = "".join(f"Header-{each}: value\n" for each in range(n))
    return text("-----BEGIN PRIVATE KEY-----\n", lines, "\n", "AAAA\n-----END PRIVATE KEY-----\n")


@kind(1000, 7_000_000)
def continued_headers(n):
    return text("-----BEGIN RSA PRIVATE KEY-----\n", "A:\n", " \n" * n, "x\n-----END RSA PRIVATE KEY-----\n", pem(GOOD))


@kind(1000, 1_000_000)
def boundaries(n):
    return text("-----BEGIN X-----\n-----END X-----\n" * 1, "x -----BEGIN X-----\n" * n, pem(GOOD))


@kind(1000, 500_000)
def empty_blocks(n):
    return text("-----BEGIN X-----\nAAAA\n-----END X-----\n" * n, pem(GOOD))


@kind(1000, 15_000_000)
def blanks(n):
    return text(" \t" * (n // 2), pem(GOOD))


@kind(1000, 15_000_000)
def hyphens(n):
    return text("-----BEGIN " + "A-" * (n // 2), "\n", pem(GOOD))


@kind(1000, 15_000_000)
def line_ends(n):
    return text("\r" * n, pem(GOOD))


@kind(1000, 15_000_000)
def base64_without_an_end(n):
    return text("-----BEGIN CERTIFICATE-----\n", "A" * n)


# Configs

USE = "[req]\nx509_extensions = v3\n[v3]\nbasicConstraints = CA:FALSE\n"


@kind(50, 5000)
def policies_of_one_section(n):
    notice = "".join(f"userNotice.{each} = @n\n" for each in range(n // 5))
    asked = ",".join(["@p"] * n)
    return text(USE, f"certificatePolicies = {asked}\n[p]\npolicyIdentifier = 1.2.3\n{notice}[n]\nexplicitText = x\n")


@kind(50, 30_000)
def names_of_many_sections(n):
    alt = ",".join(f"DNS:{each}.example.com" for each in range(n))
    return text(f"alt = {alt}\n", *(f"[v{each}]\nsubjectAltName = $alt\n" for each in range(99)))


@kind(200, 100_000)
def keys(n):
    return text(USE, *(f"key{each} = value\n" for each in range(n)))


@kind(200, 100_000)
def keys_of_one_name(n):
    return text(USE, "subjectAltName = DNS:a.example.com\n" * n)


@kind(200, 100_000)
def sections(n):
    return text(USE, *(f"[s{each}]\nkeyUsage = digitalSignature\n" for each in range(n)))


@kind(12, 40)
def doubling(n):
    return text(
        "a0 = xx\n", *(f"a{each + 1} = $a{each}$a{each}\n" for each in range(n)), USE, f"subjectAltName = $a{n}\n"
    )


@kind(400, 100_000)
def nested_sequences(n):
    return text(USE, "1.2.3 = ASN1:SEQUENCE:s0\n", *(f"[s{each}]\na = SEQUENCE:s{each + 1}\n" for each in range(n)))


@kind(50, 100_000)
def joined_lines(n):
    return text(USE, "subjectAltName = ", "DNS:a.example.com,\\\n" * n, "DNS:b.example.com\n")


@kind(50, 1_000_000)
def braces(n):
    return text(USE, "subjectAltName = ", "${" * n, "\n")


# Scripts

HEAD = "#!/bin/sh\nopenssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout k -out c -subj /CN=a\n"


@kind(50, 13_000)
def echoed_values(n):
    values = "".join(f"V{each}={'x' * 3000}\n" for each in range(20))
    return text(HEAD, values, 'echo "$V0$V1$V2$V3$V4$V5$V6$V7$V8$V9" >> out.cnf\n' * n)


@kind(10, 500)
def calls_with_long_values(n):
    call = "openssl req -x509 -newkey rsa:2048 -nodes -days $V -keyout k -out c -subj /CN=$V\n"
    return text(HEAD, f"V={'x' * 10_000}\n", call * n)


@kind(50, 4900)
def nested_if(n):
    return text(HEAD, "if true; then\n" * n, "echo x\n", "fi\n" * n)


@kind(50, 4900)
def unknown_if(n):
    return text(HEAD, 'if [ "$1" = x ]; then a=1; else a=2; fi\n' * n)


@kind(50, 5000)
def nested_groups(n):
    return text(HEAD, "{ " * n, "echo x", "; }" * n, " > out.cnf\n")


@kind(50, 5000)
def redirected_groups(n):
    return text(HEAD, "{ echo '[v3]'; echo basicConstraints=CA:FALSE; } >> out.cnf\n" * n)


@kind(50, 5000)
def nested_substitutions(n):
    return text(HEAD, "x=", "$(echo " * n, "a", ")" * n, "\n")


@kind(50, 20_000)
def quotes(n):
    return text(HEAD, "echo ", "'\"'\"" * n, "\n")


@kind(50, 100_000)
def variables(n):
    return text(HEAD, *(f"v{each}=$v{each - 1}x\n" for each in range(n)))


@kind(20, 26)
def doubled_variables(n):
    return text(HEAD, "a=xx\n", "a=$a$a\n" * n, "openssl x509 -in $a\n")


@kind(10, 5000)
def documents(n):
    return text(HEAD, *(f"cat > f{each} <<E{each}\n[v3]\nkeyUsage = digitalSignature\nE{each}\n" for each in range(n)))


@kind(10, 20_000)
def functions(n):
    return text(HEAD, *(f"f{each}() {{ f{each + 1}; }}\n" for each in range(n)), "f0\n")


@kind(10, 20_000)
def cases(n):
    return text(HEAD, "case $1 in\n", *(f"a{each}) echo {each};;\n" for each in range(n)), "esac\n")


@kind(10, 100_000)
def stars(n):
    return text(
        HEAD, f"x={'a' * n}\n", "case $x in ", "*a" * min(n, 2000), "b) echo;; esac\n", "y=${x##", "*a" * 50, "b}\n"
    )


@kind(10, 100_000)
def pipeline(n):
    return text(HEAD, "echo a", " | sed s/a/b/" * n, "\n")


@kind(10, 100)
def loops(n):
    return text(
        HEAD,
        "for a in " + " ".join(string.ascii_letters) + "; do\n",
        "for b in 1 2 3; do\n" * n,
        ":\n",
        "done\n" * n,
        "done\n",
    )
