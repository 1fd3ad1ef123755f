"""What is demanded of a certificate, by whom, and which profile holds which of these rules.

Imports names and x509; a rule does not know how our certificates are made.
"""
