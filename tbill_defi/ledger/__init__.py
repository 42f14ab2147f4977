"""Typed faces of the contracts: parties, deposits, decisions, settlement, books."""
