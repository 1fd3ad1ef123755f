"""The pki folder: what is in it, what is put into it, and its index.

Imports plan, x509 and files.
"""
