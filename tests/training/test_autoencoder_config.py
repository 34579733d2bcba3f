"""Options of train_autoencoder: the values that are refused."""

import pytest

from tests.training.miniature_runs import encode


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--factor", "3"), "factor"),
        (("--kl-weight", "0"), "--kl-weight = 0.0 must be finite and above 0"),
        (("--gradient-weight", "-1"), "--gradient-weight = -1.0 must be finite and at least 0"),
        (("--latent-channels", "0"), "--latent-channels = 0 must be finite and at least 1"),
        (("--dataset", "patches:7"), "pass 8 to 213"),
        (("--learning-rate", "nan"), "--learning-rate = nan"),
    ],
)
def test_bad_usage_exits_2_with_a_message(tmp_path, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        encode(tmp_path / "run", *flags)
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert message in " ".join((printed.err + printed.out).split())
    assert not (tmp_path / "run").exists()
