"""Prices, yields, risk and curves."""
