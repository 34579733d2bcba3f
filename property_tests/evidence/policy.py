"""Write policy.json, the requirements for a certificate.

Run as: python -m property_tests.evidence.policy [REPORT]

It is made from the report of a full run: every check that ran, how many Monte Carlo claims it made
and at how many examples it ran. A check that is gone, or shows less than it did, certifies nothing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from ..mutation.targets import MUTANTS_PER_RUN, PROPERTIES, STATISTICS
from ..statistics import monte_carlo

PAGE = Path(__file__).parent.parent / "policy.json"


def policy(checks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the policy that requires what these rows of a report show."""
    required = {
        each["check"]: {"claims": len(each["claims"]), "examples": each["examples"]}
        for each in checks
    }
    assert len(required) == len(checks), "two checks have the same name"
    return {
        "required": required,
        "alpha": monte_carlo.ALPHA_RUN,
        "power": monte_carlo.POWER,
        "effect": monte_carlo.MIN_EFFECT,
        "mutants": MUTANTS_PER_RUN,
        "mutated": sorted([*PROPERTIES, *STATISTICS]),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.policy", description=__doc__)
    parser.add_argument("report", nargs="?", type=Path, default=Path("verification/report.json"))
    report = parser.parse_args(arguments).report
    try:
        checks = json.loads(report.read_bytes())["checks"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        parser.error(f"{report} is not a report of a complete run: {error}")
    PAGE.write_text(json.dumps(policy(checks), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
