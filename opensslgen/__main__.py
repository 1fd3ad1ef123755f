"""`python -m opensslgen`, and what the installed command and a zipapp start."""

# What a command allocates is freed when it ends: looking for cycles, while it is loaded and at its end, takes a sixth
# of the time of importing click.
import atexit
import gc
import os

gc.set_threshold(100_000, 50, 50)
_exit_code: object = None
"""What the command ended with, if it ended by itself."""


@atexit.register
def _end() -> None:
    """End the process without taking its modules apart, which takes a tenth of the time of importing click.

    Registered first, it is called last; if the output cannot be written, Python ends as usual and says so.
    """
    gc.freeze()
    if not isinstance(_exit_code, int):
        return
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):
        return
    os._exit(_exit_code & 0xFF)


# Until the program is loaded, Ctrl-C ends it without a traceback.
try:
    import signal
    import sys

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> None:
    """Run the command line."""
    try:
        from opensslgen.cli.main import main as run
    except OSError as error:
        sys.exit(f"Error: cannot load opensslgen: {error.strerror}")
    global _exit_code  # noqa: PLW0603 - atexit passes nothing
    try:
        run()
    except SystemExit as ending:
        _exit_code = ending.code
        raise


if __name__ == "__main__":
    main()
