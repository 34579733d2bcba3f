"""Test every mutant against the exact properties: python -m property_tests.mutation [MODULE ...]

Prints a table. The exit code is 1 if a mutant survives that is not listed in `equivalents.py`, or
if a listed one is killed or shown by `outputs.py` not to be equivalent. With --sample N: test only
N mutants, selected by a hash of the sources, and print them as JSON.

With --guarded: test the guarded mutants instead (see `guarded.py`), all or a sample of N, and print
a table by guard and module. The exit code is 1 if one survives that is not listed in
`guarded_equivalents.py`, or if a listed one is killed.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from .guarded_run import run_guarded
from .guarded_table import Outcome, complaints, sample, table
from .run import Row, cost, run_mutants, sampled
from .targets import PROPERTIES, STATISTICS

MAX_EQUIVALENT = 0.03  # fraction of the mutants that may be listed as equivalent


def main() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("modules", nargs="*", default=[*PROPERTIES, *STATISTICS], metavar="MODULE")
    parser.add_argument("--sample", type=int, metavar="N", help="only N, selected by a hash")
    parser.add_argument("--guarded", action="store_true", help="guarded mutants")
    given = parser.parse_args()
    if unknown := [name for name in given.modules if name not in PROPERTIES | STATISTICS]:
        parser.error(f"{unknown[0]} is not one of {', '.join([*PROPERTIES, *STATISTICS])}")
    if given.guarded:
        core = [name for name in given.modules if name in PROPERTIES]
        if not core:
            parser.error(f"--guarded needs a module of the core: {', '.join(PROPERTIES)}")
        return guarded(core, given.sample)
    if given.sample:
        print(json.dumps(list(sampled(given.sample))))
        return 0
    rows, complaints = [], []
    print("| module | mutants | killed | equivalent | seconds |\n|---|---|---|---|---|")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # in each process, because the arrays are small
    longest_first = sorted(given.modules, key=cost, reverse=True)  # the processes end together
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for row, more in pool.map(run_mutants, longest_first):
            rows.append(row)
            complaints += more
            print(row, flush=True)
    total = Row("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    print(total, *complaints, sep="\n")
    if total.equivalent > MAX_EQUIVALENT * total.mutants and len(rows) > len(PROPERTIES):
        print(f"{total.equivalent} equivalents exceed {MAX_EQUIVALENT:.0%} of the mutants")
        return 1
    return 1 if complaints else 0


def guarded(modules: list[str], count: int | None) -> int:
    """Test guarded mutants of the modules, all or `count`; print a table and complaints."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen = sample(modules, count) if count else dict.fromkeys(modules)
    longest_first = sorted(chosen, key=cost, reverse=True)
    outcomes: list[Outcome] = []
    unexpected: list[str] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        numbers = (chosen[name] for name in longest_first)
        for found, met in pool.map(run_guarded, longest_first, numbers):
            outcomes += found
            unexpected += met
    unexpected += complaints(outcomes, () if count else modules)
    print(*table(outcomes), *unexpected, sep="\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
