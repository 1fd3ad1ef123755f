"""What people type as names: alternative names, subjects, name constraints, all read strictly.

Imports nothing but errors and text.
"""
