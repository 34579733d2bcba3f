"""Comparison of the code in memory with the files: nothing replaced, nothing from elsewhere."""

import ast
import collections
import functools
import importlib.util
import re
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ddpm_core.gate.certificate import EXEMPT, Project

STANDARD_LIBRARY = [Path(str(each.__file__)).parent for each in (ast, collections)]


def mismatch(project: Project) -> str | None:
    """Describe the first difference between the loaded package and its files, or return None."""
    entries = [Path(entry) for entry in sys.path] + [project.package.parent]
    starts = [(entry / project.name / "__init__.py").resolve() for entry in entries]
    homes = {start for start in starts if start.is_file()}
    if len(homes) > 1:
        where = " and ".join(sorted(str(home.parent) for home in homes))
        return f"{project.name} is installed twice, at {where}: uninstall one of them"
    modules = loaded(project)
    differences = (found for compare in COMPARISONS for each in modules if (found := compare(each)))
    return next(differences, None)


def loaded(project: Project) -> list["Loaded"]:
    """List every module in memory that must agree with a file of the package."""
    names = sorted(each for each in sys.modules if f"{each}.".startswith(f"{project.name}."))
    return [module for name in names if (module := Loaded.of(project, name)) is not None]


@dataclass(frozen=True)
class Loaded:
    """A module in memory, and the file that it must agree with."""

    project: Project
    name: str
    module: ModuleType
    path: Path

    @classmethod
    def of(cls, project: Project, name: str) -> "Loaded | None":
        """Return the module, or None if it is exempt, part of the suite, or a bare folder."""
        module = sys.modules[name]
        found = cls(project, name, module, Path(str(getattr(module, "__file__", ""))).resolve())
        expected = name.partition(".")[2].replace(".", "/")
        separate = expected.startswith(("property_tests", "derivations"))
        bare = getattr(module, "__file__", None) is None and hasattr(module, "__path__")
        return None if separate or bare or f"{expected}.py" in EXEMPT else found

    @property
    def inside(self) -> str:
        """Path relative to the package, or absolute if it is elsewhere."""
        package = self.project.package.resolve()
        within = self.path.is_relative_to(package)
        return (self.path.relative_to(package) if within else self.path).as_posix()

    def origin(self) -> str | None:
        """Describe a wrong place that it was loaded from, or return None."""
        inside = self.name.split(".")[1:]
        stem = self.project.package.resolve().joinpath(*inside)
        if self.path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            return None
        return f"{self.name} was loaded from {self.path}, not from {self.project.package}"

    def functions(self) -> str | None:
        """Describe the first function or method that differs from the file, or return None."""
        source = self.path.read_bytes()
        codes = {each.co_qualname: each for each in codes_in(compile(source, self.path, "exec"))}
        for name, node in definitions(ast.parse(source).body, ""):
            live = _live(self.module, name, node)
            if (
                not isinstance(live, FunctionType)
                or live.__code__ != codes[name]
                or not _has_defaults(live, node.args)
            ):
                return f"{self.name}:{name} in memory differs from {self.inside}"
        return None

    def additions(self) -> str | None:
        """Describe the first name or method that the file does not define, or return None."""
        source = self.path.read_text(encoding="utf-8")
        table = symtable.symtable(source, str(self.path), "exec")
        bound = {
            each.get_name()
            for each in table.get_symbols()
            if each.is_assigned() or each.is_imported()
        } | {name for name, _ in self.lazy_imports()}
        defined = {qualified for qualified, _ in definitions(ast.parse(source).body, "")}
        for name, value in vars(self.module).items():
            own = isinstance(value, ModuleType) and value.__name__ == f"{self.name}.{name}"
            if name not in bound and not own and not re.fullmatch("__.*__", name):
                return f"{self.name}:{name} is in memory but not in {self.inside}"
            if isinstance(value, type) and value.__module__ == self.name:
                for method, live in vars(value).items():
                    written = isinstance(live, FunctionType) and not _is_generated(live)
                    if written and f"{value.__qualname__}.{method}" not in defined:
                        where = f"{self.name}:{value.__qualname__}.{method}"
                        return f"{where} is in memory but not in {self.inside}"
        return None

    def constants(self) -> str | None:
        """Describe the first constant whose value differs from its literal, or return None."""
        for name, value in _constants(ast.parse(self.path.read_bytes()).body):
            if getattr(self.module, name, None) != value:
                return f"{self.name}:{name} in memory differs from the {value!r} in {self.inside}"
        return None

    def imports(self) -> str | None:
        """Describe the first import that is bound to a different object, or return None."""
        for name, value in _bindings(ast.parse(self.path.read_bytes()).body, self.name):
            if getattr(self.module, name, None) is not value:
                return f"{self.name}:{name} in memory differs from the import in {self.inside}"
        for name, value in self.lazy_imports():
            # Only a name that was already used is an attribute of the module.
            if vars(self.module).get(name, value) is not value:
                return f"{self.name}:{name} in memory differs from the import in {self.inside}i"
        return None

    def lazy_imports(self) -> list[tuple[str, Any]]:
        """List (name, object) of each import in the stub next to the file, if there is one."""
        stub = self.path.with_suffix(".pyi")
        return (
            list(_bindings(ast.parse(stub.read_bytes()).body, self.name)) if stub.is_file() else []
        )


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of every function and class inside `code`, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from codes_in(constant)


def definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield (qualified name, definition) of every function and method of a module."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")


def _has_defaults(live: FunctionType, arguments: ast.arguments) -> bool:
    """Return whether every default written as a literal is the one in memory."""
    pairs = [
        *zip(arguments.defaults, live.__defaults__ or (), strict=False),
        *(
            (default, (live.__kwdefaults__ or {}).get(each.arg))
            for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        ),
    ]
    if len(arguments.defaults) != len(live.__defaults__ or ()):
        return False
    for written, value in pairs:
        try:
            if ast.literal_eval(written) != value:
                return False
        except (ValueError, TypeError):
            continue  # a computed default
    return True


def _is_generated(live: FunctionType) -> bool:
    """Return whether the standard library generated it, such as the methods of a dataclass."""
    made_of = live.__code__.co_filename
    return made_of == "<string>" or Path(made_of).parent in STANDARD_LIBRARY


def _live(module: ModuleType, name: str, node: ast.FunctionDef) -> Any:
    """Return the object in memory at a qualified name, behind the wrappers of its decorators.

    A further wrapper, or one whose code is not from its decorator's package, is returned itself:
    the function was replaced.
    """
    found = find(module, name)
    for decorator in node.decorator_list:
        if _comes_from(found, decorator, module):
            found = getattr(found, "__wrapped__", found)
    return found


def find(module: ModuleType, name: str) -> Any:
    """Return the object at a qualified name without its descriptor, or None."""
    found: Any = module
    for part in name.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    found = getattr(found, "__func__", found)
    if isinstance(found, property):
        found = found.fget
    return found.func if isinstance(found, functools.cached_property) else found


def _comes_from(wrapper: Any, decorator: ast.expr, module: ModuleType) -> bool:
    """Return whether the code of a wrapper is from the package of its decorator."""
    if not isinstance(wrapper, FunctionType):
        return True  # written in C, like functools.cache
    name = next(each.id for each in ast.walk(decorator) if isinstance(each, ast.Name))
    imported = vars(module).get(name)
    package = str(getattr(imported, "__module__", None) or getattr(imported, "__name__", ""))
    home = str(getattr(sys.modules.get(package.partition(".")[0]), "__file__", "nowhere/"))
    return Path(wrapper.__code__.co_filename).is_relative_to(Path(home).parent)


def _bindings(body: list[ast.stmt], package: str) -> Iterator[tuple[str, Any]]:
    """Yield (name here, object there) of each import; a relative one starts at `package`."""
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or bound, sys.modules.get(bound)
        if isinstance(node, ast.ImportFrom):
            home = "." * node.level + str(node.module)
            source = sys.modules.get(importlib.util.resolve_name(home, package))
            for alias in node.names:
                yield alias.asname or alias.name, getattr(source, alias.name, None)


def _constants(body: list[ast.stmt]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of each assignment of a literal in a module."""
    for node in body:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(
                ast.Name(name), _, ast.expr() as value
            ):
                try:
                    yield name, ast.literal_eval(value)
                except (ValueError, TypeError):
                    continue  # a computed value


COMPARISONS = (
    Loaded.origin,
    Loaded.functions,
    Loaded.constants,
    Loaded.imports,
    Loaded.additions,
)
