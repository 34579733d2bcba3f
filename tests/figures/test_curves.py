"""What the evaluate command says of its figures: in words, and in the legend of its picture."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import doubts, told
from ddpm_core.figures import curves
from ddpm_core.figures.curves import bound_figure

RUN = Path("run")


def result(shares: dict[str, float], terms: list[float], **more: object) -> dict:
    """Of an evaluation of four grey levels, of which to know nothing costs two bits."""
    made = {
        "dataset": "digits",
        "images": 7,
        "T": 10,
        "terms": terms,
        "bits_per_dim": {"total": sum(shares.values()), "standard_error": 0.01, "shares": shares},
        "eps_mse": {"mean": 0.1, "by_decile": [0.1] * 10},
        "baselines": {"uniform": 2.0, "per-pixel marginal": 1.0},
        "flow": None,
        "notes": [],
        "quality": None,
    }
    return made | more


def legend(found: dict, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    drawn = []
    monkeypatch.setattr(curves, "_png", lambda figure: drawn.append(figure) or b"")
    bound_figure(found)
    left = drawn[0].axes[0]
    places = [list(line.get_xdata()) for line in left.lines[:3]]
    T, steps = found["T"], len(found["terms"]) - 2
    assert (left.lines[1].get_marker() == "None") == (steps > 1)  # a line of one point is not seen
    levels = np.linspace(1, T, steps + 1).tolist()
    assert places == [levels[:1], levels[1:], [T]]
    shares = found["bits_per_dim"]["shares"]
    assert f"{sum(shares.values()):.3f} bits per dimension" in left.get_title("left")
    return [each.get_text() for each in left.get_legend().get_texts()]


def test_the_legend_adds_up_to_the_title(monkeypatch):
    shares = {"decoder": 0.25, "steps": 1.5, "prior": 0.125}
    found = result(shares, [0.25, *[0.5] * 3, 0.125])
    assert legend(found, monkeypatch) == ["decoder: 0.250", "steps: 1.500", "prior: 0.125"]
    assert list(told(found))[1] == ("of which decoder 0.250, steps 1.500, prior 0.125")


def test_what_a_logarithm_hides_is_said(monkeypatch):
    """The decoder of latents is a density, whose term may be below 0; beside, they cost."""
    shares = {"decoder": -4.5, "steps": 6.0, "prior": 0.0, "autoencoder": 2.0}
    found = result(shares, [-4.5, 5.0, -1.0, 2.0, 0.0])
    assert legend(found, monkeypatch) == [
        "decoder: -4.500 (not drawn: no logarithm)",
        "steps: 6.000 (of which 1 not drawn: no logarithm)",
        "prior: 0.000 (not drawn: no logarithm)",
        "autoencoder: 2.000 (of no level)",
    ]


def test_the_flow_stands_in_the_legend_and_one_term_is_a_mark(monkeypatch):
    found = result({"steps": 0.5, "other_levels": 1.0, "prior": 0.1}, [0.5, 1.0, 0.1], flow=FLOW)
    assert legend(found, monkeypatch)[-1] == "by the flow, in place of all these: 2.000"
    assert list(told(found))[2] == (
        "along the flow, 4 levels: 2.000 (0.020) bits/dim; the steps may be off by 0.030, the "
        "probes by 0.010; log p_1 is -7.2 nats of an image"
    )


def test_an_estimate_has_no_decoder_of_its_own(monkeypatch):
    found = result({"lowest_levels": 0.5, "other_levels": 1.0, "prior": 0.1}, [0.5, 1.0, 0.1])
    words = ["lowest levels: 0.500", "other levels: 1.000", "prior: 0.100"]
    assert legend(found, monkeypatch) == words


FAR, NONE = {"standard_error": 0.201}, {"standard_error": None}
FLOW = {"levels": 4, "bits_per_dim": 2.0, "standard_error": 0.02, "step_error": 0.03}
FLOW |= {"probe_error": 0.01, "log_density_at_level_1": -7.25}


@pytest.mark.parametrize(
    ("bound", "flow", "flags", "words"),
    [
        ({}, {}, {}, None),
        ({"standard_error": 0.199}, {"probe_error": 0.199}, {"strata": 2}, None),
        (FAR, {}, {}, "the bound may be off by 0.201 .*: the data have no more test images$"),
        (FAR, {}, {"n": 7}, "the bound may be off .* 2.000: take more test images$"),
        (FAR, {}, {"strata": 2}, "the bound may be off .*: take more --strata, or none$"),
        (FAR, {}, {"strata": 2, "n": 7}, "take more --strata, or none, and more test images$"),
        (NONE, NONE, {"n": 1}, "of one image no error is known: take more test images$"),
        ({}, FAR, {"strata": 2, "n": 7}, "the flow's bound .*: take more test images$"),
        ({}, {"step_error": 0.201}, {}, "the flow may be off .*: take more levels for --flow$"),
        ({}, {"step_error": -0.201}, {}, "the flow may be off by 0.201 .* more levels"),
        ({}, {"probe_error": 0.201}, {"n": 7}, "the flow's divergence .*: take more test images$"),
        ({}, {"probe_error": 0.201} | FAR, {}, "the flow's divergence"),
        ({}, {"step_error": 0.201, "probe_error": 0.3} | FAR, {}, "the flow may be off"),
    ],
)
def test_a_bound_that_may_be_far_off_is_not_left_without_a_word(bound, flow, flags, words):
    """A tenth of what it costs to know nothing is far; of the flow the first cause is named."""
    found = result({"steps": 2.0}, [], flow=FLOW | flow)
    found["bits_per_dim"] |= bound
    notes = list(doubts(EvaluateConfig(RUN, **flags), found))
    if words is None:
        assert notes == []
    else:
        (note,) = notes
        assert note in list(told(found | {"notes": notes}))
        assert re.search(words, note)


def test_each_of_two_bounds_has_a_word_of_its_own():
    error = {"standard_error": 0.3, "step_error": 0.3, "probe_error": 0.3}
    found = result({"steps": 2.0}, [], flow=FLOW | error)
    found["bits_per_dim"]["standard_error"] = 0.3
    assert len(list(doubts(EvaluateConfig(RUN), found))) == 2


def test_the_name_of_a_file_tells_calls_apart():
    """All but where they look and write, and the machine that they run on."""
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
    assert options - set(others) == {"run", "config", "out_dir", "device"}
    names = {EvaluateConfig(RUN, **{name: value}).name(3300) for name, value in others.items()}
    names |= {EvaluateConfig(RUN).name(step) for step in (3300, 5)}
    assert len(names) == len(others) + 2
    assert "step-003300-seed-0-50-strata" in names  # as docs/evaluation.md has it
