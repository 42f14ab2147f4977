"""Where `tbill` and `python -m tbill_defi` begin: streams that are closed, and Ctrl-C while the commands are loaded."""

import os
import sys


def main() -> None:
    """Entry point of `tbill`."""
    _open_streams()
    try:
        from tbill_defi.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted; nothing has begun\n")
        sys.exit(130)
    run()


def _open_streams() -> None:
    """Lead a stream that whoever started this has closed nowhere, so that no file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - for as long as it runs


if __name__ == "__main__":
    main()
