"""Mutants of the mathematics: every slip that a line invites, planted one at a time."""
