"""Guards that no call of a function meets, because all of its callers prevent it.

A guarded mutant of such a function would never differ from the source, so that none is made. A run
fails if a property meets one of these guards.
"""

from collections.abc import Mapping

HALF = ("float16", "bfloat16")
PROMOTED = "its callers compute in float32 when their samples are in half precision"
SUMMED = "a loss of half precision is summed in float32"

# Module -> function -> (guards, why no call meets them)
NEVER_MET: Mapping[str, Mapping[str, tuple[tuple[str, ...], str]]] = {
    "guidance": {name: (HALF, PROMOTED) for name in ("_rescaling", "_spread")},
    "latent": {"gradient_error": (HALF, PROMOTED)},
    "losses": {"weighted": (HALF, SUMMED)},
    "probability_flow": {
        name: (HALF, PROMOTED) for name in ("_quadratic_form", "_slope", "_trace")
    },
    "samplers.ddim": {"invert": (("t == T",), "it begins below the first timestep")},
}


def never_met(module: str, function: str) -> tuple[str, ...]:
    """Return the guards that no call of the function meets."""
    guards, _ = NEVER_MET.get(module, {}).get(function, ((), ""))
    return guards
