"""Figures of a run: image grids, curves and the report."""
