"""The checks of the suite as parameters of a test in another project.

from ddpm_core.property_tests import checks

@checks(MyDiffusion(), expected_failures={"test_losses.py::test_loss": "convention"})
def test_my_diffusion(check):
    check()
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from .evidence import deviations, diagnosis, evidence, report
from .evidence.faults import derivation
from .evidence.verdict import judge
from .profiles import load_gate
from .protocol import Deviation
from .protocol.contract import Checked
from .protocol.nouns import VERDICTS
from .statistics.monte_carlo import Ledger
from .statistics.noise_key import digest_for

Failures = Mapping[str, str | Deviation]


def checks(
    adapter: Any, expected_failures: Failures | str | Path | None = None
) -> pytest.MarkDecorator:
    """Return a decorator that runs a test once for each check of the suite, given as `check`.

    adapter: an implementation of the protocol. expected_failures: by the name of a check,
    file::name or file::name[parameter], its verdict (formula, digits, convention) or a Deviation;
    or the path of a TOML file that --ddpm-accept has written. A check that is not offered is
    skipped; one that is expected to fail and does not, or not with this verdict, fails.
    """
    listed = _listed(expected_failures or {})
    found = [
        pytest.param(each, id=each.name) for each in _checks(adapter, Ledger(digest_for(adapter)))
    ]
    names = {each.id for each in found}
    unknown = listed.keys() - names - {name.partition("[")[0] for name in names}
    if unknown:
        raise ValueError(
            f"expected_failures[{min(unknown)!r}]: the suite has no check of this name"
        )
    for parameter in found:
        (check,) = parameter.values
        check.listed = listed.get(check.name) or listed.get(check.name.partition("[")[0])
    return pytest.mark.parametrize("check", found)


@dataclass
class Check:
    """One check of one implementation; call it in a test."""

    name: str
    function: Any
    arguments: Mapping[str, Any]
    adapter: Any
    convention: bool
    listed: Deviation | None = None

    def __call__(self) -> None:
        """Run the check: raise its failure with the diagnosis, or skip it if it is not offered."""
        __tracebackhide__ = True
        evidence.start()
        asked = report.examples(self.function)
        try:
            judge(lambda: self.function(**self.arguments), asked, self.convention, self.listed)
        except AssertionError as failure:
            for note in self._notes():
                failure.add_note(note)
            raise

    def _notes(self) -> Iterator[str]:
        seen = evidence.current()
        equation, statement = report.statement(self.function)
        yield f"verdict: {seen.verdict}. {self.name}: {statement}"
        if equation:
            yield f"derivation: {derivation(equation)}"
        for title, text in diagnosis.diagnose(seen, self.adapter).sections:
            yield f"{title}: {text}"


def _listed(given: Failures | str | Path) -> dict[str, Deviation]:
    if isinstance(given, str | Path):
        return deviations.read(Path(given))
    for name, each in given.items():
        if isinstance(each, str) and each not in VERDICTS:
            raise ValueError(
                f"expected_failures[{name!r}] = {each!r} must be one of {', '.join(VERDICTS)}"
            )
    return {
        name: Deviation("expected", "", "", each) if isinstance(each, str) else each
        for name, each in given.items()
    }


def _checks(adapter: Any, ledger: Ledger) -> Iterator[Check]:
    """Yield every check of the suite that needs no other fixture than these."""
    fixtures = {"impl": Checked(adapter), "ledger": ledger}
    for module in _modules():
        file = module.__name__.rpartition(".")[2] + ".py"
        for name, function in vars(module).items():
            if name.startswith("test_") and callable(function):
                needed = inspect.signature(function).parameters
                given = {each: fixtures[each] for each in needed if each in fixtures}
                for suffix, values, marks in _cases(getattr(function, "pytestmark", [])):
                    if given.keys() | values.keys() == set(needed):
                        convention = "convention" in marks
                        yield Check(
                            f"{file}::{name}{suffix}", function, given | values, adapter, convention
                        )


def _cases(marks: list[pytest.Mark]) -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    """Yield the suffix of the name, the values and the marks of each case of a check."""
    own = {mark.name for mark in marks}
    stacked = [[*_values(mark)] for mark in marks if mark.name == "parametrize"]
    for combination in product(*stacked):
        words, values, names = "-".join(each[0] for each in combination), {}, set(own)
        for _, given, more in combination:
            values |= given
            names |= more
        yield (f"[{words}]" if words else ""), values, names


def _values(mark: pytest.Mark) -> Iterator[tuple[str, dict[str, Any], set[str]]]:
    """Yield the words, values and marks of each parameter of one parametrize mark."""
    names, given = mark.args[:2]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    ids = mark.kwargs.get("ids")
    for i, each in enumerate(given):
        marks = {mark.name for mark in getattr(each, "marks", ())}
        plain = each if len(names) > 1 else (each,)
        values = each.values if hasattr(each, "marks") else plain  # of a pytest.param
        pairs = [*zip(names, values, strict=True)]
        words = "-".join(_word(name, value, i, ids) for name, value in pairs)
        if isinstance(ids, list | tuple):
            words = str(ids[i])
        yield words, dict(pairs), marks


def _word(name: str, value: Any, i: int, ids: Any) -> str:
    """Return what pytest writes for the i-th value of a parameter."""
    if callable(ids) and (word := ids(value)) is not None:
        return str(word)
    plain = isinstance(value, str | int | float | bool | None)
    return str(value) if plain else getattr(value, "__name__", f"{name}{i}")


@cache
def _modules() -> list[ModuleType]:
    """Import the suite's tests with its own profile, and leave that of the caller as it is."""
    before = settings.get_current_profile_name()
    load_gate()
    settings.load_profile("gate")  # the caller may have loaded another one since
    try:
        files = sorted(Path(__file__).parent.glob("test_*.py"))
        return [importlib.import_module(f".{file.stem}", __package__) for file in files]
    finally:
        settings.load_profile(before)
