"""Run every mutant against the exact properties: python -m property_tests.mutation [MODULE ...]

Prints a table. Exit code 1 where a mutant survives that is not listed in `equivalents.py`, or a
listed one dies, or is shown to be none by `evidence.py`. With --planted N: only N of them, chosen
by a hash of the sources, as JSON.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from .attack import Row, attack, chosen
from .targets import PROPERTIES, STATISTICS

LARGEST_SHARE = 0.03  # of the mutants that may be listed as equivalent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=[*PROPERTIES, *STATISTICS], metavar="MODULE")
    parser.add_argument("--planted", type=int, metavar="N", help="only N, chosen by hash")
    given = parser.parse_args()
    if given.planted:
        print(json.dumps(list(chosen(given.planted))))
        return 0
    rows, complaints = [], []
    print("| module | mutants | killed | equivalent | seconds |\n|---|---|---|---|---|")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each process: the arrays are small
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for row, more in pool.map(attack, given.modules):
            rows.append(row)
            complaints += more
            print(row, flush=True)
    total = Row("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    print(total, *complaints, sep="\n")
    if total.equivalent > LARGEST_SHARE * total.mutants and len(rows) > len(PROPERTIES):
        print(f"{total.equivalent} equivalents are more than {LARGEST_SHARE:.0%} of the mutants")
        return 1
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
