"""Many hosts: each generates its own key and request; this machine signs, installs and audits.

Imports report, jobs and what is below them; only `action` imports Ansible.
"""
