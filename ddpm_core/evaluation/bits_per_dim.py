"""Variational bound of a run's test images, computed and cached batch by batch."""

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
from ddpm_core.evaluation.cache import cache_key, pack, unpack
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.likelihood import reverse_of, stratified_vlb, vlb_terms
from ddpm_core.losses import l_simple
from ddpm_core.parameterization import convert
from ddpm_core.randomness import keyed_generator, keyed_noise
from ddpm_core.training.trained import Trained

DECILES = 10


@dataclass(frozen=True, eq=False)
class BoundSums:
    """Bounds of some images and sums over them, in float64."""

    images: Float64[np.ndarray, " images"]  # bound of each image, in nats
    terms: Float64[np.ndarray, " terms"]  # sum of each term, from the decoder to the prior
    errors: Float64[np.ndarray, " deciles"]  # sum of squared eps errors, by decile of t
    counts: Float64[np.ndarray, " deciles"]  # number of these errors
    autoencoder: Float64[np.ndarray, " images"]  # nats of the autoencoder; 0 for pixels

    def to_bytes(self, key: str) -> bytes:
        """Return the content of a cache file."""
        return pack(key, **vars(self))


def read_cached(path: Path, key: str) -> BoundSums | None:
    """Read a cache file, or return None if it is missing, damaged or has another key."""
    found = unpack(path, key, list(BoundSums.__dataclass_fields__))
    return None if found is None else BoundSums(**found)


def bound_key(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> str:
    """Return a digest of everything that the bound depends on."""
    options = (config.strata, trained.variance(config.variance), trained.clips(config.clip))
    return cache_key(trained, dataset, (*options, config.seed, config.batch_size))


def denoiser_in_float64(trained: Trained) -> NetworkDenoiser:
    """Return a denoiser of float64 states that evaluates the network in its own precision."""

    def network(x_t: Tensor, *rest: Tensor) -> Tensor:
        predicted: Tensor = trained.network(x_t.float(), *rest).double()
        return predicted

    return NetworkDenoiser(
        trained.schedule, network, trained.parameterization, trained.learns_variance
    )


class DiffusedImages(NamedTuple):
    """Images or their latents, in float64, and what the bound needs to know of them."""

    x_0: Float64[Tensor, " images *event"]
    grey_levels: int | None  # None for latents
    autoencoder: Float64[Tensor, " images"]  # nats that the autoencoder adds to the bound


def diffused_images(
    trained: Trained, dataset: Dataset, indices: Int64[Tensor, " images"], device: torch.device
) -> DiffusedImages:
    """Return the images themselves, or a draw of their latents. Eq. latent.bound."""
    x = dataset.take(indices).to(device)
    return DiffusedImages(*trained.space.bound_terms(x, indices, dataset.grey_levels))


def bound_sums(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    indices: Int64[Tensor, " images"],
    device: torch.device,
    on_evaluations: Callable[[int], Any] = lambda count: None,
) -> BoundSums:
    """Compute the bound of these images, with noise keyed by (seed, t, index), in float64.

    on_evaluations is called with the number of images after every network evaluation.
    """
    with torch.no_grad():
        x_0, grey_levels, autoencoder = diffused_images(trained, dataset, indices, device)
    labels = None
    if trained.config.conditional and dataset.labels is not None:
        labels = dataset.labels[indices].to(device)
    schedule, T = trained.schedule, trained.schedule.T
    errors, counts = torch.zeros(2, DECILES, dtype=torch.float64)

    plain = denoiser_in_float64(trained)

    def recorded(x_t: Tensor, t: Time, cond: Tensor | None = None) -> Prediction:
        found = plain(x_t, t, cond)
        noise, eps_hat = (convert(schedule, "x0", "eps", x, x_t, t) for x in (x_0, found.x0_hat))
        each = l_simple(eps_hat, noise).per_sample.cpu()
        decile = (torch.as_tensor(t).cpu().expand(len(x_0)) - 1) * DECILES // T
        errors.index_add_(0, decile, each)
        counts.index_add_(0, decile, torch.ones_like(each))
        on_evaluations(len(x_0))
        return found

    denoiser: Denoiser = ClipX0(recorded) if trained.clips(config.clip) else recorded
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
    sums = (terms.sum(0) + autoencoder, terms.sum(1), errors, counts, autoencoder)
    return BoundSums(*(each.numpy() for each in sums))


def merged(batches: list[BoundSums]) -> BoundSums:
    """Return the sums over all batches."""
    per_image = {"images", "autoencoder"}
    return BoundSums(
        **{
            name: np.concatenate(values) if name in per_image else np.sum(values, axis=0)
            for name in BoundSums.__dataclass_fields__
            for values in [[getattr(batch, name) for batch in batches]]
        }
    )
