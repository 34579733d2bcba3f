"""Faults of one precision, or where a gradient flows, in the source of ddpm_core."""

from .guarded_faults import Guarded, in_circumstances

SAMPLE = "test_forward_process.py::test_sample_is_mean_plus_scaled_noise"
ROUNDED = "test_precision.py::test_answers_are_those_of_float64_rounded"
COEFFICIENTS = "test_gradients.py::test_gradients_of_linear_methods_are_their_coefficients"
DERIVATIVES = "test_gradients.py::test_gradients_are_derivatives_of_the_outputs"
UNCHANGED = "samples_of_other_precisions_change_no_later_answer"
NO_GRADIENT = "test_stopped_gradients.py::test_sampling_carries_no_gradient"


def rounded(id: str, module: str, old: str, new: str, method: str) -> Guarded:
    return Guarded(id, module, old, new, ROUNDED, {"method": method})


def slope(id: str, module: str, old: str, new: str, method: str) -> Guarded:
    return Guarded(id, module, old, new, DERIVATIVES, {"method": method})


def coefficient(id: str, module: str, old: str, new: str, method: str) -> Guarded:
    return Guarded(id, module, old, new, COEFFICIENTS, {"method": method, "case": "images"})


FAULTS = [
    # the dtype of the computation
    *(
        Guarded(
            f"computes-in-{dtype}",
            "_types",
            "x.dtype in (torch.float16, torch.bfloat16)",
            f"x.dtype == torch.{other}",
            SAMPLE,
            {},
        )
        for dtype, other in (("float16", "bfloat16"), ("bfloat16", "float16"))
    ),
    Guarded(
        "coefficient-in-half-precision",
        "_types",
        "coef = coef.to(dtype=compute_dtype(x))",
        "coef = coef.to(dtype=x.dtype).to(compute_dtype(x))",
        SAMPLE,
        {},
    ),
    Guarded(
        "noise-level-from-float32-table",
        "forward_process",
        "expand_to((-log_alpha_bar.expm1()).sqrt(), x_0)",
        "expand_to((1 - log_alpha_bar.exp().to(compute_dtype(x_0))).sqrt(), x_0)",
        SAMPLE,
        {},
    ),
    Guarded(
        "mean-rounded-before-the-sum",
        "forward_process",
        "(coef_x0 * x_0.to(work))",
        "(coef_x0 * x_0.to(work)).to(x_0.dtype).to(work)",
        SAMPLE,
        {},
    ),
    Guarded(
        "conversion-rounded-twice",
        "parameterization",
        "expand_to(coef_value, value) * value.to(work)",
        "(expand_to(coef_value, value) * value.to(work)).to(value.dtype).to(work)",
        "test_parameterization.py::test_conversion_solves_the_definitions",
        {"source": "v", "target": "x0"},
    ),
    rounded(
        "loss-in-half-precision",
        "losses",
        "prediction, target = prediction.to(work), target.to(work)",
        "target = target.to(prediction.dtype)",
        "loss",
    ),
    rounded(
        "divergence-in-half-precision",
        "losses",
        "    left, right = left.computable(), right.computable()\n",
        "",
        "gaussian_kl",
    ),
    rounded(
        "answer-stays-float32",
        "guidance",
        "x0_hat=guided.to(x_t.dtype)",
        "x0_hat=guided",
        "guided, together",
    ),
    rounded(
        "angles-in-half-precision",
        "networks.embeddings",
        "    precise = x.to(torch.promote_types(x.dtype, torch.float32))",
        "    precise = x",
        "fourier_features",
    ),
    rounded(
        "less-noise-in-float16",
        "samplers.ddim",
        "noise.to(work))",
        "noise.to(work) * (0.99 if x_t.dtype == torch.float16 else 1))",
        "ddim_step, eta = 0.5",
    ),
    # the state of a sampler
    Guarded(
        "state-in-half-precision",
        "samplers.base",
        "x_t = x_T.to(compute_dtype(x_T))",
        "x_t = x_T",
        "test_state_precision.py::test_state_of_half_precision_is_as_accurate_as_float32",
        {"sampler": "heun", "path": "slow"},
    ),
    Guarded(
        "inversion-in-half-precision",
        "samplers.ddim",
        "    x = x.to(compute_dtype(x))\n",
        "",
        "test_state_precision.py::test_inversion_in_half_precision_is_as_accurate_as_float32",
        {},
    ),
    Guarded(
        "flow-in-half-precision",
        "probability_flow",
        "    x_1 = x_1.to(compute_dtype(x_1))\n",
        "",
        "test_state_precision.py::test_flow_in_half_precision_is_as_accurate_as_float32",
        {},
    ),
    Guarded(
        "other-samples-where-a-gradient-flows",
        "samplers.dpm_solver",
        "return x_s.to(x_t.dtype), x0_hat",
        "return x_s.to(x_t.dtype) * (1 + 1e-6 * x_t.requires_grad), x0_hat",
        NO_GRADIENT,
        {"sampler": "dpm++2m"},
    ),
    # gradients
    coefficient(
        "data-detached",
        "forward_process",
        "(coef_x0 * x_0.to(work))",
        "(coef_x0 * x_0.detach().to(work))",
        "q_sample",
    ),
    coefficient(
        "noise-detached",
        "losses",
        "expand_to(-1 / sigma, noise) * noise.to(work)",
        "expand_to(-1 / sigma, noise) * noise.detach().to(work)",
        "target, score",
    ),
    coefficient(
        "other-values-where-a-gradient-flows",
        "posterior",
        "    mean = mean.addcmul_(expand_to(coef_xt, x_t), x_t.to(work))",
        "    mean = mean.addcmul_(expand_to(coef_xt, x_t), x_t.to(work) * "
        "(1 + 1e-9 * x_t.requires_grad))",
        "q_posterior",
    ),
    slope(
        "unconditional-prediction-detached",
        "guidance",
        "unconditional.x0_hat.to(work)",
        "unconditional.x0_hat.detach().to(work)",
        "guided, together",
    ),
    slope(
        "rescaling-detached",
        "guidance",
        "expand_to(self._rescaling(guided, x0_cond), x_t)",
        "expand_to(self._rescaling(guided, x0_cond), x_t).detach()",
        "guided, together",
    ),
    slope(
        "clipping-passes-gradients",
        "denoiser",
        "found.x0_hat.clamp(self.low, self.high)",
        "found.x0_hat + (found.x0_hat.clamp(self.low, self.high) - found.x0_hat).detach()",
        "clipped",
    ),
    slope(
        "log-variance-detached",
        "latent",
        "Gaussian(mean, log_var.exp())",
        "Gaussian(mean, log_var.detach().exp())",
        "latent_draw",
    ),
    slope(
        "reverse-variance-detached",
        "losses",
        "gaussian_kl(step, reverse)",
        "gaussian_kl(step, Gaussian(reverse.mean, reverse.var.detach()))",
        "vlb_terms",
    ),
    Guarded(
        "sampling-keeps-its-graph",
        "samplers.base",
        "with torch.no_grad():",
        "with torch.enable_grad():",
        NO_GRADIENT,
        {"sampler": "ddim"},
    ),
    Guarded(
        "flow-differentiated-by-its-probes",
        "probability_flow",
        "divergence.detach().double().cpu()",
        "divergence.double().cpu()",
        "test_stopped_gradients.py::test_flow_carries_no_gradient",
        {"method": "probability_flow"},
    ),
    Guarded(
        "scale-differentiated-by-the-latents",
        "latent",
        "latents.detach().transpose(0, 1)",
        "latents.transpose(0, 1)",
        "test_stopped_gradients.py::test_latent_scale_carries_no_gradient",
        {},
    ),
    Guarded(
        "timesteps-of-int32-are-clamped",
        "clock",
        "    if isinstance(t, Tensor):\n        if t.dtype != torch.int64 or",
        "    if isinstance(t, Tensor):\n        if t.dtype != torch.int64:\n            "
        "t.clamp_(max=2)\n        t = t.long()\n        if",
        "test_circumstances.py::test_timesteps_of_another_integer_type_are_the_same_or_refused",
        {"method": "q_marginal"},
    ),
    Guarded(
        "noise-of-another-dtype-is-dropped",
        "_types",
        'check_same_event("noise", noise, "mean", self.mean)',
        "noise = noise * (noise.dtype == self.mean.dtype)",
        "test_precision.py::test_mixed_dtypes_are_refused_or_computed_as_in_the_coarsest",
        {"method": "latent_draw"},
    ),
    # casts that are written back
    in_circumstances(
        "table-rounded-by-samples-of-float32",
        "forward_process",
        "    work = compute_dtype(x_0)\n    return (coef_x0",
        "    work = compute_dtype(x_0)\n"
        "    if work.itemsize == 4:\n"
        "        table = schedule.log_alpha_bar.float().double()\n"
        '        object.__setattr__(schedule, "log_alpha_bar", table)\n'
        "    return (coef_x0",
        UNCHANGED,
        "q_sample",
    ),
    in_circumstances(
        "latent-scale-rounded-by-its-latents",
        "latent",
        "        return shift, scale\n\n\n@dataclass",
        '        object.__setattr__(self, "shift", shift.flatten().double())\n'
        "        return shift, scale\n\n\n@dataclass",
        UNCHANGED,
        "from_latents",
    ),
]
