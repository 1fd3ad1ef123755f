"""The command line: options become an order, and the answer is printed.

Imports everything below; decides nothing.
"""
