"""Each run of the suite kills mutants that a hash selects."""

import json
import subprocess
import sys
from pathlib import Path

from ..evidence import evidence
from ..mutation.targets import MUTANTS_PER_RUN


def test_mutants_selected_by_hash_are_killed():
    """Run in a separate process, as in the complete mutation run."""
    suite = Path(__file__).parent.parent
    command = [sys.executable, "-m", f"{__package__.removesuffix('.meta')}.mutation"]
    done = subprocess.run(
        [*command, "--sample", str(MUTANTS_PER_RUN)],
        capture_output=True,
        text=True,
        check=False,
        cwd=suite.parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    mutants = json.loads(done.stdout)
    evidence.record_mutants(mutants)
    assert len(mutants) == MUTANTS_PER_RUN
    survivors = [each for each in mutants if not each["killed_by"]]
    assert not survivors
