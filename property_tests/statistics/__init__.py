"""How close is close enough: rounding allowances, exact tests and the Monte Carlo ledger."""
