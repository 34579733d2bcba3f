"""Results of the evaluate command: the printed text, warnings, and the legend of its figure."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import report, warnings
from ddpm_core.figures import curves
from ddpm_core.figures.curves import bound_figure

RUN = Path("run")


def result(breakdown: dict[str, float], terms: list[float], **more: object) -> dict:
    """Return results for four grey levels, where the uniform model has two bits per dimension."""
    bits = {"total": sum(breakdown.values()), "standard_error": 0.01, "breakdown": breakdown}
    return {
        "dataset": "digits",
        "images": 7,
        "T": 10,
        "terms": terms,
        "bits_per_dim": bits,
        "eps_mse": {"mean": 0.1, "by_decile": [0.1] * 10},
        "baselines": {"uniform": 2.0, "per-pixel marginal": 1.0},
        "missing_baselines": {},
        "flow": None,
        "warnings": [],
        "quality": None,
    } | more


def legend(found: dict, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    drawn = []
    monkeypatch.setattr(curves, "_png", lambda figure: drawn.append(figure) or b"")
    bound_figure(found)
    left = drawn[0].axes[0]
    positions = [list(line.get_xdata()) for line in left.lines[:3]]
    T, steps = found["T"], len(found["terms"]) - 2
    assert (left.lines[1].get_marker() == "None") == (
        steps > 1
    )  # a line through one point is invisible
    timesteps = np.linspace(1, T, steps + 1).tolist()
    assert positions == [timesteps[:1], timesteps[1:], [T]]
    breakdown = found["bits_per_dim"]["breakdown"]
    assert f"{sum(breakdown.values()):.3f} bits per dimension" in left.get_title("left")
    return [each.get_text() for each in left.get_legend().get_texts()]


def test_legend_adds_up_to_the_title(monkeypatch):
    breakdown = {"decoder": 0.25, "steps": 1.5, "prior": 0.125}
    found = result(breakdown, [0.25, *[0.5] * 3, 0.125])
    assert legend(found, monkeypatch) == ["decoder: 0.250", "steps: 1.500", "prior: 0.125"]
    assert list(report(found))[1] == "of which decoder 0.250, steps 1.500, prior 0.125"


def test_legend_reports_terms_that_a_log_scale_cannot_show(monkeypatch):
    """For latents the decoder term is a density and may be negative; the autoencoder has a term."""
    breakdown = {"decoder": -4.5, "steps": 6.0, "prior": 0.0, "autoencoder": 2.0}
    found = result(breakdown, [-4.5, 5.0, -1.0, 2.0, 0.0])
    assert legend(found, monkeypatch) == [
        "decoder: -4.500 (not drawn: not positive)",
        "steps: 6.000 (1 not drawn: not positive)",
        "prior: 0.000 (not drawn: not positive)",
        "autoencoder: 2.000 (at no timestep)",
    ]


def test_flow_is_in_the_legend_and_a_single_term_has_a_marker(monkeypatch):
    found = result({"steps": 0.5, "other_strata": 1.0, "prior": 0.1}, [0.5, 1.0, 0.1], flow=FLOW)
    assert legend(found, monkeypatch)[-1] == "probability flow, instead of all these: 2.000"
    assert list(report(found))[2] == (
        "probability flow, 4 timesteps: 2.000 (0.020) bits/dim; step error 0.030, probe error "
        "0.010; log p_1 = -7.2 nats per image"
    )


def test_stratified_estimate_has_no_separate_decoder(monkeypatch):
    found = result({"first_stratum": 0.5, "other_strata": 1.0, "prior": 0.1}, [0.5, 1.0, 0.1])
    labels = ["first stratum: 0.500", "other strata: 1.000", "prior: 0.100"]
    assert legend(found, monkeypatch) == labels


FAR, NONE = {"standard_error": 0.201}, {"standard_error": None}
FLOW = {"timesteps": 4, "bits_per_dim": 2.0, "standard_error": 0.02, "step_error": 0.03}
FLOW |= {"probe_error": 0.01, "log_density_at_t_1": -7.25}


@pytest.mark.parametrize(
    ("bound", "flow", "flags", "pattern"),
    [
        ({}, {}, {}, None),
        ({"standard_error": 0.199}, {"probe_error": 0.199}, {"strata": 2}, None),
        (FAR, {}, {}, "error of the bound is 0.201 .*: the data have no more test images$"),
        (FAR, {}, {"n": 7}, "the bound is .* 10% of the 2.000 .*: use more test images$"),
        (FAR, {}, {"strata": 2}, "the bound is .*: use more --strata, or omit it$"),
        (FAR, {}, {"strata": 2, "n": 7}, "use more --strata, or omit it, and more test images$"),
        (NONE, NONE, {"n": 1}, "a single image has no standard error: use more test images$"),
        ({}, FAR, {"strata": 2, "n": 7}, "the flow's bound is .*: use more test images$"),
        ({}, {"step_error": 0.201}, {}, "step error of the flow is .*: use a larger --flow$"),
        ({}, {"step_error": -0.201}, {}, "step error of the flow is 0.201 .* larger"),
        ({}, {"probe_error": 0.201}, {"n": 7}, "probe error of the flow .*: use more test images$"),
        ({}, {"probe_error": 0.201} | FAR, {}, "probe error of the flow"),
        ({}, {"step_error": 0.201, "probe_error": 0.3} | FAR, {}, "step error of the flow"),
    ],
)
def test_large_error_gives_a_warning_with_a_remedy(bound, flow, flags, pattern):
    """Large: above 10 % of the uniform model. For the flow, only the first cause is reported."""
    found = result({"steps": 2.0}, [], flow=FLOW | flow)
    found["bits_per_dim"] |= bound
    given = list(warnings(EvaluateConfig(RUN, **flags), found))
    if pattern is None:
        assert given == []
    else:
        (warning,) = given
        assert warning in list(report(found | {"warnings": given}))
        assert re.search(pattern, warning)


def test_baseline_that_is_missing_is_named_with_its_reason():
    found = result({"steps": 2.0}, [], missing_baselines={"Gaussian": "too little memory"})
    notes = list(warnings(EvaluateConfig(RUN), found))
    assert notes == ["NOTE: no baseline Gaussian: too little memory"]


def test_each_of_two_bounds_can_have_a_warning():
    error = {"standard_error": 0.3, "step_error": 0.3, "probe_error": 0.3}
    found = result({"steps": 2.0}, [], flow=FLOW | error)
    found["bits_per_dim"]["standard_error"] = 0.3
    assert len(list(warnings(EvaluateConfig(RUN), found))) == 2


def test_file_names_of_different_calls_differ():
    """Every option enters the name, except paths, the device and where the data are."""
    others = {
        "n": 5,
        "strata": 50,
        "variance": "fixed_large",
        "flow": 5,
        "clip": False,
        "batch_size": 5,
        "seed": 5,
        "samples": 5,
        "sampler": "ddim",
        "steps": 5,
        "fid": True,
    }
    options = {each.name for each in fields(EvaluateConfig)}
    places = {"run", "config", "out_dir", "device", "dataset", "data_changed"}
    assert options - set(others) == places
    names = {EvaluateConfig(RUN, **{name: value}).name(3300) for name, value in others.items()}
    names |= {EvaluateConfig(RUN).name(step) for step in (3300, 5)}
    assert len(names) == len(others) + 2
    assert "step-003300-seed-0-50-strata" in names  # as in docs/evaluation.md
