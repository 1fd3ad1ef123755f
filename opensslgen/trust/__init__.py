"""The root for phones and computers: every format that they use, and a guide for each device.

Imports pki and what is below it.
"""
