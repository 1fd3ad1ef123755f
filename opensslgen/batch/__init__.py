"""Many certificates at once, on all cores, until the pki folder matches an inventory.

Valid certificates that match their rows stay, so a batch can run daily and continue after an interruption. Imports jobs
and what is below them.
"""
