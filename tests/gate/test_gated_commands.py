"""The commands at the gate: exit codes, what is written down, and the mark on every picture."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddpm_core import verify
from ddpm_core.figures.canvas import ALARM
from ddpm_core.gate.certificate import Project, canonical, statement
from tests.gate.miniature import shown
from tests.training.miniature_runs import TINY, train

REASON = "the tests look at the watermark"
UNVERIFIED = ("--unverified", REASON)
MARK = f"UNVERIFIED: {REASON}"


def is_marked(path: Path) -> bool:
    """Whether the picture, or each of its frames, begins with the red strip."""
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        for number in range(frames):
            image.seek(number)
            pixel = np.array(image.convert("RGB"))[1, 1].astype(int)
            if np.abs(pixel - ALARM).max() > 24:  # a GIF keeps fewer colours
                return False
    return True


def state(run: Path, step: int) -> Any:
    return json.loads((run / f"checkpoints/step-{step:06d}/state.json").read_bytes())


def test_a_run_without_a_certificate_is_noted_on_the_cpu(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(Path("run"), steps=1) == 0
    said = "not verified: there is no certificate at verification/certificate.json"
    assert said in capsys.readouterr().out
    assert json.loads(Path("run/env.json").read_bytes())["verification"] == said
    (once,) = state(Path("run"), 1)["admissions"]
    assert (once["state"], once["reason"], once["who"]) == ("not verified", "", "")
    assert not is_marked(Path("run/samples/step-000001.png"))


@pytest.mark.parametrize(
    "more", [["--require-verified"], ["--device", "cuda"], ["--device", "mps"]]
)
def test_without_a_certificate_nothing_is_trained(tmp_path, capsys, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    assert train(Path("run"), *more) == 3
    said = capsys.readouterr().err
    assert "there is no certificate at verification/certificate.json" in said
    assert "`make test`" in said
    assert not Path("run").exists()
    assert train(Path("run"), *more, "--dry-run") == 3, "a plan that cannot be carried out is none"


def test_a_reason_marks_all_that_comes_of_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    assert train(run, "--require-verified", *UNVERIFIED, steps=2) == 0
    assert MARK.split(":")[0] in capsys.readouterr().out
    (once,) = json.loads((run / "verification.json").read_bytes())
    assert (once["state"], once["reason"]) == ("UNVERIFIED", REASON)
    assert once["mismatch"] == "there is no certificate at verification/certificate.json"
    assert once["who"]
    assert state(run, 2)["admissions"] == [once]
    for name in ("samples/step-000002.png", "denoising/step-000002.png", "denoising.gif"):
        assert is_marked(run / name), name
    assert MARK in (run / "report.html").read_text()

    command = [sys.executable, "-m", "ddpm_core.sample", str(run), "--n", "2", "--gif"]
    done = subprocess.run([*command, "--steps", "2"], capture_output=True, text=True, check=True)
    assert MARK in done.stderr
    for ending in ("png", "gif"):
        (drawn,) = (run / "generated").glob(f"*.{ending}")
        assert is_marked(drawn)


def test_the_mark_outlives_the_option(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    constant = ("--learning-rate-decay", "constant")  # so that it may be trained longer
    assert train(run, *UNVERIFIED, *constant, steps=1) == 0
    assert train(run, *constant, steps=2) == 0
    first, second = state(run, 2)["admissions"]
    assert (first["state"], second["state"]) == ("UNVERIFIED", "not verified")
    assert is_marked(run / "samples/step-000002.png")
    assert train(run, *constant, steps=2) == 0
    assert f"finished, {MARK}: see" in capsys.readouterr().out


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_of_a_launch_is_refused_by_itself(tmp_path, rank):
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    command = [sys.executable, "-m", "ddpm_core.train", *TINY, "--device", "cuda"]
    done = subprocess.run(
        command, env=os.environ | ranks, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_refusal_does_not_wake_the_accelerator(tmp_path):
    """Nor does looking for one: nothing of CUDA is initialised when the exit code is 3."""
    code = (
        "import torch, ddpm_core.train as train\n"
        "assert train.main(['--device', 'cuda']) == 3\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_status_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "ddpm_core.verify", "--status"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("not verified: there is no certificate at verification/cert")


def test_a_reader_that_left_changes_nothing_of_the_answer(tmp_path):
    """As `verify --status | head -0` does: the exit code is that of the certificate."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ddpm_core.verify", "--status"]
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("option", ["--spot", "--status"])
def test_a_suite_that_cannot_be_read_is_a_sentence(tmp_path, monkeypatch, capsys, option):
    """A package whose suite was left out when it was installed."""
    bare = Project("ddpm_core", tmp_path, tmp_path / "property_tests", tmp_path / "derivations")
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: bare))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certificate.json").write_bytes(canonical(statement({}, shown())))
    assert verify.main([option, "--report", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    assert "holds no suite with a policy.json" in said
