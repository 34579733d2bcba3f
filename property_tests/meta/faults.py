"""Injected faults: our own adapter with one fault each, beyond the known bugs and the mutants."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Gaussian


class BatchMeanLoss(DdpmCore):
    def loss(self, *arguments):
        return super().loss(*arguments) * 0 + super().loss(*arguments).mean()


class AlwaysFloat32(DdpmCore):
    def output_dtype_and_device(self, method, dtype, device):
        return super().output_dtype_and_device(method, "float32", device)


class NoiseFromTheGlobalGenerator(DdpmCore):
    def training_draw(self, *arguments):
        np.random.standard_normal()  # noqa: NPY002 - the fault
        return super().training_draw(*arguments)


class WrappingTimesteps(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        return super().q_sample(betas, x_0, t % (len(betas) + 1), noise)


class NonmonotoneAlphaBar(DdpmCore):
    def schedule(self, name, T):
        table = super().schedule(name, T)
        return np.concatenate([table[:-2], table[:-3:-1]]) if T > 2 else table


class ShiftWithoutScale(DdpmCore):
    def zero_terminal_snr(self, betas):
        root = np.sqrt(self.alpha_bar(betas))
        return np.append(1.0, (root[1:] - root[-1]) ** 2)


class HalvedTimesteps(DdpmCore):
    def embedding(self, t, width):
        return super().embedding(t // 2, width)


class SharedNoise(DdpmCore):
    def draw_samples(self, *arguments):
        samples = super().draw_samples(*arguments)
        return samples[:1] + 0 * samples


class StateFromThePreviousRun(DdpmCore):
    previous = np.zeros(1)

    def sample(self, spec, x_T, noises):
        shifted, self.previous = super().sample(spec, x_T, noises) + self.previous.flat[0], x_T
        return shifted


class InflatedPosteriorVariance(DdpmCore):
    def q_posterior(self, *arguments):
        mean, var = super().q_posterior(*arguments)
        return Gaussian(mean, 1.1 * var)


class BatchStatistics(DdpmCore):
    def network(self, x_t, t, perturbed):
        return super().network(x_t - x_t.mean(axis=0), t, perturbed)


class NoZeroInitialization(DdpmCore):
    def network(self, x_t, t, perturbed):
        return super().network(x_t, t, perturbed=True)


class IgnoresTimesteps(DdpmCore):
    def network(self, x_t, t, perturbed):
        return super().network(x_t, 0 * t, perturbed)


class DropoutInEvaluation(DdpmCore):
    def network(self, x_t, t, perturbed):
        return super().network(x_t, t, perturbed) * np.random.default_rng().uniform(0.5, 1.5)


class SortedNetworkTimesteps(DdpmCore):
    def network(self, x_t, t, perturbed):
        return super().network(x_t, np.sort(t), perturbed)


class DeadParameter(DdpmCore):
    def gradients(self, x_t, t):
        return super().gradients(x_t, t) | {"class embedding": 0.0}


class ClippedData(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        return super().q_sample(betas, x_0.clip(-1, 1), t, noise)


class ShiftedPosterior(DdpmCore):
    def q_posterior(self, betas, x_0, x_t, s, t):
        mean, var = super().q_posterior(betas, x_0, x_t, s, t)
        return Gaussian(mean + 1e-6, var)


class MissingEarlyTimesteps(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        t = np.maximum(draw.t, len(betas) // 10 + 1)
        return draw._replace(t=t, x_t=self.q_sample(betas, x_0, t, draw.noise))


class MissingLastTimestep(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        t = np.minimum(draw.t, 999)
        return draw._replace(t=t, x_t=self.q_sample(betas, x_0, t, draw.noise))


class PairedTimesteps(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        t = draw.t[np.arange(len(draw.t)) // 2 * 2]
        return draw._replace(t=t, x_t=self.q_sample(betas, x_0, t, draw.noise))


class SortedTimesteps(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        t = np.sort(draw.t)
        return draw._replace(t=t, x_t=self.q_sample(betas, x_0, t, draw.noise))


class ClippedAtLargeTimesteps(DdpmCore):
    def sample(self, spec, x_T, noises):
        def clipped(x_t, t):
            x0_hat = spec.denoiser(x_t, t)
            return x0_hat.clip(-1, 1) if t > 100 else x0_hat

        return super().sample(spec._replace(denoiser=clipped), x_T, noises)


class ClampedNoise(DdpmCore):
    def training_draw(self, betas, x_0, seed):
        draw = super().training_draw(betas, x_0, seed)
        noise = draw.noise.clip(-3, 3)
        return draw._replace(noise=noise, x_t=self.q_sample(betas, x_0, draw.t, noise))


class PredictionsOffByOne(DdpmCore):
    def predictions(self, *arguments):
        return np.roll(super().predictions(*arguments), 1, axis=0) + 1


class DefaultTimestepsWithoutT(DdpmCore):
    def default_timesteps(self, T):
        return super().default_timesteps(T)[1:]


class ReversedFrequencies(DdpmCore):
    def fourier_features(self, x, frequencies):
        return super().fourier_features(x, frequencies[::-1])


class CancellationInNoise(DdpmCore):
    def shaped_schedule(self, *arguments):
        schedule = super().shaped_schedule(*arguments)
        return schedule._replace(noise=1 - schedule.signal)

    def rescaled(self, *arguments):
        schedule = super().rescaled(*arguments)
        return schedule._replace(noise=1 - schedule.signal)


class FixedMaxBeta(DdpmCore):
    def shaped_schedule(self, name, T, shape):
        return super().shaped_schedule(name, T, {**shape, "max_beta": 0.25})


class BetasOffByOne(DdpmCore):
    def betas(self, alpha_bar):
        return np.roll(super().betas(alpha_bar), 1)


class LogSnrInBits(DdpmCore):
    def log_snr(self, *arguments):
        return super().log_snr(*arguments) / np.log(2)


class HeunAsDdim(DdpmCore):
    def sample(self, spec, x_T, noises):
        return super().sample(spec._replace(sampler="ddim"), x_T, noises)


class FirstOrderOnly(DdpmCore):
    def sample(self, spec, x_T, noises):
        return super().sample(spec._replace(sampler="dpm++1"), x_T, noises)


class SmallerNoise(DdpmCore):
    """Noise whose standard deviation is 2 % too small, in every step."""

    def sample(self, spec, x_T, noises):
        return super().sample(spec, x_T, [0.98 * each for each in noises])


class ScaledPredictions(DdpmCore):
    def sample(self, spec, x_T, noises):
        def scaled(x_t, t):
            return 1.001 * spec.denoiser(x_t, t)

        return super().sample(spec._replace(denoiser=scaled), x_T, noises)


class StateAsPrediction(DdpmCore):
    def sample(self, spec, x_T, noises):
        if spec.sampler == "ddim":
            return super().sample(spec, x_T, noises)
        return super().sample(spec._replace(denoiser=lambda x_t, t: x_t), x_T, noises)


class InversionFromAHigherTimestep(DdpmCore):
    def encode(self, spec, x, timestep):
        rest = [each for each in spec.times if each != timestep or each == spec.times[0]]
        higher = min(rest[:-1]) if timestep == 0 else min(t for t in rest if t > timestep)
        return super().encode(spec, x, higher if higher != spec.times[0] else timestep) * 1.01


class ConstantStride(DdpmCore):
    """The target of a step is T // N below its source, independent of the next step."""

    def sample(self, spec, x_T, noises):
        stride, x = len(spec.betas) // len([*noises, x_T]), x_T
        for t, noise in zip(spec.times, [*noises, x_T], strict=False):
            s, x0_hat = max(t - stride, 0), spec.denoiser(x, t)
            x = self.ddim_step(spec.betas, spec.eta, x0_hat, x, s, t, noise)
        return x


class StrideAlongEvenTimesteps(DdpmCore):
    """Timesteps from T to 1, evenly spaced, and steps of T // N from each of them."""

    def own_timesteps(self, betas, sampler, steps):
        return super().timestep_spacing("linspace", betas, steps)

    def sample(self, spec, x_T, noises):
        stride, x = len(spec.betas) // (len(spec.times) - 1), x_T
        for t, noise in zip(spec.times[:-1], [*noises, x_T], strict=True):
            x = self.ddim_step(
                spec.betas, spec.eta, spec.denoiser(x, t), x, max(t - stride, 0), t, noise
            )
        return x


class StrideAlongTrailingTimesteps(StrideAlongEvenTimesteps):
    """The same along multiples of T / N, which is wrong only if N does not divide T."""

    def own_timesteps(self, betas, sampler, steps):
        return super().timestep_spacing("trailing", betas, steps)

    def claimed_orders(self):
        return {"ddim": 1.0}


class HalvedEta(DdpmCore):
    def ddim_step(self, betas, eta, *arguments):
        return super().ddim_step(betas, eta / 2, *arguments)


class NoZeroTerminalRescaling(DdpmCore):
    def sample(self, spec, x_T, noises):
        return super().sample(spec._replace(zero_terminal=False), x_T, noises)


class ShiftedTimestep(DdpmCore):
    def timestep_spacing(self, *arguments):
        *upper, last, _ = super().timestep_spacing(*arguments)
        moved = upper[-1] - 2 if upper and upper[-1] - 2 > last else None
        return (*upper[:-1], moved, last, 0) if moved else (*upper, last, 0)


class OneStepTooFew(DdpmCore):
    def timestep_spacing(self, name, betas, steps, *more):
        return super().timestep_spacing(name, betas, max(steps - 1, 1), *more)
