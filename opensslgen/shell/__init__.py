"""Shell scripts: their text as a tree of commands, and what those commands write and call, without running them.

Whatever a script is not certain to do is unknown, and says so. Imports the config's character for what is unknown.
"""
