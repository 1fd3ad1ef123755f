"""Every recipe as a job, and what two ways of doing one job must agree on."""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta, timezone

from cryptography import x509 as asked
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from opensslgen.jobs.issue import intermediate_job, leaf_job, request_job, root_job, self_signed_job
from opensslgen.jobs.sign import sign_job
from opensslgen.names.general import parse_names
from opensslgen.orders import from_request
from opensslgen.orders.kinds import CLIENT, KINDS, SELF_SIGNED, SERVER
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.plan import secrets
from opensslgen.x509 import key_types
from opensslgen.x509.certificate import load
from opensslgen.x509.request import parse_request

from .conftest import EC, files_below

RECIPES = {
    "root": {},
    "root-p256": {"key_type": key_types.key_type("p-256")},
    "root-passphrase": {"encrypted": True, "key_type": EC},
    "server": {"san": ["DNS:sip.example.com, IP:10.0.0.5", "2001:db8::1", "sip:example.com"]},
    "server-p384": {"key_type": key_types.key_type("p-384"), "organization": 'O\'Neil $x & Söhne, "Inc." #1\\'},
    "server-p12": {"key_type": EC, "p12": "p12"},
    "server-p12-compat": {"key_type": EC, "p12": "p12-compat"},
    "server-passphrase": {"key_type": EC, "encrypted": True},
    "server-short": {"key_type": EC, "days": 30, "extended_key_usage": ["serverAuth"]},
    "server-second": {"key_type": EC},
    "server-crl": {"key_type": EC, "crl_url": "http://pki.example.com/crl.der"},
    "client": {"key_type": EC},
    "client-mail": {"key_type": EC, "san": ["email:other@example.com"], "p12": "p12"},
    "self-signed": {"key_type": EC, "san": ["10.0.0.5"]},
    "self-signed-p12": {"p12": "p12-compat"},
    "intermediate": {"key_type": EC, "permit": ["example.com", "10.0.0.0/8", "2001:db8::/32"], "path_length": 1},
    "intermediate-passphrase": {"encrypted": True, "exclude": ["bad.example"], "crl_url": "http://crl.example/x?y=1"},
    "root-limited": {"key_type": EC, "permit": ["example.com,sip.example.org"], "exclude": ["IP:10.0.0.7"]},
    "csr-only": {"key_type": EC},
    "signed": {"names": parse_names("pbx.example.com, 10.0.0.5")},
    "signed-client": {"names": (), "kind": CLIENT, "stem": "phone-17"},
    "signed-intermediate": {"permit": ["example.com"], "stem": "berlin"},
}
NEEDS_ROOT = (
    "server-second",
    "intermediate",
    "intermediate-passphrase",
    "signed",
    "signed-client",
    "signed-intermediate",
)
SECRETS = {
    secrets.CA_PASSPHRASE: "correct horse",
    secrets.P12_PASSWORD: "battery staple",
    secrets.NEW_PASSPHRASE: "even better",
}


def lacks(recipe, openssl):
    """Return what this openssl cannot do of what a recipe asks for, as its refusal names it; None: nothing."""
    if "sip:" in str(recipe) and not openssl.can("verify URI:sip"):
        return "URI:sip"
    if "10.0.0." in str(recipe.get("permit", "")) + str(recipe.get("exclude", "")):
        return None if openssl.can("verify name constraints with addresses") else "name constraints with addresses"
    return None


def job_of(name, store):
    options = dict(RECIPES[name])
    encrypted = options.pop("encrypted", False)
    if name.startswith("root"):
        return root_job(root_order(common_name="Test root", encrypted=encrypted, **options), store=store)
    if name.startswith("signed"):
        request = request_from_elsewhere()
        order_of = from_request.authority_order_of if name == "signed-intermediate" else from_request.leaf_order_of
        return sign_job(request, order_of(request, **options), store=store)
    if name.startswith("intermediate"):
        order = intermediate_order("Site Berlin", encrypted=encrypted, **options)
        return intermediate_job(order, store=store, fixed_days=True)
    kind = next((kind for kind in KINDS.values() if name.startswith(kind.name)), SERVER)
    order = leaf_order("alice@example.com" if name == "client-mail" else "pbx.example.com", kind=kind, **options)
    if name == "csr-only":
        return request_job(order, store=store)
    if kind is SELF_SIGNED:
        return self_signed_job(order, store=store)
    root = root_order(common_name="Test root", encrypted=encrypted, key_type=EC)
    return leaf_job(order, store=store, root=root, fixed_days=False)


@functools.cache
def request_from_elsewhere():
    """Return a request, signed by its own key, that asks for more than it may get."""
    builder = asked.CertificateSigningRequestBuilder(
        asked.Name([asked.NameAttribute(asked.NameOID.COMMON_NAME, "Büro-Anlage")]),
        [
            asked.Extension(asked.BasicConstraints.oid, True, asked.BasicConstraints(True, None)),
            asked.Extension(
                asked.SubjectAlternativeName.oid, False, asked.SubjectAlternativeName([asked.DNSName("a.example")])
            ),
        ],
    )
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return parse_request(request.public_bytes(Encoding.PEM))


def summary(pki):
    """Return what two ways of making the same must agree on: names, modes, and certificates but for what is random."""
    certificates = {}
    for path in sorted(pki.rglob("*.crt")) + sorted(pki.rglob("*.pem")):
        if path.name == "crl.pem":
            crl = asked.load_pem_x509_crl(path.read_bytes())
            validity = crl.next_update_utc - crl.last_update_utc
            certificates["crl.pem"] = ([(each.serial_number, *each.extensions) for each in crl], validity)
            continue
        certificate = load(path)
        place = str(path.relative_to(pki)).replace(certificate.serial_hex, str(certificate.subject))
        place = re.sub(r"\d{8}T\d{6}Z", "TIME", place)
        # A renewed CA and the one before it have the same place here; their serial numbers have no order.
        certificates[place] = certificates.get(place, set()) | {
            (
                str(certificate.subject),
                str(certificate.issuer),
                certificate.names,
                certificate.extended_key_usage,
                certificate.key_usage,
                certificate.basic_constraints,
                certificate.name_constraints,
                certificate.crl_urls,
                certificate.validity,
                certificate.signature_algorithm,
                tuple((extension.oid, extension.critical) for extension in certificate.extensions),
                certificate.public_key.algorithm,
                certificate.public_key.curve or certificate.public_key.bits,
            )
        }
        assert abs(certificate.not_before - datetime.now(timezone.utc)) < timedelta(hours=2)
        assert 64 < certificate.serial_number.bit_length() <= 127
    files = {re.sub("[0-9A-F]{16,}", "SERIAL", name): mode for name, mode in files_below(pki).items()}
    files = {re.sub(r"\d{8}T\d{6}Z", "TIME", name): mode for name, mode in files.items()}
    index = [re.sub("[0-9A-F]{16,}", "SERIAL", line) for line in (pki / "index.txt").read_text().splitlines()]
    return files, certificates, [re.sub(r"\d{12}Z", "END", line) for line in index]
