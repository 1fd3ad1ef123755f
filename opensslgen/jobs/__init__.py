"""What is to be done in a pki folder, checked as far as possible before it is done, and done.

Imports everything below, faces nothing.
"""
