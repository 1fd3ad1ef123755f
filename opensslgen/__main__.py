"""`python -m opensslgen`, and what the installed command and a zipapp start."""

# What a command allocates is freed when it ends: looking for cycles, while it is loaded and at its end, takes a sixth
# of the time of importing click.
import atexit
import gc

gc.set_threshold(100_000, 50, 50)
atexit.register(gc.freeze)

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
    run()


if __name__ == "__main__":
    main()
