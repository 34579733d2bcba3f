"""Mutation testing of the mathematics: every typo-like change of a line, injected one at a time."""
