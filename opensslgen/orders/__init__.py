"""What is wanted: a root, an intermediate, a leaf, an inventory of leaves, from what people type or a request asks.

Imports names, x509 and what is below them.
"""
