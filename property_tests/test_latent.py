"""Latents: the encoder distribution, its KL divergence, the loss, and the bound."""

import math
from typing import NamedTuple

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from .chains.linear_autoencoder import (
    ENCODE,
    LOG_VARS,
    SCALE,
    linear_autoencoder,
    mix_channels,
    per_channel,
)
from .chains.output_distributions import FLOAT64
from .options.terms import density, given_kernel
from .oracles import bound
from .oracles.exact import mp, mpf
from .protocol import Array, Gaussian, Implementation
from .statistics.monte_carlo import Ledger
from .statistics.statistics import standard_normal
from .statistics.tolerances import check, check_largest, elements, equal
from .strategies import numbers

ORACLE = "the definitions in 60 digits, and Bayes' rule"

SHAPES = ((1, 2), (2, 4), (3, 6, 3), (2, 2, 2, 2), (4, 8, 2, 4))  # of moments, batch first
# Some are beyond the range to which many implementations clip, though no equation does.
logs = st.floats(-12, 4, width=32) | st.sampled_from([-80.0, -40.0, 32.0, 64.0])


class Encoding(NamedTuple):
    """The output of an encoder, and noise."""

    mean: Array
    log_var: Array
    noise: Array

    @property
    def moments(self) -> Array:
        return np.concatenate([self.mean, self.log_var], axis=1)


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    batch, twice, *position = draw(st.sampled_from(SHAPES))
    shape = (batch, twice // 2, *position)
    size = math.prod(shape)

    def drawn(each: st.SearchStrategy[float]) -> Array:
        return np.float64(draw(st.lists(each, min_size=size, max_size=size))).reshape(shape)

    return Encoding(drawn(numbers), drawn(logs), drawn(numbers))


PLAIN = Encoding(*np.float64([[[0.5, -1.0]], [[1.0, -2.0]], [[0.25, 3.0]]]))
WIDE = Encoding(*np.float64([[[0.5, -1.0]], [[-40.0, 32.0]], [[0.25, 3.0]]]))


@given(encoding=encodings())
@example(encoding=PLAIN)
@example(encoding=WIDE)
def test_latent_sample_is_mean_plus_scaled_noise(impl: Implementation, encoding: Encoding):
    """Eq. latent.posterior: exp(log variance / 2) is the standard deviation.

    The exponential and the root have an error of 2 u, product and sum of u each.
    """
    got = impl.latent_draw(encoding.moments, encoding.noise)
    for where in elements(got):
        added = mp.exp(mpf(encoding.log_var[where]) / 2) * mpf(encoding.noise[where])
        size = abs(mpf(encoding.mean[where])) + abs(added)
        check("z", where, got, mpf(encoding.mean[where]) + added, 4 * impl.unit_roundoff * size)


@given(encoding=encodings())
@example(encoding=PLAIN)
@example(encoding=WIDE)
def test_latent_kl_is_the_divergence_from_standard_normal(impl: Implementation, encoding: Encoding):
    """Eq. latent.kl, by a quadrature that is exact for it, summed over the latents of a sample."""
    got = impl.latent_kl(encoding.moments)
    for row in range(len(got)):
        want, unit = kl_and_allowance(impl, encoding, row)
        check("kl", (row,), got, want, unit)


def test_kl_of_standard_normal_latents_is_zero(impl: Implementation):
    """Eq. latent.kl is 0 for a standard normal distribution only.

    Each of its six numbers adds terms of 1, 1 and 0: at most 8 roundings.
    """
    kl = impl.latent_kl(np.zeros((2, 4, 3)))
    check_largest("kl of standard noise", kl, np.zeros(2), 48 * impl.unit_roundoff)
    for index in range(4):
        moments_of = np.zeros((1, 4))
        moments_of[0, index] = 2.0**-10
        assert impl.latent_kl(moments_of)[0] > 2.0**-23


def kl_and_allowance(impl: Implementation, encoding: Encoding, row: int) -> tuple[mpf, mpf]:
    """Return the divergence of a sample and its rounding allowance.

    A term has 8 roundings, and the sum one per term.
    """
    total, size = mpf(0), mpf(0)
    for where in elements(encoding.mean[row]):
        mean, log_var = mpf(encoding.mean[row][where]), mpf(encoding.log_var[row][where])
        total += bound.divergence(
            bound.Gaussian(mean, mp.exp(log_var)), bound.Gaussian(mpf(0), mpf(1))
        )
        size += mean**2 + mp.exp(log_var) + 1 + abs(log_var)
    return total, (8 + encoding.mean[row].size) * impl.unit_roundoff * size


@given(
    encoding=encodings(),
    values=st.lists(numbers, min_size=36, max_size=36),
    kl_weight=st.sampled_from([0.0, 2.0**-10, 1.0]),
    gradient_weight=st.sampled_from([0.0, 0.5, 2.0]),
    image=st.sampled_from([(2, 3, 4), (1, 4, 3), (3, 5, 5), (2, 2, 2)]),
)
@example(PLAIN, [0.5, -1.0, 2.0, 0.25], 1.0, 0.5, (2, 3, 4))
@example(PLAIN, [0.5, -1.0, 2.0, 0.25], 1.0, 0.5, (1, 4, 3))
@example(PLAIN, [0.5, -1.0, 2.0], 2.0**-10, 0.0, (3, 5, 5))
def test_autoencoder_loss_is_the_weighted_sum_of_its_terms(
    impl: Implementation, encoding: Encoding, values, kl_weight, gradient_weight, image
):
    """Eq. latent.loss and latent.gradient, with odd and even sizes.

    The width may equal the batch size.
    """
    batch = len(encoding.mean)
    x, x_hat = np.resize(np.float64(values), (2, batch, *image))
    x_hat = x_hat[::-1, :, ::-1] + x
    got = impl.autoencoder_loss(x, x_hat, encoding.moments, kl_weight, gradient_weight)
    n = x[0].size
    for row in range(batch):
        off = [mpf(a) - mpf(b) for a, b in zip(x_hat[row].flat, x[row].flat, strict=True)]
        error = np.array(off, dtype=object).reshape(x[row].shape)
        squared = sum(each**2 for each in off) / n
        edges = edge_size = mpf(0)
        for axis in (1, 2):
            ends = (np.moveaxis(error, axis, 0)[1:], np.moveaxis(error, axis, 0)[:-1])
            edges += sum(((ends[0] - ends[1]) ** 2).flat) / ends[0].size
            edge_size += sum(((abs(ends[0]) + abs(ends[1])) ** 2).flat) / ends[0].size
        kl, unit = kl_and_allowance(impl, encoding, row)
        want = squared + mpf(kl_weight) * kl / n + mpf(gradient_weight) * edges
        size = squared + mpf(kl_weight) * abs(kl) / n + mpf(gradient_weight) * edge_size
        allowed = (n + 16) * impl.unit_roundoff * size + mpf(kl_weight) * unit / n
        check("loss", (row,), got, want, allowed)


def test_reported_terms_are_those_of_the_loss(impl: Implementation):
    """Eq. latent.loss: each term is the loss with the weight of that term alone.

    A term is a mean of positive numbers, with a rounding for each and 16 more; twice for the term
    that is found as a difference.
    """
    x, x_hat = np.cos(np.arange(2.0 * 3 * 2 * 3 * 4)).reshape(2, 3, 2, 3, 4)
    moments = np.cos(np.arange(3.0 * 4 * 2)).reshape(3, 4, 2)
    found = impl.autoencoder_terms(x, x_hat, moments, 2.0, 0.5)
    plain, edges = (impl.autoencoder_loss(x, x_hat, moments, 0.0, each) for each in (0.0, 1.0))
    unit = 2 * (x[0].size + 16) * impl.unit_roundoff
    check_largest("reconstruction", found.reconstruction, plain, unit * plain.max())
    check_largest("gradient", found.gradient, edges - plain, unit * edges.max())
    kl = impl.latent_kl(moments)
    check_largest("kl", found.kl, kl, unit * (4 + moments.size))


def test_densities_of_any_width(impl: Implementation):
    """Eq. latent.bound with standard deviations from 2^-30 to 2^30, which nothing clips.

    The densities are to their own roundings, and so is their sum.
    """
    powers, nats = np.float64([-30, -12, 0, 12, 30]), np.zeros(5)
    std = np.exp2(powers).reshape(5, 1)
    away = np.float64([[0.5], [-1.0], [3.0], [0.0], [-2.0]])
    y, x_0 = away * std, away[::-1] * std[::-1]
    q, p = Gaussian(0 * std, std**2), Gaussian(0.5 * std[::-1], std[::-1] ** 2)
    got = impl.latent_bound(x_0, y, q, p, nats, None)
    for row in range(len(got)):
        logs = [
            density(float(at[row, 0]), given_kernel(float(d.mean[row, 0]), float(d.var[row, 0])))
            for d, at in ((q, y), (p, x_0))
        ]
        want = logs[0].exact - logs[1].exact
        allowed = impl.unit_roundoff * (sum(each.error for each in logs) + 4 * abs(want))
        check("nats", (row,), got, want, allowed)


def test_latents_follow_the_encoder_distribution(impl: Implementation, ledger: Ledger):
    """Eq. latent.posterior with the implementation's own noise, whitened by the exact Gaussian."""
    shape = (4096, 2, 2, 2)
    claim = ledger.claim("latent.posterior", shape, scalars=math.prod(shape))
    x = np.resize(np.float64([0.5, -1.0, 2.0]), shape)
    drawn = impl.draw_latents(linear_autoencoder(), x, claim.seed)
    z = per_channel(SCALE.scale, x) * drawn + per_channel(SCALE.shift, x)
    claim.check(
        standard_normal((z - mix_channels(ENCODE, x)) / per_channel(np.exp(LOG_VARS / 2), x))
    )
    again, other = (impl.draw_latents(linear_autoencoder(), x[:2], claim.seed + i) for i in (0, 1))
    assert equal(again, drawn[:2]), "the sample depends on its batch"
    assert not np.array_equal(again, other), "two seeds give the same sample"


# --- the bound: latents N(0.5, 2) for each element, observed through N(3/4 z - 1, 1/2) ------------

PRIOR, SLOPE, OFFSET, NOISE = bound.Gaussian(mpf(0.5), mpf(2)), mpf(0.75), mpf(-1), mpf(0.5)


@given(x=st.lists(numbers, min_size=6, max_size=6), y=st.lists(numbers, min_size=6, max_size=6))
@example(x=[0.5, -1.0, 2.0, 0.0, 1.0, -3.0], y=[1.0, 0.25, -2.0, 3.0, 0.0, 0.5])
def test_exact_latent_density_makes_the_bound_exact(impl: Implementation, x, y):
    """Eq. latent.bound: by Bayes' rule it is -log p(x_0) for every sample.

    A density has an error of 8 u in units of its squares; 1 + them occurs in sums of three.
    """
    x_0, latents = (np.float64(each).reshape(2, 3) for each in (x, y))
    gain = SLOPE * PRIOR.var / (SLOPE**2 * PRIOR.var + NOISE)
    var = PRIOR.var * NOISE / (SLOPE**2 * PRIOR.var + NOISE)
    means = [[PRIOR.mean + gain * (mpf(v) - SLOPE * PRIOR.mean - OFFSET) for v in r] for r in x_0]
    distribution = Gaussian(np.float64(means), np.full((2, 3), float(var)))
    decoder = Gaussian(float(SLOPE) * latents + float(OFFSET), np.full((2, 3), float(NOISE)))
    prior = [[-bound.log_density(PRIOR, mpf(v)) for v in row] for row in latents]
    nats = np.float64([sum(row) for row in prior])
    got = impl.latent_bound(x_0, latents, distribution, decoder, nats, None)
    data = bound.Gaussian(SLOPE * PRIOR.mean + OFFSET, SLOPE**2 * PRIOR.var + NOISE)
    for row in range(2):
        want = -sum(bound.log_density(data, mpf(v)) for v in x_0[row])
        away = (abs(x_0[row]) + abs(latents[row]) + 3) ** 2
        size = float(away.sum()) / float(var) + abs(nats[row])
        check("nats", (row,), got, want, 32 * (impl.unit_roundoff + FLOAT64) * size)


def test_latent_bound_uses_grey_level_probabilities(impl: Implementation):
    """Eq. latent.bound with the probability of each of 17 grey levels instead of a density."""
    x_0 = np.float64([[-1.0, 0.125, 1.0], [0.5, 0.0, -0.25]])
    distribution, decoder = Gaussian(x_0 / 2, 0.5 + 0 * x_0), Gaussian(x_0 / 4, 0.125 + 0 * x_0)
    y, nats = x_0 + 0.25, np.float64([3.0, -1.0])
    got = impl.latent_bound(x_0, y, distribution, decoder, nats, 17)
    grey = impl.log_grey_level(decoder, x_0, 17)
    for row in range(2):
        spent = sum(
            bound.log_density(bound.Gaussian(mpf(m), mpf(0.5)), mpf(v))
            for m, v in zip(distribution.mean[row], y[row], strict=True)
        )
        says = sum(map(mpf, grey[row]))
        size = abs(spent) + abs(nats[row]) + abs(says) + 3
        check("nats", (row,), got, spent + mpf(nats[row]) - says, 16 * impl.unit_roundoff * size)
