"""Whether Python took old bytecode for a file: then what was tested is not what the file says."""

import ast
import inspect
from types import CodeType

from ddpm_core.gate.certificate import Project
from ddpm_core.gate.live import codes_in, definitions, find, loaded


def stale(project: Project) -> str | None:
    """The first function in memory that was compiled from another text than its file's, or None.

    Decorators may stand around it, as those of a type checker do: nobody is suspected here.
    """
    for module in loaded(project):
        source = module.path.read_bytes()
        of_file = {
            each.co_qualname: each for each in codes_in(compile(source, module.path, "exec"))
        }
        for place, _ in definitions(ast.parse(source).body, ""):
            function = inspect.unwrap(find(module.module, place))
            if not _same(getattr(function, "__code__", None), of_file[place]):
                return f"{module.name}:{place} was loaded from bytecode of another {module.inside}"
    return None


def _same(live: CodeType | None, of_file: CodeType) -> bool:
    """Equal; or only around the functions inside, which a type checker decorates as well."""
    inside = _functions_in(of_file)
    return live == of_file or bool(inside and _functions_in(live) == inside)


def _functions_in(code: CodeType | None) -> list[CodeType]:
    return [each for each in getattr(code, "co_consts", ()) if isinstance(each, CodeType)]
