"""Write results: as text for people, as JSON and SARIF for programs, as a line for Nagios.

Imports audit, jobs and what is below them.
"""
