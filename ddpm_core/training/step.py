"""One optimizer step: draw, diffuse, predict, compare, update."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ddpm_core.data.dataset import Dataset, batch_indices
from ddpm_core.forward_process import q_sample
from ddpm_core.guidance import drop_labels
from ddpm_core.learned_variance import l_hybrid, split_range
from ddpm_core.losses import Loss, l_simple, min_snr_weight, prediction_target, vlb_term
from ddpm_core.parameterization import convert
from ddpm_core.randomness import keyed_generator, keyed_seed
from ddpm_core.samplers.ancestral import reverse_kernel
from ddpm_core.schedules import Schedule
from ddpm_core.training.build import build_network, seeded
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.state import NonFiniteError, Trainee
from ddpm_core.training.timestep_sampler import TermHistory


def build_trainee(config: TrainConfig, dataset: Dataset, device: torch.device) -> Trainee:
    """A network for the data as it is initialised, its average and AdamW, on the device."""
    network = build_network(config, dataset.shape[0], dataset.class_names).to(device)
    history = TermHistory(config.T) if config.loss == "vlb" else None
    return Trainee.of(config, network, history=history)


def diffuse(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    generator: torch.Generator,
    probabilities: Float64[Tensor, " T"] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(t, noise, x_t): t uniform on 1..T, independently for each sample, and x_0 noised to it.

    Ho et al. (2020), Algorithm 1, lines 2 to 4. probabilities: of t = 1..T where they differ.
    """
    if probabilities is None:
        t = torch.randint(1, schedule.T + 1, x_0.shape[:1], generator=generator)
    else:
        t = 1 + torch.multinomial(probabilities, len(x_0), replacement=True, generator=generator)
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
    chances = None if trainee.history is None else trainee.history.probabilities()
    generator = keyed_generator(config.seed, "training", step)
    t, noise, x_t = diffuse(schedule, x_0, generator, chances)
    target = prediction_target(schedule, config.parameterization, x_0, noise, t)
    labels = _labels(config, dataset, indices, step)

    trainee.network.train()
    trainee.optimizer.zero_grad()
    losses, terms = [], []
    grey_levels = None if dataset.images.is_floating_point() else dataset.grey_levels
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    with seeded(keyed_seed(config.seed, "dropout", step), device):
        for part in torch.arange(len(x_0)).chunk(config.accumulate):
            noisy = x_t[part].to(device, memory_format=layout)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == "bf16"):
                told = () if labels is None else (labels[part].to(device),)
                prediction = trainee.forward(noisy, t[part].to(device), *told)
            wanted, clean = target[part].to(device), x_0[part].to(device)
            answer = prediction.float()
            loss, minimised = objective(
                config, schedule, answer, wanted, clean, noisy, t[part], grey_levels
            )
            if chances is not None:
                terms.append(minimised.per_sample.detach().cpu())
                minimised = minimised.weighted(1 / chances[t[part] - 1])
            (minimised.mean / config.accumulate).backward()
            losses.append(loss.per_sample.detach())
    per_sample = torch.cat(losses).double().cpu()
    _check_finite(per_sample, step, t, indices)
    drawn = f"t = {t[:8].tolist()} ..., training images {indices[:8].tolist()} ..."
    norm = trainee.update(config, step, drawn)
    if trainee.history is not None:
        trainee.history.update(t, torch.cat(terms))
    return per_sample.mean().item(), norm


def objective(
    config: TrainConfig,
    schedule: Schedule,
    answer: Float[Tensor, " batch *answer"],
    target: Float[Tensor, " batch *event"],
    x_0: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    t: Int64[Tensor, " batch"],
    grey_levels: int | None,
) -> tuple[Loss, Loss]:
    """(the plain squared error, what is minimised) of a network's answer at x_t.

    Of --loss vlb the latter is the bound's term in nats per dimension: divided by the chance of
    its level, it is the bound in the mean (Eq. learned-variance.importance-mean).
    """
    if not config.learns_variance:
        loss = l_simple(answer, target)
        return loss, _weighted(config, schedule, loss, t)
    value, interpolation = split_range(answer)
    loss = l_simple(value, target)
    x0_hat = convert(schedule, config.parameterization, "x0", value, x_t, t)
    reverse = reverse_kernel(schedule, x0_hat, x_t, t - 1, t, "learned_range", interpolation)
    if config.loss == "hybrid":
        plain = _weighted(config, schedule, loss, t)
        return loss, l_hybrid(schedule, plain, x_0, x_t, t, reverse, grey_levels)
    terms = vlb_term(schedule, x_0, x_t, t - 1, t, reverse, grey_levels)
    return loss, Loss(terms / x_0[0].numel())


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


def _check_finite(loss: Tensor, step: int, t: Tensor, indices: Tensor) -> None:
    broken = ~loss.isfinite()
    if broken.any():
        where = broken.nonzero()[:8, 0]
        raise NonFiniteError(
            f"the loss of step {step + 1} is not finite at t = {t[where].tolist()}, training "
            f"images {indices[where].tolist()}"
        )
