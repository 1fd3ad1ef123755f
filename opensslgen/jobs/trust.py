"""The job that writes a root in every format for devices, with guides, into a folder of the user."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError
from opensslgen.names.general import file_name, parse_host
from opensslgen.openssl import run
from opensslgen.openssl.command import OpenSSL
from opensslgen.orders.kinds import ProfileName
from opensslgen.plan import layout
from opensslgen.plan.sign_profile import Signer, sign_profile
from opensslgen.plan.steps import CheckSame, Join, Plan, Publish, Write, openssl
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import Case, Finding, judge
from opensslgen.trust.anchor import authorities
from opensslgen.trust.desk_phones import settings_lines
from opensslgen.trust.files import files, pages
from opensslgen.trust.mobileconfig import mobileconfig, title
from opensslgen.x509.certificate import load
from opensslgen.x509.pem import CERTIFICATE, pem

from .job import Job, Violation, violations

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate


def trust_job(root: Certificate, signer: Signer | None = None) -> Job:
    """Return the job of writing all of `files`; `signer` signs the configuration profile."""
    profile = mobileconfig(root).decode()
    steps = (
        Write("root.pem", pem(CERTIFICATE, root.der)),
        openssl("x509 -in root.pem -outform DER -out root.crt"),
        openssl("x509 -in root.crt -inform DER -out read.pem"),
        CheckSame("read.pem", "root.pem", "openssl made another root.crt than root.pem is"),
        *(Join(("root.pem",), name) for name in ("root-pem.crt", "WebRootCA.pem")),
        *(sign_profile(profile, signer) if signer else (Write("root.mobileconfig", profile),)),
        Write("46xxsettings-lines.txt", settings_lines(title(root))),
        *(Write(page.name, page.data.decode()) for page in pages(root)),
    )
    plan = Plan(
        f"the root certificate {title(root)}, for phones and computers",
        steps,
        publish=tuple(Publish(file.name, file.name, 0o644) for file in files(root)),
        database=False,
    )
    return Job(name=title(root), done=f"Wrote {plan.title}", plan=plan)


def find_signer(folder: Path, name: str) -> Signer:
    """Return the certificate of a pki folder that goes by this name, to sign with.

    Raises UnreadableError if it or its key is not there, and Error if it is not valid now: what an expired one has
    signed shows as unsigned.
    """
    file = file_name(parse_host(name))
    found = Signer(
        certificate=folder / layout.certificate(file),
        key=folder / layout.key(file),
        authorities=authorities(folder),
    )
    certificate = load(found.certificate)
    if not found.key.is_file():
        raise UnreadableError(f"{found.key} is not there, and it is needed to sign")
    if not certificate.not_before <= datetime.now(timezone.utc) <= certificate.not_after:
        raise Error(
            f"{found.certificate} is valid from {certificate.not_before.date()} to"
            f" {certificate.not_after.date()}, and so cannot sign now"
        )
    return found


def sign(
    profile: bytes, signer: Signer, openssl: OpenSSL, *, on_command: Callable[[str], None] = lambda _: None
) -> bytes:
    """Return the profile signed, after openssl has verified it; raises Error if anything goes wrong."""
    plan = Plan("a signed profile", sign_profile(profile.decode(), signer), database=False)
    with TemporaryDirectory(prefix="opensslgen-") as work:
        on_command(f"cd {shlex.quote(work)}")
        run.run(plan, work=Path(work), openssl=openssl, secrets={}, on_command=on_command)
        return Path(work, "root.mobileconfig").read_bytes()


def judge_root(root: Certificate, *, allow: Collection[str] = ()) -> list[Finding]:
    """Return what may speak against a root on a phone, by the rules of the profile root but those that are allowed.

    Raises Violation if a phone would hide or refuse it.
    """
    found = judge(Case(root, root, datetime.now(timezone.utc)), rules_of([ProfileName.ROOT], allow))
    if violations(found):
        raise Violation("a phone would hide or refuse this root", violations(found))
    return found
