"""Datasets, their splits, and the space in which diffusion runs."""
