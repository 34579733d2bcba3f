"""Training: options, state, optimizer steps, previews, run directories and the loop."""
