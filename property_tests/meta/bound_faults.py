"""The same of the variational bound."""

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
    def log_grey_level(self, decoder, x_0, levels):
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


class BitsOfPixels(DdpmCore):
    def dequantised_bits_per_dim(self, nats, dims, levels):
        return self.bits_per_dim(nats, dims) + 8
