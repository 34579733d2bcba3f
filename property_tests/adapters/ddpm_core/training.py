"""Part of our adapter: what a training step draws and minimises."""

import numpy as np
import torch

from ddpm_core.data.dataset import batch_indices
from ddpm_core.randomness import keyed_generator
from ddpm_core.training.diffusion_config import ProcessOptions
from ddpm_core.training.ema import Ema
from ddpm_core.training.step import diffuse, objective
from ddpm_core.training.timestep_sampler import TimestepSampler

from ...protocol import Array, Betas, Draw, Objective, Times
from .arrays import array, prediction_named, schedule_of, table, tensor


class Training:
    """Methods of `protocol.Implementation` on training steps, in float64."""

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        drawn = diffuse(schedule_of(betas), tensor(x_0), keyed_generator(seed, "training"))
        return Draw(*(array(each) for each in drawn))

    def weighted_draw(self, betas: Betas, x_0: Array, probabilities: Array, seed: int) -> Draw:
        generator = keyed_generator(seed, "training")
        drawn = diffuse(schedule_of(betas), tensor(x_0), generator, table(probabilities))
        return Draw(*(array(each) for each in drawn))

    def importance(self, T: int, updates: list[tuple[Times, Array]]) -> Array:
        sampler = TimestepSampler(T)
        for t, terms in updates:
            sampler.probabilities()
            sampler.update(tensor(t), tensor(terms))
        return array(sampler.probabilities())

    def trained_weights(self, decay: float, weights: Array) -> Array:
        network = torch.nn.Module()
        network.weight = torch.nn.Parameter(tensor(weights[0]).detach().clone())
        average, rows = Ema(network, decay), []
        for step, row in enumerate(weights[1:]):
            network.weight.data.copy_(tensor(row))
            average.update(network, step)
            rows.append(network.weight.detach().clone())
        return array(torch.stack(rows))

    def training_batch(self, count: int, seed: int, step: int, batch_size: int) -> Times:
        indices = batch_indices(tensor(np.arange(count)), seed, step, batch_size)
        return indices.numpy()

    def objective(
        self,
        betas: Betas,
        loss: str,
        name: str,
        gamma: float | None,
        output: Array,
        target: Array,
        x_0: Array,
        x_t: Array,
        t: Times,
        grey_levels: int | None,
    ) -> Objective:
        options = ProcessOptions(
            loss=loss,
            parameterization=prediction_named(name),
            snr_gamma=gamma,
        )
        arrays = map(tensor, (output, target, x_0, x_t, t))
        found = objective(options, schedule_of(betas), *arrays, grey_levels)
        return Objective(*(array(each.per_sample) for each in found))
