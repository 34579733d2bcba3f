"""What a sampler is, and the one loop that runs any of them."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Prediction
from ddpm_core.randomness import keyed_noise

State = TypeVar("State")

Denoise = Callable[[Tensor, int], Prediction]
"""A denoiser with its condition filled in: (x_t, t) -> Prediction."""

NoiseSource = Callable[[int], Tensor]
"""Standard normal noise of x_t's shape for the step that leaves t."""


class Snapshot(NamedTuple):
    """What the loop sees at level t; at t = 0 both are the sample itself."""

    t: int
    x_t: Float[Tensor, " batch *event"]
    x0_hat: Float[Tensor, " batch *event"]


@runtime_checkable
class Sampler(Protocol[State]):
    """A path down the clock. It holds data only: noise is an argument, memory is the state."""

    @property
    def times(self) -> tuple[int, ...]:
        """The visited levels, strictly decreasing, ending in 0."""
        ...

    def init(self, x_t: Float[Tensor, " batch *event"]) -> State:
        """The memory with which the chain starts at x_T."""
        ...

    def draws_noise(self, s: int, t: int) -> bool:
        """Whether the step t -> s uses noise; where not, `step` accepts None."""
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
        """One step t -> s: (x_s, x0_hat at t, new state)."""
        ...


def check_times(times: Sequence[int], T: int) -> tuple[int, ...]:
    """Return `times` as a tuple, by default T..0; refuse it unless it decreases strictly to 0."""
    if not isinstance(times, Sequence) or isinstance(times, str):
        raise TypeError(
            f"times = {times!r} is a {type(times).__name__}; name the visited levels as a tuple of "
            "Python ints, such as trailing(schedule, 50) makes (of an array, .tolist())"
        )
    timesteps = tuple(range(T, -1, -1)) if times == () else tuple(times)
    for t in timesteps:
        if isinstance(t, bool) or not isinstance(t, int):
            raise TypeError(
                f"times holds {t!r}, a {type(t).__name__}; every time is a Python int (of an "
                "array, .tolist())"
            )
    if len(timesteps) < 2 or timesteps[0] > T or timesteps[-1] != 0:
        raise ValueError(
            f"times = {shown(timesteps)} must start at most at T = {T} and end in 0, the data"
        )
    for t, s in pairwise(timesteps):
        if s >= t:
            raise ValueError(f"times has {t} -> {s}; it must decrease strictly: {shown(timesteps)}")
    return timesteps


def shown(timesteps: tuple[int, ...]) -> str:
    """Format the timesteps; of many, the first four and the last."""
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
    """Run the chain from x_T at the first of sampler.times, yielding a Snapshot at every level.

    The last one is at t = 0. The loop is open: a caller may look, stop, or record at any level.
    cond: one label for each sample of x_T.
    """
    if cond is not None and (not isinstance(cond, Tensor) or cond.shape != x_T.shape[:1]):
        what = tuple(cond.shape) if isinstance(cond, Tensor) else type(cond).__name__
        raise ValueError(
            f"cond is {what}, but the batch has {len(x_T)} samples; pass a tensor of shape "
            f"({len(x_T)},), one label for each, or None"
        )

    def denoise(x: Tensor, t: int) -> Prediction:
        found = denoiser(x, t, cond)
        if not isinstance(found, Prediction):
            raise TypeError(
                f"the denoiser returned a {type(found).__name__}; it returns Prediction(x0_hat). "
                "NetworkDenoiser(schedule, network, parameterization) makes one of a network"
            )
        return found

    x_t, state = x_T, sampler.init(x_T)
    for t, s in pairwise(sampler.times):
        with torch.no_grad():  # not around the yield, where the caller's code runs
            noise = noise_source(t) if sampler.draws_noise(s, t) else None
            x_s, x0_hat, state = sampler.step(denoise, x_t, s, t, noise, state)
        yield Snapshot(t, x_t, x0_hat)
        x_t = x_s
    yield Snapshot(0, x_t, x_t)


def generate(
    sampler: Sampler[State],
    denoiser: Denoiser,
    shape: Sequence[int],
    *,
    indices: Sequence[int],
    seed: int = 0,
    cond: Int[Tensor, " batch"] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Snapshot]:
    """The loop from keyed noise: samples `indices` of the infinite list that `seed` stands for.

    shape is one event's. The noise of sample i is the same whatever batch it is drawn in, so the
    picture is too, up to float rounding.
    """

    def noise_source(t: int) -> Tensor:
        return keyed_noise(shape, seed, "sampling", t, indices, device, dtype)

    # Level 0 is never left, so its address is free for the noise that the chain starts from.
    return sampling_loop(sampler, denoiser, noise_source(0), noise_source, cond)
