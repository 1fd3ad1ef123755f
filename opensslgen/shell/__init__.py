"""Shell scripts: their text as a tree of commands, and what those commands write and call, without running them.

Anything that is not certain is marked as unknown. Imports from config the character that marks unknown text.
"""
