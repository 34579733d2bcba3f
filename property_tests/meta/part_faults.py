"""Faults of what a caller makes or keeps: tables, samplers, arrays, and grey levels of a bound."""

from .guarded_faults import Guarded

KEEP = "test_functions.py::test_functions_may_keep_their_arrays"
OWN = "test_functions.py::test_functions_may_overwrite_what_they_are_given"
DERIVATIVES = "test_gradients.py::test_gradients_are_derivatives_of_the_outputs"

FAULTS = [
    Guarded(
        "table-is-the-callers",
        "schedules",
        '"log_alpha_bar", table.detach().clone())',
        '"log_alpha_bar", table.detach())',
        "test_parts.py::test_a_schedule_does_not_change_with_its_table",
        {},
    ),
    Guarded(
        "sample-is-the-last-prediction",
        "samplers.base",
        "    yield Snapshot(0, x_t, x_t)",
        "    yield Snapshot(0, x_t, x0_hat)",
        "test_parts.py::test_any_sampler_is_run_step_by_step",
        {},
    ),
    Guarded(
        "last-step-is-the-prediction",
        "samplers.base",
        "        x_t = x_s\n",
        "        x_t = x_s if s else x0_hat\n",
        "test_parts.py::test_any_sampler_is_run_step_by_step",
        {},
    ),
    Guarded(
        "table-in-float32",
        "schedules",
        '"log_alpha_bar", table.detach().clone())',
        '"log_alpha_bar", table.detach().float().double())',
        "test_parts.py::test_a_table_of_logarithms_is_a_schedule",
        {},
    ),
    Guarded(
        "unconditional-prediction-overwritten",
        "guidance",
        "        guided = torch.lerp(x0_uncond, x0_cond, expand_to(scale, x_t))",
        "        guided = x0_uncond.lerp_(x0_cond, expand_to(scale, x_t))",
        KEEP,
        {"method": "guided"},
    ),
    Guarded(
        "mean-trained-by-grey-levels",
        "learned_variance",
        "    detached = replace(reverse, mean=reverse.mean.detach())",
        "    detached = reverse\n"
        "    if grey_levels is None:\n"
        "        detached = replace(reverse, mean=reverse.mean.detach())",
        "test_stopped_gradients.py::test_bound_of_any_weight_trains_the_variance_alone",
        {"weight": 2.0, "grey_levels": 17},
    ),
    Guarded(
        "flow-bound-of-constant-grey-levels",
        "probability_flow",
        "    decoder = vlb_term(schedule, x_0, x_1,",
        "    data = x_0 if grey_levels is None else x_0.detach()\n"
        "    decoder = vlb_term(schedule, data, x_1,",
        DERIVATIVES,
        {"method": "flow_bound, of grey levels"},
    ),
    Guarded(
        "objective-of-constant-grey-levels",
        "training.step",
        "    terms = vlb_term(schedule, x_0, x_t, t - 1,",
        "    x_0 = x_0 if grey_levels is None else x_0.detach()\n"
        "    terms = vlb_term(schedule, x_0, x_t, t - 1,",
        DERIVATIVES,
        {"method": "objective, vlb of grey levels"},
    ),
    Guarded(
        "dtype-of-eight-bit-floats",
        "denoiser",
        "if each.dtype in DTYPES), x_t.dtype)",
        "if each.is_floating_point()), x_t.dtype)",
        "test_denoiser.py::test_a_network_of_another_precision_changes_only_its_own_input",
        {"name": "eps"},
    ),
    Guarded(
        "trained-weights-are-averaged",
        "training.ema",
        "        torch._foreach_lerp_(averages, weights, 1 - ema_decay(step, self.decay))",
        "        torch._foreach_lerp_(averages, weights, 1 - ema_decay(step, self.decay))\n"
        "        torch._foreach_copy_(weights, averages)",
        "test_ema.py::test_averaging_leaves_the_trained_weights",
        {"decay": 0.5},
    ),
    Guarded(
        "noise-of-the-network",
        "denoiser",
        "        return replace(found, x0_hat=found.x0_hat.clamp(self.low, self.high))",
        "        kept = found.x0_hat.clamp(self.low, self.high)\n"
        "        scale = self.denoiser.schedule.alpha_bar(t).sqrt()\n"
        "        x_t.sub_(scale * (found.x0_hat - kept))\n"
        "        return replace(found, x0_hat=kept)",
        "test_denoiser.py::test_a_clipped_prediction_keeps_the_noise_that_fits_it",
        {"name": "eps", "sampler": "ddim", "eta": 0.0},
    ),
    Guarded(
        "network-gets-the-state-itself",
        "denoiser",
        "x.to(parameter_dtype(network, x), copy=True)",
        "x.to(parameter_dtype(network, x))",
        OWN,
        {"method": "denoised"},
    ),
    Guarded(
        "denoiser-gets-the-state-itself",
        "_types",
        '    if not getattr(denoiser, "keeps_input", False):',
        '    if getattr(denoiser, "keeps_input", True) is None:',
        OWN,
        {"method": "first_step"},
    ),
    Guarded(
        "encoder-gets-the-images-themselves",
        "latent",
        "self.encoder(x.clone())",
        "self.encoder(x)",
        OWN,
        {"method": "to_latents"},
    ),
]
