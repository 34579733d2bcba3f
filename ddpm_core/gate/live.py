"""Whether the code in memory is the code of the files: nothing replaced, nothing from elsewhere."""

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ddpm_core.gate.certificate import EXEMPT, Project

DESCRIPTORS = ("property", "staticmethod", "classmethod", "cached_property")  # they wrap nothing


def mismatch(project: Project) -> str | None:
    """The first thing of the loaded package that its files do not say, in plain words, or None."""
    entries = [Path(entry) for entry in sys.path] + [project.package.parent]
    starts = [(entry / project.name / "__init__.py").resolve() for entry in entries]
    homes = {start for start in starts if start.is_file()}
    if len(homes) > 1:
        where = " and ".join(sorted(str(home.parent) for home in homes))
        return f"{project.name} is installed twice, at {where}: uninstall one of them"
    loaded = sorted(each for each in sys.modules if f"{each}.".startswith(f"{project.name}."))
    found = [module for name in loaded if (module := Loaded.of(project, name)) is not None]
    differences = (
        difference
        for look in (Loaded.origin, Loaded.functions, Loaded.constants, Loaded.imports)
        for module in found
        if (difference := look(module))
    )
    return next(differences, None)


@dataclass(frozen=True)
class Loaded:
    """A module in memory, and the file that it has to be."""

    project: Project
    name: str
    module: ModuleType
    path: Path

    @classmethod
    def of(cls, project: Project, name: str) -> "Loaded | None":
        """The module of that name; None where no file stands behind it, or it only draws."""
        module = sys.modules[name]
        file = getattr(module, "__file__", None)
        found = cls(project, name, module, Path(file or "").resolve())
        apart = found.inside.startswith(("property_tests/", "derivations/"))
        return None if file is None or apart or found.inside in EXEMPT else found

    @property
    def inside(self) -> str:
        """Its path within the package, or the whole one if it lies elsewhere."""
        package = self.project.package.resolve()
        within = self.path.is_relative_to(package)
        return (self.path.relative_to(package) if within else self.path).as_posix()

    def origin(self) -> str | None:
        """What is wrong with where it was loaded from."""
        if self.path.is_relative_to(self.project.package.resolve()):
            return None
        return f"{self.name} was loaded from {self.path}, not from {self.project.package}"

    def functions(self) -> str | None:
        """The first function or method whose code is another than the file's."""
        source = self.path.read_bytes()
        codes = {each.co_qualname: each for each in _codes(compile(source, self.path, "exec"))}
        for place, wrappers in _definitions(ast.parse(source).body, ""):
            live = _live(self.module, place, wrappers)
            if not isinstance(live, FunctionType) or live.__code__ != codes[place]:
                return f"{self.name}:{place} in memory is not what {self.inside} says"
        return None

    def constants(self) -> str | None:
        """The first literal that has another value."""
        for name, value in _constants(ast.parse(self.path.read_bytes()).body):
            if getattr(self.module, name, None) != value:
                return f"{self.name}:{name} in memory is not the {value!r} of {self.inside}"
        return None

    def imports(self) -> str | None:
        """The first name from another module that is not what stands there."""
        for name, value in _bindings(ast.parse(self.path.read_bytes()).body):
            if getattr(self.module, name, None) is not value:
                return f"{self.name}:{name} in memory is not what {self.inside} imports"
        return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int]]:
    """(qualified name, decorators that may wrap it) of every function and method of a module."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(each) for each in node.decorator_list]
            yield prefix + node.name, sum(each not in DESCRIPTORS for each in decorators)
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node.body, f"{prefix}{node.name}.")


def _live(module: ModuleType, place: str, wrappers: int) -> Any:
    """What is found in memory at a qualified name, behind as many wrappers as the file puts there.

    One more, and it is the wrapper that is found: whoever put it there replaced the function.
    """
    found: Any = module
    for part in place.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    found = getattr(found, "__func__", found)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, functools.cached_property):
        found = found.func
    for _ in range(wrappers):
        found = getattr(found, "__wrapped__", found)
    return found


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """(name here, object there) of what a module imports from others by name."""
    for node in body:
        if isinstance(node, ast.ImportFrom):
            there = sys.modules.get(str(node.module))
            for alias in node.names:
                yield alias.asname or alias.name, getattr(there, alias.name, None)


def _constants(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """(name, value) of what a module sets to a literal."""
    for node in body:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(
                ast.Name(name), _, ast.expr() as value
            ):
                try:
                    yield name, ast.literal_eval(value)
                except (ValueError, TypeError):
                    continue  # something that is calculated
