"""The shared types, and the one function that casts and broadcasts a coefficient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core.clock import Time

Parameterization = Literal["eps", "x0", "v", "score"]
PARAMETERIZATIONS: tuple[Parameterization, ...] = get_args(Parameterization)


def compute_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype to compute in: float32 for half precision, else x's own.

    Its unit roundoff is the v of Eq. rounding.samples; Eq. rounding.cast bounds the cast back.
    """
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def promoted(value: Tensor, like: Tensor) -> Tensor:
    """Return half precision in the dtype of `like`, exactly, and any other dtype as it is.

    A sampler's state keeps its precision beside such noise and predictions: Eq. rounding.chain.
    """
    return value if value.dtype == compute_dtype(value) else value.to(like.dtype)


def expand_to(coef: Float[Tensor, "*times"], x: Float[Tensor, " batch *event"]) -> Tensor:
    """Return coef, () or (batch,), as () or (batch, 1, ..., 1), on x's device in its compute dtype.

    Every float64 coefficient is cast here, and gets its axes here: a bare (batch,) against (batch,
    channels, height, width) would broadcast along the width. In Eq. forward-process.sample each
    sample has the coefficients of its own t.
    """
    if coef.ndim not in (0, 1) or (coef.ndim == 1 and coef.shape[0] != x.shape[0]):
        raise ValueError(
            f"a coefficient of shape {tuple(coef.shape)} does not fit x of shape {tuple(x.shape)}; "
            "it must have no axis, or one entry per sample of the batch"
        )
    coef = coef.to(dtype=compute_dtype(x)).to(device=x.device, non_blocking=True)
    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))


def flat(x: Float[Tensor, " batch *event"]) -> Float[Tensor, "batch elements"]:
    """Return x with its event flattened to one axis, of length 1 if it has none.

    Eq. losses.simple averages over that axis.
    """
    return x.unsqueeze(-1).flatten(1)


def check_parameterization(name: str, value: str) -> None:
    """Refuse an unknown parameterization."""
    if value not in PARAMETERIZATIONS:
        raise ValueError(f"{name} = {value!r} is unknown; it must be one of {PARAMETERIZATIONS}")


def check_event(name: str, x: Tensor) -> None:
    """Refuse anything but a floating-point batch; raw integer images are the common mistake."""
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
    """Refuse a tensor of another shape, dtype or device: broadcasting would hide the mistake."""
    check_event(like_name, like)
    check_event(name, value)
    for what in ("shape", "dtype", "device"):
        have, want = getattr(value, what), getattr(like, what)
        if have != want:
            have, want = (tuple(have), tuple(want)) if what == "shape" else (have, want)
            raise ValueError(
                f"{name} has {what} {have} but {like_name} has {what} {want}; they must be equal, "
                f"because nothing is broadcast or cast silently. Reshape, cast or move {name} first"
            )


@dataclass(frozen=True)
class Gaussian:
    """N(mean, var), elementwise independent; var broadcasts against mean, in its dtype."""

    mean: Float[Tensor, " batch *event"]
    var: Float[Tensor, "*#broadcast"]

    def __post_init__(self) -> None:
        if self.var.dtype != self.mean.dtype:
            raise ValueError(
                f"Gaussian: var has dtype {self.var.dtype}, mean {self.mean.dtype}; they must be "
                "equal. Cast var with expand_to(var, x)"
            )
        if self.var.ndim not in (0, self.mean.ndim) or any(
            v not in (1, m) for v, m in zip(self.var.shape, self.mean.shape, strict=False)
        ):
            raise ValueError(
                f"Gaussian: var of shape {tuple(self.var.shape)} against mean of shape "
                f"{tuple(self.mean.shape)} would broadcast along the wrong axes; it must have as "
                "many axes as the mean, or none. Use expand_to(var, x)"
            )

    def computable(self) -> "Gaussian":
        """Return the same Gaussian in the compute dtype, float32 for half precision.

        A bound sums thousands of terms, of which half precision loses all but three digits.
        Eq. rounding.samples bounds the error of each.
        """
        work = compute_dtype(self.mean)
        return Gaussian(self.mean.to(work), self.var.to(work))

    def sample(self, noise: Float[Tensor, " batch *event"]) -> Float[Tensor, " batch *event"]:
        """Return mean + sqrt(var) noise, where `noise` is standard normal and like the mean.

        Eq. forward-process.sample for q(x_t | x_0); any other Gaussian is sampled alike.
        """
        check_same_event("noise", noise, "mean", self.mean)
        work = compute_dtype(self.mean)
        mean, var, noise = (each.to(work) for each in (self.mean, self.var, noise))
        return torch.addcmul(mean, var.sqrt(), noise).to(self.mean.dtype)


@dataclass(frozen=True)
class Prediction:
    """A denoiser's prediction given x_t; samplers use nothing else of a denoiser."""

    x0_hat: Float[Tensor, " batch *event"]
    var_interpolation: Float[Tensor, " batch *event"] | None = None
    """The interpolation coefficient v of a learned variance, from its lower end at v = 0 to its
    upper end at v = 1. Eq. learned-variance.range."""


@runtime_checkable
class Denoiser(Protocol):
    """An estimator of x_0 from x_t: a network, a closed form, a guided pair."""

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """Return the prediction x0_hat(x_t, t | cond) for t in 1..T."""
        ...


def evaluate(
    denoiser: Callable[..., Prediction],
    x_t: Float[Tensor, " batch *event"],
    t: Time,
    *cond: Int[Tensor, " batch"] | None,
) -> Prediction:
    """Return the denoiser's prediction at (x_t, t, *cond), after a check of its type and shape.

    Eq. losses.mean-hat needs x_t after it, so the denoiser gets copies, in which it may write. One
    that writes in no argument says so with `keeps_input = True`.
    """
    arguments: list[Tensor | int | None] = [x_t, t, *cond]
    if not getattr(denoiser, "keeps_input", False):
        arguments = [each.clone() if isinstance(each, Tensor) else each for each in arguments]
    prediction = denoiser(*arguments)
    if not isinstance(prediction, Prediction):
        raise TypeError(
            f"the denoiser returned a {type(prediction).__name__}; it must return "
            "Prediction(x0_hat). NetworkDenoiser(schedule, network, parameterization) does"
        )
    if prediction.x0_hat.shape != x_t.shape or prediction.x0_hat.device != x_t.device:
        found = tuple(prediction.x0_hat.shape), str(prediction.x0_hat.device)
        raise ValueError(
            f"the denoiser returned x0_hat of shape {found[0]} on {found[1]} for x_t of shape "
            f"{tuple(x_t.shape)} on {x_t.device}; they must be equal"
        )
    return prediction
