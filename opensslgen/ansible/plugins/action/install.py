"""Install certificate, chain and root on a host; documented in `modules/install.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible_collections.opensslgen.fleet.plugins.plugin_utils.needed  # noqa: F401
from ansible_collections.opensslgen.fleet.plugins.modules.install import DOCUMENTATION

from opensslgen.fleet.action import FleetAction, options_of
from opensslgen.fleet.install import Wish, install, parse_place, stem_of, wish_of


class ActionModule(FleetAction):
    """Installs the files that differ, patches the vendor's script, and runs a command if anything has changed."""

    OPTIONS = options_of(DOCUMENTATION)

    def act(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return which files have changed, and whether the command was run."""
        name = options["name"] or task_vars["inventory_hostname"]
        settings = {key: str(value) for key, value in options["settings"].items()}
        target = wish_of(options["target"], settings, stem=stem_of(name)) if options["target"] else Wish()
        answer = install(
            self.host(options["openssl"]),
            name,
            pki=Path(options["pki"]),
            wish=Wish(
                places=(*target.places, *(parse_place(**file) for file in options["files"])),
                script=options["gen_certs"],
                script_days=options["gen_certs_days"],
                reload=options["reload"] or target.reload,
            ),
            folder=options["folder"],
            check=self.checks,
        )
        return {
            "changed": bool(answer.changes) or answer.reloaded,
            "files": [change.path for change in answer.changes],
            "reloaded": answer.reloaded,
            "not_after": answer.not_after and f"{answer.not_after:%Y-%m-%dT%H:%M:%SZ}",
            **({"failed": True, "msg": answer.fault} if answer.fault else {}),
            **self.diff((change.path, change.before, change.after) for change in answer.changes),
        }
