"""Images, their split, and the space that is diffused."""
