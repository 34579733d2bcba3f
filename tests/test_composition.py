"""No class overrides a concrete method, and only data/space.py tests for an autoencoder."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ddpm_core"
LIBRARY = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(PACKAGE.rglob("*.py"))
}
# An abstract method is implemented, not overridden; a Protocol has no other.
ABSTRACT = ("abstractmethod", "Protocol")
NONE_CHECK = re.compile(r"\b(autoencoder|kept|space|latents?)\b is (not )?None")


def overrides(files: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each method that a class defines and one of its bases does, too."""
    classes = {
        node.name: (name, node)
        for name, source in files.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    }

    def methods(node: ast.ClassDef) -> set[str]:
        return {
            each.name
            for each in node.body
            if isinstance(each, ast.FunctionDef) and "abstract" not in ast.unparse(each)[:60]
        }

    def ancestors(node: ast.ClassDef) -> Iterator[ast.ClassDef]:
        for base in node.bases:
            name = ast.unparse(base).split("[")[0].split(".")[-1]
            if name in classes and classes[name][1] is not node:
                yield classes[name][1]
                yield from ancestors(classes[name][1])

    for name, (file, node) in classes.items():
        for base in ancestors(node):
            if "Protocol" not in [ast.unparse(each) for each in base.bases]:
                for method in sorted(methods(node) & methods(base)):
                    yield f"{file}: {name}.{method} overrides {base.name}.{method}"


def none_checks(files: Mapping[str, str]) -> Iterator[str]:
    """Yield each line outside data/space.py that tests whether there is an autoencoder."""
    for file, source in files.items():
        if file != "data/space.py":
            for number, line in enumerate(source.splitlines(), 1):
                if NONE_CHECK.search(line):
                    yield f"{file}, line {number}: {line.strip()}"


def test_no_class_overrides_a_concrete_method():
    assert len(LIBRARY) > 80, "the library was not found"
    assert list(overrides(LIBRARY)) == []


def test_only_the_space_tests_for_an_autoencoder():
    assert list(none_checks(LIBRARY)) == []
    assert list(none_checks({"data/other.py": LIBRARY["data/space.py"]})) == []


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "class A:\n def f(self): pass\nclass B(A):\n def f(self): pass",
            "x.py: B.f overrides A.f",
        ),
        (
            "class A:\n def f(self): pass\nclass B(A): pass\nclass C(B):\n def f(self): pass",
            "x.py: C.f overrides A.f",
        ),
    ],
)
def test_an_override_is_reported(source, message):
    assert list(overrides({"x.py": source})) == [message]


def test_implementing_an_abstract_method_is_not_an_override():
    abstract = "class A(ABC):\n @abstractmethod\n def f(self): ...\nclass B(A):\n def f(self): pass"
    protocol = "class A(Protocol):\n def f(self): ...\nclass B(A):\n def f(self): pass"
    assert list(overrides({"x.py": abstract})) == list(overrides({"x.py": protocol})) == []


def test_a_test_for_an_autoencoder_is_reported():
    found = none_checks({"training/x.py": "a = 1\nif trained.autoencoder is None: pass"})
    assert list(found) == ["training/x.py, line 2: if trained.autoencoder is None: pass"]
