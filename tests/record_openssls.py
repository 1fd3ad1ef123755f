"""Record how old versions of openssl behave, for test_recorded.py, which answers in their place where they are missing.

    OPENSSLGEN_TEST_OPENSSLS=DIRECTORY python -m tests.record_openssls

Each version gets a file recorded/NAME.json: its banner, the commands and options that it lacks of those that the
machine's own openssl has, how it refuses them, and what `verify` says where versions differ.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

RECORDED = Path(__file__).parent / "recorded"
COMMANDS = (
    "asn1parse", "ca", "cms", "crl", "crl2pkcs7", "dgst", "ec", "ecparam", "enc", "genpkey", "list", "pkcs12", "pkcs7",
    "pkcs8", "pkey", "rand", "req", "rsa", "smime", "storeutl", "verify", "x509",
)  # fmt: skip
OPERATION = {"cms": ("-verify",), "smime": ("-verify",)}
"""What these commands want first: without it they refuse all options alike."""

NO_OPTION = "-zzz"
VERIFY = {
    "self-signed, keyUsage without keyCertSign": ("-CAfile", "alone.crt", "-purpose", "sslserver", "alone.crt"),
    "an address below a CA limited to addresses": ("-CAfile", "ca.crt", "-purpose", "sslserver", "leaf.crt"),
}


def ask(program: str, *arguments: str, folder: str) -> dict[str, object]:
    """Return the exit code and the output of a command."""
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    # Lines about a config that is not there say nothing about the version; addresses and times differ each time.
    noise = re.compile(r"^(WARNING: can't open config|Unable to load config|\d+:error:).*\n", re.MULTILINE)
    return {"exit": done.returncode, "stdout": done.stdout, "stderr": noise.sub("", done.stderr)}


def options_of(name: str, folder: str) -> list[str]:
    """Return the options of a command of the machine's own openssl."""
    said = ask("openssl", name, "-help", folder=folder)
    return re.findall(r"^ (-[\w-]+)", f"{said['stdout']}{said['stderr']}", re.MULTILINE)


def refusals_of(program: str, name: str, option: str, folder: str) -> list[dict[str, object]]:
    """Return what a command says to an option, alone and with an argument."""
    words = (name, *OPERATION.get(name, ()), option)
    said = [ask(program, *words, folder=folder), ask(program, *words, "x", folder=folder)]
    return json.loads(re.sub(rf"{option}(?![\w-])", NO_OPTION, json.dumps(said)))


def record(program: str, folder: str) -> dict[str, object]:
    """Return what there is to know about one program."""
    missing, options, refusals = [], {}, {}
    unknown = ask(program, "zzz", folder=folder)
    for name in COMMANDS:
        refused = refusals_of(program, name, NO_OPTION, folder)
        if json.dumps(refused[1]).replace(name, "zzz") == json.dumps(
            ask(program, "zzz", NO_OPTION, "x", folder=folder)
        ):
            missing.append(name)
            continue
        wanted = options_of(name, folder)
        if lacking := [each for each in wanted if refusals_of(program, name, each, folder) == refused]:
            # The usage that follows is long.
            first = "".join(str(refused[1]["stderr"]).splitlines(keepends=True)[:2])
            options[name], refusals[name] = lacking, {**refused[1], "stderr": first}
    return {
        "banner": str(ask(program, "version", folder=folder)["stdout"]).strip(),
        "unknown command": unknown,
        "lacks commands": missing,
        "lacks options": options,
        "refuses options": refusals,
        "verify": {name: ask(program, "verify", *arguments, folder=folder) for name, arguments in VERIFY.items()},
    }


def certificates(folder: Path) -> None:
    """Write the certificates that VERIFY names."""
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("alone", "ca", "leaf")}
    limits = x509.NameConstraints([x509.IPAddress(ip_network("10.0.0.0/8"))], None)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    for name, key in keys.items():
        issuer = "ca" if name == "leaf" else name
        is_ca = name == "ca"
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
            .not_valid_after(datetime.now(timezone.utc) + timedelta(days=365))
            .add_extension(x509.BasicConstraints(is_ca, None), True)
            .add_extension(
                x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **usage), True
            )
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("10.0.0.5"))]), False)
        )
        builder = builder.add_extension(limits, True) if is_ca else builder
        made = builder.sign(keys[issuer], hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(made.public_bytes(Encoding.PEM))


def main() -> None:
    """Write a file for each openssl of OPENSSLGEN_TEST_OPENSSLS."""
    from .openssls import OTHERS, name_of

    RECORDED.mkdir(exist_ok=True)
    for program in OTHERS:
        with tempfile.TemporaryDirectory() as folder:
            certificates(Path(folder))
            text = json.dumps(record(program, folder), indent=1)
        (RECORDED / f"{name_of(program)}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
