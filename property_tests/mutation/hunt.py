"""Which property kills what is planted; a survivor is hunted with other examples."""

import time
from functools import partial

from hypothesis import seed

ROUNDS = 20  # of other examples, before a mutant counts as a survivor


def killer(tests: list[tuple[str, partial[None]]]) -> str | None:
    """The name of the first property that fails; it goes to the front, where the next one fails."""
    for i, (name, test) in enumerate(tests):
        try:
            test()  # no call of it hangs: Checked sees to that
        except KeyboardInterrupt:
            raise
        except BaseException:  # a failure, a refusal, a recursion: whatever it is, it is seen
            tests.insert(0, tests.pop(i))
            return name
    return None


def cheapest_first(tests: list[tuple[str, partial[None]]]) -> list[tuple[str, partial[None]]]:
    """The same, by the seconds that each takes; raises what fails where nothing is planted."""

    def seconds(named: tuple[str, partial[None]]) -> float:
        began = time.perf_counter()
        named[1]()
        return time.perf_counter() - began

    return sorted(tests, key=seconds)


def hunted(tests: list[tuple[str, partial[None]]]) -> bool:
    """Whether other examples kill what the first ones missed."""
    for number in range(ROUNDS):
        for _, test in tests:
            seed(number)(test.func)
        if killer(tests) is not None:
            return True
    return False
