"""The directory of a run: what it holds, how it is resumed, and how far the run has come."""

import json
import os
import platform
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ddpm_core import __version__
from ddpm_core.cli.failures import explained, is_expected, is_out_of_memory, one_line
from ddpm_core.cli.options import to_json
from ddpm_core.cli.progress import say
from ddpm_core.data.dataset import split_of
from ddpm_core.data.space import space_named
from ddpm_core.figures.report import write_report
from ddpm_core.gate.authorization import watermark
from ddpm_core.storage import files
from ddpm_core.storage.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from ddpm_core.training.build import images_per_class
from ddpm_core.training.run_config import check_same_run, lasting
from ddpm_core.training.same_data import difference
from ddpm_core.training.task import Task


class RunDirectory:
    """The files of one run of a task, and the number of steps that they hold."""

    def __init__(self, task: Task) -> None:
        config, source = task.config, task.config.dataset.split(":")[0]
        self.task = task
        self.path = config.out_dir or Path("runs") / f"{source}{task.suffix}"
        self.checkpoints = self.path / "checkpoints"
        self.step = 0  # optimizer steps done
        self.saved: int | None = None  # those of the newest checkpoint
        self.losses: dict[str, list[float]] = {}  # since the last row of metrics.jsonl
        self.authorizations = [asdict(task.authorization)]  # one per start, this one last
        self.data_changes = list(task.images.reading.warnings)  # of this start and those before
        self.rows_complete = True  # False if a row could not be appended
        self.warnings: list[str] = []  # of parts that failed, of this start and those before

    @property
    def watermark(self) -> str | None:
        """Watermark of every picture: a start unverified, or data that changed."""
        unverified = watermark(self.authorizations) or self.task.space.watermark
        marks = [*([] if unverified is None else [unverified]), *self.data_changes]
        return "; ".join(marks) or None

    # --- checkpoints ------------------------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint of this step."""
        task = self.task
        state = {
            "command": task.command,
            "config": lasting(task.config),
            "data": self._data(),
            "image_shape": list(task.dataset.shape),
            "levels": task.dataset.grey_levels,
            "class_names": list(task.dataset.class_names),
            "images_per_class": images_per_class(task.dataset),
            "split": [len(part) for part in split_of(task.dataset)],
            "data_changes": self.data_changes,
            "losses": self.losses,
            "authorizations": self.authorizations,
            "autoencoder": task.space.digest,
        }
        tensors, keep = task.state.tensors(), task.config.keep_checkpoints
        save_checkpoint(self.checkpoints, self.step, tensors, state, keep=keep)
        self.saved = self.step

    def resume(self) -> None:
        """Restore the newest checkpoint, or the one that --resume names.

        Raises ValueError for a checkpoint of another run.
        """
        task, wanted = self.task, self.task.config.resume
        auto = wanted in ("auto", "never")
        saved = latest_checkpoint(self.checkpoints) if auto else Path(wanted)
        if saved is None:
            return
        if wanted == "never":
            raise ValueError(
                f"--resume never, but {self.path} already holds {saved.name}; choose another "
                "--out-dir to start afresh, or leave --resume out to resume"
            )
        if not saved.exists():
            newest = latest_checkpoint(self.checkpoints)
            raise ValueError(
                f"--resume {wanted} does not exist; pass auto, never, or the path of a checkpoint"
                + (f", such as {newest}" if newest is not None else "")
            )
        groups = list(task.state.tensors())
        checkpoint = load_checkpoint(saved, groups, ["config", "data", "losses"])
        self._check_same_run(checkpoint)
        task.state.restore(checkpoint.tensors)
        losses = checkpoint.state["losses"]
        self.step = self.saved = checkpoint.step
        self.losses = losses if isinstance(losses, dict) else {"loss": losses}  # of version 0.1
        self.authorizations = [*checkpoint.state.get("authorizations", []), *self.authorizations]
        before = checkpoint.state.get("data_changes", [])
        self.data_changes = list(dict.fromkeys([*before, *self.data_changes]))

    def _check_same_run(self, checkpoint: Checkpoint) -> None:
        task, state, path = self.task, checkpoint.state, checkpoint.path
        command = state.get("command", task.command)
        if command != task.command:
            raise ValueError(
                f"{path} was made by {command}, not {task.command}; choose another --out-dir"
            )
        was, now = state.get("autoencoder"), task.space.digest
        if was != now:
            raise ValueError(
                f"{path} was trained in {space_named(was)}, but this run is in {space_named(now)}; "
                "give the same --latent to resume, or another --out-dir to start afresh"
            )
        before = (state.get("authorizations") or [{}])[-1].get("device")
        same_device = before == task.authorization.device
        check_same_run(state["config"], task.config, str(path), same_device)
        self._check_same_data(checkpoint)

    def _check_same_data(self, checkpoint: Checkpoint) -> None:
        """Refuse data that changed; with --data-changed ok, record that they did."""
        task, state, path = self.task, checkpoint.state, checkpoint.path
        conditional = getattr(task.config, "conditional", False)
        differs = difference(state, task.dataset, self._data(), conditional)
        if differs is None:
            return
        fits = [state.get("image_shape"), state.get("levels")] in (
            [list(task.dataset.shape), task.dataset.grey_levels],
            [None, None],
        )
        fits = fits and not differs.startswith("classes")
        if task.config.data_changed != "ok" or not fits:
            older = task.config.split == "by-class" and "split" not in state
            hint = ", pass --split even if an earlier version began the run" if older else ""
            accept = ", pass --data-changed ok to train on" if fits else ""
            raise ValueError(
                f"{path} was trained on other data than {task.config.dataset} holds now "
                f"({differs}); restore the data{hint}{accept}, or choose another --out-dir"
            )
        self.data_changes.append(f"DATA CHANGED after step {checkpoint.step} ({differs})")

    def _data(self) -> str:
        return self.task.space.data_digest(self.task.images.digest())

    def _about_data(self) -> dict[str, Any]:
        images = self.task.images
        names, parts = ("train", "validation", "test"), split_of(images)
        split = {name: len(part) for name, part in zip(names, parts, strict=True)}
        about = {"dataset": images.name, "digest": images.digest(), **split}
        return about | images.reading.to_json() | {"warnings": self.data_changes}

    # --- everything else --------------------------------------------------------------------------

    def begin(self) -> None:
        """Write what the run is, and what a reader needs to repeat it, before the first step."""
        self.warnings = [*self._status().get("warnings", []), *self.warnings] if self.step else []
        for rows in (self.path / "metrics.jsonl", self.path / "timing.jsonl"):
            if rows.exists():  # rows after the checkpoint will be written again
                files.truncate_lines(rows, self.step or -1)
        task, packages = self.task, ("torch", "numpy", "scipy", "safetensors", "scikit-learn")
        environment = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "cpus": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "ddpm-core": __version__,
            **{name: version(name) for name in packages},
            "verification": str(task.authorization),
            "device": task.authorization.device,
        }
        files.write_json(self.path / "config.json", to_json(task.config))
        files.write_json(self.path / "env.json", environment)
        files.write_json(self.path / "verification.json", self.authorizations)
        files.write_json(self.path / "data.json", self._about_data())
        task.space.install(self.path)
        self.status("running")

    def status(self, state: str, message: str = "") -> None:
        """Write status.json: running, done, interrupted or failed."""
        status = {"state": state, "step": self.step, "max_steps": self.task.config.max_steps}
        more = {"message": message, "warnings": self.warnings}
        files.write_json(self.path / "status.json", status | more)

    def note_killed(self, left: str | None) -> str | None:
        """Return a note if the last process here was killed, and end its status `running`.

        left: that process, from the lock that it left. The caller holds the lock, so that no
        process is at work.
        """
        status = self._status()
        if status.get("state") != "running":
            return None
        note = (
            f"NOTE: {left or 'an earlier process'} was killed in {self.path} at step "
            f"{status.get('step')} or later, as by kill -9, the kernel out of memory, or a power "
            "cut"
        )
        after = status | {"state": "interrupted", "message": note}
        files.write_json(self.path / "status.json", after)
        return note

    def _status(self) -> dict[str, Any]:
        """Return what status.json holds; nothing if it is missing or damaged."""
        try:
            status = json.loads((self.path / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    @contextmanager
    def optional(self, what: str) -> Iterator[None]:
        """Turn a failure of `what`, without which the run continues, into a warning."""
        try:
            yield
        except Exception as error:  # a library that draws may raise any type
            self.warnings.append(f"WARNING: no {what} at step {self.step}: {one_line(error)}")
            say(self.warnings[-1], error=True)

    def fail(self, error: Exception) -> str:
        """Save the last good step, set the status to failed, and return the cause in a sentence.

        Step 0 is not saved: nothing was learned, and other options may start in the same folder.
        """
        cause, task = explained(error, self.task.config), self.task
        try:
            if self.step not in (0, self.saved) and self.rows_complete and task.state.is_good():
                self.save()
            last = latest_checkpoint(self.checkpoints)
            saved = f"The last good checkpoint is {last}" if last else "No checkpoint was saved yet"
        except Exception as second:  # the first cause is what has to be reported
            saved = f"Saving step {self.step} failed, too: {one_line(second)}"
        message = f"{cause}. {saved}"
        with suppress(OSError):
            if not is_expected(error) and not is_out_of_memory(error):
                lines = "".join(traceback.format_exception(error))
                files.write_bytes(self.path / "traceback.txt", lines.encode())
                message += f". The traceback is in {self.path / 'traceback.txt'}"
            self.status("failed", message)
        with suppress(Exception):
            self.write_report()
        return message

    def append(self, metrics: Mapping[str, Any], timing: Mapping[str, Any]) -> None:
        """Append a row of metrics, which a rerun reproduces bit by bit, and a row of times."""
        self.rows_complete = False
        for name, row in {"metrics.jsonl": metrics, "timing.jsonl": timing}.items():
            files.append_line(self.path / name, {"step": self.step, **row})
        self.rows_complete = True

    def lacks_preview(self) -> bool:
        """Return whether this step has a preview whose row is not in metrics.jsonl."""
        config, path = self.task.config, self.path / "metrics.jsonl"
        rows = path.read_bytes().splitlines() if path.exists() else []
        last = map(json.loads, rows[-2:])  # after a preview comes no other row of its step
        had = any(row["step"] == self.step and "validation_loss" in row for row in last)
        return not had and (self.step % config.sample_every == 0 or self.step == config.max_steps)

    def write_report(self) -> None:
        """Draw the curves and write report.html."""
        write_report(self.path, watermark=self.watermark)

    def is_done(self) -> bool:
        """Return whether nothing is left to do."""
        if self.step < self.task.config.max_steps or not self.task.is_complete(self.path):
            return False
        return bool(self._status().get("state") == "done")  # or the end is computed again
