"""Compares our reader of certificates with others: `python -m tests.readers DIRECTORY...` prints the matrix.

Asked are cryptography, asn1crypto, the OpenSSL in Python, Java and Go for every certificate; the programs openssl,
certtool (GnuTLS) and nss-pp (NSS), which start once for each, for those that one of these or our own reader refuses.
What is not installed is left out. Go's reader is built in a temporary directory.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from asn1crypto import x509 as asn1
from cryptography import x509

from opensslgen.x509.certificate import decode
from opensslgen.x509.der import DecodeError
from opensslgen.x509.extensions import EXTENDED_KEY_USAGES, PRINTED_USAGES

from .der_writer import read_by_cryptography

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END (?:X509 |TRUSTED )?CERTIFICATE-----"
)
_USAGES = {name: oid for oid, name in EXTENDED_KEY_USAGES.items()}
_PRINTED = {printed: _USAGES[name] for name, printed in PRINTED_USAGES.items()}
_ENOUGH = 3
"""Readers that accept a certificate and agree on it."""

Fields = dict[str, object]
"""What a reader says; what it does not say is missing."""


def blocks(data: bytes) -> Iterator[bytes]:
    """Yield the certificates in PEM blocks anywhere in a text."""
    for match in _BLOCK.finditer(data):
        try:
            der = base64.b64decode(b"".join(match[1].split()), validate=True)
        except ValueError:
            continue
        if match[0].startswith(b"-----BEGIN TRUSTED") and der[1:2] == b"\x82":
            der = der[: 4 + int.from_bytes(der[2:4], "big")]  # without what openssl adds
        yield der


def certificates(directories: list[Path]) -> dict[bytes, Path]:
    """Return the certificates in PEM files, and the files that are DER, below some directories, each once."""
    found: dict[bytes, Path] = {}
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if not path.is_file() or path.stat().st_size > 4_000_000:
                continue
            data = path.read_bytes()
            for der in blocks(data):
                found.setdefault(der, path)
            if data[:2] in (b"\x30\x82", b"\x30\x81", b"\x30\x83", b"\x30\x80"):
                found.setdefault(data, path)
    return found


def _utc(value: datetime) -> str:
    return value.astimezone(timezone.utc).strftime("%Y%m%d%H%M%S").zfill(14)


def _plain_address(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def ours(der: bytes) -> Fields:
    """Read with our own reader."""
    read = decode(der)
    constraints = read.basic_constraints
    return {
        "subject": sorted(value for _, value in read.subject.attributes),
        "issuer": sorted(value for _, value in read.issuer.attributes),
        "serial": read.serial_number,
        "validity": (_utc(read.not_before), _utc(read.not_after)),
        "names": sorted(_plain_address(name.value) for name in read.names if name.kind in ("DNS", "IP")),
        "usages": sorted(_USAGES.get(usage, usage) for usage in read.extended_key_usage or ()),
        "constraints": (constraints.ca, constraints.path_length if constraints.ca else None) if constraints else None,
    }


def by_cryptography(der: bytes) -> Fields:
    """Read with cryptography, all extensions and the key included."""
    read = read_by_cryptography(der)

    def value(kind: type) -> object:
        try:
            return read.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    names = value(x509.SubjectAlternativeName) or ()
    constraints = value(x509.BasicConstraints)
    return {
        "subject": sorted(part.value if isinstance(part.value, str) else part.value.hex() for part in read.subject),
        "issuer": sorted(part.value if isinstance(part.value, str) else part.value.hex() for part in read.issuer),
        "serial": read.serial_number,
        "validity": (_utc(read.not_valid_before_utc), _utc(read.not_valid_after_utc)),
        "names": sorted(
            _plain_address(str(name.value)) for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))
        ),
        "usages": sorted(usage.dotted_string for usage in value(x509.ExtendedKeyUsage) or ()),
        "constraints": (constraints.ca, constraints.path_length if constraints.ca else None) if constraints else None,
    }


def _asn1crypto_values(name: asn1.Name) -> list[str]:
    values = [part["value"] for group in name.chosen for part in group]
    # What is no text is compared as hex.
    return sorted(each.native if isinstance(each.native, str) else each.chosen.contents.hex() for each in values)


def by_asn1crypto(der: bytes) -> Fields:
    """Read with asn1crypto, all that it knows included."""
    read = asn1.Certificate.load(der, strict=True)
    assert read.native
    names = [name for name in read.subject_alt_name_value or () if name.name in ("dns_name", "ip_address")]
    constraints = read.basic_constraints_value
    return {
        "subject": _asn1crypto_values(read.subject),
        "issuer": _asn1crypto_values(read.issuer),
        "serial": read.serial_number,
        "validity": (_utc(read.not_valid_before), _utc(read.not_valid_after)),
        "names": sorted(
            _plain_address(
                name.chosen.contents.decode("latin-1") if name.name == "dns_name" else str(name.chosen.native)
            )
            for name in names
        ),
        "usages": sorted(usage.dotted for usage in read.extended_key_usage_value or ()),
        "constraints": (
            bool(constraints["ca"].native),
            constraints["path_len_constraint"].native if constraints["ca"].native else None,
        )
        if constraints
        else None,
    }


def by_python(der: bytes) -> Fields:
    """Read with the OpenSSL that Python is linked with."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(ssl.DER_cert_to_PEM_cert(der))
        file.flush()
        read = ssl._ssl._test_decode_cert(file.name)  # type: ignore[attr-defined]
    form = "%b %d %H:%M:%S %Y GMT"
    dates = [datetime.strptime(read[key], form).replace(tzinfo=timezone.utc) for key in ("notBefore", "notAfter")]
    return {
        "subject": sorted(value for group in read["subject"] for _, value in group),
        "issuer": sorted(value for group in read["issuer"] for _, value in group),
        "serial": int(read["serialNumber"], 16),
        "validity": tuple(map(_utc, dates)),
        "names": sorted(
            _plain_address(value) for kind, value in read.get("subjectAltName", ()) if kind in ("DNS", "IP Address")
        ),
    }


def _run(der: bytes, *command: str) -> str:
    done = subprocess.run(command, input=der, capture_output=True, timeout=60)
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode or not text.strip():
        raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-200:])
    return text


def by_openssl(der: bytes) -> Fields:
    """Read with the program openssl, which tells by the purposes whether it understands the extensions that it uses."""
    text = _run(
        der, "openssl", "x509", "-inform", "DER", "-noout", "-text", "-serial", "-purpose", "-certopt", "no_sigdump"
    )
    if "WARNING code" in text:
        raise ValueError("openssl finds an extension invalid")
    fields: Fields = {"serial": int(text.rpartition("serial=")[2].split()[0], 16), "constraints": None, "usages": []}
    if constraints := re.search(r"X509v3 Basic Constraints:.*\n *(?:CA:(TRUE|FALSE))?(?:, pathlen:(\d+))?", text):
        is_ca = constraints[1] == "TRUE"
        fields["constraints"] = (is_ca, int(constraints[2]) if is_ca and constraints[2] else None)
    if usages := re.search(r"X509v3 Extended Key Usage:.*\n *(.*)", text):
        fields["usages"] = sorted(_PRINTED.get(usage, usage) for usage in usages[1].strip().split(", "))
        if not all(re.fullmatch(r"\d+(\.\d+)+", usage) for usage in fields["usages"]):  # type: ignore[attr-defined]
            del fields["usages"]  # it has names for more than we know
    return fields


def by_gnutls(der: bytes) -> Fields:
    """Read with GnuTLS."""
    text = _run(der, "certtool", "-i", "--inder")
    if re.search(r"(?m)^error:|: error:", text):
        raise ValueError("certtool prints an error")
    fields: Fields = {"constraints": None}
    if serial := re.search(r"Serial Number \(hex\): ([0-9a-f]+)", text):
        fields["serial"] = int(serial[1], 16)
    dates = re.findall(r"Not (?:Before|After): \w+ (\w+ \d+ [\d:]+ UTC \d+)", text)
    if len(dates) == 2:
        form = "%b %d %H:%M:%S UTC %Y"
        fields["validity"] = tuple(_utc(datetime.strptime(d, form).replace(tzinfo=timezone.utc)) for d in dates)
    if constraints := re.search(
        r"Certificate Authority \(CA\): (TRUE|FALSE)\n(?:\s*Path Length Constraint: (\d+))?", text
    ):
        is_ca = constraints[1] == "TRUE"
        fields["constraints"] = (is_ca, int(constraints[2]) if is_ca and constraints[2] else None)
    names = re.search(r"\tSubject Alternative Name \(.*\n((?:\t\t\t.*\n)*)", text)
    fields["names"] = (
        sorted(map(_plain_address, re.findall(r"\t(?:DNSname|IPAddress): (.*)", names[1]))) if names else []
    )
    return fields


def by_nss(der: bytes) -> Fields:
    """Read with NSS's printer."""
    text = _run(der, "nss-pp", "-t", "c")
    if "Serial Number" not in text:
        raise ValueError("nss-pp prints no certificate")
    return {}


JAVA = """
import java.io.*; import java.nio.file.*; import java.security.cert.*; import java.util.*;
public class Read {
    public static void main(String[] paths) throws Exception {
        for (String line : Files.readAllLines(Path.of(paths[0]))) {
            try {
                X509Certificate c = (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(Path.of(line))));
                List<String> names = new ArrayList<>();
                if (c.getSubjectAlternativeNames() != null)
                    for (List<?> n : c.getSubjectAlternativeNames())
                        if ((Integer) n.get(0) == 2 || (Integer) n.get(0) == 7)
                            names.add(java.net.URLEncoder.encode((String) n.get(1), "UTF-8"));
                List<String> usages = c.getExtendedKeyUsage();
                if (usages == null && c.getExtensionValue("2.5.29.37") != null)
                    throw new Exception("unreadable usages");
                if (c.getSubjectAlternativeNames() == null && c.getExtensionValue("2.5.29.17") != null)
                    throw new Exception("unreadable names");
                System.out.println(line + "\\t" + c.getSerialNumber()
                    + "\\t" + c.getNotBefore().getTime() / 1000 + "\\t" + c.getNotAfter().getTime() / 1000
                    + "\\t" + String.join(" ", names) + "\\t"
                    + (usages == null ? "" : String.join(" ", usages)) + "\\t" + c.getBasicConstraints());
            } catch (Throwable e) {
                System.out.println(line + "\\t" + ("" + e.getMessage()).replaceAll("\\\\s", " "));
            }
        }
    }
}
"""

GO = """
package main
import ("bufio"; "crypto/x509"; "encoding/asn1"; "encoding/json"; "fmt"; "os"; "sort")
func texts(n []interface{}) []string {
    r := []string{}
    for _, v := range n { r = append(r, fmt.Sprint(v)) }
    sort.Strings(r)
    return r
}
func main() {
    in := bufio.NewScanner(os.Stdin)
    for in.Scan() {
        data, _ := os.ReadFile(in.Text())
        c, err := x509.ParseCertificate(data)
        out := map[string]interface{}{"path": in.Text()}
        if err != nil { out["error"] = err.Error() } else {
            s, i := []interface{}{}, []interface{}{}
            for _, a := range c.Subject.Names { s = append(s, a.Value) }
            for _, a := range c.Issuer.Names { i = append(i, a.Value) }
            names := append([]string{}, c.DNSNames...)
            for _, a := range c.IPAddresses { names = append(names, a.String()) }
            length := -1
            if c.MaxPathLen > 0 || c.MaxPathLenZero { length = c.MaxPathLen }
            out["fields"] = []interface{}{texts(s), texts(i), c.SerialNumber.String(),
                c.NotBefore.UTC().Format("20060102150405"), c.NotAfter.UTC().Format("20060102150405"),
                names, c.BasicConstraintsValid, c.IsCA, length}
            for _, e := range c.Extensions { if e.Id.String() == "2.5.29.37" {
                ids := []asn1.ObjectIdentifier{}; list := []string{}
                asn1.Unmarshal(e.Value, &ids)
                for _, id := range ids { list = append(list, id.String()) }
                out["usages"] = list } }
        }
        line, _ := json.Marshal(out)
        fmt.Println(string(line))
    }
}
"""


def by_java(paths: list[str], work: Path) -> Iterator[tuple[str, Fields | str]]:
    """Read many files with Java's CertificateFactory, in one process."""
    (work / "Read.java").write_text(JAVA)
    (work / "list").write_text("\n".join(paths))
    done = subprocess.run(
        ["java", "-Dfile.encoding=UTF-8", str(work / "Read.java"), str(work / "list")], capture_output=True, check=True
    )
    for line in done.stdout.decode().splitlines():
        path, *rest = line.split("\t")
        if len(rest) < 6:
            yield path, " ".join(rest)
            continue
        serial, begins, ends, names, usages, length = rest
        try:
            instants = [datetime.fromtimestamp(int(each), tz=timezone.utc) for each in (begins, ends)]
        except ValueError:
            yield path, "a date that Python does not have"
            continue
        fields: Fields = {
            "serial": int(serial),
            "usages": sorted(usages.split()),
            "validity": tuple(map(_utc, instants)),
        }
        fields["names"] = sorted(_plain_address(unquote_plus(name)) for name in names.split(" ") if name)
        if int(length) >= 0:  # it does not tell a leaf from what has no such extension
            fields["constraints"] = (True, None if int(length) == 2**31 - 1 else int(length))
        yield path, fields


def by_go(paths: list[str], work: Path) -> Iterator[tuple[str, Fields | str]]:
    """Read many files with Go's crypto/x509, in one process."""
    (work / "read.go").write_text(GO)
    done = subprocess.run(
        ["go", "run", str(work / "read.go")], input="\n".join(paths).encode(), capture_output=True, check=True
    )
    for line in done.stdout.decode().splitlines():
        said = json.loads(line)
        if "error" in said:
            yield said["path"], said["error"]
            continue
        subject, issuer, serial, begins, ends, names, valid, is_ca, length = said["fields"]
        fields: Fields = {"subject": subject, "issuer": issuer, "serial": int(serial), "validity": (begins, ends)}
        fields["names"] = sorted(map(_plain_address, names or ()))
        fields["usages"] = sorted(said.get("usages") or ())
        fields["constraints"] = (is_ca, length if is_ca and length >= 0 else None) if valid else None
        # It hands on the bytes of other encodings than UTF-8 as they are.
        for key in ("subject", "issuer"):
            if "\ufffd" in "".join(fields[key]):  # type: ignore[arg-type]
                del fields[key]
        yield said["path"], fields


SINGLE: dict[str, Callable[[bytes], Fields]] = {
    "ours": ours,
    "cryptography": by_cryptography,
    "asn1crypto": by_asn1crypto,
    "python-ssl": by_python,
}
PROGRAMS: dict[str, tuple[str, Callable[[bytes], Fields]]] = {
    "openssl": ("openssl", by_openssl),
    "gnutls": ("certtool", by_gnutls),
    "nss": ("nss-pp", by_nss),
}
MANY = {"java": by_java, "go": by_go}


JUDGES = (by_cryptography, by_asn1crypto, by_python, by_openssl)
"""Those that no test has to install, the cheapest first."""


def read_all(ders: list[bytes], *, every: bool = False) -> list[dict[str, Fields | str]]:
    """Return what each reader says of each certificate: its fields, or why it refuses."""
    table: list[dict[str, Fields | str]] = [{} for _ in ders]
    for der, row in zip(ders, table, strict=True):
        for reader, read in SINGLE.items():
            row[reader] = answer(read, der)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        paths = [str(work / f"{position}.der") for position in range(len(ders))]
        for path, der in zip(paths, ders, strict=True):
            Path(path).write_bytes(der)
        for reader, read_many in MANY.items():
            if shutil.which(reader):
                for path, said in read_many(paths, work):
                    table[int(Path(path).stem)][reader] = said
    for der, row in zip(ders, table, strict=True):
        if every or any(isinstance(said, str) for said in row.values()):
            for reader, (program, read) in PROGRAMS.items():
                if shutil.which(program):
                    row[reader] = answer(read, der)
    return table


def answer(read: Callable[[bytes], Fields], der: bytes) -> Fields | str:
    """Return what a reader says of a certificate, or why it refuses it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(der)
    except DecodeError as error:
        return error.what
    except Exception as error:  # whatever it is, that is its answer
        return f"{type(error).__name__}: {error}"


def agree(one: Fields, other: Fields) -> bool:
    """Tell whether two readers say the same wherever both say something."""
    return all(one[key] == other[key] for key in one.keys() & other.keys())


def agreeing(row: dict[str, Fields | str]) -> list[str]:
    """Return the most readers but ours that accept a certificate and agree on it.

    OpenSSL counts once, by its library and its program; NSS's printer says nothing that can be compared.
    """
    accepting = {name: said for name, said in row.items() if name != "ours" and isinstance(said, dict) and said}
    library, program = accepting.pop("python-ssl", None), accepting.pop("openssl", None)
    if library and program:
        accepting["openssl"] = library | program
    best: list[str] = []
    for said in accepting.values():
        group = [name for name, other in accepting.items() if agree(said, other)]
        best = max(best, group, key=len)
    return best


@dataclass(frozen=True)
class Matrix:
    """What readers made of some certificates."""

    certificates: int
    """That at least one reader accepts."""
    nobodys: int
    accepted: dict[str, tuple[int, int]]
    """By reader: how many it was asked for, and how many of them it accepts."""
    refused: dict[str, list[str]]
    """What three others read alike and we do not read, by our reason: files."""
    differing: dict[str, list[str]]
    """What three others read alike and we otherwise, by the fields: files."""
    alone: Counter[str]
    """What we refuse without three others agreeing on it, by our reason."""

    def lines(self) -> Iterator[str]:
        """Yield the matrix as text."""
        yield f"{self.certificates} certificates that at least one reader accepts ({self.nobodys} that nobody does)"
        for reader, (asked, accepted) in self.accepted.items():
            yield f"{reader:14} asked {asked:6} accepts {accepted:6} refuses {asked - accepted:6}"
        for title, kinds in (("refused by us alone", self.refused), ("read otherwise by us", self.differing)):
            yield f"{title}: {sum(map(len, kinds.values()))}"
            for kind, paths in sorted(kinds.items(), key=lambda item: -len(item[1])):
                yield f"{len(paths):6} {kind}; such as {paths[0]}"
        yield f"refused by us, and three readers do not agree: {sum(self.alone.values())}"
        for kind, count in self.alone.most_common():
            yield f"{count:6} {kind}"


def matrix(found: dict[bytes, Path]) -> Matrix:
    """Ask all readers for some certificates, and compare what they say."""
    # A file that is DER and that nobody reads is hardly a certificate.
    rows = [
        (der, row)
        for der, row in zip(found, read_all(list(found)), strict=True)
        if any(isinstance(said, dict) for said in row.values())
    ]
    accepted = {}
    for reader in (*SINGLE, *MANY, *PROGRAMS):
        answers = [row[reader] for _, row in rows if reader in row]
        accepted[reader] = len(answers), sum(isinstance(each, dict) for each in answers)
    refused: dict[str, list[str]] = defaultdict(list)
    differing: dict[str, list[str]] = defaultdict(list)
    alone = Counter[str]()
    for der, row in rows:
        group, said = agreeing(row), row["ours"]
        if isinstance(said, str):
            if len(group) >= _ENOUGH:
                refused[said].append(f"{found[der]} {'+'.join(group)}")
            else:
                alone[said] += 1
        elif len(group) >= _ENOUGH:
            others = [other for name in group if isinstance(other := row[name], dict)]
            if fields := [key for key in said if any(other.get(key, said[key]) != said[key] for other in others)]:
                differing[" ".join(fields)].append(str(found[der]))
    return Matrix(len(rows), len(found) - len(rows), accepted, refused, differing, alone)


def main() -> None:
    """Print counts, and what three readers accept and we refuse or read otherwise."""
    for line in matrix(certificates([Path(argument) for argument in sys.argv[1:]])).lines():
        print(line)


if __name__ == "__main__":
    main()
