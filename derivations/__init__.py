"""Derivations of the mathematics as pages, and the checker that verifies the LaTeX on them."""
