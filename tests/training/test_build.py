"""Building networks from options: the input that is refused."""

import numpy as np

from ddpm_core.train import main as train
from tests.training.miniature_runs import refused

OPTIONS = "--max-steps 2 --width 8 --multipliers 1 --batch-size 8 --T 20 --schedule cosine"

SHORT = [*OPTIONS.split(), "--preview-steps", "2"]


def test_conditional_training_on_data_without_classes_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "plain.npz", images=np.zeros((30, 8, 8), np.uint8))
    data, out = f"npz:{tmp_path / 'plain.npz'}", tmp_path / "run"
    message = refused(capsys, train, "--conditional", "--dataset", data, "--out-dir", str(out))
    assert "has no classes: give it labels" in message
    assert not out.exists()
