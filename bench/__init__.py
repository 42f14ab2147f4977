"""Benchmarks: `python -m bench.NAME` prints one JSON line a row, `python -m bench` a table of all."""
