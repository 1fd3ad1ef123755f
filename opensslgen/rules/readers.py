"""Rules that have no check: whoever reads a file, a config, a script or a server's answer raises their findings."""

from __future__ import annotations

from .apple import APPLE
from .case import ERROR, NOTE, WARNING, Rule

_CONFIG = "OpenSSL config(5)"
_POST = "the post on IP Office and iPhones that this tool starts from"

RULES = (
    Rule(
        "protocol",
        ERROR,
        "Apple's devices, browsers and Python refuse what is older than TLS 1.2.",
        "RFC 8996; Apple, App Transport Security",
        None,
        None,
    ),
    Rule(
        "key-mode",
        WARNING,
        "Whoever can read a private key can pass for its server.",
        "square/certstrap#137",
        None,
        None,
    ),
    Rule(
        "p12-rc2",
        WARNING,
        "OpenSSL 3 reads RC2-40 only with -legacy, and anyone can break it.",
        "OpenSSL 3.0 migration guide, OSSL_PROVIDER-legacy(7)",
        None,
        None,
    ),
    Rule(
        "p12-too-new",
        NOTE,
        "Older Apple, Windows Server 2016, Android and appliance importers refuse AES and a SHA-256 MAC.",
        "openssl/openssl#19871; chris2511/xca#559",
        None,
        None,
    ),
    Rule(
        "config-runs-code",
        WARNING,
        "A config that loads engines, providers or modules runs code of its author's choice; the audit leaves it out.",
        f"{_CONFIG}: openssl_conf, engines, providers, dynamic_path",
        None,
        None,
    ),
    Rule(
        "config-reads-files",
        WARNING,
        "What a config takes from other files is not judged, and another machine may lack them.",
        f"{_CONFIG}: .include; x509v3_config(5): file:",
        None,
        None,
    ),
    Rule(
        "config-reads-environment",
        WARNING,
        "What a config takes from the environment is not judged, and LibreSSL refuses it.",
        f"{_CONFIG}: ENV::",
        None,
        None,
    ),
    Rule(
        "config-default-days",
        ERROR,
        "Certificates that openssl ca makes by this config are valid for too long for Apple's devices.",
        f"{APPLE}; openssl-ca(1): default_days",
        None,
        None,
    ),
    Rule(
        "config-default-bits",
        ERROR,
        "RSA keys that openssl req makes by this config are too small for Apple's devices.",
        f"{APPLE}; openssl-req(1): default_bits",
        None,
        None,
    ),
    Rule(
        "config-default-md",
        ERROR,
        "What openssl signs by this config has a signature that Apple's devices refuse.",
        f"{APPLE}; openssl-req(1), openssl-ca(1): default_md",
        None,
        None,
    ),
    Rule(
        "config-section-unused",
        WARNING,
        "Extensions in a section that nothing names are applied to no certificate, and openssl does not say so.",
        "x509v3_config(5); openssl-x509(1): -extensions",
        None,
        None,
    ),
    Rule(
        "config-section-missing",
        ERROR,
        "A config that names a section it does not have makes no certificate.",
        f"{_CONFIG}; x509v3_config(5)",
        None,
        None,
    ),
    Rule(
        "script-validity",
        ERROR,
        "The script's default makes certificates that are valid for too long for Apple's devices.",
        f"{APPLE}; {_POST}",
        None,
        None,
    ),
    Rule(
        "script-no-eku",
        ERROR,
        "The script's v3_req block makes servers' certificates without the extended key usage serverAuth.",
        f"{APPLE}; {_POST}",
        None,
        None,
    ),
    Rule(
        "script-days",
        WARNING,
        "A command of the script makes certificates for more than 825 days, which only a root may have.",
        f"{APPLE}; openssl-x509(1): -days",
        None,
        None,
    ),
    Rule(
        "script-sha1",
        ERROR,
        "A command of the script makes signatures that Apple's devices refuse.",
        f"{APPLE}; openssl-x509(1): -sha1",
        None,
        None,
    ),
    Rule(
        "script-small-key",
        ERROR,
        "A command of the script makes RSA keys that are too small for Apple's devices.",
        f"{APPLE}; openssl-genrsa(1)",
        None,
        None,
    ),
)
