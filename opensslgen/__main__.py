"""`python -m opensslgen`, and what a zipapp starts."""

from opensslgen.cli import main

main()
