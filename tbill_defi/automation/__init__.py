"""Rules that act by themselves: triggers in a file, plans and payments on the ledger, each firing once."""
