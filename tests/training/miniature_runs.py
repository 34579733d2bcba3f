"""Short runs of the training commands; helpers to interrupt and to compare them."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from ddpm_core.evaluation import evaluate
from ddpm_core.figures import report
from ddpm_core.figures.canvas import png
from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.train import main as train_command
from ddpm_core.train_autoencoder import main as autoencoder_command
from ddpm_core.training import autoencoder_run, diffusion_run, step

TINY = [
    *("--width", "8", "--multipliers", "1", "2", "--batch-size", "8", "--warmup-steps", "2"),
    *("--preview-steps", "3", "--preview-samples", "4", "--T", "10", "--schedule", "cosine"),
    *("--log-every", "2", "--sample-every", "8", "--save-every", "3", "--device", "cpu"),
]
TINY_AUTOENCODER = [
    *("--width", "8", "--factor", "2", "--batch-size", "8", "--warmup-steps", "2"),
    *("--log-every", "2", "--sample-every", "4", "--save-every", "3", "--device", "cpu"),
]
# A run of two steps, for the tests of other commands.
SHORT = [
    *("--max-steps", "2", "--width", "8", "--multipliers", "1", "--batch-size", "8"),
    *("--preview-steps", "2", "--T", "20", "--schedule", "cosine", "--device", "cpu"),
]


def train(folder: Path, *more: str, steps: int = 8) -> int:
    return train_command([*TINY, "--out-dir", str(folder), "--max-steps", str(steps), *more])


def encode(folder: Path, *more: str, steps: int = 8) -> int:
    return autoencoder_command(
        [*TINY_AUTOENCODER, "--out-dir", str(folder), "--max-steps", str(steps), *more]
    )


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Return every byte that a resumed run must reproduce; each start has its own authorization."""
    newest = latest_checkpoint(folder / "checkpoints")
    assert newest is not None
    files = [*sorted(newest.glob("*.safetensors")), folder / "metrics.jsonl"]
    state = json.loads((newest / "state.json").read_bytes())
    assert state.pop("authorizations")
    bits = {each.name: each.read_bytes() for each in files}
    return bits | {"state.json": json.dumps(state).encode()}


def after_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Call `act` once step `number` (from 0) has been taken."""
    real = step.train_step

    def then_act(*arguments):
        out = real(*arguments)
        if arguments[4] == number:
            act()
        return out

    monkeypatch.setattr(diffusion_run, "train_step", then_act)


class Crash(BaseException):
    """A crash: no handler catches it, as with kill -9."""


def crash() -> None:
    raise Crash


# Functions that draw figures, by the modules that call them.
DRAWN_BY = {
    report: ("loss_figure", "autoencoder_figure", "denoising_gif"),
    diffusion_run: ("denoising_grid", "sample_grid"),
    autoencoder_run: ("latent_figure", "reconstruction_grid"),
    evaluate: ("bound_figure",),
}
PIXEL = png(np.zeros((1, 1, 3), np.uint8))


@contextmanager
def undrawn() -> Iterator[None]:
    """Write one pixel in place of each figure, and test on 97 images in place of 500.

    There are 97 validation images of digits, so no row of metrics.jsonl changes.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, names in DRAWN_BY.items():
            for name in names:
                patch.setattr(module, name, lambda *drawn, **named: PIXEL)
        patch.setattr(diffusion_run, "TEST_IMAGES", 97)
        yield


class SharedRuns:
    """Finished runs, each trained once per session by all processes, and copied for each test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def train(self, folder: Path, *flags: str) -> Path:
        """Copy the run of `train SHORT flags` to `folder`; a later flag wins over an earlier."""
        return self.copy(folder, " ".join(flags), lambda to: train_command(_to(to, *SHORT, *flags)))

    def copy(self, folder: Path, name: str, make: Callable[[Path], int]) -> Path:
        """Copy the folder that `make` writes to `folder`; it is made once for each name."""
        made = self.folder / sha256(name.encode()).hexdigest()
        with FileLock(made.with_suffix(".lock")):
            if not made.with_suffix(".done").exists():
                with undrawn():
                    assert make(made) == 0
                made.with_suffix(".done").touch()
        shutil.copytree(made, folder)
        return folder


def _to(folder: Path, *flags: str) -> list[str]:
    return [*flags, "--out-dir", str(folder)]


def refused(capsys: pytest.CaptureFixture[str], command: Any, *arguments: str) -> str:
    """Return the error of a command that must exit with code 2."""
    with pytest.raises(SystemExit) as stopped:
        command(list(arguments))
    assert stopped.value.code == 2
    return capsys.readouterr().err
