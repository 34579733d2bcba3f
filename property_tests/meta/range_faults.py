"""Faults of rare arguments: clipped ranges, unusual options, and buffers of other types."""

from ..strategies import STEEP
from .guarded_faults import Guarded, in_circumstances

PLAIN = "test_stopped_gradients.py::test_answers_are_plain_numbers"
SCALES = "test_contract.py::test_methods_have_no_scale_of_their_own"

FAULTS = [
    Guarded(
        "log-variance-of-latents-is-clipped",
        "latent",
        "    return Gaussian(mean, log_var.exp())",
        "    return Gaussian(mean, log_var.clamp(-30, 20).exp())",
        "test_latent.py::test_latent_sample_is_mean_plus_scaled_noise",
        {},
    ),
    Guarded(
        "divergence-of-clipped-log-variances",
        "losses",
        "(ratio - 1 - ratio.log()",
        "(ratio - 1 - ratio.log().clamp(-20, 20)",
        "test_losses.py::test_gaussian_kl_matches_the_densities",
        {},
    ),
    Guarded(
        "density-of-a-least-variance",
        "losses",
        "    return -(squares + gaussian.var.log()",
        "    return -(squares + gaussian.var.clamp(min=1e-12).log()",
        "test_latent.py::test_densities_of_any_width",
        {},
    ),
    Guarded(
        "lowest-bin-of-256-grey-levels",
        "losses",
        "torch.where(x_0 < half - 1,",
        "torch.where(x_0 < 1 / 255 - 1,",
        "test_sizes.py::test_probabilities_of_few_and_many_grey_levels",
        {"grey_levels": 600},
    ),
    Guarded(
        "highest-bin-of-256-grey-levels",
        "losses",
        "torch.where(x_0 > 1 - half,",
        "torch.where(x_0 > 1 - 1 / 255,",
        "test_sizes.py::test_probabilities_of_few_and_many_grey_levels",
        {"grey_levels": 600},
    ),
    Guarded(
        "weight-of-the-bound-is-fixed",
        "learned_variance",
        "Loss(simple.per_sample + weight *",
        "Loss(simple.per_sample + HYBRID_WEIGHT *",
        "test_learned_variance.py::test_hybrid_loss_has_the_given_weight",
        {"grey_levels": None},
    ),
    Guarded(
        "mean-trained-by-a-large-weight",
        "learned_variance",
        "    detached = replace(reverse, mean=reverse.mean.detach())",
        "    detached = reverse\n"
        "    if weight < 1:\n"
        "        detached = replace(reverse, mean=reverse.mean.detach())",
        "test_stopped_gradients.py::test_bound_of_any_weight_trains_the_variance_alone",
        {"weight": 2.0, "grey_levels": None},
    ),
    Guarded(
        "kl-reported-per-number",
        "latent",
        "    return AutoencoderLoss(Loss(total), error, edges, kl)",
        "    return AutoencoderLoss(Loss(total), error, edges, kl / math.prod(x.shape[1:]))",
        "test_latent.py::test_reported_terms_are_those_of_the_loss",
        {},
    ),
    Guarded(
        "v-to-eps-refused-at-the-data",
        "parameterization",
        'pair in ("x0 -> eps", "x0 -> v")',
        'pair in ("x0 -> eps", "x0 -> v", "v -> eps")',
        "test_parameterization.py::test_conversion_at_the_data_is_the_limit_or_refused",
        {"source": "v", "target": "eps", "betas": STEEP},
    ),
    Guarded(
        "score-accepted-at-the-data",
        "parameterization",
        '"score" in (source, target)',
        'source == "score"',
        "test_parameterization.py::test_conversion_at_the_data_is_the_limit_or_refused",
        {"source": "eps", "target": "score", "betas": STEEP},
    ),
    Guarded(
        "counts-are-not-copied",
        "training.ema",
        "            mine.copy_(theirs)",
        "            if mine.is_floating_point():\n                mine.copy_(theirs)",
        "test_ema.py::test_everything_that_a_network_holds_is_updated",
        {"kind": "count", "decay": 0.25},
    ),
    Guarded(
        "frozen-parameters-are-not-averaged",
        "training.ema",
        "        torch._foreach_lerp_(averages, weights, ",
        "        trained = [each.requires_grad for each in weights]\n"
        "        averages, weights = (\n"
        "            [each for each, on in zip(rows, trained, strict=True) if on]\n"
        "            for rows in (averages, weights)\n"
        "        )\n"
        "        torch._foreach_lerp_(averages, weights, ",
        "test_ema.py::test_everything_that_a_network_holds_is_updated",
        {"kind": "frozen", "decay": 0.25},
    ),
    Guarded(
        "continuous-images-are-clipped",
        "data.dataset",
        "            return images\n        return 2 *",
        "            return images.clamp(-1, 1)\n        return 2 *",
        "test_images.py::test_continuous_images_are_returned_as_they_are",
        {},
    ),
    Guarded(
        "samples-are-numbered-by-row",
        "samplers.base",
        '"sampling", t, samples, device',
        '"sampling", t, range(len(samples)), device',
        "test_samplers.py::test_samples_are_known_by_their_index",
        {"sampler": "ddim"},
    ),
    *(
        Guarded(f"{id}-has-a-scale", module, old, new, SCALES, {"method": method, "factor": factor})
        for id, module, old, new, method, factor in (
            (
                *("standard-deviation-of-a-prediction", "guidance", "wanted / found, 1.0"),
                *("wanted / (found + 1e-8), 1.0", "guided", 2.0**20),
            ),
            (
                *(
                    "prediction-of-ddim",
                    "samplers.ddim",
                    "        x0_hat = evaluate(denoise, x_t, t).x0_hat",
                ),
                *(
                    "        x0_hat = evaluate(denoise, x_t, t).x0_hat.clamp(-100, 100)",
                    "sample, ddim",
                ),
                2.0**20,
            ),
            (
                *("deviation-of-latents", "latent", "cls(mean.cpu(), var.sqrt().cpu())"),
                *("cls(mean.cpu(), var.clamp(min=1e-9).sqrt().cpu())", "latent_scale"),
                -(2.0**-20),
            ),
            (
                *("sum-of-roots", "learned_variance", "roots / total, 1"),
                *("roots / (total + 1e-9), 1", "timestep_probabilities", -(2.0**-20)),
            ),
        )
    ),
    Guarded(
        "dtype-of-the-last-weights",
        "denoiser",
        "next((each.dtype for each in parameters if",
        "next((each.dtype for each in reversed([*parameters]) if",
        "test_denoiser.py::test_a_network_of_another_precision_changes_only_its_own_input",
        {"name": "eps"},
    ),
    Guarded(
        "dtype-of-quantized-weights",
        "denoiser",
        "if each.dtype in DTYPES), x_t.dtype)",
        "), x_t.dtype)",
        "test_denoiser.py::test_a_network_of_another_precision_changes_only_its_own_input",
        {"name": "eps"},
    ),
    *(
        in_circumstances(
            f"{method}-of-three-channels",
            module,
            old,
            new,
            "answers_do_not_depend_on_the_shape_of_an_event",
            method,
        )
        for method, module, old, new in (
            (
                *("guided", "guidance", "    flat = x.reshape(len(x), -1)\n"),
                "    x = x[:, :3] if x.ndim == 4 else x\n    flat = x.reshape(len(x), -1)\n",
            ),
            (
                *("probability_flow", "probability_flow", "len(probes), flat(x_1).shape[1]"),
                "len(probes), flat(x_1).shape[1] - (x_1.ndim > 4)",
            ),
            (
                *("learned_trajectory", "samplers.ancestral", "var_interpolation.to(work)"),
                "(\n            var_interpolation.to(work) * (1 + 1e-9 * (x_t.ndim == 3)))",
            ),
        )
    ),
    Guarded(
        "interval-ends-at-a-thousand",
        "guidance",
        "(timesteps <= high)",
        "(timesteps <= min(high, 1000))",
        "test_guidance.py::test_guidance_interval_leaves_other_timesteps_conditional",
        {"interval": (2, 4000), "t": 1001},
    ),
    Guarded(
        "negative-frequencies-are-refused",
        "networks.embeddings",
        "2**k * math.pi",
        "(1 << k) * math.pi",
        "test_embeddings.py::test_fourier_features_follow_the_image_channels",
        {},
    ),
    Guarded(
        "interpolation-in-half-precision-is-refused",
        "samplers.ancestral",
        "var_interpolation.to(work)",
        "var_interpolation",
        "test_state_precision.py"
        "::test_learned_variance_in_half_precision_is_as_accurate_as_float32",
        {},
    ),
    Guarded(
        "interpolation-of-the-first-step",
        "samplers.base",
        "        return replace(prediction, x0_hat=promoted(prediction.x0_hat, x))",
        "        first = CACHE.setdefault(id(sampler), prediction.var_interpolation)\n"
        "        return replace(\n"
        "            prediction, x0_hat=promoted(prediction.x0_hat, x), var_interpolation=first\n"
        "        )",
        "test_learned_variance.py::test_trajectory_takes_steps_of_the_learned_variance",
        {},
    ),
    Guarded(
        "samples-of-inference-mode",
        "samplers.base",
        "with torch.no_grad():",
        "with torch.inference_mode():",
        PLAIN,
        {"name": "sample, heun"},
    ),
    Guarded(
        "inversion-of-inference-mode",
        "samplers.ddim",
        "        x = q_sample(sampler.schedule, x0_hat if s else x, t, eps_hat)",
        "        with torch.inference_mode():\n"
        "            x = q_sample(sampler.schedule, x0_hat if s else x, t, eps_hat)",
        PLAIN,
        {"name": "encode"},
    ),
    Guarded(
        "averages-record-a-graph",
        "training.ema",
        "        torch._foreach_lerp_(averages,",
        "        torch.set_grad_enabled(True)\n        torch._foreach_lerp_(averages,",
        PLAIN,
        {"name": "ema"},
    ),
    Guarded(
        "noise-key-modulo-a-thousand",
        "samplers.base",
        '"sampling", t, samples, device',
        '"sampling", t % 1000, samples, device',
        "test_samplers.py::test_noise_of_every_step_is_its_own",
        {},
    ),
    Guarded(
        "noise-of-the-bound-is-clipped",
        "likelihood",
        "        x_t = q_sample(schedule, x_0, t, noise_source(t))",
        "        x_t = q_sample(schedule, x_0, t, noise_source(t).clamp(-4, 4))",
        SCALES,
        {"method": "vlb_terms, x_t", "factor": 2.0**20},
    ),
    Guarded(
        "doubled-steps-end-at-1",
        "probability_flow",
        "(*upper[::2], lowest, 0)",
        "(*upper[::2], 1, 0)",
        "test_options_of_losses.py::test_flows_with_all_pairs_of_options",
        {},
    ),
]
