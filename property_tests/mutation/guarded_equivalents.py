"""Equivalent guarded mutants: module -> (kind, statement) -> why no property detects it."""

from collections.abc import Mapping

from .guarded import CACHE, DETACH
from .unreachable import HALF

DTYPES = (*HALF, "float32")
NUMBERS_ONLY = "the answer depends on T and numbers alone, and both are part of the cache's key"
CONSTANT = "the answer is the same for all arguments"
NO_GRAD = "the function runs under torch.no_grad, so nothing that it computes has a gradient"
COEFFICIENT = "the coefficients of a schedule have no gradient"
IN_SLOPE = "_slope detaches its argument first of all, and its answers have no gradient"
ZERO = "0 is exact in float32, and the first sum with a term is float64"
ON_CPU = "the tensor is on the CPU already"
ONLY_INT = "the statement runs for an int t only, which is no batch"
FIRST_STEP = "the step from t = T is the first of a run, which has no state"
TWO_ROWS = "two rows are taken apart into one and one, as two parts or as three"
REFUSED_AGAIN = "the schedule refuses the same pair again, where the guard does not hold"
WITH_CHANNELS = "in half precision only l_hybrid calls it, whose events have channels"
AT_DATA = "the term at s = 0 is the decoder's alone; the divergence is masked"

GUARDED: Mapping[str, Mapping[tuple[str, str], str]] = {
    "_types": {
        (CACHE, "compute_dtype(x) recalled"): "the dtype is part of the cache's key",
        (
            "float32",
            "return x.dtype if x.dtype in (torch.float16, torch.bfloat16) else torch.float32",
        ): "both answers are float32",
        (
            DETACH,
            "return detached(coef) if coef.ndim == 0 else coef.reshape(-1, *[1] * (x.ndim - 1))",
        ): COEFFICIENT,
        ("one sample", "return x.unsqueeze(-2).flatten(1)"): "(1,) becomes (1, 1) either way",
        **{(guard, "return x.unsqueeze(-2).flatten(1)"): WITH_CHANNELS for guard in HALF},
    },
    "clock": {
        **{
            (guard, "return table[t + 1]"): ONLY_INT
            for guard in ("one sample", "more than 64 samples")
        },
        **{
            (guard, "if t.device.type != 'mps':"): ON_CPU
            for guard in ("one sample", "more than 64 samples", "T > 1000", "t == T")
        },
        ("requires_grad", "if t.device.type == 'cpu' or len(t) == 0:"): REFUSED_AGAIN,
        **{
            (guard, "if isinstance(s, int) and isinstance(t, int) and (s <= t):"): REFUSED_AGAIN
            for guard in (*DTYPES, "requires_grad", "one sample", "more than 64 samples")
        },
        **{
            (guard, "if early.device.type == 'cpu' or late.device.type != 'cpu':"): REFUSED_AGAIN
            for guard in (*DTYPES, "requires_grad")
        },
        ("t == T", "if isinstance(s, int) and isinstance(t, int) and (s <= t):"): (
            "s = T was refused above"
        ),
    },
    "forward_process": {
        (DETACH, statement): COEFFICIENT
        for statement in (
            "mean = expand_to(detached(alpha).sqrt(), x) * x.to(compute_dtype(x))",
            "return Gaussian(mean.to(x.dtype), expand_to(detached(beta), x).to(x.dtype))",
        )
    },
    "guidance": {
        ("one sample", "x0_cond, x0_uncond = both.x0_hat.chunk(3)"): TWO_ROWS,
    },
    "losses": {
        (
            DETACH,
            "step = Gaussian(posterior.mean, torch.where(to_data, detached(reverse).var, "
            "posterior.var))",
        ): AT_DATA,
        (
            "t == T",
            "return kl_to_noise(q_marginal(schedule, x_0, t if t is None else schedule.T))",
        ): "t is T",
    },
    "probability_flow": {
        **{
            (DETACH, statement): IN_SLOPE
            for statement in (
                "x_1 = detached(x_1).to(compute_dtype(x_1))",
                "x0_hat, slope, divergence = slope_at(detached(x_1), s)",
                "return Flow(detached(x_1), volume)",
                "flow = probability_flow(schedule, denoiser, detached(x_1), probes, times=each, "
                "cond=cond)",
            )
        },
        **{
            (guard, "volume = torch.zeros(count, len(x_1), dtype=torch.float32)"): ZERO
            for guard in DTYPES
        },
        **{
            (
                DETACH,
                "decoder = vlb_term(schedule, x_0, detached(x_1), 0, t, reverse(x_1, 0, t), "
                "grey_levels)",
            ): AT_DATA
        },
    },
    "samplers.ancestral": {(CACHE, "draws_noise(self, s, t) recalled"): NUMBERS_ONLY},
    "samplers.base": {
        **{
            (DETACH, statement): NO_GRAD
            for statement in (
                "prediction = denoiser(detached(x), t, cond)",
                "return replace(prediction, x0_hat=promoted(detached(prediction.x0_hat), x))",
            )
        },
        (DETACH, "x_t = detached(x_T).to(compute_dtype(x_T))"): (
            "only the first state, x_T itself, has a gradient, which is that of its own argument"
        ),
    },
    "samplers.ddim": {
        (CACHE, "draws_noise(self, s, t) recalled"): NUMBERS_ONLY,
        **{
            (DETACH, statement): NO_GRAD
            for statement in (
                "x = detached(x).to(compute_dtype(x))",
                "x0_hat = promoted(detached(denoiser(x, at, cond).x0_hat), x)",
                "x0_hat = promoted(denoiser(detached(x), at, cond).x0_hat, x)",
                "eps_hat = convert(sampler.schedule, 'x0', 'eps', x0_hat, detached(x), at)",
                "x = q_sample(sampler.schedule, x0_hat if s else detached(x), t, eps_hat)",
                "return detached(x)",
            )
        },
    },
    "samplers.dpm_solver": {
        (CACHE, "init(self, x_t) recalled"): CONSTANT,
        (CACHE, "draws_noise(self, s, t) recalled"): CONSTANT,
        **{
            ("t == T", statement): FIRST_STEP
            for statement in (
                "if self.order != 2 and state is not None and h.isfinite() and state.h.isfinite():",
                "slope = expand_to(h * (2 * state.h), x_t)",
                "extrapolated = extrapolated - slope * (extrapolated - state.x0_hat.to(work))",
            )
        },
    },
    "samplers.heun": {(CACHE, "draws_noise(self, s, t) recalled"): CONSTANT},
    "samplers.timestep_spacing": {
        (CACHE, f"{function}(schedule, steps) recalled"): NUMBERS_ONLY
        for function in ("trailing", "leading", "linspace", "_check_steps")
    },
    "schedules": {(CACHE, "T(self) recalled"): "T is part of the cache's key"},
}
