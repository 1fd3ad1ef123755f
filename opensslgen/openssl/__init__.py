"""The one place that starts openssl and reads what it says.

Imports pki, plan and x509.
"""
