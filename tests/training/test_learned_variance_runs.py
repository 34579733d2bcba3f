"""Runs with a learned variance: resuming, and its use by the other commands."""

import numpy as np
import pytest
import torch

from ddpm_core import evaluate, sample
from ddpm_core.generation import generate_images as drawing
from ddpm_core.samplers import names as samplers
from ddpm_core.training import step
from ddpm_core.training.trained import load_trained
from tests.data.datasets_written import GREY, write_npz
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import Crash, after_step, crash, fingerprint, train

pytestmark = pytest.mark.usefixtures("undrawn")


def test_importance_sampled_run_resumes_to_the_same_bits(tmp_path, monkeypatch):
    """The history of terms is saved: from the ninth step on timesteps are drawn by it."""
    few = ("--loss", "vlb", "--T", "3", "--schedule", "cosine", "--denoise-at", "1")
    assert train(tmp_path / "uninterrupted", *few, steps=16) == 0
    with monkeypatch.context() as patch:
        after_step(patch, 13, crash)
        with pytest.raises(Crash):
            train(tmp_path / "run", *few, steps=16)
    drawn = []
    real = step.diffuse
    monkeypatch.setattr(step, "diffuse", lambda *given: drawn.append(given[3]) or real(*given))
    assert train(tmp_path / "run", *few, steps=16) == 0
    assert all(len(set(probabilities.tolist())) == 3 for probabilities in drawn)
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "uninterrupted")


def test_learned_variance_is_the_default_of_the_commands(tmp_path):
    folder = tmp_path / "run"
    assert train(folder, "--loss", "hybrid") == 0
    trained = load_trained(folder, torch.device("cpu"))
    assert trained.learns_variance
    assert trained.variance(None) == "learned_range"
    assert trained.variance("fixed_large") == "fixed_large"
    output = trained.network(torch.zeros(1, 1, 8, 8), torch.tensor([5]))[:, 1:]
    assert output.abs().max() > 0
    assert sample.main([str(folder), "--n", "2", "--steps", "3"]) == 0
    assert evaluate.main([str(folder), "--n", "4", "--strata", "4"]) == 0
    found = newest(folder / "evaluation")
    assert found["variance"] == "learned_range"


def test_learned_variance_of_a_run_without_one_is_refused(tmp_path, capsys):
    assert train(tmp_path, steps=1) == 0
    for command in (sample, evaluate):
        with pytest.raises(SystemExit, match="2"):
            command.main([str(tmp_path), "--variance", "learned_range"])
        assert (
            "learned no variance; omit it, or train with --loss hybrid or vlb"
            in capsys.readouterr().err
        )


@pytest.mark.parametrize(
    ("flags", "variance"), [((), "learned_range"), (("--variance", "fixed_large"), "fixed_large")]
)
def test_sampler_has_the_chosen_variance(tmp_path, monkeypatch, flags, variance):
    assert train(tmp_path, "--loss", "hybrid", steps=1) == 0
    seen = []

    def recorded(*given, **named):
        seen.append(named["variance"])
        return samplers.build_sampler(*given, **named)

    monkeypatch.setattr(drawing, "build_sampler", recorded)
    steps = ("--sampler", "ancestral", "--n", "1", "--steps", "2")
    assert sample.main([str(tmp_path), *steps, *flags]) == 0
    assert seen == [variance]


def test_decoder_of_the_flow_has_the_chosen_variance(tmp_path):
    """In one folder: results cached for the first call are not used by the second."""
    assert train(tmp_path, "--loss", "hybrid", steps=1) == 0
    found = []
    for flags in ((), ("--variance", "fixed_large")):
        few = ("--n", "2", "--strata", "2", "--samples", "0", "--flow", "4")
        assert evaluate.main([str(tmp_path), *few, *flags]) == 0
        results = newest(tmp_path / "evaluation")
        found.append(results["flow"]["bits_per_dim"])
    assert found[0] != found[1]


@pytest.mark.parametrize("loss", ["hybrid", "vlb"])
def test_too_many_grey_levels_for_a_float32_decoder_are_refused(tmp_path, capsys, loss):
    """By losses with a decoder and by evaluate; the squared error needs no decoder."""
    many = write_npz(tmp_path / "many.npz", images=GREY, levels=np.int64(2**31))
    flags = ("--dataset", f"npz:{many}", "--multipliers", "1")
    message = (
        f"npz:{many}: grey_levels = 2,147,483,648 is outside 2..4,194,304, which torch.float32"
    )
    with pytest.raises(SystemExit, match="2"):
        train(tmp_path / "run", *flags, "--loss", loss)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert train(tmp_path / "run", *flags, steps=1) == 0
    with pytest.raises(SystemExit, match="2"):
        evaluate.main([str(tmp_path / "run")])
    assert (
        f"{message} resolves in [-1, 1], which the bound requires. Store fewer"
        in capsys.readouterr().err
    )
