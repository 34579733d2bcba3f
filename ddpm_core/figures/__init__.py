"""What a run shows: images, curves and its report."""
