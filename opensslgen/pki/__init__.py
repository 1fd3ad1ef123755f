"""The pki folder: what it contains, how files get into it, and its index.

Imports plan, x509 and files.
"""
