"""The properties as plain calls, for runs that pytest does not drive."""

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any


def properties(
    names: tuple[str, ...], sampled: bool, **fixtures: Any
) -> list[tuple[str, partial[None]]]:
    """(name, call) of each property in the files, one for each value of its parameters.

    sampled: the Monte Carlo claims, which take a ledger; or else all the others.
    """
    modules = [importlib.import_module(f".{name}", __package__) for name in names]
    return [
        (name, partial(test, **fixtures, **given))
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and _samples(test) == sampled
        for given in _parameters(getattr(test, "pytestmark", []))
    ]


def _samples(test: Any) -> bool:
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    return "ledger" in inner.__code__.co_varnames[: inner.__code__.co_argcount]


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
