"""Detection of stale bytecode: the code that ran must be the code in the file."""

import ast
import inspect
from types import CodeType

from ddpm_core.gate.certificate import Project
from ddpm_core.gate.live import codes_in, definitions, find, loaded


def stale(project: Project) -> str | None:
    """Describe the first function in memory that was not compiled from its file, or return None.

    Decorators are ignored, because a type checker adds some: replaced functions are `live`'s task.
    """
    for module in loaded(project):
        source = module.path.read_bytes()
        of_file = {
            each.co_qualname: each for each in codes_in(compile(source, module.path, "exec"))
        }
        for name, _ in definitions(ast.parse(source).body, ""):
            function = inspect.unwrap(find(module.module, name))
            if not _same_code(getattr(function, "__code__", None), of_file[name]):
                return f"{module.name}:{name} was loaded from stale bytecode of {module.inside}"
    return None


def _same_code(live: CodeType | None, of_file: CodeType) -> bool:
    """Compare two code objects; if only the code around inner functions differs, they are equal.

    A type checker decorates inner functions too, which changes the code around them.
    """
    inside = _functions_in(of_file)
    return live == of_file or bool(inside and _functions_in(live) == inside)


def _functions_in(code: CodeType | None) -> list[CodeType]:
    return [each for each in getattr(code, "co_consts", ()) if isinstance(each, CodeType)]
