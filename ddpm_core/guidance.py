"""Classifier-free guidance: a denoiser built from conditional and unconditional predictions."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Prediction, compute_dtype, evaluate, expand_to
from ddpm_core.clock import Time


@dataclass(frozen=True)
class Guided:
    """A denoiser that extrapolates from its unconditional to its conditional prediction.

    Eq. guidance.guess. scale: 0 is the unconditional prediction, 1 the conditional one, and above 1
    extrapolates; it is 1 + w of Ho & Salimans (2022, arXiv:2207.12598). no_label: the label that
    stands for no label; if given, both predictions are computed in one evaluation of twice the
    batch, else in two. rescale: the fraction, 0 to 1, to which the standard deviation of the
    conditional prediction is restored (Eq. guidance.rescale; Lin et al. 2024). interval: the first
    and the last timestep that are guided, inclusive; at others the conditional prediction is used
    (Kynkaanniemi et al. 2024, arXiv:2404.07724).
    """

    keeps_input: ClassVar[bool] = True

    denoiser: Denoiser
    scale: float = 1.0
    no_label: int | None = None
    rescale: float = 0.0
    interval: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.scale < math.inf:
            raise ValueError(
                f"scale = {self.scale} must be finite and at least 0; 0 is unconditional, 1 is "
                "conditional, 1 + w is guidance with a weight w of Ho & Salimans"
            )
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale = {self.rescale} is outside [0, 1]; 0 switches it off")
        if self.interval is not None and not 1 <= self.interval[0] <= self.interval[1]:
            raise ValueError(
                f"interval = {self.interval} must be two timesteps (low, high) with "
                "1 <= low <= high"
            )

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """Return the guided prediction; with cond=None, the unconditional one at any scale.

        A learned variance is that of the conditional prediction; it is not guided.
        """
        scale = self._scale(t)
        if cond is None or (scale == 0).all():
            return evaluate(self.denoiser, x_t, t)
        if (scale == 1).all():
            return evaluate(self.denoiser, x_t, t, cond)
        work = compute_dtype(x_t)
        conditional, unconditional = self._both(x_t, t, cond)
        x0_cond, x0_uncond = conditional.x0_hat.to(work), unconditional.x0_hat.to(work)
        guided = torch.lerp(x0_uncond, x0_cond, expand_to(scale, x_t))
        if self.rescale:
            guided = expand_to(self._rescaling(guided, x0_cond), x_t) * guided
        return replace(conditional, x0_hat=guided.to(x_t.dtype))

    def _scale(self, t: Time) -> Float[Tensor, "*batch"]:
        scales = torch.tensor([1.0, self.scale], dtype=torch.float64, device="cpu")
        outside, inside = scales.unbind()
        if self.interval is None:
            return inside
        low, high = self.interval
        timesteps = torch.as_tensor(t, device="cpu")
        return torch.where((low <= timesteps) & (timesteps <= high), inside, outside)

    def _both(self, x_t: Tensor, t: Time, cond: Tensor) -> tuple[Prediction, Prediction]:
        if self.no_label is None:
            return evaluate(self.denoiser, x_t, t, cond), evaluate(self.denoiser, x_t, t)
        times = t if isinstance(t, int) else torch.cat([t, t])
        labels = torch.cat([cond, torch.full_like(cond, self.no_label)])
        both = evaluate(self.denoiser, torch.cat([x_t, x_t]), times, labels)
        x0_cond, x0_uncond = both.x0_hat.chunk(2)
        interpolation = (
            None if both.var_interpolation is None else both.var_interpolation.chunk(2)[0]
        )
        return Prediction(x0_cond, interpolation), Prediction(x0_uncond)

    def _rescaling(self, guided: Tensor, x0_cond: Tensor) -> Float[Tensor, " batch"]:
        """Return the factors that restore the conditional prediction's standard deviation."""
        wanted, found = _spread(x0_cond), _spread(guided)
        full = torch.where(found > 0, wanted / found, 1.0)
        return torch.lerp(torch.ones_like(full), full, self.rescale)


def _spread(x: Float[Tensor, " batch *event"]) -> Float[Tensor, " batch"]:
    """Return the standard deviation of each sample over its event, times a common factor."""
    flat = x.reshape(len(x), -1)
    return (flat - flat.mean(1, keepdim=True)).square().sum(1).sqrt()


def drop_labels(
    labels: Int[Tensor, " batch"], probability: float, no_label: int, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    """Replace each label by `no_label` with this probability, independently.

    Ho & Salimans (2022), Algorithm 1, line 3, one random number per sample. Without labels the
    network learns the denoiser of the mixture, Eq. gaussian-oracle.mixture-denoiser.
    """
    if not 0 <= probability <= 1:
        raise ValueError(
            f"probability = {probability} of dropping a label is outside [0, 1]; "
            "Ho & Salimans use 0.1"
        )
    dropped = (
        torch.rand(labels.shape, dtype=torch.float64, generator=generator, device=generator.device)
        < probability
    )
    return torch.where(dropped, no_label, labels)
