"""The live ports of the fleet, audited from the controller; `modules/audit.py` documents it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401

from opensslgen.fleet.action import FleetAction
from opensslgen.fleet.audit_servers import audit_servers, write_report

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(FleetAction):
    """Judges what all servers show, and writes one report; the hosts of the play are not connected to."""

    OPTIONS = {  # noqa: RUF012 - as Ansible's modules write it
        "servers": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "address": {"type": "str", "required": True},
                "port": {"type": "int", "default": 443},
                "name": {"type": "str"},
                "starttls": {"type": "str"},
            },
        },
        "profile": {"type": "list", "elements": "str", "default": ["apple"]},
        "allow": {"type": "list", "elements": "str", "default": []},
        "within": {"type": "int"},
        "report": {"type": "path"},
        "format": {"type": "str", "default": "json", "choices": ["json", "sarif"]},
        "timeout": {"type": "float", "default": 10.0},
        "jobs": {"type": "int", "default": 16},
    }

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return how many servers comply, and what speaks against the others."""
        answer = audit_servers(
            options["servers"],
            profiles=options["profile"],
            allow=options["allow"],
            within=None if options["within"] is None else timedelta(days=options["within"]),
            output=options["format"],
            timeout=options["timeout"],
            jobs=options["jobs"],
        )
        if options["report"] and not self.checks:
            write_report(Path(options["report"]), answer.report)
        share = f"{len(answer.faults)} of {answer.tally.results}"
        return {
            "changed": False,
            "totals": answer.tally._asdict(),
            "faults": [{"server": server, "message": message} for server, message in answer.faults],
            "report": options["report"],
            **({"failed": True, "msg": f"not all servers comply: {share} do not"} if answer.faults else {}),
        }
