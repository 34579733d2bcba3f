"""Injected faults of the variational bound and the flow, each with the check that fails."""

from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Flow, Gaussian


class DoubledTerms(DdpmCore):
    def vlb_terms(self, *arguments):
        return np.concatenate([(terms := super().vlb_terms(*arguments))[:1], 2 * terms[1:]])

    def vlb_of_denoiser(self, *arguments):
        return np.concatenate([(terms := super().vlb_of_denoiser(*arguments))[:1], 2 * terms[1:]])


class TermsWeightedByIndex(DdpmCore):
    def vlb_terms(self, *arguments):
        terms = super().vlb_terms(*arguments)
        return terms * (1 + np.arange(len(terms))[:, None] / len(terms))


class SquaredProbabilities(DdpmCore):
    def weighted_draw(self, betas, x_0, probabilities, seed):
        squares = probabilities**2 / (probabilities**2).sum()
        return super().weighted_draw(betas, x_0, squares, seed)


class Always256GreyLevels(DdpmCore):
    def log_grey_level(self, decoder, x_0, grey_levels):
        return super().log_grey_level(decoder, x_0, 256)


class HalvedDecoderVariance(DdpmCore):
    def reverse_kernel(self, betas, variance, x0_hat, x_t, s, t):
        mean, var = super().reverse_kernel(betas, variance, x0_hat, x_t, s, t)
        return Gaussian(mean, np.where(s.reshape(-1, *[1] * (x_t.ndim - 1)) > 0, var, var / 2))


class OneTimestepForTheBatch(DdpmCore):
    def stratified_vlb(self, betas, x_0, reverse, *options):
        def shared(x_t, s, t):
            return reverse(x_t, 0 * s + s[0], 0 * t + t[0])

        return super().stratified_vlb(betas, x_0, shared, *options)


class NonuniformTimesteps(DdpmCore):
    def stratified_vlb(self, betas, x_0, reverse, *options):
        def less(x_t, s, t):
            return reverse(x_t, s, np.where((t == 7) & (x_t[:, 0] > 1), 6, t))

        return super().stratified_vlb(betas, x_0, less, *options)


class ScaledDivergence(DdpmCore):
    """Divergences with respect to the state, without the scale of their timesteps."""

    def probability_flow(self, betas, x_1, denoiser, probes, times):
        x_T, volume = super().probability_flow(betas, x_1, denoiser, probes, times)
        dims = x_1[0].size
        shrink = np.log1p(-np.float64(betas[: times[0]])).sum() * dims / 2
        return Flow(x_T, shrink + 1.01 * (volume - shrink))


class ProbesDividedByDimension(DdpmCore):
    def probability_flow(self, betas, x_1, denoiser, probes, times):
        flow = super().probability_flow(betas, x_1, denoiser, probes, times)
        return flow if probes is None else flow._replace(log_volume=flow.log_volume / x_1[0].size)


class OverestimatedStepError(DdpmCore):
    def flow_log_density(self, *arguments):
        found = super().flow_log_density(*arguments)
        return found._replace(step_error=1.5 * found.step_error)


class FlowDensityWithoutDecoder(DdpmCore):
    """The density at timestep 1 instead of that of the data."""

    def flow_bound(self, betas, x_0, x_1, log_p_1, *others):
        return -log_p_1


class HybridWithoutStopGradient(DdpmCore):
    """A thousandth of the bound's gradient reaches the prediction."""

    def hybrid(self, betas, x_0, noise, eps_hat, var_output, t, grey_levels):
        found = super().hybrid(betas, x_0, noise, eps_hat, var_output, t, grey_levels)
        return found._replace(grad_prediction=found.grad_prediction + 1e-3 * (eps_hat - noise))


class SwappedVarianceEnds(DdpmCore):
    def learned_step(self, betas, x0_hat, x_t, interpolation, s, t, noise):
        return super().learned_step(betas, x0_hat, x_t, 1 - interpolation, s, t, noise)


class HybridWith256GreyLevels(DdpmCore):
    def hybrid(self, betas, x_0, noise, eps_hat, var_output, t, grey_levels):
        return super().hybrid(betas, x_0, noise, eps_hat, var_output, t, grey_levels and 256)


class ProbabilitiesByMeanSquare(DdpmCore):
    def timestep_probabilities(self, mean_squares):
        return super().timestep_probabilities(mean_squares**2)


class BitsOf256GreyLevels(DdpmCore):
    def dequantised_bits_per_dim(self, nats, dims, grey_levels):
        return self.bits_per_dim(nats, dims) + 8


class UnconditionalInterpolation(DdpmCore):
    def guided_interpolation(self, guidance, x_t, t, labels):
        return guidance.denoiser(x_t, t, None)


class ConstantWeightBySnr(DdpmCore):
    def constant_weight(self, betas, name, t, zero_terminal):
        return self.loss_weight(betas, name, t, np.inf, zero_terminal)


LOSSES, BOUND = "test_losses.py::test_", "test_likelihood.py::test_"
LEARNED, FLOW = "test_learned_variance.py::test_", "test_probability_flow.py::test_"
CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (
        ConstantWeightBySnr,
        f"{LOSSES}constant_weight_weights_the_x0_error_equally",
        {"name": "v"},
    ),
    (ConstantWeightBySnr, f"{LOSSES}constant_weight_at_zero_snr_is_finite_or_refused", {}),
    (
        Always256GreyLevels,
        f"{LOSSES}grey_level_probability_is_the_mass_nearest_to_it",
        {"grey_levels": 17},
    ),
    (
        HalvedDecoderVariance,
        f"{LOSSES}reverse_kernel_is_the_posterior_at_the_prediction",
        {"variance": "fixed_small"},
    ),
    *(
        (DoubledTerms, f"{BOUND}{name}", arguments)
        for name, arguments in (
            ("exact_reverse_process_gives_entropy_plus_prior_term", {}),
            ("each_term_is_a_kl_or_a_decoder_likelihood", {"variance": "fixed_large"}),
            ("fixed_variance_term_has_its_closed_form_mean", {"variance": "fixed_small"}),
        )
    ),
    (TermsWeightedByIndex, f"{BOUND}bound_depends_only_on_schedule_ends_in_the_limit", {}),
    (
        OneTimestepForTheBatch,
        f"{BOUND}stratified_term_represents_its_stratum",
        {"antithetic": False},
    ),
    (
        NonuniformTimesteps,
        f"{BOUND}timesteps_are_uniform_within_their_stratum",
        {"antithetic": True},
    ),
    (ScaledDivergence, f"{FLOW}state_and_log_volume_follow_heuns_method", {}),
    *(
        (
            ScaledDivergence,
            f"{FLOW}convergence_is_second_order",
            {"data": data},
        )
        for data in ("gaussian", "mixture")
    ),
    (ProbesDividedByDimension, f"{FLOW}mean_over_all_rademacher_probes_is_the_divergence", {}),
    (
        ProbesDividedByDimension,
        f"{FLOW}rademacher_probe_is_exact_for_a_diagonal_jacobian",
        {},
    ),
    (
        OverestimatedStepError,
        f"{FLOW}log_density_is_noise_density_plus_log_volume",
        {"steps": 3},
    ),
    (
        OverestimatedStepError,
        f"{FLOW}step_doubling_estimates_the_remaining_error",
        {"data": "mixture"},
    ),
    (
        FlowDensityWithoutDecoder,
        f"{FLOW}exact_decoder_makes_the_flow_bound_exact",
        {},
    ),
    (
        HybridWithoutStopGradient,
        f"{LEARNED}hybrid_loss_separates_prediction_and_variance_gradients",
        {},
    ),
    (SwappedVarianceEnds, f"{LEARNED}step_has_the_learned_variance", {}),
    (
        HybridWith256GreyLevels,
        f"{LEARNED}hybrid_loss_uses_grey_level_probabilities",
        {},
    ),
    (
        ProbabilitiesByMeanSquare,
        f"{LEARNED}timestep_probability_is_proportional_to_the_root_mean_square",
        {},
    ),
    (SquaredProbabilities, "test_step.py::test_timesteps_are_drawn_by_their_probabilities", {}),
    (BitsOf256GreyLevels, f"{BOUND}bits_per_dim_of_uniform_grey_levels", {}),
    (
        UnconditionalInterpolation,
        "test_guidance.py::test_guidance_does_not_change_a_learned_variance",
        {"together": True, "scale": 3.0},
    ),
]
