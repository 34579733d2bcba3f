"""Mutation test of the gate: negating or removing any condition fails a test of the gate."""

import ast
import functools
import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ddpm_core.gate import certificate
from property_tests.catalogue import _parameters
from property_tests.mutation.inject import injected, source_of
from tests.gate import miniature

TESTS = {  # of each module, the test files that must kill its mutants
    "gate.certificate": ("test_certificate", "test_authorization"),
    "gate.live": ("test_live",),
    "gate.bytecode": ("test_bytecode", "test_live"),
    "gate.authorization": ("test_authorization", "test_certificate", "test_live"),
    "gate.devices": ("test_devices", "test_authorization"),
    "gate.identities": ("test_identities", "test_on_device"),
    "gate.certify": ("test_certify",),
}
FIXTURES = ("project", "path", "tmp_path", "monkeypatch")


def mutations(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield (description, mutated module): a condition negated, or an operand of and/or removed."""
    tree = ast.parse(source)
    for at, node in enumerate(ast.walk(tree)):
        conditional = isinstance(node, ast.If | ast.IfExp)
        tests = [node.test] if conditional else getattr(node, "ifs", [])
        for i, test in enumerate(tests):
            yield f"line {test.lineno}: not ({ast.unparse(test)})", _at(source, at, i, _negate)
        if isinstance(node, ast.BoolOp):
            for i, value in enumerate(node.values):
                description = f"line {node.lineno}: without ({ast.unparse(value)})"
                yield description, _at(source, at, i, _drop)


def _at(source: str, at: int, i: int, change: Callable[[Any, int], None]) -> ast.Module:
    mutant = ast.parse(source)  # faster than a deep copy
    change(list(ast.walk(mutant))[at], i)
    return ast.fix_missing_locations(mutant)


def _negate(node: Any, i: int) -> None:
    if isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        node.ifs[i] = ast.UnaryOp(ast.Not(), node.ifs[i])


def _drop(node: ast.BoolOp, i: int) -> None:
    node.values[i] = ast.Constant(isinstance(node.op, ast.And))  # the neutral operand


def runs(names: tuple[str, ...]) -> Iterator[Callable[[], None]]:
    """Yield every fast test of these files as a plain call."""
    for name in names:
        for test in vars(importlib.import_module(f"tests.gate.{name}")).values():
            if not inspect.isfunction(test) or not test.__name__.startswith("test_"):
                continue
            parameters = tuple(inspect.signature(test).parameters)
            fast = "subprocess" not in test.__code__.co_names
            for values in _parameters(getattr(test, "pytestmark", [])):
                if fast and {*parameters} <= {*FIXTURES, *values}:
                    yield lambda t=test, v=values, p=parameters: call(t, v, p)


def call(test: Callable[..., None], values: dict[str, Any], parameters: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder)
        fixtures = {"tmp_path": root, "path": root / "certificate.json", "monkeypatch": patch}
        try:
            if "project" in parameters:
                fixtures["project"] = miniature.make(root)
            used = {name: fixtures[name] for name in parameters if name in fixtures}
            test(**used, **values)
        finally:
            miniature.forget()


def killed(tests: list[Callable[[], None]]) -> bool:
    """Return whether a test fails; move that test to the front."""
    for i, test in enumerate(tests):
        try:
            test()
        except KeyboardInterrupt:
            raise
        except BaseException:
            tests.insert(0, tests.pop(i))
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", TESTS)
def test_no_condition_can_be_negated_or_removed(name, monkeypatch):
    monkeypatch.setattr(certificate, "version", functools.cache(certificate.version))
    module, source = source_of(f"ddpm_core.{name}")
    tests = list(runs(TESTS[name]))
    assert len(tests) >= 9
    assert not killed(tests), "the tests fail without a mutant"
    made = list(mutations(source))
    assert made
    survivors = []
    for description, tree in made:
        with injected(module, tree):
            if not killed(tests):
                survivors.append(description)
    print(f"{name}: {len(made)} mutants")
    assert not survivors, "\n".join(survivors)
