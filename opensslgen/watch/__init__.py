"""The openssl calls that another command makes: a wrapper in front of openssl sees them, and can correct them.

Imports files, names, openssl and plan.
"""
