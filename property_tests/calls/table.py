"""The table: a call of each method, and what is true of its outputs."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..protocol import Implementation
from . import densities, diffusion, paths
from .call import Call, Thunk
from .inputs import Inputs, autoencoder, twice


def once(method: Callable[[Implementation, Inputs], Any], **about: Any) -> Call:
    """Return the call of a method without options."""

    def make(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
        yield lambda: method(impl, c)

    return Call(make, **about)


ELEMENTS = {"ranks": "elements"}  # each element of an output depends on the same of the inputs
SAMPLES = {"ranks": "samples"}  # the event is summed over
EVENTS = {"ranks": "events"}  # outputs depend on the numbers of an event, not on its shape
ALL_BETAS = {"rows": False, "later_betas": True}

CALLS: dict[str, Call] = {
    # schedules
    "alpha_bar": once(lambda impl, c: impl.alpha_bar(c.betas), **ALL_BETAS),
    "betas": once(lambda impl, c: impl.betas(np.float64([0.9, 0.5, 0.25, 0.125])), rows=False),
    "alpha_bar_of_logs": once(
        lambda impl, c: impl.alpha_bar_of_logs(np.float64([0, -0.25, -1.5, -2])), rows=False
    ),
    "zero_terminal_snr": once(lambda impl, c: impl.zero_terminal_snr(c.betas), **ALL_BETAS),
    "rescaled": once(lambda impl, c: impl.rescaled(c.betas, 2), **ALL_BETAS),
    "log_snr": once(lambda impl, c: impl.log_snr(c.betas, c.t)),
    "schedule": Call(diffusion.schedule, rows=False),
    "shaped_schedule": Call(diffusion.shaped_schedule, rows=False),
    "default_timesteps": once(lambda impl, c: impl.default_timesteps(7), rows=False),
    "own_timesteps": Call(diffusion.own_timesteps, rows=False),
    "claimed_orders": once(lambda impl, c: [*impl.claimed_orders().values()], rows=False),
    "timestep_spacing": Call(diffusion.timestep_spacing, **ALL_BETAS),
    # the forward process, its posterior, and predictions
    "q_marginal": Call(diffusion.q_marginal, **ELEMENTS),
    "q_step": Call(diffusion.q_step, **ELEMENTS),
    "q_sample": Call(diffusion.q_sample, **ELEMENTS),
    "q_posterior": Call(diffusion.q_posterior, **ELEMENTS),
    "convert": Call(diffusion.convert, **ELEMENTS),
    "convert_data": Call(diffusion.convert_data, **ELEMENTS),
    "target": Call(diffusion.target, **ELEMENTS),
    "loss": once(lambda impl, c: impl.loss(c.x, c.y), **SAMPLES),
    "weighted_loss": once(lambda impl, c: impl.weighted_loss(c.x, c.y, c.weight), **SAMPLES),
    "mean_loss": once(lambda impl, c: impl.mean_loss(c.x, c.y, c.weight), rows=False),
    "constant_weight": Call(diffusion.constant_weight),
    "loss_weight": Call(diffusion.loss_weight),
    "look_up": once(lambda impl, c: impl.look_up(np.cos(np.arange(5.0)), c.t)),
    "coefficient": once(lambda impl, c: impl.coefficient(c.weight, c.x)),
    "pair_refusal": Call(diffusion.pair_refusal, rows=False),
    "denoised": Call(diffusion.denoised),
    "denoised_in": Call(diffusion.denoised_in),
    "clipped": once(lambda impl, c: impl.clipped(c.x, -0.5, 0.75), **ELEMENTS),
    "clipped_step": Call(diffusion.clipped_step, **ELEMENTS),
    "guided": Call(diffusion.guided, **EVENTS),
    "guided_interpolation": Call(diffusion.guided_interpolation, **ELEMENTS),
    "drop_labels": once(lambda impl, c: impl.drop_labels(c.labels, 0.5, 3), rows=False),
    # Gaussian paths
    "standard_path": Call(paths.standard_path, rows=False),
    "path_schedule": Call(paths.path_schedule, rows=False),
    "path_sample": Call(paths.path_sample, **ELEMENTS),
    "path_target": Call(paths.path_target, **ELEMENTS),
    "path_convert": Call(paths.path_convert, **ELEMENTS),
    "path_posterior": Call(paths.path_posterior, **ELEMENTS),
    "path_run": Call(paths.path_run, **ELEMENTS),
    "path_denoised": Call(paths.path_denoised),
    # samplers
    "reverse_step": Call(diffusion.reverse_step, **ELEMENTS),
    "ddim_step": Call(diffusion.ddim_step, **ELEMENTS),
    "learned_step": Call(diffusion.learned_step, **ELEMENTS),
    "solver_steps": Call(diffusion.solver_steps, **ELEMENTS),
    "first_step": Call(diffusion.first_step, **ELEMENTS),
    "sample": Call(diffusion.sample, **ELEMENTS),
    "predictions": Call(diffusion.predictions, **EVENTS),
    "trajectory": Call(diffusion.trajectory, **EVENTS),
    "own_trajectory": Call(diffusion.own_trajectory, **EVENTS),
    "encode": Call(diffusion.encode, **ELEMENTS),
    "draw_samples": Call(diffusion.draw_samples, rows=False, **EVENTS),
    "draw_samples_at": Call(diffusion.draw_samples_at, rows=False),
    "learned_trajectory": Call(diffusion.learned_trajectory, **EVENTS),
    # networks, averages and images
    "embedding": Call(diffusion.embedding),
    "embedding_of_period": Call(diffusion.embedding_of_period),
    "embedding_layout": once(lambda impl, c: impl.embedding_layout(), rows=False),
    "fourier_features": Call(diffusion.fourier_features),
    "network": once(lambda impl, c: impl.network(c.x, c.t, True), rows=False),
    "gradients": once(lambda impl, c: [*impl.gradients(c.x, c.t).values()], rows=False),
    "ema": Call(densities.ema, rows=False),
    "trained_weights": Call(densities.trained_weights, rows=False),
    "ema_of": Call(densities.ema_of, rows=False),
    "ema_warms_up": once(lambda impl, c: impl.ema_warms_up(), rows=False),
    "to_unit_range": Call(diffusion.to_unit_range),
    "continuous_images": once(lambda impl, c: impl.continuous_images(c.x, c.t), rows=False),
    "global_state": once(lambda impl, c: impl.global_state(), rows=False),
    "output_dtype_and_device": once(
        lambda impl, c: "".join(impl.output_dtype_and_device("q_sample", "float32", "cpu")),
        rows=False,
    ),
    # densities and the bound
    "gaussian_kl": Call(densities.gaussian_kl, **ELEMENTS),
    "log_grey_level": Call(densities.log_grey_level, **ELEMENTS),
    "reverse_kernel": Call(densities.reverse_kernel, **ELEMENTS),
    "decoder_variance": Call(densities.decoder_variance, rows=False),
    "learned_kernel": once(
        lambda impl, c: impl.learned_kernel(c.betas, c.x, c.y, c.fraction, c.s, c.t), **ELEMENTS
    ),
    "hybrid": Call(densities.hybrid, later_betas=True),
    "hybrid_of_weight": Call(densities.hybrid_of_weight, later_betas=True),
    "timestep_probabilities": once(
        lambda impl, c: impl.timestep_probabilities(c.weight), rows=False
    ),
    "vlb_terms": Call(densities.vlb_terms, **SAMPLES),
    "vlb_of_denoiser": Call(densities.vlb_of_denoiser, **SAMPLES),
    "stratified_vlb": Call(densities.stratified_vlb, **ALL_BETAS),
    "stratified_vlb_of_denoiser": Call(densities.stratified_vlb_of_denoiser, **ALL_BETAS),
    "bits_per_dim": once(lambda impl, c: impl.bits_per_dim(c.weight, 12)),
    "dequantised_bits_per_dim": once(
        lambda impl, c: impl.dequantised_bits_per_dim(c.weight, 12, 17)
    ),
    "probability_flow": Call(densities.probability_flow, **EVENTS),
    "flow_log_density": Call(densities.flow_log_density, **EVENTS),
    "flow_bound": Call(densities.flow_bound, **SAMPLES),
    # latents
    "latent_draw": once(lambda impl, c: impl.latent_draw(twice(c.x, c.fraction), c.noise)),
    "latent_kl": once(lambda impl, c: impl.latent_kl(twice(c.x, c.fraction))),
    "autoencoder_loss": Call(densities.autoencoder_loss),
    "autoencoder_terms": Call(densities.autoencoder_terms),
    "latent_scale": once(lambda impl, c: impl.latent_scale(c.x), rows=False),
    "to_latents": Call(densities.to_latents),
    "from_latents": once(lambda impl, c: impl.from_latents(autoencoder(c.x.shape[1], 0.3), c.x)),
    "draw_latents": once(
        lambda impl, c: impl.draw_latents(autoencoder(c.x.shape[1], 0.3), c.x, 3), rows=False
    ),
    "latent_bound": Call(densities.latent_bound, **SAMPLES),
    # training
    "training_draw": once(
        lambda impl, c: impl.training_draw(c.betas, c.x, 3), **ALL_BETAS, **EVENTS
    ),
    "weighted_draw": once(
        lambda impl, c: impl.weighted_draw(
            c.betas, c.x, np.full(len(c.betas), 1 / len(c.betas)), 3
        ),
        **ALL_BETAS,
    ),
    "training_batch": once(lambda impl, c: impl.training_batch(7, 3, 4, 5), rows=False),
    "importance": Call(densities.importance, rows=False),
    "objective": Call(densities.objective, later_betas=True),
}
