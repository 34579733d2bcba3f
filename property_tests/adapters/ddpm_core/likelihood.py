"""The methods of our own implementation on densities and the variational bound."""

from typing import Any

import numpy as np
import torch

from ddpm_core import _types
from ddpm_core.forward_process import q_sample
from ddpm_core.learned_variance import l_hybrid, timestep_probabilities
from ddpm_core.likelihood import (
    bits_per_dim,
    dequantised_bits_per_dim,
    reverse_of,
    stratified_vlb,
    vlb_terms,
)
from ddpm_core.losses import Loss, gaussian_kl, log_grey_level
from ddpm_core.probability_flow import flow_bound, flow_log_density, probability_flow
from ddpm_core.randomness import keyed_generator
from ddpm_core.samplers.ancestral import Ancestral, reverse_kernel
from ddpm_core.schedules import Schedule
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.step import objective

from ... import protocol
from ...protocol import (
    Array,
    Betas,
    Denoiser,
    DenoiserWithJacobian,
    Flow,
    FlowDensity,
    Hybrid,
    ReverseKernel,
    Times,
)
from .arrays import (
    array,
    denoiser_of,
    differentiable,
    gaussian_arrays,
    gaussian_tensors,
    given,
    labels_of,
    schedule_of,
    table,
    tensor,
    times_of,
    variance_named,
)


class Likelihood:
    """The methods of `protocol.Implementation` on densities, in float64."""

    def gaussian_kl(self, left: protocol.Gaussian, right: protocol.Gaussian) -> Array:
        return array(gaussian_kl(gaussian_tensors(left), gaussian_tensors(right)))

    def log_grey_level(self, decoder: protocol.Gaussian, x_0: Array, grey_levels: int) -> Array:
        return array(log_grey_level(gaussian_tensors(decoder), tensor(x_0), grey_levels))

    def reverse_kernel(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
    ) -> protocol.Gaussian:
        arguments = map(tensor, (x0_hat, x_t, s, t))
        return gaussian_arrays(
            reverse_kernel(schedule_of(betas), *arguments, variance_named(variance))
        )

    def decoder_variance(self, variance: str) -> str:
        return "beta_1"

    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> protocol.Gaussian:
        arguments = map(tensor, (x0_hat, x_t, s, t))
        kernel = reverse_kernel(
            schedule_of(betas), *arguments, "learned_range", tensor(interpolation)
        )
        return gaussian_arrays(kernel)

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
        sampler = Ancestral(schedule_of(betas), variance="learned_range")
        prediction = _types.Prediction(tensor(x0_hat), tensor(interpolation))
        return array(sampler.step(lambda x, t: prediction, tensor(x_t), s, t, tensor(noise))[0])

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
        schedule, config = schedule_of(betas), TrainConfig(loss="hybrid", parameterization="eps")
        outputs = tuple(tensor(each).requires_grad_() for each in (eps_hat, var_output))
        data, target, timestep = map(tensor, (x_0, noise, t))
        x_t = q_sample(schedule, data, timestep, target)
        output = torch.cat(outputs, dim=1)
        _, loss = objective(config, schedule, output, target, data, x_t, timestep, grey_levels)
        gradients = torch.autograd.grad(loss.per_sample.sum(), outputs)
        return Hybrid(array(loss.per_sample), *(array(each) for each in gradients))

    def hybrid_of_weight(
        self,
        betas: Betas,
        losses: Array,
        x_0: Array,
        x_t: Array,
        t: Times,
        reverse: protocol.Gaussian,
        grey_levels: int | None,
        weight: float,
    ) -> Array:
        simple, *arrays = Loss(tensor(losses)), *map(tensor, (x_0, x_t, t))
        arguments = schedule_of(betas), simple, *arrays, gaussian_tensors(reverse), grey_levels
        return array(l_hybrid(*arguments, weight=weight).per_sample)

    def timestep_probabilities(self, mean_squares: Array) -> Array:
        return array(timestep_probabilities(table(mean_squares)))

    def vlb_terms(
        self,
        betas: Betas,
        x_0: Array,
        reverse: ReverseKernel,
        noises: list[Array],
        grey_levels: int | None,
        times: tuple[int, ...],
    ) -> Array:
        tape = dict(zip(times, map(tensor, noises), strict=False))
        arguments = schedule_of(betas), tensor(x_0), _tensor_kernel(reverse), tape.__getitem__
        options = {"grey_levels": grey_levels, "times": times_of(times, betas)}
        return array(vlb_terms(*arguments, **options))

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
        schedule, tape = schedule_of(betas), dict(zip(times, map(tensor, noises), strict=False))
        arguments = schedule, tensor(x_0), _reverse(schedule, variance, denoiser), tape.__getitem__
        options = {"grey_levels": grey_levels, "times": times_of(times, betas)}
        return array(vlb_terms(*arguments, **options))

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
        generator = keyed_generator(seed, "bound")
        arguments = schedule_of(betas), tensor(x_0), _tensor_kernel(reverse), generator
        options = {"grey_levels": grey_levels, "strata": strata, "antithetic": antithetic}
        return array(stratified_vlb(*arguments, **options))

    def stratified_vlb_of_denoiser(
        self,
        betas: Betas,
        variance: str,
        x_0: Array,
        denoiser: Denoiser,
        strata: int,
        antithetic: bool,
        seed: int,
        grey_levels: int | None,
    ) -> Array:
        schedule, generator = schedule_of(betas), keyed_generator(seed, "bound")
        reverse = _reverse(schedule, variance, denoiser)
        options = {"grey_levels": grey_levels, "strata": strata, "antithetic": antithetic}
        return array(stratified_vlb(schedule, tensor(x_0), reverse, generator, **options))

    def bits_per_dim(self, nats: Array, dims: int) -> Array:
        return array(bits_per_dim(tensor(nats), dims))

    def dequantised_bits_per_dim(self, nats: Array, dims: int, grey_levels: int) -> Array:
        return array(dequantised_bits_per_dim(tensor(nats), dims, grey_levels))

    def probability_flow(
        self,
        betas: Betas,
        x_1: Array,
        denoiser: DenoiserWithJacobian,
        probes: Array | None,
        times: tuple[int, ...],
    ) -> Flow:
        vectors = None if probes is None else tensor(probes)
        arguments = schedule_of(betas), differentiable(denoiser), tensor(x_1), vectors
        options = {"times": times_of(times, betas), "cond": labels_of(denoiser)}
        flow = probability_flow(*arguments, **options)
        return Flow(array(flow.x_T), array(flow.log_volume))

    def flow_log_density(
        self,
        betas: Betas,
        x_1: Array,
        denoiser: DenoiserWithJacobian,
        probes: Array | None,
        times: tuple[int, ...],
    ) -> FlowDensity:
        vectors = None if probes is None else tensor(probes)
        arguments = schedule_of(betas), differentiable(denoiser), tensor(x_1), vectors
        options = {"times": times_of(times, betas), "cond": labels_of(denoiser)}
        density = flow_log_density(*arguments, **options)
        found = FlowDensity(*(array(getattr(density, each)) for each in FlowDensity._fields))
        return found._replace(probe_error=np.nan_to_num(found.probe_error, nan=protocol.UNKNOWN))

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
        arrays = tensor(x_0), tensor(x_1), table(log_p_1)
        arguments = schedule_of(betas), *arrays, _tensor_kernel(reverse)
        options: dict[str, Any] = {} if t == 1 else {"t": t}
        return array(flow_bound(*arguments, grey_levels=grey_levels, **options))


def _reverse(schedule: Schedule, variance: str, denoiser: Denoiser) -> Any:
    """Return the reverse kernel of a denoiser, whose prediction is also its interpolation."""
    predict = denoiser_of(denoiser)

    def predicted(x_t: torch.Tensor, t: Any, cond: Any = None) -> _types.Prediction:
        x0_hat = predict(x_t, t, cond).x0_hat
        return _types.Prediction(x0_hat, x0_hat if variance == "learned_range" else None)

    return reverse_of(schedule, predicted, variance_named(variance), labels_of(denoiser))


def _tensor_kernel(reverse: ReverseKernel) -> Any:
    def kernel(x_t: torch.Tensor, s: int | torch.Tensor, t: int | torch.Tensor) -> _types.Gaussian:
        timesteps = (np.broadcast_to(each, x_t.shape[:1]) for each in (s, t))
        return gaussian_tensors(reverse(given(x_t), *timesteps))

    return kernel
