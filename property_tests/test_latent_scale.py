"""The scale of latents: measured, applied once in each direction, and its effect on sampling."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from .chains.linear_autoencoder import (
    DECODE,
    ENCODE,
    LOG_VARS,
    SCALE,
    identity_encoder,
    linear_autoencoder,
    mix_channels,
    per_channel,
)
from .chains.output_distributions import FLOAT64, ROUNDINGS, denoiser_of, gaussian_data
from .oracles import chains, exact, gaussian
from .oracles.exact import mp, mpf
from .protocol import Array, Autoencoder, Implementation, SamplingSpec, Scale
from .statistics.monte_carlo import SCALARS, Ledger
from .statistics.noise_tape import moments
from .statistics.statistics import Finding
from .statistics.tolerances import allowance, check, check_largest, elements
from .strategies import STEEP, numbers

ORACLE = "the definitions in 60 digits, linear algebra, and the F and t distributions"


@given(
    shape=st.sampled_from([(2, 1), (3, 3), (2, 2, 2), (1, 3, 2, 3), (3, 3, 3, 3), (5, 2, 4, 1)]),
    values=st.lists(numbers, min_size=5, max_size=40),
    offset=st.sampled_from([0.0, 3.0, -1024.0]),
)
@example(shape=(3, 3), values=[1.0, -2.0, 0.5, 3.0, 0.0], offset=3.0)
@example(shape=(1, 3, 2, 3), values=[1.0, -2.0, 0.5, 3.0, 0.0], offset=3.0)  # a single latent
def test_scaled_latents_have_mean_0_and_variance_1(impl: Implementation, shape, values, offset):
    """Eq. latent.shift, latent.spread and latent.scale on the measured latents, per channel.

    For n numbers the error of a mean is at most n u of their mean magnitude, that of a variance 2 n
    u times the ratio of their mean square to it.
    """
    latents = np.resize(np.float64(values), shape) + np.arange(math.prod(shape)).reshape(shape) % 7
    latents = latents * (1.0 + np.arange(shape[1])).reshape(1, -1, *[1] * (len(shape) - 2)) + offset
    found = impl.latent_scale(latents)
    autoencoder = Autoencoder(identity_encoder, lambda z: z, found)
    scaled = impl.to_latents(autoencoder, latents, None)
    for channel in range(shape[1]):
        z = [mpf(each) for each in latents[:, channel].flat]
        y = [mpf(each) for each in scaled[:, channel].flat]
        n, u = len(z), mpf(impl.unit_roundoff)
        mean = sum(z) / n
        var = sum((each - mean) ** 2 for each in z) / n
        conditioning = sum(each**2 for each in z) / n / var
        mean_off = n * u * sum(map(abs, z)) / n
        check("shift", (channel,), found.shift, mean, mean_off + u * abs(mean))
        root_off = 2 * n * u * conditioning
        check("scale", (channel,), found.scale, mp.sqrt(var), root_off * mp.sqrt(var))
        left = sum(y) / n
        spread = sum(each**2 for each in y) / n - left**2
        check("mean", (0,), np.float64([left]), mpf(0), 2 * mean_off / mp.sqrt(var) + 8 * u)
        rounded = 8 * u * (1 + mp.sqrt(conditioning))
        check("variance", (0,), np.float64([spread]), mpf(1), 2 * root_off + rounded)


images = st.tuples(
    st.sampled_from([(1, 2), (2, 2), (2, 2, 2), (2, 2, 2, 3)]),
    st.lists(numbers, min_size=24, max_size=24),
).map(lambda drawn: np.resize(np.float64(drawn[1]), drawn[0]))


@given(x=images, noisy=st.booleans())
@example(x=np.float64([[0.5, -1.0], [2.0, 3.0]]), noisy=True)
@example(x=np.float64([[0.5, -1.0], [2.0, 3.0]]), noisy=False)
def test_decoding_inverts_encoding(impl: Implementation, x: Array, noisy: bool):
    """Eq. latent.scale and latent.unscale, each applied once.

    Encoding subtracts the shift and divides by the scale; decoding multiplies and adds. Without
    noise the image is recovered. The integer weights add one rounding on each side.
    """
    u = mpf(impl.unit_roundoff)
    noise = np.flip(x, axis=0) + 0.25 if noisy else None
    y = impl.to_latents(linear_autoencoder(), x, noise)
    assert y.shape == x.shape
    sizes = np.empty(x.shape, dtype=object)
    for where in elements(x):
        channel, pixel = where[1], (where[0], slice(None), *where[2:])
        shift, scale = mpf(SCALE.shift[channel]), mpf(SCALE.scale[channel])
        parts = [mpf(w) * mpf(v) for w, v in zip(ENCODE[channel], x[pixel], strict=True)]
        added = mpf(0)
        if noise is not None:
            added = mp.exp(mpf(LOG_VARS[channel]) / 2) * mpf(noise[where])
        sizes[where] = (sum(map(abs, parts)) + abs(shift) + abs(added)) / scale
        want = (sum(parts) + added - shift) / scale
        check("y", where, y, want, 8 * u * sizes[where])
    decoded = impl.from_latents(linear_autoencoder(), y)
    for where in elements(x):
        pixel = (where[0], slice(None), *where[2:])
        latents = [
            mpf(b) * mpf(v) + mpf(a)
            for a, b, v in zip(SCALE.shift, SCALE.scale, y[pixel], strict=True)
        ]
        want = sum(mpf(w) * z for w, z in zip(DECODE[where[1]], latents, strict=True))
        size = sum(
            abs(mpf(w)) * (mpf(b) * size + abs(mpf(a)))
            for w, a, b, size in zip(
                DECODE[where[1]], SCALE.shift, SCALE.scale, sizes[pixel], strict=True
            )
        )
        check("decoded", where, decoded, want, 8 * u * size)
        if not noisy:
            check("image", where, decoded, mpf(x[where]), 16 * u * size)


def test_scaled_fresh_samples_follow_f_and_t_distributions(impl: Implementation, ledger: Ledger):
    """Eq. latent.shift and latent.spread on samples that were not measured, per channel.

    The ratio of two variances has an F distribution, the difference of two means a t distribution.
    A ratio of two sample variances varies more than one by a factor sqrt(2), hence twice the
    samples.
    """
    n, truth = 2 * SCALARS, Scale(np.float64([1.5, -20.0]), np.float64([0.2, 7.0]))
    claim = ledger.claim("latent.spread", truth, scalars=SCALARS)
    known, fresh = per_channel(truth.shift, np.empty((2, 2, 2, 2))) + per_channel(
        truth.scale, np.empty((2, 2, 2, 2))
    ) * claim.rng.normal(size=(2, n // 4, 2, 2, 2))
    autoencoder = Autoencoder(identity_encoder, lambda z: z, impl.latent_scale(known))
    y = np.moveaxis(impl.to_latents(autoencoder, fresh, None), 1, 0).reshape(2, n)
    findings = []
    for channel, values in enumerate(y):
        quotient = values.var(ddof=1) * (n - 1) / n  # of two unbiased variances
        tails = stats.f.cdf(quotient, n - 1, n - 1), stats.f.sf(quotient, n - 1, n - 1)
        effect = f"its variance is {quotient:.4g} of the measured one"
        findings.append(Finding(f"channel {channel}", float(2 * min(tails)), effect))
        distance = float(values.mean()) * math.sqrt((n - 1) / n) / math.sqrt(2 / n)
        p = 2 * float(stats.t.sf(abs(distance), n - 1))
        findings.append(Finding(f"channel {channel}", p, f"its mean is {values.mean():.3g}"))
    claim.check(findings)


@pytest.mark.parametrize("t", [1, 3])
def test_noised_latents_follow_the_scaled_distribution(impl: Implementation, t):
    """Eq. latent.units: the noise of the encoder and of the timestep, by noise tape.

    The variance has at most 16 roundings in units of its terms.
    """
    x = np.float64([0.5, -1.0, 2.0, 0.25, -3.0, 1.0, 0.0, 4.0]).reshape(1, 2, 2, 2)

    def noised(noise: Array, more: list[Array]) -> Array:
        images = np.repeat(x, len(noise), axis=0)
        y = impl.to_latents(linear_autoencoder(), images, noise)
        return impl.q_sample(STEEP, y, np.full(len(noise), t), more[0])

    got = moments(noised, (2, 2, 2), draws=1, batch=2)
    kernel = exact.kernel(STEEP, 0, t)
    scale, var = float(kernel.scale), float(kernel.var)
    mean = (
        scale
        * (mix_channels(ENCODE, x) - per_channel(SCALE.shift, x))
        / per_channel(SCALE.scale, x)
    )
    spread = scale**2 * np.repeat(np.exp(LOG_VARS) / SCALE.scale**2, 4) + var
    unit = float(allowance(impl.unit_roundoff, exact.kappa(STEEP, 0, t), times=2)) + 32 * FLOAT64
    size = scale * (np.abs(mix_channels(np.abs(ENCODE), np.abs(x))).max() + 2) / 0.5 + 1
    check_largest("mean", got.mean, mean.ravel(), unit * size)
    check_largest("covariance", got.covariance, np.diag(spread), unit * size**2)


@pytest.mark.parametrize("sampler", ["fixed_small", "ddim", "dpm++2m"])
@pytest.mark.parametrize("times", [(4, 3, 2, 1, 0), (4, 2, 0)], ids=str)
def test_decoded_samples_follow_the_data_distribution(impl: Implementation, sampler, times):
    """Eq. latent.units and latent.unscale, from linear-Gaussian data to decoded samples, exactly.

    A scale is measured on encoded samples. By noise tape, the encoded data have the distribution of
    the data mapped by encoder, noise, shift and scale. Samples drawn with the optimal denoiser of
    that distribution are decoded, and have the distribution mapped by scale, shift and decoder.
    """
    event, relative = (2, 2, 2), ROUNDINGS * (FLOAT64 + impl.unit_roundoff)
    data = gaussian_data(event)
    root = np.linalg.cholesky(data.covariance)

    def images(unit: Array) -> Array:
        return (data.mean + unit.reshape(len(unit), -1) @ root.T).reshape(unit.shape)

    some = np.sin(np.arange(40.0)).reshape(5, *event)
    unscaled = linear_autoencoder(Scale(np.zeros(2), np.ones(2)))
    autoencoder = linear_autoencoder(
        impl.latent_scale(impl.to_latents(unscaled, images(some), some[::-1]))
    )
    encode_matrix, decode_matrix = (np.kron(each, np.eye(4)) for each in (ENCODE, DECODE))
    shift, scale = (np.repeat(each, 4) for each in autoencoder.scale)
    scaled_matrix, encoder_var = (
        encode_matrix / scale[:, None],
        np.repeat(np.exp(LOG_VARS), 4) / scale**2,
    )
    covariance = scaled_matrix @ data.covariance @ scaled_matrix.T + np.diag(encoder_var)
    latents = gaussian.MultivariateGaussian((encode_matrix @ data.mean - shift) / scale, covariance)

    def encoded(unit: Array, noises: list[Array]) -> Array:
        return impl.to_latents(autoencoder, images(unit), noises[0])

    got = moments(encoded, event, draws=1, batch=2)
    parts = np.abs(scaled_matrix) @ (np.abs(data.mean) + np.abs(root).sum(axis=1)) + np.abs(
        shift / scale
    )
    size = float((parts + np.sqrt(encoder_var)).max())
    check_largest("mean of latents", got.mean, latents.mean, relative * size)
    check_largest("covariance of latents", got.covariance, covariance, relative * size**2)

    path = chains.Path(STEEP, sampler, times)
    spec = SamplingSpec(STEEP, sampler, times, denoiser_of(STEEP, latents))

    def decoded(x_T: Array, noises: list[Array]) -> Array:
        return impl.from_latents(autoencoder, impl.sample(spec, x_T, noises))

    got = moments(decoded, event, draws=len(times) - 2, batch=2)
    output = chains.output_distribution(path, latents)
    through = decode_matrix * scale
    want = through @ output.mean + decode_matrix @ shift
    reach = float(np.abs(through).sum(axis=1).max())
    size = reach * (output.size + float(np.abs(output.mean).max())) + float(
        np.abs(decode_matrix @ shift).max()
    )
    check_largest("mean", got.mean, want, relative * size)
    check_largest(
        "covariance", got.covariance, through @ output.covariance @ through.T, relative * size**2
    )
