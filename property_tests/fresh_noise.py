"""Run every Monte Carlo claim repeatedly with fresh noise, and count the false alarms.

Run as: python -m property_tests.fresh_noise [--runs 300] [--first 0] Our implementation is assumed
correct, so an alarm is a false one. By construction their probability is at most 1e-6 per run,
hence 3e-4 for any alarm in 300 runs.
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from .adapters.ddpm_core import DdpmCore
from .catalogue import properties
from .protocol.contract import Checked
from .statistics.monte_carlo import STATISTICS, Ledger

PROG = f"python -m {__package__}.fresh_noise"
LEVELS = (1e-1, 1e-2, 1e-3)  # at which the distribution of the smallest p is compared


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=PROG, description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="number of runs (default: 300)")
    parser.add_argument("--first", type=int, default=0, help="noise number of the first run")
    options = parser.parse_args(arguments)
    files = tuple(sorted(path.stem for path in Path(__file__).parent.glob("test_*.py")))
    impl = Checked(DdpmCore())
    alarms, least, below = 0, 1.0, dict.fromkeys(LEVELS, 0)
    claims = 0
    runs = range(options.first, options.first + options.runs)
    for number in tqdm(runs, unit="run", disable=not sys.stderr.isatty()):
        ledger = Ledger("fresh noise", epoch=str(number))
        for name, test in properties(files, impl=impl, ledger=ledger):
            if "ledger" not in test.keywords:
                continue
            try:
                test()
            except AssertionError as alarm:
                alarms += 1
                print(f"run {number}, {name}: {alarm}")
        for claim in ledger.claims:
            p = claim.worst.p if claim.worst is not None else 0.0
            claims, least = claims + 1, min(least, p)
            for level in LEVELS:
                below[level] += p <= level / STATISTICS
    print(f"{options.runs} runs, {claims:,} claims: {alarms} false alarms; smallest p {least:.3g}")
    for level, count in below.items():
        print(
            f"claims with a statistic below {level:g} / {STATISTICS}: {count} of {claims:,} "
            f"({count / claims:.3g}; at most {level:g} expected)"
        )
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
