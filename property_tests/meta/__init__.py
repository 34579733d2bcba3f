"""Tests of the suite: known bugs, benign variants, injected faults, mutants, error rates."""
