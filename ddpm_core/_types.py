"""The nouns that every page shares, and the one place where coefficients meet data."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core.clock import Time

Parameterization = Literal["eps", "x0", "v", "score"]


def compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype to calculate in: float32 for half precision, else x's own."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def expand_to(coef: Float[Tensor, "*times"], x: Float[Tensor, " batch *event"]) -> Tensor:
    """coef of shape () or (batch,) as () or (batch, 1, ..., 1), like x in device and compute dtype.

    The one place where a float64 coefficient is cast, and the one place where it gets its axes: a
    bare (batch,) against (batch, channels, height, width) would broadcast along the width.
    """
    if coef.ndim not in (0, 1) or (coef.ndim == 1 and coef.shape[0] != x.shape[0]):
        raise ValueError(
            f"a coefficient of shape {tuple(coef.shape)} does not fit x of shape {tuple(x.shape)}: "
            "it needs no axis, or one entry for each sample of the batch"
        )
    coef = coef.to(dtype=compute_dtype(x)).to(device=x.device, non_blocking=True)
    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))


def flat(x: Float[Tensor, " batch *event"]) -> Float[Tensor, "batch elements"]:
    """x with its event in one axis, of length 1 if it has none."""
    return x.unsqueeze(-1).flatten(1)


def check_event(name: str, x: Tensor) -> None:
    """Refuse what is not a floating-point batch, such as raw integer images."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; it must be a torch.Tensor")
    if not x.dtype.is_floating_point:
        raise TypeError(
            f"{name} has dtype {x.dtype}; the mathematics needs floating point. Scale images of "
            "L grey levels to [-1, 1] first: 2 * image / (L - 1) - 1"
        )
    if x.ndim == 0:
        raise ValueError(f"{name} has no axes; its first axis must be the batch")


def check_same_event(name: str, value: Tensor, like_name: str, like: Tensor) -> None:
    """Refuse a partner of another shape, dtype or device: broadcasting would hide the slip."""
    check_event(like_name, like)
    check_event(name, value)
    for what in ("shape", "dtype", "device"):
        have, want = getattr(value, what), getattr(like, what)
        if have != want:
            have, want = (tuple(have), tuple(want)) if what == "shape" else (have, want)
            raise ValueError(
                f"{name} has {what} {have} but {like_name} has {what} {want}; they must be equal "
                f"(nothing is broadcast or cast silently). Make {name} like {like_name} first"
            )


@dataclass(frozen=True)
class Gaussian:
    """N(mean, var), elementwise independent; both broadcast against the event, in its dtype."""

    mean: Float[Tensor, " batch *event"]
    var: Float[Tensor, "*#broadcast"]

    def __post_init__(self) -> None:
        if self.var.dtype != self.mean.dtype:
            raise ValueError(
                f"Gaussian: var has dtype {self.var.dtype}, mean {self.mean.dtype}; cast var once, "
                "with expand_to(var, x)"
            )
        if self.var.ndim not in (0, self.mean.ndim) or any(
            v not in (1, m) for v, m in zip(self.var.shape, self.mean.shape, strict=False)
        ):
            raise ValueError(
                f"Gaussian: var of shape {tuple(self.var.shape)} against mean of shape "
                f"{tuple(self.mean.shape)} would broadcast along the wrong axes; give it as many "
                "axes as the mean, or none, with expand_to(var, x)"
            )

    def sample(self, noise: Float[Tensor, " batch *event"]) -> Float[Tensor, " batch *event"]:
        """mean + sqrt(var) noise, for standard normal `noise` of the mean's shape and dtype."""
        check_same_event("noise", noise, "mean", self.mean)
        work = compute_dtype(self.mean)
        mean, var, noise = (each.to(work) for each in (self.mean, self.var, noise))
        return torch.addcmul(mean, var.sqrt(), noise).to(self.mean.dtype)


@dataclass(frozen=True)
class Prediction:
    """What a denoiser says of x_0 given x_t; samplers read nothing else."""

    x0_hat: Float[Tensor, " batch *event"]
    var_interpolation: Float[Tensor, " batch *event"] | None = None
    """Where log variance lies between its ends, 0 to 1, of a variance that is learned."""


@runtime_checkable
class Denoiser(Protocol):
    """Anything that estimates x_0 from x_t: a network, a closed form, a guided pair."""

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """x0_hat(x_t, t | cond) for t in 1..T."""
        ...
