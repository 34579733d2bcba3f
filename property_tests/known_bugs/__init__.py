"""Real bugs of real projects, each re-expressed as one wrong method of our adapter."""

# they enter themselves
from . import (
    benign_variants,
    forward_process,
    guidance,
    latents,
    likelihood,
    plumbing,
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
    "samplers",
    "schedules",
    "solvers",
]
