"""The only place that starts openssl and reads its output.

Imports pki, plan and x509.
"""
