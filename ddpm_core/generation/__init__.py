"""The sample command."""
