"""Renaming of tensors and options in checkpoints of format 1."""

from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

LAYERS = {"shrink.": "downsample.", "grow.": "upsample."}
OPTIONS = {"fourier_octaves": "fourier_frequencies", "rate_decay": "learning_rate_decay"}


def renamed_layers(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Return the tensors of a network, or of its optimizer, under the current layer names."""
    found = {}
    for name, value in tensors.items():
        old = next((old for old in LAYERS if name.startswith(old)), "")
        found[LAYERS.get(old, "") + name.removeprefix(old)] = value
    return found


def renamed_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a checkpoint with the current option names."""
    if not isinstance(state.get("config"), Mapping):
        return dict(state)
    config = {OPTIONS.get(name, name): value for name, value in state["config"].items()}
    return {**state, "config": config}
