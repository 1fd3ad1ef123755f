"""The root for phones and computers: every form that they take, and a guide for each device.

Imports pki and what is below it.
"""
