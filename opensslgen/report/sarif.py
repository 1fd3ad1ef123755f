"""Write an audit as SARIF 2.1.0 (OASIS), so that code hosts show findings in the files."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from opensslgen.patterns import pattern
from opensslgen.text import visible

from .tally import Tally, worst_first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensslgen.audit.result import Result
    from opensslgen.rules.rule import Finding, Rule


SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_UNREADABLE = "unreadable"
_URL = pattern(r"https://[^\s,;)]+")


def sarif_head(*, version: str, rules: Sequence[Rule]) -> str:
    """Return the text before the results."""
    driver = {
        "name": "opensslgen",
        "semanticVersion": version,
        "rules": [*map(_descriptor, rules), _UNREADABLE_DESCRIPTOR],
    }
    head = {"$schema": SCHEMA, "version": "2.1.0"}
    run = {"columnKind": "unicodeCodePoints", "tool": {"driver": driver}}
    return f'{json.dumps(head)[:-1]}, "runs": [{json.dumps(run)[:-1]}, "results": [\n'


def _descriptor(rule: Rule) -> dict[str, Any]:
    url = _URL.search(rule.citation)
    since = f" For certificates from {rule.effective} on." if rule.effective else ""
    since += f" For certificates until {rule.until}." if rule.until else ""
    return {
        "id": rule.id,
        "shortDescription": {"text": _message(rule.reason)},
        "help": {"text": _message(f"{rule.reason}{since} Source: {rule.citation}")},
        "defaultConfiguration": {"level": rule.severity},
        **({"helpUri": url[0]} if url else {}),
    }


_UNREADABLE_DESCRIPTOR = {
    "id": _UNREADABLE,
    "shortDescription": {"text": "What cannot be read or judged never complies."},
    "help": {"text": "What cannot be read, or lacks something that a rule needs to know, never complies."},
    "defaultConfiguration": {"level": "error"},
}


def sarif_entry(result: Result) -> str:
    """Return the findings on a result, one on each line."""
    found = [_finding(result, finding) for finding in worst_first(result.findings)]
    if result.unreadable is not None:
        found.append(_sarif_result(result, _UNREADABLE, "error", result.unreadable, result.line))
    return ",\n".join(map(json.dumps, found))


def _finding(result: Result, finding: Finding) -> dict[str, Any]:
    return _sarif_result(result, finding.rule.id, finding.rule.severity, finding.message, finding.line or result.line)


def _sarif_result(result: Result, rule: str, level: str, message: str, line: int | None) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": _message(f"{result.target}: {message}")},
        "locations": [_location(result, line)],
    }


def _location(result: Result, line: int | None) -> dict[str, Any]:
    name = visible(result.target)
    if result.origin:
        # The script is what has to change; a certificate that was made on the way may be gone.
        if not (result.origin.script and result.origin.line):
            return {"logicalLocations": [{"fullyQualifiedName": name}]}
        uri = quote(os.fsencode(result.origin.script.removeprefix("./")))
        uri = f"file://{uri}" if uri.startswith("/") else uri
        region = {"startLine": result.origin.line}
        return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}
    if result.kind == "server" or result.target == "-":
        return {"logicalLocations": [{"fullyQualifiedName": "standard input" if result.target == "-" else name}]}
    path = quote(os.fsencode(result.target.removeprefix("./")))
    uri = f"file://{path}" if path.startswith("/") else path
    # Code hosts do not show findings without a line.
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line or 1}}}


def _message(text: str) -> str:
    """Return text without placeholders and links (SARIF sections 3.11.5 and 3.11.6)."""
    return visible(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def sarif_tail(tally: Tally) -> str:
    """Return the text after the results."""
    invocation = {"executionSuccessful": True, "exitCode": tally.exit_code}
    return f'\n], "invocations": [{json.dumps(invocation)}]}}]}}\n'
