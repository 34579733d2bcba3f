"""Real bugs of real projects, each re-expressed as one wrong method of our adapter."""

# they enter themselves
from . import (
    forward_process,
    guidance,
    latents,
    likelihood,
    look_alikes,
    plumbing,
    samplers,
    schedules,
    solvers,
)
from .registry import BUGS, LOOK_ALIKES, KnownBug

__all__ = [
    "BUGS",
    "LOOK_ALIKES",
    "KnownBug",
    "forward_process",
    "guidance",
    "latents",
    "likelihood",
    "look_alikes",
    "plumbing",
    "samplers",
    "schedules",
    "solvers",
]
