"""Deployments: a certificate goes to a target, is proved on each port, and is undone if that fails."""
