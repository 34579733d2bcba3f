"""One optimizer step: draw, diffuse, predict, compare, update."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ddpm_core.forward_process import q_sample
from ddpm_core.guidance import drop_labels
from ddpm_core.losses import Loss, l_simple, min_snr_weight, prediction_target
from ddpm_core.randomness import keyed_generator, keyed_seed
from ddpm_core.schedules import Schedule
from ddpm_core.training.config import TrainConfig
from ddpm_core.training.data import Dataset, batch_indices
from ddpm_core.training.ema import Ema
from ddpm_core.training.setup import build_network, group_parameters, seeded


class NonFiniteError(RuntimeError):
    """NaN or Inf where training cannot go on."""


@dataclass(frozen=True, eq=False)
class Trainee:
    """All that a step changes."""

    network: nn.Module
    forward: Callable[..., Tensor]  # the network, compiled where asked for
    ema: Ema
    optimizer: torch.optim.Optimizer


def build_trainee(config: TrainConfig, dataset: Dataset, device: torch.device) -> Trainee:
    """A network for the data as it is initialised, its average and AdamW, on the device."""
    network = build_network(config, dataset.shape[0], dataset.class_names).to(device)
    optimizer = torch.optim.AdamW(
        group_parameters(network, config.weight_decay),
        lr=learning_rate(config, 0),
        betas=(0.9, 0.99),
        fused=True,
    )
    forward = torch.compile(network) if config.compile else network
    return Trainee(network, forward, Ema(network, config.ema_decay), optimizer)


def learning_rate(config: TrainConfig, step: int) -> float:
    """The rate of step 0, 1, ...: a linear rise over warmup_steps, then cosine to 0 or constant."""
    rise = min(1.0, (step + 1) / max(1, config.warmup_steps))
    fall = (1 + math.cos(math.pi * step / config.max_steps)) / 2
    return config.learning_rate * rise * (fall if config.rate_decay == "cosine" else 1.0)


def diffuse(
    schedule: Schedule, x_0: Float[Tensor, " batch *event"], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(t, noise, x_t): t uniform on 1..T, independently for each sample, and x_0 noised to it.

    Ho et al. (2020), Algorithm 1, lines 2 to 4.
    """
    t = torch.randint(1, schedule.T + 1, x_0.shape[:1], generator=generator)
    noise = torch.randn(x_0.shape, dtype=x_0.dtype, generator=generator)
    return t, noise, q_sample(schedule, x_0, t, noise)


def train_step(
    config: TrainConfig,
    schedule: Schedule,
    dataset: Dataset,
    trainee: Trainee,
    step: int,
    device: torch.device,
) -> tuple[float, float]:
    """Optimizer step `step` = 0, 1, ... on its own batch; returns (unweighted loss, gradient norm).

    Every number is keyed by (seed, step). Raises NonFiniteError before anything is updated.
    """
    indices = batch_indices(dataset.train, config.seed, step, config.batch_size)
    x_0 = dataset.take(indices)
    t, noise, x_t = diffuse(schedule, x_0, keyed_generator(config.seed, "training", step))
    target = prediction_target(schedule, config.parameterization, x_0, noise, t)
    labels = _labels(config, dataset, indices, step)

    trainee.network.train()
    trainee.optimizer.zero_grad()
    losses = []
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    with seeded(keyed_seed(config.seed, "dropout", step), device):
        for part in torch.arange(len(x_0)).chunk(config.accumulate):
            noisy = x_t[part].to(device, memory_format=layout)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == "bf16"):
                told = () if labels is None else (labels[part].to(device),)
                prediction = trainee.forward(noisy, t[part].to(device), *told)
            loss = l_simple(prediction.float(), target[part].to(device))
            weighted = _weighted(config, schedule, loss, t[part])
            (weighted.mean / config.accumulate).backward()
            losses.append(loss.per_sample.detach())
    per_sample = torch.cat(losses).double().cpu()
    norm = nn.utils.clip_grad_norm_(trainee.network.parameters(), config.grad_clip).item()
    _check_finite(per_sample, norm, step, t, indices)

    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate(config, step)
    trainee.optimizer.step()
    trainee.ema.update(trainee.network, step)
    return per_sample.mean().item(), norm


def _labels(config: TrainConfig, dataset: Dataset, indices: Tensor, step: int) -> Tensor | None:
    """What the network is told of the images: their classes, but for those that are withheld."""
    if not config.conditional or dataset.labels is None:
        return None
    generator = keyed_generator(config.seed, "label dropout", step)
    none = len(dataset.class_names)
    return drop_labels(dataset.labels[indices], config.label_dropout, none, generator)


def _weighted(config: TrainConfig, schedule: Schedule, loss: Loss, t: Tensor) -> Loss:
    if config.snr_gamma is None:
        return loss
    return loss.weighted(min_snr_weight(schedule, config.parameterization, t, config.snr_gamma))


def _check_finite(loss: Tensor, norm: float, step: int, t: Tensor, indices: Tensor) -> None:
    broken = ~loss.isfinite()
    if broken.any():
        where = broken.nonzero()[:8, 0]
        raise NonFiniteError(
            f"the loss of step {step + 1} is not finite at t = {t[where].tolist()}, training "
            f"images {indices[where].tolist()}"
        )
    if not math.isfinite(norm):
        raise NonFiniteError(
            f"the gradient of step {step + 1} is not finite (norm {norm}), though its loss is; "
            f"t = {t[:8].tolist()} ..., training images {indices[:8].tolist()} ..."
        )
