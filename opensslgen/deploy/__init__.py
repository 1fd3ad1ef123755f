"""Deployments: a certificate goes to a target, is proved on each port, and is undone if that fails.

Imports audit for its live reader, jobs for exports, and what is below them.
"""
