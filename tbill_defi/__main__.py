"""`python -m tbill_defi`: the same as `tbill`."""

from tbill_defi.cli.main import main

if __name__ == "__main__":
    main()
