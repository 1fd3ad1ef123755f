"""Read openssl's configuration files as openssl does, without running or opening anything that they name.

Imports x509, for the names of extensions, and the packages below it.
"""
