"""The form and the share site: what the command line does, behind a browser.

Imports report, jobs and what is below them.
"""
