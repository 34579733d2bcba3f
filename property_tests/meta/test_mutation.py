"""Tests of the mutants: all mutations are made, except of checks, and none remains injected."""

import ast
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..adapters.ddpm_core import DdpmCore
from ..mutation.inject import injected, source_of
from ..mutation.kill import ROUNDS, killed_by_more_examples, killer
from ..mutation.operators import mutants
from ..mutation.outputs import outputs, same_bits, same_but_for_rounding
from ..strategies import STEEP

SOURCE = """
def f(s: int, t: int) -> float:
    check_pair(s, t + 1)
    if s < 0:
        raise ValueError(f"s = {s - 1}")
    return -(s - table[t]).sqrt()
"""


def test_all_mutations_of_a_line_are_made():
    made = {each.statement for each in mutants(SOURCE)}
    assert made == {
        "return (s - table[t]).sqrt()",
        "return -(s - table[t])",
        "return -(s - table[t]).square()",
        "return -(s + table[t]).sqrt()",
        "return -(table[t] - s).sqrt()",
        "return -s.sqrt()",
        "return -(s - table[t + 1]).sqrt()",
        "return -(s - table[t - 1]).sqrt()",
        "return -(s - table[s]).sqrt()",
        "return -(t - table[t]).sqrt()",
    }


CHECKED = """
def f(x_0, noise, value):
    check_same_event("noise", noise, "x_0", x_0)
    work = compute_dtype(noise)
    return expand_to(scale, x_0) * noise.to(x_0.dtype).to(work)
"""


def test_equal_metadata_is_not_mutated():
    """Only `value` is a mutation where metadata are read: noise and x_0 share theirs."""
    made = {each.statement for each in mutants(CHECKED)}
    assert "work = compute_dtype(value)" in made
    assert "work = compute_dtype(x_0)" not in made
    assert "return expand_to(scale, value) * noise.to(x_0.dtype).to(work)" in made
    assert "return expand_to(scale, noise) * noise.to(x_0.dtype).to(work)" not in made
    assert "return expand_to(scale, x_0) * noise.to(noise.dtype).to(work)" not in made
    assert "return expand_to(scale, x_0) * x_0.to(x_0.dtype).to(work)" in made  # its values count


@pytest.mark.parametrize(
    "unproved",
    [
        CHECKED.replace("check_same_event", "print"),
        CHECKED.replace("    work", "    noise = noise.double()\n    work"),
        CHECKED.replace("    check_same_event", "    if value:\n        check_same_event"),
    ],
    ids=["not checked", "bound anew", "checked now and then"],
)
def test_metadata_is_mutated_without_the_check(unproved):
    assert "work = compute_dtype(x_0)" in {each.statement for each in mutants(unproved)}


def test_values_used_only_in_checks_are_not_mutated():
    source = "def f(s, t):\n    falls = s < t\n    if not falls:\n        raise ValueError(s)\n"
    assert not mutants(source)
    assert mutants(source + "    return falls\n")


def test_names_out_of_scope_are_not_substituted():
    made = {each.statement for each in mutants("def f(s):\n    return s + 1\n")}
    assert made == {"return s - 1", "return s", "return 1", "return s + 2", "return s + 0"}


def test_outputs_distinguish_mutants_from_equivalents(monkeypatch):
    monkeypatch.setattr(f"{outputs.__module__}.CASES", 50)
    module, source = source_of("ddpm_core.losses")
    correct = outputs(DdpmCore(), "losses")
    for mutated, same in (
        ("(target - prediction)", True),
        ("(prediction - 2 * target)", False),
    ):
        tree = ast.parse(source.replace("(prediction - target)", mutated))
        with injected(module, tree):
            assert same_bits(correct, outputs(DdpmCore(), "losses")) == same
    assert same_bits(correct, outputs(DdpmCore(), "losses"))


def test_rounding_is_distinguished_from_a_mutation():
    a = np.float64([1.0, -2.0, 0.0])
    assert same_but_for_rounding(a, a * (1 + 4 * 2.0**-53), 2.0**-53)
    assert not same_but_for_rounding(a, a * (1 + 40 * 2.0**-53), 2.0**-53)
    assert not same_but_for_rounding(a, a + 2.0**-53, 2.0**-53)
    assert not same_but_for_rounding(a, np.full(3, np.nan), 2.0**-53)


def test_mutant_is_active_only_while_injected():
    module, source = source_of("ddpm_core.schedules")
    right = "return self._log_alpha_bar(t).exp()"
    before = DdpmCore().alpha_bar(STEEP)
    with injected(module, ast.parse(source.replace(right, f"{right} / 2"))):
        assert (DdpmCore().alpha_bar(STEEP) == before / 2).all()
    assert (DdpmCore().alpha_bar(STEEP) == before).all()


def test_survivor_is_retried_with_new_examples():
    met = set()

    @given(st.integers(0, 2**60))
    def harmless(number: int):
        met.add(number)

    tests = [("harmless", partial(harmless))]
    assert killer(tests) is None
    first = len(met)
    assert not killed_by_more_examples(tests)
    assert len(met) > ROUNDS / 2 * first
