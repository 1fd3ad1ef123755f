"""The job that writes a root in every form that devices take, with the guides, into a folder of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.certificate import pem
from opensslgen.jobs import Job
from opensslgen.plan import CheckSame, Join, Plan, Publish, Write, openssl

from .files import files, pages
from .mobileconfig import mobileconfig, title
from .signing import signing

if TYPE_CHECKING:
    from opensslgen.certificate import Certificate

    from .signing import Signer


def trust_job(root: Certificate, by: Signer | None = None) -> Job:
    """Return the job of writing all of `files`; `by` signs the configuration profile."""
    profile = mobileconfig(root).decode()
    steps = (
        Write("root.pem", pem(root)),
        openssl("x509 -in root.pem -outform DER -out root.crt"),
        openssl("x509 -in root.crt -inform DER -out read.pem"),
        CheckSame("read.pem", "root.pem", "openssl made another root.crt than root.pem is"),
        *(Join(("root.pem",), name) for name in ("root-pem.crt", "WebRootCA.pem")),
        *(signing(profile, by) if by else (Write("root.mobileconfig", profile),)),
        *(Write(page.name, page.data.decode()) for page in pages(root)),
    )
    plan = Plan(
        f"the root certificate {title(root)}, for phones and computers",
        steps,
        publish=tuple(Publish(file.name, file.name, 0o644, file.name) for file in files(root)),
        database=False,
    )
    return Job(name=title(root), done=f"Wrote {plan.title}", plan=plan)
