"""Strict parser of the derivation pages, and numerical and symbolic checks of their formulas."""
