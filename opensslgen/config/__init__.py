"""Read openssl's configuration files as openssl does; nothing in them is run or opened.

Imports x509, for the names of extensions, and what is below it.
"""
