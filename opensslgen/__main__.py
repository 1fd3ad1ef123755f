"""`python -m opensslgen`, and what a zipapp starts."""

from opensslgen.cli.main import main

main()
