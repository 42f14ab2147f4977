"""Delivery versus payment on the ledger: speed, replay, memory and gas, and other ways to run the same contracts."""
