"""--ddpm-budget: after so many seconds of a run, checks that have not begun are not run."""

import math
import time
from typing import Any

import pytest

NOT_RUN = "not run: "  # a skip with this reason has a column of its own and is never a pass
ENDS = "ddpm_budget_ends"  # key of the time at which the budget ends, for xdist workers


def seconds(text: str) -> float:
    """Return a positive number of seconds."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise pytest.UsageError(f"--ddpm-budget {text}: use a positive number of seconds")
    return found


class Budget:
    """Wall time of a run, in all of its processes; without --ddpm-budget it never ends."""

    def __init__(self, config: Any) -> None:
        given: str | None = config.getoption("ddpm_budget")
        self.seconds = math.inf if given is None else seconds(given)
        own = time.time() + self.seconds
        self.ends: float = getattr(config, "workerinput", {}).get(ENDS, own)

    def check(self) -> None:
        """Skip the check that is about to start if the budget is spent."""
        if time.time() >= self.ends:
            # A skip ends a check without a traceback; its outcome is "not run", never a pass.
            pytest.skip(f"{NOT_RUN}--ddpm-budget {self.seconds:g} was spent")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give an xdist worker the time at which the budget of the run ends."""
        node.workerinput[ENDS] = self.ends


def is_not_run(report: Any) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return bool(report.skipped and NOT_RUN in reason)
