"""Likelihood of a run's test images along its probability flow, cached batch by batch."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ddpm_core.cli.progress import progress
from ddpm_core.data.dataset import Dataset
from ddpm_core.denoiser import ClipX0
from ddpm_core.evaluation.bits_per_dim import denoiser_in_float64, diffused_images
from ddpm_core.evaluation.cache import cache_file, cache_key, pack, unpack
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.forward_process import q_sample
from ddpm_core.likelihood import bits_per_dim, reverse_of
from ddpm_core.probability_flow import flow_bound, flow_log_density
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.timestep_spacing import log_snr
from ddpm_core.storage.files import write_bytes
from ddpm_core.training.trained import Trained

PROBES = 2  # random sign vectors per image: the minimum for an error estimate
FIELDS = ("bound", "log_density", "probe_error", "step_error")


def check_flow(config: EvaluateConfig, trained: Trained) -> None:
    """Refuse a flow that cannot be solved, before any computation."""
    T = trained.schedule.T
    if config.flow is None:
        return
    if config.flow > T:
        raise ValueError(
            f"--flow = {config.flow}, but {config.run} has T = {T} timesteps; use {T} or fewer"
        )
    if trained.schedule.has_zero_terminal_snr:
        raise ValueError(
            f"--flow = {config.flow}, but {config.run} was trained with --zero-terminal-snr, where "
            "the flow diverges at t = T. Omit --flow"
        )


def flow_likelihood(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    test: Int64[Tensor, " test"],
    folder: Path,
    device: torch.device,
) -> dict[str, Any] | None:
    """Compute bits per dimension along the flow on --flow timesteps, with error estimates.

    Returns None without --flow.
    """
    if config.flow is None:
        return None
    options = (trained.variance(config.variance), trained.clips(config.clip), config.seed)
    key, batches = cache_key(trained, dataset, ("flow", config.flow, *options)), []
    with progress(len(test), "flow", "image") as bar:
        for indices in test.split(config.batch_size):
            path, own_key = cache_file(folder / "flow", key, indices)
            arrays = unpack(path, own_key, FIELDS)
            if arrays is None:
                arrays = _solve(config, trained, dataset, indices, device)
                write_bytes(path, pack(own_key, **arrays))
            batches.append({name: torch.from_numpy(arrays[name]) for name in FIELDS})
            bar.update(len(indices))
    rows = {name: torch.cat([each[name] for each in batches]) for name in FIELDS}
    bits = {
        name: bits_per_dim(row, dataset.take(test[:1])[0].numel()) for name, row in rows.items()
    }
    n = len(test)
    return {
        "timesteps": config.flow,
        "probes": PROBES,
        "bits_per_dim": float(bits["bound"].mean()),
        "standard_error": float(bits["bound"].std() / n**0.5) if n > 1 else None,
        "probe_error": float(bits["probe_error"].square().mean().sqrt() / n**0.5),
        "step_error": float(bits["step_error"].mean()),
        "log_density_at_t_1": float(rows["log_density"].mean()),  # nats per image
    }


def _solve(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    indices: Int64[Tensor, " images"],
    device: torch.device,
) -> dict[str, Any]:
    """Return bound, log-density and errors of each image, in nats; noise keyed by (seed, image)."""
    schedule = trained.schedule
    with torch.no_grad():
        x_0, grey_levels, autoencoder = diffused_images(trained, dataset, indices, device)
    plain = denoiser_in_float64(trained)
    denoiser = ClipX0(plain) if trained.clips(config.clip) else plain
    cond = None
    if trained.config.conditional and dataset.labels is not None:
        cond = dataset.labels[indices].to(device)

    def noise(purpose: str, step: int) -> Tensor:
        shape = x_0.shape[1:]
        return keyed_noise(shape, config.seed, purpose, step, indices.tolist(), device, x_0.dtype)

    x_1 = q_sample(schedule, x_0, 1, noise("flow", 0))
    probes = torch.stack([noise("probes", k).sign() for k in range(PROBES)])
    density = flow_log_density(
        schedule, denoiser, x_1, probes, times=log_snr(schedule, config.flow or 0), cond=cond
    )
    reverse = reverse_of(schedule, denoiser, trained.variance(config.variance), cond)
    with torch.no_grad():
        log_p_1 = density.nats.to(device)
        bound = flow_bound(schedule, x_0, x_1, log_p_1, reverse, grey_levels=grey_levels)
    tensors = (
        bound.cpu() + autoencoder,
        density.nats,
        density.probe_error,
        density.step_error,
    )
    return {name: each.cpu().numpy() for name, each in zip(FIELDS, tensors, strict=True)}


def flow_summary(flow: dict[str, Any]) -> str:
    """Return the line that the command prints."""
    error = "" if flow["standard_error"] is None else f" ({flow['standard_error']:.3f})"
    return (
        f"probability flow, {flow['timesteps']} timesteps: {flow['bits_per_dim']:.3f}{error} "
        f"bits/dim; step error {flow['step_error']:.3f}, probe error {flow['probe_error']:.3f}; "
        f"log p_1 = {flow['log_density_at_t_1']:.1f} nats per image"
    )
