"""Adapter of our own implementation; it calls the functions that training and sampling use."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

import ddpm_core
from ddpm_core._types import Prediction
from ddpm_core.data.dataset import Dataset
from ddpm_core.networks.embeddings import MAX_PERIOD, fourier_features, timestep_embedding
from ddpm_core.randomness import keyed_generator
from ddpm_core.training.build import seeded
from ddpm_core.training.ema import Ema, ema_decay

from ... import protocol
from ...protocol import Array, Betas, Guidance, Times
from .arrays import (
    alpha_bar_table,
    array,
    conditional_denoiser_of,
    gaussian_arrays,
    made,
    prediction_named,
    reused_objects,
    schedule_of,
    schedule_tables,
    table,
    tensor,
    timesteps_of,
)
from .batches import Batches
from .defaults import Defaults
from .latents import Latents
from .likelihood import Likelihood
from .parts import Parts
from .paths import Paths
from .precisions import Precisions
from .sampling import Sampling
from .training import Training


class DdpmCore(
    Batches, Defaults, Sampling, Training, Likelihood, Latents, Parts, Paths, Precisions
):
    """ddpm_core in float64; see `protocol.Implementation`."""

    name = "ddpm_core"
    unit_roundoff = float(np.finfo(np.float64).epsneg)

    def alpha_bar(self, betas: Betas) -> Array:
        return alpha_bar_table(schedule_of(betas))

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> protocol.Gaussian:
        return gaussian_arrays(ddpm_core.q_marginal(schedule_of(betas), tensor(x_0), tensor(t)))

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> protocol.Gaussian:
        return gaussian_arrays(ddpm_core.q_step(schedule_of(betas), *map(tensor, (x_s, s, t))))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(ddpm_core.q_sample(schedule_of(betas), *map(tensor, (x_0, t, noise))))

    def q_posterior(
        self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times
    ) -> protocol.Gaussian:
        return gaussian_arrays(
            ddpm_core.q_posterior(schedule_of(betas), *map(tensor, (x_0, x_t, s, t)))
        )

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        arguments = map(tensor, (value, x_t, t))
        names = prediction_named(source), prediction_named(target)
        return array(ddpm_core.convert(schedule_of(betas), *names, *arguments))

    def convert_data(
        self, betas: Betas, source: str, target: str, value: Array, x_0: Array
    ) -> Array:
        return self.convert(betas, source, target, value, x_0, np.zeros(len(x_0), np.int64))

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        arguments = map(tensor, (x_0, noise, t))
        return array(
            ddpm_core.prediction_target(schedule_of(betas), prediction_named(name), *arguments)
        )

    def loss(self, prediction: Array, target: Array) -> Array:
        return array(ddpm_core.l_simple(tensor(prediction), tensor(target)).per_sample)

    def weighted_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        loss = ddpm_core.l_simple(tensor(prediction), tensor(target))
        return array(loss.weighted(table(weight)).per_sample)

    def mean_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        loss = ddpm_core.l_simple(tensor(prediction), tensor(target))
        return array(loss.weighted(table(weight)).mean)

    def constant_weight(self, betas: Betas, name: str, t: Times, zero_terminal: bool) -> Array:
        schedule = schedule_of(betas, zero_terminal)
        return array(ddpm_core.constant_weight(schedule, prediction_named(name), tensor(t)))

    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        schedule = schedule_of(betas, zero_terminal)
        return array(ddpm_core.min_snr_weight(schedule, prediction_named(name), tensor(t), gamma))

    def guided(self, guidance: Guidance, x_t: Array, t: Times | int, labels: Times | None) -> Array:
        cond = None if labels is None else tensor(labels)
        return array(made(_guided, guidance)(tensor(x_t), tensor(t), cond).x0_hat)

    def guided_interpolation(self, guidance: Guidance, x_t: Array, t: int, labels: Times) -> Array:
        interpolation = made(_guided, guidance)(tensor(x_t), t, tensor(labels)).var_interpolation
        return np.empty(0) if interpolation is None else array(interpolation)

    def drop_labels(self, labels: Times, probability: float, seed: int) -> Times:
        generator = keyed_generator(seed, "label dropout")
        return array(
            ddpm_core.drop_labels(tensor(labels), probability, protocol.NO_LABEL, generator)
        )

    def schedule(self, name: str, T: int) -> Array:
        return alpha_bar_table(getattr(ddpm_core.Schedule, name)(T))

    def shaped_schedule(
        self, name: str, T: int, shape: Mapping[str, float]
    ) -> protocol.ScheduleTables:
        return schedule_tables(getattr(ddpm_core.Schedule, name)(T, **shape))

    def betas(self, alpha_bar: Array) -> Array:
        schedule = ddpm_core.Schedule.from_alpha_bar(table(alpha_bar))
        return array(schedule.beta(timesteps_of(schedule)[1:]))

    def log_snr(self, betas: Betas, t: Times) -> Array:
        return array(schedule_of(betas).log_snr(tensor(t)))

    def zero_terminal_snr(self, betas: Betas) -> Array:
        return alpha_bar_table(schedule_of(betas).with_zero_terminal_snr())

    def rescaled(self, betas: Betas, count: int) -> protocol.ScheduleTables:
        schedule = schedule_of(betas)
        for _ in range(count):
            schedule = schedule.with_zero_terminal_snr()
        return schedule_tables(schedule)

    def embedding(self, t: Times, width: int) -> Array:
        return array(timestep_embedding(tensor(t), width))

    def embedding_of_period(self, t: Times, width: int, max_period: float) -> Array:
        return array(timestep_embedding(tensor(t), width, max_period))

    def embedding_layout(self) -> protocol.Layout:
        return protocol.Layout(interleaved=False, max_period=MAX_PERIOD)

    def fourier_features(self, x: Array, frequencies: tuple[int, ...]) -> Array:
        return array(fourier_features(tensor(x), frequencies))

    def output_dtype_and_device(self, method: str, dtype: str, device: str) -> tuple[str, str]:
        schedule = ddpm_core.Schedule.cosine(8)
        x = torch.zeros(2, 3, dtype=getattr(torch, dtype), device=device)
        s, t = (torch.full((2,), each, device=device) for each in (2, 4))
        outputs = {
            "q_marginal": lambda: ddpm_core.q_marginal(schedule, x, t).mean,
            "q_step": lambda: ddpm_core.q_step(schedule, x, s, t).mean,
            "q_sample": lambda: ddpm_core.q_sample(schedule, x, t, x),
            "q_posterior": lambda: ddpm_core.q_posterior(schedule, x, x, s, t).mean,
            "convert": lambda: ddpm_core.convert(schedule, "eps", "v", x, x, t),
            "target": lambda: ddpm_core.prediction_target(schedule, "v", x, x, t),
        }
        output = outputs[method]()
        return str(output.dtype).removeprefix("torch."), output.device.type

    def global_state(self) -> bytes:
        defaults = repr((torch.get_default_dtype(), torch.is_grad_enabled())).encode()
        state = repr(np.random.get_state()).encode()  # noqa: NPY002 - the global generator
        return b"".join([bytes(torch.get_rng_state().tolist()), defaults, state])

    def accepts_int_timesteps(self) -> bool:
        return True

    def reused_objects(self) -> AbstractContextManager[None]:
        return reused_objects()

    def network(self, x_t: Array, t: Times, perturbed: bool) -> Array:
        network = _network(x_t.shape[1], perturbed)
        with torch.no_grad():
            return array(network(tensor(x_t).float(), tensor(t)))

    def gradients(self, x_t: Array, t: Times) -> dict[str, float]:
        network = _network(x_t.shape[1], perturbed=True)
        network.zero_grad()
        network(tensor(x_t).float(), tensor(t)).square().mean().backward()
        found = {name: each.grad for name, each in network.named_parameters()}
        return {name: math.nan if g is None else float(g.abs().max()) for name, g in found.items()}

    def ema(self, decay: float, weights: Array, buffers: Array) -> protocol.Averages:
        network = torch.nn.Module()
        network.weight = torch.nn.Parameter(tensor(weights[0]).detach().clone())
        network.register_buffer("statistic", tensor(buffers[0]).detach().clone())
        average, rows = Ema(network, decay), []
        for step, (weight, buffer) in enumerate(zip(weights[1:], buffers[1:], strict=True)):
            network.weight.data.copy_(tensor(weight))  # in place, as an optimizer does
            network.statistic.copy_(tensor(buffer).detach())
            average.update(network, step)
            network.weight.data.fill_(math.pi)  # no average shares memory with the weights
            network.statistic.fill_(math.pi)
            rows.append(average.network.weight.clone())
        decays = np.array([ema_decay(step, decay) for step in range(len(rows))])
        return protocol.Averages(decays, array(torch.stack(rows)), array(average.network.statistic))

    def ema_of(self, kind: str, decay: float, values: Array) -> Array:
        dtypes = {"count": torch.int64, "flag": torch.bool}
        rows, network = tensor(values).to(dtypes.get(kind, torch.float64)), torch.nn.Module()
        network.trained = torch.nn.Parameter(torch.zeros(1))
        if kind == "frozen":
            network.held = torch.nn.Parameter(rows[0].clone(), requires_grad=False)
        else:
            network.register_buffer("held", rows[0].clone())
        average = Ema(network, decay)
        for step, row in enumerate(rows[1:]):
            network.held.copy_(row)
            average.update(network, step)
        return array(average.network.held.detach().double())

    def ema_warms_up(self) -> bool:
        return True

    def to_unit_range(self, images: NDArray[np.uint8], grey_levels: int) -> Array:
        more = torch.from_numpy(np.concatenate([np.zeros_like(images[:1]), images]))
        every = torch.arange(len(more))
        data = Dataset("given", more, None, (), grey_levels, every, every[:0], every[:0])
        return array(data.take(every[1:] if len(images) else every))

    def continuous_images(self, images: Array, indices: Times) -> Array:
        return array(Dataset.of(tensor(images).float()).take(tensor(indices)))


@lru_cache
def _network(channels: int, perturbed: bool) -> ddpm_core.UNet:
    with seeded(0):
        network = ddpm_core.UNet(channels, width=8, multipliers=(1, 2), dropout=0.5)
        for parameter in network.parameters() if perturbed else ():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def _guided(guidance: Guidance) -> ddpm_core.Guided:
    """Return a guided denoiser whose variance interpolation is its prediction."""
    plain = conditional_denoiser_of(guidance.denoiser)

    def denoiser(
        x_t: torch.Tensor, t: torch.Tensor | int, cond: torch.Tensor | None = None
    ) -> Prediction:
        prediction = plain(x_t, t, cond).x0_hat
        return Prediction(prediction, prediction)

    no_label = protocol.NO_LABEL if guidance.together else None
    return ddpm_core.Guided(denoiser, guidance.scale, no_label, guidance.rescale, guidance.interval)
