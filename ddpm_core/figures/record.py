"""Record of a preview: the arrays behind a denoising grid, as an .npz file."""

import io
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from ddpm_core.storage import format_1
from ddpm_core.storage.files import write_bytes

PER_TIMESTEP = ("sampled_x_t", "sampled_x0_hat", "heldout_x_t", "heldout_x0_hat", "one_step_mse")


@dataclass(frozen=True, eq=False)
class DenoisingRecord:
    """Arrays of one preview at fixed timesteps; every preview uses the same noise.

    Images are in [-1, 1]. timesteps decrease strictly, from T to 0. sampled_*: sampling
    trajectories from noise, x_t and x0_hat at those timesteps. heldout_*: held-out images noised to
    those timesteps, and the one-step prediction x0_hat with its mean squared error. Noisy latents
    (shown as colours) and decoded images may differ in their number of channels.
    """

    step: int
    timesteps: tuple[int, ...]
    sampled_x_t: Float[np.ndarray, "timesteps samples colours height width"]
    sampled_x0_hat: Float[np.ndarray, "timesteps samples channels height width"]
    heldout_x_0: Float[np.ndarray, "images channels height width"]
    heldout_x_t: Float[np.ndarray, "timesteps images colours height width"]
    heldout_x0_hat: Float[np.ndarray, "timesteps images channels height width"]
    one_step_mse: Float64[np.ndarray, " timesteps"]

    def __post_init__(self) -> None:
        if not self.timesteps or any(s >= t for t, s in pairwise(self.timesteps)):
            raise ValueError(f"timesteps = {self.timesteps} must decrease strictly, from T to 0")
        for name in PER_TIMESTEP:
            if len(getattr(self, name)) != len(self.timesteps):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries along its first axis for "
                    f"{len(self.timesteps)} timesteps; stack one entry per timestep, in their order"
                )

    def save(self, path: Path) -> None:
        """Write as .npz, atomically; equal records give equal bytes."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        np.savez(content, **arrays)
        write_bytes(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> "DenoisingRecord":
        """Read a file written by `save`; nothing is unpickled."""
        with np.load(path, allow_pickle=False) as archive:
            arrays = format_1.renamed_record(archive)
        arrays = {field.name: arrays[field.name] for field in fields(cls)}
        step, timesteps = int(arrays.pop("step")), tuple(arrays.pop("timesteps").tolist())
        return cls(step, timesteps, **arrays)
