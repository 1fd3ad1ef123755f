"""Many hosts: each makes its own key and request; they are signed, installed and audited from here.

Imports report, jobs and what is below them; only `action` knows of Ansible.
"""
