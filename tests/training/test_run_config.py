"""Options that a resumed run must share with its checkpoint."""

import dataclasses

import pytest

from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.run_config import check_same_run, lasting

SMALL = TrainConfig(
    width=8,
    multipliers=(1,),
    batch_size=64,
    T=20,
    schedule="cosine",
    device="cpu",
    conditional=True,
)


def test_a_checkpoint_that_is_older_than_an_option_had_its_default():
    config = dataclasses.replace(SMALL, conditional=False)
    saved = lasting(config)
    del saved["conditional"], saved["label_dropout"]
    check_same_run(saved, config, "RUN")
    with pytest.raises(ValueError, match="RUN was made with --conditional False, not True"):
        check_same_run(saved, SMALL, "RUN")
