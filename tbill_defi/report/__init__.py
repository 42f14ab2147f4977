"""Figures that people look at: tables in a desk's formats."""
