"""Injected faults of latents, each with the check that fails."""

from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Gaussian, Scale


class MeanLatentKl(DdpmCore):
    """The mean over the latents of a sample instead of the sum."""

    def latent_kl(self, moments):
        return super().latent_kl(moments) / moments[0].size * 2


class NonzeroKlOfNoise(DdpmCore):
    def latent_kl(self, moments):
        return super().latent_kl(moments) + 2.0**-40


class WrappedGradientEdge(DdpmCore):
    """The gradient term includes differences between the first and the last pixel."""

    def autoencoder_loss(self, x, x_hat, moments, kl_weight, gradient_weight):
        plain = super().autoencoder_loss(x, x_hat, moments, kl_weight, 0.0)
        errors = ((x_hat - x) - np.roll(x_hat - x, 1, axis=axis) for axis in (2, 3))
        edges = sum((each**2).mean(axis=(1, 2, 3)) for each in errors)
        return plain + gradient_weight * edges


class KlPerLatent(DdpmCore):
    """The divergence has equal weight for each latent, independent of the number of pixels."""

    def autoencoder_loss(self, x, x_hat, moments, kl_weight, gradient_weight):
        ratio = x[0].size / (moments[0].size / 2)
        return super().autoencoder_loss(x, x_hat, moments, kl_weight * ratio, gradient_weight)


class SharedChannelScale(DdpmCore):
    def latent_scale(self, latents):
        return Scale(*(0 * each + each.mean() for each in super().latent_scale(latents)))


class BesselCorrectedScale(DdpmCore):
    """The standard deviation uses n - 1 instead of n: 2 % at n = 28."""

    def latent_scale(self, latents):
        found = super().latent_scale(latents)
        n = latents.size // latents.shape[1]
        return found._replace(scale=found.scale * np.sqrt(n / (n - 1)))


class ScaleFromTooFewSamples(DdpmCore):
    def latent_scale(self, latents):
        return super().latent_scale(latents[: max(1, len(latents) // 100)] * 1.1)


class SharedNoise(DdpmCore):
    def draw_latents(self, autoencoder, x, seed):
        return self.to_latents(
            autoencoder, x, 0 * x + np.random.default_rng(seed).normal(size=x[0].shape)
        )


class DiffusedMean(DdpmCore):
    def to_latents(self, autoencoder, x, noise):
        return super().to_latents(autoencoder, x, None)


class ClippedLatents(DdpmCore):
    def from_latents(self, autoencoder, y):
        return super().from_latents(autoencoder, np.clip(y, -1, 1))


class NatsInOtherUnits(DdpmCore):
    """The density of the latents is not converted to the units of the encoder."""

    def latent_bound(self, x_0, y, distribution, decoder, nats, grey_levels):
        found = super().latent_bound(x_0, y, distribution, decoder, nats, grey_levels)
        return found - y[0].size * np.log(2)


class DensityInsteadOfGreyLevels(DdpmCore):
    def latent_bound(self, x_0, y, distribution, decoder, nats, grey_levels):
        return super().latent_bound(x_0, y, distribution, decoder, nats, None)


class InflatedEncoderVariance(DdpmCore):
    def latent_bound(self, x_0, y, distribution, decoder, nats, grey_levels):
        wide = Gaussian(distribution.mean, distribution.var * 1.5)
        return super().latent_bound(x_0, y, wide, decoder, nats, grey_levels)


LATENT, SCALED = "test_latent.py::test_", "test_latent_scale.py::test_"
CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (MeanLatentKl, f"{LATENT}latent_kl_is_the_divergence_from_standard_normal", {}),
    (NonzeroKlOfNoise, f"{LATENT}kl_of_standard_normal_latents_is_zero", {}),
    (WrappedGradientEdge, f"{LATENT}autoencoder_loss_is_the_weighted_sum_of_its_terms", {}),
    (KlPerLatent, f"{LATENT}autoencoder_loss_is_the_weighted_sum_of_its_terms", {}),
    (SharedChannelScale, f"{SCALED}scaled_latents_have_mean_0_and_variance_1", {}),
    (BesselCorrectedScale, f"{SCALED}scaled_latents_have_mean_0_and_variance_1", {}),
    (ScaleFromTooFewSamples, f"{SCALED}scaled_fresh_samples_follow_f_and_t_distributions", {}),
    (SharedNoise, f"{LATENT}latents_follow_the_encoder_distribution", {}),
    (DiffusedMean, f"{SCALED}noised_latents_follow_the_scaled_distribution", {"t": 1}),
    *(
        (
            ClippedLatents,
            f"{SCALED}decoded_samples_follow_the_data_distribution",
            {"sampler": sampler, "times": (4, 2, 0)},
        )
        for sampler in ("fixed_small", "ddim", "dpm++2m")
    ),
    *(
        (wrong, f"{LATENT}exact_latent_density_makes_the_bound_exact", {})
        for wrong in (NatsInOtherUnits, InflatedEncoderVariance)
    ),
    (DensityInsteadOfGreyLevels, f"{LATENT}latent_bound_uses_grey_level_probabilities", {}),
]
