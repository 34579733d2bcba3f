"""The commands and the gate: exit codes, recorded authorizations, and the watermark."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddpm_core.figures.canvas import ALARM
from tests.training.miniature_runs import TINY, train

REASON = "the tests look at the watermark"
UNVERIFIED = ("--unverified", REASON)
WATERMARK = f"UNVERIFIED: {REASON}"


def is_watermarked(path: Path) -> bool:
    """Return whether the image, or each of its frames, starts with the red strip."""
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        for number in range(frames):
            image.seek(number)
            pixel = np.array(image.convert("RGB"))[1, 1].astype(int)
            if np.abs(pixel - ALARM).max() > 24:  # a GIF has fewer colours
                return False
    return True


def state(run: Path, step: int) -> Any:
    return json.loads((run / f"checkpoints/step-{step:06d}/state.json").read_bytes())


def test_cpu_run_without_a_certificate_is_recorded_as_not_verified(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(Path("run"), steps=1) == 0
    message = "not verified: no certificate at verification/certificate.json"
    assert message in capsys.readouterr().out
    assert json.loads(Path("run/env.json").read_bytes())["verification"] == message
    (once,) = state(Path("run"), 1)["authorizations"]
    assert (once["state"], once["reason"], once["who"]) == ("not verified", "", "")
    assert not is_watermarked(Path("run/samples/step-000001.png"))


@pytest.mark.parametrize(
    "more", [["--require-verified"], ["--device", "cuda"], ["--device", "mps"]]
)
def test_training_is_refused_without_a_certificate(tmp_path, capsys, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    assert train(Path("run"), *more) == 3
    message = capsys.readouterr().err
    assert "no certificate at verification/certificate.json" in message
    assert "`make test`" in message
    assert not Path("run").exists()
    assert train(Path("run"), *more, "--dry-run") == 3, "a dry run is refused too"


def test_watermark_is_on_everything_made_with_unverified(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    assert train(run, "--require-verified", *UNVERIFIED, steps=2) == 0
    assert WATERMARK.split(":")[0] in capsys.readouterr().out
    (once,) = json.loads((run / "verification.json").read_bytes())
    assert (once["state"], once["reason"]) == ("UNVERIFIED", REASON)
    assert once["mismatch"] == "no certificate at verification/certificate.json"
    assert once["who"]
    assert state(run, 2)["authorizations"] == [once]
    for name in ("samples/step-000002.png", "denoising/step-000002.png", "denoising.gif"):
        assert is_watermarked(run / name), name
    assert WATERMARK in (run / "report.html").read_text()

    command = [sys.executable, "-m", "ddpm_core.sample", str(run), "--n", "2", "--gif"]
    done = subprocess.run([*command, "--steps", "2"], capture_output=True, text=True, check=True)
    assert WATERMARK in done.stderr
    for ending in ("png", "gif"):
        (image,) = (run / "generated").glob(f"*.{ending}")
        assert is_watermarked(image)


def test_watermark_remains_when_resumed_without_the_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    constant = ("--learning-rate-decay", "constant")  # so that the run can be extended
    assert train(run, *UNVERIFIED, *constant, steps=1) == 0
    assert train(run, *constant, steps=2) == 0
    first, second = state(run, 2)["authorizations"]
    assert (first["state"], second["state"]) == ("UNVERIFIED", "not verified")
    assert is_watermarked(run / "samples/step-000002.png")
    assert train(run, *constant, steps=2) == 0
    assert f"finished, {WATERMARK}: see" in capsys.readouterr().out


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_of_a_launch_is_refused(tmp_path, rank):
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "ddpm_core.train", *TINY, "--device", "cuda"]
    done = subprocess.run(
        command, env=os.environ | ranks, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_refusal_does_not_initialise_the_accelerator(tmp_path):
    """CUDA is not initialised when the exit code is 3."""
    code = (
        "import torch, ddpm_core.train as train\n"
        "assert train.main(['--device', 'cuda']) == 3\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
