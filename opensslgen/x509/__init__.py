"""Read certificates, requests (CSRs), CRLs and public keys from DER.

Imports names, files and the packages below them.
"""
