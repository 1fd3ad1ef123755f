"""Many certificates at once, on all cores, until the pki folder is as an inventory wants it.

What is there, valid and as asked is left alone, so that a batch can run daily and go on after any interruption. Rows
are given to processes some at a time; what those have made and checked is published together, all or nothing, as one
certificate is.
"""

from .converge import converge
from .wanted import FAILED, LEFT, MADE, Batch, Outcome

__all__ = ["FAILED", "LEFT", "MADE", "Batch", "Outcome", "converge"]
