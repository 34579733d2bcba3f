"""Invalid outputs are reported in terms of the protocol, and the other checks still run."""

import ast
import time
from pathlib import Path

import numpy as np
import pytest

from ..adapters.ddpm_core import DdpmCore
from ..conformance import ADAPTERS
from ..protocol import Implementation, contract
from ..protocol.contract import Checked, ProtocolError
from ..strategies import STEEP

SUITE = Path(__file__).parent.parent
X, T = np.zeros((2, 3)), np.array([1, 2])


class Bad(DdpmCore):
    """An adapter with a different fault in each method."""

    name = "bad"

    def q_sample(self, *arguments):
        return super().q_sample(*arguments)[:, :1]

    def q_marginal(self, *arguments):
        return super().q_marginal(*arguments).mean

    def alpha_bar(self, betas):
        return super().alpha_bar(betas).astype(np.float32)

    def q_posterior(self, *arguments):
        return super().q_posterior(*arguments)._replace(var=np.full((2, 3), np.nan))

    def convert(self, *arguments):
        time.sleep(5)

    def loss(self, *arguments):
        raise KeyError("weights")

    def target(self, *arguments):
        raise NotImplementedError


CALLS = {
    "q_sample": ((STEEP, X, T, X), r"bad.q_sample: x_t has shape \(2, 1\); it must be \(2, 3\)"),
    "q_marginal": ((STEEP, X, T), r"bad.q_marginal returned a ndarray; it must be \(mean, var\)"),
    "alpha_bar": ((STEEP,), "bad.alpha_bar: alpha_bar is float32; it must be a NumPy float64"),
    "q_posterior": ((STEEP, X, X, T - 1, T), r"bad.q_posterior: var is nan at \(0, 0\)"),
    "convert": ((STEEP, "eps", "x0", X, X, T), "bad.convert did not return within 0.2 s"),
}


@pytest.mark.parametrize("method", CALLS)
def test_invalid_output_is_reported(method, monkeypatch):
    arguments, sentence = CALLS[method]
    limit = contract.time_limit
    monkeypatch.setattr(contract, "time_limit", lambda what: limit(what, 0.2))
    with pytest.raises(ProtocolError, match=sentence):
        getattr(Checked(Bad()), method)(*arguments)


def test_error_names_the_method_that_raised_it():
    with pytest.raises(KeyError) as raised:
        Checked(Bad()).loss(X, X)
    assert raised.value.__notes__ == ["raised by bad.loss; see protocol.Implementation.loss"]


@pytest.mark.parametrize("implementation", [Bad(), object.__new__(type("Bare", (), {}))])
def test_missing_method_is_not_offered(implementation):
    with pytest.raises(pytest.skip.Exception, match="not offered: target"):
        Checked(implementation).target(STEEP, "eps", X, X, T)


def test_our_adapter_offers_every_method():
    """Verify that no method of our own implementation is missing."""
    methods = [name for name in dir(Implementation) if not name.startswith("_")]
    assert len(methods) > 15
    assert [name for name in methods if not callable(getattr(DdpmCore, name, None))] == []


def arithmetic(source: str, clock: bool = False) -> list[int]:
    """Return the lines with arithmetic; | and & join types and conditions and do not count.

    With `clock`, shifts of a timestep by one do not count either.
    """
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitOr | ast.BitAnd))
        or isinstance(node, ast.AugAssign | ast.UnaryOp)
        if not (clock and is_one(getattr(node, "right", getattr(node, "operand", None))))
    ]


def is_one(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def imported(source: str) -> set[str]:
    """Return the top-level packages that the source imports, without relative imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).split(".")[0])
    return found


def test_our_adapter_contains_no_arithmetic():
    """Verify that it only converts arrays and calls the library."""
    for path in (SUITE / "adapters" / "ddpm_core").glob("*.py"):
        assert arithmetic(path.read_text(encoding="utf-8")) == [], path
    assert arithmetic("def f(x: int | None):\n    return -x") == [2]


@pytest.mark.parametrize(
    "release", [*sorted(set(ADAPTERS) - {"ddpm_core"}), "tensors", "diffusers_schedulers"]
)
def test_release_adapters_only_shift_timesteps(release):
    """Verify that no coefficient of ours is tested instead of theirs, by their source."""
    source = (SUITE / "adapters" / f"{release}.py").read_text(encoding="utf-8")
    assert arithmetic(source, clock=True) == []
    assert arithmetic("a = t - 1\nb = -1\nc = 2 * t", clock=True) == [3]


def test_only_adapters_import_the_code_under_test():
    """Guards of mutants are conditions on tensors, so that these and their test import torch."""
    for path in SUITE.rglob("*.py"):
        if SUITE / "adapters" not in path.parents:
            guards = path.parent.name == "mutation" or path.name == "test_guarded_mutants.py"
            names = imported(path.read_text(encoding="utf-8"))
            assert not names & ({"ddpm_core"} if guards else {"ddpm_core", "torch"}), path
    assert imported("import torch.nn\nfrom ddpm_core import q_sample") == {"torch", "ddpm_core"}
