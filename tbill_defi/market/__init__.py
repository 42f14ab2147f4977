"""Readers of published files, the Parquet store, and point-in-time snapshots of the market."""
