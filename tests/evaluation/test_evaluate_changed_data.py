"""The evaluate command on data that moved, or changed since the training."""

import numpy as np
import pytest

from ddpm_core.evaluate import main
from ddpm_core.evaluation import evaluate as evaluation
from tests.data.datasets_written import RNG, write_npz
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import refused, train

pytestmark = pytest.mark.usefixtures("undrawn")


def test_data_that_moved_and_data_that_changed(tmp_path, capsys, monkeypatch):
    images = RNG.integers(0, 256, (24, 8, 8), np.uint8)
    old, new = tmp_path / "x.npz", tmp_path / "y.npz"
    spec, run, out = f"npz:{write_npz(old, images=images)}", tmp_path / "run", tmp_path / "out"
    assert train(run, "--dataset", spec, steps=1) == 0
    flags = (str(run), "--out-dir", str(out), "--samples", "0", "--strata", "2")
    old.rename(new)
    assert "or say with --dataset where the data are now" in refused(capsys, main, *flags)
    assert main([*flags, "--dataset", f"npz:{new}"]) == 0
    first = newest(out)
    assert first["dataset"] == f"npz:{new}"
    assert first["data"]["warnings"] == []
    assert not any(each.startswith("DATA CHANGED") for each in first["warnings"])

    write_npz(new, images=images[::-1])
    moved = (*flags, "--dataset", f"npz:{new}")
    assert "was trained on other data than npz:" in refused(capsys, main, *moved)
    marks, real = [], evaluation.bound_figure
    monkeypatch.setattr(
        evaluation,
        "bound_figure",
        lambda *given, **named: marks.append(named["watermark"]) or real(*given, **named),
    )
    assert main([*moved, "--data-changed", "ok"]) == 0
    found = newest(out)
    warning = found["warnings"][0]
    assert warning.startswith("DATA CHANGED since the training (digest ")
    assert found["data"]["warnings"] == [warning]
    assert marks == [found["watermark"]] == [warning]
    assert warning in capsys.readouterr().out
    assert len(list(out.glob("*-changed-data.json"))) == 1
    assert len(list(out.glob("step-*.json"))) == 2


def test_a_run_that_was_resumed_on_changed_data_says_so(tmp_path):
    images = RNG.integers(0, 256, (24, 8, 8), np.uint8)
    flags = ("--learning-rate-decay", "constant", "--data-changed", "ok", "--dataset")
    for steps in (1, 2):
        spec = f"npz:{write_npz(tmp_path / 'x.npz', images=np.roll(images, steps, 0))}"
        assert train(tmp_path / "run", *flags, spec, steps=steps) == 0
    assert main([str(tmp_path / "run"), "--samples", "0", "--strata", "2"]) == 0
    found = newest(tmp_path / "run" / "evaluation")
    assert found["warnings"][0].startswith("DATA CHANGED after step 1 (digest ")
    assert found["watermark"] == found["warnings"][0]
