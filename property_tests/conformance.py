"""Write docs/conformance.md: the suite on released libraries, as far as they are installed.

Run in a checkout as: python -m property_tests.conformance
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "conformance.md"
ADAPTERS = {
    "ddpm_core": "DdpmCore",
    "diffusers": "Diffusers",
    "azula": "Azula",
    "denoising_diffusion_pytorch": "DenoisingDiffusionPytorch",
}
OUTCOMES = ("passed", "deviates", "not offered", "failed")
HEAD = """# The suite on released libraries

Made by `python -m property_tests.conformance`, which runs the whole suite on each adapter in
`property_tests/adapters/`. An adapter converts arrays and clocks and calls the release; a test
reads that it calculates nothing. *Deviates* is what the adapter lists, with its measured effect,
and what the suite therefore expects to fail: a listed check that passes is an error. *Not offered*
is what the release has no function for, and is never a pass.

| Release | Passed | Deviates | Not offered | Failed |
|---|---|---|---|---|
"""


def main() -> int:
    rows, sections, failed = [], [], 0
    for module, name in ADAPTERS.items():
        if find_spec(module) is None:
            print(f"{module} is not installed; see docs/suite.md")
            return 1
        found = run(f"{__package__}.adapters.{module}:{name}")
        totals = found["totals"]
        counts = [totals["outcomes"].get(each, 0) for each in OUTCOMES]
        failed += counts[-1]
        rows.append(f"| {totals['implementation']} | {' | '.join(map(str, counts))} |")
        if totals["outcomes"].get("deviates"):
            sections.append("\n".join(section(totals["implementation"], found["checks"])))
    PAGE.write_text(HEAD + "\n".join([*rows, *sections]) + "\n", encoding="utf-8")
    return 1 if failed else 0


def run(impl: str) -> Mapping[str, Any]:
    """The report of a run of the whole suite on this adapter."""
    with tempfile.TemporaryDirectory() as folder:
        suite = str(Path(__file__).parent)
        command = [sys.executable, "-m", "pytest", "-q", suite, "--impl", impl, "--report", folder]
        print(*command[2:], flush=True)
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads((Path(folder) / "report.json").read_bytes())
    return found


def section(name: str, checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The deviations of one release as a table."""
    yield f"\n## {name}\n"
    yield "| What it does instead | Measured effect | Where | Check |"
    yield "|---|---|---|---|"
    for each in checks:
        if each["outcome"] == "deviates":
            said = each["deviation"].removeprefix("deviates: ").split(" | ")
            cells = [cell.replace("|", "\\|") for cell in said]
            yield f"| {' | '.join(cells)} | `{each['check'].partition('::')[2]}` |"


if __name__ == "__main__":
    sys.exit(main())
