"""Our own implementation, through the very functions that training and sampling call."""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

import ddpm_core
from ddpm_core._types import Parameterization, Prediction
from ddpm_core.networks.embeddings import MAX_PERIOD, fourier_features, timestep_embedding
from ddpm_core.randomness import keyed_generator
from ddpm_core.samplers.ancestral import Variance
from ddpm_core.samplers.base import Snapshot
from ddpm_core.samplers.ladders import LADDERS
from ddpm_core.training.data import Dataset
from ddpm_core.training.ema import Ema, ema_decay
from ddpm_core.training.setup import seeded
from ddpm_core.training.step import diffuse

from .. import protocol
from ..protocol import Array, Betas, Chain, Denoiser, Draw, Guidance, LabelledDenoiser, Times


class DdpmCore:
    """ddpm_core in float64; see `protocol.Implementation`."""

    name = "ddpm_core"
    unit_roundoff = float(np.finfo(np.float64).epsneg)

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_schedule(betas))

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> protocol.Normal:
        return _normal(ddpm_core.q_marginal(_schedule(betas), _tensor(x_0), _tensor(t)))

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> protocol.Normal:
        return _normal(ddpm_core.q_step(_schedule(betas), *map(_tensor, (x_s, s, t))))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return ddpm_core.q_sample(_schedule(betas), *map(_tensor, (x_0, t, noise))).numpy()

    def q_posterior(
        self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times
    ) -> protocol.Normal:
        return _normal(ddpm_core.q_posterior(_schedule(betas), *map(_tensor, (x_0, x_t, s, t))))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        arguments = map(_tensor, (value, x_t, t))
        names = _known(source), _known(target)
        return ddpm_core.convert(_schedule(betas), *names, *arguments).numpy()

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        arguments = map(_tensor, (x_0, noise, t))
        return ddpm_core.prediction_target(_schedule(betas), _known(name), *arguments).numpy()

    def loss(self, prediction: Array, target: Array) -> Array:
        return ddpm_core.l_simple(_tensor(prediction), _tensor(target)).per_sample.numpy()

    def weighted_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        loss = ddpm_core.l_simple(_tensor(prediction), _tensor(target))
        return loss.weighted(_tensor(weight)).per_sample.numpy()

    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        schedule = _schedule(betas, zero_terminal)
        return ddpm_core.min_snr_weight(schedule, _known(name), _tensor(t), gamma).numpy()

    def guided(self, guidance: Guidance, x_t: Array, t: int, labels: Times | None) -> Array:
        denoiser = _labelled(guidance.denoiser)
        no_label = protocol.NO_LABEL if guidance.together else None
        guided = ddpm_core.Guided(
            denoiser, guidance.scale, no_label, guidance.rescale, guidance.interval
        )
        cond = None if labels is None else _tensor(labels)
        return guided(_tensor(x_t), t, cond).x0_hat.numpy()

    def drop_labels(self, labels: Times, share: float, seed: int) -> Times:
        generator = keyed_generator(seed, "label dropout")
        return ddpm_core.drop_labels(_tensor(labels), share, protocol.NO_LABEL, generator).numpy()

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        drawn = diffuse(_schedule(betas), _tensor(x_0), keyed_generator(seed, "training"))
        return Draw(*(each.numpy() for each in drawn))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        sampler = ddpm_core.Ancestral(_schedule(betas), (), _variance(variance))
        return _step(sampler, x0_hat, x_t, s, t, noise)

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        return _step(ddpm_core.DDIM(_schedule(betas), eta=eta), x0_hat, x_t, s, t, noise)

    def encode(self, chain: Chain, x: Array, level: int) -> Array:
        denoiser = _denoiser(chain.denoiser)
        return ddpm_core.invert(_sampler(chain), denoiser, _tensor(x), level=level).numpy()

    def sample(self, chain: Chain, x_T: Array, noises: list[Array]) -> Array:
        *_, last = _snapshots(chain, x_T, noises)
        return last.x_t.numpy()

    def guesses(self, chain: Chain, x_T: Array, noises: list[Array]) -> Array:
        *visited, _ = _snapshots(chain, x_T, noises)
        return torch.stack([each.x0_hat for each in visited]).numpy()

    def default_times(self, T: int) -> tuple[int, ...]:
        return ddpm_core.Ancestral(ddpm_core.Schedule.cosine(T)).times

    def draw_samples(self, chain: Chain, shape: tuple[int, ...], seed: int) -> Array:
        sampler, denoiser, event = _sampler(chain), _denoiser(chain.denoiser), shape[1:]
        numbered = {"indices": range(shape[0]), "seed": seed, "dtype": torch.float64}
        *_, last = ddpm_core.generate(sampler, denoiser, event, **numbered)
        return last.x_t.numpy()

    def ladder(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        return LADDERS[name](_schedule(betas, zero_terminal), steps)

    def schedule(self, name: str, T: int) -> Array:
        return _table(getattr(ddpm_core.Schedule, name)(T))

    def shaped_schedule(self, name: str, T: int, shape: Mapping[str, float]) -> protocol.Levels:
        return _levels(getattr(ddpm_core.Schedule, name)(T, **shape))

    def betas(self, alpha_bar: Array) -> Array:
        schedule = ddpm_core.Schedule.from_alpha_bar(_tensor(alpha_bar))
        return schedule.beta(_clock(schedule)[1:]).numpy()

    def log_snr(self, betas: Betas, t: Times) -> Array:
        return _schedule(betas).log_snr(_tensor(t)).numpy()

    def zero_terminal_snr(self, betas: Betas) -> Array:
        return _table(_schedule(betas).with_zero_terminal_snr())

    def rescaled(self, betas: Betas, times: int) -> protocol.Levels:
        schedule = _schedule(betas)
        for _ in range(times):
            schedule = schedule.with_zero_terminal_snr()
        return _levels(schedule)

    def embedding(self, t: Times, width: int) -> Array:
        return timestep_embedding(_tensor(t), width).double().numpy()

    def embedding_layout(self) -> protocol.Layout:
        return protocol.Layout(interleaved=False, max_period=MAX_PERIOD)

    def fourier_features(self, x: Array, octaves: tuple[int, ...]) -> Array:
        return fourier_features(_tensor(x), octaves).numpy()

    def kept(self, method: str, dtype: str, device: str) -> tuple[str, str]:
        schedule = ddpm_core.Schedule.cosine(8)
        x = torch.zeros(2, 3, dtype=getattr(torch, dtype), device=device)
        answers = {
            "q_marginal": lambda: ddpm_core.q_marginal(schedule, x, 4).mean,
            "q_step": lambda: ddpm_core.q_step(schedule, x, 2, 4).mean,
            "q_sample": lambda: ddpm_core.q_sample(schedule, x, 4, x),
            "q_posterior": lambda: ddpm_core.q_posterior(schedule, x, x, 2, 4).mean,
            "convert": lambda: ddpm_core.convert(schedule, "eps", "v", x, x, 4),
            "target": lambda: ddpm_core.prediction_target(schedule, "v", x, x, 4),
        }
        answer = answers[method]()
        return str(answer.dtype).removeprefix("torch."), answer.device.type

    def global_state(self) -> bytes:
        defaults = repr((torch.get_default_dtype(), torch.is_grad_enabled())).encode()
        drawn = repr(np.random.get_state()).encode()  # noqa: NPY002 - the global one is meant
        return b"".join([bytes(torch.get_rng_state().tolist()), defaults, drawn])

    def network(self, x_t: Array, t: Times, moved: bool) -> Array:
        with torch.no_grad():
            return _network(x_t.shape[1], moved)(_tensor(x_t).float(), _tensor(t)).double().numpy()

    def gradients(self, x_t: Array, t: Times) -> dict[str, float]:
        network = _network(x_t.shape[1], moved=True)
        network.zero_grad()
        network(_tensor(x_t).float(), _tensor(t)).square().mean().backward()
        found = {name: each.grad for name, each in network.named_parameters()}
        return {name: math.nan if g is None else float(g.abs().max()) for name, g in found.items()}

    def ema(self, decay: float, weights: Array, buffers: Array) -> protocol.Averages:
        network = torch.nn.Module()
        network.weight = torch.nn.Parameter(_tensor(weights[0]))
        network.register_buffer("statistic", _tensor(buffers[0]))
        average, rows = Ema(network, decay), []
        for step, (weight, buffer) in enumerate(zip(weights[1:], buffers[1:], strict=True)):
            network.weight.data, network.statistic = _tensor(weight), _tensor(buffer)
            average.update(network, step)
            rows.append(_tensor(average.network.weight.detach().numpy()))
        decays = np.array([ema_decay(step, decay) for step in range(len(rows))])
        return protocol.Averages(
            decays, torch.stack(rows).numpy(), average.network.statistic.numpy()
        )

    def ema_warms_up(self) -> bool:
        return True

    def to_unit_range(self, images: NDArray[np.uint8], levels: int) -> Array:
        every = torch.arange(len(images))
        data = Dataset(
            "given", torch.from_numpy(images), None, (), levels, every, every[:0], every[:0]
        )
        return data.take(every).double().numpy()


def _clock(schedule: ddpm_core.Schedule) -> torch.Tensor:
    return torch.arange(len(schedule.log_alpha_bar))


@lru_cache
def _network(channels: int, moved: bool) -> ddpm_core.UNet:
    with seeded(0):
        network = ddpm_core.UNet(channels, width=8, multipliers=(1, 2), dropout=0.5)
        for parameter in network.parameters() if moved else ():
            torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def _table(schedule: ddpm_core.Schedule) -> Array:
    return schedule.alpha_bar(_clock(schedule)).numpy()


def _levels(schedule: ddpm_core.Schedule) -> protocol.Levels:
    return protocol.Levels(_table(schedule), schedule.one_minus_alpha_bar(_clock(schedule)).numpy())


def _step(sampler: Any, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array) -> Array:
    guess = Prediction(_tensor(x0_hat))
    x_s, _, _ = sampler.step(lambda x, t: guess, _tensor(x_t), s, t, _tensor(noise))
    return x_s.numpy()


def _snapshots(chain: Chain, x_T: Array, noises: list[Array]) -> Iterator[Snapshot]:
    sampler = _sampler(chain)
    tape = dict(zip(chain.times, map(_tensor, noises), strict=False))
    return ddpm_core.sampling_loop(
        sampler, _denoiser(chain.denoiser), _tensor(x_T), tape.__getitem__
    )


def _schedule(betas: Betas, zero_terminal: bool = False) -> ddpm_core.Schedule:
    schedule = ddpm_core.Schedule.from_betas(betas)
    return schedule.with_zero_terminal_snr() if zero_terminal else schedule


def _sampler(chain: Chain) -> Any:
    schedule = _schedule(chain.betas, chain.zero_terminal)
    match chain.sampler:
        case "ddim":
            return ddpm_core.DDIM(schedule, chain.times, chain.eta)
        case "dpm++1":
            return ddpm_core.DPMSolver(schedule, chain.times, order=1)
        case "dpm++2m":
            return ddpm_core.DPMSolver(schedule, chain.times)
        case "heun":
            return ddpm_core.Heun(schedule, chain.times)
        case variance:
            return ddpm_core.Ancestral(schedule, chain.times, _variance(variance))


def _variance(name: str) -> Variance:
    names: dict[str, Variance] = {each: each for each in get_args(Variance)}
    return names[name]


def _denoiser(denoiser: Denoiser) -> ddpm_core.Denoiser:
    return _labelled(lambda x_t, t, labels: denoiser(x_t, t))


def _labelled(denoiser: LabelledDenoiser) -> ddpm_core.Denoiser:
    def predict(x_t: torch.Tensor, t: int, cond: torch.Tensor | None = None) -> Prediction:
        labels = None if cond is None else cond.numpy()
        return Prediction(_tensor(denoiser(x_t.numpy(), t, labels)))

    return predict


def _tensor(array: Array | Times) -> torch.Tensor:
    return torch.from_numpy(np.array(array))  # a copy: nothing that ddpm_core does reaches the test


def _normal(gaussian: ddpm_core.Gaussian) -> protocol.Normal:
    mean, var = torch.broadcast_tensors(gaussian.mean, gaussian.var)
    return protocol.Normal(mean.numpy(), var.numpy())


def _known(name: str) -> Parameterization:
    names: dict[str, Parameterization] = {each: each for each in get_args(Parameterization)}
    return names[name]
