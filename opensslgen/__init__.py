"""TLS certificates that iPhones accept, for appliances: openssl commands you can read and run."""

__version__ = "0.1.0"
