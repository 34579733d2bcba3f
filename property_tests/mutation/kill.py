"""Find the property that kills an injected mutant; retry survivors with more examples."""

import time
from functools import partial

from hypothesis import seed

from . import guards

ROUNDS = 20  # of other examples, before a mutant counts as a survivor


def killer(tests: list[tuple[str, partial[None]]]) -> str | None:
    """Return the first property that fails, and move it to the front for the next mutant."""
    found = failure(tests)
    return found[0] if found else None


def failure(tests: list[tuple[str, partial[None]]]) -> tuple[str, BaseException] | None:
    """Return the same property, and its error."""
    for i, (name, test) in enumerate(tests):
        guards.begin_test()
        try:
            test()  # Checked limits the time of every call
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a failure, a refusal, a recursion error: any of them kills
            tests.insert(0, tests.pop(i))
            return name, error
    return None


def cheapest_first(tests: list[tuple[str, partial[None]]]) -> list[tuple[str, partial[None]]]:
    """Sort by running time; raises if a property fails without a mutant."""

    def seconds(named: tuple[str, partial[None]]) -> float:
        began = time.perf_counter()
        named[1]()
        return time.perf_counter() - began

    return sorted(tests, key=seconds)


def killed_by_more_examples(tests: list[tuple[str, partial[None]]], rounds: int = ROUNDS) -> bool:
    """Return whether other examples kill a mutant that survived the first ones."""
    drawing = [each for each in tests if hasattr(each[1].func, "hypothesis")]
    for number in range(rounds):
        for _, test in drawing:
            seed(number)(test.func)
        if killer(drawing) is not None:
            return True
    return False
