"""Faults of rare arguments: clipped ranges, unusual options, and buffers of other types."""

from ..strategies import STEEP
from .guarded_faults import Guarded

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
        {"weight": 2.0},
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
        '"sampling", t, indices, device',
        '"sampling", t, range(len(indices)), device',
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
                *("prediction-of-ddim", "samplers.ddim", "        x0_hat = denoise(x_t, t).x0_hat"),
                *("        x0_hat = denoise(x_t, t).x0_hat.clamp(-100, 100)", "sample, ddim"),
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
]
