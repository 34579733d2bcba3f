"""A run that trains a diffusion model, and looks at it at fixed timesteps."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from ddpm_core.cli.progress import say
from ddpm_core.data.dataset import Dataset, check_decoded, load_dataset, spread
from ddpm_core.data.latents import Latents, latents_of
from ddpm_core.data.space import PIXELS
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.figures.sheets import denoising_sheet, sample_grid
from ddpm_core.schedules import Schedule
from ddpm_core.storage import files
from ddpm_core.storage.checkpoint import Checkpoint
from ddpm_core.storage.saved_autoencoder import KeptAutoencoder, load_kept
from ddpm_core.training import heldout
from ddpm_core.training.build import build_schedule
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.loop import Run, let_in
from ddpm_core.training.previews import fixed_times, visit
from ddpm_core.training.step import build_trainee, train_step

VALIDATION_TIMES = 20  # two in each decile
TEST_TIMES = 100
TEST_IMAGES = 500  # at most, of validation as of test: enough for a standard error below 1 %


@dataclass(eq=False, kw_only=True)
class DiffusionRun(Run):
    """A network that learns to take the noise out of images."""

    config: TrainConfig
    schedule: Schedule
    autoencoder: KeptAutoencoder | None  # in whose latents it works, if any

    command: ClassVar[str] = "train"

    @classmethod
    def prepare(cls, config: TrainConfig) -> "DiffusionRun":
        """Everything that can be wrong with the input is found here, before any work.

        Raises NotVerified before an accelerator is touched, ValueError for the rest.
        """
        schedule = build_schedule(config)
        admission = let_in(config, schedule)
        dataset, kept = load_dataset(config.dataset, config.image_size), None
        if config.latent is not None:
            kept = load_kept(config.latent, torch.device(admission.device))
            dataset = latents_of(dataset, kept, config.latent, write=not config.dry_run)
        elif config.learns_variance and not dataset.images.is_floating_point():
            check_decoded(dataset)
        name = config.dataset.split(":")[0] + ("" if kept is None else "-latent")
        return cls(
            config=config,
            folder=config.out_dir or Path("runs") / name,
            dataset=dataset,
            schedule=schedule,
            autoencoder=kept,
            trainee=build_trainee(config, dataset, torch.device(admission.device)),
            admission=admission,
            admissions=[admission.to_json()],
        )

    @property
    def pictures(self) -> Dataset:
        """The images themselves, where it works in their latents."""
        return self.dataset.pictures if isinstance(self.dataset, Latents) else self.dataset

    @property
    def watermark(self) -> str | None:
        """What every picture says once the run, or its autoencoder, was let in unverified."""
        kept = self.autoencoder
        return super().watermark or (None if kept is None else kept.watermark)

    def plan(self) -> str:
        """Also that the autoencoder has learned other data, if it has."""
        kept, plan = self.autoencoder, super().plan()
        if kept is None or kept.data == self.pictures.digest():
            return plan
        return (
            f"{plan}\nNOTE: the autoencoder was trained on other data, and latents of these may be "
            "far from mean 0 and variance 1"
        )

    def about(self) -> dict[str, Any]:
        """With the digest of the autoencoder, without which nothing can be made of latents."""
        kept = self.autoencoder
        return super().about() | {"autoencoder": None if kept is None else kept.digest}

    def check_resumed(self, checkpoint: Checkpoint) -> None:
        """Also that it is in the latents of this very autoencoder, or in pixels as before."""
        was = checkpoint.state.get("autoencoder")
        now = None if self.autoencoder is None else self.autoencoder.digest
        if was != now:
            then, today = (
                "in pixels" if each is None else f"in the latents of autoencoder {each[:12]}"
                for each in (was, now)
            )
            raise ValueError(
                f"{checkpoint.path} was trained {then}, and this run is {today}; give the same "
                "--latent to go on, or another --out-dir to start afresh"
            )
        super().check_resumed(checkpoint)

    def begin(self) -> None:
        """Also the autoencoder, so that the run can be used wherever it goes."""
        super().begin()
        if self.autoencoder is not None:
            self.autoencoder.copy_to(self.folder)

    def is_done(self) -> bool:
        """Also whether the autoencoder is still there; if not, it is put back."""
        kept = self.autoencoder
        return super().is_done() and (kept is None or kept.is_in(self.folder))

    def take_step(self) -> tuple[dict[str, float], float]:
        """A batch at times and with noise of its own."""
        loss, norm = train_step(
            self.config, self.schedule, self.dataset, self.trainee, self.step, self.device
        )
        return {"loss": loss}, norm

    def look(self) -> None:
        """Held-out loss, samples and denoising sheet at the fixed timesteps."""
        config, network = self.config, self.trainee.ema.network
        validation, labels = self._heldout(self.dataset.validation)
        errors = self._errors(self.dataset.validation, VALIDATION_TIMES)
        denoiser = NetworkDenoiser(
            self.schedule, network, config.parameterization, config.learns_variance
        )
        kept = self.autoencoder
        view = PIXELS if kept is None else kept
        record, samples = visit(
            ClipX0(denoiser) if kept is None else denoiser,
            self.schedule,
            validation,
            fixed_times(config.T, config.denoise_at),
            step=self.step,
            samples=config.preview_samples,
            steps=config.preview_steps,
            seed=config.seed,
            labels=labels,
            device=self.device,
            view=view,
        )
        row: dict[str, Any] = {
            "step": self.step,
            "validation_loss": float(errors.mean()),
            "validation_loss_by_decile": heldout.by_decile(errors),
            "one_shot_mse": {
                str(t): mse
                for t, mse in zip(record.times, record.one_shot_mse.tolist(), strict=True)
            },
        }
        files.append_line(self.folder / "metrics.jsonl", row)
        name = f"step-{self.step:06d}"
        record.save(self.folder / "denoising" / f"{name}.npz")
        title, mark = f"{config.dataset}, step {self.step:,}", self.watermark
        sheet = denoising_sheet(record, title, note=view.note, watermark=mark)
        files.write_bytes(self.folder / "denoising" / f"{name}.png", sheet)
        grid = sample_grid(samples, watermark=mark)
        files.write_bytes(self.folder / "samples" / f"{name}.png", grid)

    def conclude(self) -> str:
        """The error of the noise on test images, which test.json keeps."""
        images = min(len(self.dataset.test), TEST_IMAGES)
        say(f"measuring the test error on {images} images")
        mean, error = self.test_error()
        doubt = "one image: no error bar" if error is None else f"standard error {error:.5f}"
        result = {"step": self.step, "eps_mse": mean, "standard_error": error}
        files.write_json(self.folder / "test.json", result | {"images": images})
        return f"eps-MSE on {images} test images, uniform over t: {mean:.5f} ({doubt})"

    def describe(self) -> str:
        """The network, what it is told and what it predicts."""
        config = self.config
        weights = sum(p.numel() for p in self.trainee.network.parameters())
        told = ""
        if config.conditional:
            share = f"{config.label_dropout:.0%} of them withheld"
            told = f", told which of {len(self.dataset.class_names)} classes, {share},"
        kept, where = self.autoencoder, ""
        if kept is not None:
            whose = f"autoencoder {kept.digest[:12]} in {config.latent}"
            where = f" in latents of shape {self.dataset.shape}, by {whose},"
        return (
            f"U-Net of {weights:,} parameters{told} predicts {config.parameterization}{where} on "
            f"the {config.schedule} schedule, T = {config.T}"
        )

    def test_error(self) -> tuple[float, float | None]:
        """eps-MSE of the averaged weights on the test images, uniform over t: (mean, its standard
        error)."""
        errors = self._errors(self.dataset.test, TEST_TIMES, measure="eps", name="test error")
        return heldout.mean_and_standard_error(errors)

    def _errors(self, indices: torch.Tensor, times: int, **options: Any) -> torch.Tensor:
        images, labels = self._heldout(indices)
        return heldout.heldout_errors(
            self.trainee.ema.network,
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

    def _heldout(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Some of the images, and their classes where the network is told them."""
        few, labels = spread(indices, TEST_IMAGES), self.dataset.labels
        told = None if labels is None or not self.config.conditional else labels[few]
        return self.dataset.take(few), told
