"""Sampling trajectories whose distribution or limit is known, shared by several tests."""
