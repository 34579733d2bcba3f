"""Shape checks of the first calls of each function in a test; later calls are not checked.

jaxtyping checks every call, which doubles the time of a test that evaluates a network a thousand
times. Within a test the calls of one function differ in their values, and rarely in their shapes.
"""

import functools
from collections import Counter
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

import jaxtyping
import pytest

CHECKED = 25  # calls of each function in each test

calls: Counter[CodeType] = Counter()  # of the running test
jaxtyped = jaxtyping.jaxtyped


def install(package: str, typechecker: str) -> None:
    """Check the shapes in `package`, which must not have been imported yet."""
    jaxtyping.install_import_hook(package, typechecker)
    jaxtyping.jaxtyped = checks_first_calls  # the name by which the hook decorates


def checks_first_calls(*, typechecker: Any) -> Callable[[Any], Any]:
    """Stand in for jaxtyping.jaxtyped. Functions are decorated when they are first called."""

    def decorate(function: Any) -> Any:
        if not isinstance(function, FunctionType):
            return jaxtyped(function, typechecker=typechecker)
        code, checked = function.__code__, None

        @functools.wraps(function)
        def either(*arguments: Any, **named: Any) -> Any:
            nonlocal checked
            if calls[code] >= CHECKED:
                return function(*arguments, **named)
            calls[code] += 1
            checked = checked or jaxtyped(function, typechecker=typechecker)
            return checked(*arguments, **named)

        return either

    return decorate


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Check again from the first call on, in every test of either suite."""
    calls.clear()
