"""Oracles: the exact answer, by a route that shares no formula with the code. No torch in here."""
