"""Books in SQL: a read model of the ledger, made of its events and of nothing else."""
