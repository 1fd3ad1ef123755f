"""Certificates, findings and audits: as text for people, as JSON and SARIF for programs, as a line for Nagios."""

from __future__ import annotations

from .made import certificate_json, finding_json, findings_text, made_json, made_text, violation_json

__all__ = ["certificate_json", "finding_json", "findings_text", "made_json", "made_text", "violation_json"]
