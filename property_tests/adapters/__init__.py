"""Adapters of the implementations under test; they only convert arrays and timesteps."""
