"""Faults behind a condition: only for one sample, at t = T, from the second call, after a write.

Each replaces one piece of a function of ddpm_core, and names the property that has to fail. `CACHE`
in a replacement is a dictionary that lasts as long as the fault.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..mutation.inject import injected

CACHE = "_cache_of_the_fault"


class Guarded(NamedTuple):
    """A fault in a module of ddpm_core, and the property that fails."""

    id: str
    module: str
    old: str  # occurs once in the module
    new: str
    test: str
    arguments: dict[str, Any]


def in_circumstances(id: str, module: str, old: str, new: str, test: str, method: str) -> Guarded:
    return Guarded(id, module, old, new, f"test_circumstances.py::test_{test}", {"method": method})


@contextmanager
def fault_injected(fault: Guarded) -> Iterator[None]:
    """Run ddpm_core with the fault inside the context."""
    module = importlib.import_module(f"ddpm_core.{fault.module}")
    source = inspect.getsource(module)
    assert source.count(fault.old) == 1, f"{fault.id}: {source.count(fault.old)} places"
    new = fault.new.replace("CACHE", f'globals().setdefault("{CACHE}", {{}})')
    try:
        with injected(module, ast.parse(source.replace(fault.old, new))):
            yield
    finally:
        vars(module).pop(CACHE, None)


ROWS = "rows_are_the_same_in_any_batch"
AGAIN = "later_calls_and_callers_change_nothing"
LATER = "later_betas_change_no_earlier_timestep"
TWINS = "schedules_of_equal_length_and_ends_are_distinguished"
RANKS = "elements_are_the_same_in_events_of_any_rank"

FAULTS = [
    in_circumstances(
        "one-sample-biased-loss",
        "losses",
        "    return Loss(flat(squares).mean(1))",
        "    n = flat(squares).shape[1]\n"
        "    return Loss(flat(squares).sum(1) / (n - (len(squares) == 1) / 8))",
        ROWS,
        "loss",
    ),
    in_circumstances(
        "one-sample-coefficient",
        "_types",
        "    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))",
        "    return coef if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))"
        " * (1 + 1e-9 * (len(x) == 1))",
        ROWS,
        "q_marginal",
    ),
    in_circumstances(
        "many-samples-share-t",
        "learned_variance",
        "        low = s.clamp(min=1), torch.where(s > 0, t, 2)",
        "        low = s.clamp(min=1), torch.where(s > 0, t, 2 + (len(s) > 64))",
        ROWS,
        "learned_kernel",
    ),
    in_circumstances(
        "many-samples-one-label-less",
        "guidance",
        "        labels = torch.cat([cond, torch.full_like(cond, self.no_label)])",
        "        labels = torch.cat([cond, torch.full_like(cond, self.no_label)])\n"
        "        if len(cond) > 64:\n"
        "            labels[0] = self.no_label",
        ROWS,
        "guided",
    ),
    in_circumstances(
        "one-sample-kl-to-noise",
        "losses",
        "    noise = Gaussian(torch.zeros_like(q.mean), torch.ones_like(q.var))\n"
        "    return flat(gaussian_kl(q, noise)).sum(1)",
        "    noise = Gaussian(torch.zeros_like(q.mean), torch.ones_like(q.var))\n"
        "    kl = flat(gaussian_kl(q, noise))\n"
        "    return kl.sum(1) * (1 + 1e-9 * (len(kl) == 1))",
        ROWS,
        "latent_kl",
    ),
    in_circumstances(
        "empty-batch-gives-a-row",
        "losses",
        "    squares = (prediction - target).square()",
        "    squares = (prediction - target).square()\n"
        "    squares = squares if len(squares) else squares.new_zeros(1, 1)",
        "empty_batch_has_an_empty_answer_or_is_refused",
        "loss",
    ),
    in_circumstances(
        "noise-overwritten",
        "forward_process",
        "    return (coef_x0 * x_0.to(work)).addcmul_(coef_noise, noise.to(work)).to(x_0.dtype)",
        "    return noise.to(work).mul_(coef_noise).addcmul_(coef_x0, x_0.to(work)).to(x_0.dtype)",
        "no_method_modifies_its_arguments",
        "q_sample",
    ),
    in_circumstances(
        "prediction-overwritten",
        "samplers.ddim",
        "        x_s = expand_to(self.schedule.alpha_bar(s).sqrt(), x_t) * x0_hat.to(work)",
        "        x_s = x0_hat.to(work).mul_(expand_to(self.schedule.alpha_bar(s).sqrt(), x_t))",
        "no_method_modifies_its_arguments",
        "ddim_step",
    ),
    in_circumstances(
        "timesteps-clamped-in-place",
        "learned_variance",
        "        low = s.clamp(min=1), torch.where(s > 0, t, 2)",
        "        low = s.clone(), torch.where(s > 0, t, 2)\n"
        "        low[0].clamp_(min=1)\n"
        "        t[s == 0] = 1",
        "no_method_modifies_its_arguments",
        "learned_kernel",
    ),
    in_circumstances(
        "second-call-rescales-again",
        "guidance",
        "        scale = self._scale(t)\n        if cond",
        "        scale = self._scale(t)\n"
        "        CACHE[id(self)] = CACHE.get(id(self), 0) + 1\n"
        "        scale = scale * (1 + 1e-6 * (CACHE[id(self)] > 10))\n"
        "        if cond",
        AGAIN,
        "guided",
    ),
    in_circumstances(
        "schedule-written-into",
        "schedules",
        "        return gather(self.log_alpha_bar, t)",
        "        return gather(self.log_alpha_bar.mul_(1 + 1e-13), t)",
        AGAIN,
        "q_marginal",
    ),
    in_circumstances(
        "answer-is-the-cache",
        "clock",
        "    if isinstance(t, int):\n        return table[t]",
        "    key = str((table, t))\n"
        "    if key not in CACHE:\n"
        "        CACHE[key] = table[t]\n"
        "    return CACHE[key]",
        AGAIN,
        "look_up",
    ),
    in_circumstances(
        "output-buffer-reused",
        "losses",
        "    squares = (prediction - target).square()\n    return Loss(flat(squares).mean(1))",
        "    squares = (prediction - target).square()\n"
        "    buffer = CACHE.setdefault(len(squares), squares.new_empty(len(squares)))\n"
        "    return Loss(buffer.copy_(flat(squares).mean(1)))",
        AGAIN,
        "loss",
    ),
    in_circumstances(
        "argument-cached",
        "latent",
        "        shift, scale = self._along(z)\n        return ((z.to",
        "        shift, scale = self._along(z)\n"
        "        z = CACHE.setdefault(z.shape, z)\n"
        "        return ((z.to",
        AGAIN,
        "to_latents",
    ),
    in_circumstances(
        "thread-without-gradients",
        "probability_flow",
        "    with torch.enable_grad():\n        x =",
        "    import threading\n\n"
        "    worker = threading.current_thread() is not threading.main_thread()\n"
        "    with torch.set_grad_enabled(not worker):\n        x =",
        "another_thread_gives_the_same",
        "probability_flow",
    ),
    in_circumstances(
        "last-timestep-scales-x_t",
        "posterior",
        "    check_pair(s, t, schedule.T, x_0)",
        "    check_pair(s, t, schedule.T, x_0)\n"
        "    if not isinstance(t, int):\n"
        "        x_t = x_t * (1 + 1e-6 * expand_to(1.0 * (t == schedule.T), x_t))",
        LATER,
        "q_posterior",
    ),
    in_circumstances(
        "long-schedule-in-float32",
        "schedules",
        "        return gather(self.log_alpha_bar, t)",
        "        found = gather(self.log_alpha_bar, t)\n"
        "        return found.float().double() if self.T > 1000 else found",
        LATER,
        "q_step",
    ),
    in_circumstances(
        "long-schedule-flow",
        "probability_flow",
        "        log_alpha = schedule.log_alpha(s, t)",
        "        log_alpha = schedule.log_alpha(s, t) * (1 + 1e-6 * (schedule.T > 1000))",
        LATER,
        "flow_log_density",
    ),
    in_circumstances(
        "cache-by-length-and-first-beta",
        "schedules",
        "        return cls(_running_sum(math.log1p(-beta) for beta in values))",
        "        key = len(values), values[0], values[-1]\n"
        "        values = CACHE.setdefault(key, values)\n"
        "        return cls(_running_sum(math.log1p(-beta) for beta in values))",
        TWINS,
        "q_sample",
    ),
    in_circumstances(
        "cache-by-T-and-timestep",
        "samplers.dpm_solver",
        "    log_alpha_ts = schedule.log_alpha(s, t)\n    gained",
        "    log_alpha_ts = CACHE.setdefault((schedule.T, s, t), schedule.log_alpha(s, t))\n"
        "    gained",
        TWINS,
        "sample",
    ),
    in_circumstances(
        "events-of-four-axes",
        "forward_process",
        "    coef_noise = expand_to((-log_alpha_bar.expm1()).sqrt(), x_0)",
        "    coef_noise = expand_to((-log_alpha_bar.expm1()).sqrt(), x_0) * "
        "(1 + 1e-9 * (x_0.ndim > 4))",
        RANKS,
        "q_sample",
    ),
    in_circumstances(
        "events-of-one-axis",
        "losses",
        "    squares = (x - gaussian.mean).square() / gaussian.var",
        "    squares = (x - gaussian.mean).square() / gaussian.var\n"
        "    squares = squares * (1 + 1e-9 * (x.ndim == 2))",
        "sums_over_an_event_do_not_depend_on_its_rank",
        "flow_bound",
    ),
    in_circumstances(
        "strided-arrays",
        "_types",
        "        return torch.addcmul(mean, var.sqrt(), noise).to(self.mean.dtype)",
        "        var = var if var.is_contiguous() else var.square()\n"
        "        return torch.addcmul(mean, var.sqrt(), noise).to(self.mean.dtype)",
        "memory_layout_does_not_matter",
        "latent_draw",
    ),
    in_circumstances(
        "int-timestep",
        "parameterization",
        "    one_minus = schedule.one_minus_alpha_bar(t)",
        "    one_minus = schedule.one_minus_alpha_bar(t) * (1 + 1e-9 * isinstance(t, int))",
        "one_timestep_is_that_of_every_row",
        "convert",
    ),
]
