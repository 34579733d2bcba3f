"""Test the mutants of a module against the properties that cover it."""

import gc
import time
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, settings

# Before any property is defined. Failing examples are not read, so they are not shrunk.
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

# These import properties, which use the profile that is active when they are defined.
from ..adapters.ddpm_core import DdpmCore  # noqa: E402
from ..catalogue import properties  # noqa: E402
from ..protocol import Array  # noqa: E402
from ..protocol.contract import Checked  # noqa: E402
from .equivalents import AS_RIGHT, CHOICES, EQUIVALENTS, Reasons  # noqa: E402
from .inject import injected, source_of  # noqa: E402
from .kill import cheapest_first, killed_by_more_examples, killer  # noqa: E402
from .outputs import CALLS, outputs, same_bits, same_but_for_rounding  # noqa: E402
from .targets import PROPERTIES, STATISTICS, mutants_of  # noqa: E402

SUITE = __package__.rpartition(".")[0]


class Row(NamedTuple):
    """The counts of one module."""

    module: str
    mutants: int
    killed: int
    equivalent: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"| {self.module} | {self.mutants} | {self.killed} | {self.equivalent} "
            f"| {self.seconds:.1f} |"
        )


OURS = DdpmCore()
IMPL = Checked(OURS)
UNIT = OURS.unit_roundoff


def cost(name: str) -> int:
    """Estimate how long the mutants of the module take, relative to the others."""
    of_the_suite = name in STATISTICS
    return len(source_of(f"{SUITE}.{name}" if of_the_suite else f"ddpm_core.{name}")[1])


def run_mutants(name: str) -> tuple[Row, list[str]]:
    """Test every mutant of the module; return the counts and all unexpected outcomes."""
    warnings.simplefilter("ignore")  # a mutant may divide by zero
    began, complaints, killed = time.perf_counter(), [], 0
    of_the_suite = name in STATISTICS
    module, source = source_of(f"{SUITE}.{name}" if of_the_suite else f"ddpm_core.{name}")
    tests = cheapest_first(list(properties((PROPERTIES | STATISTICS)[name], impl=IMPL)))
    allowed = listed_as(name)
    listed = len(allowed)
    right = outputs(OURS, name) if name in CALLS else np.zeros(0)
    made = mutants_of(name, source)
    gc.freeze()  # the syntax trees of all mutants stay until the end
    for line, statement, tree in made:
        is_equivalent = allowed.pop(statement, None)
        with injected(module, tree):
            killed_here = killer(tests) is not None
            if not killed_here and is_equivalent is None:
                killed_here = killed_by_more_examples(tests)
            if is_equivalent is None:
                verdict = "" if killed_here else "SURVIVED"
            elif killed_here:
                verdict = "LISTED AS EQUIVALENT, BUT KILLED"
            else:
                verdict = "" if is_equivalent(right, name) else "LISTED, BUT AN OUTPUT DIFFERS"
        killed += killed_here
        if verdict:
            complaints.append(f"{verdict}: {name}, line {line}: {statement}")
    complaints += [f"LISTED, BUT NO SUCH MUTANT: {name}: {each}" for each in allowed]
    return Row(name, len(made), killed, listed, time.perf_counter() - began), complaints


def sampled(count: int) -> Iterator[dict[str, str | None]]:
    """Test `count` mutants of the mathematics, selected by a hash of the sources.

    Yield the location of each, and the property that killed it or None.
    """
    warnings.simplefilter("ignore")
    sources = {name: source_of(f"ddpm_core.{name}") for name in PROPERTIES}
    text = "".join(source for _, source in sources.values())
    for i in range(count):
        key = int.from_bytes(sha256(f"{i} {text}".encode()).digest(), "big")
        which, name = divmod(key, len(sources))[0], list(sources)[key % len(sources)]
        module, source = sources[name]
        made = [each for each in mutants_of(name, source) if each.statement not in listed_as(name)]
        line, statement, tree = made[which % len(made)]
        tests = list(properties(PROPERTIES[name], impl=IMPL))
        with injected(module, tree):
            killed_by = killer(tests) or (
                "other examples" if killed_by_more_examples(tests) else None
            )
        place = f"{name}.py, line {line}"
        yield {"module": place, "statement": statement, "killed_by": killed_by}


def listed_as(name: str) -> dict[str, Callable[[Array, str], bool]]:
    """Return {statement: whether its outputs are as listed, evaluated while it is injected}."""
    kinds: list[tuple[Reasons, Callable[[Array, str], bool]]] = [
        (EQUIVALENTS, lambda right, name: same_bits(right, outputs(OURS, name))),
        (AS_RIGHT, lambda right, name: same_but_for_rounding(right, outputs(OURS, name), UNIT)),
        (CHOICES, lambda right, name: True),
    ]
    return {statement: check for reasons, check in kinds for statement in reasons.get(name, ())}
