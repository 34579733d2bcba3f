"""The part of the interface on densities and the variational bound."""

from typing import Protocol

from .nouns import (
    Array,
    Betas,
    Denoiser,
    DenoiserWithJacobian,
    Flow,
    FlowDensity,
    Gaussian,
    Hybrid,
    Labelled,
    LearnedDenoiser,
    ReverseKernel,
    Times,
    Trajectory,
)


class Densities(Protocol):
    """The methods on densities; see `protocol.Implementation`."""

    def gaussian_kl(self, left: Gaussian, right: Gaussian) -> Array:
        """Return the elementwise KL(left || right) in nats; all variances are above 0."""

    def log_grey_level(self, decoder: Gaussian, x_0: Array, grey_levels: int) -> Array:
        """Return the log probability of each element's grey level, evenly spaced over [-1, 1].

        A grey level has the mass nearer to it than to any other; the outer two include the tails.
        """

    def reverse_kernel(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
    ) -> Gaussian:
        """Return p(x_s | x_t) with x0_hat for x_0 and this fixed variance, 0 <= s < t <= T.

        At s = 0, where the posterior has no variance, the variance is beta_ts for both kinds; that
        of the pair (0, 1) is a convention, `decoder_variance`.
        """

    def decoder_variance(self, variance: str) -> str:
        """Return which variance p(x_0 | x_1) has with this fixed variance, if T >= 2.

        beta_1, as in Eq. losses.decoder-variance and if this method is not offered; or
        beta_tilde_2, the posterior's variance at t = 2, as in the code of Ho et al. (2020). There
        it replaces the first entry of the log variances of fixed_small and of fixed_large.
        """

    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Gaussian:
        """Return p(x_s | x_t), its log variance interpolated from log beta-tilde_ts to log beta_ts.

        At s = 0 the lower end is beta-tilde of the pair (1, 2). T is at least 2.
        """

    def learned_step(
        self,
        betas: Betas,
        x0_hat: Array,
        x_t: Array,
        interpolation: Array,
        s: int,
        t: int,
        noise: Array,
    ) -> Array:
        """Return one ancestral step t -> s with that variance; s = 0 adds no noise."""

    def learned_trajectory(
        self,
        betas: Betas,
        times: tuple[int, ...],
        denoiser: LearnedDenoiser,
        x_T: Array,
        noises: list[Array],
    ) -> Trajectory:
        """Return what ancestral sampling with a learned variance reports, data included.

        noises[i] is the noise of the step from times[i]; the last step has none.
        """

    def hybrid(
        self,
        betas: Betas,
        x_0: Array,
        noise: Array,
        eps_hat: Array,
        var_output: Array,
        t: Times,
        grey_levels: int | None,
    ) -> Hybrid:
        """Return the mean square of noise - eps_hat plus 0.001 T of the bound's term t - 1 -> t.

        The term is in nats per dimension, with a learned variance: `var_output` is
        2 interpolation - 1. Samples have at least one axis. grey_levels: of x_0, or None for a
        density.
        """

    def hybrid_of_weight(
        self,
        betas: Betas,
        losses: Array,
        x_0: Array,
        x_t: Array,
        t: Times,
        reverse: Gaussian,
        grey_levels: int | None,
        weight: float,
    ) -> Array:
        """Return `losses`, (batch,), plus weight times T times the bound's term t -> t - 1.

        The term is in nats per dimension; its gradient does not reach the mean of `reverse`.
        """

    def timestep_probabilities(self, mean_squares: Array) -> Array:
        """Return the sampling probabilities of t = 1..T, (T,), for mean squares of their terms."""

    def vlb_terms(
        self,
        betas: Betas,
        x_0: Array,
        reverse: ReverseKernel,
        noises: list[Array],
        grey_levels: int | None,
        times: tuple[int, ...],
    ) -> Array:
        """Return the terms of the bound of each sample in nats, (len(times), batch).

        times decrease to 0; noises[i] makes x_t at times[i]. The first term is the decoder's, the
        last the prior's. grey_levels: the number of grey levels of x_0, or None for a density.
        """

    def vlb_of_denoiser(
        self,
        betas: Betas,
        variance: str,
        x_0: Array,
        denoiser: Denoiser,
        noises: list[Array],
        grey_levels: int | None,
        times: tuple[int, ...],
    ) -> Array:
        """Return the same for reverse kernels with this variance and the denoiser's prediction.

        For `learned_range` the prediction is the interpolation, too.
        """

    def stratified_vlb(
        self,
        betas: Betas,
        x_0: Array,
        reverse: ReverseKernel,
        strata: int,
        antithetic: bool,
        seed: int,
        grey_levels: int | None = None,
    ) -> Array:
        """Return an unbiased estimate of the bound in `strata` + 1 rows, the prior's last.

        Stratum k of 1..T ends at (k + 1) T // strata. Each sample draws one timestep uniformly from
        each, whose term is scaled by the stratum's size. antithetic: average a noise and its
        negative. grey_levels: of x_0, or None for a density.
        """

    def stratified_vlb_of_denoiser(
        self,
        betas: Betas,
        variance: str,
        x_0: Array,
        denoiser: Denoiser | Labelled,
        strata: int,
        antithetic: bool,
        seed: int,
        grey_levels: int | None,
    ) -> Array:
        """Return the same for reverse kernels with this variance and the denoiser's prediction.

        The denoiser gets one timestep per sample.
        """

    def bits_per_dim(self, nats: Array, dims: int) -> Array:
        """Convert nats of a sample with `dims` elements to bits per element."""

    def dequantised_bits_per_dim(self, nats: Array, dims: int, grey_levels: int) -> Array:
        """Convert -log density of uniformly dequantised grey levels to bits per element."""

    def probability_flow(
        self,
        betas: Betas,
        x_1: Array,
        denoiser: DenoiserWithJacobian,
        probes: Array | None,
        times: tuple[int, ...],
    ) -> Flow:
        """Integrate with Heun's method from x_1 at the smallest nonzero time up to times[0].

        times decrease to 0. The state follows d(x / scale) / d(noise / scale) = eps_hat, and the
        log volume its divergence, by the same method. Each v of probes, (probes, *x_1.shape), gives
        the estimate v J v of a divergence; None computes the divergence itself.
        """

    def flow_log_density(
        self,
        betas: Betas,
        x_1: Array,
        denoiser: DenoiserWithJacobian,
        probes: Array | None,
        times: tuple[int, ...],
    ) -> FlowDensity:
        """Return log p_1(x_1) with standard normal noise at the flow's end, averaged over probes.

        For the step error, every other time from times[0] is omitted, but not the smallest nonzero
        one. There are at least 3 nonzero times.
        """

    def flow_bound(
        self,
        betas: Betas,
        x_0: Array,
        x_1: Array,
        log_p_1: Array,
        reverse: ReverseKernel,
        grey_levels: int | None,
        t: int,
    ) -> Array:
        """Return log q(x_t | x_0) - log p_1 - log p(x_0 | x_t) of each sample in nats, x_t = x_1.

        reverse(x_1, 0, t) is the decoder, of grey levels, or a density if grey_levels is None.
        """
