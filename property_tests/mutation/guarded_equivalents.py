"""Equivalent guarded mutants: module -> (kind, statement) -> why no property detects it."""

from collections.abc import Mapping

from .guarded import CACHE, DETACH

NUMBERS_ONLY = "the answer depends on T and numbers alone, and both are part of the cache's key"
CONSTANT = "the answer is the same for all arguments"
NO_GRAD = "the function runs under torch.no_grad, so nothing that it computes has a gradient"
COEFFICIENT = "the coefficients of a schedule have no gradient"

GUARDED: Mapping[str, Mapping[tuple[str, str], str]] = {
    "_types": {
        (CACHE, "compute_dtype(x) recalled"): "the dtype is part of the cache's key",
    },
    "forward_process": {
        (DETACH, statement): COEFFICIENT
        for statement in (
            "mean = expand_to(detached(alpha).sqrt(), x) * x.to(compute_dtype(x))",
            "return Gaussian(mean.to(x.dtype), expand_to(detached(beta), x).to(x.dtype))",
        )
    },
    "probability_flow": {
        (DETACH, "x0_hat, slope, divergence = slope_at(detached(x_1), s)"): (
            "_slope detaches its argument first of all"
        ),
    },
    "samplers.ancestral": {(CACHE, "draws_noise(self, s, t) recalled"): NUMBERS_ONLY},
    "samplers.base": {
        (DETACH, "prediction = denoiser(detached(x), t, cond)"): NO_GRAD,
        (DETACH, "x_t, state = (x_T, sampler.init(detached(x_T)))"): (
            "no sampler's state depends on x_T"
        ),
    },
    "samplers.ddim": {
        (CACHE, "draws_noise(self, s, t) recalled"): NUMBERS_ONLY,
        **{
            (DETACH, statement): NO_GRAD
            for statement in (
                "x0_hat = detached(denoiser(x, at, cond).x0_hat)",
                "x0_hat = denoiser(detached(x), at, cond).x0_hat",
                "eps_hat = convert(sampler.schedule, 'x0', 'eps', x0_hat, detached(x), at)",
                "x = q_sample(sampler.schedule, x0_hat if s else detached(x), t, eps_hat)",
                "return detached(x)",
            )
        },
    },
    "samplers.dpm_solver": {
        (CACHE, "init(self, x_t) recalled"): CONSTANT,
        (CACHE, "draws_noise(self, s, t) recalled"): CONSTANT,
    },
    "samplers.heun": {(CACHE, "draws_noise(self, s, t) recalled"): CONSTANT},
    "samplers.timestep_spacing": {
        (CACHE, f"{function}(schedule, steps) recalled"): NUMBERS_ONLY
        for function in ("trailing", "leading", "linspace", "_check_steps")
    },
    "schedules": {(CACHE, "T(self) recalled"): "T is part of the cache's key"},
}
