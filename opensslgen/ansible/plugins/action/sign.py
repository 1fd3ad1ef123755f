"""All requests of the play, signed on the controller in one batch; `modules/sign.py` documents it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401

from opensslgen.fleet.action import FleetAction
from opensslgen.fleet.sign_requests import sign_all
from opensslgen.plan.secrets import CA_PASSPHRASE

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(FleetAction):
    """Signs what is not signed yet; one request that cannot be signed does not stop the others."""

    OPTIONS = {  # noqa: RUF012 - as Ansible's modules write it
        "requests": {"type": "list", "elements": "dict", "required": True},
        "pki": {"type": "path", "default": "pki"},
        "within": {"type": "int", "default": 30},
        "allow": {"type": "list", "elements": "str", "default": []},
        "passphrase": {"type": "str", "no_log": True},
        "openssl": {"type": "str"},
        "jobs": {"type": "int"},
    }

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return which certificates were made, and by name why others were not."""
        # A host that has failed or was skipped has left no order.
        requests = [request for request in options["requests"] if request.get("order")]
        signed = sign_all(
            requests,
            pki=Path(options["pki"]),
            passphrase=options["passphrase"] or os.environ.get(CA_PASSPHRASE),
            openssl=options["openssl"],
            within=timedelta(days=options["within"]),
            allow=options["allow"],
            jobs=options["jobs"],
            check=self.checks,
        )
        changed = [one.name for one in signed if one.changed]
        return {
            "changed": bool(changed),
            "signed": changed,
            "kept": [one.name for one in signed if not one.changed and not one.failed],
            "faults": {one.name: one.why for one in signed if one.failed},
            **self.diff(
                (f"certificate of {one.name}: {one.why}", "", one.certificate) for one in signed if one.changed
            ),
        }
