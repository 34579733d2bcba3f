"""Stochastic solvers in float64, since ddpm_core has none of them, and faults in each."""

import math
from itertools import pairwise

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import CHURN, STOCHASTIC


class Solvers(DdpmCore):
    """Every sampler of STOCHASTIC; the methods below are what the faults replace."""

    def claimed_orders(self):
        orders = {"sde-dpm++2m": 2, "euler-maruyama": 1, "euler-maruyama-ve": 1}
        return orders | {"churn": 1, "churn-heun": 2}

    def sample(self, spec, x_T, noises):
        if spec.sampler not in STOCHASTIC:
            return super().sample(spec, x_T, noises)
        clock = Clock(spec.betas)
        if spec.sampler in CHURN:
            return self.churned(spec, clock, x_T, noises)
        x, before = x_T, None
        for i, (t, s) in enumerate(pairwise(spec.times)):
            x0_hat = spec.denoiser(x, t)
            noise = noises[i] if s else 0 * x
            if spec.sampler == "sde-dpm++2m":
                ahead = self.extrapolated(clock, x0_hat, before, spec.times, i)
                x = self.sde(clock, x, ahead, s, t, noise)
            elif spec.sampler == "euler-maruyama":
                x = self.maruyama(clock, x, x0_hat, s, t, noise)
            else:
                x = self.maruyama_ve(clock, x, x0_hat, s, t, noise)
            before = x0_hat
        return x

    def extrapolated(self, clock, x0_hat, before, times, i):
        if i == 0 or times[i + 1] == 0:
            return x0_hat
        here, last = (clock.gain(times[j + 1], times[j]) for j in (i, i - 1))
        return x0_hat + here / last / 2 * (x0_hat - before)

    def sde(self, clock, x, x0_hat, s, t, noise):
        if s == 0:
            return x0_hat
        decay, std = math.exp(-clock.gain(s, t)), clock.std(s)
        drift = clock.scale(s) * -math.expm1(-2 * clock.gain(s, t)) * x0_hat
        spread = math.sqrt(-math.expm1(-2 * clock.gain(s, t)))
        return std / clock.std(t) * decay * x + drift + std * spread * noise

    def maruyama(self, clock, x, x0_hat, s, t, noise):
        b = clock.log_alpha_bar[s] - clock.log_alpha_bar[t]
        score = (clock.scale(t) * x0_hat - x) / clock.std(t) ** 2
        return x + b * (x / 2 + score) + math.sqrt(b) * noise

    def maruyama_ve(self, clock, x, x0_hat, s, t, noise):
        y, high, low = x / clock.scale(t), clock.sigma(t), clock.sigma(s)
        y = y + (high**2 - low**2) / high**2 * (x0_hat - y) + math.sqrt(high**2 - low**2) * noise
        return clock.scale(s) * y

    def churned(self, spec, clock, x, noises):
        gamma = min(spec.churn / (len(spec.times) - 1), math.sqrt(2) - 1)
        for (t, s), noise in zip(pairwise(spec.times), noises, strict=True):
            sigma, to = clock.sigma(t), clock.sigma(s)
            hat = sigma * (1 + gamma)
            y = x / clock.scale(t) + self.added(sigma, hat) * spec.noise_scale * noise
            slope = (y - self.at_hat(spec, clock, x, y, t, hat)) / hat
            moved = y + (to - hat) * slope
            if spec.sampler == "churn-heun" and s > 0:
                last = (moved - spec.denoiser(clock.scale(s) * moved, s)) / to
                moved = y + (to - hat) * (slope + last) / 2
            x = clock.scale(s) * moved
        return x

    def added(self, sigma, hat):
        return math.sqrt(hat**2 - sigma**2)

    def at_hat(self, spec, clock, x, y, t, hat):
        return spec.denoiser(y / math.sqrt(1 + hat**2), clock.timestep(hat))


class Clock:
    """Scale, noise and sigma of a schedule."""

    def __init__(self, betas):
        self.log_alpha_bar = np.cumsum([0.0, *np.log1p(-np.float64(betas))])

    def scale(self, t):
        return math.exp(self.log_alpha_bar[t] / 2)

    def std(self, t):
        return math.sqrt(-math.expm1(self.log_alpha_bar[t]))

    def sigma(self, t):
        return self.std(t) / self.scale(t)

    def gain(self, s, t):
        return math.log(self.sigma(t) / self.sigma(s))

    def timestep(self, sigma):
        times = range(1, len(self.log_alpha_bar))
        return float(np.interp(math.log(sigma), [math.log(self.sigma(t)) for t in times], times))


class FirstOrder(Solvers):
    def extrapolated(self, clock, x0_hat, before, times, i):
        return x0_hat


class UnequalStepsIgnored(Solvers):
    def extrapolated(self, clock, x0_hat, before, times, i):
        return x0_hat if before is None or times[i + 1] == 0 else 1.5 * x0_hat - 0.5 * before


class DriftOfTheOde(Solvers):
    """The deterministic step plus the noise of the stochastic one."""

    def sde(self, clock, x, x0_hat, s, t, noise):
        if s == 0:
            return x0_hat
        ode = clock.std(s) / clock.std(t) * x
        ode = ode - clock.scale(s) * math.expm1(-clock.gain(s, t)) * x0_hat
        spread = math.sqrt(-math.expm1(-2 * clock.gain(s, t)))
        return ode + clock.std(s) * spread * noise


class NoRoot(Solvers):
    def maruyama(self, clock, x, x0_hat, s, t, noise):
        b = clock.log_alpha_bar[s] - clock.log_alpha_bar[t]
        return super().maruyama(clock, x, x0_hat, s, t, math.sqrt(b) * noise)


class HalfTheScore(Solvers):
    """The drift of the probability flow with the noise of the SDE."""

    def maruyama(self, clock, x, x0_hat, s, t, noise):
        b = clock.log_alpha_bar[s] - clock.log_alpha_bar[t]
        score = (clock.scale(t) * x0_hat - x) / clock.std(t) ** 2
        return super().maruyama(clock, x, x0_hat, s, t, noise) - b * score / 2


class DifferenceOfSigmas(Solvers):
    """The standard deviation sigma_t - sigma_s instead of the root of the squares' difference."""

    def maruyama_ve(self, clock, x, x0_hat, s, t, noise):
        ratio = (clock.sigma(t) - clock.sigma(s)) / (clock.sigma(t) + clock.sigma(s))
        return super().maruyama_ve(clock, x, x0_hat, s, t, math.sqrt(ratio) * noise)

    def added(self, sigma, hat):
        return hat - sigma


class EvaluatedBeforeTheNoise(Solvers):
    """The denoiser at sigma and the state without the added noise."""

    def at_hat(self, spec, clock, x, y, t, hat):
        return spec.denoiser(x, t)


class TimestepBeforeTheNoise(Solvers):
    """The right state, with the timestep of the lower sigma."""

    def at_hat(self, spec, clock, x, y, t, hat):
        return spec.denoiser(y / math.sqrt(1 + hat**2), t)


class UnscaledNoise(Solvers):
    def sample(self, spec, x_T, noises):
        return super().sample(spec._replace(noise_scale=1.0), x_T, noises)


class NoCap(Solvers):
    def sample(self, spec, x_T, noises):
        steps = len(spec.times) - 1
        if spec.churn / steps < math.sqrt(2) - 1:
            return super().sample(spec, x_T, noises)
        larger = spec._replace(noise_scale=spec.noise_scale * 1.5)
        return super().sample(larger, x_T, noises)


FAULTS = (
    (FirstOrder, "sde-dpm++2m"),
    (UnequalStepsIgnored, "sde-dpm++2m"),
    (DriftOfTheOde, "sde-dpm++2m"),
    (NoRoot, "euler-maruyama"),
    (HalfTheScore, "euler-maruyama"),
    (DifferenceOfSigmas, "euler-maruyama-ve"),
    (DifferenceOfSigmas, "churn"),
    (EvaluatedBeforeTheNoise, "churn"),
    (EvaluatedBeforeTheNoise, "churn-heun"),
    (TimestepBeforeTheNoise, "churn-heun"),
    (UnscaledNoise, "churn"),
    (NoCap, "churn-heun"),
)
DIVERGING = (DriftOfTheOde, NoRoot, HalfTheScore, DifferenceOfSigmas, FirstOrder)
