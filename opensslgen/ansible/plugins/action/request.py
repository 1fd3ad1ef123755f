"""The request of a host, which makes it and its key itself; `modules/request.py` documents it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401

from opensslgen.fleet.action import FleetAction
from opensslgen.fleet.request import ensure_request, order_of
from opensslgen.pki.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDER = ("name", "san", "subject", "key_type", "days")


class ActionModule(FleetAction):
    """Returns the request of a host, and has it made if need be."""

    OPTIONS = {  # noqa: RUF012 - as Ansible's modules write it
        "name": {"type": "str"},
        "san": {"type": "list", "elements": "str", "default": []},
        "subject": {"type": "dict", "default": {}},
        "key_type": {"type": "str", "default": "rsa-2048"},
        "days": {"type": "int", "default": 820},
        "allow": {"type": "list", "elements": "str", "default": []},
        "new_key": {"type": "bool", "default": False, "no_log": False},
        "within": {"type": "int", "default": 30},
        "pki": {"type": "path", "default": "pki"},
        "folder": {"type": "str", "default": "/etc/opensslgen/pki"},
        "openssl": {"type": "str", "default": "openssl"},
    }

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request, and the options that it will be signed by."""
        order = {name: options[name] for name in ORDER} | {"name": options["name"] or task_vars["inventory_hostname"]}
        answer = ensure_request(
            self.host(options["openssl"]),
            order_of(order),
            folder=options["folder"],
            allow=options["allow"],
            new_key=options["new_key"],
            within=timedelta(days=options["within"]),
            compromised=Folder(Path(options["pki"])).compromised,
            check=self.checks,
        )
        return {
            "changed": answer.changed,
            "order": order,
            "request": answer.request,
            "notes": list(answer.notes),
            **self.diff([("request", answer.before, answer.after)]),
        }
