"""Repeat the findings of docs/findings.md, and say which defects the installed releases have.

Run in a checkout as: python -m property_tests.findings
"""

import argparse
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "findings.md"
SHOW = "\nprint(bool(wrong), measured, sep='|')"


class Finding(NamedTuple):
    """A section of the page: the release, what is wrong, and the program that shows it."""

    package: str
    title: str
    program: str


def findings(page: str) -> list[Finding]:
    """Return the findings of the page, in its order."""
    found = re.findall(r"^## (\S+): (.*?)\n.*?^```python\n(.*?)^```", page, re.S | re.M)
    return [Finding(*each) for each in found]


def repeat(finding: Finding) -> tuple[str, bool]:
    """Run a finding in its own process; return a line, and whether the program itself failed."""
    try:
        release = f"{finding.package} {version(finding.package)}"
    except PackageNotFoundError:
        return f"{finding.package}: not installed, so not tried: {finding.title}", False
    program = _stand_ins(finding.program) + finding.program + SHOW
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return f"{release}: the program failed: {finding.title}: {reason}", True
    wrong, measured = done.stdout.strip().splitlines()[-1].split("|")
    state = "still there" if wrong == "True" else "mended"
    return f"{release}: {state}: {finding.title} (measured {measured})", False


def _stand_ins(program: str) -> str:
    """Return the import of the release's adapter, which replaces dependencies it does not use."""
    modules = re.findall(r"^(?:from|import) (\w+)", program, re.M)
    adapters = [
        each for each in modules if (ROOT / "property_tests/adapters" / f"{each}.py").is_file()
    ]
    return f"import property_tests.adapters.{adapters[0]}\n" if adapters else ""


def main(arguments: list[str] | None = None) -> int:
    prog = f"python -m {__package__}.findings"
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.parse_args(arguments)
    if not PAGE.is_file():
        parser.error(f"there is no file {PAGE}. Run this command in a checkout")
    failed = 0
    for finding in findings(PAGE.read_text(encoding="utf-8")):
        line, broken = repeat(finding)
        failed += broken
        print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
