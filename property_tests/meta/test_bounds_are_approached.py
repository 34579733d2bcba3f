"""No allowance is much too large: a search finds errors of more than a fiftieth of each."""

import importlib
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import Phase, given, settings, target

from ..adapters.ddpm_core import DdpmCore
from ..evidence import evidence
from ..protocol import PRECISIONS
from ..statistics.precisions import At
from ..strategies import Case, cases

SEARCHED: list[tuple[str, dict[str, Any]]] = [
    ("test_forward_process::test_marginal_is_the_composition_of_its_steps", {}),
    ("test_forward_process::test_sample_is_mean_plus_scaled_noise", {}),
    ("test_forward_process::test_kernel_is_the_composition_of_its_steps", {}),
    ("test_posterior::test_mean_and_variance_match_bayes", {"step": "any", "part": "mean"}),
    ("test_posterior::test_mean_and_variance_match_bayes", {"step": "any", "part": "var"}),
    ("test_losses::test_target_matches_its_definition", {"name": "v"}),
    (
        "test_losses::test_reverse_kernel_is_the_posterior_at_the_prediction",
        {"variance": "fixed_large"},
    ),
    (
        "test_parameterization::test_conversion_solves_the_definitions",
        {"source": "eps", "target": "x0"},
    ),
]
NAMES = ["float64", *(each.name for each in PRECISIONS)]


@pytest.mark.parametrize(("test", "arguments"), SEARCHED)
def test_largest_error_is_above_a_fiftieth_of_its_allowance(monkeypatch, test, arguments):
    """Eq. rounding.marginal, rounding.samples and rounding.cast, and what follows from them."""
    found = largest_shares(monkeypatch, test, arguments)
    assert min(found[dtype] for dtype in NAMES) > 1 / 50, found


def test_too_large_an_allowance_is_found(monkeypatch):
    real = At.allowed
    monkeypatch.setattr(At, "allowed", lambda *arguments: 60 * real(*arguments))
    found = largest_shares(monkeypatch, *SEARCHED[0])
    assert 0 < min(found.values()) < 1 / 50, found


def largest_shares(monkeypatch, test: str, arguments: dict[str, Any]) -> dict[str, float]:
    """Return the largest |error| / allowance by dtype that a search of a property finds."""
    file, name = test.split("::")
    check = getattr(importlib.import_module(f"..{file}", __package__), name)
    shares: dict[str, float] = {}  # of the example
    largest: dict[str, float] = defaultdict(float)

    def record(what: str, where: object, error: Any, allowed: Any) -> None:
        dtype = next((each for each in NAMES if f"({each})" in what), "float64")
        shares[dtype] = max(shares.get(dtype, 0.0), float(error / allowed) if allowed else 0.0)

    monkeypatch.setattr(evidence, "record_comparison", record)

    @settings(max_examples=60, phases=[Phase.generate, Phase.target], database=None)
    @given(case=cases())
    def search(case: Case) -> None:
        shares.clear()
        check.hypothesis.inner_test(impl=DdpmCore(), case=case, **arguments)
        for dtype, share in shares.items():
            largest[dtype] = max(largest[dtype], share)
            target(share, label=dtype)

    search()
    return dict(largest)
