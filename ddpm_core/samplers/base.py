"""The sampler protocol, and the one loop that runs any sampler."""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, Protocol, SupportsIndex, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Prediction, compute_dtype, evaluate, promoted
from ddpm_core.randomness import keyed_noise

State = TypeVar("State")

Denoise = Callable[[Tensor, int], Prediction]
"""A denoiser with cond filled in: (x_t, t) -> Prediction."""

NoiseSource = Callable[[int], Tensor]
"""t -> standard normal noise of x_t's shape, for the step that starts at t."""


class Snapshot(NamedTuple):
    """The state of the loop at timestep t; at t = 0 both tensors are the sample."""

    t: int
    x_t: Float[Tensor, " batch *event"]
    x0_hat: Float[Tensor, " batch *event"]


@runtime_checkable
class Sampler(Protocol[State]):
    """A sampling trajectory. It holds data only: noise is an argument, memory is the state."""

    @property
    def times(self) -> tuple[int, ...]:
        """The timesteps, strictly decreasing to 0."""
        ...

    def init(self, x_t: Float[Tensor, " batch *event"]) -> State:
        """Return the state with which sampling starts at x_T."""
        ...

    def draws_noise(self, s: int, t: int) -> bool:
        """Return whether the step t -> s uses noise; if not, `step` accepts None."""
        ...

    def step(
        self,
        denoise: Denoise,
        x_t: Float[Tensor, " batch *event"],
        s: int,
        t: int,
        noise: Float[Tensor, " batch *event"] | None,
        state: State,
    ) -> tuple[Tensor, Tensor, State]:
        """Take the step t -> s; return (x_s, x0_hat at t, new state).

        x_s and x0_hat share no memory, because a caller may write in what the loop yields.
        """
        ...


def check_times(times: Sequence[int], T: int) -> tuple[int, ...]:
    """Return `times` as a tuple, default: T..0; refuse it unless it decreases strictly to 0."""
    if not isinstance(times, Sequence) or isinstance(times, str):
        raise TypeError(
            f"times = {times!r} is a {type(times).__name__}; pass the timesteps as a tuple of "
            "Python ints, such as trailing(schedule, 50) returns (for an array, use .tolist())"
        )
    timesteps = tuple(range(T, -1, -1)) if times == () else tuple(times)
    for t in timesteps:
        if isinstance(t, bool) or not isinstance(t, int):
            raise TypeError(
                f"times holds {t!r}, a {type(t).__name__}; every timestep must be a Python "
                "int (for an array, use .tolist())"
            )
    if len(timesteps) < 2 or timesteps[0] > T or timesteps[-1] != 0:
        raise ValueError(
            f"times = {format_times(timesteps)} must begin at T = {T} or below and end at 0, the "
            "data"
        )
    for t, s in pairwise(timesteps):
        if s >= t:
            raise ValueError(
                f"times has {t} -> {s}; it must decrease strictly: {format_times(timesteps)}"
            )
    return timesteps


def format_times(timesteps: tuple[int, ...]) -> str:
    """Format the timesteps; if there are more than eight, the first four and the last."""
    return (
        str(timesteps)
        if len(timesteps) <= 8
        else f"({str(timesteps[:4])[1:-1]}, ..., {timesteps[-1]})"
    )


def sampling_loop(
    sampler: Sampler[State],
    denoiser: Denoiser,
    x_T: Float[Tensor, " batch *event"],
    noise_source: NoiseSource,
    cond: Int[Tensor, " batch"] | None = None,
) -> Iterator[Snapshot]:
    """Run the sampler from x_T at sampler.times[0], yielding a Snapshot at every timestep.

    Each step is the sampler's own: Eq. ancestral.step, ddim.step, dpm-solver.second or heun.step.
    The last one is at t = 0. The caller may inspect, record or stop at any timestep. cond: one
    label per sample of x_T. The state is float32 or float64: half precision would lose its steps
    (Eq. rounding.lost-step), so that x_T, noise and predictions in half precision are promoted.
    """
    if cond is not None and (not isinstance(cond, Tensor) or cond.shape != x_T.shape[:1]):
        what = tuple(cond.shape) if isinstance(cond, Tensor) else type(cond).__name__
        raise ValueError(
            f"cond is {what}, but the batch has {len(x_T)} samples; pass a tensor of shape "
            f"({len(x_T)},), one label per sample, or None"
        )

    def denoise(x: Tensor, t: int) -> Prediction:
        prediction = evaluate(denoiser, x, t, cond)
        _check_finite("x0_hat", prediction.x0_hat, t)
        return replace(prediction, x0_hat=promoted(prediction.x0_hat, x))

    denoise.keeps_input = True  # type: ignore[attr-defined]
    x_t = x_T.to(compute_dtype(x_T))
    state = sampler.init(x_t)
    for t, s in pairwise(sampler.times):
        with torch.no_grad():  # not around the yield, because the caller's code runs there
            noise = promoted(noise_source(t), x_t) if sampler.draws_noise(s, t) else None
            x_s, x0_hat, state = sampler.step(denoise, x_t, s, t, noise, state)
        # The caller may write in a snapshot, and a sampler's state may hold its prediction.
        yield Snapshot(t, x_t, x0_hat if state is None else x0_hat.clone())
        x_t = x_s
    _check_finite("x_0", x_t, 0, everywhere=True)
    yield Snapshot(0, x_t, x_t)


def _sample_indices(indices: Iterable[SupportsIndex]) -> list[int]:
    """Return integers that index samples; refuse anything else, such as a mask or floats."""
    listed = indices.tolist() if hasattr(indices, "tolist") else list(indices)
    for i in listed:
        if isinstance(i, bool) or not hasattr(i, "__index__"):
            raise TypeError(
                f"indices holds {i!r}, a {type(i).__name__}; they are sample numbers, such as "
                "range(16) or torch.arange(16)"
            )
    return [operator.index(i) for i in listed]


def _check_finite(name: str, x: Tensor, t: int, everywhere: bool = False) -> None:
    """Refuse NaN and infinities; accelerators would have to wait, so there only `everywhere`."""
    if (everywhere or x.device.type == "cpu") and not x.isfinite().all():
        i = int((~x.isfinite()).reshape(len(x), -1).any(1).nonzero()[0])
        raise ValueError(
            f"{name} of sample {i} is not finite at t = {t}; the denoiser predicted NaN or an "
            "infinity, so check its weights, and its parameterization at this timestep"
        )


def generate(
    sampler: Sampler[State],
    denoiser: Denoiser,
    shape: Sequence[int],
    *,
    indices: Iterable[SupportsIndex],
    seed: int = 0,
    cond: Int[Tensor, " batch"] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Snapshot]:
    """Run the loop from counter-based noise: samples `indices` of the sequence that `seed` defines.

    shape: of one event. indices: integers, as a sequence, a range, an array or a tensor. dtype: of
    the state, for half precision float32. The noise of sample i is
    the same in every batch, and so is the sample, up to rounding. Starting from N(0, 1) costs Eq.
    losses.prior.
    """
    state_dtype = torch.promote_types(dtype, torch.float32)
    samples = _sample_indices(indices)

    def noise_source(t: int) -> Tensor:
        return keyed_noise(shape, seed, "sampling", t, samples, device, state_dtype)

    # No step starts at t = 0, so its key is free for the initial noise.
    return sampling_loop(sampler, denoiser, noise_source(0), noise_source, cond)
