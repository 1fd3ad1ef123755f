"""`python -m opensslgen`, and what the installed command and a zipapp start."""

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; until it is loaded, Ctrl-C ends the process without a traceback."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from opensslgen.cli.main import main as run
    except OSError as error:
        sys.exit(f"Error: cannot load opensslgen: {error.strerror}")
    run()


if __name__ == "__main__":
    main()
