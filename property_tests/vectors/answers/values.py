"""Exact embeddings, images, averages and latents."""

import numpy as np

from ...options.denoisers import Bounded
from ...oracles import bound
from ...oracles.exact import mp, mpf
from ...protocol import Array, Autoencoder, Times
from .elements import Answers, At, each
from .trajectories import certain


def embedding_of_period(t: Times, width: int, max_period: float) -> Answers:
    half = width // 2

    def entry(at: At) -> Bounded:
        function = mp.sin if at[1] < half else mp.cos  # all sines, then all cosines
        angle = int(t[at[0]]) * mpf(max_period) ** (-mpf(at[1] % half) / half)
        return Bounded(function(angle), mpf(1 + 4 * (1 + int(t[at[0]]))))

    return each(np.zeros((len(t), width)), entry)


def embedding(t: Times, width: int) -> Answers:
    return embedding_of_period(t, width, 10_000.0)


def fourier_features(x: Array, frequencies: tuple[int, ...]) -> Answers:
    channels = x.shape[1]

    def feature(at: At) -> Bounded:
        part, channel = divmod(at[1], channels)
        value = mpf(float(x[at[0], channel, at[2], at[3]]))
        if part == 0:
            return certain(value)
        angle = mpf(2) ** frequencies[(part - 1) // 2] * mp.pi * value
        return Bounded((mp.sin if part % 2 else mp.cos)(angle), 2 * (abs(angle) + 1))

    return each(np.repeat(x, 1 + 2 * len(frequencies), axis=1), feature)


def to_unit_range(images: Array, grey_levels: int) -> Answers:
    values = [2 * mpf(int(k)) / (grey_levels - 1) - 1 for k in images.flat]
    return each(images, lambda at: Bounded(values[np.ravel_multi_index(at, images.shape)], mpf(3)))


def ema(decay: float, weights: Array, buffers: Array) -> tuple[Answers, ...]:
    """Decays up to 0.1 are the same with and without a warm-up."""
    d, averages = mpf(decay), [weights[0] * mpf(1)]
    for weight in weights[1:]:
        averages.append(d * averages[-1] + (1 - d) * weight)
    size, steps = mpf(float(np.abs(weights).max())), averages[1:]
    return (
        each(np.zeros(len(steps)), lambda at: Bounded(d, mpf(2))),
        each(steps, lambda at: Bounded(steps[at[0]][at[1]], 3 * (at[0] + 1) * size)),
        each(buffers[-1], lambda at: certain(buffers[-1][at])),
    )


def latent_draw(moments: Array, noise: Array) -> Answers:
    mean, log_var = np.split(moments, 2, axis=1)

    def draw(at: At) -> Bounded:
        added = mp.exp(mpf(log_var[at]) / 2) * mpf(noise[at])
        return Bounded(mpf(mean[at]) + added, 4 * (abs(mpf(mean[at])) + abs(added)))

    return each(noise, draw)


def latent_kl(moments: Array) -> Answers:
    def kl(at: At) -> Bounded:
        total, size = mpf(0), mpf(0)
        mean, log_var = np.split(moments[at], 2)
        for m, log in zip(map(mpf, mean.flat), map(mpf, log_var.flat), strict=True):
            gaussian = bound.Gaussian(m, mp.exp(log))
            total += bound.divergence(gaussian, bound.Gaussian(mpf(0), mpf(1)))
            size += m**2 + gaussian.var + 1 + abs(log)
        return Bounded(total, (8 + mean.size) * size)

    return each(np.zeros(len(moments)), kl)


def latent_scale(latents: Array) -> tuple[Answers, ...]:
    shifts, scales = [], []
    for channel in range(latents.shape[1]):
        z = [mpf(x) for x in latents[:, channel].flat]
        mean, n = sum(z) / len(z), len(z)
        root = mp.sqrt(sum((x - mean) ** 2 for x in z) / n)
        shifts.append(Bounded(mean, sum(map(abs, z)) + abs(mean)))
        scales.append(Bounded(root, 2 * sum(x**2 for x in z) / root))
    every = np.zeros(len(shifts))
    return each(every, lambda at: shifts[at[0]]), each(every, lambda at: scales[at[0]])


def to_latents(autoencoder: Autoencoder, x: Array, noise: Array | None) -> Answers:
    """The weights of the autoencoder are integers, so that its means are exact."""
    mean, log_var = np.split(autoencoder.encoder(x), 2, axis=1)

    def y(at: At) -> Bounded:
        shift, scale = (mpf(float(part[at[1]])) for part in autoencoder.scale)
        added = mpf(0)
        if noise is not None:
            added = mp.exp(mpf(log_var[at]) / 2) * mpf(noise[at])
        size = (abs(mpf(mean[at])) + abs(shift) + abs(added)) / scale
        return Bounded((mpf(mean[at]) + added - shift) / scale, 8 * size)

    return each(x, y)


def from_latents(autoencoder: Autoencoder, y: Array) -> Answers:
    shift, scale = autoencoder.scale
    decoded = autoencoder.decoder(y * scale + shift)  # integer weights and halves: exact
    weights = np.abs(autoencoder.decoder(np.eye(len(scale)))).T
    size = (np.abs(y) * scale + np.abs(shift)) @ weights.T
    return each(y, lambda at: Bounded(mpf(decoded[at]), 8 * mpf(size[at])))
