"""Real bugs of real projects, each reproduced as one wrong method of our adapter."""

# Importing these modules registers their bugs.
from . import (
    benign_variants,
    forward_process,
    guidance,
    latents,
    likelihood,
    plumbing,
    releases,
    samplers,
    schedules,
    solvers,
)
from .registry import BENIGN_VARIANTS, BUGS, KnownBug

__all__ = [
    "BENIGN_VARIANTS",
    "BUGS",
    "KnownBug",
    "benign_variants",
    "forward_process",
    "guidance",
    "latents",
    "likelihood",
    "plumbing",
    "releases",
    "samplers",
    "schedules",
    "solvers",
]
