"""The registry of samplers agrees with their classes."""

import subprocess
import sys
from typing import get_args

import pytest
import torch

from ddpm_core._types import Prediction
from ddpm_core.samplers.base import generate
from ddpm_core.samplers.names import SAMPLERS, SamplerName, build_sampler, can_start
from ddpm_core.schedules import Schedule

SCHEDULE = Schedule.cosine(20)
ZERO_SNR = Schedule.cosine(20).with_zero_terminal_snr()


def test_every_name_of_an_option_is_registered():
    assert get_args(SamplerName) == tuple(SAMPLERS)


def test_unknown_name_is_refused_with_the_known_ones(unchecked):
    with pytest.raises(ValueError, match="'euler' is unknown; use one of ancestral, ddim, dpm"):
        build_sampler("euler", SCHEDULE)


@pytest.mark.parametrize("name", SAMPLERS)
def test_nfe_counts_the_network_evaluations_of_a_step(name):
    """Heun's last step, to data, takes one evaluation whatever its order."""
    evaluated = []

    def denoiser(x_t, t, cond=None):
        evaluated.append(t)
        return Prediction(torch.zeros_like(x_t))

    *_, _ = generate(build_sampler(name, SCHEDULE, (20, 13, 6, 0)), denoiser, (2,), indices=[0])
    nfe = SAMPLERS[name].nfe
    assert len(evaluated) == 3 * nfe - (nfe - 1)


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_that_cannot_start_at_zero_snr_refuses_it(name):
    assert can_start(name, SCHEDULE, (20, 0))
    assert can_start(name, ZERO_SNR, (19, 0))
    if can_start(name, ZERO_SNR, (20, 10, 0)):
        *_, last = generate(
            build_sampler(name, ZERO_SNR, (20, 10, 0)),
            lambda x_t, t, cond=None: Prediction(torch.zeros_like(x_t)),
            (2,),
            indices=[0],
        )
        assert last.x_t.isfinite().all()
    else:
        with pytest.raises(ValueError, match="where the SNR is 0"):
            build_sampler(name, ZERO_SNR, (20, 10, 0))


def test_options_reach_the_sampler_that_has_them():
    options = {"eta": 0.5, "variance": "fixed_large"}
    assert build_sampler("ddim", SCHEDULE, **options).eta == 0.5
    assert build_sampler("ancestral", SCHEDULE, **options).variance == "fixed_large"
    assert build_sampler("heun", SCHEDULE, **options).times[0] == 20


def test_registry_does_not_import_torch():
    code = "import sys, ddpm_core.samplers.names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])


def test_sampler_names_select_the_default_variants():
    assert build_sampler("dpm++", STEEP).order == 2
    assert build_sampler("ddim", STEEP, eta=0.5).eta == 0.5
    assert build_sampler("ancestral", STEEP, variance="fixed_large").variance == "fixed_large"
