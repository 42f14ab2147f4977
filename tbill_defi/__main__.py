"""Where `tbill` and `python -m tbill_defi` begin: Ctrl-C while the commands are loaded is one line too."""

import sys


def main() -> None:
    """Entry point of `tbill`."""
    try:
        from tbill_defi.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing has begun\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
