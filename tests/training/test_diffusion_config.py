"""Options of train: the values that are refused."""

import pytest

from tests.training.miniature_runs import fingerprint, train


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "3"], "--seed 0, not 3"),
        (["--width", "16"], "--width 8, not 16"),
        (["--resume", "never"], "already holds step-000008"),
        (["--resume", "nowhere/step-000001"], "nowhere/step-000001"),
        (["--dataset", "digitz"], "digits"),
        (["--dataset", "idx:nowhere"], "nowhere"),
        (["--device", "cuda", "--unverified", "to see that it is not there"], "--device cuda"),
        (["--device", "gpu"], "--device gpu is unknown"),
        (["--unverified", "no reason"], "--unverified 'no reason' is too short"),
        (["--batch-size", "0"], "--batch-size = 0 must be finite and at least 1; pass 1 or more"),
        (["--batch-sise", "4"], "--batch-size"),
        (["--accumulate", "3"], "equal passes; pass a divisor of the batch size"),
        (["--denoise-at", "21"], "t = 21, outside 0..10; pass timesteps of this"),
        (["--zero-terminal-snr"], "--parameterization v"),
        (["--schedule", "linear"], "--schedule cosine"),
        (["--learning-rate", "inf"], "--learning-rate = inf"),
        (["--weight-decay", "nan"], "--weight-decay = nan"),
        (["--fourier-frequencies", "200"], "has 200, outside 0..16; pass exponents of"),
        (["--width", "7"], "half cosines; pass 6 or 8"),
        (["--multipliers", "0"], "needs one factor >= 1 per resolution; pass some, such as 1 2"),
        (["--attention", "2"], "outside -2..1; pass resolutions of this range"),
        (["--loss", "hybrid", "--T", "1"], "needs --T >= 2; pass a larger --T, or --loss simple"),
        (["--dtype", "float16"], "bf16"),
        (["--config", "nowhere.toml"], "nowhere.toml is not a file"),
    ],
)
def test_bad_usage_exits_2_with_a_message(finished, capsys, more, message):
    before = fingerprint(finished)
    with pytest.raises(SystemExit) as stopped:
        train(finished, *more)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert fingerprint(finished) == before
