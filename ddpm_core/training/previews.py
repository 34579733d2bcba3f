"""A preview at fixed timesteps: how much structure has emerged from the same noise."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ddpm_core._types import Denoiser
from ddpm_core.data.space import PIXELS, Space
from ddpm_core.data.split import spread
from ddpm_core.denoiser import ClipX0
from ddpm_core.figures.record import DenoisingRecord
from ddpm_core.forward_process import q_sample
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.base import generate
from ddpm_core.samplers.dpm_solver import DPMSolver
from ddpm_core.samplers.timestep_spacing import trailing
from ddpm_core.schedules import Schedule

SHOWN = 3  # samples, and held-out images, in a denoising grid
MEASURED = 64  # held-out images behind the one-step error


def fixed_times(T: int, wanted: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the columns of a denoising grid, T..0: those wanted, or k T / 10 and T / 20."""
    columns = set(wanted) or {round(T * k / 20) for k in (1, *range(2, 21, 2))}
    return tuple(sorted(columns | {T, 0}, reverse=True))


@torch.no_grad()
def preview(
    denoiser: Denoiser,
    schedule: Schedule,
    heldout: Float[Tensor, " images *event"],
    times: tuple[int, ...],
    *,
    step: int,
    samples: int,
    steps: int,
    seed: int,
    labels: Int64[Tensor, " images"] | None = None,
    device: torch.device | str = "cpu",
    space: Space = PIXELS,
) -> tuple[DenoisingRecord, Float[Tensor, " samples colours tall wide"]]:
    """Return the record of a denoising grid, and `samples` decoded samples.

    The samples are DPM-Solver++'s, along strided timesteps that include `times`, from noise keyed
    by `seed`; predictions are clipped where the space clips. labels: of the held-out images; the
    samples take each class in turn.
    """
    if space.clips:
        denoiser = ClipX0(denoiser)
    timesteps = sorted({*trailing(schedule, min(steps, schedule.T)), *times}, reverse=True)
    sampler = DPMSolver(schedule, tuple(timesteps))
    shape = heldout.shape[1:]
    every = None if labels is None else labels.unique()
    wanted = None if every is None else every[torch.arange(samples) % len(every)].to(device)
    trajectory = generate(
        sampler, denoiser, shape, indices=range(samples), seed=seed, cond=wanted, device=device
    )
    sampled = [(x_t, x0_hat) for t, x_t, x0_hat in trajectory if t in times]

    few = spread(torch.arange(len(heldout), device="cpu"), MEASURED)  # neighbours may be alike
    x_0 = heldout[few].to(device)
    cond = None if labels is None else labels[few].to(device)
    one_step = []  # the name in the key stays: another would change the noise of old runs
    for t in times:
        noise = keyed_noise(shape, seed, "sheet", t, range(len(x_0))).to(device)
        x_t = q_sample(schedule, x_0, t, noise)
        one_step.append((x_t, denoiser(x_t, t, cond).x0_hat if t else x_0))
    mse = [(x0_hat.double() - x_0.double()).square().mean().item() for _, x0_hat in one_step]

    def stack(
        pairs: list[tuple[Tensor, Tensor]], which: int, shown: Int64[Tensor, " shown"]
    ) -> np.ndarray:
        show = (space.colors, space.decode)[which]
        return np.stack([show(pair[which][shown]).float().cpu().numpy() for pair in pairs])

    shown, images = (
        torch.arange(min(samples, SHOWN), device="cpu"),
        spread(torch.arange(len(x_0), device="cpu"), SHOWN),
    )

    record = DenoisingRecord(
        step=step,
        timesteps=times,
        sampled_x_t=stack(sampled, 0, shown),
        sampled_x0_hat=stack(sampled, 1, shown),
        heldout_x_0=space.decode(x_0[images]).cpu().numpy(),
        heldout_x_t=stack(one_step, 0, images),
        heldout_x0_hat=stack(one_step, 1, images),
        one_step_mse=np.array(mse),
    )
    return record, space.decode(sampled[-1][0]).cpu()
