"""Samplers: frozen data with a pure step, driven by the one loop in base.py."""
