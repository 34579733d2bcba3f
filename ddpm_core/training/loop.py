"""The training loop: steps, visits to fixed timesteps, checkpoints, and a clean way to stop."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.gate.admission import Admission, admit, watermark
from ddpm_core.schedules import Schedule
from ddpm_core.training import files, heldout
from ddpm_core.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from ddpm_core.training.config import TrainConfig, check_same_run, lasting
from ddpm_core.training.data import Dataset, load_dataset
from ddpm_core.training.options import to_json
from ddpm_core.training.pictures import denoising_sheet, sample_grid
from ddpm_core.training.report import write_report
from ddpm_core.training.setup import build_schedule, environment
from ddpm_core.training.signals import Stop
from ddpm_core.training.step import (
    NonFiniteError,
    Trainee,
    build_trainee,
    learning_rate,
    train_step,
)
from ddpm_core.training.visits import fixed_times, visit

VALIDATION_TIMES = 20  # two in each decile
TEST_TIMES = 100
TEST_IMAGES = 500  # at most, of validation as of test: enough for a standard error below 1 %


@dataclass(eq=False)
class Run:
    """A training run in its folder: what it is made of, and how far it has come."""

    config: TrainConfig
    folder: Path
    dataset: Dataset
    schedule: Schedule
    trainee: Trainee
    admission: Admission
    admissions: list[dict[str, Any]]  # one for each start of the run, this one last
    step: int = 0  # optimizer steps done
    losses: list[float] = field(default_factory=list)  # since the last row of metrics.jsonl

    @classmethod
    def prepare(cls, config: TrainConfig) -> "Run":
        """Everything that can be wrong with the input is found here, before any work.

        Raises NotVerified before an accelerator is touched, ValueError for the rest.
        """
        torch.backends.cudnn.deterministic = True  # a run on a GPU repeats its bits, too
        schedule = build_schedule(config)
        admission = admit(
            schedule,
            config.device,
            autocast=config.dtype == "bf16",
            path=config.certificate,
            required=config.require_verified,
            unverified=config.unverified,
        )
        dataset = load_dataset(config.dataset, config.image_size)
        trainee = build_trainee(config, dataset, torch.device(admission.device))
        folder = config.out_dir or Path("runs") / config.dataset.split(":")[0]
        return cls(config, folder, dataset, schedule, trainee, admission, [admission.to_json()])

    @property
    def device(self) -> torch.device:
        """The one that the run was admitted to."""
        return torch.device(self.admission.device)

    @property
    def watermark(self) -> str | None:
        """What every picture says once the run was let in unverified, now or before."""
        return watermark(self.admissions)

    # --- what is kept ---------------------------------------------------------------------------

    def save(self) -> Path:
        """Write a checkpoint of this very step."""
        state = {
            "config": lasting(self.config),
            "data": self.dataset.digest(),
            "image_shape": list(self.dataset.shape),
            "levels": self.dataset.levels,
            "class_names": list(self.dataset.class_names),
            "losses": self.losses,
            "admissions": self.admissions,
        }
        return save_checkpoint(
            self.folder / "checkpoints",
            self.step,
            self.trainee.tensors(),
            state,
            keep=self.config.keep,
        )

    def resume(self) -> None:
        """Take up the newest checkpoint, or the one that --resume names; raises ValueError."""
        if self.config.resume in ("auto", "never"):
            saved = latest_checkpoint(self.folder / "checkpoints")
        else:
            saved = Path(self.config.resume)
        if self.config.resume == "never" and saved is not None:
            raise ValueError(
                f"--resume never, but {self.folder} already holds {saved.name}; choose another "
                "--out-dir to start afresh, or leave --resume out to go on"
            )
        if saved is None:
            return
        groups = list(self.trainee.tensors())
        checkpoint = load_checkpoint(saved, groups, ["config", "data", "losses"])
        check_same_run(checkpoint.state["config"], self.config, str(saved))
        if checkpoint.state["data"] != self.dataset.digest():
            raise ValueError(
                f"{saved} was trained on other data than {self.config.dataset} holds now (digest "
                f"{checkpoint.state['data'][:12]}, now {self.dataset.digest()[:12]}); restore the "
                "data, or choose another --out-dir"
            )
        self.trainee.restore(checkpoint.tensors)
        self.step, self.losses = checkpoint.step, list(checkpoint.state["losses"])
        self.admissions = [*checkpoint.state.get("admissions", []), *self.admissions]

    # --- what is done ---------------------------------------------------------------------------

    def finish(self, stop: Stop) -> int:
        """Train to the end, or to a signal, and say how it went; returns the exit code."""
        try:
            self.train(stop)
        except (NonFiniteError, files.DamagedFile, OSError) as failure:
            last = latest_checkpoint(self.folder / "checkpoints")
            message = f"{failure}. The last good checkpoint is {last or 'none yet'}"
            self._status("failed", message)
            print(f"ddpm_core.train: {message}", file=sys.stderr)
            return 1
        if stop.requested is not None and self.step < self.config.max_steps:
            self._status("interrupted", f"{stop.requested.name} at step {self.step}")
            print(f"saved at step {self.step:,}; the same command goes on from here")
            return stop.exit_code
        images = min(len(self.dataset.test), TEST_IMAGES)
        print(f"measuring the test error on {images} images", flush=True)
        mean, error = self.test_error()
        doubt = "one image: no error bar" if error is None else f"standard error {error:.5f}"
        message = f"eps-MSE on {images} test images, uniform over t: {mean:.5f} ({doubt})"
        result = {"step": self.step, "eps_mse": mean, "standard_error": error}
        files.write_json(self.folder / "test.json", result | {"images": images})
        self._status("done", message)
        write_report(self.folder, watermark=self.watermark)
        print(f"{message}\nlook at {self.folder / 'report.html'}")
        return 0

    def train(self, stop: Stop) -> None:
        """Steps until max_steps or until `stop` is set, then a checkpoint."""
        config = self.config
        for name in ("metrics.jsonl", "timing.jsonl"):  # rows that are about to be made again
            files.truncate_lines(self.folder / name, self.step or -1)
        files.write_json(self.folder / "config.json", to_json(config))
        found = {**environment(self.device), "verification": str(self.admission)}
        files.write_json(self.folder / "env.json", found)
        files.write_json(self.folder / "verification.json", self.admissions)
        self._status("running")
        if self.step == 0:
            self.visit()
        seconds, saved = list[float](), self.step or None  # of the steps since the last row
        bar = tqdm(
            total=config.max_steps, initial=self.step, unit="step", disable=not sys.stderr.isatty()
        )
        with bar:
            while self.step < config.max_steps and not stop.requested:
                began = time.perf_counter()
                loss, norm = train_step(
                    config, self.schedule, self.dataset, self.trainee, self.step, self.device
                )
                seconds.append(time.perf_counter() - began)
                self.step += 1
                self.losses.append(loss)
                bar.update()
                if self.step % config.log_every == 0 or self.step == config.max_steps:
                    self._log(norm, seconds, bar)
                    seconds = []
                if self.step % config.sample_every == 0 or self.step == config.max_steps:
                    self.visit()
                if self.step % config.save_every == 0 or self.step == config.max_steps:
                    self.save()
                    saved = self.step
        if saved != self.step:
            self.save()

    def visit(self) -> None:
        """Look at the fixed timesteps: held-out loss, samples, denoising sheet, GIF and report."""
        began = time.perf_counter()
        config, network = self.config, self.trainee.ema.network
        validation, labels = self._heldout(self.dataset.validation)
        errors = self._errors(self.dataset.validation, VALIDATION_TIMES)
        record, samples = visit(
            ClipX0(
                NetworkDenoiser(
                    self.schedule, network, config.parameterization, config.learns_variance
                )
            ),
            self.schedule,
            validation,
            fixed_times(config.T, config.denoise_at),
            step=self.step,
            samples=config.preview_samples,
            steps=config.preview_steps,
            seed=config.seed,
            labels=labels,
            device=self.device,
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
        sheet = denoising_sheet(record, title, watermark=mark)
        files.write_bytes(self.folder / "denoising" / f"{name}.png", sheet)
        grid = sample_grid(samples, watermark=mark)
        files.write_bytes(self.folder / "samples" / f"{name}.png", grid)
        self._status("running")
        write_report(self.folder, watermark=mark)
        timing = {"step": self.step, "visit_seconds": time.perf_counter() - began}
        files.append_line(self.folder / "timing.jsonl", timing)

    def test_error(self) -> tuple[float, float | None]:
        """eps-MSE of the averaged weights on the test images, uniform over t: (mean, its standard
        error)."""
        errors = self._errors(self.dataset.test, TEST_TIMES, measure="eps", progress="test error")
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
        few, labels = heldout.spread(indices, TEST_IMAGES), self.dataset.labels
        told = None if labels is None or not self.config.conditional else labels[few]
        return self.dataset.take(few), told

    def _log(self, norm: float, seconds: list[float], bar: "tqdm[Any]") -> None:
        loss = sum(self.losses) / len(self.losses)
        speed = len(seconds) * self.config.batch_size / sum(seconds)
        rate = learning_rate(self.config, self.step - 1)
        row = {"step": self.step, "loss": loss, "learning_rate": rate, "grad_norm": norm}
        timing = {"step": self.step, "seconds": sum(seconds), "images_per_second": speed}
        files.append_line(self.folder / "metrics.jsonl", row)
        files.append_line(self.folder / "timing.jsonl", timing)
        self.losses = []
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        if bar.disable:
            left = (self.config.max_steps - self.step) * self.config.batch_size / speed
            print(
                f"step {self.step:>6,} of {self.config.max_steps:,}  loss {loss:.4f}  "
                f"{speed:,.0f} images/s, {left / 60:.1f} minutes of steps left",
                flush=True,
            )

    def _status(self, state: str, message: str = "") -> None:
        status = {"state": state, "step": self.step, "max_steps": self.config.max_steps}
        files.write_json(self.folder / "status.json", status | {"message": message})

    def is_done(self) -> bool:
        """Whether nothing is left to do, the end included."""
        if self.step < self.config.max_steps:
            return False
        try:
            return bool(json.loads((self.folder / "status.json").read_bytes())["state"] == "done")
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return False  # missing or damaged: the end is worked out again
