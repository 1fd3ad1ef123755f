"""The shell workflow as a value: files to write and openssl commands to run, in order, as data or as a shell script.

Imports orders and what is below them; nothing here starts a process.
"""
