"""Keys of each type, made once: to sign with, and to be certified."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIGNERS = [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()]

RSA_SIGNER = rsa.generate_private_key(65537, 2048)

KEYS = {
    ("RSA", 2048, None): RSA_SIGNER.public_key(),
    ("EC", 256, "P-256"): SIGNERS[0].public_key(),
    ("EC", 384, "P-384"): ec.generate_private_key(ec.SECP384R1()).public_key(),
    ("EC", 521, "P-521"): ec.generate_private_key(ec.SECP521R1()).public_key(),
    ("Ed25519", 0, None): SIGNERS[1].public_key(),
    ("DSA", 1024, None): dsa.generate_private_key(1024).public_key(),
}


def public_der(key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
