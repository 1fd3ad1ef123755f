"""How the files of tests/certificates are made; `python -m tests.make_certificates` makes them."""
