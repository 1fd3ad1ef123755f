"""Names that people type: alternative names, subjects and name constraints, all parsed strictly.

Imports nothing but errors and text.
"""
