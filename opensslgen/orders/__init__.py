"""Orders for roots, intermediates, leaves and inventories of leaves, from what people type or from a request.

Imports names, x509 and what is below them.
"""
