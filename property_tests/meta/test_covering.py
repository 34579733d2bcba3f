"""The covering arrays contain every pair of option values, and the checks run every row."""

import importlib
from itertools import combinations, product

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..known_bugs.run import run_property_on
from ..options import rows
from ..options.covering import Options, Row, covering_array, uncovered

FACTORS = {"a": (0, 1), "b": ("x", "y", "z"), "c": (None, 1.5), "d": (True, False)}
FILES = ("test_options", "test_options_of_bounds", "test_options_of_losses")
TESTS = [
    f"{file}.py::{name}"
    for file in FILES
    for name in sorted(vars(importlib.import_module(f"..{file}", __package__)))
    if name.startswith("test_")
]


def not_both(row: Row) -> bool:
    """Forbid a pair, and a third value with another."""
    return not (row.get("a") == 1 and row.get("b") == "z") and not (
        row.get("b") == "y" and row.get("c") is None and "c" in row and row.get("d") is True
    )


def test_every_pair_of_values_occurs_together():
    """Counted without the generator."""
    made = covering_array(Options(FACTORS))
    for (first, left), (second, right) in combinations(FACTORS.items(), 2):
        for a, b in product(left, right):
            assert any(row[first] == a and row[second] == b for row in made), (first, a, second, b)
    assert 6 <= len(made) <= 8, "three values of one option and two of another need six rows"


def test_impossible_rows_are_not_made_and_only_their_pairs_are_missing():
    options = Options(FACTORS, not_both)
    made = covering_array(options)
    assert all(map(not_both, made))
    assert uncovered(options, made) == []
    missing = uncovered(Options(FACTORS), made)
    assert missing == ["a = 1 and b = 'z', with an effect", "a = 1 and b = 'z'"]


def test_pairs_occur_where_both_options_have_an_effect():
    """Option a has none beside b = x: its other pairs occur without that value."""
    options = Options(FACTORS, without_effect=lambda row: {"a"} if row.get("b") == "x" else set())
    made = covering_array(options)
    for a, c in product(FACTORS["a"], FACTORS["c"]):
        assert any(row["a"] == a and row["c"] == c and row["b"] != "x" for row in made), (a, c)
    others = [row for row in made if row["b"] == "x"]
    assert any("with an effect" in each for each in uncovered(options, others))


@pytest.mark.parametrize("test", TESTS)
def test_a_row_that_is_left_out_fails(monkeypatch: pytest.MonkeyPatch, test: str):
    """The last of the rows is left out."""
    monkeypatch.setattr(rows, "covering_array", lambda options: covering_array(options)[:-1])
    with pytest.raises(AssertionError, match="never together"):
        run_property_on(DdpmCore, test, {})
