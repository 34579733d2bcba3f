"""Part of our adapter: samples at timesteps of their own, and denoisers of networks."""

import numpy as np
import torch

from ddpm_core import _types
from ddpm_core._types import Parameterization
from ddpm_core.clock import check_pair, gather
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.schedules import Schedule

from ...protocol import Array, Betas, Network, Prediction, SamplingSpec, Times
from .arrays import array, given, made, prediction_named, schedule_of, tensor
from .arrays import table as _table
from .sampling import sampler_on

QUANTIZED = (torch.int8, torch.float8_e4m3fn)


class Batches:
    """Methods of `protocol.Implementation` on timesteps of a batch and on networks, in float64."""

    def look_up(self, table: Array, t: Times | int) -> Array:
        return array(gather(_table(table), _time(t)))

    def coefficient(self, coef: Array, x: Array) -> Array:
        return array(_types.expand_to(_table(coef), tensor(x)))

    def pair_refusal(self, s: Times | int, t: Times | int, T: int) -> str:
        try:
            check_pair(_time(s), _time(t), T)
        except ValueError as error:
            return str(error)
        return ""

    def denoised(
        self,
        betas: Betas,
        name: str,
        network: Network,
        x_t: Array,
        t: Times | int,
        labels: Times | None,
        learns_variance: bool,
    ) -> Prediction:
        arguments = schedule_of(betas), network, prediction_named(name), learns_variance
        denoiser = made(_denoiser, *arguments)
        return _arrays(denoiser(tensor(x_t), _time(t), None if labels is None else tensor(labels)))

    def denoised_in(
        self, precision: str, betas: Betas, name: str, network: Network, x_t: Array, t: Times
    ) -> Array:
        module = _Weights(network, getattr(torch, precision))
        denoiser = NetworkDenoiser(schedule_of(betas), module, prediction_named(name))
        return array(denoiser(tensor(x_t), tensor(t)).x0_hat)

    def clipped(self, x0_hat: Array, low: float, high: float) -> Prediction:
        denoiser = ClipX0(lambda x_t, t, cond=None: _types.Prediction(x_t, x_t), low, high)
        return _arrays(denoiser(tensor(x0_hat), 1))

    def clipped_step(
        self,
        spec: SamplingSpec,
        name: str,
        network: Network,
        x_t: Array,
        s: int,
        t: int,
        noise: Array,
        low: float,
        high: float,
    ) -> Array:
        schedule = schedule_of(spec.betas)
        inner = _denoiser(schedule, network, prediction_named(name), False)
        sampler, denoiser, x = sampler_on(schedule, spec), ClipX0(inner, low, high), tensor(x_t)
        added = tensor(noise) if sampler.draws_noise(s, t) else None
        return array(sampler.step(denoiser, x, s, t, added, sampler.init(x))[0])


class _Weights(torch.nn.Module):
    """A network with weights of this dtype, which computes in it.

    Quantized weights precede them, and a normalisation in another dtype follows, as is common.
    """

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        other = torch.float64 if dtype == torch.float32 else torch.float32
        for i, quantized in enumerate(QUANTIZED):
            held = torch.nn.Parameter(torch.zeros(1).to(quantized), requires_grad=False)
            self.register_parameter(f"quantized_{i}", held)
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=dtype))
        self.norm = torch.nn.Parameter(torch.ones(1, dtype=other))

    def forward(self, x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        assert x.dtype == self.weight.dtype, f"x_t is {x.dtype}, the weights {self.weight.dtype}"
        return torch.from_numpy(self.network(given(x), times.numpy(), None)).to(x.dtype)


def _denoiser(
    schedule: Schedule, network: Network, parameterization: Parameterization, learns_variance: bool
) -> NetworkDenoiser:
    def evaluate(
        x: torch.Tensor, times: torch.Tensor, cond: torch.Tensor | None = None
    ) -> torch.Tensor:
        labels = None if cond is None else cond.numpy()
        return tensor(network(given(x), times.numpy(), labels))

    return NetworkDenoiser(schedule, evaluate, parameterization, learns_variance)


def _time(t: Times | int) -> torch.Tensor | int:
    return t if isinstance(t, int) else tensor(t)


def _arrays(prediction: _types.Prediction) -> Prediction:
    interpolation = prediction.var_interpolation
    return Prediction(
        array(prediction.x0_hat), np.empty(0) if interpolation is None else array(interpolation)
    )
