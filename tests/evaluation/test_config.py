"""Options of the evaluate command, and the names of its files."""

import re
from pathlib import Path

import pytest

from ddpm_core.cli.options import parse
from ddpm_core.evaluation.config import EvaluateConfig


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--n 0", "--n = 0 is below 1"),
        ("--strata 0", "--strata = 0 is below 1"),
        ("--batch-size 0", "--batch-size = 0 is below 1"),
        ("--seed -1", "--seed = -1 is below 0"),
        ("--samples -1", "--samples = -1 is below 0"),
        ("--samples 1", "--samples = 1, but a covariance needs at least 2; pass 2 or more"),
        ("--steps 0", "--steps = 0 is below 1"),
        ("--flow 2", "--flow = 2 is below 3; the estimate"),
        ("--samples 0 --sampler ddim", "omit --sampler: --samples 0 draws none"),
        ("--samples 0 --steps 5", "omit --steps: --samples 0 draws none"),
        ("--samples 0 --fid", "omit --fid: --samples 0 draws none"),
        ("--variance medium", "fixed_large"),
        ("--sampler euler", "heun"),
    ],
)
def test_unusable_options_are_refused(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        parse(EvaluateConfig, "evaluate", ["run", *arguments.split()])
    assert stopped.value.code == 2
    assert message in " ".join(re.sub("[\u2500-\u257f]", " ", capsys.readouterr().err).split())


def test_least_values_are_accepted():
    least = {"n": 1, "strata": 1, "batch_size": 1, "seed": 0, "samples": 2, "steps": 1, "flow": 3}
    assert vars(EvaluateConfig(Path("run"), **least)).items() >= least.items()
    assert EvaluateConfig(Path("run"), samples=0).samples == 0


def test_each_option_that_changes_the_results_changes_the_file_name():
    run, folder = Path("run"), Path("elsewhere")
    assert EvaluateConfig(run, out_dir=folder, device="cpu").name(7) == "step-000007-seed-0"
    found = EvaluateConfig(run, n=4, clip=False, sampler="ddim", flow=8, seed=2).name(12)
    assert found == "step-000012-seed-2-4-images-flow-8-unclipped-ddim"
    changes = {"n": 4, "strata": 4, "variance": "fixed_large", "flow": 4, "clip": False}
    changes |= {"batch_size": 4, "seed": 4, "samples": 4, "sampler": "heun", "steps": 4}
    changes |= {"fid": True}
    names = {EvaluateConfig(run, **{name: value}).name(7) for name, value in changes.items()}
    assert len(names | {EvaluateConfig(run).name(7)}) == len(changes) + 1
