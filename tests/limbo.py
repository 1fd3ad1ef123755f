"""Compares the audit with x509-limbo: `python -m tests.limbo FILE [--only PATTERN] [--profile NAME] [--list]`.

FILE is the limbo.json of C2SP/x509-limbo, which is not in this repository. Each case is judged as `opensslgen audit
--root ROOT --at TIME --servername NAME` would, and by `openssl verify`, as it is and with -x509_strict. What the audit
answers otherwise than limbo, or passes though openssl rejects it, has to be in the table of
`opensslgen/manual/limbo.md`: exit code 1 if it is not.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit_content
from opensslgen.errors import Error
from opensslgen.names.general import parse_host
from opensslgen.openssl.command import find
from opensslgen.report.tally import COMPLIES, UNREADABLE, verdict
from opensslgen.rules.profiles import rules_of
from opensslgen.x509.certificate import load_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MANUAL = Path(__file__).parents[1] / "opensslgen" / "manual" / "limbo.md"
_ROW = re.compile(r"^\| `([^`]+::[^`]+)` \| (.+) \|$", re.MULTILINE)
PASS, REJECT, UNKNOWN = "pass", "reject", "cannot be told"
ALLOWED = {"apple": ("apple-validity",), "strict": (), "client": ("empty-cn",)}
"""Rules that are not about paths: limbo's certificates are valid for a thousand years, and have no common name."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A case, and what was said about it."""

    id: str
    limbo: str
    """PASS or REJECT."""
    ours: str
    """PASS, REJECT or UNKNOWN."""
    openssl: str
    """What `openssl verify` says: PASS or REJECT."""
    strict: str
    """What `openssl verify -x509_strict` says."""
    why: str
    """What the audit says."""
    openssl_why: str

    @property
    def namespace(self) -> str:
        """The part of the id before its last ::."""
        return self.id.rpartition("::")[0]

    @property
    def differs(self) -> bool:
        """Whether the audit answers otherwise than limbo, or passes without a word what `openssl verify` rejects."""
        is_silent = self.ours == PASS and self.openssl == REJECT and "chain-choice" not in self.why
        return self.ours != self.limbo or is_silent


def _time(case: dict[str, Any]) -> datetime:
    text = case["validation_time"]
    return datetime.fromisoformat(text).replace(microsecond=0) if text else datetime.now(timezone.utc)


def _ask_us(case: dict[str, Any], profile: str) -> tuple[str, str]:
    """Return what the audit says of a case."""
    kind = "client" if case["validation_kind"] == "CLIENT" else profile
    name = case["expected_peer_name"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roots.pem"
        path.write_text("\n".join(case["trusted_certs"]))
        try:
            settings = Settings(
                rules=rules_of([kind], ALLOWED[kind]),
                at=_time(case),
                roots=tuple(load_all(path)),
                servername=parse_host(name["value"]) if name else None,
                openssl=find,
                jobs=1,
            )
        except Error as error:
            return REJECT, f"usage: {error.message}"
    bundle = "\n".join([case["peer_certificate"], *case["untrusted_intermediates"], *case.get("crls", ())])
    results = audit_content(bundle.encode(), case["id"], settings)
    said = [f"{finding.rule.id}: {finding.message}" for result in results for finding in result.findings]
    said += [text for result in results for text in (result.unreadable, *result.notes) if text]
    answers = {verdict(result) for result in results}
    # What cannot be read is no good certificate; only what was read and lacks an answer is unknown.
    unknown = all(result.is_unknown for result in results if verdict(result) == UNREADABLE)
    answer = PASS if answers == {COMPLIES} else UNKNOWN if answers == {COMPLIES, UNREADABLE} and unknown else REJECT
    return answer, "; ".join(said)


def _ask_openssl(case: dict[str, Any], *, strict: bool) -> tuple[str, str]:
    """Return what `openssl verify` says of a case."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, certificates in (
            ("trusted", case["trusted_certs"]),
            ("untrusted", case["untrusted_intermediates"]),
            ("leaf", [case["peer_certificate"]]),
            ("crls", case.get("crls") or []),
        ):
            (work / name).write_text("\n".join(certificates))
        purpose = "sslclient" if case["validation_kind"] == "CLIENT" else "sslserver"
        command = ["openssl", "verify", "-CAfile", "trusted", "-no-CApath", "-partial_chain", "-purpose", purpose]
        command += ["-attime", str(int(_time(case).timestamp()))]
        command += ["-x509_strict"] if strict else []
        command += ["-untrusted", "untrusted"] if case["untrusted_intermediates"] else []
        command += ["-CRLfile", "crls", "-crl_check_all"] if case.get("crls") else []
        if case["max_chain_depth"] is not None:
            command += ["-verify_depth", str(case["max_chain_depth"])]
        if name := case["expected_peer_name"]:
            option = {"DNS": "-verify_hostname", "IP": "-verify_ip", "RFC822": "-verify_email"}[name["kind"]]
            command += [option, name["value"]]
        asked = subprocess.run(
            [*command, "leaf"], cwd=work, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False
        )
    text = (asked.stdout + asked.stderr).decode(errors="replace")
    return (PASS if asked.returncode == 0 and "leaf: OK" in text else REJECT), " ".join(text.split())


def compare(case: dict[str, Any], profile: str) -> Compared:
    """Return what the audit and openssl say of a case."""
    ours, why = _ask_us(case, profile)
    openssl, openssl_why = _ask_openssl(case, strict=False)
    strict, strict_why = _ask_openssl(case, strict=True)
    return Compared(
        id=case["id"],
        limbo=PASS if case["expected_result"] == "SUCCESS" else REJECT,
        ours=ours,
        openssl=openssl,
        strict=strict,
        why=why,
        openssl_why=openssl_why if openssl == REJECT else strict_why,
    )


def table(compared: Iterable[Compared]) -> Iterator[str]:
    """Yield the agreement per namespace as text."""
    columns = ("cases", "both pass", "both reject", "we pass", "we reject", UNKNOWN, "openssl", "strict")
    yield f"{'':28}" + "".join(f"{column:>15}" for column in columns)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for each in compared:
        for space in (each.namespace, "all"):
            count = counts[space]
            count["cases"] += 1
            if each.ours == UNKNOWN:
                count[UNKNOWN] += 1
            elif each.ours == each.limbo:
                count[f"both {each.ours}"] += 1
            else:
                count[f"we {each.ours}"] += 1
            count["openssl"] += each.openssl == each.limbo
            count["strict"] += each.strict == each.limbo
    for space in (*sorted(set(counts) - {"all"}), "all"):
        yield f"{space:28}" + "".join(f"{counts[space][column]:15}" for column in columns)
    yield "we pass, we reject: limbo does not"
    yield "openssl, strict: how often `openssl verify`, without and with -x509_strict, agrees with limbo"


def reasons() -> dict[str, str]:
    """Return why the audit answers otherwise than limbo, by patterns of ids, as the manual has it."""
    return dict(_ROW.findall(MANUAL.read_text(encoding="utf-8")))


def main() -> int:
    """Print the agreement, and what the manual does not explain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="compare the cases with such ids")
    parser.add_argument("--profile", choices=["apple", "strict"], default="strict", help="for servers")
    parser.add_argument("--list", action="store_true", help="print every case that is not answered as limbo does")
    arguments = parser.parse_args()
    cases = [
        case
        for case in json.loads(arguments.file.read_text(encoding="utf-8"))["testcases"]
        if fnmatchcase(case["id"], arguments.only)
    ]
    with ProcessPoolExecutor() as pool:
        compared = [*pool.map(partial(compare, profile=arguments.profile), cases, chunksize=8)]
    for line in table(compared):
        print(line)
    explained = reasons()
    bad = 0
    for each in compared:
        why = next((reason for pattern, reason in explained.items() if fnmatchcase(each.id, pattern)), None)
        bad += each.differs and why is None
        if each.differs and (arguments.list or why is None):
            print(f"\n{each.id}: limbo {each.limbo}, audit {each.ours}, openssl {each.openssl}, strict {each.strict}")
            print(f"  manual:  {why or 'nothing'}\n  audit:   {each.why}\n  openssl: {each.openssl_why}")
    print(f"\n{bad} cases that differ and that the manual does not explain")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
