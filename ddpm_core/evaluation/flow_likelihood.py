"""The likelihood of a run's test images by its probability flow, some images at a time."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ddpm_core.cli.progress import progress
from ddpm_core.data.dataset import Dataset
from ddpm_core.denoiser import ClipX0
from ddpm_core.evaluation.bits_per_dim import denoiser_in_float64, subject_of
from ddpm_core.evaluation.cache import key_for, pack, place, unpack
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.forward_process import q_sample
from ddpm_core.likelihood import bits_per_dim, reverse_of
from ddpm_core.probability_flow import flow_bound, flow_log_density
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.timestep_spacing import log_snr
from ddpm_core.storage.files import write_bytes
from ddpm_core.training.trained import Trained

PROBES = 2  # of each image, random signs: enough for an error bar
FIELDS = ("bound", "log_density", "probe_error", "step_error")


def check_flow(config: EvaluateConfig, trained: Trained) -> None:
    """Refuse a flow that does not exist, before any of it is followed."""
    T = trained.schedule.T
    if config.flow is None:
        return
    if config.flow > T:
        raise ValueError(
            f"--flow = {config.flow}, but {config.run} has T = {T} levels; take {T} or fewer"
        )
    if trained.schedule.has_zero_terminal_snr:
        raise ValueError(
            f"--flow = {config.flow}, but {config.run} was trained with --zero-terminal-snr, and a "
            "flow ends at infinity where no signal is left: leave --flow out"
        )


def flow_figures(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    test: Int64[Tensor, " test"],
    folder: Path,
    device: torch.device,
) -> dict[str, Any] | None:
    """Bits per dimension along the flow in --flow levels, and how far they may be off.

    None where none was asked for.
    """
    if config.flow is None:
        return None
    options = (trained.variance(config.variance), trained.clips(config.clip), config.seed)
    key, parts = key_for(trained, dataset, ("flow", config.flow, *options)), []
    with progress(len(test), "flow", "image") as bar:
        for indices in test.split(config.batch_size):
            path, own = place(folder / "flow", key, indices)
            found = unpack(path, own, FIELDS)
            if found is None:
                found = _followed(config, trained, dataset, indices, device)
                write_bytes(path, pack(own, **found))
            parts.append({name: torch.from_numpy(found[name]) for name in FIELDS})
            bar.update(len(indices))
    rows = {name: torch.cat([each[name] for each in parts]) for name in FIELDS}
    bits = {
        name: bits_per_dim(row, dataset.take(test[:1])[0].numel()) for name, row in rows.items()
    }
    n = len(test)
    return {
        "levels": config.flow,
        "probes": PROBES,
        "bits_per_dim": float(bits["bound"].mean()),
        "standard_error": float(bits["bound"].std() / n**0.5) if n > 1 else None,
        "probe_error": float(bits["probe_error"].square().mean().sqrt() / n**0.5),
        "step_error": float(bits["step_error"].mean()),
        "log_density_at_level_1": float(rows["log_density"].mean()),  # in nats, of an image
    }


def _followed(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    indices: Int64[Tensor, " images"],
    device: torch.device,
) -> dict[str, Any]:
    """Of each image, in nats; noise and probes are keyed by (seed, image)."""
    schedule = trained.schedule
    with torch.no_grad():
        x_0, grey_levels, beside = subject_of(trained, dataset, indices, device)
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
    found = flow_log_density(
        schedule, denoiser, x_1, probes, times=log_snr(schedule, config.flow or 0), cond=cond
    )
    reverse = reverse_of(schedule, denoiser, trained.variance(config.variance), cond)
    with torch.no_grad():
        log_p_1 = found.nats.to(device)
        bound = flow_bound(schedule, x_0, x_1, log_p_1, reverse, grey_levels=grey_levels)
    tensors = (bound.cpu() + beside, found.nats, found.probe_error, found.step_error)
    return {name: each.cpu().numpy() for name, each in zip(FIELDS, tensors, strict=True)}


def sentence(flow: dict[str, Any]) -> str:
    """What a call prints of it."""
    error = "" if flow["standard_error"] is None else f" ({flow['standard_error']:.3f})"
    return (
        f"along the flow, {flow['levels']} levels: {flow['bits_per_dim']:.3f}{error} bits/dim; the "
        f"steps may be off by {flow['step_error']:.3f}, the probes by {flow['probe_error']:.3f}; "
        f"log p_1 is {flow['log_density_at_level_1']:.1f} nats of an image"
    )
