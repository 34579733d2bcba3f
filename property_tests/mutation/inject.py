"""Inject a mutant into the running library by replacing the code objects of its functions.

Functions imported elsewhere are the same objects, so the mutant takes effect everywhere.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any


@contextmanager
def injected(module: ModuleType, tree: ast.Module) -> Iterator[None]:
    """Run the module's functions with the code of `tree` inside the context."""
    file = inspect.getsourcefile(module) or module.__name__
    codes = dict(_codes(compile(tree, file, "exec")))
    originals = []
    for name, function in functions(module):
        if name in codes and codes[name].co_freevars == function.__code__.co_freevars:
            originals.append((function, function.__code__))
            function.__code__ = codes[name]
    try:
        yield
    finally:
        for function, code in originals:
            function.__code__ = code


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Yield (qualified name, function) for every function and method defined in the module."""
    todo: list[Any] = list(vars(module).values())
    while todo:
        each = todo.pop()
        each = getattr(each, "__func__", getattr(each, "fget", None) or each)
        each = inspect.unwrap(each) if callable(each) else each
        if getattr(each, "__module__", None) != module.__name__:
            continue
        if isinstance(each, FunctionType):
            yield each.__qualname__, each
        elif isinstance(each, type):
            todo.extend(vars(each).values())


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def source_of(name: str) -> tuple[ModuleType, str]:
    """Return the module and its source."""
    module = importlib.import_module(name)
    return module, inspect.getsource(module)
