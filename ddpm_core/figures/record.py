"""What a preview measured, as the arrays of an .npz file."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from ddpm_core.storage.files import write_bytes


@dataclass(frozen=True, eq=False)
class DenoisingRecord:
    """What one visit to the fixed timesteps saw; the noise is the same at every visit.

    Images are in [-1, 1]. times decrease strictly, from T to 0. free_*: the chains from noise, x_t
    and the guess of x_0 at those times. heldout_*: held-out images noised to those times, and the
    one-shot guess, with its mean squared error at each time. Noisy latents may have other colours
    than the images that are decoded from them.
    """

    step: int
    times: tuple[int, ...]
    free_x_t: Float[np.ndarray, "times chains colours height width"]
    free_x0_hat: Float[np.ndarray, "times chains channels height width"]
    heldout_x_0: Float[np.ndarray, "images channels height width"]
    heldout_x_t: Float[np.ndarray, "times images colours height width"]
    heldout_x0_hat: Float[np.ndarray, "times images channels height width"]
    one_shot_mse: Float64[np.ndarray, " times"]

    def __post_init__(self) -> None:
        if not self.times or any(s >= t for t, s in zip(self.times, self.times[1:], strict=False)):
            raise ValueError(f"times = {self.times} must decrease strictly, from T to 0")
        for name in ("free_x_t", "free_x0_hat", "heldout_x_t", "heldout_x0_hat", "one_shot_mse"):
            if len(getattr(self, name)) != len(self.times):
                raise ValueError(
                    f"{name} has {len(getattr(self, name))} entries along its first axis, for "
                    f"{len(self.times)} times; stack one entry a time, in the order of times"
                )

    def save(self, path: Path) -> None:
        """Write as .npz, atomically; equal records make equal bytes."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        np.savez(content, **arrays)
        write_bytes(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> "DenoisingRecord":
        """Read what `save` wrote; nothing is unpickled."""
        with np.load(path, allow_pickle=False) as held:
            arrays = {f.name: held[f.name] for f in fields(cls)}
        step, times = int(arrays.pop("step")), tuple(arrays.pop("times").tolist())
        return cls(step, times, **arrays)
