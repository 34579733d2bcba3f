"""Names in files written before checkpoint format 2, and their current names."""

from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

LAYERS = {"shrink.": "downsample.", "grow.": "upsample."}
OPTIONS = {"fourier_octaves": "fourier_frequencies", "rate_decay": "learning_rate_decay"}
STATE = {"admissions": "authorizations"}
RECORD = {
    "times": "timesteps",
    "free_x_t": "sampled_x_t",
    "free_x0_hat": "sampled_x0_hat",
    "one_shot_mse": "one_step_mse",
}


def renamed_layers(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors of a network, or of its optimizer, under the current layer names."""
    found = {}
    for name, value in tensors.items():
        old = next((old for old in LAYERS if name.startswith(old)), "")
        found[LAYERS.get(old, "") + name.removeprefix(old)] = value
    return found


def renamed_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a checkpoint with the current names of keys and options."""
    state = {STATE.get(name, name): value for name, value in state.items()}
    if not isinstance(state.get("config"), Mapping):
        return state
    config = {OPTIONS.get(name, name): value for name, value in state["config"].items()}
    return {**state, "config": config}


def renamed_record(arrays: Mapping[str, Value]) -> dict[str, Value]:
    """Return the arrays of a denoising record under their current names."""
    return {RECORD.get(name, name): value for name, value in arrays.items()}
