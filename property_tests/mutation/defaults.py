"""Changed defaults of public functions, and of the fields of public dataclasses."""

import ast
import dataclasses
import inspect
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import torch

from .inject import functions


class Default(NamedTuple):
    """An argument of a function with another default than in the source."""

    line: int
    name: str  # qualified name of the function or class
    function: FunctionType
    argument: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}(..., {self.argument}={self.value!r})"


def changed(module: ModuleType, tree: ast.Module, left_out: Collection[str]) -> Iterator[Default]:
    """Yield every changed default of the module."""
    lines = {
        each.name: each.lineno
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.ClassDef)
    }
    for name, function in _public(module):
        if name in left_out:
            continue
        hints = get_type_hints(inspect.unwrap(function))
        for argument in inspect.signature(function).parameters.values():
            if argument.default is not inspect.Parameter.empty:
                line = lines[name.rpartition(".")[2]]
                for value in _others(argument.default, hints.get(argument.name)):
                    yield Default(line, name, function, argument.name, value)


@contextmanager
def injected(default: Default) -> Iterator[None]:
    """Use the changed default inside the context."""
    function, name = default.function, default.argument
    positional, by_keyword = function.__defaults__, function.__kwdefaults__
    if by_keyword and name in by_keyword:
        function.__kwdefaults__ = by_keyword | {name: default.value}
    else:
        code = function.__code__
        names = code.co_varnames[: code.co_argcount][-len(positional or ()) :]
        function.__defaults__ = tuple(
            default.value if each == name else value
            for each, value in zip(names, positional or (), strict=True)
        )
    try:
        yield
    finally:
        function.__defaults__, function.__kwdefaults__ = positional, by_keyword


def _public(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    found = [
        (name, function)
        for name, function in functions(module)
        if not any(part.startswith("_") for part in name.split("."))
    ]
    for name, each in vars(module).items():
        if (
            isinstance(each, type)
            and each.__module__ == module.__name__
            and dataclasses.is_dataclass(each)
            and not name.startswith("_")
        ):
            found.append((name, inspect.unwrap(vars(each)["__init__"])))
    yield from sorted(found, key=lambda named: named[0])


def _others(default: Any, hint: Any) -> Iterator[Any]:
    """Yield other values of the type; none for labels, devices and data, which have no other."""
    options = [
        each
        for literal in (hint, *get_args(hint))
        if get_origin(literal) is Literal
        for each in get_args(literal)
    ]
    if options:
        yield from (each for each in options if each != default)
    elif isinstance(default, bool):
        yield not default
    elif isinstance(default, int):
        yield default - 1 if default > 1 else default + 1
    elif isinstance(default, float) and math.isfinite(default):
        yield default / 2 if default else 0.5
    elif isinstance(default, torch.dtype):
        yield torch.float64 if default == torch.float32 else torch.float32
    elif default == ():
        yield (1, 0)  # of timesteps
    elif default is None and int in get_args(hint):
        yield 1
    elif default is None and tuple[int, int] in get_args(hint):
        yield (1, 1)
