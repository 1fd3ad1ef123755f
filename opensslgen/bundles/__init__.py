"""Files that contain several things: PKCS#7, PKCS#12, PEM bundles, private keys.

Imports openssl and what is below it.
"""
