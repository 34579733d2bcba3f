"""One module's mutants against the properties that attack it: what was killed, what is wrong."""

import time
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import NamedTuple

import numpy as np
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
from ..catalogue import properties  # noqa: E402
from ..protocol import Array  # noqa: E402
from ..protocol.contract import Checked  # noqa: E402
from .equivalents import AS_RIGHT, CHOICES, EQUIVALENTS, Reasons  # noqa: E402
from .evidence import CALLS, answers, same_bits, same_but_for_rounding  # noqa: E402
from .hunt import cheapest_first, hunted, killer  # noqa: E402
from .operators import mutants  # noqa: E402
from .plant import planted, source_of  # noqa: E402
from .targets import PROPERTIES, STATISTICS  # noqa: E402

SUITE = __package__.rpartition(".")[0]


class Row(NamedTuple):
    """What came of one module's mutants."""

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


def attack(name: str) -> tuple[Row, list[str]]:
    """Plant every mutant of the module, and say what is wrong with the outcome."""
    warnings.simplefilter("ignore")  # a mutant may well divide by zero
    began, complaints, killed = time.perf_counter(), [], 0
    of_the_suite = name in STATISTICS
    module, source = source_of(f"{SUITE}.{name}" if of_the_suite else f"ddpm_core.{name}")
    tests = cheapest_first(list(properties((PROPERTIES | STATISTICS)[name], impl=IMPL)))
    allowed = listed_as(name)
    listed = len(allowed)
    right = answers(OURS, name) if name in CALLS else np.zeros(0)
    made = mutants(source)
    for line, statement, tree in made:
        alike = allowed.pop(statement, None)
        with planted(module, tree):
            died = killer(tests) is not None or (alike is None and hunted(tests))
            if alike is None:
                verdict = "" if died else "SURVIVED"
            elif died:
                verdict = "LISTED AS EQUIVALENT, BUT DIED"
            else:
                verdict = "" if alike(right, name) else "LISTED, BUT AN ANSWER DIFFERS"
        killed += died
        if verdict:
            complaints.append(f"{verdict}: {name}, line {line}: {statement}")
    complaints += [f"LISTED, BUT NO SUCH MUTANT: {name}: {each}" for each in allowed]
    return Row(name, len(made), killed, listed, time.perf_counter() - began), complaints


def chosen(count: int) -> Iterator[dict[str, str | None]]:
    """Plant `count` mutants of the mathematics, chosen by a hash of its sources.

    For each: where it stood, and the property that killed it, or None.
    """
    warnings.simplefilter("ignore")
    sources = {name: source_of(f"ddpm_core.{name}") for name in PROPERTIES}
    text = "".join(source for _, source in sources.values())
    for i in range(count):
        key = int.from_bytes(sha256(f"{i} {text}".encode()).digest(), "big")
        which, name = divmod(key, len(sources))[0], list(sources)[key % len(sources)]
        module, source = sources[name]
        made = [each for each in mutants(source) if each.statement not in listed_as(name)]
        line, statement, tree = made[which % len(made)]
        tests = list(properties(PROPERTIES[name], impl=IMPL))
        with planted(module, tree):
            found = killer(tests) or ("other examples" if hunted(tests) else None)
        place = f"{name}.py, line {line}"
        yield {"module": place, "statement": statement, "killed_by": found}


def listed_as(name: str) -> dict[str, Callable[[Array, str], bool]]:
    """Statement -> whether the answers while it is planted are what its listing says."""
    kinds: list[tuple[Reasons, Callable[[Array, str], bool]]] = [
        (EQUIVALENTS, lambda right, name: same_bits(right, answers(OURS, name))),
        (AS_RIGHT, lambda right, name: same_but_for_rounding(right, answers(OURS, name), UNIT)),
        (CHOICES, lambda right, name: True),
    ]
    return {statement: alike for reasons, alike in kinds for statement in reasons.get(name, ())}
