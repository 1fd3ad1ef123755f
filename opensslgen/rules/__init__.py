"""The rules for certificates, where each rule comes from, and the profiles that combine them.

Imports names and x509; a rule does not know how we issue certificates.
"""
