"""The vendor's script gen_certs.sh: read, patched, replaced.

Imports shell, plan, orders and files.
"""
