"""Run every mutant against the exact properties: python -m property_tests.mutation [MODULE ...]

Exit code 1 where a mutant survives that is not listed in `equivalents.py`, or a listed one dies.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, settings

# Before any property is defined: a slip shows at once or not at all, and nobody reads the example.
settings.register_profile(
    "mutation",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=20,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
settings.load_profile("mutation")

# These import properties, which take the profile as it is when they are defined.
from ..adapters.ddpm_core import DdpmCore  # noqa: E402
from ..contract import Checked  # noqa: E402
from .equivalents import EQUIVALENTS  # noqa: E402
from .hunt import hunted, killer  # noqa: E402
from .operators import mutants  # noqa: E402
from .plant import planted, source_of  # noqa: E402

# Module of the library -> files of the suite that attack it, nearest first. Still to come:
# schedules, samplers.ancestral and networks.embeddings, of which some mutants survive so far.
PROPERTIES = {
    "forward_process": ("test_forward_process",),
    "posterior": ("test_posterior",),
    "parameterization": ("test_parameterization",),
    "losses": ("test_losses",),
    "samplers.ladders": ("test_samplers",),
    "training.ema": ("test_ema",),
}


def properties(names: tuple[str, ...]) -> list[tuple[str, partial[None]]]:
    """(name, call) of every exact property in the files, one for each value of its parameters."""
    modules = [importlib.import_module(f"..{name}", __package__) for name in names]
    return [
        (name, partial(test, impl=IMPL, **given))
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and not samples(test)
        for given in parameters(getattr(test, "pytestmark", []))
    ]


def samples(test: Any) -> bool:
    """Whether the property is a Monte Carlo claim, which is slower and says no more here."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", test)
    return "ledger" in inner.__code__.co_varnames


def parameters(marks: list) -> Iterator[dict]:
    """Every combination that stacked parametrize marks make."""
    if not marks:
        yield {}
        return
    names, values = marks[0].args[:2]
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    for value in values:
        first = dict(zip(names, value if len(names) > 1 else [value], strict=True))
        for rest in parameters(marks[1:]):
            yield first | rest


IMPL = Checked(DdpmCore())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(PROPERTIES), metavar="MODULE")
    complaints = []
    for name in parser.parse_args().modules:
        module, source = source_of(f"ddpm_core.{name}")
        tests = properties(PROPERTIES[name])
        assert killer(tests) is None, f"a property fails on {name} as it is"
        began = time.perf_counter()
        expected, everything, killed = dict(EQUIVALENTS.get(name, {})), list(mutants(source)), 0
        for line, statement, tree in everything:
            listed = expected.pop(statement, None) is not None
            with planted(module, tree):
                died = killer(tests) is not None or (not listed and hunted(tests))
            killed += died
            if died == listed:
                verdict = "LISTED AS EQUIVALENT, BUT DIED" if died else "SURVIVED"
                complaints.append(f"{verdict}: {name}, line {line}: {statement}")
        complaints += [f"LISTED, BUT NO SUCH MUTANT: {name}: {each}" for each in expected]
        seconds = time.perf_counter() - began
        print(f"{name:20s} {killed:4d} of {len(everything):4d} killed in {seconds:5.1f} s")
    print(*complaints, sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
