"""Files: read within limits and without waiting, written for us alone, put in place whole, locked.

Imports nothing but errors and text.
"""
