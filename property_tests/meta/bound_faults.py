"""Faults of the variational bound, and of what goes with it, each with the check that sees it."""

from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Flow, Normal


class TwiceTheSteps(DdpmCore):
    def vlb_terms(self, *arguments):
        return np.concatenate([(terms := super().vlb_terms(*arguments))[:1], 2 * terms[1:]])

    def vlb_of_denoiser(self, *arguments):
        return np.concatenate([(terms := super().vlb_of_denoiser(*arguments))[:1], 2 * terms[1:]])


class TermsByTheClock(DdpmCore):
    def vlb_terms(self, *arguments):
        terms = super().vlb_terms(*arguments)
        return terms * (1 + np.arange(len(terms))[:, None] / len(terms))


class PhotographsOnly(DdpmCore):
    def log_grey_level(self, decoder, x_0, grey_levels):
        return super().log_grey_level(decoder, x_0, 256)


class DecoderOfTheSecondLevel(DdpmCore):
    def reverse_kernel(self, betas, variance, x0_hat, x_t, s, t):
        mean, var = super().reverse_kernel(betas, variance, x0_hat, x_t, s, t)
        return Normal(mean, np.where(s.reshape(-1, *[1] * (x_t.ndim - 1)) > 0, var, var / 2))


class OneLevelForTheBatch(DdpmCore):
    def stratified_vlb(self, betas, x_0, reverse, *options):
        def shared(x_t, s, t):
            return reverse(x_t, 0 * s + s[0], 0 * t + t[0])

        return super().stratified_vlb(betas, x_0, shared, *options)


class FirstLevelsMoreOften(DdpmCore):
    def stratified_vlb(self, betas, x_0, reverse, *options):
        def less(x_t, s, t):
            return reverse(x_t, s, np.where((t == 7) & (x_t[:, 0] > 1), 6, t))

        return super().stratified_vlb(betas, x_0, less, *options)


class VolumeOfTheState(DdpmCore):
    """Divergences with respect to the state, without the scale of their levels."""

    def probability_flow(self, betas, x_1, slopes, probes, times):
        x_T, volume = super().probability_flow(betas, x_1, slopes, probes, times)
        dims = x_1[0].size
        shrink = np.log1p(-np.float64(betas[: times[0]])).sum() * dims / 2
        return Flow(x_T, shrink + 1.01 * (volume - shrink))


class ProbesByTheirLength(DdpmCore):
    def probability_flow(self, betas, x_1, slopes, probes, times):
        flow = super().probability_flow(betas, x_1, slopes, probes, times)
        return flow if probes is None else flow._replace(log_volume=flow.log_volume / x_1[0].size)


class HalfOfTheError(DdpmCore):
    def flow_log_density(self, *arguments):
        found = super().flow_log_density(*arguments)
        return found._replace(step_error=1.5 * found.step_error)


class DensityAsItIs(DdpmCore):
    """The density of level 1 for that of data."""

    def flow_bound(self, betas, x_0, x_1, log_p_1, *others):
        return -log_p_1


class HybridThatMovesTheMean(DdpmCore):
    """Without the stop: a thousandth of the bound's gradient reaches the guess."""

    def hybrid(self, betas, x_0, noise, eps_hat, said, t, grey_levels):
        found = super().hybrid(betas, x_0, noise, eps_hat, said, t, grey_levels)
        return found._replace(of_guess=found.of_guess + 1e-3 * (eps_hat - noise))


class VarianceOfTheOtherEnd(DdpmCore):
    def learned_step(self, betas, x0_hat, x_t, interpolation, s, t, noise):
        return super().learned_step(betas, x0_hat, x_t, 1 - interpolation, s, t, noise)


class AlwaysPixels(DdpmCore):
    def hybrid(self, betas, x_0, noise, eps_hat, said, t, grey_levels):
        return super().hybrid(betas, x_0, noise, eps_hat, said, t, grey_levels and 256)


class ByTheMeanSquare(DdpmCore):
    def timestep_probabilities(self, mean_squares):
        return super().timestep_probabilities(mean_squares**2)


class BitsOfPixels(DdpmCore):
    def dequantised_bits_per_dim(self, nats, dims, grey_levels):
        return self.bits_per_dim(nats, dims) + 8


class ShareWithoutALabel(DdpmCore):
    def guided_interpolation(self, guidance, x_t, t, labels):
        return guidance.denoiser(x_t, t, None)


class ConstantByTheSnr(DdpmCore):
    def constant_weight(self, betas, name, t, zero_terminal):
        return self.loss_weight(betas, name, t, np.inf, zero_terminal)


LOSSES, BOUND = "test_losses.py::test_", "test_likelihood.py::test_"
LEARNED, FLOW = "test_learned_variance.py::test_", "test_probability_flow.py::test_"
CONTROLS: list[tuple[type[DdpmCore], str, dict[str, Any]]] = [
    (
        ConstantByTheSnr,
        f"{LOSSES}a_constant_weight_is_that_of_an_error_of_x0",
        {"name": "v"},
    ),
    (ConstantByTheSnr, f"{LOSSES}a_constant_weight_at_zero_snr_is_finite_or_refused", {}),
    (
        PhotographsOnly,
        f"{LOSSES}a_grey_level_has_what_lies_nearest_to_it",
        {"levels": 17},
    ),
    (
        DecoderOfTheSecondLevel,
        f"{LOSSES}the_reverse_kernel_is_the_posterior_of_the_guess",
        {"variance": "fixed_small"},
    ),
    *(
        (TwiceTheSteps, f"{BOUND}{name}", arguments)
        for name, arguments in (
            ("the_bound_of_an_exact_chain_is_the_entropy_and_the_prior", {}),
            ("each_term_is_a_divergence_or_decodes", {"variance": "fixed_large"}),
            ("a_fixed_variance_costs_what_the_data_leave_open", {"variance": "fixed_small"}),
        )
    ),
    (TermsByTheClock, f"{BOUND}only_the_ends_of_a_schedule_count_in_the_limit", {}),
    (
        OneLevelForTheBatch,
        f"{BOUND}a_term_stands_for_all_levels_of_its_stretch",
        {"antithetic": False},
    ),
    (
        FirstLevelsMoreOften,
        f"{BOUND}an_estimate_draws_each_level_of_its_stretch_alike",
        {"antithetic": True},
    ),
    (VolumeOfTheState, f"{FLOW}state_and_volume_go_up_by_heuns_steps", {}),
    *(
        (
            VolumeOfTheState,
            f"{FLOW}its_error_falls_with_the_square_of_the_number_of_steps",
            {"data": data},
        )
        for data in ("gaussian", "mixture")
    ),
    (ProbesByTheirLength, f"{FLOW}the_mean_over_all_signs_is_the_divergence", {}),
    (
        ProbesByTheirLength,
        f"{FLOW}a_probe_of_signs_is_exact_where_numbers_do_not_mix",
        {},
    ),
    (
        HalfOfTheError,
        f"{FLOW}a_density_is_noise_at_the_end_and_the_volume",
        {"steps": 3},
    ),
    (
        HalfOfTheError,
        f"{FLOW}doubled_steps_tell_the_error_that_is_left",
        {"data": "mixture"},
    ),
    (
        DensityAsItIs,
        f"{FLOW}with_the_decoder_of_the_data_the_bound_is_their_density",
        {},
    ),
    (
        HybridThatMovesTheMean,
        f"{LEARNED}the_hybrid_loss_trains_guess_and_variance_apart",
        {},
    ),
    (VarianceOfTheOtherEnd, f"{LEARNED}a_step_has_the_learned_variance", {}),
    (
        AlwaysPixels,
        f"{LEARNED}the_hybrid_loss_reads_grey_levels_where_data_have_them",
        {},
    ),
    (ByTheMeanSquare, f"{LEARNED}a_level_is_drawn_by_the_root_of_its_mean_square", {}),
    (BitsOfPixels, f"{BOUND}bits_count_the_levels_of_uniform_data", {}),
    (
        ShareWithoutALabel,
        "test_guidance.py::test_a_learned_variance_is_led_nowhere",
        {"together": True, "scale": 3.0},
    ),
]
