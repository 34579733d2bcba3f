"""Whether the code in memory is the code of the files: nothing replaced, nothing from elsewhere."""

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
    """The first thing of the loaded package that its files do not say, in plain words, or None."""
    entries = [Path(entry) for entry in sys.path] + [project.package.parent]
    starts = [(entry / project.name / "__init__.py").resolve() for entry in entries]
    homes = {start for start in starts if start.is_file()}
    if len(homes) > 1:
        where = " and ".join(sorted(str(home.parent) for home in homes))
        return f"{project.name} is installed twice, at {where}: uninstall one of them"
    found = loaded(project)
    differences = (difference for look in LOOKS for module in found if (difference := look(module)))
    return next(differences, None)


def loaded(project: Project) -> list["Loaded"]:
    """Every module in memory that a file of the package has to stand behind."""
    names = sorted(each for each in sys.modules if f"{each}.".startswith(f"{project.name}."))
    return [module for name in names if (module := Loaded.of(project, name)) is not None]


@dataclass(frozen=True)
class Loaded:
    """A module in memory, and the file that it has to be."""

    project: Project
    name: str
    module: ModuleType
    path: Path

    @classmethod
    def of(cls, project: Project, name: str) -> "Loaded | None":
        """The module of that name; None if it only draws, is the suite's, or is a bare folder."""
        module = sys.modules[name]
        found = cls(project, name, module, Path(str(getattr(module, "__file__", ""))).resolve())
        expected = name.partition(".")[2].replace(".", "/")
        apart = expected.startswith(("property_tests", "derivations"))
        bare = getattr(module, "__file__", None) is None and hasattr(module, "__path__")
        return None if apart or bare or f"{expected}.py" in EXEMPT else found

    @property
    def inside(self) -> str:
        """Its path within the package, or the whole one if it lies elsewhere."""
        package = self.project.package.resolve()
        within = self.path.is_relative_to(package)
        return (self.path.relative_to(package) if within else self.path).as_posix()

    def origin(self) -> str | None:
        """What is wrong with where it was loaded from."""
        inside = self.name.split(".")[1:]
        stem = self.project.package.resolve().joinpath(*inside)
        if self.path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            return None
        return f"{self.name} was loaded from {self.path}, not from {self.project.package}"

    def functions(self) -> str | None:
        """The first function or method whose code is another than the file's."""
        source = self.path.read_bytes()
        codes = {each.co_qualname: each for each in codes_in(compile(source, self.path, "exec"))}
        for place, node in definitions(ast.parse(source).body, ""):
            live = _live(self.module, place, node)
            if (
                not isinstance(live, FunctionType)
                or live.__code__ != codes[place]
                or not _has_defaults(live, node.args)
            ):
                return f"{self.name}:{place} in memory is not what {self.inside} says"
        return None

    def additions(self) -> str | None:
        """The first name that the file does not bind, or method that no class of it has."""
        source = self.path.read_text(encoding="utf-8")
        table = symtable.symtable(source, str(self.path), "exec")
        bound = {
            each.get_name()
            for each in table.get_symbols()
            if each.is_assigned() or each.is_imported()
        } | {name for name, _ in self.lazy_imports()}
        defined = {place for place, _ in definitions(ast.parse(source).body, "")}
        for name, value in vars(self.module).items():
            own = isinstance(value, ModuleType) and value.__name__ == f"{self.name}.{name}"
            if name not in bound and not own and not re.fullmatch("__.*__", name):
                return f"{self.name}:{name} in memory is not in {self.inside}"
            if isinstance(value, type) and value.__module__ == self.name:
                for method, live in vars(value).items():
                    strange = isinstance(live, FunctionType) and not _is_generated(live)
                    if strange and f"{value.__qualname__}.{method}" not in defined:
                        where = f"{self.name}:{value.__qualname__}.{method}"
                        return f"{where} in memory is not in {self.inside}"
        return None

    def constants(self) -> str | None:
        """The first literal that has another value."""
        for name, value in _constants(ast.parse(self.path.read_bytes()).body):
            if getattr(self.module, name, None) != value:
                return f"{self.name}:{name} in memory is not the {value!r} of {self.inside}"
        return None

    def imports(self) -> str | None:
        """The first name from another module that is not what stands there."""
        for name, value in _bindings(ast.parse(self.path.read_bytes()).body, self.name):
            if getattr(self.module, name, None) is not value:
                return f"{self.name}:{name} in memory is not what {self.inside} imports"
        for name, value in self.lazy_imports():
            # Only a name that was already used is an attribute of the module.
            if vars(self.module).get(name, value) is not value:
                return f"{self.name}:{name} in memory is not what {self.inside}i imports"
        return None

    def lazy_imports(self) -> list[tuple[str, Any]]:
        """(name, object) of each import in the stub beside the file, if there is one."""
        stub = self.path.with_suffix(".pyi")
        return (
            list(_bindings(ast.parse(stub.read_bytes()).body, self.name)) if stub.is_file() else []
        )


def codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from codes_in(constant)


def definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(qualified name, definition) of every function and method of a module."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")


def _has_defaults(live: FunctionType, arguments: ast.arguments) -> bool:
    """Whether defaults that are written as literals are what the function uses."""
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
            continue  # something that is calculated
    return True


def _is_generated(live: FunctionType) -> bool:
    """Whether a dataclass, an enum or a named tuple wrote it: its code is of no file of ours."""
    made_of = live.__code__.co_filename
    return made_of == "<string>" or Path(made_of).parent in STANDARD_LIBRARY


def _live(module: ModuleType, place: str, node: ast.FunctionDef) -> Any:
    """What is found in memory at a qualified name, behind as many wrappers as the file puts there.

    One more, or one that does not come from its decorator's package, and it is the wrapper that is
    found: whoever put it there replaced the function.
    """
    found = find(module, place)
    for decorator in node.decorator_list:
        if _comes_from(found, decorator, module):
            found = getattr(found, "__wrapped__", found)
    return found


def find(module: ModuleType, place: str) -> Any:
    """What stands at a qualified name, out of its descriptor; None if nothing does."""
    found: Any = module
    for part in place.split("."):
        found = vars(found).get(part)
        if found is None:
            return None
    found = getattr(found, "__func__", found)
    if isinstance(found, property):
        found = found.fget
    return found.func if isinstance(found, functools.cached_property) else found


def _comes_from(wrapper: Any, decorator: ast.expr, module: ModuleType) -> bool:
    """Whether the code of a wrapper is of the package that the decorator is imported from."""
    if not isinstance(wrapper, FunctionType):
        return True  # of C, as functools.cache is
    name = next(each.id for each in ast.walk(decorator) if isinstance(each, ast.Name))
    imported = vars(module).get(name)
    package = str(getattr(imported, "__module__", None) or getattr(imported, "__name__", ""))
    home = str(getattr(sys.modules.get(package.partition(".")[0]), "__file__", "nowhere/"))
    return Path(wrapper.__code__.co_filename).is_relative_to(Path(home).parent)


def _bindings(body: list[ast.stmt], package: str) -> Iterator[tuple[str, Any]]:
    """(name here, object there) of each import; a relative one starts at `package`."""
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or whole, sys.modules.get(whole)
        if isinstance(node, ast.ImportFrom):
            home = "." * node.level + str(node.module)
            there = sys.modules.get(importlib.util.resolve_name(home, package))
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


LOOKS = (
    Loaded.origin,
    Loaded.functions,
    Loaded.constants,
    Loaded.imports,
    Loaded.additions,
)
