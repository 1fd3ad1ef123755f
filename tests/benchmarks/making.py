"""Many certificates, beside what people use today."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from .measure import NO_ROOTS, OURS, Entry, contest, cores, ours

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = "[ req ]\nprompt = no\ndistinguished_name = subject\n[ subject ]\nCN = pbx.example.com\n"
EXTENSIONS = """[ v3_req ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectAltName = DNS:pbx.example.com
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
extendedKeyUsage = serverAuth,clientAuth
"""
# The three commands of the shell workflow; $KEY is empty or names a key that is there already.
SHELL = """
set -e
rm -rf shell; mkdir shell; cd shell
openssl req -new ${KEY:--newkey rsa:2048 -nodes -keyout server.key} -sha256 -config ../request.cnf -out server.req
openssl x509 -req -in server.req -CA ../pki/ca.crt -CAkey ../pki/private/ca.key -sha256 -days 820 \\
    -set_serial 0x0123456789ABCDEF0123456789ABCDEF -extfile ../v3_req.cnf -extensions v3_req -out server.crt
openssl verify -CAfile ../pki/ca.crt server.crt
"""
# As a loop of three commands a certificate.
LOOP = """
set -e
rm -rf loop; mkdir loop; cd loop
i=0
while [ $i -lt "$1" ]; do
    $KEY -out $i.key
    openssl req -new -key $i.key -sha256 -config ../request.cnf -out $i.req
    openssl x509 -req -in $i.req -CA ../pki/ca.crt -CAkey ../pki/private/ca.key -sha256 -days 820 \\
        -set_serial 0x0123456789ABCDEF01234567$((10000000 + i)) -extfile ../v3_req.cnf -extensions v3_req -out $i.crt
    i=$((i + 1))
done
"""
EC_KEY = "openssl ecparam -name prime256v1 -genkey -noout"
RSA_KEY = "openssl genrsa"
MKCERT = """
set -e
mkdir -p mkcert; export CAROOT=$PWD/mkcert; cd mkcert
i=0; while [ $i -lt "$1" ]; do mkcert $2 host$i.example.com; i=$((i + 1)); done
"""
MINICA = """
set -e
rm -rf minica; mkdir minica; cd minica
i=0; while [ $i -lt "$1" ]; do minica host$i.example.com; i=$((i + 1)); done
"""
CERTTOOL = """
set -e
rm -rf certtool; mkdir certtool; cd certtool
printf 'cn = pbx.example.com\\ndns_name = pbx.example.com\\ntls_www_server\\nsigning_key\\nexpiration_days = 820\\n' >t
i=0
while [ $i -lt "$1" ]; do
    certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile $i.key
    certtool --generate-certificate --load-privkey $i.key --load-ca-certificate ../pki/ca.crt \\
        --load-ca-privkey ../pki/private/ca.key --template t --outfile $i.crt
    i=$((i + 1))
done
"""
CFSSL = """
set -e
rm -rf cfssl; mkdir cfssl; cd cfssl
i=0
while [ $i -lt "$1" ]; do
    printf '{"CN":"h%s.example.com","hosts":["h%s.example.com"],"key":{"algo":"ecdsa","size":256}}' $i $i >csr.json
    cfssl gencert -loglevel 5 -ca ../pki/ca.crt -ca-key ../pki/private/ca.key csr.json >$i.json
    i=$((i + 1))
done
"""
EASY_RSA = """
set -e
export EASYRSA_PKI=$PWD/easy EASYRSA_BATCH=1 EASYRSA_ALGO=ec EASYRSA_CURVE=prime256v1
[ -d easy ] || { /usr/share/easy-rsa/easyrsa init-pki; EASYRSA_REQ_CN=r /usr/share/easy-rsa/easyrsa build-ca nopass; }
i=0
while [ $i -lt "$1" ]; do
    /usr/share/easy-rsa/easyrsa build-server-full host$$-$i.example.com nopass
    i=$((i + 1))
done
"""
TRUSTME = """
import sys, pathlib, trustme
ca = trustme.CA()
pathlib.Path("trustme").mkdir(exist_ok=True)
for number in range(int(sys.argv[1])):
    made = ca.issue_cert(f"host{number}.example.com")
    made.private_key_and_cert_chain_pem.write_to_path(f"trustme/{number}.pem")
"""
GENRSA = 'seq "$1" | xargs -P "$2" -I {} openssl genrsa -out {}.rsa 2048; rm -f ./*.rsa'
FEW = 20
"""What is slow is asked for so few; the time for one is told."""


def many_ec(folder: Path, number: int, runs: int) -> None:
    """Show a batch with EC keys, where processes are the cost, beside loops of what people use."""
    _prepare(folder)
    _inventory(folder, number)
    ours(folder, "root", "--key-type", "p-256")
    loop = ("sh", "-c", LOOP, "sh", str(number))
    few = str(FEW)
    contest(
        f"{number} servers' certificates, EC keys, {cores()} cores",
        [
            _batch(folder, "p-256"),
            Entry("sh, a loop of three openssl commands", loop, {"KEY": EC_KEY}),
            Entry("the same without system roots", loop, {"KEY": EC_KEY, **NO_ROOTS}),
            _peer("mkcert -ecdsa, a loop", "mkcert", ("sh", "-c", MKCERT, "sh", few, "-ecdsa")),
            _peer("minica (RSA keys), a loop", "minica", ("sh", "-c", MINICA, "sh", few)),
            _peer("cfssl gencert, a loop", "cfssl", ("sh", "-c", CFSSL, "sh", few)),
            _peer("GnuTLS certtool, a loop", "certtool", ("sh", "-c", CERTTOOL, "sh", few)),
            _peer(
                "easy-rsa build-server-full, a loop", "/usr/share/easy-rsa/easyrsa", ("sh", "-c", EASY_RSA, "sh", few)
            ),
            _trustme(number),
        ],
        number=number,
        runs=runs,
        folder=folder,
    )


def many_rsa(folder: Path, number: int, runs: int) -> None:
    """Show a batch with RSA keys beside what cannot be beaten: making nothing but the keys, on all cores."""
    _prepare(folder)
    _inventory(folder, number)
    ours(folder, "root")
    genrsa = ("sh", "-c", GENRSA, "sh", str(number), str(cores()))
    contest(
        f"{number} servers' certificates, RSA 2048 keys, {cores()} cores (1 x: as fast as the keys alone)",
        [
            _batch(folder, "rsa-2048"),
            Entry("openssl genrsa 2048 alone, on all cores", genrsa, NO_ROOTS),
            Entry("sh, a loop of three openssl commands", ("sh", "-c", LOOP, "sh", str(number)), {"KEY": RSA_KEY}),
            _peer("mkcert, a loop", "mkcert", ("sh", "-c", MKCERT, "sh", str(FEW), "")),
        ],
        number=number,
        runs=runs,
        folder=folder,
    )


def memory(folder: Path, numbers: tuple[int, ...]) -> None:
    """Show how much memory a batch takes, and that it does not grow with the rows as they are made and left alone."""
    for number in numbers:
        place = folder / str(number)
        place.mkdir()
        _inventory(place, number)
        ours(place, "root", "--key-type", "p-256")
        command = (*OURS, "batch", "sites.csv", "--key-type", "p-256", "--quiet")
        contest(
            f"a batch of {number} rows, EC keys",
            [Entry("opensslgen batch, all made", command), Entry("opensslgen batch, all left alone", command)],
            number=number,
            runs=1,
            folder=place,
        )


def _prepare(folder: Path) -> None:
    (folder / "request.cnf").write_text(REQUEST)
    (folder / "v3_req.cnf").write_text(EXTENSIONS)


def _inventory(folder: Path, number: int) -> None:
    rows = (f"host{row}.example.com,10.{row >> 16}.{row >> 8 & 255}.{row & 255}\n" for row in range(number))
    (folder / "sites.csv").write_text("name,san\n" + "".join(rows))


def _batch(folder: Path, key_type: str) -> Entry:
    def before() -> None:
        shutil.rmtree(folder / "fresh", ignore_errors=True)
        shutil.copytree(folder / "pki", folder / "fresh")

    command = (*OURS, "batch", "sites.csv", "--key-type", key_type, "--pki", "fresh", "--quiet")
    return Entry("opensslgen batch, all checks on", command, before=before)


def _peer(title: str, program: str, command: tuple[str, ...]) -> Entry:
    return Entry(title, command if shutil.which(program) else None, number=FEW)


def _trustme(number: int) -> Entry:
    from importlib.util import find_spec

    command = (sys.executable, "-c", TRUSTME, str(number)) if find_spec("trustme") else None
    return Entry("trustme, in one process", command)
