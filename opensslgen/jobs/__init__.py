"""Jobs in a pki folder: each is checked as far as possible before it runs.

Imports everything below; knows no user interface.
"""
