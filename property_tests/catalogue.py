"""The properties as plain calls, for runs that pytest does not drive."""

import importlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

Property = tuple[str, partial[None]]


def properties(names: Sequence[str], **fixtures: Any) -> Iterator[Property]:
    """(name, call) of each property in these files, one for each value of its parameters.

    A name is a file of the suite, or file::property. Those that ask for a fixture which is not
    given are left out: without a ledger, the Monte Carlo claims.
    """
    for name in names:
        file, _, only = name.partition("::")
        for test_name, test in vars(importlib.import_module(f".{file}", __package__)).items():
            if test_name.startswith("test_") and only in ("", test_name):
                asked = {"impl", "ledger"} & set(arguments(test))
                if asked <= fixtures.keys():
                    given = {fixture: fixtures[fixture] for fixture in asked}
                    for values in _parameters(getattr(test, "pytestmark", [])):
                        yield test_name, partial(test, **given, **values)


def arguments(test: Any) -> tuple[str, ...]:
    """The names of the arguments, those that Hypothesis fills included."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    return inner.__code__.co_varnames[: inner.__code__.co_argcount]


def _parameters(marks: list[Any]) -> Iterator[dict[str, Any]]:
    """Every combination that stacked parametrize marks make."""
    if not marks:
        yield {}
        return
    names, values = marks[0].args[:2]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    for value in values:
        first = dict(zip(names, value if len(names) > 1 else [value], strict=True))
        for rest in _parameters(marks[1:]):
            yield first | rest
