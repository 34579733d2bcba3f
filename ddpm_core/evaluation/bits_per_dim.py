"""The bound of a run's test images, some images at a time, each part kept once it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ddpm_core._types import Denoiser, Prediction
from ddpm_core.clock import Time
from ddpm_core.data.dataset import Dataset
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.evaluation.cache import key_for, pack, unpack
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.likelihood import reverse_of, stratified_vlb, vlb_terms
from ddpm_core.losses import l_simple
from ddpm_core.parameterization import convert
from ddpm_core.randomness import keyed_generator, keyed_noise
from ddpm_core.training.trained import Trained

DECILES = 10


@dataclass(frozen=True, eq=False)
class Part:
    """Sums over some images, in float64."""

    images: Float64[np.ndarray, " images"]  # the bound of each, in nats
    terms: Float64[np.ndarray, " terms"]  # each term, from the decoder's to the prior's
    errors: Float64[np.ndarray, " deciles"]  # squared errors of the noise, by tenth of the levels
    asked: Float64[np.ndarray, " deciles"]  # how many they are
    autoencoder: Float64[np.ndarray, " images"]  # of each, what latents cost; 0 of pixels

    def to_bytes(self, key: str) -> bytes:
        """As a file of arrays; `key` says of what."""
        return pack(key, **vars(self))


def read_part(path: Path, key: str) -> Part | None:
    """The part, if the file is whole and was made of the same."""
    found = unpack(path, key, list(Part.__dataclass_fields__))
    return None if found is None else Part(**found)


def key_of(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> str:
    """A digest of all that the numbers depend on."""
    told = (config.strata, trained.variance(config.variance), trained.clips(config.clip))
    return key_for(trained, dataset, (*told, config.seed, config.batch_size))


def denoiser_in_float64(trained: Trained) -> NetworkDenoiser:
    """What the network says, in its own precision, of states that are kept in float64."""

    def network(x_t: Tensor, *rest: Tensor) -> Tensor:
        predicted: Tensor = trained.network(x_t.float(), *rest).double()
        return predicted

    return NetworkDenoiser(
        trained.schedule, network, trained.parameterization, trained.learns_variance
    )


class Subject(NamedTuple):
    """What is diffused of some images, in float64."""

    x_0: Float64[Tensor, " images *event"]
    grey_levels: int | None  # None of latents
    beside: Float64[Tensor, " images"]  # nats of the bound that latents leave to the autoencoder


def subject_of(
    trained: Trained, dataset: Dataset, indices: Int64[Tensor, " images"], device: torch.device
) -> Subject:
    """Return the images themselves, or a draw of their latents. Eq. latent.bound."""
    x = dataset.take(indices).to(device)
    return Subject(*trained.space.bound_terms(x, indices, dataset.grey_levels))


def bound_of(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    indices: Int64[Tensor, " images"],
    device: torch.device,
    tick: Callable[[int], Any] = lambda calls: None,
) -> Part:
    """The bound of these images, their noise keyed by (seed, t, index); x0_hat in float64.

    tick is told of every call of the network.
    """
    with torch.no_grad():
        x_0, grey_levels, beside = subject_of(trained, dataset, indices, device)
    labels = None
    if trained.config.conditional and dataset.labels is not None:
        labels = dataset.labels[indices].to(device)
    schedule, T = trained.schedule, trained.schedule.T
    errors, asked = torch.zeros(2, DECILES, dtype=torch.float64)

    plain = denoiser_in_float64(trained)

    def watched(x_t: Tensor, t: Time, cond: Tensor | None = None) -> Prediction:
        found = plain(x_t, t, cond)
        noise, eps_hat = (convert(schedule, "x0", "eps", x, x_t, t) for x in (x_0, found.x0_hat))
        each = l_simple(eps_hat, noise).per_sample.cpu()
        tenth = (torch.as_tensor(t).cpu().expand(len(x_0)) - 1) * DECILES // T
        errors.index_add_(0, tenth, each)
        asked.index_add_(0, tenth, torch.ones_like(each))
        tick(len(x_0))
        return found

    denoiser: Denoiser = ClipX0(watched) if trained.clips(config.clip) else watched
    reverse = reverse_of(schedule, denoiser, trained.variance(config.variance), labels)
    with torch.no_grad():
        if config.strata is None:
            terms = vlb_terms(
                schedule,
                x_0,
                reverse,
                lambda t: keyed_noise(
                    x_0.shape[1:], config.seed, "bound", t, indices.tolist(), device, x_0.dtype
                ),
                grey_levels=grey_levels,
            )
        else:
            generator = keyed_generator(config.seed, "bound", int(indices[0]))
            terms = stratified_vlb(
                schedule, x_0, reverse, generator, grey_levels=grey_levels, strata=config.strata
            )
    terms = terms.cpu()
    sums = (terms.sum(0) + beside, terms.sum(1), errors, asked, beside)
    return Part(*(each.numpy() for each in sums))


def whole(parts: list[Part]) -> Part:
    """All images of all parts."""
    each_image = {"images", "autoencoder"}
    return Part(
        **{
            name: np.concatenate(values) if name in each_image else np.sum(values, axis=0)
            for name in Part.__dataclass_fields__
            for values in [[getattr(part, name) for part in parts]]
        }
    )
