"""The training loop, whatever is trained: steps, visits, checkpoints, and a clean way to stop."""

import json
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from tqdm import tqdm

from ddpm_core.cli.options import to_json
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Stop
from ddpm_core.data.dataset import Dataset
from ddpm_core.figures.report import write_report
from ddpm_core.gate.admission import Admission, admit, watermark
from ddpm_core.schedules import Schedule
from ddpm_core.storage import files
from ddpm_core.storage.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from ddpm_core.training.build import environment
from ddpm_core.training.run_config import RunConfig, check_same_run, lasting
from ddpm_core.training.state import NonFiniteError, Trainee, learning_rate


def let_in(config: RunConfig, schedule: Schedule) -> Admission:
    """Pass the gate with what a run says of itself; raises as `admit` does."""
    torch.backends.cudnn.deterministic = True  # a run on a GPU repeats its bits, too
    return admit(
        schedule,
        config.device,
        autocast=config.dtype == "bf16",
        path=config.certificate,
        required=config.require_verified,
        unverified=config.unverified,
    )


@dataclass(eq=False, kw_only=True)
class Run(ABC):
    """A training run in its folder: what it is made of, and how far it has come."""

    config: RunConfig
    folder: Path
    dataset: Dataset
    trainee: Trainee
    admission: Admission
    admissions: list[dict[str, Any]]  # one for each start of the run, this one last
    step: int = 0  # optimizer steps done
    losses: dict[str, list[float]] = field(default_factory=dict)  # since the last row of metrics

    command: ClassVar[str]  # that starts it

    @property
    def pictures(self) -> Dataset:
        """The data as they were read."""
        return self.dataset

    # --- what is trained, and how it is looked at -----------------------------------------------

    @abstractmethod
    def take_step(self) -> tuple[dict[str, float], float]:
        """The next optimizer step; returns its losses by name, "loss" first, and the norm of the
        gradient."""

    @abstractmethod
    def look(self) -> None:
        """Measure and draw what a visit shows, and put it into the folder."""

    @abstractmethod
    def conclude(self) -> str:
        """What is measured once, at the end; returns it in a sentence."""

    @abstractmethod
    def describe(self) -> str:
        """What is trained, in a line of the plan."""

    def about(self) -> dict[str, Any]:
        """What a checkpoint says beside the numbers, for those who use it."""
        return {
            "command": self.command,
            "config": lasting(self.config),
            "data": self.dataset.digest(),
            "image_shape": list(self.dataset.shape),
            "levels": self.dataset.grey_levels,
            "class_names": list(self.dataset.class_names),
            "losses": self.losses,
            "admissions": self.admissions,
        }

    def check_resumed(self, checkpoint: Checkpoint) -> None:
        """Raise ValueError where a checkpoint is of another run than this one."""
        check_same_run(checkpoint.state["config"], self.config, str(checkpoint.path))
        if checkpoint.state["data"] != self.dataset.digest():
            raise ValueError(
                f"{checkpoint.path} was trained on other data than {self.config.dataset} holds now "
                f"(digest {checkpoint.state['data'][:12]}, now {self.dataset.digest()[:12]}); "
                "restore the data, or choose another --out-dir"
            )

    @property
    def device(self) -> torch.device:
        """The one that the run was admitted to."""
        return torch.device(self.admission.device)

    @property
    def watermark(self) -> str | None:
        """What every picture says once the run was let in unverified, now or before."""
        return watermark(self.admissions)

    def plan(self) -> str:
        """What is about to happen, for a person."""
        config, data = self.config, self.pictures
        real = data.images.is_floating_point()
        values = "real numbers" if real else f"{data.grey_levels} grey levels"
        rise, note = config.warmup_steps, ""
        if rise > config.max_steps:
            note = (
                f"\nNOTE: the rate rises over {rise:,} steps: lower --warmup-steps to see its peak"
            )
        return (
            f"{data.name}: {len(data.train):,} training, {len(data.validation):,} validation and "
            f"{len(data.test):,} test images of shape {data.shape}, {values}\n"
            f"{self.describe()}\n"
            f"{'goes on at' if self.step else 'from'} step {self.step:,} of "
            f"{config.max_steps:,}, {config.batch_size} images each, on {self.device} in "
            f"{config.dtype}, reported every {config.log_every}, to {self.folder}\n"
            f"{self.admission}{note}"
        )

    # --- what is kept ---------------------------------------------------------------------------

    def save(self) -> Path:
        """Write a checkpoint of this very step."""
        return save_checkpoint(
            self.folder / "checkpoints",
            self.step,
            self.trainee.tensors(),
            self.about(),
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
        command = checkpoint.state.get("command", self.command)
        if command != self.command:
            raise ValueError(
                f"{saved} was made by {command}, not {self.command}; choose another --out-dir"
            )
        self.check_resumed(checkpoint)
        self.trainee.restore(checkpoint.tensors)
        losses = checkpoint.state["losses"]
        self.step = checkpoint.step
        self.losses = losses if isinstance(losses, dict) else {"loss": losses}  # of version 0.1
        self.admissions = [*checkpoint.state.get("admissions", []), *self.admissions]

    # --- what is done ---------------------------------------------------------------------------

    def finish(self, stop: Stop) -> int:
        """Train to the end, or to a signal, and say how it went; returns the exit code."""
        try:
            self.train(stop)
        except (NonFiniteError, files.DamagedFile, OSError) as failure:
            last = latest_checkpoint(self.folder / "checkpoints")
            kept = f"The last good checkpoint is {last}" if last else "No checkpoint was saved yet"
            message = f"{failure}. {kept}"
            self._status("failed", message)
            say(f"ddpm_core.{self.command}: {message}", error=True)
            return 1
        if stop.requested is not None and self.step < self.config.max_steps:
            self._status("interrupted", f"{stop.requested.name} at step {self.step}")
            say(f"saved at step {self.step:,}; the same command goes on from here")
            return stop.exit_code
        message = self.conclude()
        self._status("done", message)
        write_report(self.folder, watermark=self.watermark)
        say(f"{message}\nlook at {self.folder / 'report.html'}")
        return 0

    def begin(self) -> None:
        """Put into the folder what the run is, before the first step of each start."""
        for name in ("metrics.jsonl", "timing.jsonl"):  # rows that are about to be made again
            files.truncate_lines(self.folder / name, self.step or -1)
        files.write_json(self.folder / "config.json", to_json(self.config))
        found = {**environment(self.device), "verification": str(self.admission)}
        files.write_json(self.folder / "env.json", found)
        files.write_json(self.folder / "verification.json", self.admissions)

    def train(self, stop: Stop) -> None:
        """Steps until max_steps or until `stop` is set, then a checkpoint."""
        config = self.config
        self.begin()
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
                losses, norm = self.take_step()
                seconds.append(time.perf_counter() - began)
                self.step += 1
                for name, loss in losses.items():
                    self.losses.setdefault(name, []).append(loss)
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
        """Look at what has been learned, and bring the report up to it."""
        began = time.perf_counter()
        self.look()
        self._status("running")
        write_report(self.folder, watermark=self.watermark)
        timing = {"step": self.step, "visit_seconds": time.perf_counter() - began}
        files.append_line(self.folder / "timing.jsonl", timing)

    def _log(self, norm: float, seconds: list[float], bar: "tqdm[Any]") -> None:
        means = {name: sum(each) / len(each) for name, each in sorted(self.losses.items())}
        speed = len(seconds) * self.config.batch_size / sum(seconds)
        rate = learning_rate(self.config, self.step - 1)
        row = {"step": self.step, **means, "learning_rate": rate, "grad_norm": norm}
        timing = {"step": self.step, "seconds": sum(seconds), "images_per_second": speed}
        files.append_line(self.folder / "metrics.jsonl", row)
        files.append_line(self.folder / "timing.jsonl", timing)
        self.losses = {}
        bar.set_postfix(loss=f"{means['loss']:.4f}", refresh=False)
        if bar.disable:
            left = (self.config.max_steps - self.step) * self.config.batch_size / speed
            say(
                f"step {self.step:>6,} of {self.config.max_steps:,}  loss {means['loss']:.4f}  "
                f"{speed:,.0f} images/s, {left / 60:.1f} minutes of steps left"
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
