"""How a command is called, speaks and stops; nothing here imports torch."""
