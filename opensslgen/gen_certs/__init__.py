"""The vendor's script gen_certs.sh: read, patched, replaced.

Imports plan, orders and files.
"""
