"""The command line: options become an order, and the answer is printed.

Imports everything below; decides nothing.
"""

import gc

# A command allocates much and frees it when it ends: looking for cycles would take a twentieth of its time.
gc.set_threshold(100_000, 50, 50)
