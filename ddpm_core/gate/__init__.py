"""The gate: no training on an accelerator until the suite has passed for exactly this code."""
