"""The properties as plain functions, for runs without pytest."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

Property = tuple[str, partial[None]]


def properties(names: Sequence[str], **fixtures: Any) -> Iterator[Property]:
    """Yield (name, call) of each property in these files, for each value of its parameters.

    A name is a file of the suite, or file::property. Properties that need a fixture which is not
    given are omitted: without a ledger, the Monte Carlo claims.
    """
    for name in names:
        file, _, only = name.partition("::")
        for test_name, test in vars(importlib.import_module(f".{file}", __package__)).items():
            if test_name.startswith("test_") and only in ("", test_name):
                needed = {"impl", "ledger"} & set(arguments(test))
                if needed <= fixtures.keys():
                    given = {fixture: fixtures[fixture] for fixture in needed}
                    for values in _parameters(getattr(test, "pytestmark", [])):
                        yield test_name, partial(test, **given, **values)


def run_on(test_id: str, /, **values: Any) -> None:
    """Run file::property on these values instead of those that Hypothesis draws."""
    file, _, test = test_id.partition("::")
    inner = getattr(importlib.import_module(f".{file}", __package__), test).hypothesis.inner_test

    @settings(max_examples=1, database=None)  # a property may assume something of its values
    @given(st.none())
    def once(_: None) -> None:
        inner(**values)

    once()


def arguments(test: Any) -> tuple[str, ...]:
    """Return the names of the arguments, including those that Hypothesis fills."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    code = inspect.unwrap(inner).__code__  # its examples may be counted
    return code.co_varnames[: code.co_argcount]


def _parameters(marks: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield every combination of stacked parametrize marks."""
    marks = [mark for mark in marks if mark.name == "parametrize"]
    if not marks:
        yield {}
        return
    names, values = marks[0].args[:2]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    for each in values:
        marked = hasattr(each, "marks")  # a pytest.param
        value = each.values if marked else each
        value = value[0] if marked and len(names) == 1 else value
        first = dict(zip(names, value if len(names) > 1 else [value], strict=True))
        for rest in _parameters(marks[1:]):
            yield first | rest
