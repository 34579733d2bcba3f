"""The mutants: each slip is made, checks are left alone, and nothing stays planted."""

import ast
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from ..adapters.ddpm_core import DdpmCore
from ..mutation.hunt import ROUNDS, hunted, killer
from ..mutation.operators import mutants
from ..mutation.plant import planted, source_of
from ..strategies import STEEP

SOURCE = """
def f(s: int, t: int) -> float:
    check_pair(s, t + 1)
    if s < 0:
        raise ValueError(f"s = {s - 1}")
    return -(s - table[t]).sqrt()
"""


def test_every_slip_of_a_line_is_made_and_only_there():
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


def test_a_mutant_is_in_the_library_only_while_it_is_planted():
    module, source = source_of("ddpm_core.schedules")
    right = "return self._log_alpha_bar(t).exp()"
    before = DdpmCore().alpha_bar(STEEP)
    with planted(module, ast.parse(source.replace(right, f"{right} / 2"))):
        assert (DdpmCore().alpha_bar(STEEP) == before / 2).all()
    assert (DdpmCore().alpha_bar(STEEP) == before).all()


def test_a_survivor_meets_examples_that_it_has_not_met():
    met = set()

    @given(st.integers(0, 2**60))
    def harmless(number: int):
        met.add(number)

    tests = [("harmless", partial(harmless))]
    assert killer(tests) is None
    first = len(met)
    assert not hunted(tests)
    assert len(met) > ROUNDS / 2 * first
