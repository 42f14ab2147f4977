"""Derivatives and programmable portfolios on tokenized US Treasuries."""
