"""From options to a network."""

import numpy as np

from ddpm_core.train import main as train
from tests.training.miniature_runs import refused

OPTIONS = "--max-steps 2 --width 8 --multipliers 1 --batch-size 8 --T 20 --schedule cosine"

SHORT = [*OPTIONS.split(), "--preview-steps", "2"]


def test_data_without_classes_are_refused(tmp_path, capsys):
    np.savez(tmp_path / "plain.npz", images=np.zeros((30, 8, 8), np.uint8))
    data, out = f"npz:{tmp_path / 'plain.npz'}", tmp_path / "run"
    says = refused(capsys, train, "--conditional", "--dataset", data, "--out-dir", str(out))
    assert "has no classes: give it labels" in says
    assert not out.exists()
