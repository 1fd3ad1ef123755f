"""Rules without a check: the code that reads a file, a config, a script or a server's answer raises their findings."""

from __future__ import annotations

import re

from .apple import APPLE
from .ats import ATS
from .rule import Rule

_CONFIG = "OpenSSL config(5)"
_POST = "the post on IP Office and iPhones that this tool starts from"

_TABLE = f"""
protocol (error): RFC 8996; Apple, App Transport Security
    Apple's devices, browsers and Python refuse versions of TLS before 1.2.
ats-cipher (error): {ATS}
    App Transport Security offers only cipher suites with forward secrecy (ECDHE) and authenticated encryption (AEAD).
ats-extended-master-secret (note): {ATS}; RFC 7627
    Apple demands the extended master secret of servers that speak only TLS 1.2 to its system services.
chain-signature (error): RFC 5280 section 6.1.3 (a) (1); OpenSSL verify
    Clients refuse a certificate that its issuer has not signed, or that was changed after it was signed.
chain-rejected (error): OpenSSL verify
    Many clients use openssl, so they refuse what openssl refuses.
chain-untrusted (error): RFC 5280 section 6.1; OpenSSL s_client -CAfile
    Clients refuse a server if its chain does not lead to a root that they trust.
clock (error): RFC 5280 section 4.1.2.5
    A certificate that is made while the clock is wrong expires at the wrong time, perhaps before it is used.
chain-choice (warning): OpenSSL verify; RFC 4158 section 2.2
    OpenSSL tries only one of several paths, so clients that use it may refuse what others accept.
crl-signature (error): RFC 5280 section 6.3.3 (g)
    Clients that check CRLs refuse a CRL that its issuer has not signed, or that was changed after it was signed.
crl-refused (error): RFC 5280 sections 5.2 and 6.3.3 (f); OpenSSL verify -crl_check
    Clients that check CRLs refuse one whose issuer may not sign CRLs, or with a critical extension.
not-pem (warning): RFC 7468 sections 2 and 3
    Servers that use openssl cannot read a file that is neither DER nor PEM as RFC 7468 describes it.
key-mode (warning): square/certstrap#137
    Anyone who can read a private key can impersonate its server.
p12-rc2 (warning): OpenSSL 3.0 migration guide, OSSL_PROVIDER-legacy(7)
    OpenSSL 3 reads RC2-40 only with -legacy, and RC2-40 is easy to break.
p12-too-new (note): openssl/openssl#19871; chris2511/xca#559
    Older Apple, Windows Server 2016, Android and appliance importers refuse AES and a SHA-256 MAC.
config-runs-code (warning): {_CONFIG}: openssl_conf, engines, providers, dynamic_path
    A config that loads engines, providers or modules can run any code; the audit does not load them.
config-reads-files (warning): {_CONFIG}: .include; x509v3_config(5): file:
    The audit does not check what a config reads from other files, and another machine may lack them.
config-reads-environment (warning): {_CONFIG}: ENV::
    The audit does not check what a config reads from the environment, and LibreSSL refuses it.
config-default-days (error): {APPLE}; openssl-ca(1): default_days
    Certificates that openssl ca issues with this config are valid for too long for Apple's devices.
config-default-bits (error): {APPLE}; openssl-req(1): default_bits
    RSA keys that openssl req generates with this config are too small for Apple's devices.
config-default-md (error): {APPLE}; openssl-req(1), openssl-ca(1): default_md
    Apple's devices refuse the signatures that openssl makes with this config.
config-section-unused (warning): x509v3_config(5); openssl-x509(1): -extensions
    Extensions in a section that nothing refers to have no effect, and openssl does not say so.
config-key-twice (warning): {_CONFIG}
    If a key appears twice in a section, openssl uses the last value and silently ignores the first.
config-section-missing (error): {_CONFIG}; x509v3_config(5)
    If a config refers to a section that is missing, openssl issues no certificate.
script-validity (error): {APPLE}; {_POST}
    By default, the script issues certificates that are valid for too long for Apple's devices.
script-no-eku (error): {APPLE}; {_POST}
    The script issues server certificates without the extended key usage serverAuth.
script-days (error): {APPLE}; openssl-x509(1): -days
    A command of the script issues certificates for more than 825 days, which is allowed only for a root.
script-sha1 (error): {APPLE}; openssl-x509(1): -sha1
    A command of the script makes signatures that Apple's devices refuse.
script-small-key (error): {APPLE}; openssl-genrsa(1)
    A command of the script generates RSA keys that are too small for Apple's devices.
pki-index-line (error): openssl-ca(1): database
    If a line cannot be parsed, openssl ca refuses its database or misses a certificate.
pki-index-line-ends (warning): openssl-ca(1): database, unique_subject
    A carriage return at the end of a line becomes part of the subject when openssl reads it.
pki-index-twice (error): RFC 5280 section 4.1.2.2
    If two certificates have the same serial number, it is impossible to revoke only one of them.
pki-unrecorded (error): openssl-ca(1): -revoke; openssl-ocsp(1): -index
    If a certificate is not in the index, openssl ca cannot revoke it, and no OCSP responder knows it.
pki-copy-missing (warning): openssl-ca(1): new_certs_dir
    Without the copy, it is unknown which certificate a line of the index describes.
pki-copy-differs (error): openssl-ca(1): database, new_certs_dir
    If the index describes another certificate than the copy, you revoke the wrong one.
pki-other-issuer (warning): RFC 5280 section 6.3.3
    The CRL of this CA cannot revoke certificates of another CA.
pki-config-differs (error): openssl-x509(1): -extfile, -extensions
    The record of how a certificate was issued is useless if it describes another certificate.
pki-key-mismatch (error): RFC 8446 section 4.4.3
    A key that does not match its certificate is useless, and the right key may be lost.
pki-request-differs (warning): RFC 2986 section 3
    With a request for another key, this certificate cannot be issued again.
pki-revoked-in-use (error): RFC 5280 section 6.3
    Clients that check for revocation refuse a revoked certificate, so a server must not use it.
pki-crl-stale (error): RFC 5280 section 6.3.3
    Clients that check CRLs refuse every certificate if the CRL has expired.
pki-crl-incomplete (error): RFC 5280 section 5.1.2.6; openssl-ca(1): -gencrl
    Clients accept a revoked certificate until it is in the CRL.
pki-open-to-others (warning): RFC 3647 section 4.6.2
    Anyone who can read a CA's key, or change its folder, can impersonate any server to its clients.
pki-link (error): CWE-59
    A link out of the folder makes programs read keys, or write files, at a place that somebody else chose.
"""

RULES = tuple(
    Rule(name, severity, reason, citation)
    for name, severity, citation, reason in re.findall(r"^(\S+) \((\w+)\): (.+)\n +(.+)$", _TABLE, re.MULTILINE)
)
