"""Inputs of the vectors, and cases of one method at several timesteps.

All samples are exact in bfloat16, all betas in float32. There are two samples of two elements, so
that a coefficient along the wrong axis raises no error.
"""

from typing import Any, NamedTuple

import numpy as np

from ..protocol import SOLVERS
from ..strategies import DEGENERATE


class Case(NamedTuple):
    """A named call; with `at`, the answers at these indices of a table alone."""

    name: str
    method: str
    inputs: dict[str, Any]
    at: tuple[int, ...] | None = None


class Topic(NamedTuple):
    """What a file holds: names of equations, what is particular, and cases."""

    equations: str  # separated by spaces
    note: str
    cases: list[Case]


# Production: Ho et al. (2020), each beta rounded to float32.
SCHEDULES: dict[str, tuple[float, ...]] = {
    "steep": (0.125, 0.5, 0.25, 0.75),
    "single": (0.5,),
    "extreme": DEGENERATE,  # a step keeps all, or almost nothing
    "production": tuple(np.float64(np.linspace(1e-4, 0.02, 1000).astype(np.float32)).tolist()),
}
X, Y, Z = ([[0.5, -1.25], [2.0, 0.375]], [[1.0, 0.75], [-0.5, -2.0]], [[3.0, -1.0], [0.25, 1.5]])
DENOISER = {"slope": 0.5, "offset": 0.25}
OF_LINE = "The denoiser is x0_hat(x_t, t) = slope x_t + offset t; times decrease to 0."
STEPS = {
    "to data": ("steep", 0, 1),
    "one step": ("steep", 1, 2),
    "last step": ("steep", 3, 4),
    "stride": ("steep", 1, 4),
    "production": ("production", 1, 2),
}
FIRST_LAST = {"steep": [1, 4], "single": [1, 1], "extreme": [1, 4], "production": [1, 1000]}
TWO_PAIRS = {
    "steep": ([0, 3], [1, 4]),
    "steep-stride": ([1, 0], [4, 3]),
    "extreme": ([0, 2], [1, 3]),
    "production": ([0, 1], [1, 2]),
    "production-last": ([999, 0], [1000, 1000]),
}


def call(method: str, label: str = "", /, **inputs: Any) -> Case:
    return Case(f"{method} {label}".strip(), method, inputs)


def pairs_of(method: str, label: str = "", /, **inputs: Any) -> list[Case]:
    """Return a case for each of TWO_PAIRS."""
    return [
        call(method, f"{label} {name}".strip(), **inputs, betas=name.split("-")[0], s=s, t=t)
        for name, (s, t) in TWO_PAIRS.items()
    ]


def ends_of(method: str, label: str = "", only: Any = FIRST_LAST, /, **inputs: Any) -> list[Case]:
    """Return a case at the first and the last timestep of each schedule."""
    return [
        call(method, f"{label} {betas}".strip(), **inputs, betas=betas, t=FIRST_LAST[betas])
        for betas in only
    ]


def steps_of(method: str, label: str = "", /, **inputs: Any) -> list[Case]:
    """Return a case for each single step t -> s of STEPS."""
    given = {"x0_hat": X, "x_t": Y, "noise": Z, **inputs}
    return [
        call(method, f"{label} {name}".strip(), **given, betas=betas, s=s, t=t)
        for name, (betas, s, t) in STEPS.items()
    ]


def samples_of(sampler: str, eta: float = 0.0) -> list[Case]:
    """Return complete trajectories: two steep ones and one of production."""
    cases = []
    for name, betas, times in (
        ("steep", "steep", [4, 2, 1, 0]),
        ("all steps", "steep", [4, 3, 2, 1, 0]),
        ("production", "production", [1000, 500, 50, 1, 0]),
    ):
        spec = {"betas": betas, "sampler": sampler, "times": times, "eta": eta}
        noises = [] if sampler in SOLVERS else [Y, Z, X][: len(times) - 2]
        label = f"{sampler} eta {eta:g}" if eta else sampler
        spec["denoiser"] = DENOISER
        cases.append(call("sample", f"{label} {name}", spec=spec, x_T=X, noises=noises))
    return cases


def first_steps(sampler: str) -> Case:
    """Return the state after two steps, as a function of the given predictions."""
    predictions = [Y, Z, X, Y] if sampler == "heun" else [Y, Z]
    given = {"betas": "steep", "times": [4, 2, 1, 0], "x_t": X, "predictions": predictions}
    return call("solver_steps", sampler, sampler=sampler, **given)


def inversion(timestep: int) -> Case:
    spec = {"betas": "steep", "sampler": "ddim", "times": [4, 2, 1, 0], "eta": 0.0}
    spec["denoiser"] = DENOISER
    return call("encode", f"from {timestep}", spec=spec, x=X, timestep=timestep)


def guidance(name: str, scale: float, rescale: float = 0.0, interval: Any = None) -> Case:
    denoiser = {"conditional": X, "unconditional": Y}
    given = {"denoiser": denoiser, "scale": scale, "rescale": rescale, "interval": interval}
    return call("guided", name, guidance=given, x_t=Z, t=3, labels=[2, 0])
