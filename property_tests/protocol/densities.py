"""The part of the surface under test that speaks of densities and of the variational bound."""

from typing import Protocol

from .nouns import (
    Array,
    Betas,
    Denoiser,
    Flow,
    FlowDensity,
    Hybrid,
    Normal,
    ReverseKernel,
    Slopes,
    Times,
)


class Densities(Protocol):
    """What an implementation offers of it; see `protocol.Implementation`."""

    def gaussian_kl(self, left: Normal, right: Normal) -> Array:
        """KL(left || right) of each element, in nats; all variances are above 0."""

    def log_grey_level(self, decoder: Normal, x_0: Array, grey_levels: int) -> Array:
        """The log of the probability of each element's grey level; they are spread over [-1, 1].

        A level has what is nearer to it than to any other; the ends have what is beyond, too.
        """

    def reverse_kernel(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
    ) -> Normal:
        """p(x_s | x_t) with x0_hat for x_0, variance fixed_small or fixed_large, 0 <= s < t <= T.

        At s = 0, where the posterior has no variance, it is beta_ts in either case.
        """

    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Normal:
        """p(x_s | x_t), its log variance interpolated from log beta-tilde_ts to log beta_ts.

        At s = 0 the way begins at beta-tilde of the pair (1, 2). T is at least 2.
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
        """One ancestral step t -> s of that variance; s = 0 adds no noise."""

    def hybrid(
        self,
        betas: Betas,
        x_0: Array,
        noise: Array,
        eps_hat: Array,
        said: Array,
        t: Times,
        grey_levels: int | None,
    ) -> Hybrid:
        """The mean square of noise - eps_hat, and 0.001 T of the bound's term t - 1 -> t.

        The term is in nats per dimension, its variance learned: `said` is 2 interpolation - 1.
        Events have at least one axis. grey_levels: of x_0, or None for a density.
        """

    def timestep_probabilities(self, mean_squares: Array) -> Array:
        """How often t = 1..T are drawn, (T,), where the mean squares of their terms are known."""

    def vlb_terms(
        self,
        betas: Betas,
        x_0: Array,
        reverse: ReverseKernel,
        noises: list[Array],
        grey_levels: int | None,
        times: tuple[int, ...],
    ) -> Array:
        """The terms of the bound of each sample, in nats, (len(times), batch), from the decoder's.

        times fall to 0; noises[i] makes x_t at times[i]; the last term is the prior's. grey_levels:
        the number of grey levels of x_0, or None for a density.
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
        """The same, of the reverse kernels of this variance that the denoiser's guesses make."""

    def stratified_vlb(
        self,
        betas: Betas,
        x_0: Array,
        reverse: ReverseKernel,
        strata: int,
        antithetic: bool,
        seed: int,
    ) -> Array:
        """An unbiased estimate of the bound of a density in `strata` + 1 rows, the prior's last.

        Stretch k of 1..T ends at (k + 1) T // strata; of each a sample draws one level, uniformly,
        whose term counts for all of them. antithetic: it is the mean of a noise and its negative.
        """

    def bits_per_dim(self, nats: Array, dims: int) -> Array:
        """nats of an event of `dims` numbers in bits for each of them."""

    def dequantised_bits_per_dim(self, nats: Array, dims: int, grey_levels: int) -> Array:
        """The same of grey levels in [-1, 1], from -log of a density, uniform noise added."""

    def probability_flow(
        self, betas: Betas, x_1: Array, slopes: Slopes, probes: Array | None, times: tuple[int, ...]
    ) -> Flow:
        """Heun's method up the times, which fall to 0, from the lowest above 0, where x_1 is.

        The state follows d(x / scale) / d(noise / scale) = eps_hat, and the log of the volume its
        divergence, by the same method. probes: (probes, *x_1.shape), of which each v makes the
        estimate v J v of a divergence; None is the divergence itself.
        """

    def flow_log_density(
        self, betas: Betas, x_1: Array, slopes: Slopes, probes: Array | None, times: tuple[int, ...]
    ) -> FlowDensity:
        """log p_1(x_1) with pure noise at the end of that flow, in the mean over the probes.

        Every other level is left out from times[0] down; the lowest stays. At least 3 above 0.
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
        """log q(x_t | x_0) - log p_1 - log p(x_0 | x_t) of each sample in nats, x_t being x_1.

        reverse(x_1, 0, t) is the decoder, of grey levels or, where grey_levels is None, a density.
        """
