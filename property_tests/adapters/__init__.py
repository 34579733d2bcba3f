"""Implementations under test: no arithmetic in here, only the conversion of arrays."""
