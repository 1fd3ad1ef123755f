"""Files: read them within limits and without waiting, write them privately, put them in place whole, lock them.

Imports nothing but errors and text.
"""
