"""Write what a deployment has done as text for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.text import visible, visible_lines

if TYPE_CHECKING:
    from opensslgen.deploy.run import Outcome


def deployed_text(outcome: Outcome) -> str:
    """Return the files, the ports, and what each showed before."""
    order = outcome.deployment
    if outcome.is_undone:
        lines = [f"Undid the last deployment to {order.target.name} on {outcome.title}:"]
    elif not outcome.is_changed:
        lines = [
            f"{visible(order.title)} is deployed to {order.target.name} on {outcome.title} already; nothing to do."
        ]
    elif outcome.is_check:
        lines = [f"Would deploy {visible(order.title)} to {order.target.name} on {outcome.title}:"]
    else:
        lines = [f"Deployed {visible(order.title)} to {order.target.name} on {outcome.title}:"]
    lines += [f"  {state:8} {visible(path)}" for path, state in outcome.files if outcome.is_changed]
    for port in order.ports:
        before = outcome.before.get(port)
        if outcome.is_check and before:
            lines.append(f"  port {port} shows {before.text}")
        elif before:
            lines.append(f"  ✓ port {port} shows it, with its whole chain")
    if not order.ports:
        lines.append("  no port is listed (--set ports=…), so no server was asked what it shows")
    if outcome.is_check:
        lines.append(f"  the certificate is {order.fingerprint}")
    return visible_lines("\n".join(lines)) + "\n"


def deployed_json(outcome: Outcome) -> dict[str, object]:
    """Return the same for a program."""
    order = outcome.deployment
    return {
        "name": order.title,
        "target": order.target.name,
        "host": outcome.title,
        "changed": outcome.is_changed and not outcome.is_check,
        "would_change": outcome.is_changed and outcome.is_check,
        "undone": outcome.is_undone,
        "sha256_fingerprint": order.fingerprint,
        "files": [{"path": path, "state": state} for path, state in outcome.files],
        "ports": [
            {
                "port": port.number,
                "starttls": port.starttls,
                "before": list(outcome.before[port].fingerprints) if port in outcome.before else None,
            }
            for port in order.ports
        ],
        "tested": order.target.tested,
        "notes": list(outcome.notes),
    }
