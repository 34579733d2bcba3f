"""Training of a diffusion model: its task, and its previews at fixed timesteps."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ddpm_core.cli.progress import say
from ddpm_core.data.dataset import Dataset, check_decoded
from ddpm_core.data.space import PIXELS, Space, enter_space
from ddpm_core.data.split import spread
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.figures.grids import denoising_grid, sample_grid
from ddpm_core.gate.authorization import Authorization
from ddpm_core.schedules import Schedule
from ddpm_core.storage import files
from ddpm_core.training import heldout
from ddpm_core.training.build import (
    authorize_run,
    build_dataset,
    build_network,
    build_schedule,
    check_classes,
)
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.previews import fixed_times, preview
from ddpm_core.training.state import TrainState
from ddpm_core.training.step import train_step
from ddpm_core.training.timestep_sampler import TimestepSampler

VALIDATION_TIMES = 20  # two in each decile
TEST_TIMES = 100
TEST_IMAGES = 500  # at most, of validation as of test: enough for a standard error below 1 %


@dataclass(eq=False)
class DiffusionTask:
    """A network that learns to predict the noise in images, or in their latents. A `Task`."""

    config: TrainConfig
    schedule: Schedule
    images: Dataset  # as they were read
    dataset: Dataset  # what is diffused: the images, or their latents
    state: TrainState
    authorization: Authorization
    space: Space = PIXELS

    command: ClassVar[str] = "train"

    @classmethod
    def prepare(cls, config: TrainConfig) -> "DiffusionTask":
        """Return the task of the options; all bad input is found here, before any work.

        Raises NotVerified before an accelerator is touched, ValueError for everything else.
        """
        schedule = build_schedule(config)
        authorization = authorize_run(config, schedule)
        device = torch.device(authorization.device)
        images = build_dataset(config)
        if config.conditional:
            check_classes(images)
        space, dataset = enter_space(
            images,
            config.latent,
            device,
            write=not config.dry_run,
            data_changed=config.data_changed == "ok",
        )
        images = replace(images, reading=dataset.reading)
        if config.learns_variance and not dataset.images.is_floating_point():
            check_decoded(dataset)
        network = build_network(config, dataset.shape[0], dataset.class_names).to(device)
        state = cls.state_of(config, network)
        return cls(config, schedule, images, dataset, state, authorization, space)

    @classmethod
    def of(cls, config: TrainConfig, network: nn.Module, x_0: Tensor) -> "DiffusionTask":
        """Return the task of training your own network on your own data, as `config` says.

        network(x_t, t) takes t = 1..T as int64 of shape (batch,) and returns a tensor like x_t.
        x_0: float32 data of shape (n, *event), about [-1, 1]. The gate decides on config.device.
        """
        schedule = build_schedule(config)
        authorization = authorize_run(config, schedule)
        dataset = Dataset.of(x_0)
        state = cls.state_of(config, network.to(authorization.device))
        return cls(config, schedule, dataset, dataset, state, authorization)

    @staticmethod
    def state_of(config: TrainConfig, network: nn.Module) -> TrainState:
        """Return the state before the first step."""
        sampler = TimestepSampler(config.T) if config.loss == "vlb" else None
        return TrainState.create(config, network, timestep_sampler=sampler)

    @property
    def device(self) -> torch.device:
        """The device that the gate admitted."""
        return torch.device(self.authorization.device)

    @property
    def suffix(self) -> str:
        """Suffix of the default run directory."""
        return self.space.suffix

    @property
    def denoiser(self) -> NetworkDenoiser:
        """The denoiser of the EMA weights, which keep changing while you train."""
        config = self.config
        network, learns_variance = self.state.ema.network, config.learns_variance
        return NetworkDenoiser(self.schedule, network, config.parameterization, learns_variance)

    def step(self, step: int) -> dict[str, float]:
        """Take optimizer step `step` = 0, 1, ... and return the unweighted loss."""
        loss = train_step(self.config, self.schedule, self.dataset, self.state, step, self.device)
        return {"loss": loss}

    def preview(self, folder: Path, step: int, watermark: str | None) -> dict[str, object]:
        """Draw samples and a denoising grid; return the held-out loss, a row of metrics."""
        config = self.config
        validation, labels = self._heldout(self.dataset.validation)
        errors = self._errors(self.dataset.validation, VALIDATION_TIMES)
        record, samples = preview(
            self.denoiser,
            self.schedule,
            validation,
            fixed_times(config.T, config.denoise_at),
            step=step,
            samples=config.preview_samples,
            steps=config.preview_steps,
            seed=config.seed,
            labels=labels,
            device=self.device,
            space=self.space,
        )
        name = f"step-{step:06d}"
        record.save(folder / "denoising" / f"{name}.npz")
        title, note = f"{config.dataset}, step {step:,}", self.space.note
        grid = denoising_grid(record, title, note=note, watermark=watermark)
        files.write_bytes(folder / "denoising" / f"{name}.png", grid)
        grid = sample_grid(samples, watermark=watermark)
        files.write_bytes(folder / "samples" / f"{name}.png", grid)
        one_step = zip(record.timesteps, record.one_step_mse.tolist(), strict=True)
        return {
            "validation_loss": float(errors.mean()),
            "validation_loss_by_decile": heldout.by_decile(errors),
            "one_step_mse": {str(t): mse for t, mse in one_step},
        }

    def conclude(self, folder: Path, step: int, watermark: str | None) -> str:
        """Measure the eps-MSE on test images, and write it to test.json."""
        images = min(len(self.dataset.test), TEST_IMAGES)
        say(f"measuring the test error on {images} images")
        mean, error = self.test_error()
        known = "one image: no error bar" if error is None else f"standard error {error:.5f}"
        result = {"step": step, "eps_mse": mean, "standard_error": error}
        files.write_json(folder / "test.json", result | {"images": images})
        return f"eps-MSE on {images} test images, uniform over t: {mean:.5f} ({known})"

    def is_complete(self, folder: Path) -> bool:
        """Return whether the folder holds what decodes the samples."""
        return self.space.is_installed(folder)

    def describe(self) -> str:
        """Describe the network, its conditioning and its schedule."""
        config, data = self.config, self.dataset
        weights = sum(p.numel() for p in self.state.network.parameters())
        classes = ""
        if config.conditional:
            dropout = f"label dropout {100 * config.label_dropout:g} %"
            classes = f", class-conditional ({len(data.class_names)} classes, {dropout})"
        return (
            f"U-Net with {weights:,} parameters{classes}; predicts {config.parameterization} in "
            f"{self.space.about} of shape {data.shape}; {config.schedule} schedule, T = {config.T}"
        )

    def test_error(self) -> tuple[float, float | None]:
        """Return the eps-MSE of the EMA weights on test images, uniform over t, and its standard
        error."""
        errors = self._errors(self.dataset.test, TEST_TIMES, measure="eps", name="test error")
        return heldout.mean_and_standard_error(errors)

    def _errors(self, indices: Tensor, times: int, **options: Any) -> Tensor:
        images, labels = self._heldout(indices)
        return heldout.heldout_errors(
            self.state.ema.network,
            self.schedule,
            self.config.parameterization,
            images,
            heldout.spread_times(self.config.T, times),
            self.config.seed,
            labels=labels,
            device=self.device,
            learns_variance=self.config.learns_variance,
            **options,
        )

    def _heldout(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return TEST_IMAGES of the images at most, and their labels if the network uses them."""
        few, labels = spread(indices, TEST_IMAGES), self.dataset.labels
        used = None if labels is None or not self.config.conditional else labels[few]
        return self.dataset.take(few), used
