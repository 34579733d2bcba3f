"""Short runs of the training commands, and what tests do to them and read of them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.train import main as train_command
from ddpm_core.train_autoencoder import main as autoencoder_command
from ddpm_core.training import diffusion_run, step

TINY = [
    *("--width", "8", "--multipliers", "1", "2", "--batch-size", "8", "--warmup-steps", "2"),
    *("--preview-steps", "4", "--preview-samples", "4", "--T", "20", "--schedule", "cosine"),
    *("--log-every", "2", "--sample-every", "8", "--save-every", "3", "--device", "cpu"),
]
TINY_AUTOENCODER = [
    *("--width", "8", "--factor", "2", "--batch-size", "8", "--warmup-steps", "2"),
    *("--log-every", "2", "--sample-every", "4", "--save-every", "3", "--device", "cpu"),
]


def train(folder: Path, *more: str, steps: int = 8) -> int:
    return train_command([*TINY, "--out-dir", str(folder), "--max-steps", str(steps), *more])


def encode(folder: Path, *more: str, steps: int = 8) -> int:
    return autoencoder_command(
        [*TINY_AUTOENCODER, "--out-dir", str(folder), "--max-steps", str(steps), *more]
    )


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Every byte that a resumed run must repeat; only how it was let in belongs to each start."""
    newest = latest_checkpoint(folder / "checkpoints")
    assert newest is not None
    files = [*sorted(newest.glob("*.safetensors")), folder / "metrics.jsonl"]
    state = json.loads((newest / "state.json").read_bytes())
    assert state.pop("admissions")
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
    """Nothing catches it, as nothing catches a kill -9."""


def crash() -> None:
    raise Crash
