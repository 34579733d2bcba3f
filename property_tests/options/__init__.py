"""Combinations of options: covering arrays, and the exact results of composed methods."""
