"""Files of a run: checkpoints, locks, and writes that survive a crash."""
