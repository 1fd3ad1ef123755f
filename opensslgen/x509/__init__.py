"""X.509 decoded: certificates, requests, revocation lists and public keys, from strict DER.

Imports names, files and what is below them.
"""
