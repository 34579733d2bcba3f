"""Classifier-free guidance: a denoiser made of one with a label and the same one without."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Prediction, compute_dtype, expand_to
from ddpm_core.clock import Time


@dataclass(frozen=True)
class Guided:
    """The denoiser led from its guess without a label to the one with it, and beyond.

    Eq. guidance.guess. scale: 0 is the guess without a label, 1 with it, above 1 goes on; it is
    1 + w of Ho & Salimans (2022, arXiv:2207.12598). no_label: the label that stands for none; where
    it is given, both guesses are asked in one call of twice the batch, else in two. rescale: how
    much of the labelled guess's standard deviation is restored, 0 to 1 (Eq. guidance.rescale; Lin
    et al. 2024). interval: the levels, both ends included, at which it guides; elsewhere the label
    alone decides (Kynkaanniemi et al. 2024, arXiv:2404.07724).
    """

    denoiser: Denoiser
    scale: float = 1.0
    no_label: int | None = None
    rescale: float = 0.0
    interval: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.scale < math.inf:
            raise ValueError(
                f"scale = {self.scale}: guidance needs a finite scale >= 0; 0 is without a label, "
                "1 with it, 1 + w for a weight w of Ho & Salimans"
            )
        if not 0 <= self.rescale <= 1:
            raise ValueError(f"rescale = {self.rescale} is outside [0, 1]; 0 leaves it out")
        if self.interval is not None and not 1 <= self.interval[0] <= self.interval[1]:
            raise ValueError(
                f"interval = {self.interval} is no stretch of levels; give (low, high) with "
                "1 <= low <= high"
            )

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """The guided x0_hat; without labels, the guess without, whatever the scale.

        A learned variance is that of the guess with the label, which is led nowhere.
        """
        scale = self._scale(t)
        if cond is None or (scale == 0).all():
            return self.denoiser(x_t, t)
        if (scale == 1).all():
            return self.denoiser(x_t, t, cond)
        work = compute_dtype(x_t)
        conditional, unconditional = self._both(x_t, t, cond)
        labelled, unlabelled = conditional.x0_hat.to(work), unconditional.x0_hat.to(work)
        guided = torch.lerp(unlabelled, labelled, expand_to(scale, x_t))
        if self.rescale:
            guided = expand_to(self._rescaling(guided, labelled), x_t) * guided
        return replace(conditional, x0_hat=guided.to(x_t.dtype))

    def _scale(self, t: Time) -> Float[Tensor, "*batch"]:
        if self.interval is None:
            return torch.tensor(self.scale, dtype=torch.float64)
        low, high = self.interval
        levels = torch.as_tensor(t).cpu()
        return torch.where((low <= levels) & (levels <= high), self.scale, 1.0).double()

    def _both(self, x_t: Tensor, t: Time, cond: Tensor) -> tuple[Prediction, Prediction]:
        if self.no_label is None:
            return self.denoiser(x_t, t, cond), self.denoiser(x_t, t)
        times = t if isinstance(t, int) else torch.cat([t, t])
        labels = torch.cat([cond, torch.full_like(cond, self.no_label)])
        both = self.denoiser(torch.cat([x_t, x_t]), times, labels)
        labelled, unlabelled = both.x0_hat.chunk(2)
        interpolation = (
            None if both.var_interpolation is None else both.var_interpolation.chunk(2)[0]
        )
        return Prediction(labelled, interpolation), Prediction(unlabelled)

    def _rescaling(self, guided: Tensor, labelled: Tensor) -> Float[Tensor, " batch"]:
        """What each guess is multiplied with, so that it varies as much as the labelled one."""
        wanted, found = _spread(labelled), _spread(guided)
        whole = torch.where(found > 0, wanted / found, 1.0)
        return torch.lerp(torch.ones_like(whole), whole, self.rescale)


def _spread(x: Float[Tensor, " batch *event"]) -> Float[Tensor, " batch"]:
    """The standard deviation of each sample over its event, times a factor that all share."""
    flat = x.reshape(len(x), -1)
    return (flat - flat.mean(1, keepdim=True)).square().sum(1).sqrt()


def drop_labels(
    labels: Int[Tensor, " batch"], probability: float, no_label: int, generator: torch.Generator
) -> Int[Tensor, " batch"]:
    """Each label replaced by `no_label` with this probability, independently of all others.

    One draw a sample, whatever reads the label: Ho & Salimans (2022), Algorithm 1, line 3. What is
    learned without a label is the guess for the mixture, Eq. gaussian-oracle.mixture-denoiser.
    """
    if not 0 <= probability <= 1:
        raise ValueError(
            f"probability = {probability} of dropping a label is outside [0, 1]; "
            "Ho & Salimans take 0.1"
        )
    dropped = torch.rand(labels.shape, dtype=torch.float64, generator=generator) < probability
    return torch.where(dropped, no_label, labels)
