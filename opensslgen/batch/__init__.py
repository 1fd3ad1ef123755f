"""Many certificates at once, on all cores, until the pki folder is as an inventory wants it.

What is there, valid and as asked is left alone, so a batch can run daily and go on after any interruption. Imports jobs
and what is below them.
"""
