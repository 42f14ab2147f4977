"""The command line: `tbill`."""
