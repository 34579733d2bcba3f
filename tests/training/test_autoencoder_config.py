"""The options of train_autoencoder, and what is refused."""

import pytest

from tests.training.miniature_runs import encode


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--factor", "3"), "factor"),
        (("--kl-weight", "0"), "--kl-weight = 0.0 must be finite and above 0"),
        (("--gradient-weight", "-1"), "--gradient-weight = -1.0 must be finite and at least 0"),
        (("--latent-channels", "0"), "--latent-channels = 0 must be finite and at least 1"),
        (("--dataset", "patches:7"), "pass 8 to 213"),
        (("--learning-rate", "nan"), "--learning-rate = nan"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_2(tmp_path, capsys, flags, says):
    with pytest.raises(SystemExit) as stopped:
        encode(tmp_path / "run", *flags)
    assert stopped.value.code == 2
    told = capsys.readouterr()
    assert says in " ".join((told.err + told.out).split())
    assert not (tmp_path / "run").exists()
