"""Running, not mathematics: configuration, data, checkpoints, the loop, its pictures."""
