"""Negative control: a wrong oracle makes correct code fail, so each check uses its oracle."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import run_on_correct_code, run_property_on
from ..oracles import bound, chains, exact, flows, gaussian_paths, mixture, quadrature, schedules
from ..oracles.exact import Kernel, Posterior, Value, mpf


def kernel_without_scaling(betas, s, t):
    var = sum((mpf(beta) for beta in betas[s:t]), mpf(0))
    return Kernel(kernel(betas, s, t).scale, var)


def posterior_without_likelihood_scale(betas, x_0, x_t, s, t):
    exact_answer = posterior(betas, x_0, x_t, s, t)
    if s == 0:
        return exact_answer
    precision = 1 / exact.kernel(betas, 0, s).var + 1 / exact.kernel(betas, s, t).var
    return Posterior(exact_answer.mean, 1 / precision)


def v_with_the_other_sign(betas, source, target, value, x_t, t):
    exact_answer = convert(betas, source, target, value, x_t, t)
    return Value(-exact_answer.exact, exact_answer.size) if target == "v" else exact_answer


def velocity_toward_the_data(path, name, t):
    of_x0, of_noise = form(path, name, t)
    return (-of_x0, -of_noise) if name == "velocity" else (of_x0, of_noise)


def fraction_of_scales(path, t):
    alpha, sigma = path.alpha[t], path.sigma[t]
    return mpf(alpha) / (alpha + sigma), mpf(sigma) / (alpha + sigma)


def rates_of_the_variance(name, time):
    alpha, var = standard(name, time)
    return Kernel(alpha**2, var) if name == "vp" else Kernel(alpha, var)


kernel, posterior, convert = exact.kernel, exact.posterior, exact.convert
form, standard = gaussian_paths.form, gaussian_paths.standard
TWEEDIE = "test_parameterization.py::test_optimal_denoiser_gives_the_score_of_the_density"
BOUND = "test_likelihood.py::test_exact_reverse_process_gives_entropy_plus_prior_term"
CHAIN = "test_samplers.py::test_output_distribution_matches_the_recursion"
WRONG_ORACLES: list[tuple[Any, Callable[..., Any], str, str, dict[str, Any]]] = [
    (
        gaussian_paths,
        velocity_toward_the_data,
        "form",
        "test_gaussian_path.py::test_conversion_solves_two_linear_forms",
        {"source": "velocity", "target": "x0"},
    ),
    (
        gaussian_paths,
        fraction_of_scales,
        "fractions",
        "test_gaussian_path.py::test_process_has_the_signal_to_noise_ratio_of_the_path",
        {},
    ),
    (
        gaussian_paths,
        rates_of_the_variance,
        "standard",
        "test_gaussian_path.py::test_three_paths_match_their_definitions",
        {"name": "vp"},
    ),
    (
        exact,
        kernel_without_scaling,
        "kernel",
        "test_forward_process.py::test_marginal_is_the_composition_of_its_steps",
        {},
    ),
    (
        exact,
        posterior_without_likelihood_scale,
        "posterior",
        "test_posterior.py::test_mean_and_variance_match_bayes",
        {"step": "any", "part": "var"},
    ),
    (
        exact,
        v_with_the_other_sign,
        "convert",
        "test_parameterization.py::test_conversion_solves_the_definitions",
        {"source": "eps", "target": "v"},
    ),
    (
        exact,
        posterior_without_likelihood_scale,
        "posterior",
        CHAIN,
        {"variance": "fixed_small", "event": (2,)},
    ),
    (
        quadrature,
        lambda *case: step_coefficients(*case)._replace(var=step_coefficients(*case).var * 2),
        "step_coefficients",
        "test_samplers.py::test_mixture_samples_follow_the_exact_distribution",
        {"sampler": "fixed_small"},
    ),
    (
        chains,
        lambda *case: chains.Output(*(1.0001 * each for each in output_distribution(*case))),
        "output_distribution",
        CHAIN,
        {"variance": "fixed_large", "event": ()},
    ),
    (
        chains,
        lambda *case: [each * mpf("1.0001") for each in step_coefficients(*case)],
        "step_coefficients",
        "test_ddim.py::test_step_has_the_given_variance_and_keeps_the_marginals",
        {"step": "any", "eta": 0.3},
    ),
    (
        chains,
        lambda *case: gain(*case) ** 2,
        "gain",
        "test_dpm_solver.py::test_output_distribution_matches_the_recursion",
        {"sampler": "dpm++2m", "event": ()},
    ),
    (
        chains,
        lambda *case: invert(*case)._replace(offset=0 * invert(*case).offset),
        "invert",
        "test_ddim.py::test_inversion_evaluates_at_the_current_timestep",
        {},
    ),
    (
        schedules,
        lambda betas: [each * mpf("1.0001") for each in from_betas(betas)],
        "from_betas",
        "test_schedules.py::test_zero_terminal_snr_shifts_and_scales_sqrt_alpha_bar",
        {},
    ),
    (
        bound,
        lambda *gaussians: divergence(*gaussians) * mpf("1.0001"),
        "divergence",
        "test_losses.py::test_gaussian_kl_matches_the_densities",
        {},
    ),
    (
        bound,
        lambda *case: mass(*case) * mpf("1.0001"),
        "mass",
        "test_losses.py::test_grey_level_probability_is_the_mass_nearest_to_it",
        {"grey_levels": 17},
    ),
    (
        bound,
        lambda *case: reverse(*case)._replace(var=reverse(*case).var * 2),
        "exact_reverse",
        BOUND,
        {},
    ),
    (
        bound,
        lambda *case: marginal(*case)._replace(var=marginal(*case).var * 2),
        "marginal",
        BOUND,
        {},
    ),
    (
        flows,
        lambda *case: wide(*case)._replace(var=wide(*case).var + mpf("1e-6")),
        "kernel",
        "test_probability_flow.py::test_state_and_log_volume_follow_heuns_method",
        {},
    ),
    (
        mixture,
        lambda *case: lambda x: 1.01 * slope(*case)(x),
        "slope_of",
        "test_probability_flow.py::test_convergence_is_second_order",
        {"data": "mixture"},
    ),
    (
        mixture,
        lambda *case: lambda x: 1.01 * log_density(*case)(x),
        "log_density_of",
        "test_probability_flow.py::test_convergence_is_second_order",
        {"data": "gaussian"},
    ),
    (
        bound,
        lambda *gaussians: divergence(*gaussians) * mpf("1.0001"),
        "divergence",
        "test_latent.py::test_latent_kl_is_the_divergence_from_standard_normal",
        {},
    ),
    (
        bound,
        lambda *gaussians: log_of(*gaussians) * mpf("1.0001"),
        "log_density",
        "test_latent.py::test_exact_latent_density_makes_the_bound_exact",
        {},
    ),
    (
        chains,
        lambda *case: chains.Output(*(1.0001 * each for each in output_distribution(*case))),
        "output_distribution",
        "test_latent_scale.py::test_decoded_samples_follow_the_data_distribution",
        {"sampler": "ddim", "times": (4, 2, 0)},
    ),
    (mixture, lambda *case: score(*case) * mpf("1.0001"), "score", TWEEDIE, {}),
    (mixture, lambda betas, data, *case: denoiser(betas, data[1:], *case), "denoiser", TWEEDIE, {}),
]
from_betas = schedules.from_betas
output_distribution, step_coefficients, gain, invert = (
    chains.output_distribution,
    chains.step_coefficients,
    chains.gain,
    chains.invert,
)
score, denoiser = mixture.score, mixture.denoiser
wide, slope, log_density = exact.kernel, mixture.slope_of, mixture.log_density_of
divergence, mass, reverse, marginal = (
    bound.divergence,
    bound.mass,
    bound.exact_reverse,
    bound.marginal,
)
log_of = bound.log_density


def _module_id(value: Any) -> str | None:
    """Return the last name of a module, which is the same in a checkout and in a wheel."""
    return value.__name__.rpartition(".")[2] if isinstance(value, ModuleType) else None


@pytest.mark.parametrize(
    ("module", "wrong", "name", "test", "arguments"), WRONG_ORACLES, ids=_module_id
)
def test_wrong_oracle_makes_correct_code_fail(monkeypatch, module, wrong, name, test, arguments):
    run_on_correct_code(test, arguments)
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(AssertionError):
        run_property_on(DdpmCore, test, arguments)
