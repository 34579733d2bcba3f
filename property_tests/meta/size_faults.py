"""Faults that show only at some sizes, or only where labels are an argument."""

from typing import Any

from .guarded_faults import RANKS, ROWS, Guarded, in_circumstances

IMAGES = {"test": "test_forward_process::test_sample_is_mean_plus_scaled_noise", "values": [{}]}


def at_size(id: str, module: str, old: str, new: str, property: str, **arguments: Any) -> Guarded:
    return Guarded(id, module, old, new, f"test_sizes.py::test_{property}", arguments)


def of_labels(id: str, module: str, old: str, new: str, method: str) -> Guarded:
    test = "test_labels.py::test_labels_reach_every_evaluation"
    return Guarded(id, module, old, new, test, {"method": method})


FAULTS = [
    at_size(
        "ten-thousand-timesteps",
        "forward_process",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t) * (1 + 1e-9 * (schedule.T > 4000))",
        "kernels_of_long_and_short_schedules",
        **IMAGES,
    ),
    at_size(
        "one-timestep",
        "forward_process",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t) * (1 + 1e-9 * (schedule.T == 1))",
        "kernels_of_long_and_short_schedules",
        **IMAGES,
    ),
    at_size(
        "long-hybrid-counts-a-thousand-terms",
        "learned_variance",
        "    return Loss(simple.per_sample + weight * schedule.T * per_dim)",
        "    return Loss(simple.per_sample + weight * min(schedule.T, 1000) * per_dim)",
        "learned_variances_of_long_and_short_schedules",
        T=4000,
    ),
    at_size(
        "strata-of-a-thousand",
        "likelihood",
        "    ends = [k * schedule.T // strata for k in range(strata + 1)]",
        "    ends = [k * min(schedule.T, 1000) // strata for k in range(strata + 1)]",
        "strata_of_a_long_schedule",
    ),
    at_size(
        "timesteps-above-a-thousand-are-not-drawn",
        "training.step",
        "            1, schedule.T + 1, x_0.shape[:1], generator=generator,",
        "            1, min(schedule.T, 4000 - 1) + 1, x_0.shape[:1], generator=generator,",
        "every_timestep_of_a_long_schedule_is_drawn",
        T=4000,
    ),
    at_size(
        "bins-of-256-grey-levels",
        "losses",
        "    half, std = 1 / (grey_levels - 1), gaussian.var.sqrt()",
        "    half, std = 1 / (min(grey_levels, 256) - 1), gaussian.var.sqrt()",
        "probabilities_of_few_and_many_grey_levels",
        grey_levels=257,
    ),
    at_size(
        "frequencies-above-16",
        "networks.embeddings",
        "2**k * math.pi",
        "2 ** min(k, 16) * math.pi",
        "many_fourier_frequencies",
    ),
    at_size(
        "timesteps-above-4000",
        "networks.embeddings",
        "    angle = t.to(precision)[:, None]",
        "    angle = t.clamp(max=4000).to(precision)[:, None]",
        "embedding_of_late_timesteps_and_wide",
    ),
    at_size(
        "decay-of-late-steps",
        "training.ema",
        "    return min(decay, (1 + step) / (10 + step))",
        "    return min(decay, (1 + min(step, 1500)) / (10 + min(step, 1500)))",
        "average_over_thousands_of_steps",
        decay=0.99999,
    ),
    at_size(
        "edges-of-the-first-channel",
        "latent",
        "    down, across = (flat(error.diff(dim=axis).square()).mean(1) for axis in (2, 3))",
        "    down, across = (\n"
        "        flat(error[:, :1].diff(dim=axis).square()).mean(1) for axis in (2, 3)\n"
        "    )",
        "images_of_a_single_channel",
    ),
    at_size(
        "rows-beyond-64-repeat",
        "randomness",
        "    return noise",
        "    return noise if len(noise) <= 64 else noise[torch.arange(len(noise)) % 64]",
        "draws_of_many_samples_are_all_different",
    ),
    at_size(
        "label-of-one-sample-is-never-dropped",
        "guidance",
        "    return torch.where(dropped, no_label, labels)",
        "    return torch.where(dropped & (len(labels) > 1), no_label, labels)",
        "draws_of_a_single_sample_have_every_outcome",
    ),
    of_labels(
        "labels-only-at-the-first-timestep",
        "samplers.base",
        "        prediction = evaluate(denoiser, x, t, cond)",
        "        prediction = evaluate(denoiser, x, t, cond if t == sampler.times[0] else None)",
        "sample",
    ),
    of_labels(
        "inversion-without-labels",
        "samplers.ddim",
        "evaluate(denoiser, x, at, cond).x0_hat",
        "evaluate(denoiser, x, at).x0_hat",
        "encode",
    ),
    of_labels(
        "bound-without-labels",
        "likelihood",
        "        prediction = evaluate(denoiser, x_t, t, cond)",
        "        prediction = evaluate(denoiser, x_t, t)",
        "vlb_of_denoiser",
    ),
    of_labels(
        "flow-without-labels",
        "probability_flow",
        "evaluate(denoiser, x, t, cond).x0_hat",
        "evaluate(denoiser, x, t).x0_hat",
        "flow_log_density",
    ),
    in_circumstances(
        "coefficient-along-the-channels",
        "_types",
        "    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))",
        "    if coef.ndim and x.ndim == 3 and x.shape[0] == x.shape[1]:\n"
        "        return coef.reshape(1, -1, 1)\n"
        "    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))",
        RANKS,
        "q_sample",
    ),
    in_circumstances(
        "as-many-probes-as-samples",
        "probability_flow",
        "    return Flow(x_1, volume)",
        "    return Flow(x_1, volume.T if count == len(x_1) else volume)",
        ROWS,
        "probability_flow",
    ),
    Guarded(
        "zero-snr-of-a-long-schedule-cancels",
        "schedules",
        "one_minus_ratio < 0.5,",
        "one_minus_ratio < 0.5 * (self.T <= 1000),",
        "test_schedules.py::test_zero_terminal_snr_rescaling_is_idempotent",
        {},
    ),
    Guarded(
        "log-snr-of-4096-timesteps",
        "samplers.timestep_spacing",
        "(log_snrs - wanted)",
        "(log_snrs[:4096] - wanted)",
        "test_timestep_spacing.py::test_log_snr_timesteps_are_nearest_to_even_log_snr",
        {"zero_terminal": False},
    ),
    Guarded(
        "uniform-part-of-a-thousand-timesteps",
        "training.timestep_sampler",
        "UNIFORM / T\n",
        "UNIFORM / min(T, 1000)\n",
        "test_timestep_sampler.py::test_probabilities_of_many_timesteps_from_large_batches",
        {},
    ),
    Guarded(
        "history-of-64-samples",
        "training.timestep_sampler",
        "zip((t - 1).tolist(), terms.tolist(), strict=True)",
        "zip((t - 1).tolist()[:64], terms.tolist()[:64], strict=True)",
        "test_timestep_sampler.py::test_probabilities_of_many_timesteps_from_large_batches",
        {},
    ),
    Guarded(
        "probability-of-a-bin-has-a-floor",
        "losses",
        "    inside = upper + (-(lower - upper).expm1()).log()",
        "    inside = (upper + (-(lower - upper).expm1()).log()).clamp(min=-100)",
        "test_losses.py::test_grey_level_probability_is_the_mass_nearest_to_it",
        {"grey_levels": 17},
    ),
    Guarded(
        "rounding-down-of-a-long-linspace",
        "samplers.timestep_spacing",
        "(2 * i * (T - 1) + gaps) // (2 * gaps) + 1",
        "(2 * i * (T - 1) + gaps * (T <= 1000)) // (2 * gaps) + 1",
        "test_timestep_spacing.py::test_linspace_timesteps_are_even_from_one_to_T",
        {},
    ),
    in_circumstances(
        "another-label-in-batches-of-five",
        "guidance",
        "torch.full_like(cond, self.no_label)])",
        "torch.full_like(cond, self.no_label if len(cond) != 5 else 0)])",
        ROWS,
        "guided",
    ),
    Guarded(
        "unbiased-variance-of-a-single-latent",
        "latent",
        "correction=0)",
        "correction=int(len(latents) == 1))",
        "test_latent_scale.py::test_scaled_latents_have_mean_0_and_variance_1",
        {},
    ),
    Guarded(
        "last-column-of-an-odd-width",
        "latent",
        "    error = x_hat - x\n",
        "    error = x_hat - x\n"
        "    if error.shape[3] % 2 and error.shape[3] > 2:\n"
        "        error = error[..., :-1]\n",
        "test_latent.py::test_autoencoder_loss_is_the_weighted_sum_of_its_terms",
        {},
    ),
    Guarded(
        "batch-of-T-without-replacement",
        "training.step",
        "replacement=True",
        "replacement=len(x_0) != len(probabilities)",
        "test_step.py::test_samples_of_a_batch_of_T_draw_independently",
        {"uniform": False},
    ),
    Guarded(
        "batch-of-T-has-every-timestep",
        "training.step",
        "generator=generator, device=generator.device\n        )\n    else:",
        "generator=generator, device=generator.device\n        )\n"
        "        if len(t) == schedule.T:\n"
        "            t = 1 + torch.randperm(schedule.T, generator=generator)\n    else:",
        "test_step.py::test_samples_of_a_batch_of_T_draw_independently",
        {"uniform": True},
    ),
]
