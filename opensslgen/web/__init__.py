"""Pages behind a browser: the same functions that the command line uses."""
