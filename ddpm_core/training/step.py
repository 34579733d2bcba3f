"""One optimizer step: draw timesteps and noise, diffuse, predict, compare, update."""

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
from ddpm_core.training.build import seeded
from ddpm_core.training.diffusion_config import ProcessOptions, TrainConfig
from ddpm_core.training.state import NonFiniteError, TrainState


def diffuse(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    generator: torch.Generator,
    probabilities: Float64[Tensor, " T"] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (t, noise, x_t): t uniform on 1..T, drawn for each sample, and x_0 noised to t.

    Eq. losses.times and forward-process.sample; Ho et al. (2020), Algorithm 1, lines 2 to 4.
    probabilities: of t = 1..T if not uniform.
    """
    if probabilities is None:
        t = torch.randint(
            1, schedule.T + 1, x_0.shape[:1], generator=generator, device=generator.device
        )
    else:
        t = 1 + torch.multinomial(probabilities, len(x_0), replacement=True, generator=generator)
    noise = torch.randn(x_0.shape, dtype=x_0.dtype, generator=generator, device=generator.device)
    return t, noise, q_sample(schedule, x_0, t, noise)


def train_step(
    config: TrainConfig,
    schedule: Schedule,
    dataset: Dataset,
    state: TrainState,
    step: int,
    device: torch.device,
) -> float:
    """Take optimizer step `step` = 0, 1, ... on its own batch; return the unweighted loss.

    Every random number is keyed by (seed, step). Raises NonFiniteError before anything is updated.
    """
    indices = batch_indices(dataset.train, config.seed, step, config.batch_size)
    x_0, sampler = dataset.take(indices), state.timestep_sampler
    probabilities = None if sampler is None else sampler.probabilities()
    generator = keyed_generator(config.seed, "training", step)
    t, noise, x_t = diffuse(schedule, x_0, generator, probabilities)
    target = prediction_target(schedule, config.parameterization, x_0, noise, t)
    labels = None
    if config.conditional and dataset.labels is not None:
        generator, dropped = (
            keyed_generator(config.seed, "label dropout", step),
            config.label_dropout,
        )
        none = len(dataset.class_names)
        labels = drop_labels(dataset.labels[indices], dropped, none, generator)

    state.network.train()
    state.optimizer.zero_grad()
    losses, terms = [], []
    grey_levels = None if dataset.images.is_floating_point() else dataset.grey_levels
    nhwc = config.channels_last and x_t.ndim == 4
    layout = torch.channels_last if nhwc else torch.contiguous_format
    with seeded(keyed_seed(config.seed, "dropout", step), device):
        for part in torch.arange(len(x_0), device="cpu").chunk(config.accumulate):
            noisy = x_t[part].to(device, memory_format=layout)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.dtype == "bf16"):
                cond = () if labels is None else (labels[part].to(device),)
                output = state.forward(noisy.clone(), t[part].to(device), *cond)
            wanted, clean = target[part].to(device), x_0[part].to(device)
            loss, minimised = objective(
                config, schedule, output.float(), wanted, clean, noisy, t[part], grey_levels
            )
            if probabilities is not None:
                terms.append(minimised.per_sample.detach().cpu())
                minimised = minimised.weighted(1 / probabilities[t[part] - 1])
            (minimised.mean / config.accumulate).backward()
            losses.append(loss.per_sample.detach())
    per_sample = torch.cat(losses).double().cpu()
    if not per_sample.isfinite().all():
        where = (~per_sample.isfinite()).nonzero()[:8, 0]
        raise NonFiniteError(
            f"the loss of step {step + 1} is not finite at t = {t[where].tolist()}, training "
            f"images {indices[where].tolist()}"
        )
    batch = f"t = {t[:8].tolist()} ..., training images {indices[:8].tolist()} ..."
    state.update(config, step, batch, None if sampler is None else (t, torch.cat(terms)))
    return per_sample.mean().item()


def objective(
    config: ProcessOptions,
    schedule: Schedule,
    output: Float[Tensor, " batch *output"],
    target: Float[Tensor, " batch *event"],
    x_0: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    t: Int64[Tensor, " batch"],
    grey_levels: int | None,
) -> tuple[Loss, Loss]:
    """Return (squared error, loss to minimise) of the network's output at x_t.

    For config.loss = "vlb" the latter is the bound's term in nats per dimension. Divided by the
    probability of its timestep it is the bound, in expectation
    (Eq. learned-variance.importance-mean). grey_levels: of x_0; None for latents.
    """
    value, interpolation = (output, None) if config.loss == "simple" else split_range(output)
    loss = weighted = l_simple(value, target)
    if config.snr_gamma is not None:
        weight = min_snr_weight(schedule, config.parameterization, t, config.snr_gamma)
        weighted = loss.weighted(weight)
    if config.loss == "simple":
        return loss, weighted
    x0_hat = convert(schedule, config.parameterization, "x0", value, x_t, t)
    reverse = reverse_kernel(schedule, x0_hat, x_t, t - 1, t, "learned_range", interpolation)
    if config.loss == "hybrid":
        return loss, l_hybrid(schedule, weighted, x_0, x_t, t, reverse, grey_levels)
    terms = vlb_term(schedule, x_0, x_t, t - 1, t, reverse, grey_levels)
    return loss, Loss(terms / x_0[0].numel())
