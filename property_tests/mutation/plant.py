"""Plant a mutant in the running library: the code of its functions is exchanged, none is reloaded.

A function that another module has imported is the same object, so the slip shows everywhere.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any


@contextmanager
def planted(module: ModuleType, tree: ast.Module) -> Iterator[None]:
    """The module's functions run the code of `tree` inside, and their own again outside."""
    file = inspect.getsourcefile(module) or module.__name__
    codes = dict(_codes(compile(tree, file, "exec")))
    kept = []
    for name, function in functions(module):
        if name in codes and codes[name].co_freevars == function.__code__.co_freevars:
            kept.append((function, function.__code__))
            function.__code__ = codes[name]
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """(qualified name, function) of every function and method that the module defines."""
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
    """The module of that name and its source."""
    module = importlib.import_module(name)
    return module, inspect.getsource(module)
