"""Exact answers, computed without sharing a formula with the code under test; no torch."""
