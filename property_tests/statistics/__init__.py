"""Rounding allowances, exact statistical tests and the Monte Carlo ledger."""
