"""Certificate signing requests as others write them, by the builder of cryptography."""

from __future__ import annotations

import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

SHA256 = hashes.SHA256()

KEY = ec.generate_private_key(ec.SECP256R1())

CN, ORG, UNIT = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME


def written(builder, key=KEY, path="box.req", encoding=Encoding.PEM, algorithm=SHA256):
    """Sign a request and write it to a file; return its name."""
    Path(path).write_bytes(builder.sign(key, algorithm).public_bytes(encoding))
    return path


def asking(*names, subject=((CN, "pbx.example.com"),), extensions=()):
    """Return the builder of a request with these alternative names."""
    with warnings.catch_warnings():
        # Of what is too long, which is what some tests want.
        warnings.simplefilter("ignore")
        attributes = [x509.RelativeDistinguishedName([x509.NameAttribute(*pair, _validate=False)]) for pair in subject]
    builder = x509.CertificateSigningRequestBuilder(x509.Name(attributes))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder
