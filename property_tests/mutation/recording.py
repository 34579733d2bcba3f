"""Let functions of the library record which guards their calls meet."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from . import guards
from .exempt import parents_of
from .inject import injected
from .signatures import sources_of


@contextmanager
def recording(module: ModuleType, name: str, source: str) -> Iterator[None]:
    """Let every function of the module record the guards that its calls meet."""
    tree = ast.parse(source)
    parents = parents_of(tree)
    for function in [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]:
        place = (name, function.lineno)
        record = ast.parse(f"__met__({place}, {sources_of(parents, function)})").body
        after_docstring = int(ast.get_docstring(function) is not None)
        function.body[after_docstring:after_docstring] = record
    vars(module)["__met__"] = guards.met
    try:
        with injected(module, ast.fix_missing_locations(tree)):
            yield
    finally:
        del vars(module)["__met__"]
