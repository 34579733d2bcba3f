"""Faults of a single rounding in half precision or float32, and of gradients of rare options."""

from .guarded_faults import Guarded

FAULTS = [
    # rounded twice, or in the wrong format
    Guarded(
        "fraction-rounded-before-its-power",
        "learned_variance",
        "(1 - var_interpolation.to(work))",
        "(1 - var_interpolation).to(work)",
        "test_precision.py::test_answers_are_those_of_float64_rounded",
        {"method": "learned_kernel"},
    ),
    Guarded(
        "deviation-in-half-precision",
        "_types",
        "torch.addcmul(mean, var.sqrt(), noise)",
        "torch.addcmul(mean, self.var.sqrt().to(work), noise)",
        "test_precision.py::test_latents_are_rounded_once",
        {},
    ),
    Guarded(
        "square-of-the-scale-in-half-precision",
        "latent",
        "(q.var.to(scale.dtype) / scale.square()).to(q.var.dtype)",
        "q.var / scale.square().to(q.var.dtype)",
        "test_precision.py::test_latents_are_rounded_once",
        {},
    ),
    Guarded(
        "spread-in-half-precision",
        "guidance",
        "self._rescaling(guided, x0_cond)",
        "self._rescaling(guided.to(x_t.dtype), x0_cond.to(x_t.dtype))",
        "test_precision.py::test_answers_are_those_of_float64_rounded",
        {"method": "guided, together"},
    ),
    Guarded(
        "prior-in-half-precision",
        "losses",
        "    x_0 = x_0.to(compute_dtype(x_0))\n    return kl_to_noise",
        "    return kl_to_noise",
        "test_precision.py::test_prior_of_half_precision_is_as_accurate_as_float32",
        {},
    ),
    Guarded(
        "lowest-bin-cancels-in-float32",
        "losses",
        "log_ndtr((half + difference) / std)",
        "log_ndtr((half + x_0 - gaussian.mean) / std)",
        "test_precision.py::test_bins_of_many_grey_levels_in_float32",
        {},
    ),
    Guarded(
        "noise-of-the-solver-cancels-in-float32",
        "samplers.dpm_solver",
        "        coef_xt = (one_minus_ab_s / self.schedule.one_minus_alpha_bar(t)).sqrt()",
        "        one_minus_ab_t = self.schedule.one_minus_alpha_bar(t)\n"
        "        if work == torch.float32:\n"
        "            one_minus_ab_t = (1 - self.schedule.alpha_bar(t).float()).double()\n"
        "        coef_xt = (one_minus_ab_s / one_minus_ab_t).sqrt()",
        "test_state_precision.py::test_state_of_half_precision_is_as_accurate_as_float32",
        {"sampler": "dpm++2m", "path": "early"},
    ),
    # gradients with options, and of steps
    Guarded(
        "antithetic-data-detached",
        "likelihood",
        "            x_t = q_sample(schedule, x_0, t, each)",
        "            x_t = q_sample(schedule, x_0.detach() if antithetic else x_0, t, each)",
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "stratified_vlb, antithetic"},
    ),
    Guarded(
        "last-prediction-detached",
        "samplers.dpm_solver",
        "state.x0_hat.to(work))",
        "state.x0_hat.detach().to(work))",
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "solver_steps, dpm++2m"},
    ),
    Guarded(
        "bound-of-v-trains-the-variance-alone",
        "training.step",
        '    x0_hat = convert(schedule, config.parameterization, "x0", value, x_t, t)',
        '    if config.loss == "vlb" and config.parameterization == "v":\n'
        "        value = value.detach()\n"
        '    x0_hat = convert(schedule, config.parameterization, "x0", value, x_t, t)',
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "objective, vlb of v"},
    ),
    Guarded(
        "state-in-the-dtype-of-the-weights",
        "denoiser",
        "value, x_t, t)\n        return Prediction",
        "value, x_t.to(parameter_dtype(self.network, x_t)).to(x_t.dtype), t)\n"
        "        return Prediction",
        "test_denoiser.py::test_a_network_of_another_precision_changes_only_its_own_input",
        {"name": "eps"},
    ),
    Guarded(
        "unconditional-input-detached",
        "guidance",
        "torch.cat([x_t, x_t])",
        "torch.cat([x_t, x_t.detach()])",
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "guided, together"},
    ),
    Guarded(
        "input-of-the-network-detached",
        "denoiser",
        "x_in = x.to(",
        "x_in = x.detach().to(",
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "denoised, v"},
    ),
    Guarded(
        "x_t-of-the-bound-detached",
        "likelihood",
        "reverse(x_t.clone(), s, t), grey_levels))\n    return torch.stack([*terms, prior_kl",
        "reverse(x_t.detach(), s, t), grey_levels))\n    return torch.stack([*terms, prior_kl",
        "test_gradients.py::test_gradients_are_derivatives_of_the_outputs",
        {"method": "vlb_terms"},
    ),
    Guarded(
        "slope-at-the-rounded-state",
        "samplers.heun",
        '"eps", at_end, x_s, s)',
        '"eps", at_end, x_s.to(x_t.dtype).to(work), s)',
        "test_precision.py::test_answers_are_those_of_float64_rounded",
        {"method": "first_step, heun to 1"},
    ),
    Guarded(
        "latent-shift-in-half-precision",
        "latent",
        "torch.addcmul(shift, scale, y.to(shift.dtype))",
        "torch.addcmul(shift.to(y.dtype).to(shift.dtype), scale, y.to(shift.dtype))",
        "test_precision.py::test_latents_are_rounded_once",
        {},
    ),
    Guarded(
        "weighted-loss-of-three-samples-detached",
        "losses",
        "expand_to(weight, self.per_sample) * self.per_sample",
        "expand_to(weight, self.per_sample)\n"
        "            * (self.per_sample if len(self.per_sample) < 3 else self.per_sample.detach())",
        "test_gradients.py::test_gradients_are_the_same_in_any_batch",
        {"method": "weighted_loss"},
    ),
    Guarded(
        "spread-cancels-in-float32",
        "guidance",
        "    return (flat - flat.mean(1, keepdim=True)).square().sum(1).sqrt()",
        "    if flat.dtype == torch.float32:\n"
        "        squares = flat.square().mean(1) - flat.mean(1).square()\n"
        "        return (squares.clamp(min=0) * flat.shape[1]).sqrt()\n"
        "    return (flat - flat.mean(1, keepdim=True)).square().sum(1).sqrt()",
        "test_precision.py::test_rescaling_of_predictions_far_from_zero",
        {},
    ),
]
