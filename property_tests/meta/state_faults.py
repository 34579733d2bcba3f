"""Faults that show only when two calls alternate, when one is abandoned, or after a thousand.

Each keeps what belongs to one call in a place that all calls share.
"""

from .guarded_faults import ROWS, Guarded, in_circumstances

SEQUENCE = "any_sequence_of_calls_gives_what_fresh_calls_give"


def between_calls(id: str, module: str, old: str, new: str, name: str) -> Guarded:
    return Guarded(id, module, old, new, f"test_state_machines.py::test_{SEQUENCE}", {"name": name})


FAULTS = [
    between_calls(
        "history-is-the-sampler's",
        "samplers.dpm_solver",
        "        extrapolated = x0_hat.to(work)\n",
        "        extrapolated = x0_hat.to(work)\n"
        "        state = state and CACHE.get(id(self))\n"
        "        CACHE[id(self)] = LastPrediction(x0_hat, h)\n",
        "dpm++2m",
    ),
    between_calls(
        "slope-is-the-sampler's",
        "samplers.heun",
        "        at_end = evaluate(denoise, x_s.to(x_t.dtype), s).x0_hat.to(work)",
        "        CACHE[id(self)] = eps_hat\n"
        "        at_end = evaluate(denoise, x_s.to(x_t.dtype), s).x0_hat.to(work)\n"
        "        eps_hat = CACHE[id(self)]",
        "heun",
    ),
    between_calls(
        "labels-are-the-last-chain's",
        "samplers.base",
        "    def denoise(x: Tensor, t: int) -> Prediction:\n"
        "        prediction = evaluate(denoiser, x, t, cond)",
        '    CACHE["cond"] = cond\n\n'
        "    def denoise(x: Tensor, t: int) -> Prediction:\n"
        '        prediction = evaluate(denoiser, x, t, CACHE["cond"])',
        "ddim",
    ),
    between_calls(
        "noise-is-the-sampler's",
        "samplers.ddim",
        "        x0_hat = evaluate(denoise, x_t, t).x0_hat",
        "        CACHE[id(self)] = noise\n"
        "        x0_hat = evaluate(denoise, x_t, t).x0_hat\n"
        "        noise = CACHE[id(self)]",
        "ddim, eta = 0.5",
    ),
    between_calls(
        "abandoned-chain-is-continued",
        "samplers.base",
        "    state = sampler.init(x_t)\n    for t, s in pairwise(sampler.times):\n",
        "    state = sampler.init(x_t)\n"
        "    x_t = x_t * (1 + 1e-9 * CACHE.get(id(sampler), 0))\n"
        "    CACHE[id(sampler)] = 1\n"
        "    for t, s in pairwise(sampler.times):\n"
        "        CACHE[id(sampler)] = s > 0\n",
        "fixed_large",
    ),
    between_calls(
        "state-of-the-inversion-is-shared",
        "samplers.ddim",
        "        x0_hat = promoted(evaluate(denoiser, x, at, cond).x0_hat, x)",
        '        CACHE["x"] = x\n'
        "        x0_hat = promoted(evaluate(denoiser, x, at, cond).x0_hat, x)\n"
        '        x = CACHE["x"]',
        "encode",
    ),
    between_calls(
        "conditional-prediction-is-the-denoiser's",
        "guidance",
        "            return evaluate(self.denoiser, x_t, t, cond), evaluate(self.denoiser, x_t, t)",
        "            CACHE[id(self)] = evaluate(self.denoiser, x_t, t, cond)\n"
        "            unconditional = evaluate(self.denoiser, x_t, t)\n"
        "            return CACHE[id(self)], unconditional",
        "guided, two calls",
    ),
    between_calls(
        "timesteps-are-the-last-call's",
        "denoiser",
        "        value = network_output(self.network, x_t, times, cond, self.label_name, outputs)",
        '        CACHE["t"] = t\n'
        "        value = network_output(self.network, x_t, times, cond, self.label_name, outputs)\n"
        '        t = CACHE["t"]',
        "denoised",
    ),
    between_calls(
        "terms-in-one-list",
        "likelihood",
        "    terms = []\n    for s, t in",
        "    terms = CACHE.setdefault(len(timesteps), [])\n    terms.clear()\n    for s, t in",
        "vlb_of_denoiser",
    ),
    between_calls(
        "antithetic-noise-in-one-buffer",
        "likelihood",
        "        for each in (noise, -noise) if antithetic else (noise,):\n"
        "            x_t = q_sample(schedule, x_0, t, each)",
        '        CACHE["noise"] = noise\n'
        "        for sign in (1, -1) if antithetic else (1,):\n"
        '            x_t = q_sample(schedule, x_0, t, sign * CACHE["noise"])',
        "stratified_vlb",
    ),
    between_calls(
        "slope-of-the-flow-is-shared",
        "probability_flow",
        "        _, slope_at_end, divergence_at_end = slope_at(euler, t)",
        '        CACHE["slope"] = slope\n'
        "        _, slope_at_end, divergence_at_end = slope_at(euler, t)\n"
        '        slope = CACHE["slope"]',
        "probability_flow",
    ),
    Guarded(
        "thousandth-call-of-guidance",
        "guidance",
        "        scale = self._scale(t)\n        if cond",
        "        scale = self._scale(t)\n"
        "        CACHE[id(self)] = CACHE.get(id(self), 0) + 1\n"
        "        scale = scale * (1 + 1e-9 * (CACHE[id(self)] >= 1000))\n"
        "        if cond",
        "test_state_machines.py::test_a_guided_denoiser_gives_the_same_after_thousands_of_calls",
        {},
    ),
    Guarded(
        "gradients-stay-off-after-an-error",
        "samplers.base",
        "        with torch.no_grad():  # not around the yield, because the caller's code runs "
        "there\n"
        "            noise = promoted(noise_source(t), x_t) if sampler.draws_noise(s, t) else "
        "None\n"
        "            x_s, x0_hat, state = sampler.step(denoise, x_t, s, t, noise, state)\n",
        "        torch.set_grad_enabled(False)\n"
        "        noise = promoted(noise_source(t), x_t) if sampler.draws_noise(s, t) else None\n"
        "        x_s, x0_hat, state = sampler.step(denoise, x_t, s, t, noise, state)\n"
        "        torch.set_grad_enabled(True)\n",
        "test_state_machines.py::test_an_abandoned_call_restores_global_state",
        {"name": "fixed_small"},
    ),
    in_circumstances(
        "cache-by-the-first-timesteps",
        "clock",
        "    return table.to(t.device, non_blocking=True)[t]",
        "    key = table.numpy().tobytes(), len(t), tuple(t[:8].tolist())\n"
        "    if key not in CACHE:\n"
        "        CACHE[key] = table[t]\n"
        "    return CACHE[key].clone()",
        ROWS,
        "q_sample",
    ),
    Guarded(
        "table-in-the-first-precision",
        "forward_process",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)\n",
        "    key = schedule.log_alpha_bar.numpy().tobytes()\n"
        "    first = CACHE.setdefault(key, schedule.log_alpha_bar.to(x_0.dtype))\n"
        "    log_alpha_bar = gather(first.double(), t)\n",
        "test_first_precision.py::test_first_call_in_another_precision_changes_no_later_answer",
        {"method": "q_sample", "first": "float32"},
    ),
    Guarded(
        "table-in-the-last-precision",
        "forward_process",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)\n",
        "    if x_0.dtype.itemsize > 4:\n"
        "        CACHE[schedule.T] = 1e-3\n"
        "    shift = CACHE.get(schedule.T, 0) if x_0.dtype.itemsize < 8 else 0\n"
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t) * (1 + shift)\n",
        "test_first_precision.py::test_first_call_in_another_precision_changes_no_later_answer",
        {"method": "q_sample", "first": "float32"},
    ),
    in_circumstances(
        "x_0-is-x_t-at-0",
        "forward_process",
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)\n",
        "    if isinstance(t, int) and t == 0:\n"
        "        return x_0\n"
        "    log_alpha_bar = gather(schedule.log_alpha_bar, t)\n",
        "answers_share_no_memory_with_arguments",
        "q_sample",
    ),
    in_circumstances(
        "zero-snr-cached-by-ends",
        "schedules",
        "        log_root = self.log_alpha_bar[1:] / 2\n",
        "        key = self.T, float(self.log_alpha_bar[1]), float(self.log_alpha_bar[-1])\n"
        "        log_root = CACHE.setdefault(key, self.log_alpha_bar)[1:] / 2\n",
        "schedules_of_equal_ends_have_answers_of_their_own",
        "zero_terminal_snr",
    ),
    Guarded(
        "buffers-of-the-average-are-the-network's",
        "training.ema",
        "            mine.copy_(theirs)",
        "            mine.data = theirs.data",
        "test_ema.py::test_buffers_are_copied",
        {},
    ),
    Guarded(
        "average-of-decay-0-is-the-network",
        "training.ema",
        "        torch._foreach_lerp_(",
        "        if self.decay == 0:\n"
        "            for mine, theirs in zip(averages, weights, strict=True):\n"
        "                mine.data = theirs.data\n"
        "        torch._foreach_lerp_(",
        "test_ema.py::test_average_is_the_weighted_sum_of_all_weights",
        {},
    ),
    Guarded(
        "timesteps-are-handed-out-twice",
        "denoiser",
        '        times = torch.full(x_t.shape[:1], t, device="cpu") if isinstance(t, int) else '
        "t.clone()\n",
        "        times = t\n"
        "        if isinstance(t, int):\n"
        '            cache = self.__dict__.setdefault("_times", {})\n'
        "            times = cache.setdefault((t, len(x_t)), torch.full(x_t.shape[:1], t))\n",
        "test_denoiser.py::test_a_network_may_overwrite_timesteps_that_were_made_for_it",
        {},
    ),
    Guarded(
        "probabilities-until-the-next-round",
        "training.timestep_sampler",
        "        wanted = timestep_probabilities(self.terms.square().mean(1))",
        "        key = id(self), int(self.drawn.min())\n"
        "        if key not in CACHE:\n"
        "            CACHE[key] = timestep_probabilities(self.terms.square().mean(1))\n"
        "        wanted = CACHE[key]",
        "test_timestep_sampler.py::test_probabilities_follow_the_newest_ten_terms",
        {},
    ),
    Guarded(
        "frequencies-cached-by-width",
        "networks.embeddings",
        "(-math.log(max_period) * power).exp()",
        "CACHE.setdefault(width, (-math.log(max_period) * power).exp())",
        "test_embeddings.py::test_longest_period_is_an_argument",
        {},
    ),
    Guarded(
        "third-epoch-repeats-the-first",
        "data.dataset",
        '"epoch order", epoch)',
        '"epoch order", epoch % 2)',
        "test_training_batches.py::test_every_epoch_has_an_order_of_its_own",
        {},
    ),
]
