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
from ddpm_core.schedules import Schedule
from ddpm_core.training import files
from ddpm_core.training.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from ddpm_core.training.config import TrainConfig, check_same_run, lasting
from ddpm_core.training.data import Dataset, load_dataset
from ddpm_core.training.ema import Ema
from ddpm_core.training.heldout import (
    by_decile,
    heldout_errors,
    mean_and_standard_error,
    spread,
    spread_times,
)
from ddpm_core.training.optimizer_state import flatten_optimizer, restore_optimizer
from ddpm_core.training.options import to_json
from ddpm_core.training.pictures import denoising_sheet, sample_grid
from ddpm_core.training.report import write_report
from ddpm_core.training.setup import (
    build_network,
    build_schedule,
    choose_device,
    environment,
    group_parameters,
)
from ddpm_core.training.signals import Stop
from ddpm_core.training.step import NonFiniteError, Trainee, learning_rate, train_step
from ddpm_core.training.visits import fixed_times, visit

VALIDATION_TIMES = 20  # two in each decile
TEST_TIMES = 100
TEST_IMAGES = 500  # at most, of validation as of test: enough for a standard error below 1 %


@dataclass(eq=False)
class Run:
    """A training run in its folder: what it is made of, and how far it has come."""

    config: TrainConfig
    folder: Path
    device: torch.device
    dataset: Dataset
    schedule: Schedule
    trainee: Trainee
    step: int = 0  # optimizer steps done
    losses: list[float] = field(default_factory=list)  # since the last row of metrics.jsonl

    @classmethod
    def prepare(cls, config: TrainConfig) -> "Run":
        """Everything that can be wrong with the input is found here, before any work."""
        device = choose_device(config.device)
        dataset = load_dataset(config.dataset, config.image_size)
        network = build_network(config, dataset.shape[0]).to(device)
        optimizer = torch.optim.AdamW(
            group_parameters(network, config.weight_decay),
            lr=learning_rate(config, 0),
            betas=(0.9, 0.99),
            fused=True,
        )
        forward = torch.compile(network) if config.compile else network
        trainee = Trainee(network, forward, Ema(network, config.ema_decay), optimizer)
        folder = config.out_dir or Path("runs") / config.dataset.split(":")[0]
        return cls(config, folder, device, dataset, build_schedule(config), trainee)

    def plan(self) -> str:
        """What is about to happen, for a person."""
        config, data = self.config, self.dataset
        weights = sum(p.numel() for p in self.trainee.network.parameters())
        return (
            f"{data.name}: {len(data.train):,} training, {len(data.validation):,} validation and "
            f"{len(data.test):,} test images of shape {data.shape}, {data.levels} grey levels\n"
            f"U-Net of {weights:,} parameters predicts {config.parameterization} on the "
            f"{config.schedule} schedule, T = {config.T}\n"
            f"{'goes on at' if self.step else 'from'} step {self.step:,} of "
            f"{config.max_steps:,}, {config.batch_size} images each, on "
            f"{self.device} in {config.dtype}, reported every {config.log_every}, to {self.folder}"
        )

    # --- what is kept ---------------------------------------------------------------------------

    def save(self) -> Path:
        """Write a checkpoint of this very step."""
        parameters = dict(self.trainee.network.named_parameters())
        tensors = {
            "model": self.trainee.network.state_dict(),
            "ema": self.trainee.ema.network.state_dict(),
            "optimizer": flatten_optimizer(self.trainee.optimizer, parameters),
        }
        state = {
            "config": lasting(self.config),
            "data": self.dataset.digest(),
            "image_shape": list(self.dataset.shape),
            "levels": self.dataset.levels,
            "class_names": list(self.dataset.class_names),
            "losses": self.losses,
        }
        return save_checkpoint(
            self.folder / "checkpoints", self.step, tensors, state, keep=self.config.keep
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
        checkpoint = load_checkpoint(
            saved, ["model", "ema", "optimizer"], ["config", "data", "losses"]
        )
        check_same_run(checkpoint.state["config"], self.config, str(saved))
        if checkpoint.state["data"] != self.dataset.digest():
            raise ValueError(
                f"{saved} was trained on other data than {self.config.dataset} holds now (digest "
                f"{checkpoint.state['data'][:12]}, now {self.dataset.digest()[:12]}); restore the "
                "data, or choose another --out-dir"
            )
        self.trainee.network.load_state_dict(checkpoint.tensors["model"])
        self.trainee.ema.network.load_state_dict(checkpoint.tensors["ema"])
        parameters = dict(self.trainee.network.named_parameters())
        restore_optimizer(self.trainee.optimizer, parameters, checkpoint.tensors["optimizer"])
        self.step, self.losses = checkpoint.step, list(checkpoint.state["losses"])

    # --- what is done ---------------------------------------------------------------------------

    def finish(self, stop: Stop) -> int:
        """Train to the end, or to a signal, and say how it went; returns the exit code."""
        try:
            if self._is_done():
                print(f"finished: see {self.folder}/report.html; another --out-dir starts afresh")
                return 0
            print(self.plan(), flush=True)
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
        write_report(self.folder)
        print(f"{message}\nlook at {self.folder / 'report.html'}")
        return 0

    def train(self, stop: Stop) -> None:
        """Steps until max_steps or until `stop` is set, then a checkpoint."""
        config = self.config
        for name in ("metrics.jsonl", "timing.jsonl"):  # rows that are about to be made again
            files.truncate_lines(self.folder / name, self.step or -1)
        files.write_json(self.folder / "config.json", to_json(config))
        files.write_json(self.folder / "env.json", environment(self.device))
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
        validation = self.dataset.take(spread(self.dataset.validation, TEST_IMAGES))
        errors = heldout_errors(
            network,
            self.schedule,
            config.parameterization,
            validation,
            spread_times(config.T, VALIDATION_TIMES),
            config.seed,
            device=self.device,
        )
        record, samples = visit(
            ClipX0(NetworkDenoiser(self.schedule, network, config.parameterization)),
            self.schedule,
            validation,
            fixed_times(config.T, config.denoise_at),
            step=self.step,
            samples=config.preview_samples,
            steps=config.preview_steps,
            seed=config.seed,
            device=self.device,
        )
        row: dict[str, Any] = {
            "step": self.step,
            "validation_loss": float(errors.mean()),
            "validation_loss_by_decile": by_decile(errors),
            "one_shot_mse": {
                str(t): mse
                for t, mse in zip(record.times, record.one_shot_mse.tolist(), strict=True)
            },
        }
        files.append_line(self.folder / "metrics.jsonl", row)
        name = f"step-{self.step:06d}"
        record.save(self.folder / "denoising" / f"{name}.npz")
        sheet = denoising_sheet(record, f"{config.dataset}, step {self.step:,}")
        files.write_bytes(self.folder / "denoising" / f"{name}.png", sheet)
        files.write_bytes(self.folder / "samples" / f"{name}.png", sample_grid(samples))
        self._status("running")
        write_report(self.folder)
        timing = {"step": self.step, "visit_seconds": time.perf_counter() - began}
        files.append_line(self.folder / "timing.jsonl", timing)

    def test_error(self) -> tuple[float, float | None]:
        """eps-MSE of the averaged weights on the test images, uniform over t: (mean, its standard
        error)."""
        errors = heldout_errors(
            self.trainee.ema.network,
            self.schedule,
            self.config.parameterization,
            self.dataset.take(spread(self.dataset.test, TEST_IMAGES)),
            spread_times(self.config.T, TEST_TIMES),
            self.config.seed,
            measure="eps",
            device=self.device,
            progress="test error",
        )
        return mean_and_standard_error(errors)

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

    def _is_done(self) -> bool:
        if self.step < self.config.max_steps:
            return False
        try:
            return bool(json.loads((self.folder / "status.json").read_bytes())["state"] == "done")
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            return False  # missing or damaged: the end is worked out again
