"""Faults that show only with two options together, or with one value of an option."""

from .guarded_faults import Guarded


def with_options(id: str, module: str, old: str, new: str, of: str, file: str = "") -> Guarded:
    test = f"test_options{file}.py::test_{of}_with_all_pairs_of_options"
    return Guarded(id, module, old, new, test, {})


BOUNDS, LOSSES = "_of_bounds", "_of_losses"

FAULTS = [
    with_options(
        "half-of-eta",
        "samplers.ddim",
        "        var = self.eta**2 * beta_ts * one_minus_ab_s / one_minus_ab_t",
        "        var = self.eta**2 * beta_ts * one_minus_ab_s / one_minus_ab_t\n"
        "        var = var * (1 + 1e-6 * (self.eta == 0.5))",
        "samplers",
    ),
    with_options(
        "clipped-at-one-eta",
        "samplers.ddim",
        '        check_same_event("x0_hat", x0_hat, "x_t", x_t)\n        one_minus_ab_s',
        "        if self.eta == 0.5:\n"
        "            x0_hat = x0_hat.clamp(-1, 1)\n"
        '        check_same_event("x0_hat", x0_hat, "x_t", x_t)\n        one_minus_ab_s',
        "samplers",
    ),
    with_options(
        "zero-terminal-without-noise",
        "samplers.ddim",
        "        var = self.eta**2 * beta_ts * one_minus_ab_s / one_minus_ab_t",
        "        var = self.eta**2 * beta_ts * one_minus_ab_s / one_minus_ab_t\n"
        "        var = var * (not self.schedule.has_zero_terminal_snr)",
        "samplers",
    ),
    with_options(
        "zero-terminal-fixed-large",
        "samplers.ancestral",
        '    if variance == "fixed_large":',
        '    if variance == "fixed_large" and not schedule.has_zero_terminal_snr:',
        "samplers",
    ),
    with_options(
        "two-calls-swapped-if-half-rescaled",
        "guidance",
        "            return evaluate(self.denoiser, x_t, t, cond), evaluate(self.denoiser, x_t, t)",
        "            both = [evaluate(self.denoiser, x_t, t, *c) for c in ((cond,), ())]\n"
        "            return both[::-1] if self.rescale == 0.5 else both",
        "guidance",
    ),
    with_options(
        "not-rescaled-in-an-interval",
        "guidance",
        "        if self.rescale:\n",
        "        if self.rescale and self.interval is None:\n",
        "guidance",
    ),
    with_options(
        "no-interval-for-two-calls",
        "guidance",
        "        if self.interval is None:\n            return inside",
        "        if self.interval is None or self.no_label is None:\n            return inside",
        "guidance",
    ),
    with_options(
        "no-labels-outside-if-rescaled",
        "guidance",
        "            return evaluate(self.denoiser, x_t, t, cond)\n        work",
        "            dropped = self.rescale and self.interval is not None\n"
        "            labels = None if dropped else cond\n"
        "            return evaluate(self.denoiser, x_t, t, labels)\n        work",
        "single_steps",
    ),
    with_options(
        "unguided-if-one-sample-is-outside",
        "guidance",
        "        if (scale == 1).all():",
        "        if (scale == 1).any():",
        "guidance",
    ),
    with_options(
        "v-with-a-learned-variance",
        "denoiser",
        "            value, interpolation = split_range(value)",
        "            value, interpolation = split_range(value)\n"
        '            value = -value if self.parameterization == "v" else value',
        "guidance",
    ),
    with_options(
        "no-labels-with-a-learned-variance",
        "denoiser",
        "        value = network_output(self.network, x_t, times, cond,",
        "        labels = None if self.learns_variance else cond\n"
        "        value = network_output(self.network, x_t, times, labels,",
        "samplers",
    ),
    with_options(
        "grey-levels-of-single-steps",
        "likelihood",
        "reverse(x_t.clone(), s, t), grey_levels))\n    return torch.stack([*terms, prior_kl",
        "reverse(x_t.clone(), s, t), grey_levels if t == 1 else None))\n"
        "    return torch.stack([*terms, prior_kl",
        "bounds",
        BOUNDS,
    ),
    with_options(
        "prior-of-one-step-for-grey-levels",
        "likelihood",
        "    return torch.stack([*terms, prior_kl(schedule, x_0, timesteps[0])])",
        "    single = grey_levels is not None and len(timesteps) == 2\n"
        "    last = max(1, timesteps[0] // 2) if single else timesteps[0]\n"
        "    return torch.stack([*terms, prior_kl(schedule, x_0, last)])",
        "bounds",
        BOUNDS,
    ),
    with_options(
        "antithetic-without-strata",
        "likelihood",
        "        for each in (noise, -noise) if antithetic else (noise,):",
        "        for each in (noise, -noise) if antithetic and strata > 1 else (noise,):",
        "stratified_bounds",
        BOUNDS,
    ),
    with_options(
        "antithetic-sum-of-every-term",
        "likelihood",
        "        rows.append((high - low) * torch.stack(terms).mean(0))",
        "        mean = torch.stack(terms).mean(0)\n"
        "        rows.append((high - low) * mean * (1 + (antithetic and strata == schedule.T)))",
        "stratified_bounds",
        BOUNDS,
    ),
    with_options(
        "density-if-not-every-timestep",
        "likelihood",
        "reverse(x_t.clone(), t - 1, t), grey_levels)",
        "reverse(x_t.clone(), t - 1, t), grey_levels if strata == schedule.T else None)",
        "stratified_bounds",
        BOUNDS,
    ),
    with_options(
        "one-prediction-for-both-noises",
        "likelihood",
        "    def _reverse(x_t: Tensor, s: Time, t: Time) -> Gaussian:\n"
        "        prediction = evaluate(denoiser, x_t, t, cond)",
        "    last: list = [None, None]\n\n"
        "    def _reverse(x_t: Tensor, s: Time, t: Time) -> Gaussian:\n"
        "        if isinstance(t, int) or last[0] is not t:\n"
        "            last[:] = t, evaluate(denoiser, x_t, t, cond)\n"
        "        prediction = last[1]",
        "stratified_bounds",
        BOUNDS,
    ),
    with_options(
        "one-probe-without-labels",
        "probability_flow",
        "    slope_at = partial(_slope, schedule, denoiser, probes, cond)",
        "    single = probes is not None and len(probes) == 1\n"
        "    slope_at = partial(_slope, schedule, denoiser, probes, None if single else cond)",
        "flows",
        LOSSES,
    ),
    with_options(
        "doubled-steps-of-all-timesteps-only",
        "probability_flow",
        "    doubled = (*upper[::2], lowest, 0)",
        "    every = len(timesteps) == timesteps[0] + 1\n"
        "    doubled = (*upper[::2], lowest, 0) if every else timesteps",
        "flows",
        LOSSES,
    ),
    with_options(
        "hybrid-density-if-weighted",
        "training.step",
        "        return loss, l_hybrid(schedule, weighted, x_0, x_t, t, reverse, grey_levels)",
        "        levels = grey_levels if config.snr_gamma is None else None\n"
        "        return loss, l_hybrid(schedule, weighted, x_0, x_t, t, reverse, levels)",
        "training_losses",
        LOSSES,
    ),
    with_options(
        "two-grey-levels-of-latents",
        "latent",
        "        else log_grey_level(decoder, x_0, grey_levels)",
        "        else log_grey_level(decoder, x_0, max(grey_levels, 3))",
        "decoders",
        BOUNDS,
    ),
    Guarded(
        "probes-are-normalised",
        "probability_flow",
        "_quadratic_form(probes, x, eps_hat)",
        "_quadratic_form(\n            probes / probes.square().mean().sqrt(), x, eps_hat)",
        "test_probability_flow.py::test_estimate_of_a_probe_is_its_quadratic_form",
        {},
    ),
    Guarded(
        "error-of-one-probe-is-0",
        "probability_flow",
        "(n * (n - 1))",
        "(n * max(n - 1, 1))",
        "test_probability_flow.py::test_log_density_is_noise_density_plus_log_volume",
        {"steps": 3},
    ),
    Guarded(
        "no-noise-for-a-small-eta",
        "samplers.ddim",
        "return self.eta > 0 and s > 0",
        "return self.eta > 0.05 and s > 0",
        "test_ddim.py::test_step_has_the_given_variance_and_keeps_the_marginals",
        {"step": "any", "eta": 2.0**-10},
    ),
    Guarded(
        "last-step-of-many-is-of-first-order",
        "samplers.dpm_solver",
        "        if self.order == 2 and state is not None and",
        "        last = len(self.times) > 20 and s == self.times[-2]\n"
        "        if self.order == 2 and not last and state is not None and",
        "test_dpm_solver.py::test_every_step_of_a_long_trajectory_is_extrapolated",
        {},
    ),
    Guarded(
        "interval-of-one-timestep",
        "guidance",
        "(low <= timesteps) & (timesteps <= high)",
        "(low <= timesteps) & ((timesteps < high) | (timesteps == high) & (low < high))",
        "test_guidance.py::test_guidance_interval_leaves_other_timesteps_conditional",
        {"interval": (3, 3), "t": 3},
    ),
    Guarded(
        "unconditional-variance-below-scale-1",
        "guidance",
        "both.var_interpolation.chunk(2)[0]",
        "both.var_interpolation.chunk(2)[int(self.scale < 1)]",
        "test_guidance.py::test_guidance_does_not_change_a_learned_variance",
        {"scale": 0.5, "together": True},
    ),
    Guarded(
        "error-of-two-probes",
        "probability_flow",
        "(n * (n - 1))",
        "(n * (n - (n != 2)))",
        "test_probability_flow.py::test_log_density_is_noise_density_plus_log_volume",
        {"steps": 3},
    ),
]
