"""Configuration files of openssl, read as openssl reads them; nothing in them is run or opened.

Imports x509 for the names of extensions, and what is below it.
"""
