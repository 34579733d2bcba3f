"""The mathematics as pages for people, and the machinery that checks the very LaTeX they read."""
